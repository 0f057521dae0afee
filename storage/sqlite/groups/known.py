"""Groups and members as the writer asks for them with every event of a group: remembered from one transaction to the next."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relay.protocol.groups.state import Member, member_key
from storage.sqlite.groups.authors import GroupAuthors
from storage.sqlite.groups.reads import GroupRow, member_of, private_homes, rows_of_groups, sql
from storage.sqlite.statements import listed, padded_parts

MAX_GROUPS: Final = 20_000  # remembered, those that are not here too
MAX_MEMBERS: Final = 50_000

_KEY: Final = 64  # characters of a pubkey, see member_key


class KnownGroups:
    """What was found; `any` is False as long as there is no group at all, so that nobody pays for looking one up."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.authors = GroupAuthors(connection)
        self._rows: dict[str, GroupRow | None] = {}
        self._ids: dict[int, str] = {}
        self._members: dict[str, Member | None] = {}
        self.edited: dict[
            str, bool
        ] = {}  # by the group's name in `h`: whether anything in it was edited; filled by who makes rows
        self.any = False
        self.folded: Any = None  # what a rebuild under way has made so far: folding.FoldedGroups
        self.moving = 0  # how many groups are
        self.private_homes = frozenset[str]()  # relays of which a private group is kept here
        self.unfinished = True  # whether something may remain to be done
        self.clear()

    def find(self, ids: Sequence[str]) -> dict[str, GroupRow | None]:
        """Each of these groups, None for one that is not here."""
        if not self.any:
            return dict.fromkeys(ids)
        if len(self._rows) + len(ids) > MAX_GROUPS:
            self._rows.clear()
            self._ids.clear()
        unknown = [one for one in dict.fromkeys(ids) if one not in self._rows]
        if unknown:
            self._rows.update(dict.fromkeys(unknown))
            for row in rows_of_groups(self._connection, "by_ids", unknown):
                self.put(row)
        return {one: self._rows[one] for one in ids}

    def get(self, group_id: str) -> GroupRow | None:
        """One group."""
        if group_id in self._rows:
            return self._rows[group_id]
        return self.find([group_id])[group_id]

    def ids_of(self, numbers: Iterable[int]) -> dict[int, str]:
        """The ids of groups by their numbers."""
        some = list(dict.fromkeys(numbers))
        unknown = [number for number in some if number not in self._ids]
        found = {number: self._ids[number] for number in some if number in self._ids}
        if unknown:
            for row in rows_of_groups(self._connection, "by_numbers", unknown):
                self.put(row)
                found[row.number] = row.group.id
        return found

    def members(self, keys: Sequence[str]) -> dict[str, Member | None]:
        """How each of these keys (relay.protocol.groups.state.member_key) stands."""
        if not self.any:
            return dict.fromkeys(keys)
        known = self._members
        if len(known) + len(keys) > MAX_MEMBERS:
            known.clear()
        unknown = [key for key in dict.fromkeys(keys) if key not in known]
        if unknown:
            known.update(dict.fromkeys(unknown))
            groups = self.find(list(dict.fromkeys(key[_KEY + 1 :] for key in unknown)))
            places = [(row.number, key[:_KEY]) for key in unknown if (row := groups[key[_KEY + 1 :]]) is not None]
            for part in padded_parts(places):
                text = listed(sql("members"), ("rows", len(part)), group="(?, ?)")
                for number, pubkey, *columns in self._connection.execute(
                    text, [one for place in part for one in place]
                ):
                    known[member_key(pubkey, self._ids[number])] = member_of(*columns)
        return {key: known[key] for key in keys}

    def put(self, row: GroupRow) -> None:
        """The group is this in the tables."""
        self.any = True
        self._rows[row.group.id] = row
        self._ids[row.number] = row.group.id

    def put_member(self, key: str, member: Member | None) -> None:
        """The member is this in the tables."""
        self._members[key] = member

    def note_edited(self, name: str) -> None:
        """Something in a group of this name was edited, or deleted so that it may be said again."""
        if not self.edited.get(name):
            self._connection.execute(sql("put_edited"), (name,))
            self.edited[name] = True

    def clear(self) -> None:
        """A change was rolled back, or the tables were written by others."""
        self.edited.clear()
        self._rows.clear()
        self._ids.clear()
        self._members.clear()
        self.authors.clear()
        self.unfinished = True
        try:
            self.any = bool(self._connection.execute(sql("any")).fetchone()[0])
            self.moving = int(self._connection.execute(sql("how_many_moving")).fetchone()[0])
            self.private_homes = private_homes(self._connection) if self.any else frozenset()
        except sqlite3.Error:  # it was rolled back for that; to look again is right in any case
            self.any, self.moving = True, 1
