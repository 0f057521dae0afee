"""What the relay's own key says of its members (NIP-43) is stored in the transaction of what it tells of."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import table
from keys import tokens
from keys.custody import unsigned
from keys.schnorr import fault, signed
from keys.tokens import Kind
from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event, parse, wire
from storage.base import Incoming, Status
from storage.commands import ListMembers
from storage.errors import StorageError
from storage.identities.commands import BindProven, OpenInvite, OpenKeyClaim, Register, Unbind
from storage.identities.types import ChangeRefused, NewIdentity
from storage.sqlite import backend
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW, keypair, make_event

RELAY = "ws://relay.example"
OWN = keypair(100)
CODE, INVITE = f"{Kind.KEY_CLAIM.value}{1:064x}", f"{Kind.INVITE.value}{1:064x}"
ALICE = f"{1:032x}"


class Own:
    """The relay's own key."""

    pubkey = OWN.pubkey

    def sign(self, draft: Draft) -> Event:
        return signed(unsigned(OWN.pubkey, draft), OWN.secret)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    opened = backend.open_writer(tmp_path, table.meaning(RELAY), synchronous="normal", cache_mib=1)
    opened.hand_signer(Own())
    opened.execute(ListMembers(3), NOW)
    yield opened
    opened.close()


def register(writer: SqliteWriter, key: int, now: int = NOW) -> None:
    row, code = f"{key:032x}", f"{key:064x}"
    new = NewIdentity(row, f"name{key}", None, row, code, keypair(key).pubkey, b"x", code, NOW + 9)
    writer.execute(Register(new), now)


def write(writer: SqliteWriter, *batch: Event, now: int = NOW) -> list[Status]:
    some = [Incoming(event, events.wire(event), Door.CLIENT, now) for event in batch]
    return [outcome.status for outcome in writer.write(some, now)]


def join(key: int, code: str, now: int = NOW) -> Event:
    return make_event(key, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=now)


def leave(key: int, now: int = NOW) -> Event:
    return make_event(key, kinds.LEAVE, tags=[["-"]], created_at=now)


def said(writer: SqliteWriter) -> list[tuple[int, str]]:
    """Of whom the relay has told that they came or left, in order."""
    rows = writer.connection.execute("SELECT wire FROM events WHERE kind IN (8000, 8001) ORDER BY seq").fetchall()
    return [(event.kind, events.values(event, "p")[0]) for event in (events.parse(wire) for (wire,) in rows)]


def listed(writer: SqliteWriter) -> list[str] | None:
    """Whom the list names; None without one, of which there is never more than one."""
    rows = writer.connection.execute("SELECT wire FROM events WHERE kind = 13534").fetchall()
    assert len(rows) <= 1
    for (data,) in rows:
        event = parse(data)
        assert fault(event) is None
        assert event.tags[0] == ["-"]
        return events.values(event, "member")
    return None


def keys(*numbers: int) -> list[str]:
    return [keypair(number).pubkey for number in numbers]


def test_whoever_is_registered_bound_and_unbound_is_told_of_and_listed(writer: SqliteWriter) -> None:
    assert listed(writer) is None
    register(writer, 1)
    assert writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW + 1)
    assert listed(writer) == keys(2, 1)
    assert not writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW + 2)
    assert writer.execute(Unbind(keypair(1).pubkey, ALICE), NOW + 3)
    assert not writer.execute(Unbind(keypair(1).pubkey, ALICE), NOW + 4)
    assert said(writer) == [(8000, keys(1)[0]), (8000, keys(2)[0]), (8001, keys(1)[0])]
    assert listed(writer) == keys(2)


def test_who_joins_leaves_and_vanishes_is_told_of_with_the_answer(writer: SqliteWriter) -> None:
    register(writer, 1)
    writer.execute(OpenKeyClaim(tokens.digest(CODE), ALICE, NOW + 9), NOW)
    writer.execute(OpenInvite(tokens.digest(INVITE), NOW + 9), NOW)
    assert write(writer, join(2, CODE), join(3, INVITE)) == [Status.EPHEMERAL] * 2
    assert sorted(listed(writer) or []) == sorted(keys(1, 2, 3))
    vanish = make_event(1, kinds.VANISH, tags=[["relay", RELAY]], created_at=NOW + 1)
    stranger = make_event(9, kinds.VANISH, tags=[["relay", RELAY]], created_at=NOW + 1)
    assert write(writer, leave(3, NOW + 1), vanish, stranger, now=NOW + 1) == [Status.EPHEMERAL, *[Status.STORED] * 2]
    assert said(writer)[1:] == [(8000, one) for one in keys(2, 3)] + [(8001, one) for one in keys(3, 1)]
    assert listed(writer) == keys(2)


def test_a_batch_makes_one_list_and_what_is_emitted_is_named_in_order(writer: SqliteWriter) -> None:
    register(writer, 1)
    writer.execute(OpenKeyClaim(tokens.digest(CODE), ALICE, NOW + 9), NOW)
    note = make_event(5, 1, "first", created_at=NOW)
    before = writer.last_seq()
    writer.collect()
    write(writer, note, join(2, CODE), leave(2))
    logged = [one for one in writer.collect().events if one.seq]
    assert [parse(one.wire).kind for one in logged] == [1, 8000, 8001]  # the list is as it was before
    assert [one.seq for one in logged] == [before + 1, before + 2, before + 3]
    second = make_event(5, 1, "second", created_at=NOW)
    write(writer, second)
    assert [one.wire for one in writer.collect().events] == [wire(second)]


@pytest.mark.parametrize("error", [StorageError("the disk is full"), ValueError("nobody foresaw it")])
def test_nothing_is_said_of_what_was_rolled_back(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    finish = writer._finish

    def fails(*given: object) -> None:
        finish(*given)  # type: ignore[arg-type]
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(writer, "_finish", fails)
        with pytest.raises(type(error)):
            register(writer, 1)
    assert (said(writer), listed(writer), writer.collect().events) == ([], None, [])
    with pytest.raises(ChangeRefused):
        writer.execute(Unbind(keypair(1).pubkey, ALICE), NOW)
    register(writer, 1)
    assert listed(writer) == keys(1)


def test_what_was_said_survives_a_crash_together_with_what_it_tells_of(writer: SqliteWriter, tmp_path: Path) -> None:
    register(writer, 1)
    with sqlite3.connect(tmp_path / "tidings.sqlite") as reader:  # what another process finds while this one lives
        bound = {pubkey for (pubkey,) in reader.execute("SELECT pubkey FROM identity_keys WHERE revoked_at IS NULL")}
        told = reader.execute("SELECT wire FROM events WHERE kind = 13534").fetchall()
    reader.close()
    assert bound == set(events.values(events.parse(told[0][0]), "member"))


def test_the_list_names_the_newest(writer: SqliteWriter) -> None:
    for key in range(1, 6):
        register(writer, key, NOW + key)
    assert listed(writer) == keys(5, 4, 3)


def test_the_list_never_runs_far_ahead_of_the_clock_and_what_had_to_wait_comes_later(writer: SqliteWriter) -> None:
    writer.execute(ListMembers(500), NOW)
    for key in range(1, 80):
        register(writer, key, NOW)
    (created_at,) = writer.connection.execute("SELECT created_at FROM events WHERE kind = 13534").fetchone()
    assert created_at == NOW + 60
    assert len(listed(writer) or []) == 61
    write(writer, make_event(1, 1, "x", created_at=NOW))
    assert len(listed(writer) or []) == 61
    write(writer, make_event(1, 1, "y", created_at=NOW), now=NOW + 1)
    assert listed(writer) == writer.tables.members(500)


def test_after_the_clock_was_wrong_the_list_is_made_by_the_right_one(writer: SqliteWriter) -> None:
    register(writer, 1, NOW + 86_400)
    register(writer, 2, NOW)
    assert sorted(listed(writer) or []) == sorted(keys(1, 2))
    assert writer.connection.execute("SELECT created_at FROM events WHERE kind = 13534").fetchall() == [(NOW,)]


def test_who_gets_an_identity_by_posting_is_told_of_too(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, table.meaning(RELAY, provision=True), synchronous="normal", cache_mib=1)
    writer.hand_signer(Own())
    writer.execute(ListMembers(3), NOW)
    posts = [make_event(key, kinds.POST, f"{n}", [["title", "x"]], NOW) for n, key in enumerate((4, 4, 5))]
    assert write(writer, *posts) == [Status.STORED] * 3
    assert said(writer) == [(8000, one) for one in keys(4, 5)]
    assert sorted(listed(writer) or []) == sorted(keys(4, 5))
    writer.close()


def test_without_a_signer_nothing_is_said_and_the_list_is_made_once_there_is_one(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, table.meaning(RELAY), synchronous="normal", cache_mib=1)
    register(writer, 1)
    assert (said(writer), listed(writer)) == ([], None)
    writer.hand_signer(Own())
    writer.execute(ListMembers(3), NOW)
    assert listed(writer) == keys(1)
    writer.execute(ListMembers(0), NOW)
    register(writer, 2)
    assert listed(writer) == keys(1)
    writer.close()
