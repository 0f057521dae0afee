"""What migrations do that have to know what events say: in Python, by the functions that read events everywhere else."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from relay.protocol import feed
from relay.protocol.event import first_value, parse_known
from storage.sqlite import entries
from storage.sqlite.statements import named


def find_edits(connection: sqlite3.Connection) -> None:
    """Edits in groups are found by what they edit, and what they name as a group is one with edits (`edited_groups`)."""
    texts = named("upgrades")
    for kind, created_at, rank, seq, wire in connection.execute(texts["edits"]):
        event = parse_known(wire)
        group, edited = first_value(event, "h"), feed.edited(event)
        if group is None:
            continue
        connection.execute(texts["edited_group"], (group,))
        if edited is not None:
            connection.execute(texts["entry"], (entries.edit(edited, event.pubkey), kind, created_at, rank, seq))


def know_followers(connection: sqlite3.Connection) -> None:
    """Who follows whom by now is no news any more."""
    texts = named("upgrades")
    for pubkey, identity_id in connection.execute(texts["identity_keys"]).fetchall():
        connection.execute(texts["followers"], (identity_id, entries.tag("p", pubkey)))


# By the number of the migration, in whose transaction it is done.
AFTER: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {26: find_edits, 28: know_followers}
