"""Reports (NIP-56) as they are read and written."""

import pytest

from relay.protocol import kinds, reports
from relay.protocol.reports import Report
from tests.factories import keypair, make_event

BOB = keypair(1).pubkey
TARGET = "5" * 64


@pytest.mark.parametrize("target", [TARGET, None])
@pytest.mark.parametrize("reason", reports.REASONS)
def test_a_report_is_read_as_it_was_written(target, reason):
    event = make_event(0, kinds.REPORT, tags=reports.tags(target, BOB, reason))
    assert reports.read(event) == Report(target, BOB, reason)


@pytest.mark.parametrize(
    ("tags", "report"),
    [
        ([["e", TARGET, "SPAM"], ["p", BOB]], Report(TARGET, BOB, "spam")),
        ([["e", TARGET], ["p", BOB, "nudity"]], Report(TARGET, BOB, "nudity")),
        ([["e", TARGET], ["p", BOB]], Report(TARGET, BOB, "other")),
        ([["p", BOB, "bad manners"]], Report(None, BOB, "other")),
        ([["e", "short", "spam"], ["p", BOB, "spam"]], Report(None, BOB, "spam")),
        ([["e", TARGET, "spam"]], None),
        ([["p", BOB.upper(), "spam"]], None),
        ([], None),
    ],
)
def test_others_reports_are_read_as_far_as_they_say_something(tags, report):
    assert reports.read(make_event(0, kinds.REPORT, tags=tags)) == report


def test_nothing_but_a_report_is_one():
    assert reports.read(make_event(0, kinds.NOTE, tags=[["p", BOB, "spam"]])) is None


def test_left_out_are_what_was_looked_at_since_and_people_who_are_banned():
    def told(target, at):
        return make_event(0, kinds.REPORT, tags=reports.tags(target, BOB, "spam"), created_at=at)

    ahead, behind = told(TARGET, 9), told(None, 1)  # by their authors' clocks; they came at 5
    about, received = reports.by_target([ahead, behind]), {ahead.id: 5, behind.id: 5}
    assert set(reports.without(about, {}, {}, ())) == {TARGET, BOB}
    assert set(reports.without(about, {TARGET: 4, BOB: 5}, received, ())) == {TARGET}
    assert set(reports.without(about, {TARGET: 5, BOB: 4}, received, ())) == {BOB}
    assert set(reports.without(about, {}, {}, {BOB})) == {TARGET}


def test_people_have_vanished_who_asked_for_it_after_the_last_report():
    told = [make_event(0, kinds.REPORT, tags=reports.tags(None, BOB, "spam"), created_at=at) for at in (5, 7)]
    about = reports.by_target([*told, make_event(0, kinds.REPORT, tags=reports.tags(TARGET, BOB, "spam"))])
    assert reports.people(about) == [BOB]
    for at, gone in ((6, set()), (7, {BOB})):
        request = make_event(1, kinds.VANISH, tags=[["relay", "ALL_RELAYS"]], created_at=at)
        assert reports.vanished(about, [request]) == gone
