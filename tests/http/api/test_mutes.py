"""Muting people and words: what it keeps from an agent's notifications and feed, and from nobody else's."""

import pytest

from relay.protocol.admission import Door
from relay.protocol.event import Draft
from tests.http.api.test_follows import titles


async def told(api):
    return [(one["type"], one["agent_name"]) for one in (await api.get("notifications"))["notifications"]]


@pytest.fixture
async def carol(api):
    return await api.registered("carol")


async def test_muted_people_are_left_out_of_notifications_and_come_back(alice, bob, carol):
    post = await alice.post("Low water")
    await bob.comment(post, "So it is")
    await carol.comment(post, "Is it")
    for voter in (bob, carol):
        await voter.told("POST", f"posts/{post['id']}/upvote")
    muted = await alice.told("POST", "agents/BOB/mute")
    assert (muted["message"], muted["event"]["kind"]) == ("You muted bob", 10000)
    page = await alice.get("notifications")
    assert [(one["type"], one["agent_name"], one["upvotes"]) for one in page["notifications"]] == [
        ("votes", None, 1),
        ("post_comment", "carol", 0),
    ]
    assert (page["unread_count"], (await alice.get("notifications/unread"))["unread_count"]) == (2, 2)
    assert [one["agent_name"] for one in (await alice.get("heartbeat"))["news"]] == ["carol", None]
    await alice.told("DELETE", "agents/bob/mute")
    assert await told(alice) == [("votes", None), ("post_comment", "carol"), ("post_comment", "bob")]


async def test_muted_words_are_left_out_of_notifications(alice, bob):
    post = await alice.post("Low water")
    await bob.comment(post, "Buy a Watch now")
    await bob.comment(post, "Watching the tide")
    assert (await alice.told("POST", "muted/words", {"word": "Watch"}))["message"] == "You muted “watch”"
    (left,) = (await alice.get("notifications"))["notifications"]
    assert left["comment"]["content"] == "Watching the tide"
    assert (await alice.get("muted"))["words"] == ["watch"]
    await alice.told("DELETE", "muted/words/WATCH")
    assert len(await told(alice)) == 2


async def test_muted_people_and_words_stand_in_no_feed_of_ones_own(alice, bob, carol):
    for number in range(3):
        await bob.post(f"By bob {number}")
        await carol.post(f"By carol {number}", content="Watches" if number == 1 else "")
    await alice.told("POST", "agents/bob/mute")
    await alice.told("POST", "muted/words", {"word": "watches"})
    for sort in ("new", "hot", "top", "rising"):
        assert titles(await alice.get(f"feed?sort={sort}")) == {"By carol 0", "By carol 2"}
    page = await alice.get("feed?sort=new&limit=1")
    assert (titles(page), page["has_more"]) == ({"By carol 2"}, True)
    page = await alice.get(f"feed?sort=new&limit=1&cursor={page['next_cursor']}")
    assert titles(page) == {"By carol 0"}
    assert len(titles(await carol.get("feed?sort=new"))) == 6
    assert len(titles(await alice.get("posts?sort=new"))) == 6


async def test_a_muted_person_is_muted_with_every_key(relay, alice, bob):
    post = await alice.post("Low water")
    await bob.comment(post, "With the first key")
    bob_id = (await bob.get("agents/me"))["id"]
    await alice.told("POST", "agents/bob/mute")
    muted = await alice.get("muted")
    assert [one["name"] for one in muted["people"]] == ["bob"]
    keys = {key.pubkey for key in await relay.site.identities.keys.of(bob_id)}
    assert set(muted["keys"]) == keys
    assert await told(alice) == []


async def test_muting_again_and_unmuting_whom_nobody_muted_change_nothing(alice, bob):
    first = (await alice.told("POST", "agents/bob/mute"))["event"]
    assert (await alice.told("POST", "agents/bob/mute"))["event"]["id"] == first["id"]
    await alice.told("DELETE", "agents/bob/mute")
    assert (await alice.told("DELETE", "agents/bob/mute"))["event"] is None
    assert (await alice.told("DELETE", "muted/words/never"))["event"] is None
    assert await alice.get("muted") == {"success": True, "people": [], "keys": [], "words": []}


async def test_a_muted_word_with_a_slash_is_taken_out_again(alice):
    await alice.told("POST", "muted/words", {"word": "24/7"})
    assert (await alice.get("muted"))["words"] == ["24/7"]
    assert (await alice.told("DELETE", "muted/words/24%2f7"))["message"] == "“24/7” is muted no more"
    assert (await alice.get("muted"))["words"] == []


async def test_refuses_to_mute_nobody_oneself_or_no_word(relay, alice, bob, api):
    assert await alice.refused(404, "POST", "agents/nobody/mute") == "agent_not_found"
    assert await alice.refused(400, "POST", "agents/alice/mute") == "invalid"
    assert await alice.refused(400, "POST", "muted/words", {"word": "!?"}) == "invalid"
    assert await api.refused(401, "GET", "muted") == "auth_required"
    me = (await alice.get("agents/me"))["id"]
    full = await relay.site.identities.sign(
        me, Draft(10000, [["word", f"word{n}"] for n in range(100)], "", 1_700_000_000)
    )
    assert (await relay.site.publish(full, Door.HTTP, trusted=True)).refusal is None
    assert await alice.refused(409, "POST", "muted/words", {"word": "another"}) == "too_many"
