"""Client libraries (JavaScript) in groups (NIP-29): each creates one, joins, invites, chats and moderates, with what it has for it.

Two people use the same library, each in a process of its own. What clients look for in refusals is looked for here, too.
"""

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.conftest import JS
from tests.e2e.harness import Server, fresh_key
from tests.factories import Keypair

LIBRARIES = ["nostr-tools", "ndk", "welshman"]
LONG = 60.0  # seconds until a library has failed


class Person:
    """Somebody with a library; `watched` is what came by itself, by the name of the watch."""

    def __init__(self, process: Process, key: Keypair) -> None:
        self._process = process
        self.pubkey = key.pubkey
        self.watched: dict[str, list[dict[str, Any]]] = {}

    async def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), LONG)
        assert line, "the library's process has ended"
        heard: dict[str, Any] = json.loads(line)
        if "watch" in heard:
            self.watched.setdefault(heard["watch"], []).append(heard)
        return heard

    async def does(self, verb: str, *given: Any) -> Any:
        """What an action gives."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, *given]).encode() + b"\n")
        while True:
            heard = await self._hear()
            if "watch" not in heard:
                assert "error" not in heard, heard
                return heard["answer"]

    async def done(self, verb: str, *given: Any) -> Any:
        """As `does`, of an event that must be accepted."""
        answer = await self.does(verb, *given)
        assert answer["ok"], answer
        return answer

    async def refused(self, verb: str, *given: Any) -> str:
        """The reason why an event is not accepted."""
        answer = await self.does(verb, *given)
        assert not answer["ok"], answer
        return str(answer["message"])

    async def next(self, watch: str) -> dict[str, Any]:
        """What a watch brings next."""
        while not self.watched.get(watch):
            await self._hear()
        return self.watched[watch].pop(0)

    async def closed(self, watch: str) -> str:
        """Why a watch ends; a library may have shown it events of other questions before."""
        while "closed" not in (heard := await self.next(watch)):
            pass
        return str(heard["closed"])


@contextlib.asynccontextmanager
async def person(node: str, library: str, relay: Server) -> AsyncIterator[Person]:
    key = fresh_key()
    process = await asyncio.create_subprocess_exec(
        node, "groups.mjs", library, relay.url, key.secret.hex(), cwd=JS, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        made = Person(process, key)
        assert (await made._hear())["answer"] == key.pubkey
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def contents(found: list[dict[str, Any]]) -> list[str]:
    return sorted(event["content"] for event in found)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_two_people_in_a_private_group(relay: Server, node: str, library: str) -> None:
    group = f"harbour-{library}"
    chat = {"kinds": [9], "#h": [group]}
    async with person(node, library, relay) as owner, person(node, library, relay) as guest:
        await owner.done("create", group)
        assert "already" in await guest.refused("create", group)
        await owner.done("edit", group, [["name", "Harbour"], ["private"], ["closed"]])
        assert await owner.does("look", group) == {
            "name": "Harbour",
            "private": True,
            "admins": [owner.pubkey],
            "members": [owner.pubkey],
        }
        first = await owner.done("publish", 9, "Who is there?", [["h", group]])

        shut = await guest.does("stored", chat)
        assert "restricted" in shut["closed"], shut
        assert "restricted" in await guest.refused("join", group)
        await owner.done("publish", 9009, "", [["h", group], ["code", "low-tide"]])
        await guest.done("join", group, "low-tide")
        assert sorted((await owner.does("look", group))["members"]) == sorted((owner.pubkey, guest.pubkey))
        assert contents(await guest.does("stored", chat)) == ["Who is there?"]

        assert await guest.does("watch", "chat", {**chat, "limit": 0})
        assert await owner.does("watch", "all", {"kinds": [9, 9000, 9001, 9021], "#h": [group], "limit": 0})
        await guest.done("publish", 9, "It is me", [["h", group], ["q", first["id"]]])
        assert (await owner.next("all"))["event"]["content"] == "It is me"
        assert (await guest.next("chat"))["event"]["content"] == "It is me"
        second = await owner.done("publish", 9, "Welcome", [["h", group]])
        assert (await guest.next("chat"))["event"]["content"] == "Welcome"

        await owner.done("publish", 9005, "", [["h", group], ["e", second["id"]]])
        assert contents(await guest.does("stored", chat)) == ["It is me", "Who is there?"]
        await owner.done("remove", group, guest.pubkey)
        assert "restricted" in await guest.closed("chat")
        assert "restricted" in (await guest.does("stored", chat))["closed"]
        assert "restricted" in await guest.refused("publish", 9, "But why?", [["h", group]])
        await owner.done("add", group, guest.pubkey)
        assert contents(await guest.does("stored", chat)) == ["It is me", "Who is there?"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_open_group_is_joined_and_left_by_asking(relay: Server, node: str, library: str) -> None:
    group = f"market-{library}"
    async with person(node, library, relay) as owner, person(node, library, relay) as guest:
        await owner.done("create", group)
        await owner.done("edit", group, [["name", "Market"]])
        assert "duplicate: already a member" in await owner.refused("join", group)
        await guest.done("join", group)
        assert sorted((await guest.does("look", group))["members"]) == sorted((owner.pubkey, guest.pubkey))
        await guest.done("publish", 9022, "", [["h", group]])
        assert (await owner.does("look", group))["members"] == [owner.pubkey]
