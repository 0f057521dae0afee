"""Replaceable and addressable events: which version stays (NIP-01)."""

from itertools import permutations

import pytest

from handlers import table
from tests.factories import NOW, make_event
from tests.handlers.known import RELAY, FakeLog, admit, refused

REPLACEABLE = [0, 3, 10000, 10002, 19999]
ADDRESSABLE = [30000, 30023, 39999]


@pytest.mark.parametrize("kind", REPLACEABLE + ADDRESSABLE)
def test_a_newer_version_replaces_the_one_that_is_here(kind: int) -> None:
    older = make_event(kind=kind, created_at=NOW - 1)
    assert admit(make_event(kind=kind), FakeLog(older)).replaces == older.id


@pytest.mark.parametrize("kind", REPLACEABLE + ADDRESSABLE)
def test_an_older_version_is_refused_naming_the_newer_one(kind: int) -> None:
    newer = make_event(kind=kind)
    reason = refused(make_event(kind=kind, created_at=NOW - 1), FakeLog(newer))
    assert reason.startswith("invalid: a newer version is here")
    assert newer.id in reason


@pytest.mark.parametrize("kind", [0, 30023])
def test_of_versions_of_one_second_the_lowest_id_stays_in_any_order(kind: int) -> None:
    versions = [make_event(kind=kind, content=str(n)) for n in range(3)]
    for order in permutations(versions):
        known = FakeLog()
        for event in order:
            if not refused(event, known):
                known = FakeLog(event)
        assert set(known.live) == {min(event.id for event in versions)}


def test_versions_of_other_authors_kinds_and_d_tags_are_apart() -> None:
    known = FakeLog(make_event(1, kind=30023, tags=[["d", "x"]], created_at=NOW + 9))
    others = [
        make_event(2, kind=30023, tags=[["d", "x"]]),
        make_event(1, kind=30024, tags=[["d", "x"]]),
        make_event(1, kind=30023, tags=[["d", "y"]]),
        make_event(1, kind=30023),
    ]
    assert [admit(event, known).replaces for event in others] == [None] * 4


def test_the_first_d_tag_counts_and_a_missing_one_is_empty() -> None:
    first = make_event(kind=30023, tags=[["d", "x"], ["d", "y"]], created_at=NOW - 1)
    assert admit(make_event(kind=30023, tags=[["d", "x"]]), FakeLog(first)).replaces == first.id
    empty = make_event(kind=30023, tags=[["d"]], created_at=NOW - 1)
    assert admit(make_event(kind=30023), FakeLog(empty)).replaces == empty.id


def test_a_d_tag_means_nothing_on_a_plain_replaceable() -> None:
    known = FakeLog(make_event(kind=10002, tags=[["d", "x"]], created_at=NOW + 1))
    assert refused(make_event(kind=10002, tags=[["d", "y"]]), known)


def test_only_a_kind_0_touches_its_authors_profile() -> None:
    profile = make_event(kind=0)
    meaning = table.meaning(RELAY)
    assert meaning.touches(profile) == (("profiles", profile.pubkey),)
    assert [meaning.touches(make_event(kind=kind)) for kind in (1, 3, 5, 10002, 20001, 30023)] == [()] * 6
