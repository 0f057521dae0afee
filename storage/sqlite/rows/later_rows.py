"""Rows that follow from a change and are too many for its transaction: whose they are is noted with it, and they are made in parts.

A note says whose change it was and up to which event its followers have been touched, the oldest first. What comes meanwhile is
made of what holds by then, so that it does not matter which of the two is first; another change begins anew.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relay.protocol.rows import LaterRows, Projection
from storage.sqlite import entries
from storage.sqlite.statements import named, write_rows

AT_ONCE: Final = 32  # keys of a part; an issue's row may take 100 look-ups


def note(
    connection: sqlite3.Connection, projections: Sequence[Projection], table: str, changes: Iterable[tuple[Any, Any]]
) -> bool:
    """Note what follows from rows of a table that have changed (before, after); whether anything does."""
    following = [(one.table, one.later) for one in projections if one.later is not None and one.later.table == table]
    if not following:
        return False
    values = [
        (dependent, (before or after).id, -1, 0, 0)
        for before, after in changes
        for dependent, later in following
        if _counted(later, before) != _counted(later, after)
    ]
    write_rows(connection, named("later_rows")["put"], values)
    return bool(values)


def go_on(connection: sqlite3.Connection, projections: Sequence[Projection], touched: dict[str, set[str]]) -> bool:
    """Touch the next keys; whether there are more."""
    sql = named("later_rows")
    due = connection.execute(sql["next"]).fetchone()
    if due is None:
        return False
    dependent, name, *place = due
    later = next(one.later for one in projections if one.table == dependent)
    assert later is not None
    found = connection.execute(sql["keys"], (entries.tag(later.name, name), later.kind, *place, AT_ONCE)).fetchall()
    touched.setdefault(dependent, set()).update(event_id for event_id, *_ in found)
    if len(found) == AT_ONCE:
        connection.execute(sql["set"], (*found[-1][1:], dependent, name))
        return True
    connection.execute(sql["drop"], (dependent, name))
    return bool(connection.execute(sql["next"]).fetchone())


def waiting(connection: sqlite3.Connection) -> set[str]:
    """The tables of which some rows are still to be made."""
    return {table for (table,) in connection.execute(named("later_rows")["waiting"])}


def _counted(later: LaterRows, row: Any) -> tuple[object, ...]:
    return () if row is None else later.counts(row)
