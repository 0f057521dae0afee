"""The rows of the feed are a function of the live events and of whose keys signed them, whatever came in whatever order."""

import itertools
import tempfile
from pathlib import Path
from unittest import mock

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.rows import PROJECTIONS
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.commands import RemoveMatching, Sweep
from storage.identities.commands import BindProven, Unbind
from storage.sqlite.rows import projections, rebuilding
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import keypair, make_event
from tests.storage.feed_logs import identity, open_log, ordered, rebuild, tables, world, write
from tests.storage.feed_model import feed

START = 1000
NOW = START + 6
OWNERS = {1: 1, 2: 1, 3: 2, 4: 9}  # key -> identity; 9 is foreign, key 5 belongs to nobody
TITLES = [
    (("title", "A title"),),
    (("title", "é🎉"),),
    (("title", "x" * 300),),
    (("title", "x" * 301),),
    (("title", "   "),),
    (("title",), ("title", "second")),
    (),
]
LINKS = [
    (("r", "ftp://a.example"), ("r", "https://a.example/x")),
    (("r", "HTTP://a.example"),),
    (("r", "javascript:x"),),
]
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

_keys = st.integers(1, 5)
_times = st.integers(START, NOW)
_few = st.integers(0, 7).map(lambda n: n == 0)


@st.composite
def extras(draw: st.DrawFn) -> tuple[tuple[str, ...], ...]:
    """Rarely a group or an expiry."""
    group = (("h", "group"),) if draw(_few) else ()
    return (*group, ("expiration", str(NOW + 2))) if draw(_few) else group


@st.composite
def pools(draw: st.DrawFn, vanishing: bool = True) -> list[Event]:
    """Events that belong together: posts, edits, comments, votes, and what removes them."""
    posts = [
        make_event(
            draw(_keys),
            11,
            draw(st.sampled_from(["", "text", '"quoted" \\ é\n #Low_Tide'])),
            [
                *draw(st.sampled_from(TITLES[:3] + TITLES)),
                *draw(st.sampled_from([(), *LINKS])),
                *draw(st.sampled_from([(), (("t", "mud"), ("t", "low_tide"))])),
                *draw(extras()),
            ],
            draw(_times),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    comments: list[Event] = []
    for _ in range(draw(st.integers(0, 6))):
        tags = [("E", draw(st.sampled_from(posts)).id), ("K", "11")]
        if draw(st.booleans()):
            tags.append(("e", draw(st.sampled_from([*posts, *comments])).id))
        comments.append(make_event(draw(_keys), 1111, "comment", [*tags, *draw(extras())], draw(_times)))
    edits = [
        make_event(
            draw(_keys),
            1010,
            draw(st.sampled_from(["edited #mud", "again"])),
            [("e", draw(st.sampled_from([*posts, *comments])).id), *draw(st.sampled_from(TITLES)), *draw(extras())],
            draw(_times),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    targets = [*posts, *comments, *edits]
    votes = [
        make_event(
            draw(_keys),
            7,
            draw(st.sampled_from(["+", "+", "", "-", "🎉"])),
            [("e", draw(st.sampled_from(targets)).id) for _ in range(draw(st.integers(1, 2)))],
            draw(_times),
        )
        for _ in range(draw(st.integers(0, 10)))
    ]
    pool = [*targets, *votes]
    for _ in range(draw(st.integers(0, 5))):
        doomed = draw(st.sampled_from(pool))
        key = next(n for n in range(1, 6) if keypair(n).pubkey == doomed.pubkey)
        pool.append(make_event(key, 5, "", [("e", doomed.id)], draw(_times)))
    if vanishing and draw(_few):
        pool.append(make_event(draw(_keys), 62, "", [("relay", "ALL_RELAYS")], draw(_times)))
    return pool


class Step(msgspec.Struct, frozen=True):
    """Something that happens to a log."""

    name: str
    batch: list[Event] = []
    door: Door = Door.PEER
    key: int = 0
    at: int = NOW


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """A pool in some order and some batches, some of it twice, and keys bound and unbound, sweeps and removals between."""
    pool = draw(pools())
    order = draw(st.permutations(pool)) + draw(st.lists(st.sampled_from(pool), max_size=3))
    steps, start = [], 0
    while start < len(order):
        size = draw(st.integers(1, len(order) - start))
        door = draw(st.sampled_from([Door.CLIENT, Door.HTTP, Door.PEER, Door.PEER, Door.IMPORT, Door.IMPORT]))
        steps.append(Step("write", order[start : start + size], door, at=NOW + draw(st.integers(-2, 1))))
        start += size
    others = [Step("bind", key=key) for key in OWNERS if not draw(_few)]
    others += [Step("sweep", at=NOW + 2) for _ in range(draw(st.integers(0, 1)))]
    others += [Step("remove", [draw(st.sampled_from(pool))]) for _ in range(draw(st.integers(0, 1)))]
    others += [Step("unbind", key=draw(st.sampled_from(sorted(OWNERS)))) for _ in range(draw(st.integers(0, 1)))]
    for other in others:
        steps.insert(draw(st.integers(0, len(steps))), other)
    return steps


def take(writer: SqliteWriter, step: Step) -> None:
    if step.name == "write":
        write(writer, step.batch, step.door, step.at)
    elif step.name == "sweep":
        writer.execute(Sweep(100), step.at)
    elif step.name == "remove":
        writer.execute(RemoveMatching(Filter(ids=frozenset([step.batch[0].id])), 1), NOW)
    elif step.name == "bind":
        writer.execute(BindProven(keypair(step.key).pubkey, identity(OWNERS[step.key])), NOW)
    elif writer.tables.key(keypair(step.key).pubkey) is not None:
        writer.execute(Unbind(keypair(step.key).pubkey, identity(OWNERS[step.key])), NOW)


@RELAXED
@given(histories(), st.data())
def test_rows_are_what_the_obvious_model_makes_of_the_live_events(history: list[Step], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        writer = open_log(directory, local=(1, 2), foreign=(9,))
        try:
            for step in history:
                with mock.patch.object(projections, "AT_ONCE", data.draw(st.sampled_from([1, 2, 1000]))):
                    take(writer, step)
                assert ordered(tables(directory)) == ordered(feed(world(directory))), step
            rows = tables(directory)
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
            with mock.patch.object(rebuilding, "AT_ONCE", data.draw(st.integers(1, 4))):
                rebuild(writer)
            assert ordered(tables(directory)) == ordered(rows)
        finally:
            writer.close()


@RELAXED
@given(pools(vanishing=False), st.data())  # a deletion that vanishes before it came deletes nothing: other events live
def test_two_orders_of_arrival_end_in_the_same_rows(pool: list[Event], data: st.DataObject) -> None:
    found = []
    for order in (pool, data.draw(st.permutations(pool))):
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            writer = open_log(directory, local=(1, 2), foreign=(9,))
            steps = [Step("bind", key=key) for key in OWNERS]
            steps += [Step("write", [event], Door.IMPORT) for event in order]
            for step in steps if order is pool else reversed(steps):
                take(writer, step)
            writer.close()
            rows = tables(directory)
            for row in itertools.chain.from_iterable(rows.values()):
                for place in ("seq", "post_seq", "comment_seq"):
                    row.pop(place, None)
            found.append(ordered(rows))
    assert found[0] == found[1]
