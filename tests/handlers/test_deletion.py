"""Deletion requests (NIP-09)."""

import pytest

from relay.protocol.admission import RemoveAddress, RemoveEdits, RemoveEvent
from relay.protocol.event import address_of
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import FakeLog, admit, refused

ALICE, BOB = keypair(1), keypair(2)


def test_removes_the_authors_own_event() -> None:
    note = make_event(ALICE)
    request = make_event(ALICE, kind=5, tags=[["e", note.id], ["k", "1"]])
    admission = admit(request, FakeLog(note))
    assert admission.store
    assert admission.removals == (RemoveEvent(note.id, ALICE.pubkey),)


def test_leaves_the_event_of_another_author_alone() -> None:
    note = make_event(BOB)
    admission = admit(make_event(ALICE, kind=5, tags=[["e", note.id]]), FakeLog(note))
    assert admission.store
    assert admission.removals == ()


def test_marks_an_event_that_is_not_here_with_who_asked_and_takes_its_edits() -> None:
    note = make_event(BOB)
    admission = admit(make_event(ALICE, kind=5, tags=[["e", note.id]]))
    assert admission.removals == (RemoveEvent(note.id, ALICE.pubkey), RemoveEdits((note.id,), ALICE.pubkey))


@pytest.mark.parametrize("kind", [9, 11, 1111, 1621])
def test_what_has_edits_goes_with_them_and_another_author_s_stays_with_them(kind: int) -> None:
    post, other = make_event(ALICE, kind=kind), make_event(BOB, kind=kind)
    request = make_event(ALICE, kind=5, tags=[["e", post.id], ["e", other.id], ["e", post.id]])
    admission = admit(request, FakeLog(post, other))
    assert admission.removals == (RemoveEvent(post.id, ALICE.pubkey), RemoveEdits((post.id,), ALICE.pubkey))


@pytest.mark.parametrize("kind", [5, 62])
def test_cannot_delete_deletions_and_vanish_requests(kind: int) -> None:
    target = make_event(ALICE, kind=kind)
    assert admit(make_event(ALICE, kind=5, tags=[["e", target.id]]), FakeLog(target)).removals == ()


@pytest.mark.parametrize("kind", [9000, 9007, 9020])
def test_a_request_that_names_nothing_but_moderation_of_a_group_is_told_that_it_does_nothing(kind: int) -> None:
    target, note = make_event(ALICE, kind=kind), make_event(ALICE)
    known = FakeLog(target, note)
    assert refused(make_event(ALICE, kind=5, tags=[["e", target.id]]), known).startswith("blocked: ")
    both = admit(make_event(ALICE, kind=5, tags=[["e", target.id], ["e", note.id]]), known)
    assert both.removals == (RemoveEvent(note.id, ALICE.pubkey),)


@pytest.mark.parametrize("kind", [9021, 9022])
def test_asking_to_join_or_leave_a_group_is_taken_back_by_who_asked(kind: int) -> None:
    target = make_event(ALICE, kind=kind)
    admission = admit(make_event(ALICE, kind=5, tags=[["e", target.id]]), FakeLog(target))
    assert admission.removals == (RemoveEvent(target.id, ALICE.pubkey),)


def test_a_gift_wrap_is_deleted_by_its_recipient_and_by_its_author_only() -> None:
    wrap = make_event(3, kind=1059, tags=[["p", ALICE.pubkey]])
    removed = [admit(make_event(n, kind=5, tags=[["e", wrap.id]]), FakeLog(wrap)).removals for n in (1, 2, 3)]
    assert removed == [(RemoveEvent(wrap.id, ALICE.pubkey),), (), (RemoveEvent(wrap.id, wrap.pubkey),)]


@pytest.mark.parametrize("kind", [0, 10002, 30023])
def test_deleting_a_version_by_id_takes_the_ones_that_lose_against_it_along(kind: int) -> None:
    version = make_event(ALICE, kind=kind, tags=[["d", "x"]], created_at=NOW - 5)
    admission = admit(make_event(ALICE, kind=5, tags=[["e", version.id]]), FakeLog(version))
    assert admission.removals == (
        RemoveEvent(version.id, ALICE.pubkey),
        RemoveAddress(address_of(version) or "", NOW - 5, version.id),
    )


@pytest.mark.parametrize("rest", ["30023:{}:a:b", "30023:{}:", "0:{}:", "10002:{}:"])
def test_an_address_goes_up_to_the_requests_own_time(rest: str) -> None:
    address = rest.format(ALICE.pubkey)
    admission = admit(make_event(ALICE, kind=5, tags=[["a", address]]))
    assert admission.removals == (RemoveAddress(address, NOW),)


@pytest.mark.parametrize(
    "tag",
    [
        ["a", f"30023:{BOB.pubkey}:x"],
        ["a", f"1:{ALICE.pubkey}:"],
        ["a", f"30023:{ALICE.pubkey}"],
        ["a", f"030023:{ALICE.pubkey}:x"],
        ["a", f"10002:{ALICE.pubkey}:x"],
        ["a", f"30023:{ALICE.pubkey.upper()}:x"],
        ["a", ""],
        ["a"],
        ["e"],
        ["e", ""],
        ["e", "AB" * 32],
        ["e", "ab" * 31],
        ["k", "1"],
        ["E", "ab" * 32],
    ],
)
def test_a_request_without_a_usable_target_is_kept_and_removes_nothing(tag: list[str]) -> None:
    notes = [make_event(ALICE, content=str(n)) for n in range(3)]
    admission = admit(make_event(ALICE, kind=5, tags=[tag]), FakeLog(*notes))
    assert admission.store
    assert admission.refusal is None
    assert admission.removals == ()


def test_a_target_named_twice_is_removed_once() -> None:
    note = make_event(ALICE)
    request = make_event(ALICE, kind=5, tags=[["e", note.id], ["e", note.id]])
    assert len(admit(request, FakeLog(note)).removals) == 1
