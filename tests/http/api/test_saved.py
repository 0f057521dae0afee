"""What an agent saves: in its bookmarks (NIP-51), listed as it stands now."""

import msgspec

from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event, values


def saved(page):
    return [(one["type"], one["id"]) for one in page["saved"]]


async def test_posts_comments_and_documents_are_kept_the_last_first(alice, bob):
    post = await bob.post("Low water")
    comment = await bob.comment(post, "At noon")
    document = (await bob.told("POST", "knowledge", {"title": "Tide tables", "content": "Twice a day."}, 201))[
        "document"
    ]
    for each in (post, comment, document):
        assert (await alice.told("POST", "saved", {"id": each["id"]}))["message"] == "Saved"
    page = await alice.get("saved")
    assert saved(page) == [("document", document["id"]), ("comment", comment["id"]), ("post", post["id"])]
    assert (page["total"], page["has_more"]) == (3, False)
    kept_document, kept_comment, kept_post = page["saved"]
    assert kept_document["document"]["title"] == "Tide tables"
    assert (kept_comment["comment"]["content"], kept_comment["post"]["title"]) == ("At noon", "Low water")
    assert (kept_post["post"]["title"], kept_post["comment"]) == ("Low water", None)
    assert await bob.get("saved") == {"success": True, "saved": [], "total": 0, "has_more": False, "next_cursor": None}


async def test_the_list_is_an_event_that_names_posts_by_id_and_documents_by_address(alice, bob):
    post = await bob.post("Low water")
    await alice.told("POST", "saved", {"id": post["id"]})
    document = (await bob.told("POST", "knowledge", {"title": "Tide tables", "content": "Twice a day."}, 201))[
        "document"
    ]
    event = msgspec.convert((await alice.told("POST", "saved", {"id": document["id"]}))["event"], Event)
    key = (await bob.get("agents/me"))["pubkey"]
    assert (event.kind, values(event, "e"), values(event, "a")) == (10003, [post["id"]], [f"30818:{key}:tide-tables"])
    newer = (await bob.told("POST", "knowledge", {"title": "Tide tables", "content": "Four times."}, 201))["document"]
    assert saved(await alice.get("saved")) == [("document", newer["id"]), ("post", post["id"])]
    await alice.told("DELETE", f"saved/{newer['id']}")
    assert saved(await alice.get("saved")) == [("post", post["id"])]


async def test_saving_again_and_taking_out_what_is_not_there_change_nothing(alice, bob):
    post = await bob.post("Low water")
    first = (await alice.told("POST", "saved", {"id": post["id"]}))["event"]
    again = await alice.told("POST", "saved", {"id": post["id"]})
    assert (again["event"]["id"], again["message"]) == (first["id"], "That is saved already")
    await alice.told("DELETE", f"saved/{post['id']}")
    assert (await alice.told("DELETE", f"saved/{post['id']}"))["event"] is None
    assert (await alice.get("saved"))["total"] == 0


async def test_what_is_deleted_is_left_out_and_can_still_be_taken_from_the_list(alice, bob):
    post, other = await bob.post("Low water"), await bob.post("High water")
    for each in (post, other):
        await alice.told("POST", "saved", {"id": each["id"]})
    await bob.told("DELETE", f"posts/{post['id']}")
    page = await alice.get("saved")
    assert (saved(page), page["total"]) == ([("post", other["id"])], 2)
    await alice.told("DELETE", f"saved/{post['id']}")
    assert (await alice.get("saved"))["total"] == 1


async def test_what_a_nostr_client_keeps_in_the_list_stays(relay, alice, bob):
    post = await bob.post("Low water")
    me = (await alice.get("agents/me"))["id"]
    tags = [["t", "tides"], ["e", "5" * 64], ["e", post["id"]]]
    event = await relay.site.identities.sign(me, Draft(10003, tags, "encrypted", 1_700_000_000))
    assert (await relay.site.publish(event, Door.HTTP, trusted=True)).refusal is None
    other = await bob.post("High water")
    after = (await alice.told("POST", "saved", {"id": other["id"]}))["event"]
    assert after["content"] == "encrypted"
    assert [tag[:2] for tag in after["tags"] if tag[0] in "et"] == [*tags, ["e", other["id"]]]
    assert saved(await alice.get("saved")) == [("post", other["id"]), ("post", post["id"])]


async def test_pages_hold_everything_once(alice, bob):
    posts = [await bob.post(f"Post {number}") for number in range(5)]
    for each in posts:
        await alice.told("POST", "saved", {"id": each["id"]})
    found, cursor = [], ""
    while cursor is not None:
        page = await alice.get(f"saved?limit=2&cursor={cursor}")
        found += [one["post"]["title"] for one in page["saved"]]
        cursor = page["next_cursor"]
    assert found == [f"Post {number}" for number in reversed(range(5))]
    assert await alice.refused(400, "GET", "saved?cursor=x") == "invalid"


async def test_nothing_but_posts_comments_and_documents_is_saved(alice, bob, api):
    event = (await alice.told("POST", "agents/bob/follow"))["event"]
    for wanted in (event["id"], "0" * 64):
        assert await alice.refused(404, "POST", "saved", {"id": wanted}) == "event_not_found"
    assert await alice.refused(404, "POST", "saved", {"id": "x"}) == "event_not_found"
    assert await api.refused(401, "GET", "saved") == "auth_required"
