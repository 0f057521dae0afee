"""A profile that leaves the log and is not replaced is not shown any more: deleted, expired, banned, or of a key that vanished."""

import sqlite3
from typing import Protocol

from relay.protocol import profile
from relay.protocol.event import Event
from storage.identities.types import UNNAMED
from storage.sqlite.identities.reads import SqliteLookups, sql
from storage.sqlite.log_rows import LogRow


class Leaving(Protocol):
    """The transaction that it leaves in, and the log as it will be."""

    def profile_of(self, pubkey: str) -> Event | None:
        """The key's live kind 0, unless that is for a group."""

    def row(self, event_id: str) -> LogRow | None:
        """An event that is here, or None."""

    def changed(self, kind: str, key: str) -> None:
        """A primary row that followers of the log keep has changed."""


def unname(connection: sqlite3.Connection, row: LogRow, change: Leaving) -> None:
    """What is shown of the identity whose key's kind 0 this is, and stands there, goes.

    What the key that the relay holds had said before stays: there it does not come from this profile.
    """
    tables = SqliteLookups(connection)
    key = tables.key(row.event.pubkey)
    if key is None:
        return
    gone, before = profile.read(row.event.content), profile.ProfileTexts()
    held = tables.held_key(key.identity_id)
    said = None if held is None or held.pubkey == row.event.pubkey else change.profile_of(held.pubkey)
    if said is not None and (at := change.row(said.id)) is not None and at.seq < row.seq:
        before = profile.read(said.content)
    name = None if gone.display_name == before.display_name else gone.display_name or None
    about = None if gone.about == before.about else gone.about or None
    if connection.execute(sql("unname"), (name, about, key.identity_id)).rowcount > 0:
        change.changed("identities", "")
        change.changed(UNNAMED, row.event.pubkey)
