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
        rows = self._connection.execute(_sql("rules_of_all")).fetchall()
        return OperatorRules([_rule(row) for row in rows], dict(self._connection.execute(_sql("texts")).fetchall()))

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
