"""What the operator's commands about access do (storage.access)."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any, Final

from relay.errors import Prefix, Reject
from relay.protocol.admission import OPERATOR
from relay.protocol.filter import Filter
from relay.protocol.words import counted
from storage import access as given
from storage.access import CHANGED, RuleSubject
from storage.commands import RemoveMatching
from storage.sqlite.statements import named
from storage.sqlite.writing.changes import deleter
from storage.sqlite.writing.operator_removal import remove_matching
from storage.sqlite.writing.transaction import Transaction


def _set_rule(connection: sqlite3.Connection, command: given.SetRule, transaction: Transaction, now: int) -> bool:
    return _set_counted(connection, command, transaction, now, {})


def _set_counted(
    connection: sqlite3.Connection,
    command: given.SetRule,
    transaction: Transaction,
    now: int,
    numbers: dict[RuleSubject, int],
) -> bool:
    """Set one of several rules; `numbers` as for `_require_room`."""
    said = connection.execute(_sql("rule"), (command.subject.value, command.value)).fetchone()
    if said is None:
        _require_room(connection, command.subject, numbers)
    if command.subject is RuleSubject.EVENT:
        if command.allowed:
            _let_come(connection, command.value)
        else:
            transaction.mark(command.value, OPERATOR)
            remove_matching(connection, RemoveMatching(Filter(ids=frozenset([command.value])), 1), transaction, now)
    if command.subject is RuleSubject.KEY and not command.allowed:
        _close_codes(connection, [command.value], transaction)
    is_said = said is not None and said[0] == command.allowed and command.reason in ("", said[1])
    # It, or they, may have been reported since.
    looks_again = command.allowed and command.subject in (RuleSubject.EVENT, RuleSubject.KEY)
    if is_said and not looks_again:
        return False
    reason = said[1] if is_said else command.reason
    row = (command.subject.value, command.value, int(command.allowed), reason, command.by, now)
    connection.execute(_sql("set_rule"), row)
    _note(connection, transaction, command, "allowed" if command.allowed else "denied", now)
    return True


def _change_rules(
    connection: sqlite3.Connection, command: given.ChangeRules, transaction: Transaction, now: int
) -> list[bool]:
    numbers: dict[RuleSubject, int] = {}  # to count so many rules takes milliseconds
    done = []
    for change in command.changes:
        match change:
            case given.SetRule():
                done.append(_set_counted(connection, change, transaction, now, numbers))
            case given.LiftRule():
                done.append(_lift_rule(connection, change, transaction, now))
                numbers.pop(change.subject, None)
            case given.SetText():
                done.append(_set_text(connection, change, transaction, now))
            case given.NoteRemoval():
                done.append(_note_removal(connection, change, transaction, now))
    return done


def _note_removal(connection: sqlite3.Connection, command: given.NoteRemoval, _: Transaction, now: int) -> bool:
    cut = "…" if len(command.wanted) > given.MOST_NOTED else ""
    number = counted(command.number, "event")
    row = (now, command.by, "removed", "filter", command.wanted[: given.MOST_NOTED] + cut, number)
    connection.execute(_sql("log"), row)
    return True


def _close_codes(connection: sqlite3.Connection, keys: list[str], transaction: Transaction) -> None:
    if connection.execute(_sql("close_codes"), (json.dumps(keys),)).rowcount:
        for key in keys:
            transaction.forget_key(key)


def _lift_rule(connection: sqlite3.Connection, command: given.LiftRule, transaction: Transaction, now: int) -> bool:
    if command.subject is RuleSubject.EVENT and not command.allowed:
        _let_come(connection, command.value)
    said = connection.execute(_sql("rule"), (command.subject.value, command.value)).fetchone()
    if said is None or said[0] != command.allowed:
        return False
    connection.execute(_sql("lift_rule"), (command.subject.value, command.value))
    _note(connection, transaction, command, "lifted", now)
    return True


def _set_text(connection: sqlite3.Connection, command: given.SetText, transaction: Transaction, now: int) -> bool:
    said = connection.execute(_sql("text"), (command.setting,)).fetchone()
    if (said and said[0]) == command.text:
        return False
    if command.text is None:
        connection.execute(_sql("drop_text"), (command.setting,))
    else:
        connection.execute(_sql("set_text"), (command.setting, command.text))
    done = "lifted" if command.text is None else "changed"
    row = (now, command.by, done, "setting", command.setting, command.text or "")
    connection.execute(_sql("log"), row)
    transaction.changed(CHANGED, command.setting)
    return True


def _require_room(connection: sqlite3.Connection, subject: RuleSubject, numbers: dict[RuleSubject, int]) -> None:
    """Raises Reject where no more can be said of this subject. `numbers` of rules are those that were counted."""
    if subject not in numbers:
        numbers[subject] = connection.execute(_sql("number"), (subject.value,)).fetchone()[0]
    numbers[subject] += 1
    if numbers[subject] > given.MOST_RULES:
        raise Reject(
            Prefix.BLOCKED,
            f"there is something said of {given.MOST_RULES:,} already, by {subject.value}; lift what is not needed any more",
        )


def _let_come(connection: sqlite3.Connection, event_id: str) -> None:
    """Take back that the operator removed an event; its author's word holds."""
    stored = bytes.fromhex(event_id)
    if connection.execute(_sql("unmark_id"), (stored, deleter(OPERATOR))).rowcount:
        connection.execute(_sql("unmark_address"), (stored,))


def _note(
    connection: sqlite3.Connection,
    transaction: Transaction,
    command: given.SetRule | given.LiftRule,
    done: str,
    now: int,
) -> None:
    connection.execute(_sql("log"), (now, command.by, done, command.subject.value, command.value, command.reason))
    transaction.changed(CHANGED, command.subject.value)


def _sql(name: str) -> str:
    return named("access")[name]


WORK: Final[dict[type, Callable[[sqlite3.Connection, Any, Transaction, int], Any]]] = {
    given.SetRule: _set_rule,
    given.LiftRule: _lift_rule,
    given.SetText: _set_text,
    given.NoteRemoval: _note_removal,
    given.ChangeRules: _change_rules,
    given.EndCodes: lambda connection, command, transaction, _now: _close_codes(connection, command.keys, transaction),
}
