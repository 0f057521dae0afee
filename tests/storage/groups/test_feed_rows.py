"""The rows of the feed where posts stand in communities: what is moderated, hidden or ended leaves none, in whatever order it came.

Everybody may do everything in the groups. Which events are in which group, and who may read them, is what tests/storage/groups
look at; here the rows are to follow from that, at every moment.
"""

import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.rows import PROJECTIONS
from relay.protocol.admission import Door
from relay.protocol.event import Event
from storage.commands import ContinueGroups, Sweep
from storage.identities.commands import BindProven, Unbind
from storage.sqlite.rows import rebuilding
from storage.sqlite.writing.groups import moving
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import keypair, make_event
from tests.storage.feed_logs import identity, ordered, rebuild, tables, world, write
from tests.storage.feed_model import feed
from tests.storage.plan_logs import open_log

START = 1000
NOW = START + 9
GROUPS = ("a", "b")
OWNERS = {1: 1, 2: 1, 3: 2, 4: 9}  # key -> identity; 9 is foreign
Step = list[Event] | tuple[str, int]  # a batch, or something else that happens to a key

_keys = st.integers(1, 4)
_times = st.integers(START, NOW)


@st.composite
def said(draw: st.DrawFn) -> list[Event]:
    """Posts, comments, edits and votes in two groups and in none, and what deletes them."""

    def where() -> list[tuple[str, ...]]:
        return draw(st.sampled_from([*[[("h", "a")]] * 4, [], [("h", "b")], [("h", "nowhere")]]))

    def expiring() -> list[tuple[str, ...]]:
        return draw(st.sampled_from([[], [], [], [("expiration", str(NOW + 2))]]))

    made = [
        make_event(draw(_keys), 11, "text #mud", [("title", "A title"), *where(), *expiring()], draw(_times))
        for _ in range(draw(st.integers(1, 3)))
    ]
    posts, shown = list(made), list(made)
    for kind in draw(st.lists(st.sampled_from(_KINDS), min_size=3, max_size=14)):
        key, at, target = draw(_keys), draw(_times), draw(st.sampled_from(made if kind == 5 else shown))
        about = [("e", target.id)]
        if kind == 1111:
            about = [("E", draw(st.sampled_from(posts)).id), ("K", "11"), *about]
            shown.append(make_event(key, kind, "comment", [*about, *where()], at))
            made.append(shown[-1])
        elif kind == 1010:
            title = draw(st.sampled_from([[], [("title", "Other")]]))
            made.append(make_event(key, kind, "edited", [*about, *title, *where()], at))
        else:
            content = draw(st.sampled_from(["+", "-"])) if kind == 7 else ""
            by = key if kind == 7 else next(n for n in OWNERS if keypair(n).pubkey == target.pubkey)
            made.append(make_event(by, kind, content, [*about, *(where() if kind == 7 else [])], at))
    return made


_KINDS = (1111, 1111, 1010, 7, 7, 7, 5)


@st.composite
def moderation(draw: st.DrawFn, made: list[Event]) -> list[Event]:
    """What changes groups: these stay in their order."""
    some = [make_event(1, 9007, "", [("h", name)], START) for name in GROUPS]
    for n in range(draw(st.integers(0, 6))):
        name, kind = (
            draw(st.sampled_from([*GROUPS, "a"])),
            draw(st.sampled_from([9002, 9002, 9002, 9005, 9005, 9005, 9008])),
        )
        tags = draw(st.sampled_from([[("private",)], [], []])) if kind == 9002 else []
        tags = [("e", draw(st.sampled_from(made)).id)] if kind == 9005 else tags
        some.append(make_event(draw(_keys), kind, f"{n}", [("h", name), *tags], START + n))
    return some


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """All that in batches of any size; keys are bound and unbound between, what is left to do is done in parts, and time passes."""
    made = draw(said())
    left = {"said": [*draw(st.permutations(made)), draw(st.sampled_from(made))], "changes": draw(moderation(made))}
    steps: list[Step] = []
    while left["said"] or left["changes"]:
        way = draw(st.sampled_from([one for one, some in left.items() if some]))
        size = draw(st.integers(1, len(left[way])))
        steps.append(left[way][:size])
        left[way] = left[way][size:]
    others = draw(st.lists(st.sampled_from([("go on", 0), ("unbind", 1), ("vanish", 3), ("sweep", 0)]), max_size=4))
    for other in others:
        steps.insert(draw(st.integers(0, len(steps))), other)
    bound: list[Step] = [("bind", key) for key in OWNERS if draw(st.integers(0, 7))]
    return [*bound, *steps] if draw(st.integers(0, 3)) else [*steps, *bound]


def take(writer: SqliteWriter, step: Step) -> None:
    if isinstance(step, list):
        for one in step if step[0].kind == 9007 else ():  # an import begins no groups
            write(writer, [one], Door.CLIENT, NOW)
        write(writer, step, Door.IMPORT, NOW)
        return
    name, key = step
    pubkey = keypair(key).pubkey if key else ""
    if name == "go on":
        writer.execute(ContinueGroups(), NOW)
    elif name == "sweep":
        writer.execute(Sweep(100), NOW + 2)
    elif name == "vanish":
        write(writer, [make_event(key, 62, "", [("relay", "ALL_RELAYS")], NOW)], Door.IMPORT, NOW)
    elif name == "bind":
        writer.execute(BindProven(pubkey, identity(OWNERS[key])), NOW)
    elif writer.tables.key(pubkey) is not None:
        writer.execute(Unbind(pubkey, identity(OWNERS[key])), NOW)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories())
def test_rows_are_what_the_obvious_model_makes_of_what_everybody_may_read(history: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as name, mock.patch.object(moving, "AT_ONCE", 2):
        directory = Path(name)
        writer = open_log(directory, identities=((1, 2), (9,)))
        try:
            for step in history:
                take(writer, step)
                assert ordered(tables(directory)) == ordered(feed(world(directory))), step
            while writer.unfinished:
                writer.execute(ContinueGroups(), NOW)
            rows = tables(directory)
            assert ordered(rows) == ordered(feed(world(directory)))
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
            rebuild(writer)
            assert ordered(tables(directory)) == ordered(rows)
        finally:
            writer.close()
