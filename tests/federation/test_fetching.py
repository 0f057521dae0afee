"""What is lacking is asked for while the comparison goes on, however that ends."""

import asyncio
from functools import cache
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection

from relay.client.errors import Refused
from relay.federation import comparison
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer, MemoryEvents
from tests.federation.test_synchronization import notes, synchronized

ROUNDS = 4  # messages of a peer that tells of 3,000 events


@cache
def events() -> list[Event]:
    return notes(3000)


def asked(peer: FakePeer) -> list[str]:
    """The ids that the peer was asked for."""
    return [one for message in peer.said if message[0] == "REQ" for one in message[2].get("ids", ())]


def is_by_ids(message: Any) -> bool:
    return message[0] == "REQ" and "ids" in message[2]


async def test_events_are_asked_for_before_the_comparison_has_ended() -> None:
    local = MemoryEvents()
    async with FakePeer(events()).serving() as peer:
        found, counts = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])))
    verbs = peer.verbs()
    assert verbs.count("NEG-MSG") == ROUNDS - 1
    last = len(verbs) - verbs[::-1].index("NEG-MSG") - 1
    assert next(at for at, message in enumerate(peer.said) if is_by_ids(message)) < last
    assert (found.need, counts.stored, counts.duplicates) == (3000, 3000, 0)
    assert len(asked(peer)) == 3000


class Breaking(FakePeer):
    """Goes so far in a comparison, then breaks it off."""

    def __init__(self, way: str) -> None:
        super().__init__(events())
        self.way = way
        self.told = 0

    async def go_on(self, connection: ServerConnection, name: str, data: bytes) -> None:
        self.told = 1 if self.verbs()[-1] == "NEG-OPEN" else self.told + 1
        if self.told < ROUNDS - 1:
            await super().go_on(connection, name, data)
        elif self.way == "no message":
            await self.send(connection, "NEG-MSG", name, "00")
        elif self.way != "silence":
            await self.send(connection, "NEG-ERR", name, self.way)


@pytest.mark.parametrize(
    ("way", "compares"),
    [("blocked: too many records", True), ("error: broken", False), ("silence", False), ("no message", False)],
)
async def test_a_comparison_that_breaks_off_leaves_nothing_lacking_and_asks_for_nothing_twice(
    way: str, compares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "silence":  # who answers is given the time that it takes
        monkeypatch.setattr(comparison, "ANSWER_WITHIN", 1.0)
    local = MemoryEvents()
    async with Breaking(way).serving() as peer:
        found, counts = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])))
    assert local.events.keys() == peer.events.keys()
    assert (found.need, found.compares) == (3000, compares)
    assert (counts.received, counts.stored, counts.not_given) == (3000, 3000, 0)
    assert asked(peer)
    assert len(asked(peer)) == len(set(asked(peer)))


class Denying(FakePeer):
    """Compares, and refuses to give."""

    def found(self, wanted: Any) -> list[Event]:
        one = make_event()
        return [msgspec.structs.replace(one, id=f"{n:064x}") for n in range(20_000)]

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        await self.send(connection, "CLOSED", name, "restricted: not for you")


async def test_a_refused_question_ends_the_comparison_too() -> None:
    async with Denying().serving() as peer:
        with pytest.raises(Refused, match="not for you"):
            await synchronized(peer, MemoryEvents(), wanted=Filter(kinds=frozenset([1])))
        assert peer.verbs().count("NEG-MSG") < 10  # of 22


class Slow(FakePeer):
    """Gives events slowly, and says the next word of a comparison only after those that it was asked for."""

    def __init__(self) -> None:
        super().__init__(events())
        self.held: list[tuple[str, bytes]] = []
        self.given = 0

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        await asyncio.sleep(0.2)
        await super().answer(connection, name, wanted)
        self.given += 1
        if self.given == 3:
            for one, data in self.held:
                await super().go_on(connection, one, data)
            self.held.clear()

    async def go_on(self, connection: ServerConnection, name: str, data: bytes) -> None:
        if self.given < 3 and self.verbs()[-1] == "NEG-MSG":
            self.held.append((name, data))
        else:
            await super().go_on(connection, name, data)


async def test_a_word_that_comes_behind_the_events_that_were_asked_for_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(comparison, "ANSWER_WITHIN", 0.4)
    local = MemoryEvents()
    async with Slow().serving() as peer:
        found, _ = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])))
    assert local.events.keys() == peer.events.keys()
    assert found.compares
