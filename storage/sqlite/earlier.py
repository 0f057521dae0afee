"""Earlier versions of articles: what a newer one took the place of is kept beside the log, so that a page can show what changed.

The log answers as NIP-01 wants it, with the newest version alone; these are asked for by address. Kept is what everybody may
read, what belongs to no group and does not expire: the newest MOST versions of an article and MOST_BYTES of them. They go with
the article: by a deletion, with its author, when the operator removes it. A version may also be deleted alone, by its id (NIP-09).
"""

import sqlite3
from typing import Final

from relay.protocol import kinds
from relay.protocol.admission import GROUP_MODERATOR, OPERATOR
from relay.protocol.event import address_of, expiration, wire
from storage.sqlite.entries import address_key
from storage.sqlite.log_rows import LogRow
from storage.sqlite.statements import named

KEPT: Final = frozenset((kinds.WIKI,))
MOST: Final = 50
MOST_BYTES: Final = 1 << 20


def keep(connection: sqlite3.Connection, row: LogRow) -> None:
    """A newer version takes the place of this one."""
    event = row.event
    if event.kind not in KEPT or row.group or row.audience is not None or expiration(event) is not None:
        return
    key = address_key(address_of(event) or "")
    values = (key, event.created_at, bytes.fromhex(event.id), bytes.fromhex(event.pubkey), wire(event))
    connection.execute(named("earlier")["keep"], values)
    connection.execute(named("earlier")["prune"], (key, MOST, MOST_BYTES))


def forget(connection: sqlite3.Connection, row: LogRow) -> None:
    """The article is removed, of which this is the newest version."""
    event = row.event
    if event.kind in KEPT:
        forget_address(connection, address_of(event) or "", event.created_at)


def forget_address(connection: sqlite3.Connection, address: str, until: int) -> None:
    """Versions of an address are deleted, up to this second inclusive."""
    connection.execute(named("earlier")["forget_address"], (address_key(address), until))


def forget_author(connection: sqlite3.Connection, pubkey: str, until: int) -> None:
    """A key has vanished (NIP-62) up to this second inclusive."""
    connection.execute(named("earlier")["forget_author"], (bytes.fromhex(pubkey), until))


def forget_one(connection: sqlite3.Connection, event_id: str, by: str) -> None:
    """One version is deleted by its author, or by the operator; others may not (`RemoveEvent.by`)."""
    if by == OPERATOR:
        connection.execute(named("earlier")["forget"], (bytes.fromhex(event_id),))
    elif by != GROUP_MODERATOR:
        connection.execute(named("earlier")["forget_own"], (bytes.fromhex(event_id), bytes.fromhex(by)))


def of_address(connection: sqlite3.Connection, address: str) -> list[bytes]:
    """The wire forms of the versions before the present one, the newest first."""
    return [one for (one,) in connection.execute(named("earlier")["of_address"], (address_key(address),))]


def by_id(connection: sqlite3.Connection, event_id: str) -> bytes | None:
    """The wire form of one of them."""
    found = connection.execute(named("earlier")["by_id"], (bytes.fromhex(event_id),)).fetchone()
    return None if found is None else found[0]
