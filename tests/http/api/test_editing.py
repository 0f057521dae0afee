"""Edits of comments, and what posts and comments said before, over HTTP and as pages."""

import time
from typing import Any

import msgspec

from keys.encoding import AddressPointer, encode, encode_pointer
from relay.http.pages import history, mentions
from relay.http.rendering import markdown
from tests.factories import make_event
from tests.http.api.homes import URL
from tests.http.api.test_posts import bound_key


async def page(api: Any, path: str, status: int = 200) -> str:
    answer = await api.client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == status
    text: str = answer.text
    return text


async def test_a_comment_is_edited_and_keeps_its_place_and_its_event(alice, bob, api):
    post = await alice.post()
    comment = await alice.comment(post, "First")
    await bob.comment(post, "An answer", parent_id=comment["id"])
    answer = await alice.told("PATCH", f"comments/{comment['id']}", {"content": "Second"})
    edited, edit = answer["comment"], answer["event"]
    assert (edit["kind"], edit["content"], ["e", comment["id"], URL] in edit["tags"]) == (1010, "Second", True)
    assert (edited["content"], edited["event"]) == ("Second", comment["event"])
    assert edited["updated_at"] > edited["created_at"]
    (shown,) = (await api.get(f"posts/{post['id']}/comments"))["comments"]
    assert (shown["content"], shown["updated_at"], len(shown["replies"])) == ("Second", edited["updated_at"], 1)
    assert (await api.get("search?q=second&mode=words"))["results"][0]["id"] == comment["id"]


async def test_a_comment_is_edited_by_whoever_wrote_it_and_not_to_nothing(alice, bob, api):
    comment = await alice.comment(await alice.post(), "First")
    assert await bob.refused(403, "PATCH", f"comments/{comment['id']}", {"content": "Mine"}) == "not_yours"
    assert await alice.refused(400, "PATCH", f"comments/{comment['id']}", {"content": "\u3164"}) == "invalid"
    assert await alice.refused(404, "PATCH", f"comments/{'f' * 64}", {"content": "x"}) == "comment_not_found"
    assert await api.refused(401, "PATCH", f"comments/{comment['id']}", {"content": "x"}) == "auth_required"


async def test_edits_of_a_comment_go_with_it_whichever_key_signed_them(alice, api):
    post = await alice.post()
    key = await bound_key(alice)
    tags = [["E", post["id"]], ["K", "11"]]
    comment = make_event(key, 1111, "First", tags, int(time.time()))
    await alice.told("POST", "events", msgspec.structs.asdict(comment), 201)
    edited = await alice.told("PATCH", f"comments/{comment.id}", {"content": "Second"})
    assert edited["event"]["pubkey"] != key.pubkey
    gone = make_event(key, 5, "", [["e", comment.id]], int(time.time()))
    await alice.told("POST", "events", msgspec.structs.asdict(gone), 201)
    await alice.refused(404, "GET", f"events/{edited['event']['id']}")
    late = make_event(key, 1010, "Third", [["e", comment.id]], int(time.time()))
    assert await alice.refused(403, "POST", "events", msgspec.structs.asdict(late)) == "blocked"


async def test_every_version_is_told_with_its_event(alice, api):
    post = await alice.post("Old title", content="Old text")
    await alice.told("PATCH", f"posts/{post['id']}", {"content": "New text"})
    last = (await alice.told("PATCH", f"posts/{post['id']}", {"title": "New title"}))["event"]
    told = await api.get(f"posts/{post['id']}/history")
    assert [(each["title"], each["content"]) for each in told["versions"]] == [
        ("Old title", "Old text"),
        ("Old title", "New text"),
        ("New title", "New text"),
    ]
    assert (told["versions"][0]["event"], told["versions"][-1]["event"]) == (post["event"], last)
    assert told["has_more"] is False
    await alice.told("DELETE", f"posts/{post['id']}")
    assert await api.refused(404, "GET", f"posts/{post['id']}/history") == "post_not_found"


async def test_the_page_of_a_history_shows_what_changed(alice, api):
    post = await alice.post()
    comment = await alice.comment(post, "one\n\ntwo <b>\n\nthree")
    assert "was never changed" in await page(api, f"/comment/{comment['id']}/history")
    edit = (await alice.told("PATCH", f"comments/{comment['id']}", {"content": "one\n\n2\n\nthree"}))["event"]
    text = await page(api, f"/comment/{comment['id']}/history")
    assert "<del>two &lt;b&gt;</del>" in text
    assert "<ins>2</ins>" in text
    assert [text.count(f'data-id="{each}"') for each in (comment["id"], edit["id"])] == [1, 1]
    assert "Low" not in await page(api, f"/post/{comment['id']}/history", 404)
    await page(api, "/comment/x/history", 404)


def test_texts_of_many_lines_are_not_compared() -> None:
    long = [str(number) for number in range(history.MAX_LINES + 1)]
    assert history.changes(long, long[:-1]) is None


def test_lines_that_stayed_are_left_out_but_for_those_beside_what_changed() -> None:
    before = [str(number) for number in range(9)]
    after = [*before[:4], "new", *before[5:]]
    assert [(line.sign, line.text) for line in history.changes(before, after) or []] == [
        ("left-out", "2 lines"),
        ("same", "2"),
        ("same", "3"),
        ("gone", "4"),
        ("came", "new"),
        ("same", "5"),
        ("same", "6"),
        ("left-out", "2 lines"),
    ]


async def test_a_text_links_the_people_and_the_posts_that_it_mentions(alice, bob, api):
    there = await alice.post("Low <water>")
    key = encode("npub", there["author"]["pubkey"])
    note = encode("note", there["id"])
    post = await bob.post(content=f"@Alice @nobody nostr:{key} nostr:{note} nostr:{encode('note', 'f' * 64)}")
    shown = await page(api, f"/post/{post['id']}")
    assert (
        '<a class="mention" href="/u/alice">@alice</a> @nobody <a class="mention" href="/u/alice">@alice</a>' in shown
    )
    assert f'<a class="mention" href="/post/{there["id"]}">“Low &lt;water&gt;”</a>' in shown
    assert f'<a class="elsewhere" href="nostr:{encode("note", "f" * 64)}"' in shown
    assert "@alice “Low &lt;water&gt;”" in await page(api, "/")  # as words, in the list


async def test_a_text_links_the_knowledge_that_it_names_by_its_address(alice, api):
    document = (await alice.told("POST", "knowledge", {"title": "Chart datum", "content": "Zero."}, 201))["document"]
    name = next(tag[1] for tag in document["event"]["tags"] if tag[0] == "d")
    there = AddressPointer(document["event"]["kind"], document["event"]["pubkey"], name)
    here = msgspec.structs.replace(there, d="nothing")
    post = await alice.post(content=" ".join(f"nostr:{encode_pointer(each)}" for each in (there, here)))
    shown = await page(api, f"/post/{post['id']}")
    path = f"/knowledge/{encode('npub', there.pubkey)}/{name}"
    assert f'<a class="mention" href="{path}">“Chart datum”</a>' in shown
    assert shown.count('class="elsewhere"') == 1
    assert "Zero." in (await api.client.get(path, headers={"accept": "text/html"}, follow_redirects=True)).text


async def test_what_a_page_looks_up_of_mentions_is_bounded(relay, alice, monkeypatch):
    monkeypatch.setattr(mentions, "MAX_NAMES", 1)
    monkeypatch.setattr(mentions, "MAX_REFERENCES", 1)
    await alice.registered("zoe")
    notes = " ".join(f"nostr:{encode('npub', digit * 64)}" for digit in "12")
    found = await mentions.of(relay.site, [f"@nobody @zoe @alice {notes}"])
    assert "@alice" not in found
    assert len(markdown.REFERENCE.findall(notes)) == 2
