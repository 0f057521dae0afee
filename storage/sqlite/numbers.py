"""What is given out once: the identifiers of issues, by the next number of their group or repository."""

import sqlite3

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.admission import NumberIssue
from relay.protocol.control_plane import issues
from storage.sqlite import entries
from storage.sqlite.statements import named

_PAGE = 500  # issues that are numbered at once


def give(connection: sqlite3.Connection, wanted: NumberIssue) -> None:
    """Call an issue by the next number, unless it was called before."""
    sql, issue = named("numbers"), bytes.fromhex(wanted.event_id)
    if connection.execute(sql["identifier"], (issue,)).fetchone() is None:
        (number,) = connection.execute(sql["next"], (wanted.scope,)).fetchone()
        connection.execute(sql["call"], (issue, f"{wanted.prefix}-{number}"))


def give_to_all(connection: sqlite3.Connection) -> None:
    """Number the public issues of repositories that were here before there were numbers, in the order in which they came."""
    seq = 0
    while rows := connection.execute(
        named("numbers")["issues_after"], (entries.ALL, kinds.ISSUE, seq, _PAGE)
    ).fetchall():
        for _, wire in rows:
            wanted = issues.number_of(events.parse(wire), None)
            if wanted is not None:
                give(connection, wanted)
        seq = rows[-1][0]
