"""A batch decides as its events would one by one: what earlier ones changed is known to later ones, written or not."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import table
from keys import tokens
from keys.tokens import Kind
from relay.errors import Prefix
from relay.protocol import chunks, kinds
from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event
from storage.base import Incoming, Outcome, Status
from storage.errors import StorageError
from storage.identities.commands import OpenInvite, OpenKeyClaim, Register
from storage.identities.types import NewIdentity
from storage.sqlite import backend
from storage.sqlite.writing import fact_reader
from storage.sqlite.writing.transaction import Transaction
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW, keypair, make_event
from tests.storage.histories import check_recent
from tests.stores import with_schema

RELAY = "ws://relay.example"
QUOTA = 4
CUTTING = Cutting((kinds.POST,), (kinds.WIKI, kinds.LONG_FORM), 40, 5)
CODES = [f"{Kind.KEY_CLAIM.value}{n:064x}" for n in range(2)]
INVITES = [f"{Kind.INVITE.value}{n:064x}" for n in range(2)]
TABLES = (
    "events",
    "entries",
    "deleted",
    "deleted_addresses",
    "vanished",
    "posting_identities",
    "identity_keys",
    "key_claims",
)
DERIVED = ("posts", "comments", "profiles")


def open_writer(directory: Path, provision: bool = False) -> SqliteWriter:
    """A relay where keys 1 and 2 have identities, two claim codes for the first are open, and two invites."""
    meaning = table.meaning(
        RELAY,
        provision,
        searched=CUTTING.searched,
        knowledge=frozenset(CUTTING.knowledge),
        chunks_per_key=QUOTA,
        passages=partial(chunks.number, CUTTING),
    )
    with_schema(directory)
    writer = backend.open_writer(directory, meaning, synchronous="normal", cache_mib=1, cutting=CUTTING)
    for key in (1, 2):
        code = f"{key:064x}"
        new = NewIdentity(
            f"{key:032x}", f"name{key}", None, f"{key:032x}", code, keypair(key).pubkey, b"x", code, NOW + 9
        )
        writer.execute(Register(new), NOW)
    for code in CODES:
        writer.execute(OpenKeyClaim(tokens.digest(code), f"{1:032x}", NOW + 100), NOW)
    for code in INVITES:
        writer.execute(OpenInvite(tokens.digest(code), NOW + 100), NOW)
    return writer


def incoming(event: Event) -> Incoming:
    return Incoming(event, events.wire(event), Door.CLIENT, NOW)


def told(outcome: Outcome) -> tuple[object, ...]:
    return outcome.status, outcome.seq, outcome.audience, str(outcome.refusal), outcome.message


def contents(writer: SqliteWriter) -> dict[str, list[Any]]:
    check_recent(writer)
    read = writer.connection.execute
    found = {name: sorted(read(f"SELECT * FROM {name}").fetchall(), key=repr) for name in (*TABLES, *DERIVED)}
    found["passages"] = sorted(read("SELECT event_id, chunk, title, content FROM passages").fetchall())
    return found


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    opened = open_writer(tmp_path)
    yield opened
    opened.close()


_keys = st.integers(1, 5)
_times = st.integers(NOW - 3, NOW)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of every family that decides by what others left, most of them about one another."""
    made: list[Event] = [make_event(1, kinds.POST, "root", [["title", "root"]], NOW - 9)]
    for n in range(draw(st.integers(1, 12))):
        key, at, target = draw(_keys), draw(_times), draw(st.sampled_from(made))
        match draw(
            st.sampled_from(
                ["post", "edit", "comment", "vote", "article", "delete", "join", "leave", "profile", "vanish"]
            )
        ):
            case "post":
                event = make_event(key, kinds.POST, f"text {n}", [["title", f"{n}"]], at)
            case "edit":
                event = make_event(key, kinds.EDIT, f"edited {n}", [["e", target.id]], at)
            case "comment":
                root = events.first_value(target, "E") or target.id
                above = [["e", target.id], ["k", str(target.kind)]]
                event = make_event(key, kinds.COMMENT, f"comment {n}", [["E", root], ["K", "11"], *above], at)
            case "vote":
                event = make_event(key, kinds.REACTION, draw(st.sampled_from("+-")), [["e", target.id]], at)
            case "article":
                text = "word. " * draw(st.integers(1, 20))
                kind = draw(st.sampled_from([kinds.WIKI, kinds.LONG_FORM]))
                event = make_event(key, kind, text, [["d", draw(st.sampled_from("ab"))]], at)
            case "delete":
                named = [["a", address] for address in [events.address_of(target)] if address is not None]
                unknown = [["e", f"{n:064x}"]] if draw(st.booleans()) else []
                event = make_event(key, kinds.DELETION, "", [["e", target.id], *named, *unknown], at)
            case "join":
                event = make_event(key, kinds.JOIN, "", [["-"], ["claim", draw(st.sampled_from(CODES + INVITES))]], at)
            case "leave":
                event = make_event(key, kinds.LEAVE, "", [["-"]], at)
            case "profile":
                event = make_event(key, kinds.METADATA, '{"name":"carol"}', [], at)
            case _:
                event = make_event(key, kinds.VANISH, "", [["relay", "ALL_RELAYS"]], at)
        made.append(event)
    return draw(st.permutations(made)) if draw(st.booleans()) else made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.booleans(), st.sampled_from([0, 2, 10**9]))
def test_a_batch_decides_as_its_events_one_by_one(history: list[Event], provision: bool, most_held: int) -> None:
    """However early what is looked up has to be forgotten."""
    before = fact_reader.MOST_TARGETS
    fact_reader.MOST_TARGETS = most_held  # type: ignore[misc]
    try:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            together, apart = open_writer(Path(one), provision), open_writer(Path(other), provision)
            try:
                at_once = together.write([incoming(event) for event in history], NOW)
                singly = [apart.write([incoming(event)], NOW)[0] for event in history]
                assert [told(outcome) for outcome in at_once] == [told(outcome) for outcome in singly]
                assert contents(together) == contents(apart)
            finally:
                together.close()
                apart.close()
    finally:
        fact_reader.MOST_TARGETS = before  # type: ignore[misc]


def article(n: int, sentences: int = 6) -> Event:
    return make_event(1, kinds.WIKI, f"number {n} of many. " * sentences, [["d", f"{n}"]], NOW)


@pytest.mark.parametrize("other", ["deletion of an unknown id", "deletion of another post", "vanish of another"])
def test_a_batch_keeps_to_the_quota_whatever_stands_between(writer: SqliteWriter, other: str) -> None:
    post = make_event(2, kinds.POST, "x", [["title", "x"]], NOW - 5)
    writer.write([incoming(post)], NOW)
    batch = []
    for n in range(12):
        tags = [["e", post.id if "post" in other else f"{n:064x}"]]
        between = make_event(2, kinds.DELETION, f"{n}", tags, NOW)
        if "vanish" in other:
            between = make_event(3, kinds.VANISH, f"{n}", [["relay", "ALL_RELAYS"]], NOW - n)
        batch += [article(n, 2), between]
    outcomes = writer.write([incoming(event) for event in batch], NOW)
    stored = [outcome.status is Status.STORED for outcome in outcomes[::2]]
    passages = writer.connection.execute("SELECT count(*) FROM passages WHERE kind_of = 'knowledge'").fetchone()[0]
    assert stored[0]
    assert not stored[-1]
    assert passages <= QUOTA


def test_what_a_deletion_in_the_batch_frees_may_be_used(writer: SqliteWriter) -> None:
    full = article(0)
    assert table.meaning(RELAY).passages(full) == 0
    number = chunks.number(CUTTING, full)
    assert 0 < number <= QUOTA
    rest = [article(n) for n in range(1, QUOTA + 2)]
    deleted = make_event(1, kinds.DELETION, "", [["e", full.id]], NOW)
    outcomes = writer.write([incoming(event) for event in (full, *rest, deleted, article(99))], NOW)
    assert outcomes[0].status is Status.STORED
    assert outcomes[-3].status is Status.REFUSED
    assert outcomes[-1].status is Status.STORED


def test_a_reply_finds_what_the_same_batch_brings(writer: SqliteWriter) -> None:
    post = make_event(1, kinds.POST, "x", [["title", "x"]], NOW)
    comment = make_event(2, kinds.COMMENT, "y", [["E", post.id], ["K", "11"]], NOW)
    answer = make_event(1, kinds.COMMENT, "z", [["E", post.id], ["K", "11"], ["e", comment.id], ["k", "1111"]], NOW)
    outcomes = writer.write([incoming(event) for event in (answer, post, comment, answer)], NOW)
    assert [outcome.status for outcome in outcomes] == [Status.REFUSED, Status.STORED, Status.STORED, Status.STORED]


# what a transaction looked up and then took back

JOINS = make_event(3, kinds.JOIN, "", [["-"], ["claim", CODES[0]]], NOW)
POSTS = make_event(3, kinds.POST, "x", [["title", "x"]], NOW)


def _of_no_member(outcome: Outcome) -> bool:
    """Whether the relay refused a post since its key is nobody's."""
    return outcome.refusal is not None and outcome.refusal.prefix is Prefix.RESTRICTED


def test_a_binding_that_was_rolled_back_is_not_remembered(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_transaction: Transaction, _now: int) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(writer, "_finish", fails)
        with pytest.raises(StorageError, match="full"):
            writer.write([incoming(JOINS), incoming(POSTS)], NOW)
    assert _of_no_member(writer.write([incoming(POSTS)], NOW)[0])
    outcomes = writer.write([incoming(JOINS), incoming(POSTS)], NOW)
    assert [outcome.status for outcome in outcomes] == [Status.EPHEMERAL, Status.STORED]


@pytest.mark.failing_batch
def test_a_binding_by_an_event_that_failed_alone_is_not_remembered(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = writer._finish
    key = JOINS.pubkey

    def fails_where_it_is_bound(transaction: Transaction, now: int) -> None:
        if writer._bindings.find([key])[key] is not None:
            raise ValueError("a fault of a projection")
        finish(transaction, now)

    monkeypatch.setattr(writer, "_finish", fails_where_it_is_bound)
    joined, posted = writer.write([incoming(JOINS), incoming(POSTS)], NOW)
    assert joined.refusal is not None
    assert joined.refusal.prefix is Prefix.ERROR
    assert _of_no_member(posted)
    assert contents(writer)["posts"] == []


# marks that the batch itself has made


def test_what_the_same_batch_deleted_before_it_came_stays_out(writer: SqliteWriter) -> None:
    note = make_event(1, kinds.NOTE, "a", created_at=NOW - 2)
    deleted = make_event(1, kinds.DELETION, "", [["e", note.id]], NOW)
    others = make_event(2, kinds.DELETION, "", [["e", note.id]], NOW)
    outcomes = writer.write([incoming(event) for event in (others, deleted, note)], NOW)
    assert [outcome.status for outcome in outcomes] == [Status.STORED, Status.STORED, Status.REFUSED]
    assert "deleted" in str(outcomes[2].refusal)
    assert writer.write([incoming(note)], NOW)[0].status is Status.REFUSED


def test_an_address_that_the_same_batch_deleted_stays_closed_to_older_versions(writer: SqliteWriter) -> None:
    older = make_event(1, kinds.LONG_FORM, "older", [["d", "a"]], NOW - 2)
    newer = make_event(1, kinds.LONG_FORM, "newer", [["d", "a"]], NOW)
    address = events.address_of(older) or ""
    deleted = make_event(1, kinds.DELETION, "", [["a", address]], NOW - 1)
    outcomes = writer.write([incoming(event) for event in (deleted, older, newer)], NOW)
    assert [outcome.status for outcome in outcomes] == [Status.STORED, Status.REFUSED, Status.STORED]


def test_what_a_key_wrote_before_it_vanished_in_the_same_batch_stays_out(writer: SqliteWriter) -> None:
    note = make_event(1, kinds.NOTE, "a", created_at=NOW - 2)
    vanished = make_event(1, kinds.VANISH, "", [["relay", "ALL_RELAYS"]], NOW - 1)
    later = make_event(1, kinds.NOTE, "b", created_at=NOW)
    outcomes = writer.write([incoming(event) for event in (vanished, note, later)], NOW)
    assert [outcome.status for outcome in outcomes] == [Status.STORED, Status.REFUSED, Status.STORED]
