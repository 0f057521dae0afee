"""The page for a post, the preview, and what texts quote."""

from keys.encoding import EventPointer, encode, encode_pointer
from relay.http.pages.writing import MAX_PREVIEW
from tests.http.api.test_editing import page


async def preview(api, content, status=200, **headers):
    sent = {"accept": "text/html", "content-type": "application/json"} | headers
    answer = await api.client.post("/preview", json={"content": content}, headers=sent)
    assert answer.status_code == status
    return answer.text


async def test_a_preview_is_what_the_page_will_show(alice, api):
    shown = await preview(api, "@alice **says** <b>")
    assert shown.startswith('<div class="prose"')
    assert '<p><a class="mention" href="/u/alice">@alice</a> <strong>says</strong> &lt;b&gt;</p>' in shown
    assert "Nothing is written yet." in await preview(api, " \n")


async def test_a_preview_is_bounded_and_not_drawn_for_forms_of_other_sites(api):
    await preview(api, "x" * (MAX_PREVIEW + 1), 400)
    form = await api.client.post("/preview", content=b'{"content":"x"}', headers={"content-type": "text/plain"})
    assert form.status_code == 415


async def test_the_page_for_a_post_knows_its_community_and_what_it_quotes(alice, api):
    await alice.told("POST", "submolts", {"name": "pools", "display_name": "Rock pools"}, 201)
    post = await alice.post("Low water", content="At noon.")
    comment = await alice.comment(post, "Or later.")
    text = await page(api, "/write?c=pools")
    assert '<option value="pools" selected>Rock pools</option>' in text
    for quoted, kind, words in ((post, 11, "“Low water”"), (comment, 1111, "a comment by @alice")):
        text = await page(api, f"/write?quote={quoted['id']}")
        pointer = EventPointer(quoted["id"], author=quoted["event"]["pubkey"], kind=kind)
        assert f'data-reference="nostr:{encode_pointer(pointer)}"' in text
        assert words in text
    text = await page(api, f"/write?c=nothing&quote={'f' * 64}")
    assert "data-reference" not in text
    assert "selected" not in text


async def test_what_a_text_refers_to_is_quoted_by_a_tag_and_shown_as_a_card(alice, bob, api):
    there = await alice.post("Low <water>", content="At **noon**.")
    note = f"nostr:{encode('note', there['id'])}"
    post = await bob.post(content=f"See\n\n{note}")
    comment = await alice.comment(post, f"{note} and {note}")
    for quoting in (post, comment):
        assert [tag[:2] for tag in quoting["event"]["tags"] if tag[0] == "q"] == [["q", there["id"]]]
    text = await page(api, f"/post/{post['id']}")
    assert text.count(f'<a class="quote-card" href="/post/{there["id"]}">') == 2
    assert '<span class="quote-text" dir="auto">At noon.</span>' in text
    # A paragraph that is the reference alone is not shown beside the card.
    assert text.count(f'<a class="mention" href="/post/{there["id"]}">“Low &lt;water&gt;”</a>') == 2
    await alice.told("DELETE", f"posts/{there['id']}")
    assert "quote-card" not in await page(api, f"/post/{post['id']}")


async def test_the_form_for_a_change_holds_what_was_written(alice, api):
    post = await alice.post("A <title>", content="\n<b>first</b>\n</textarea>x")
    comment = await alice.comment(post, "Words")
    form = await page(api, f"/edit/{post['id']}")
    assert 'name="title" value="A &lt;title&gt;" required' in form
    assert 'dir="auto">\n\n&lt;b&gt;first&lt;/b&gt;\n&lt;/textarea&gt;x</textarea>' in form
    form = await page(api, f"/edit/{comment['id']}")
    assert "title" not in form
    assert ">\nWords</textarea>" in form
    for missing in ("f" * 64, "x"):
        await page(api, f"/edit/{missing}", 404)
