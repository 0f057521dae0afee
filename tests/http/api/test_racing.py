"""Two changes of one thing at once, over HTTP: neither is lost.

Each test settles the order itself: what an event is published through is held or made to let something else pass first.
"""

import asyncio
import time

import pytest

from relay.errors import Changed
from relay.http.api import publishing, votes
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Draft
from relay.protocol.groups.belonging import UPDATE_PINS
from tests.http.api.workers import organization, project, user


class Between:
    """Lets something else happen just before the first event of a kind is handed to the writer, as another process could."""

    def __init__(self, door, kind, work):
        self._publish = door.publish
        self._kind = kind
        self._work = work
        self.refused = 0

    async def __call__(self, event, *rest, **more):
        if event.kind == self._kind and self._work is not None:
            work, self._work = self._work, None
            await work()
        outcome = await self._publish(event, *rest, **more)
        self.refused += isinstance(outcome.refusal, Changed)
        return outcome


@pytest.fixture
def between(relay, monkeypatch):
    def begin(kind, work, door=None):
        door = door or relay.site
        hook = Between(door, kind, work)
        monkeypatch.setattr(door, "publish", hook)
        return hook

    return begin


@pytest.fixture
async def elsewhere(relay, alice):
    """Publishes as alice past the routes of this process."""
    me = (await alice.get("agents/me"))["id"]

    async def publish(kind, tags, content, created_at):
        event = await relay.site.identities.sign(me, Draft(kind, tags, content, created_at))
        outcome = await relay.site.publish(event, Door.HTTP, trusted=True)
        assert outcome.refusal is None
        return event

    return publish


async def test_an_edit_of_the_title_beside_one_of_the_text_loses_neither(alice, between, elsewhere):
    post = await alice.post("Before", content="old text")
    second = post["event"]["created_at"] + 5

    async def title_changes():
        await elsewhere(kinds.EDIT, [["e", post["id"]], ["title", "After"]], "old text", second)

    hook = between(kinds.EDIT, title_changes)
    edited = (await alice.told("PATCH", f"posts/{post['id']}", {"content": "new text"}))["post"]
    assert (edited["title"], edited["content"]) == ("After", "new text")
    assert hook.refused == 1


async def test_edits_at_once_through_one_process_lose_nothing(alice):
    post = await alice.post("Before", content="old text")
    path = f"posts/{post['id']}"
    await asyncio.gather(
        alice.told("PATCH", path, {"title": "After"}), alice.told("PATCH", path, {"content": "new text"})
    )
    edited = (await alice.get(path))["post"]
    assert (edited["title"], edited["content"]) == ("After", "new text")


@pytest.mark.parametrize("way", ["up", "down"])
async def test_a_vote_beside_the_same_one_elsewhere_stays_one_vote(alice, between, elsewhere, way):
    post = await alice.post()
    tags = [["e", post["id"], "", post["author"]["pubkey"]], ["p", post["author"]["pubkey"]], ["k", "11"]]
    content = "+" if way == "up" else "-"

    async def votes_elsewhere():
        await elsewhere(kinds.REACTION, tags, content, post["event"]["created_at"] + 5)

    hook = between(kinds.REACTION, votes_elsewhere)
    told = await alice.told("POST", f"posts/{post['id']}/{way}vote")
    assert (told["action"], told["your_vote"]) == (f"{way}voted", way)
    assert told["upvotes"] + told["downvotes"] == 1
    assert hook.refused == 1


async def test_racing_upvotes_of_one_identity_are_one_vote(alice, bob, relay, monkeypatch):
    post = await alice.post()
    path = f"posts/{post['id']}"
    arrived, go_on = [], asyncio.Event()
    publish, toggle = relay.site.publish, votes._vote

    async def counted(*arguments):
        arrived.append(1)
        if len(arrived) == 8:
            go_on.set()
        return await toggle(*arguments)

    async def held(event, *rest, **more):
        await go_on.wait()  # until all eight are under way
        return await publish(event, *rest, **more)

    monkeypatch.setattr(votes, "_vote", counted)
    monkeypatch.setattr(relay.site, "publish", held)
    answers = await asyncio.gather(*(bob.told("POST", f"{path}/upvote") for _ in range(8)))
    assert {answer["action"] for answer in answers} == {"upvoted"}
    assert (await alice.get(path))["post"]["upvotes"] == 1
    assert votes._under_way == {}
    assert (await bob.told("POST", f"{path}/upvote"))["action"] == "removed"


async def test_a_vote_goes_on_when_one_of_those_who_asked_leaves(alice, bob, relay, monkeypatch):
    post = await alice.post()
    path = f"posts/{post['id']}"
    begun, go_on = asyncio.Event(), asyncio.Event()
    publish = relay.site.publish

    async def held(event, *rest, **more):
        begun.set()
        await go_on.wait()
        return await publish(event, *rest, **more)

    came, vote = asyncio.Semaphore(0), votes._vote

    async def joined(*asked):
        came.release()
        return await vote(*asked)

    monkeypatch.setattr(relay.site, "publish", held)
    monkeypatch.setattr(votes, "_vote", joined)
    first = asyncio.create_task(bob.told("POST", f"{path}/upvote"))
    await begun.wait()
    second = asyncio.create_task(bob.told("POST", f"{path}/upvote"))
    for _ in range(2):
        await came.acquire()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert (await second)["upvotes"] == 1


async def test_a_follow_beside_another_keeps_both(alice, bob, api, between, elsewhere):
    carol = await api.registered("carol")
    theirs = (await carol.get("agents/me"))["pubkey"]

    async def follows_carol():
        await elsewhere(kinds.CONTACTS, [["p", theirs]], "", 2_000)

    hook = between(kinds.CONTACTS, follows_carol)
    told = await alice.told("POST", "agents/bob/follow")
    followed = {tag[1] for tag in told["event"]["tags"] if tag[0] == "p"}
    assert followed == {theirs, (await bob.get("agents/me"))["pubkey"]}
    assert hook.refused == 1


async def test_a_document_beside_another_of_its_name_is_the_newer_one(alice, between, elsewhere):
    written = (await alice.told("POST", "knowledge", {"title": "tides", "content": "first"}, 201))["document"]
    second = written["event"]["created_at"] + 3

    async def replaced():
        await elsewhere(kinds.WIKI, [["d", "tides"], ["title", "tides"]], "theirs", second)

    hook = between(kinds.WIKI, replaced)
    mine = (await alice.told("POST", "knowledge", {"title": "tides", "content": "mine"}, 201))["document"]
    assert mine["event"]["created_at"] > second
    assert [one["id"] for one in (await alice.get("knowledge"))["documents"]] == [mine["id"]]
    assert hook.refused == 1


async def test_a_document_that_is_replaced_beside_its_deletion_stays(alice, between, elsewhere):
    mine = (await alice.told("POST", "knowledge", {"title": "tides", "content": "first"}, 201))["document"]
    second = mine["event"]["created_at"]

    async def replaced():
        await elsewhere(kinds.WIKI, [["d", "tides"], ["title", "tides"]], "newer", second + 1)

    hook = between(kinds.DELETION, replaced)
    assert await alice.refused(404, "DELETE", f"knowledge/{mine['id']}") == "document_not_found"
    assert hook.refused == 1
    assert [one["event"]["content"] for one in (await alice.get("knowledge"))["documents"]] == ["newer"]


async def test_what_changes_all_the_time_is_given_up_and_says_so(alice, relay, monkeypatch):
    post = await alice.post()

    async def changed(*_arguments, **_more):
        raise Changed

    monkeypatch.setattr(publishing, "publish", changed)
    assert await alice.refused(409, "PATCH", f"posts/{post['id']}", {"title": "Never"}) == "conflict"


async def test_a_profile_changed_beside_another_change_of_it_keeps_both(relay, alice, between, elsewhere):
    known = (await alice.told("PATCH", "agents/me", {"display_name": "Before", "description": "old"}))["event"]

    async def renamed_elsewhere():
        content = '{"name": "alice", "display_name": "After", "about": "old"}'
        await elsewhere(kinds.METADATA, [], content, known["created_at"] + 5)

    hook = between(kinds.METADATA, renamed_elsewhere, relay.site.hub.publisher)
    told = await alice.told("PATCH", "agents/me", {"description": "new"})
    assert (told["display_name"], told["description"]) == ("After", "new")
    assert hook.refused == 1
    me = await alice.get("agents/me")
    assert (me["display_name"], me["description"]) == ("After", "new")


async def test_what_is_announced_or_defined_at_once_or_again_stands_as_it_was_said_last(relay):
    one = await user(relay, 11)
    group = await organization(one)
    for path, body in (
        ("repos", {"name": "tides", "default_branch": "main"}),
        ("repos", {"name": "tides", "project_id": await project(one)}),
    ):
        await asyncio.gather(*(one.told("POST", path, {**body, "description": str(n)}, 201) for n in range(6)))
        for number in range(6):
            made = await one.told("POST", path, {**body, "description": str(number)}, 201)
            assert ["description", str(number)] in made["repo"]["event"]["tags"]
    path = f"organizations/{group}/knowledge"
    texts = [f"Version {number}." for number in range(6)]
    await asyncio.gather(*(one.told("POST", path, {"title": "Tides", "content": text}, 201) for text in texts))
    assert len((await one.get(path))["documents"]) == 1
    path = f"organizations/{group}/chat-agents/pilot"
    await asyncio.gather(*(one.told("PUT", path, {"name": str(number)}) for number in range(6)))
    for number in range(6):
        assert (await one.told("PUT", path, {"name": str(number)}))["agent"]["name"] == str(number)


async def test_changes_of_a_profile_at_once_lose_nothing(alice):
    await asyncio.gather(
        alice.told("PATCH", "agents/me", {"display_name": "After"}),
        alice.told("PATCH", "agents/me", {"description": "new"}),
    )
    me = await alice.get("agents/me")
    assert (me["display_name"], me["description"]) == ("After", "new")


async def test_joining_and_leaving_at_once_are_no_failures_and_one_id_is_one_groups(alice, bob):
    made = await asyncio.gather(*(alice.send("POST", "groups", {"name": "Quay", "id": "quay"}) for _ in range(5)))
    assert sorted(one.status_code for one in made) == [201, 409, 409, 409, 409]
    assert {one.json()["code"] for one in made if one.status_code == 409} == {"taken"}
    for act in ("join", "leave"):
        told = await asyncio.gather(*(bob.told("POST", f"groups/quay/{act}") for _ in range(5)))
        assert sum(one["event"] is not None for one in told) == 1
    assert [one["agent"] for one in (await alice.get("groups/quay/members"))["members"]] == ["alice"]


async def test_pins_at_once_are_all_kept_and_so_is_one_made_elsewhere(alice, between, elsewhere):
    path = "groups/tides"
    await alice.told("POST", "groups", {"id": "tides", "name": "Tides"}, 201)
    said = [(await alice.told("POST", f"{path}/messages", {"content": str(n)}, 201))["message"]["id"] for n in range(6)]
    first, second, *rest = said

    async def pinned() -> None:
        await elsewhere(UPDATE_PINS, [["h", "tides"], ["e", first]], "", int(time.time()))

    hook = between(UPDATE_PINS, pinned)
    await alice.told("POST", f"{path}/pins", {"id": second})
    assert hook.refused == 1
    assert (await alice.get(f"{path}/pins"))["pins"] == [second, first]
    await asyncio.gather(*(alice.told("POST", f"{path}/pins", {"id": one}) for one in rest))
    assert set((await alice.get(f"{path}/pins"))["pins"]) == set(said)
    await asyncio.gather(*(alice.told("DELETE", f"{path}/pins/{one}") for one in said[:4]))
    assert set((await alice.get(f"{path}/pins"))["pins"]) == set(said[4:])
