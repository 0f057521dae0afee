"""storage.access: what the operator's commands about keys, kinds, addresses and events keep, remove and let come again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from storage import access
from storage.access import CHANGED, ChangeRules, LiftRule, RuleSubject, SetRule, SetText
from storage.base import Incoming, Outcome, Status
from storage.sqlite import backend
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW, keypair, make_event

KEY, BY = keypair(1).pubkey, keypair(9).pubkey


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    """An empty log."""
    opened = backend.open_writer(tmp_path, table.meaning("ws://relay.example"))
    yield opened
    opened.close()


def hand_in(writer: SqliteWriter, event: Event) -> Outcome:
    return writer.write([Incoming(event, wire(event), Door.CLIENT, NOW)], NOW)[0]


def ban(event: Event, reason: str = "") -> SetRule:
    return SetRule(RuleSubject.EVENT, event.id, False, reason, BY)


def test_a_reason_stays_where_no_other_is_told(writer: SqliteWriter) -> None:
    writer.execute(SetRule(RuleSubject.KEY, KEY, False, "spam", BY), NOW)
    assert writer.execute(SetRule(RuleSubject.KEY, KEY, False), NOW + 1) is False
    event = SetRule(RuleSubject.EVENT, "ab" * 32, True, "harmless", BY)
    for number in range(3):  # it may have been reported since
        again = SetRule(RuleSubject.EVENT, event.value, True, "", BY)
        assert writer.execute(again if number else event, NOW + number) is True
        (rule,) = writer.tables.access_rules(RuleSubject.EVENT, True)
        assert (rule.reason, rule.at) == ("harmless", NOW + number)
    (rule,) = writer.tables.access_rules(RuleSubject.KEY, False)
    assert (rule.reason, rule.at) == ("spam", NOW)


def test_a_rule_takes_the_place_of_the_one_before_and_each_change_is_logged(writer: SqliteWriter) -> None:
    changes = [
        (SetRule(RuleSubject.KEY, KEY, False, "spam", BY), True),
        (SetRule(RuleSubject.KEY, KEY, False, "spam", BY), False),
        (SetRule(RuleSubject.KEY, KEY, False, "more spam"), True),
        (LiftRule(RuleSubject.KEY, KEY, True), False),
        (SetRule(RuleSubject.KEY, KEY, True), True),
        (LiftRule(RuleSubject.KEY, KEY, True, "left"), True),
        (LiftRule(RuleSubject.KEY, KEY, True), False),
        (SetText("relay.name", "Harbour", BY), True),
        (SetText("relay.name", "Harbour", BY), False),
        (SetText("relay.name", None), True),
        (SetText("relay.name", None), False),
    ]
    for number, (change, done) in enumerate(changes):
        writer.collect()
        assert writer.execute(change, NOW + number) is done, change
        assert [kind for kind, _ in writer.collect().changes] == [CHANGED] * done
    assert writer.tables.operator_rules() == access.OperatorRules()
    logged = [
        (one.at - NOW, one.by, one.done, one.subject, one.value, one.reason)
        for one in writer.tables.logged_changes(100)
    ]
    assert logged == [
        (9, "", "lifted", "setting", "relay.name", ""),
        (7, BY, "changed", "setting", "relay.name", "Harbour"),
        (5, "", "lifted", "key", KEY, "left"),
        (4, "", "allowed", "key", KEY, ""),
        (2, "", "denied", "key", KEY, "more spam"),
        (0, BY, "denied", "key", KEY, "spam"),
    ]
    assert writer.tables.logged_changes(2) == writer.tables.logged_changes(100)[:2]


def test_what_holds_is_told_by_subject_and_is_there_after_a_restart(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, table.meaning("ws://relay.example"))
    for number, change in enumerate(
        (
            SetRule(RuleSubject.KEY, KEY, False, "spam", BY),
            SetRule(RuleSubject.KEY, BY, True),
            SetRule(RuleSubject.KIND, "4", False),
            SetRule(RuleSubject.ADDRESS, "203.0.113.0/24", False),
            SetRule(RuleSubject.EVENT, "ab" * 32, False),
            SetText("relay.icon", ""),
        )
    ):
        writer.execute(change, NOW + number)
    writer.collect()
    writer.close()
    again = backend.open_writer(tmp_path, table.meaning("ws://relay.example"))
    try:
        said = again.tables.operator_rules()
        assert said.denied == {
            RuleSubject.KEY: KEY,
            RuleSubject.KIND: "4",
            RuleSubject.ADDRESS: "203.0.113.0/24",
        }
        assert said.allowed == {RuleSubject.KEY: BY}  # what is said of single events is not held in memory by everybody
        assert said.texts == {"relay.icon": ""}
        (rule,) = again.tables.access_rules(RuleSubject.KEY, False)
        assert (rule.value, rule.reason, rule.by, rule.at) == (KEY, "spam", BY, NOW)
        assert [one.value for one in again.tables.access_rules(RuleSubject.EVENT, False)] == ["ab" * 32]
        assert again.tables.access_rules(RuleSubject.EVENT, True) == []
    finally:
        again.close()


def test_a_banned_event_goes_stays_out_and_may_come_again_once_it_is_not_banned(writer: SqliteWriter) -> None:
    here, coming = make_event(1, content="here"), make_event(1, content="not here yet")
    assert hand_in(writer, here).status is Status.STORED
    for event in (here, coming):
        assert writer.execute(ban(event, "spam"), NOW) is True
        refusal = hand_in(writer, event).refusal
        assert refusal is not None
        assert str(refusal).startswith("blocked: ")
    assert writer.execute(LiftRule(RuleSubject.EVENT, here.id, False), NOW) is True
    assert writer.execute(SetRule(RuleSubject.EVENT, coming.id, True), NOW) is True
    assert [hand_in(writer, event).status for event in (here, coming)] == [Status.STORED] * 2


def test_an_event_that_the_operator_removed_otherwise_may_come_again_once_it_is_allowed(writer: SqliteWriter) -> None:
    from relay.protocol.filter import Filter
    from storage.commands import RemoveMatching

    event = make_event(1)
    hand_in(writer, event)
    assert writer.execute(RemoveMatching(Filter(ids=frozenset([event.id])), 1), NOW) == 1
    assert writer.execute(SetRule(RuleSubject.EVENT, event.id, True), NOW) is True
    assert hand_in(writer, event).status is Status.STORED


@pytest.mark.parametrize("lift", [LiftRule(RuleSubject.EVENT, "", False), SetRule(RuleSubject.EVENT, "", True)])
def test_what_its_author_deleted_does_not_come_again(writer: SqliteWriter, lift: LiftRule | SetRule) -> None:
    event = make_event(1, created_at=NOW - 10)
    hand_in(writer, event)
    hand_in(writer, make_event(1, 5, tags=[["e", event.id]], created_at=NOW))
    writer.execute(ban(event), NOW)
    writer.execute(type(lift)(lift.subject, event.id, lift.allowed), NOW)
    assert hand_in(writer, event).status is Status.REFUSED


def test_a_banned_version_closes_its_address_only_while_it_is_banned(writer: SqliteWriter) -> None:
    older, newer = (make_event(1, 30023, tags=[["d", "a"]], content=str(at), created_at=NOW + at) for at in (0, 1))
    hand_in(writer, newer)
    writer.execute(ban(newer), NOW + 2)
    assert hand_in(writer, older).status is Status.REFUSED  # it would show again what came before
    writer.execute(LiftRule(RuleSubject.EVENT, newer.id, False), NOW + 2)
    assert hand_in(writer, newer).status is Status.STORED


def test_no_more_is_kept_than_every_process_can_hold(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_RULES", 2)
    for number in (1, 2):
        assert writer.execute(SetRule(RuleSubject.KEY, keypair(number).pubkey, False), NOW) is True
    with pytest.raises(Reject, match="already, by key"):
        writer.execute(SetRule(RuleSubject.KEY, keypair(3).pubkey, False), NOW)
    assert (
        writer.execute(SetRule(RuleSubject.KEY, keypair(2).pubkey, True), NOW) is True
    )  # one that is there may change
    assert writer.execute(SetRule(RuleSubject.KIND, "1", False), NOW) is True
    said = writer.tables.operator_rules()
    assert said.denied == {RuleSubject.KEY: keypair(1).pubkey, RuleSubject.KIND: "1"}
    assert said.allowed == {RuleSubject.KEY: keypair(2).pubkey}


def test_several_changes_are_made_together_or_none_of_them(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_RULES", 2)
    first, second, third = (SetRule(RuleSubject.KEY, keypair(number).pubkey, False) for number in (1, 2, 3))
    assert writer.execute(ChangeRules([first, first, second]), NOW) == [True, False, True]
    lift = LiftRule(RuleSubject.KEY, first.value, False)
    assert writer.execute(ChangeRules([lift, third, SetText("relay.name", "Sandbank")]), NOW) == [True, True, True]
    with pytest.raises(Reject, match="already, by key"):
        writer.execute(ChangeRules([SetRule(RuleSubject.KIND, "1", False), first]), NOW)
    said = writer.tables.operator_rules()
    assert {subject: set(values.split()) for subject, values in said.denied.items()} == {
        RuleSubject.KEY: {second.value, third.value}
    }
    assert said.texts == {"relay.name": "Sandbank"}
