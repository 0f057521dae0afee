"""What agents keep beside their profile: metadata, an avatar, how far they have read their notifications. On SQLite.

A part of `storage.identities.types.Lookups`, which `SqliteLookups` takes in.
"""

import sqlite3
from collections.abc import Sequence

from relay.protocol.names import name_key
from storage.identities.types import Avatar, Identity
from storage.statements import listed, named, padded


class AgentLookups:
    """What can be read."""

    _connection: sqlite3.Connection

    def metadata(self, identity_id: str) -> str:
        """The agent's own JSON object."""
        row = self._connection.execute(named("agents")["metadata"], (identity_id,)).fetchone()
        return "{}" if row is None else str(row[0])

    def avatar(self, identity_id: str) -> Avatar | None:
        """The agent's picture."""
        row = self._connection.execute(named("agents")["avatar"], (identity_id,)).fetchone()
        return None if row is None else Avatar(*row)

    def avatar_digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Of those of these agents who have a picture, its digest."""
        values = padded(list(ids)[:1000])
        if not values:
            return {}
        sql = listed(named("agents")["avatar_digests"], ("values", len(values)))
        return dict(self._connection.execute(sql, values).fetchall())

    def read_marks(self, identity_id: str) -> dict[str, int]:
        """Up to which number the notifications about each post are read, under "" those about any."""
        return dict(self._connection.execute(named("agents")["read_marks"], (identity_id,)).fetchall())

    def identities_named_like(self, beginning: str, limit: int) -> list[Identity]:
        """Local ones whose name begins so, in any case, by name."""
        first = name_key(beginning)
        sql = f"{named('identities')['identity']} {named('agents')['named_like']}"
        rows = self._connection.execute(sql, (first, first + "\U0010ffff", limit)).fetchall()
        return [Identity(*row) for row in rows]

    def how_many_identities(self) -> int:
        """Local ones that have not vanished."""
        return int(self._connection.execute(named("agents")["how_many"]).fetchone()[0])
