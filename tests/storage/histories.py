"""Random histories of a log for property tests: few keys, few times and few tags, so that everything collides."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec
from hypothesis import strategies as st

from handlers import table
from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.base import Incoming, Limits
from storage.sqlite import log_rows
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import keypair, make_event

T = TypeVar("T")

MEANING = table.meaning("ws://relay.test")
START = 1000
NOW = 1006
KEYS = [keypair(n).pubkey for n in range(3)]
LONG = "long " * 60
TAG_VALUES = ["", "a", "b", KEYS[0], LONG, "é"]

_times = st.integers(START, START + 6)


@lru_cache(maxsize=4096)
def _signed(key: int, kind: int, created_at: int, tags: tuple[tuple[str, ...], ...], content: str) -> Event:
    return make_event(key, kind=kind, created_at=created_at, tags=tags, content=content)


_plain_tags = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["t", "d", "T"]), st.sampled_from(TAG_VALUES)),
        st.tuples(st.just("p"), st.sampled_from(KEYS)),
        st.tuples(st.sampled_from(["t", "title"])),
        st.tuples(st.just("expiration"), st.sampled_from(["1007", "1009", "soon"])),
    ),
    max_size=4,
).map(tuple)


@st.composite
def plain_events(draw: st.DrawFn) -> Event:
    """Events of every family but deletions and requests to vanish."""
    kind = draw(st.sampled_from([0, 1, 1, 1, 7, 11, 4, 1059, 10002, 20001, 30023, 30023]))
    tags = draw(_plain_tags)
    if kind == 1059:
        tags = (*tags, ("p", draw(st.sampled_from(KEYS))))
    content = draw(st.sampled_from(["", "x", '{"name":"n","about":1}', '{"name":', "[]"]))
    return _signed(draw(st.integers(0, 2)), kind, draw(_times), tags, content)


@st.composite
def batches(draw: st.DrawFn) -> list[list[Event]]:
    """A history: batches of events, with deletions of what is there or will be, and requests to vanish."""
    pool = draw(st.lists(plain_events(), min_size=1, max_size=14))
    for _ in range(draw(st.integers(0, 3))):
        tags = tuple(("e", draw(st.sampled_from(pool)).id) for _ in range(draw(st.integers(1, 2))))
        pool.append(_signed(draw(st.integers(0, 2)), 1010, draw(_times), tags, "edited"))
    for _ in range(draw(st.integers(0, 4))):
        key, at = draw(st.integers(0, 2)), draw(_times)
        if draw(st.integers(0, 3)) == 0:
            pool.append(_signed(key, 62, at, (("relay", "ALL_RELAYS"),), ""))
            continue
        targets = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
        tags = [("e", target.id) for target in targets]
        tags += [("a", address) for target in targets if (address := events.address_of(target)) is not None]
        pool.append(_signed(key, 5, at, tuple(draw(st.permutations(tags))[:2]), ""))
    order = draw(st.permutations(pool))
    order += draw(st.lists(st.sampled_from(pool), max_size=4))
    size = draw(st.integers(1, len(order)))
    return [order[start : start + size] for start in range(0, len(order), size)]


def incoming(batch: Sequence[Event], at: int = NOW) -> list[Incoming]:
    """The batch on its way in."""
    return [Incoming(event, events.wire(event), Door.CLIENT, at) for event in batch]


def check_recent(writer: SqliteWriter) -> None:
    """What the writer remembers of stored events is what is stored."""
    for event_id, row in writer._recent._rows.items():
        assert log_rows.of_ids(writer.connection, [event_id]) == [row]


def _some(values: Sequence[T]) -> st.SearchStrategy[frozenset[T] | None]:
    return st.none() | st.frozensets(st.sampled_from(values), max_size=3)


@st.composite
def filters(draw: st.DrawFn, known: Sequence[Event]) -> Filter:
    """A filter that has a fair chance to match some of the events."""
    tags = {}
    for name in draw(st.sets(st.sampled_from(["t", "d", "p", "T"]), max_size=2)):
        tags[name] = draw(st.frozensets(st.sampled_from(KEYS if name == "p" else TAG_VALUES), max_size=3))
    ids = [event.id for event in known] + ["0" * 64]
    return Filter(
        ids=draw(st.one_of(st.none(), st.none(), st.frozensets(st.sampled_from(ids), max_size=6))),
        authors=draw(_some(KEYS)),
        kinds=draw(_some([0, 1, 7, 4, 5, 62, 1059, 10002, 30023])),
        tags=tags,
        since=draw(st.none() | st.integers(START - 1, START + 7)),
        until=draw(st.none() | st.integers(START - 1, START + 7)),
        limit=draw(st.none() | st.integers(0, 8)),
    )


class Question(msgspec.Struct, frozen=True):
    """What a reader asks."""

    filters: list[Filter]
    readers: frozenset[str]
    now: int
    upto: int | None
    limits: Limits


@st.composite
def questions(draw: st.DrawFn, known: Sequence[Event]) -> Question:
    """One REQ of a reader who may be anybody."""
    default = draw(st.integers(1, 6))
    return Question(
        filters=draw(st.lists(filters(known), min_size=1, max_size=3)),
        readers=draw(st.frozensets(st.sampled_from(KEYS))),
        now=draw(st.sampled_from([NOW, NOW + 1, NOW + 3])),
        upto=draw(st.none() | st.integers(0, 15)),
        limits=Limits(default, default + draw(st.integers(0, 4))),
    )
