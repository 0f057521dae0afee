"""Retention by age over real tables: what is past its days goes whole and stays away, what is not stays as it is."""

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import table
from handlers.rows import PROJECTIONS
from relay.errors import Prefix
from relay.protocol import feed as feed_kinds
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.outdated import is_outdated
from relay.protocol.relay import GroupRules
from relay.protocol.retention import DAY, Retention, RetentionRule
from storage.base import Status
from storage.commands import DropPast, RemoveMatching, SetRetention
from storage.identities.commands import BindProven, Unbind
from storage.sqlite import tools
from storage.sqlite.rows import rebuilding
from storage.sqlite.writing import retaining
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW, keypair, make_event
from tests.storage.feed_logs import identity, open_log, ordered, rebuild, tables, world, write
from tests.storage.feed_model import feed
from tests.storage.groups.world import Own
from tests.storage.groups.world import World as GroupWorld

OWNERS = {1: 1, 2: 1, 3: 2, 4: 9}  # key -> identity; 9 is of another relay, key 5 belongs to nobody
OLD = NOW - 10 * DAY
HUB = (11, 1111, 7)


def rule(*named: int, days: float = 7, **more: object) -> RetentionRule:
    return RetentionRule(tuple((kind, kind) for kind in named), days, **more)  # type: ignore[arg-type]


def drop(writer: SqliteWriter, now: int = NOW) -> int:
    """Everything that is due, a part after another; how many events were dropped."""
    number, more = 0, True
    while more:
        done = writer.execute(DropPast(), now)
        number, more = number + done.number, done.more
    return number


def here(writer: SqliteWriter) -> set[str]:
    return {one.hex() for (one,) in writer.connection.execute("SELECT id FROM events")}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    """A log with identities, the keys of which are bound."""
    log = opened(tmp_path)
    yield log
    log.close()


def opened(directory: Path) -> SqliteWriter:
    log = open_log(directory, local=(1, 2), foreign=(9,))
    for key, owner in OWNERS.items():
        log.execute(BindProven(keypair(key).pubkey, identity(owner)), NOW)
    return log


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Posts, comments, votes and edits of many ages, with notes, articles, lists and deletions beside them."""
    times = st.integers(0, 8).map(lambda days: NOW - days * DAY - 1)
    keys = st.integers(1, 5)
    posts = [make_event(draw(keys), 11, "text", [["title", "T"]], draw(times)) for _ in range(draw(st.integers(1, 3)))]
    some = list(posts)
    for _ in range(draw(st.integers(0, 5))):
        parent = draw(st.sampled_from(some))
        tags = [["E", draw(st.sampled_from(posts)).id], ["K", "11"], ["e", parent.id]]
        some.append(make_event(draw(keys), 1111, "comment", tags, draw(times)))
    for _ in range(draw(st.integers(0, 6))):
        one = draw(st.sampled_from(some))
        some.append(make_event(draw(keys), 7, draw(st.sampled_from("+-")), [["e", one.id]], draw(times)))
    for _ in range(draw(st.integers(0, 3))):
        one = draw(st.sampled_from(some))
        some.append(make_event(draw(keys), 1010, "edited", [["e", one.id], ["title", "U"]], draw(times)))
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from([1, 1, 1063, 0, 5, 10002, 30023]))
        tags = [["d", draw(st.sampled_from("ab"))], ["p", keypair(2).pubkey]]
        tags += [["e", draw(st.sampled_from(posts)).id]] if kind == 5 else []
        some.append(make_event(draw(keys), kind, "{}", tags, draw(times)))
    return draw(st.permutations(some))


_rules = st.lists(
    st.builds(
        RetentionRule,
        kinds=st.lists(st.sampled_from([1, 1063, 7, 9, 11, 1111, 30023]), min_size=1, max_size=4).map(
            lambda some: tuple((kind, kind) for kind in some)
        ),
        days=st.sampled_from([1.0, 3.0, 5.0]),
        authors=st.sampled_from([(), (), (keypair(1).pubkey,), (keypair(3).pubkey, keypair(5).pubkey)]),
        keep=st.sampled_from(["", "", "identities", "members"]),
    ),
    min_size=1,
    max_size=3,
)


def is_past(rules: list[RetentionRule], one: Event) -> bool:
    """Whether nothing keeps it; of an edit, of what is not here."""
    ended = Retention(rules).ended(one, NOW)
    local = {keypair(key).pubkey for key, owner in OWNERS.items() if owner != 9}
    return bool(ended) and not any(found.keep == "identities" and one.pubkey in local for found in ended)


def stays(rules: list[RetentionRule], edit: Event, before: set[str], kept: set[str], by_id: dict[str, Event]) -> bool:
    """Whether an edit is to stay, where of what was there `before` that is not an edit, this is `kept`."""
    edited = next(tag[1] for tag in edit.tags if tag[0] == "e")
    if edited in kept:
        return True
    owner = {keypair(key).pubkey: owner for key, owner in OWNERS.items()}
    authors = (edit.pubkey, by_id[edited].pubkey)
    is_its_own = authors[0] == authors[1] or owner.get(authors[0], 0) == owner.get(authors[1], -1)
    goes_along = edited in before and by_id[edited].kind in feed_kinds.EDITED and is_its_own
    return not goes_along and not is_past(rules, edit)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories(), _rules, st.integers(1, 4))
def test_what_stays_is_what_the_rules_say_and_its_rows_are_those_of_a_rebuild(
    history: list[Event], rules: list[RetentionRule], part: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        log = opened(Path(name))
        try:
            write(log, history, Door.IMPORT)
            before = here(log)
            log.execute(SetRetention(rules), NOW)
            log._retaining.size.most = part
            drop(log)
            left = here(log)
            by_id = {one.id: one for one in history}
            edits = {one for one in before if by_id[one].kind == kinds.EDIT}
            kept = {one for one in before - edits if not is_past(rules, by_id[one])}
            kept |= {one for one in edits if stays(rules, by_id[one], before, kept, by_id)}
            assert left == kept
            for one in before - left - edits:  # an edit may be younger than what it edited
                assert write(log, [by_id[one]], Door.PEER)[0].status is Status.REFUSED
            assert ordered(tables(Path(name))) == ordered(feed(world(Path(name))))
            rows = ordered(tables(Path(name)))
            assert list(rebuilding.problems(log.connection, PROJECTIONS)) == []
            rebuild(log)
            assert ordered(tables(Path(name))) == rows
        finally:
            log.close()


def test_a_post_goes_with_its_edits_and_its_counters_follow(writer: SqliteWriter, tmp_path: Path) -> None:
    post = make_event(1, 11, "text", [["title", "T"]], OLD)
    edit = make_event(1, 1010, "new text", [["e", post.id]], NOW - DAY)
    comment = make_event(3, 1111, "hm", [["E", post.id], ["K", "11"], ["e", post.id]], NOW - DAY)
    early = make_event(3, 1111, "so", [["E", comment.id], ["K", "11"], ["e", comment.id]], OLD)
    young = make_event(2, 11, "text", [["title", "U"]], NOW - DAY)
    vote = make_event(3, 7, "+", [["e", young.id]], OLD)
    assert [one.refusal for one in write(writer, [post, edit, comment, young, vote], Door.IMPORT)] == [None] * 5
    writer.execute(SetRetention([rule(11)]), NOW)
    assert drop(writer) == 1
    assert here(writer) == {comment.id, young.id, vote.id}
    assert [row["upvotes"] for row in tables(tmp_path)["posts"]] == [1]
    writer.execute(SetRetention([rule(7)]), NOW)
    assert drop(writer) == 1
    assert [row["upvotes"] for row in tables(tmp_path)["posts"]] == [0]
    outcomes = write(writer, [post, vote, early], Door.IMPORT)
    assert [one.status for one in outcomes] == [Status.STORED, Status.REFUSED, Status.STORED]


@pytest.mark.parametrize("door", list(Door))
def test_every_door_refuses_what_is_past_its_days(writer: SqliteWriter, door: Door) -> None:
    writer.execute(SetRetention([rule(1, 30023, days=30)]), NOW)
    at = NOW - 30 * DAY
    refused, kept, other = make_event(1, created_at=at - 1), make_event(1, created_at=at), make_event(1, 2, "", (), 5)
    article = make_event(1, 30023, "", [["d", "x"]], at - 1)
    outcomes = write(writer, [refused, kept, other, article], door)
    assert [one.status is Status.STORED for one in outcomes] == [False, True, True, False]
    refusal = outcomes[0].refusal
    assert refusal is not None
    assert str(refusal) == "blocked: this is older than the relay keeps such events: kind 1 is kept for 30 days"
    assert refusal.prefix is Prefix.BLOCKED
    assert is_outdated(refusal)


def test_what_was_dropped_leaves_no_mark_and_comes_when_the_rule_is_gone(writer: SqliteWriter) -> None:
    versions = [make_event(1, 30023, f"{n}", [["d", "x"]], OLD + n) for n in range(2)]
    note = make_event(1, created_at=OLD)
    write(writer, [*versions, note])
    writer.execute(SetRetention([rule(1, 30023)]), NOW)
    assert drop(writer) == 2
    assert [one.status for one in write(writer, [*versions, note])] == [Status.REFUSED] * 3
    for marks in ("deleted", "deleted_addresses", "vanished"):
        assert writer.connection.execute(f"SELECT count(*) FROM {marks}").fetchone() == (0,)
    writer.execute(SetRetention([]), NOW)
    assert [one.status for one in write(writer, [*versions, note])] == [Status.STORED] * 3
    assert drop(writer) == 0


def test_what_a_key_of_an_identity_here_wrote_stays_until_the_key_is_unbound(writer: SqliteWriter) -> None:
    notes = {key: make_event(key, created_at=OLD) for key in (1, 3, 4, 5)}
    write(writer, notes.values())
    writer.execute(SetRetention([rule(1, keep="identities")]), NOW)
    assert drop(writer) == 2
    assert here(writer) == {notes[1].id, notes[3].id}
    assert [one.status for one in write(writer, notes.values())] == [
        Status.DUPLICATE,
        Status.DUPLICATE,
        Status.REFUSED,
        Status.REFUSED,
    ]
    writer.execute(Unbind(keypair(3).pubkey, identity(2)), NOW)
    assert drop(writer) == 0
    assert drop(writer, NOW + retaining.LOOKED_AGAIN) == 1
    assert here(writer) == {notes[1].id}


def test_what_members_of_the_relay_wide_group_wrote_stays_and_so_does_what_groups_are(tmp_path: Path) -> None:
    operators = GroupRules(operators=frozenset([keypair(1).pubkey]))
    world = GroupWorld(tmp_path, table.meaning("ws://relay.test", groups=operators))
    try:
        world.begin(1, group="_")
        world.put(2, group="_")
        world.begin(1, ("private",), group="room")
        world.put(3, group="room")
        said = {key: world.say(key, 9, group="room", text=f"by {key}") for key in (1, 3)}
        notes = {key: world.say(key, 1, group=None) for key in (2, 3)}
        edit = world.say(3, 1010, ("e", said[3].id), group="room", text="better")
        stays = here(world.writer) - {said[3].id, notes[3].id, edit.id}
        world.now += 10 * DAY
        world.writer.execute(SetRetention([RetentionRule(((1, 1), (9, 9)), 7, keep="members")]), world.now)
        assert drop(world.writer, world.now) == 2
        assert here(world.writer) == stays
        assert [one.status for one in world.send(notes[3], notes[2], edit)] == [
            Status.REFUSED,
            Status.DUPLICATE,
            Status.REFUSED,
        ]
    finally:
        world.writer.close()


def test_what_the_relay_itself_signs_stays(writer: SqliteWriter) -> None:
    writer.hand_signer(Own())
    pubkey = Own().pubkey
    own = next(one for n in range(200) if (one := make_event(n, created_at=OLD)).pubkey == pubkey)
    other = make_event(5, created_at=OLD)
    write(writer, [own, other])
    writer.execute(SetRetention([rule(1)]), NOW)
    assert drop(writer) == 1
    assert here(writer) == {own.id}


def test_a_part_is_short_and_what_was_looked_at_is_not_looked_at_again(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [make_event(1, content=f"{n}", created_at=OLD + n) for n in range(50)]
    goes = [make_event(5, content=f"{n}", created_at=OLD + n) for n in range(70)]
    write(writer, kept + goes)
    writer.execute(SetRetention([rule(1, keep="identities")]), NOW)
    monkeypatch.setattr(retaining, "LOOKED_AT", 40)
    writer._retaining.size.most = 10
    parts = []
    while (done := writer.execute(DropPast(), NOW)).more:
        parts.append(done.number)
        writer._retaining.size.most = 10
    assert max(parts) == 10
    assert sum(parts) + done.number == 70
    looked = []
    writer.connection.set_trace_callback(looked.append)
    assert drop(writer) == 0
    writer.connection.set_trace_callback(None)
    assert not [one for one in looked if "identity_keys" in one]


def test_what_is_as_old_as_its_days_stays(writer: SqliteWriter) -> None:
    notes = [make_event(5, content=f"{age}", created_at=NOW - 7 * DAY - age) for age in (0, 1)]
    write(writer, notes)
    writer.execute(SetRetention([rule(1)]), NOW)
    assert drop(writer) == 1
    assert here(writer) == {notes[0].id}


def test_an_edit_of_what_is_not_here_goes_when_all_that_it_may_edit_would(writer: SqliteWriter) -> None:
    """A message where it names a group, else a post or a comment; one of what is here stays as long as that."""
    post = make_event(1, 11, "text", [["title", "T"]], NOW - DAY)
    of_post = make_event(1, 1010, "new", [["e", post.id]], OLD)
    lost, of_message = (make_event(5, 1010, "new", [["e", "0" * 64], *tags], OLD) for tags in ([], [["h", "room"]]))
    young = make_event(5, 1010, "new", [["e", "0" * 64]], NOW - DAY)
    write(writer, [post, of_post, lost, of_message, young], Door.IMPORT)
    writer.execute(SetRetention([rule(11), rule(9, days=30)]), NOW)
    assert drop(writer) == 0
    writer.execute(SetRetention([rule(11), rule(9, 1111, days=8)]), NOW)
    assert drop(writer) == 2
    assert here(writer) == {post.id, of_post.id, young.id}
    outcomes = write(writer, [lost, of_message], Door.IMPORT)
    assert [str(one.refusal).endswith("what this edits is kept for 8 days") for one in outcomes] == [True, True]


def test_what_the_operator_removes_goes_in_parts_as_short_as_a_batch(writer: SqliteWriter) -> None:
    """Whatever was asked for: a post costs much more than a note, and others wait for the whole part."""
    write(writer, [make_event(5, content=f"{n}", created_at=OLD) for n in range(60)])
    writer._removing.took(1, 60.0)  # on a slow machine
    wanted = RemoveMatching(Filter(kinds=frozenset([1])), 1000)
    parts = []
    while parts[-1:] != [0]:
        writer._removing.took(1, 60.0)
        parts.append(writer.execute(wanted, NOW))
    assert parts == [8] * 7 + [4, 0]
    assert here(writer) == set()


def test_after_a_restart_it_goes_on(tmp_path: Path) -> None:
    log = opened(tmp_path)
    write(log, [make_event(5, content=f"{n}", created_at=OLD) for n in range(30)])
    log.execute(SetRetention([rule(1)]), NOW)
    log._retaining.size.most = 10
    assert log.execute(DropPast(), NOW).number == 10
    log.close()
    again = opened_again(tmp_path)
    try:
        again.execute(SetRetention([rule(1)]), NOW)
        assert drop(again) == 20
        assert here(again) == set()
    finally:
        again.close()


def test_what_a_part_that_failed_was_to_remove_goes_with_the_next(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(writer, [make_event(5, content=f"{n}", created_at=OLD) for n in range(30)])
    writer.execute(SetRetention([rule(1)]), NOW)
    writer._retaining.size.most = 10
    with monkeypatch.context() as patch:
        patch.setattr(SqliteWriter, "_commit", lambda _self: (_ for _ in ()).throw(sqlite3.OperationalError("full")))
        with pytest.raises(Exception, match="full"):
            writer.execute(DropPast(), NOW)
    assert len(here(writer)) == 30
    assert drop(writer) == 30


def opened_again(directory: Path) -> SqliteWriter:
    from storage.sqlite import backend
    from tests.storage.feed_logs import MEANING

    return backend.open_writer(directory, MEANING, synchronous="normal", cache_mib=1)


def test_a_check_finds_nothing_wrong_after_a_sweep(writer: SqliteWriter) -> None:
    write(
        writer, [make_event(1, 11, "t", [["title", "T"]], OLD), make_event(2, 4, "x", [["p", keypair(3).pubkey]], OLD)]
    )
    writer.execute(SetRetention([rule(4, 11)]), NOW)
    assert drop(writer) == 2
    assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
    assert tools._rows_problems(writer.connection, tools._page(writer.connection, 0)) == []
    assert writer.connection.execute("SELECT count(*) FROM entries").fetchone() == (0,)


def test_what_is_due_is_found_by_the_index(writer: SqliteWriter) -> None:
    plan = writer.connection.execute(
        "EXPLAIN QUERY PLAN " + retaining._sql("oldest"), (b"K", 1, NOW, -1, 0, 0, 10)
    ).fetchall()
    words = " / ".join(row[3] for row in plan)
    assert "SEARCH e USING PRIMARY KEY (key=? AND kind=? AND (created_at,rank,seq)>(?,?,?) AND created_at<?)" in words
    assert "TEMP B-TREE" not in words
