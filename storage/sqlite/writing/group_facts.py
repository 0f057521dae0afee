"""Facts about groups, from what is remembered of them and from the tables, with the changes that are not written yet."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from relay.protocol import kinds
from relay.protocol.facts import Facts
from relay.protocol.groups.state import is_replica
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.groups.reads import (
    groups_of_addresses,
    groups_of_events,
    how_many,
    how_many_of,
    ids_that_begin,
    invite,
    replicas_called,
    sql,
)
from storage.sqlite.log_rows import LogRow
from storage.sqlite.writing.changes import Changes


class GroupFacts:
    """Fills `facts`. `rows` are stored events that were read anyway: of those the group is known."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        facts: Facts,
        changes: Changes,
        rows: Mapping[str, LogRow],
        known: KnownGroups,
    ) -> None:
        self._connection = connection
        self._facts = facts
        self._changes = changes
        self._rows = rows
        self._known = known

    def look_up(self, family: str, keys: list[str]) -> None:
        """Find these."""
        _FAMILIES[family](self, keys)

    def _groups(self, ids: list[str]) -> None:
        """An event names by a replica's id here no group at all."""
        found = self._known.find([one for one in ids if not is_replica(one)])
        for group_id in ids:
            row = found.get(group_id)
            self._facts.groups[group_id] = None if row is None else row.group

    def _replicas(self, ids: list[str]) -> None:
        for group_id, row in self._known.find(ids).items():
            self._facts.replicas[group_id] = None if row is None else row.group

    def _served(self, ids: list[str]) -> None:
        """Of groups of other relays that are called the same, all but one are apart."""
        self._facts.served.update(dict.fromkeys(ids))
        for row in replicas_called(self._connection, ids) if self._known.any else ():
            if not row.group.apart:
                self._facts.served[row.group.wire_id] = row.group

    def _members(self, keys: list[str]) -> None:
        self._facts.members.update(self._known.members(keys))

    def _invites(self, keys: list[str]) -> None:
        for key in keys:
            code_hash, _, group_id = key.partition(" ")
            row = self._known.get(group_id)
            self._facts.group_invites[key] = None if row is None else invite(self._connection, code_hash, row.number)

    def _groups_of_codes(self, hashes: list[str]) -> None:
        """Two are enough: a code of several groups joins none by itself."""
        for code_hash in hashes:
            rows = self._connection.execute(sql("groups_of_code"), (code_hash,)).fetchall()
            self._facts.invite_groups[code_hash] = tuple(group_id for (group_id,) in rows)

    def _group_of(self, ids: list[str]) -> None:
        """Free where the event itself was looked up before."""
        found, changes = dict.fromkeys(ids, 0), self._changes
        if self._known.any:
            unknown, addresses = list[str](), list[str]()
            for one in ids:
                row = changes.coming.get(one) or (None if one in changes.leaving else self._rows.get(one))
                if row is not None:
                    found[one] = row.group
                else:
                    (addresses if ":" in one else unknown).append(one)
            found.update(groups_of_events(self._connection, unknown))
            found.update(groups_of_addresses(self._connection, addresses, changes.leaving))
        names = self._known.ids_of(number for number in found.values() if number)
        self._facts.group_of.update((one, names.get(number)) for one, number in found.items())

    def _sizes(self, ids: list[str]) -> None:
        """All three numbers of a group: they stand in one row."""
        facts = self._facts
        for group_id, row in self._known.find(ids).items():
            facts.owners[group_id] = 0 if row is None else row.owners
            facts.member_counts[group_id] = 0 if row is None else row.members
            facts.invite_counts[group_id] = 0 if row is None else row.codes

    def _previous(self, keys: list[str]) -> None:
        """Hex digits that are none begin nothing."""
        for key in keys:
            beginning, _, group_id = key.partition(" ")
            row = self._known.get(group_id) if kinds.is_hex(beginning, 8) else None
            self._facts.previous[key] = row is not None and self._begins(beginning, row.number)

    def _begins(self, beginning: str, group: int) -> bool:
        coming = self._changes.coming
        if any(row.group == group and one.startswith(beginning) for one, row in coming.items()):
            return True
        stored = ids_that_begin(self._connection, beginning, group)
        return any(one not in self._changes.leaving for one in stored)

    def _counts(self, keys: list[str]) -> None:
        """What ends with a space names another relay: see state.replica_id."""
        for key in keys:
            count = how_many_of(self._connection, key[:-1]) if key.endswith(" ") else how_many(self._connection, key)
            self._facts.group_counts[key] = count


_FAMILIES: Final[dict[str, Callable[[GroupFacts, list[str]], None]]] = {
    "groups": GroupFacts._groups,
    "replicas": GroupFacts._replicas,
    "served": GroupFacts._served,
    "members": GroupFacts._members,
    "group_invites": GroupFacts._invites,
    "invite_groups": GroupFacts._groups_of_codes,
    "group_of": GroupFacts._group_of,
    "owners": GroupFacts._sizes,
    "invite_counts": GroupFacts._sizes,
    "member_counts": GroupFacts._sizes,
    "previous": GroupFacts._previous,
    "group_counts": GroupFacts._counts,
}
