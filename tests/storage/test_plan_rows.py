"""The rows of the control plane are a function of the live events and of the primary tables, whatever came in whatever order."""

import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.rows import PROJECTIONS
from relay.protocol.admission import Door
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event, wire
from storage.base import Incoming
from storage.commands import ContinueGroups, Model, StoreVectors, Sweep
from storage.sqlite.rows import later_rows, projections, rebuilding
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import keypair, make_event
from tests.storage.feed_logs import rebuild, write
from tests.storage.plan_logs import OPERATOR, open_log
from tests.storage.plan_model import TABLES, first, ordered, plane, rows, tables

START = 1000
NOW = START + 9
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
GROUPS = ("org", "other", "proj", "side", "room", "chat")
TYPES = {"org": "organization", "other": "organization", "proj": "project", "side": "project"}
PUBKEYS = [keypair(n).pubkey for n in range(1, 5)]
ADDRESSES = [f"30617:{PUBKEYS[0]}:tides", f"30617:{PUBKEYS[1]}:sand"]
NO_LINKS = [
    ("a", ADDRESSES[0].replace("30617", "30618")),
    ("a", ""),
    ("e", "0" * 64, "", "reply", "issue"),
    ("e", "0" * 64),
]
CONTENTS = [
    "",
    "[]",
    '{"plan":"pro","credits":5,"system_prompt":"s","default_tools":["a"],"is_archived":true,"agent_slug":"x","is_shared":true}',
    '{"plan":7,"credits":-1,"default_model":"m","autopilot_plan":"p","autopilot_plan_updated_at":9,"metadata":{"a":[1]}}',
    '{"name":"Pilot","sort_order":3,"is_default":true,"supports_tools":false,"agent_type":"coder","created_at":3}',
]
ISSUE_TAGS: list[tuple[tuple[str, ...], ...]] = [
    (("subject", "A title"),),
    (("subject", "Other"), ("t", "bug"), ("t", "bug"), ("t", "ui"), ("priority", "high"), ("due", "77")),
    (("rank", "0a"), ("priority", "whatever")),
    (("p", PUBKEYS[1], "", "assignee"),),
    (("p", PUBKEYS[2]),),
]
MESSAGE_TAGS: list[tuple[tuple[str, ...], ...]] = [
    (),
    (),
    (("role", "assistant"), ("finish_reason", "stop"), ("usage", "10", "2", "0.25")),
    (("tool_invocations", '[{"a":1}]'), ("parts", "[]"), ("annotations", "[1,2]"), ("usage", "", "3")),
    (("expiration", str(NOW + 2)),),
]

HOME = 50  # the own key of a peer

_keys = st.integers(1, 4)
_times = st.integers(START, NOW)
_groups = st.sampled_from(GROUPS)


def begin(group: str, *tags: tuple[str, ...], key: int = 1) -> Event:
    """The event that begins a group."""
    return make_event(key, 9007, "", [("h", group), ("type", TYPES.get(group, "thread")), *tags], START)


FOUNDING = [begin(group, *([("private",)] if group == "chat" else []), key=n % 3 + 1) for n, group in enumerate(GROUPS)]


def settle(writer: SqliteWriter) -> None:
    """Do all that changes left to do."""
    while writer.unfinished:
        writer.execute(ContinueGroups(), NOW)


@st.composite
def moderation(draw: st.DrawFn) -> list[Event]:
    """What changes groups: these stay in their order."""
    some = []
    for _ in range(draw(st.integers(0, 8))):
        group, kind = draw(_groups), draw(st.sampled_from([9000, 9000, 9001, 9002, 9002, 9002, 9008]))
        tags: list[tuple[str, ...]] = [("h", group)]
        if kind in (9000, 9001):
            tags.append(("p", draw(st.sampled_from(PUBKEYS)), *draw(st.sampled_from([(), ("owner",), ("admin",)]))))
        elif kind == 9002:
            tags += draw(
                st.sampled_from([[], [("name", "N"), ("about", "a")], [("picture", "https://a.example/x.png")]])
            )
            tags += draw(st.sampled_from([[], [("private",)]]))
            parents = [one for one in GROUPS[:4] if one != group and (TYPES.get(group) != TYPES[one])]
            tags += draw(
                st.sampled_from([[], *([("parent", one)] for one in parents if TYPES.get(group) != "organization")])
            )
        some.append(make_event(draw(_keys), kind, "", tags, draw(_times)))
    return some


@st.composite
def messages(draw: st.DrawFn) -> list[Event]:
    """Messages in groups and outside, those that their authors change in either way, and those that others say they change."""
    some = []
    for _ in range(draw(st.integers(0, 6))):
        where = draw(st.sampled_from([[], *([("h", group)] for group in GROUPS)]))
        key, at = draw(_keys), draw(_times)
        tags = [*where, *draw(st.sampled_from(MESSAGE_TAGS))]
        said = make_event(key, 9, draw(st.sampled_from(["hi", ""])), tags, at)
        some.append(said)
        way = draw(st.sampled_from(["", "anew", "edit", "edit"]))
        if way == "anew":
            others = draw(st.sampled_from([where, []]))
            some.append(make_event(key, 5, "", [*others, ("e", said.id)], draw(_times)))
            some.append(make_event(key, 9, "said anew", tags, at))
        elif way == "edit":
            other = draw(st.sampled_from([where, [("h", draw(_groups))], []]))
            some += [
                make_event(draw(st.sampled_from([key, key, 4])), 1010, text, [*other, ("e", said.id)], draw(_times))
                for text in draw(st.sampled_from([["one"], ["one", "two"]]))
            ]
    return some


@st.composite
def pools(draw: st.DrawFn) -> list[Event]:
    """Events that belong together, in groups and outside, and what removes them."""

    def where() -> list[tuple[str, ...]]:
        return draw(st.sampled_from([[], *([("h", group)] for group in GROUPS)]))

    issues = [
        make_event(
            draw(_keys),
            1621,
            draw(st.sampled_from(["text", "line\nmore"])),
            [
                *where(),
                *draw(st.sampled_from([[], *([("a", one)] for one in ADDRESSES)])),
                *draw(st.sampled_from(ISSUE_TAGS)),
            ],
            draw(_times),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    pool = list(issues)
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from([1010, 1010, 1630, 1631, 1632, 1633]))
        issue = draw(st.sampled_from(issues))
        place = draw(st.sampled_from([[tag for tag in issue.tags if tag[0] == "h"], where()]))
        named = [("e", one.id, "", "root") for one in draw(st.permutations([issue, draw(st.sampled_from(issues))]))]
        tags = draw(st.sampled_from(ISSUE_TAGS)) if kind == 1010 else ()
        pool.append(make_event(draw(_keys), kind, "edited", [*place, *named, *tags], draw(_times)))
    pool += draw(messages())
    for _ in range(draw(st.integers(0, 6))):
        group = draw(_groups)
        links = [("a", one) for one in draw(st.lists(st.sampled_from(ADDRESSES), max_size=2))]
        links += [("e", one.id, "", "issue") for one in draw(st.lists(st.sampled_from(issues), max_size=2))]
        links += draw(st.lists(st.sampled_from(NO_LINKS), max_size=2))
        names = [
            [("d", group), ("h", group)],
            [("d", "agent:pilot"), ("h", group)],
            [("d", "agent:pilot")],
            [("d", group)],
        ]
        content = draw(st.sampled_from(CONTENTS))
        pool.append(make_event(draw(_keys), 30078, content, [*draw(st.sampled_from(names)), *links], draw(_times)))
    for _ in range(draw(st.integers(0, 4))):
        kind, name = draw(st.sampled_from([30617, 30617, 30618])), draw(st.sampled_from(["tides", "sand", ""]))
        tags = [
            ("web", "ftp://x.example", "https://github.com/alice/tides.git"),
            ("clone", "https://a.example/x", "https://gitlab.com/a/b"),
            ("maintainers", PUBKEYS[2], PUBKEYS[3]),
            ("HEAD", "ref: refs/heads/main"),
            ("HEAD", "main"),
        ]
        some = draw(st.lists(st.sampled_from(tags), max_size=3, unique=True))
        pool.append(make_event(draw(_keys), kind, "", [("d", name), *where(), *some], draw(_times)))
    for _ in range(draw(st.integers(0, 4))):
        doomed = draw(st.sampled_from(pool))
        key = next(n for n in range(1, 5) if keypair(n).pubkey == doomed.pubkey)
        pool.append(make_event(key, 5, "", [("e", doomed.id)], draw(_times)))
    return pool


@st.composite
def from_elsewhere(draw: st.DrawFn, pool: list[Event]) -> list[Event]:
    """What a peer says of groups that are called as ours, and the same things as here, said there by anybody."""
    told = [make_event(HOME, 39000, "", [("d", group), ("name", "Theirs")], START) for group in draw(st.sets(_groups))]
    some = [one for one in pool if one.kind != 5 and any(tag[0] == "h" for tag in one.tags)]
    said = [
        make_event(draw(_keys), one.kind, one.content or "theirs", one.tags, draw(_times))
        for one in draw(st.lists(st.sampled_from(some), max_size=6) if some else st.just([]))
        if any(tag[1] == first(one, "h") for each in told for tag in each.tags)
    ]
    return [*told, *said]


def bring(writer: SqliteWriter, batch: list[Event]) -> None:
    """Write what a peer with groups brings."""
    home = keypair(HOME).pubkey
    some = [Incoming(one, wire(one), Door.PEER, NOW, origin="wss://peer.example", home=home) for one in batch]
    writer.write(some, NOW)


@RELAXED
@given(pools(), moderation(), st.data())
def test_rows_are_what_the_obvious_model_makes_of_the_live_events(
    pool: list[Event], changes: list[Event], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        writer = open_log(directory)
        try:
            write(writer, FOUNDING, Door.CLIENT, NOW)
            elsewhere = data.draw(from_elsewhere(pool))
            left = {"pool": list(data.draw(st.permutations(pool))), "changes": list(changes), "elsewhere": elsewhere}
            while any(left.values()):
                way = data.draw(st.sampled_from([one for one, some in left.items() if some]))
                size = data.draw(st.integers(1, len(left[way])))
                batch, left[way] = left[way][:size], left[way][size:]
                with mock.patch.object(projections, "AT_ONCE", data.draw(st.sampled_from([1, 2, 1000]))):
                    if way == "elsewhere":
                        bring(writer, batch)
                    else:
                        write(writer, batch, Door.IMPORT, NOW)
                with mock.patch.object(later_rows, "AT_ONCE", data.draw(st.sampled_from([1, 2, 32]))):
                    settle(writer)
                assert ordered(tables(directory)) == ordered(rows(plane(directory)))
            writer.execute(Sweep(100), NOW + 2)
            settle(writer)
            right = ordered(tables(directory))
            assert right == ordered(rows(plane(directory)))
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
            for wrong in data.draw(st.lists(st.sampled_from(WRONG), max_size=3, unique=True)):
                writer.connection.execute(wrong)
            damaged = ordered(tables(directory)) != right
            assert bool(list(rebuilding.problems(writer.connection, PROJECTIONS))) or not damaged
            with mock.patch.object(rebuilding, "AT_ONCE", data.draw(st.integers(1, 4))):
                rebuild(writer)
            assert ordered(tables(directory)) == right
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
        finally:
            writer.close()


WRONG = [
    "DELETE FROM organizations",
    "UPDATE organizations SET plan = 'forged'",
    "INSERT INTO organizations VALUES ('x', 'x', NULL, 'x', 1, 1, 1, 'x')",
    "DELETE FROM organization_members",
    "INSERT INTO organization_members VALUES ('x', 'y', 'z', 'owner', '[]', 1)",
    "UPDATE projects SET organization_id = 'x'",
    "DELETE FROM projects",
    "UPDATE threads SET updated_at = updated_at + 1",
    "INSERT INTO threads SELECT 'x', user_id, NULL, NULL, NULL, NULL, 0, 1, 1, 0, '' FROM threads LIMIT 1",
    "DELETE FROM repos",
    "UPDATE repos SET name = 'forged'",
    "DELETE FROM project_repos",
    "INSERT INTO project_repos VALUES ('proj', 'x', 1)",
    "DELETE FROM issue_threads",
    "INSERT INTO issue_threads VALUES ('room', 'x', 1)",
    "DELETE FROM message_rows WHERE seq % 2",
    "UPDATE message_rows SET content = 'forged'",
    "INSERT INTO message_rows SELECT seq + 1000, id, group_id, pubkey, 1, NULL, '', NULL, 1, 1, 1.5, NULL, NULL, NULL, '', NULL "
    "FROM message_rows",
    "UPDATE issue_rows SET status_id = 'forged'",
    "DELETE FROM issue_rows",
    "DELETE FROM agents",
    "INSERT OR IGNORE INTO agents VALUES ('x', '', 1, '', '', '', NULL, 1, 1, 1, 1, 1, 1, 1, NULL)",
]


@RELAXED
@given(pools(), st.data())
def test_two_orders_of_arrival_end_in_the_same_rows(pool: list[Event], data: st.DataObject) -> None:
    found = []
    for order in (pool, data.draw(st.permutations(pool))):
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            writer = open_log(directory)
            write(writer, FOUNDING, Door.CLIENT, NOW)
            for event in order:
                write(writer, [event], Door.IMPORT, NOW)
            settle(writer)
            writer.close()
            made = tables(directory)
            for row in (row for table in TABLES for row in made[table]):
                row.pop("seq", None)
                row.pop("identifier", None)  # given out in the order of arrival
            found.append(ordered(made))
    assert found[0] == found[1]


def announce(at: int, *maintainers: str) -> Event:
    """The repository of the first key, with these maintainers."""
    return make_event(1, 30617, "", [("d", "tides"), *([("maintainers", *maintainers)] if maintainers else [])], at)


def states(writer: SqliteWriter) -> list[str]:
    """The status of every issue, by their times."""
    return [one for (one,) in writer.connection.execute("SELECT status_id FROM issues ORDER BY created_at")]


def test_a_change_of_maintainers_makes_the_issues_of_their_repository_again_in_parts(tmp_path: Path) -> None:
    issues = [make_event(2, 1621, "text", [("a", ADDRESSES[0])], START + n) for n in range(7)]
    closed = make_event(3, 1632, "", [("e", one.id) for one in issues], START)
    elsewhere = make_event(2, 1621, "text", [("a", ADDRESSES[1])], START + 8)
    writer = open_log(tmp_path)
    try:
        write(writer, [*issues, closed, elsewhere, announce(START)], Door.IMPORT, NOW)
        settle(writer)
        assert states(writer) == ["open"] * 8
        with mock.patch.object(later_rows, "AT_ONCE", 3):
            write(writer, [announce(START + 1, PUBKEYS[2])], Door.IMPORT, NOW)
            assert (states(writer), writer.unfinished) == (["open"] * 8, True)
            writer.execute(ContinueGroups(), NOW)
            assert (states(writer), writer.unfinished) == (["closed"] * 3 + ["open"] * 5, True)
            assert (
                list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
            )  # of what is being made, nothing is said
            writer.close()
            writer = open_log(tmp_path)  # goes on after a restart
            settle(writer)
            assert states(writer) == ["closed"] * 7 + ["open"]
            late = make_event(2, 1621, "text", [("a", ADDRESSES[0])], START + 9)
            write(writer, [late, make_event(3, 1631, "", [("e", late.id)], START)], Door.IMPORT, NOW)
            assert states(writer)[-1] == "resolved"
            write(writer, [announce(START + 2, PUBKEYS[2])], Door.IMPORT, NOW)
            assert not writer.unfinished  # the same maintainers: nothing follows
            write(writer, [announce(START + 3, PUBKEYS[3])], Door.IMPORT, NOW)
            settle(writer)
            assert states(writer) == ["open"] * 9
        assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
    finally:
        writer.close()


def test_repositories_whose_maintainers_change_all_the_time_keep_no_other_waiting(tmp_path: Path) -> None:
    restless, other = sorted(ADDRESSES)
    keys = {ADDRESSES[0]: (1, "tides"), ADDRESSES[1]: (2, "sand")}

    def named(address: str, at: int, maintainer: str) -> Event:
        key, name = keys[address]
        return make_event(key, 30617, "", [("d", name), ("maintainers", maintainer)], at)

    writer = open_log(tmp_path)
    try:
        issues = [make_event(3, 1621, "text", [("a", address)], START) for address in (restless, other)]
        issues += [make_event(3, 1621, "text", [("a", restless)], START + n) for n in range(1, 5)]
        closed = make_event(4, 1632, "", [("e", issues[1].id)], START)
        first = [named(address, START, PUBKEYS[2]) for address in (restless, other)]
        write(writer, [*issues, closed, *first], Door.IMPORT, NOW)
        settle(writer)
        with mock.patch.object(later_rows, "AT_ONCE", 2):
            write(writer, [named(other, START + 1, PUBKEYS[3])], Door.IMPORT, NOW)
            for turn in range(1, 500):
                write(writer, [named(restless, START + turn, PUBKEYS[2 + turn % 2])], Door.IMPORT, NOW)
                writer.execute(ContinueGroups(), NOW)
                if states(writer).count("closed"):
                    break
        assert states(writer).count("closed") == 1
    finally:
        writer.close()


def test_many_messages_of_one_second_are_deleted_at_the_price_of_one_each(tmp_path: Path) -> None:
    writer = open_log(tmp_path)

    def steps(event: Event) -> int:
        """Roughly how much the database does for an event, which is not taken twice."""
        taken = [0]

        def count() -> int:
            taken[0] += 1
            return 0

        writer.connection.set_progress_handler(count, 100)
        write(writer, [event], Door.CLIENT, NOW)
        writer.connection.set_progress_handler(None, 0)
        return taken[0]

    try:
        said = [make_event(2, 9, str(n), [("h", "room")], NOW) for n in range(300)]
        write(writer, [*FOUNDING, *said], Door.CLIENT, NOW)
        first, second = (make_event(2, 5, "", [("h", "room"), ("e", one.id)], NOW) for one in said[:2])
        assert steps(first) > 5 * steps(second)
        assert 0 < steps(said[0]) < 10 * steps(make_event(3, 9, "new", [("h", "room")], NOW))
        rest = writer.connection.execute("SELECT count(updated_at), count(*) FROM message_rows").fetchone()
        assert rest == (298, 299)
    finally:
        writer.close()


def test_the_vectors_of_messages_are_a_table_of_the_plan(tmp_path: Path) -> None:
    writer = open_log(tmp_path, Cutting(kinds=(9,)))
    try:
        said = make_event(2, 9, "The sandpiper runs along the shore.", [("h", "room")], NOW)
        write(writer, FOUNDING, Door.CLIENT, NOW)
        write(writer, [said, make_event(2, 9, "outside", [], NOW)], Door.IMPORT, NOW)
        look = writer.connection.execute
        (passage,) = look("SELECT id FROM passages WHERE kind_of = 'messages'").fetchone()
        assert look("SELECT embedding_id FROM messages").fetchall() == [(None,)]
        writer.execute(StoreVectors(Model("test", 1), [(b"\x00\x00\x80\x3f", passage)]), NOW)
        found = look("SELECT message_id, content_embedding, thread_id, user_id, id FROM message_embeddings").fetchall()
        assert found == [(said.id, b"\x00\x00\x80\x3f", "room", f"nostr:{said.pubkey}", passage)]
        assert look("SELECT embedding_id FROM messages").fetchall() == [(passage,)]
    finally:
        writer.close()


def test_the_operator_is_among_the_test_keys() -> None:
    assert keypair(OPERATOR).pubkey in PUBKEYS
