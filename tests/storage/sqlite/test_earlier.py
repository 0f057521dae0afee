"""What articles said before: kept as long as the article is, against a slow model of every version ever written."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import table
from relay.protocol import kinds
from relay.protocol.event import Event, address_of, parse
from relay.protocol.filter import Filter
from storage.base import Status
from storage.commands import RemoveMatching
from storage.sqlite import backend, earlier
from tests.factories import keypair, make_event
from tests.storage.contract import Log
from tests.storage.histories import NOW
from tests.stores import with_schema

OPEN = table.meaning("ws://relay.test", provision=True, knowledge=frozenset([kinds.WIKI]))
AUTHORS, NAMES = (0, 1), ("tide", "wind")


def version(author: int = 0, name: str = "tide", at: int = 1000, content: str = "", tags: Any = ()) -> Event:
    return make_event(
        author, kind=kinds.WIKI, tags=[["d", name], *tags], content=content or f"{name} {at}", created_at=at
    )


def address(author: int, name: str = "tide") -> str:
    return kinds.address(kinds.WIKI, keypair(author).pubkey, name)


@asynccontextmanager
async def open_log(directory: Path) -> AsyncIterator[Log]:
    with_schema(directory)
    writer = backend.open_writer(directory, OPEN, synchronous="normal", cache_mib=1)
    reader = await backend.open_reader(directory, readers=1, cache_mib=1)
    yield Log(writer, reader)
    await reader.close()
    writer.close()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(tmp_path) as one:
        yield one


async def kept(log: Log, author: int = 0, name: str = "tide") -> list[str]:
    return [parse(wire).content for wire in await log.reader.earlier(address(author, name))]


async def test_what_a_newer_version_took_the_place_of_is_kept_the_newest_first(log: Log) -> None:
    log.write(version(at=1000), version(at=1001), version(at=1002), version(author=1, at=1003))
    assert await kept(log) == ["tide 1001", "tide 1000"]
    assert await kept(log, author=1) == []
    assert [event.content for event in await log.ask(Filter(kinds=frozenset([kinds.WIKI])))] == [
        "tide 1003",
        "tide 1002",
    ]


async def test_only_the_newest_are_kept_in_number_and_in_bytes(log: Log) -> None:
    log.write(*(version(at=1000 + n) for n in range(earlier.MOST + 3)))
    assert await kept(log) == [f"tide {1000 + n}" for n in reversed(range(2, earlier.MOST + 2))]
    size = earlier.MOST_BYTES // 3
    log.write(*(version(name="wind", at=1000 + n, content=f"{n}" * size) for n in range(5)))
    assert [text[0] for text in await kept(log, name="wind")] == ["3", "2"]


async def test_what_expires_and_what_is_no_article_is_not_kept(log: Log) -> None:
    log.write(version(at=1000, tags=[["expiration", str(NOW + 9)]]), version(at=1001))
    assert await kept(log) == []
    log.write(*(make_event(0, kind=30023, tags=[["d", "tide"]], created_at=at) for at in (1000, 1001)))
    assert await log.reader.earlier(kinds.address(30023, keypair(0).pubkey, "tide")) == []


async def test_what_the_operator_removes_goes_with_its_versions(log: Log) -> None:
    log.write(version(at=1000), version(at=1001))
    log.writer.execute(RemoveMatching(Filter(kinds=frozenset([kinds.WIKI])), 10), NOW)
    assert await kept(log) == []


class Model:
    """Every article with its versions, as the rules have it."""

    def __init__(self) -> None:
        self.live: dict[str, Event] = {}
        self.before: dict[str, list[Event]] = {}

    def written(self, event: Event) -> None:
        at = address_of(event) or ""
        if at in self.live:
            self.before.setdefault(at, []).append(self.live[at])
        self.live[at] = event

    def deleted(self, author: str, event_id: str) -> None:
        for at, event in list(self.live.items()):
            if event.id == event_id and event.pubkey == author:
                self.until(at, event.created_at)
        for at, events in self.before.items():
            self.before[at] = [one for one in events if (one.id, one.pubkey) != (event_id, author)]

    def until(self, at: str, when: int) -> None:
        self.before[at] = [one for one in self.before.get(at, []) if one.created_at > when]
        if at in self.live and self.live[at].created_at <= when:
            del self.live[at]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(AUTHORS), st.sampled_from(NAMES), st.integers(1000, 1012)),
        st.tuples(st.just("delete"), st.sampled_from(AUTHORS), st.integers(0, 9)),
        st.tuples(st.just("close"), st.sampled_from(AUTHORS), st.sampled_from(NAMES), st.integers(1000, 1012)),
        st.tuples(st.just("vanish"), st.sampled_from(AUTHORS), st.integers(1000, 1012)),
    ),
    max_size=14,
)


def play(log: Log, steps: list[Any]) -> Model:
    model, written = Model(), []
    for number, (what, author, *rest) in enumerate(steps):
        pubkey, said = keypair(author).pubkey, f"{number}"
        if what == "write":
            event = version(author, rest[0], rest[1], content=said)
            written.append(event)
            if log.write(event)[0].status is Status.STORED:
                model.written(event)
        elif what == "delete" and written:
            target = written[rest[0] % len(written)].id
            log.write(make_event(author, kind=5, tags=[["e", target]], content=said, created_at=1020))
            model.deleted(pubkey, target)
        elif what == "close":
            tags = [["a", address(author, rest[0])]]
            log.write(make_event(author, kind=5, tags=tags, content=said, created_at=rest[1]))
            model.until(address(author, rest[0]), rest[1])
        elif what == "vanish":
            tags = [["relay", "ALL_RELAYS"]]
            log.write(make_event(author, kind=62, tags=tags, content=said, created_at=rest[0]))
            for name in NAMES:
                model.until(address(author, name), rest[0])
    return model


@given(steps=STEPS)
async def test_any_history_keeps_what_the_rules_keep(steps: list[Any]) -> None:
    with TemporaryDirectory() as directory:
        async with open_log(Path(directory)) as log:
            model = play(log, steps)
            for author in AUTHORS:
                for name in NAMES:
                    at = address(author, name)
                    found = [parse(wire).id for wire in await log.reader.earlier(at)]
                    assert found == [event.id for event in reversed(model.before.get(at, []))]
