"""What is given out once: the identifiers of issues, by the next number of their group or repository; and what an update gives."""

import sqlite3
from collections.abc import Iterator
from typing import Final

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.admission import NumberIssue
from relay.protocol.control_plane import issues, subjects
from relay.protocol.event import Event
from storage.sqlite import entries
from storage.sqlite.live_events import numbered
from storage.sqlite.statements import named, write_rows

_PAGE: Final = 500  # events looked at once


def give(connection: sqlite3.Connection, wanted: NumberIssue) -> None:
    """Call an issue by the next number, unless it was called before."""
    sql, issue = named("numbers"), bytes.fromhex(wanted.event_id)
    if connection.execute(sql["identifier"], (issue,)).fetchone() is None:
        (number,) = connection.execute(sql["next"], (wanted.scope,)).fetchone()
        connection.execute(sql["call"], (issue, f"{wanted.prefix}-{number}"))


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """See that what was here before this version has its numbers, in the order in which it came, and is found by its subjects."""
    for event, _ in _all_of(connection, kinds.ISSUE):
        wanted = issues.number_of(event, None)  # there were no groups
        if wanted is not None:
            give(connection, wanted)
    for kind in subjects.KINDS:
        for event, seq in _all_of(connection, kind):
            place = (kind, event.created_at, events.rank(event.id), seq)
            rows = [(entries.about(*one), *place) for one in subjects.subjects(event)]
            write_rows(connection, named("numbers")["enter"], rows)


def _all_of(connection: sqlite3.Connection, kind: int) -> Iterator[tuple[Event, int]]:
    """The public events of a kind in the order of their numbers, few at a time."""
    seqs = [seq for (seq,) in connection.execute(named("numbers")["seqs_of_kind"], (entries.ALL, kind))]
    for start in range(0, len(seqs), _PAGE):
        for live in sorted(numbered(connection, seqs[start : start + _PAGE]), key=lambda live: live.seq):
            yield live.event, live.seq
