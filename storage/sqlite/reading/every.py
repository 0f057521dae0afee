"""Every event, whomever it is for, expired or not: what the operator reads, and the writer where it removes."""

import sqlite3
from typing import Final

import msgspec

from relay.protocol.filter import Filter
from storage.sqlite import entries
from storage.sqlite.groups.reads import sql
from storage.sqlite.reading import lookup
from storage.sqlite.reading.scope import EVERYTHING, Scope

_GROUPS: Final = 400  # looked through by one query: some kinds of each are far from what a filter may ask for


def seqs_of(connection: sqlite3.Connection, wanted: Filter, limit: int) -> list[int]:
    """The seqs of the newest matching events, at most `limit`, in no order. Raises TooCostly."""
    found = set(lookup.seqs_of(connection, wanted, EVERYTHING, limit))
    kinds = entries.SAID if wanted.kinds is None else entries.SAID & wanted.kinds
    if wanted.authors is None or wanted.ids is not None or not kinds:
        return sorted(found)[-limit:]
    for pubkey in wanted.authors:
        prefixes = [prefix for (prefix,) in connection.execute(sql("groups_of_author"), (bytes.fromhex(pubkey),))]
        one = msgspec.structs.replace(wanted, kinds=kinds, authors=frozenset([pubkey]))
        for start in range(0, len(prefixes), _GROUPS):
            seen = Scope((entries.PUBLIC_PREFIX, *prefixes[start : start + _GROUPS]), EVERYTHING.now)
            found.update(lookup.seqs_of(connection, one, seen, limit))
    return sorted(found)[-limit:]
