"""What private groups (NIP-29) hold, read from outside: over two fronts, on every door, while people come and go."""

import contextlib
import itertools
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.protocol.event import Event
from tests.e2e.harness import Client, Server, client, fresh_key, now, serving
from tests.e2e.test_processes import writer_of
from tests.factories import Keypair, make_event

SETTINGS = ("server.processes=on", "server.fronts=2")
_names = itertools.count()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("groups") / "data", *SETTINGS) as server:
        yield server


class Group:
    """A group as it should be; what is done to it is acknowledged before anything else happens."""

    def __init__(self, server: Server, writer: Client, owner: Keypair, name: str) -> None:
        self.server = server
        self.writer = writer  # a connection without subscriptions
        self.owner = owner
        self.id = name
        self.private = False
        self.members = {owner.pubkey}
        self.messages: list[str] = []

    async def do(self, kind: int, *tags: list[str], key: Keypair | None = None, content: str = "") -> Event:
        event = make_event(key or self.owner, kind, content=content, tags=[["h", self.id], *tags], created_at=now())
        answer = await self.writer.publish(event)
        assert answer[2] is True, answer
        return event

    async def edit(self, *flags: str) -> None:
        await self.do(9002, ["name", f"Group {self.id}"], *[[flag] for flag in flags], content=str(next(_names)))
        self.private = "private" in flags

    async def put(self, pubkey: str) -> None:
        await self.do(9000, ["p", pubkey], content=str(next(_names)))
        self.members.add(pubkey)

    async def remove(self, pubkey: str) -> None:
        await self.do(9001, ["p", pubkey], content=str(next(_names)))
        self.members.discard(pubkey)

    async def say(self, kind: int = 9, content: str = "", *tags: list[str]) -> Event:
        event = await self.do(kind, *tags, content=content or f"message {next(_names)}")
        self.messages.append(event.id)
        return event

    def reads(self, pubkey: str | None) -> bool:
        return not self.private or pubkey in self.members


@contextlib.asynccontextmanager
async def group_at(server: Server, *flags: str) -> AsyncIterator[Group]:
    async with client(server) as writer:
        made = Group(server, writer, fresh_key(), f"group-{next(_names)}")
        await made.do(9007)
        if flags:
            await made.edit(*flags)
        yield made


@contextlib.asynccontextmanager
async def reader(server: Server, key: Keypair | None) -> AsyncIterator[Client]:
    async with client(server) as one:
        if key is not None:
            await one.authenticate(key)
        yield one


def in_group(group: Group, **more: Any) -> dict[str, Any]:
    return {"kinds": [9], "#h": [group.id], **more}


async def check(one: Client, key: Keypair | None, group: Group) -> None:
    """What a connection of this key finds in the group, by every question, must be as it should be."""
    found, end = await one.request(in_group(group), name="named")
    counted = await one.count(in_group(group))
    if group.reads(key and key.pubkey):
        assert end[0] == "EOSE", end
        assert sorted(event["id"] for event in found) == sorted(group.messages)
        assert counted["count"] == len(group.messages)
        await one.send("CLOSE", "named")
        visible = group.messages
    else:
        prefix = "auth-required: " if key is None else "restricted: "
        assert (found, end[0]) == ([], "CLOSED")
        assert end[2].startswith(prefix)
        assert counted.startswith(prefix)
        visible = []
    broad = {"kinds": [9], "authors": [group.owner.pubkey]}
    assert sorted(await one.stored(broad)) == sorted(visible)
    if group.messages:
        assert await one.stored({"ids": [group.messages[-1]]}) == visible[-1:]


@pytest.mark.parametrize("seed", range(4))
async def test_what_was_answered_anywhere_holds_on_every_front_and_live(relay: Server, seed: int) -> None:
    chance = random.Random(seed)
    people = [fresh_key(), fresh_key(), None]
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay))
        asking = [(key, await stack.enter_async_context(reader(relay, key))) for key in people * 2]
        hearing = [(key, await stack.enter_async_context(reader(relay, key))) for key in people * 2]
        expected: list[list[str]] = [[] for _ in hearing]
        for _, one in hearing:
            await one.request({"kinds": [9], "authors": [group.owner.pubkey], "limit": 0}, name="live")
        for _ in range(40):
            pubkey = chance.choice([key for key in people if key is not None]).pubkey
            match chance.choice(("say", "say", "say", "put", "remove", "private", "open")):
                case "say":
                    event = await group.say()
                    for told, (key, _) in zip(expected, hearing, strict=True):
                        if group.reads(key and key.pubkey):
                            told.append(event.id)
                case "put" if pubkey not in group.members:
                    await group.put(pubkey)
                case "remove" if pubkey in group.members:
                    await group.remove(pubkey)
                case "private" if not group.private:
                    await group.edit("private")
                case "open" if group.private:
                    await group.edit()
            key, one = chance.choice(asking)
            await check(one, key, group)
        if group.private:
            await group.edit()
        last = await group.say()
        for told, (_, one) in zip(expected, hearing, strict=True):
            heard = [(await one.next())[2]["id"] for _ in [*told, last]]
            assert heard == [*told, last.id]


async def test_a_hidden_group_is_told_of_to_its_members_only(relay: Server) -> None:
    member, stranger = fresh_key(), fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "hidden", "private"))
        await group.put(member.pubkey)
        about = {"kinds": [39000, 39001, 39002, 39003], "#d": [group.id]}
        inside = await stack.enter_async_context(reader(relay, member))
        assert {39000, 39001, 39002} <= {event["kind"] for event in (await inside.request(about))[0]}
        for key in (stranger, None):
            one = await stack.enter_async_context(reader(relay, key))
            none = {**about, "#d": ["no-such-group"]}
            assert await one.request(about) == await one.request(none) == ([], ["EOSE", "s"])
            assert (await one.count(about))["count"] == 0
            assert await one.request(in_group(group)) == ([], ["EOSE", "s"])  # as of any id that is not here
            assert (await one.count(in_group(group)))["count"] == 0
            guessed = make_event(stranger, 9, "?", [["h", group.id]], now())
            said = (await one.publish(guessed))[3]
            elsewhere = make_event(stranger, 9, "?", [["h", "no-such-group"]], now())
            assert said.replace(group.id, "no-such-group") == (await one.publish(elsewhere))[3]


async def test_what_answers_something_in_a_private_group_is_read_as_that_is(relay: Server) -> None:
    member, stranger = fresh_key(), fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private"))
        await group.put(member.pubkey)
        thread = await group.say(11, "A thread", ["title", "A thread"])
        comment = make_event(
            member,
            1111,
            content="inherits",
            tags=[
                ["E", thread.id],
                ["K", "11"],
                ["P", thread.pubkey],
                ["e", thread.id],
                ["k", "11"],
                ["p", thread.pubkey],
            ],
            created_at=now(),
        )
        reaction = make_event(member, 7, content="+", tags=[["e", thread.id], ["k", "11"]], created_at=now())
        hearing = [await stack.enter_async_context(reader(relay, key)) for key in (member, stranger, None)]
        for one in hearing:
            await one.request({"kinds": [1111, 7], "authors": [member.pubkey], "limit": 0}, name="live")
        for event in (comment, reaction):
            answer = await group.writer.publish(event)
            assert answer[2] is True, answer
        assert [(await hearing[0].next())[2]["id"] for _ in range(2)] == [comment.id, reaction.id]
        for one in hearing[1:]:
            assert await one.quiet()
            assert await one.stored({"ids": [comment.id, reaction.id]}) == []
        assert sorted(await hearing[0].stored({"ids": [comment.id, reaction.id]})) == sorted((comment.id, reaction.id))


async def test_an_agent_reads_by_http_what_its_identity_may(relay: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private"))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=30))
        made = (await http.post("/agents/register", json={"name": f"agent{next(_names)}"})).json()["agent"]
        token = {"authorization": f"Bearer {made['api_key']}"}
        pubkey = (await http.get("/agents/me", headers=token)).json()["agent"]["pubkey"]
        article = await group.say(30818, "Soundings of the harbour basin", ["d", "soundings"], ["title", "Soundings"])

        async def statuses() -> list[int]:
            paths = (f"/events/{article.id}", f"/knowledge/{article.id}")
            return [(await http.get(path, headers=headers)).status_code for path in paths for headers in (token, {})]

        async def found(headers: dict[str, str]) -> list[int]:
            asked = {"q": "soundings harbour", "mode": "words"}
            answers = [
                (await http.get(path, params=asked, headers=headers)).json()
                for path in ("/search", "/knowledge/search")
            ]
            listed = (await http.get("/knowledge", headers=headers)).json()
            mine = [one for one in listed["documents"] if one["id"] == article.id]
            return [*(len(answer["results"]) for answer in answers), len(mine)]

        assert await statuses() == [404] * 4
        assert await found(token) == await found({}) == [0, 0, 0]
        await group.put(pubkey)
        assert await statuses() == [200, 404, 200, 404]
        assert await found(token) == [1, 1, 1]
        assert await found({}) == [0, 0, 0]
        await group.remove(pubkey)
        assert await statuses() == [404] * 4
        assert await found(token) == [0, 0, 0]


async def test_a_search_finds_what_its_reader_may_read(relay: Server) -> None:
    member = fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private"))
        await group.put(member.pubkey)
        article = await group.say(30818, "The barometer falls before noon", ["d", "barometer"], ["title", "Barometer"])
        asked = {"search": "barometer mode:words", "kinds": [30818]}
        inside = await stack.enter_async_context(reader(relay, member))
        outside = await stack.enter_async_context(reader(relay, fresh_key()))
        assert await inside.stored(asked) == [article.id]
        assert await inside.stored({**asked, "#h": [group.id]}) == [article.id]
        assert await outside.stored(asked) == []
        assert (await outside.request({**asked, "#h": [group.id]}))[1][2].startswith("restricted: ")
        assert (await inside.count(asked))["count"] == 1
        assert (await outside.count(asked))["count"] == 0
        await group.remove(member.pubkey)
        assert await inside.stored(asked) == []


async def test_no_page_list_stream_or_notification_shows_what_a_private_group_holds(relay: Server) -> None:
    word = f"undertow{next(_names)}"
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private"))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=relay.http, timeout=30))
        reader_of_it = (await http.post("/api/v1/agents/register", json={"name": f"curious{next(_names)}"})).json()[
            "agent"
        ]
        mentioned = (await http.get("/api/v1/agents/me", headers={"x-api-key": reader_of_it["api_key"]})).json()[
            "agent"
        ]
        writer = (await http.post("/api/v1/agents/register", json={"name": f"writer{next(_names)}"})).json()["agent"]
        code = (await http.post("/api/v1/agents/me/keys/claims", headers={"x-api-key": writer["api_key"]})).json()[
            "code"
        ]
        join = make_event(group.owner, 28934, tags=[["-"], ["claim", code]], created_at=now())
        assert (await group.writer.publish(join))[2] is True  # whose posts the feed would show

        stream = await stack.enter_async_context(http.stream("GET", "/api/v1/stream"))
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("retry")
        thread = await group.say(
            11, f"{word} driftglass {mentioned['name']}", ["title", "driftglass"], ["p", mentioned["pubkey"]]
        )
        answering = [["E", thread.id], ["K", "11"], ["e", thread.id], ["k", "11"], ["p", mentioned["pubkey"]]]
        await group.do(1111, *answering, content=f"{word} driftglass")
        await group.do(7, ["e", thread.id], ["k", "11"], ["p", mentioned["pubkey"]], content="+")
        public = make_event(group.owner, 11, "a lighthouse", [["title", "Seen by all"]], now())
        assert (await group.writer.publish(public))[2] is True

        while "Seen by all" not in (line := await anext(lines)):
            assert "driftglass" not in line
        token = {"x-api-key": reader_of_it["api_key"]}
        for path in (
            *("/", f"/u/{writer['name']}", f"/search?q={word}", f"/found?q={word}", f"/pieces?ids={public.id}"),
            *(f"/api/v1/posts?sort={sort}" for sort in ("new", "hot", "top")),
            *(f"/api/v1/{name}" for name in ("feed", "home", "notifications", f"search?q={word}", "submolts")),
            f"/api/v1/agents/profile?name={writer['name']}",
        ):
            answer = await http.get(path, headers=token)
            assert answer.status_code == 200, path
            assert "driftglass" not in answer.text, path
            assert thread.id not in answer.text, path
        assert "driftglass" not in (await http.get(f"/pieces?ids={thread.id}")).text
        for path in (
            f"/post/{thread.id}",
            f"/text/{thread.id}",
            f"/api/v1/posts/{thread.id}",
            f"/api/v1/posts/{thread.id}/comments",
        ):
            assert (await http.get(path, headers=token)).status_code == 404
        profile = (await http.get(f"/api/v1/agents/profile?name={writer['name']}")).json()["agent"]
        assert (profile["posts_count"], profile["comments_count"]) == (1, 0)


FLAGS = ("private", "restricted", "hidden", "closed")


@pytest.mark.parametrize("chosen", list(itertools.product((False, True), repeat=len(FLAGS))))
async def test_what_was_open_is_read_by_every_door_as_the_four_settings_say(
    relay: Server, chosen: tuple[bool, ...]
) -> None:
    flags = [flag for flag, is_set in zip(FLAGS, chosen, strict=True) if is_set]
    private, hidden = "private" in flags, "hidden" in flags
    word = f"ebb{next(_names)}"
    member = fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=30))
        made = (await http.post("/agents/register", json={"name": f"reads{next(_names)}"})).json()["agent"]
        token = {"x-api-key": made["api_key"]}
        agent = (await http.get("/agents/me", headers=token)).json()["agent"]["pubkey"]
        for pubkey in (member.pubkey, agent):
            await group.put(pubkey)
        message = await group.say(content=f"{word} over the bar")
        await group.do(1010, ["e", message.id], content=f"{word} under the bar")
        await group.edit(*flags)
        about = {"kinds": [39000], "#d": [group.id]}
        for key in (member, fresh_key(), None):
            one = await stack.enter_async_context(reader(relay, key))
            is_inside = key is member
            found, end = await one.request(in_group(group), name="named")
            assert [event["id"] for event in found] == ([message.id] if is_inside or not private else [])
            assert (end[0] == "CLOSED") is (private and not hidden and not is_inside)
            assert bool(await one.stored(about)) is (is_inside or not hidden)
            for asked in ({"ids": [message.id]}, {"search": f"{word} mode:words", "kinds": [9]}, {"#e": [message.id]}):
                some = 1 if is_inside or not private else 0
                assert (len(await one.stored(asked)), (await one.count(asked))["count"]) == (some, some), asked
        outside = 404 if hidden else 401 if private else 200
        for path in (f"/groups/{group.id}/messages", f"/groups/{group.id}/messages/{message.id}"):
            assert (await http.get(path)).status_code == outside, path
            assert word in (await http.get(path, headers=token)).text, path
        assert (await http.get(f"/groups/{group.id}")).status_code == (404 if hidden else 200)
        assert (await http.get(f"/events/{message.id}")).status_code == (404 if private else 200)
        found_by = [
            len((await http.get(f"/search?type=messages&mode=words&q={word}", headers=headers)).json()["results"])
            for headers in (token, {})
        ]
        assert found_by == [1, 0 if private or hidden else 1]  # over HTTP a hidden group is as if it were not here


async def test_that_a_group_has_ended_is_told_and_nothing_of_it_is_served(relay: Server) -> None:
    member = fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private"))
        await group.put(member.pubkey)
        await group.say()
        inside = await stack.enter_async_context(reader(relay, member))
        await inside.request({"kinds": [9, 9008], "authors": [group.owner.pubkey], "limit": 0}, name="live")
        await group.do(9008)
        assert (await inside.next())[2]["kind"] == 9008
        assert await inside.stored({"kinds": [9, 39000, 39002], "#h": [group.id]}) == []
        assert await inside.stored({"kinds": [9], "authors": [group.owner.pubkey]}) == []


async def test_who_may_invite_is_given_a_code_that_lets_one_key_in_by_either_door(relay: Server) -> None:
    first, second = fresh_key(), fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private", "closed"))
        asked = {"kinds": [28935], "#h": [group.id]}
        anybody = await stack.enter_async_context(client(relay))
        assert (await anybody.request(asked))[1][2].startswith("auth-required: ")
        await anybody.authenticate(first)
        refusals = {(await anybody.request({**asked, "#h": [name]}))[1][2] for name in (group.id, "no-such-group")}
        assert len(refusals) == 1
        assert refusals.pop().startswith("restricted: ")
        assert (await anybody.request({**asked, "#h": [group.id, "another"]}))[1][2].startswith("invalid: ")
        owner = await stack.enter_async_context(reader(relay, group.owner))
        assert (await owner.request({**asked, "authors": ["0" * 64]}))[0] == []
        codes = []
        for _ in range(2):
            (invite,), _ = await owner.request(asked)
            tags = dict(tag[:2] for tag in invite["tags"] if len(tag) > 1)
            assert (invite["kind"], tags["h"]) == (28935, group.id)
            codes.append(tags["claim"])
        assert len(set(codes)) == 2
        join = make_event(first, 28934, tags=[["-"], ["claim", codes[0]]], created_at=now())
        answer = await anybody.publish(join)
        assert (answer[2], answer[3].partition(":")[0]) == (True, "info")
        await group.do(9021, ["code", codes[1]], key=second)
        for key in (first, second):
            assert await (await stack.enter_async_context(reader(relay, key))).stored(in_group(group)) == []
        late = make_event(fresh_key(), 28934, tags=[["-"], ["claim", codes[0]]], created_at=now())
        assert (await group.writer.refused(late)).startswith("restricted: ")


async def test_a_space_is_opened_and_a_room_begun_as_flotilla_does(relay: Server) -> None:
    key, name = fresh_key(), f"room-{next(_names)}"
    async with client(relay) as space:
        empty = make_event(key, 28934, tags=[["claim", ""]], created_at=now())
        assert "invite code" in await space.refused(empty)

        async def told(kind: int, *tags: list[str]) -> tuple[bool, str]:
            answer = await space.publish(make_event(key, kind, tags=[["h", name], *tags], created_at=now()))
            return answer[2], answer[3]

        assert (await told(9007))[0] is True
        assert (await told(9002, ["name", "Room"], ["private"]))[0] is True
        accepted, reason = await told(9021)
        assert not accepted
        assert reason.startswith("duplicate: already a member of this group")
        metadata, _ = await space.request({"kinds": [39000, 9008], "limit": 1000})
        assert name in [tag[1] for event in metadata for tag in event["tags"] if tag[0] == "d"]
        await space.authenticate(key)
        lists, _ = await space.request({"kinds": [39001, 39002]})
        mine = [event["kind"] for event in lists if ["d", name] in event["tags"]]
        assert sorted(mine) == [39001, 39002]


async def test_what_changes_around_the_death_of_the_writer_is_known_on_every_front(relay: Server) -> None:
    leaver, comer = fresh_key(), fresh_key()
    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(group_at(relay, "private"))
        await group.put(leaver.pubkey)
        live = {"kinds": [9], "authors": [group.owner.pubkey], "limit": 0}
        leaving = [await stack.enter_async_context(reader(relay, leaver)) for _ in range(4)]
        coming = [await stack.enter_async_context(reader(relay, comer)) for _ in range(4)]
        for one in (*leaving, *coming):
            await one.request(live, name="live")
        os.kill(writer_of(relay), signal.SIGKILL)
        await group.remove(leaver.pubkey)
        await group.put(comer.pubkey)
        said = await group.say()
        for one in coming:
            assert (await one.next())[2]["id"] == said.id
        for one in leaving:
            assert await one.quiet()
            assert (await one.request(in_group(group)))[1][2].startswith("restricted: ")


async def test_memberships_are_as_they_were_after_a_restart(tmp_path: Path) -> None:
    data, member = tmp_path / "data", fresh_key()
    with serving(data) as server:
        async with group_at(server, "private") as group:
            await group.put(member.pubkey)
            said = await group.say()
    with serving(data) as server:
        async with reader(server, member) as inside, reader(server, fresh_key()) as outside:
            assert await inside.stored(in_group(group)) == [said.id]
            assert (await outside.request(in_group(group)))[1][2].startswith("restricted: ")
