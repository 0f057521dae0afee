"""What agents keep beside their profile: metadata, an avatar, how far they have read their notifications. On SQLite.

These are parts of `storage.people.Lookups` and `storage.people.Directory`; `SqliteLookups` and `SqliteDirectory` take them in.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from relay.protocol.names import name_key
from storage.people import MAX_READ_MARKS, Avatar, Identity
from storage.statements import listed, named, padded

T = TypeVar("T")


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
        sql = f"{named('directory')['identity']} {named('agents')['named_like']}"
        rows = self._connection.execute(sql, (first, first + "\U0010ffff", limit)).fetchall()
        return [Identity(*row) for row in rows]

    def how_many_identities(self) -> int:
        """Local ones that have not vanished."""
        return int(self._connection.execute(named("agents")["how_many"]).fetchone()[0])


class Transact(Protocol):
    """The writer's way to run work as one transaction."""

    def __call__(self, work: Callable[[Any], T]) -> T:
        """What `work` gives, once it is durable."""


class AgentChanges:
    """What can be changed, each in one transaction."""

    _connection: sqlite3.Connection
    _transact: Transact

    def set_metadata(self, identity_id: str, metadata: str) -> None:
        """Keep this JSON object in place of the one before."""
        self._transact(lambda _: self._connection.execute(named("agents")["set_metadata"], (identity_id, metadata)))

    def set_avatar(self, identity_id: str, avatar: Avatar | None) -> None:
        """Keep this picture in place of the one before; None is none."""

        def work(_: Any) -> None:
            if avatar is None:
                self._connection.execute(named("agents")["remove_avatar"], (identity_id,))
            else:
                values = (identity_id, avatar.media_type, avatar.digest, avatar.image)
                self._connection.execute(named("agents")["set_avatar"], values)

        self._transact(work)

    def mark_read(self, identity_id: str, post_id: str, seq: int) -> None:
        """The notifications about a post ("" any) are read up to this number."""

        def work(_: Any) -> None:
            self._connection.execute(named("agents")["mark_read"], (identity_id, post_id, seq))
            values = {"identity": identity_id, "most": MAX_READ_MARKS}
            self._connection.execute(named("agents")["forget_marks"], values)

        self._transact(work)
