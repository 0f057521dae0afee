"""What holds for every event: expiry, deletion marks, vanish watermarks, proofs."""

import pytest

from handlers import table
from relay.protocol import kinds
from relay.protocol.admission import GROUP_MODERATOR, OPERATOR, Door, RemoveAddress
from relay.protocol.event import address_of
from relay.protocol.facts import Version
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, FakeLog, admit, decide, refused


@pytest.mark.parametrize("kind", [kinds.CLIENT_AUTH, kinds.HTTP_AUTH])
def test_refuses_proofs_of_a_key_as_events(kind: int) -> None:
    assert refused(make_event(kind=kind)).startswith("invalid:")


@pytest.mark.parametrize("kind", [1, 0, 20001, 30023])
def test_refuses_what_has_expired_on_arrival(kind: int) -> None:
    event = make_event(kind=kind, tags=[["expiration", str(NOW)]])
    assert refused(event, now=NOW).startswith("invalid: the event expired")
    assert refused(event, now=NOW - 1) == ""


def test_compares_expiry_as_a_number_and_not_as_text() -> None:
    assert refused(make_event(tags=[["expiration", "9"]])).startswith("invalid:")
    assert refused(make_event(tags=[["expiration", "10000000000"]])) == ""


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "1e9", "٣", " 1", "9" * 17])
def test_refuses_an_expiration_that_is_no_number(value: str) -> None:
    assert refused(make_event(tags=[["expiration", value]])).startswith("invalid: the expiration tag")


def test_refuses_what_its_author_deleted() -> None:
    event, known = make_event(1), FakeLog()
    known.deleted.add((event.id, event.pubkey))
    assert refused(event, known).startswith("blocked:")


def test_a_strangers_deletion_means_nothing() -> None:
    event, known = make_event(1), FakeLog()
    known.deleted.add((event.id, keypair(2).pubkey))
    assert refused(event, known) == ""


@pytest.mark.parametrize("kind", [1, 5, 62, 1059, 9000])
def test_refuses_what_the_operator_removed_whatever_its_kind(kind: int) -> None:
    event = make_event(1, kind=kind, tags=[["p", keypair(2).pubkey], ["relay", "ALL_RELAYS"]])
    known = FakeLog()
    known.deleted.add((event.id, OPERATOR))
    assert refused(event, known).startswith("blocked:")


def test_what_a_moderator_removed_from_its_group_stays_away() -> None:
    event, known = make_event(1, 9, "x", [["h", "g"]]), FakeLog()
    known.deleted.add((event.id, GROUP_MODERATOR))
    assert refused(event, known) == "blocked: this event was removed by a moderator of its group"


@pytest.mark.parametrize("kind", [5, 62, 9000, 9005, 9020])
def test_a_deletion_mark_does_not_hold_for_kinds_that_cannot_be_deleted(kind: int) -> None:
    event, known = make_event(1, kind=kind, tags=[["relay", "ALL_RELAYS"]]), FakeLog()
    known.deleted.add((event.id, event.pubkey))
    assert decide(table.meaning(RELAY), event, known, door=Door.PEER).store


def test_refuses_a_gift_wrap_that_any_of_its_recipients_deleted() -> None:
    event = make_event(1, kind=1059, tags=[["p", keypair(2).pubkey], ["p", keypair(3).pubkey]])
    known = FakeLog()
    known.deleted.add((event.id, keypair(3).pubkey))
    assert refused(event, known).startswith("blocked:")


def test_a_mentioned_key_cannot_delete_a_note() -> None:
    event, known = make_event(1, tags=[["p", keypair(2).pubkey]]), FakeLog()
    known.deleted.add((event.id, keypair(2).pubkey))
    assert refused(event, known) == ""


@pytest.mark.parametrize("kind", [0, 10002, 30023])
def test_a_deleted_version_that_comes_late_takes_the_older_ones_along(kind: int) -> None:
    event, known = make_event(1, kind=kind, tags=[["d", "x"]]), FakeLog()
    known.deleted.add((event.id, event.pubkey))
    admission = admit(event, known)
    assert str(admission.refusal).startswith("blocked:")
    assert admission.removals == (RemoveAddress(address_of(event) or "", event.created_at, event.id),)


def test_an_operators_removal_of_a_version_leaves_the_others_alone() -> None:
    older, newer = make_event(1, kind=0, created_at=NOW - 1), make_event(1, kind=0)
    known = FakeLog(older)
    known.deleted.add((newer.id, OPERATOR))
    assert refused(newer, known).startswith("blocked:")
    assert refused(make_event(1, kind=0, content="other"), known) == ""


@pytest.mark.parametrize(("age", "is_refused"), [(1, True), (0, True), (-1, False)])
def test_a_deleted_address_covers_its_whole_last_second_and_nothing_newer(age: int, is_refused: bool) -> None:
    event, known = make_event(1, kind=30023, tags=[["d", "x"]], created_at=NOW - age), FakeLog()
    known.addresses[address_of(event) or ""] = Version(NOW, "")
    assert refused(event, known).startswith("blocked:") is is_refused


def test_a_version_deleted_by_id_covers_those_that_lose_against_it() -> None:
    versions = sorted((make_event(1, kind=0, content=str(n)) for n in range(3)), key=lambda event: event.id)
    known = FakeLog()
    known.addresses[address_of(versions[1]) or ""] = Version(NOW, versions[1].id)
    assert [refused(event, known).startswith("blocked:") for event in versions] == [False, True, True]


@pytest.mark.parametrize("kind", [0, 1, 5, 62, 20001, 30023])
def test_refuses_everything_up_to_a_request_to_vanish_and_welcomes_what_is_later(kind: int) -> None:
    known = FakeLog()
    known.vanished[keypair(1).pubkey] = NOW
    tags = [["relay", "ALL_RELAYS"]]
    assert refused(make_event(1, kind=kind, tags=tags, created_at=NOW), known).startswith("blocked:")
    assert refused(make_event(1, kind=kind, tags=tags, created_at=NOW + 1), known) == ""
    assert refused(make_event(2, kind=kind, tags=tags, created_at=NOW), known) == ""
