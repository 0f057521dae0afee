"""storage.access over SQLite, read."""

import sqlite3
from typing import Any

from storage.access import AccessRule, LoggedChange, OperatorRules, RuleSubject
from storage.sqlite.statements import named


class SqliteAccessLookups:
    """storage.access.AccessLookups over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def operator_rules(self) -> OperatorRules:
        """What holds."""
        texts = dict(self._connection.execute(_sql("texts")).fetchall())
        return OperatorRules(self._values(allowed=False), self._values(allowed=True), texts)

    def _values(self, *, allowed: bool) -> dict[RuleSubject, str]:
        found = {
            subject: self._connection.execute(_sql("values"), (subject.value, int(allowed))).fetchone()[0]
            for subject in RuleSubject
            if subject is not RuleSubject.EVENT
        }
        return {subject: values for subject, values in found.items() if values}

    def access_rules(self, subject: RuleSubject, allowed: bool) -> list[AccessRule]:
        """All that is said of a subject."""
        return [_rule(row) for row in self._connection.execute(_sql("rules"), (subject.value, int(allowed)))]

    def logged_changes(self, most: int) -> list[LoggedChange]:
        """The last changes."""
        return [LoggedChange(*row) for row in self._connection.execute(_sql("logged"), (most,))]


def _rule(row: tuple[Any, ...]) -> AccessRule:
    subject, value, allowed, reason, by, at = row
    return AccessRule(RuleSubject(subject), value, bool(allowed), reason, by, at)


def _sql(name: str) -> str:
    return named("access")[name]
