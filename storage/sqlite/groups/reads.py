"""Groups on SQLite, read: rows as the structs that everybody else knows."""

import sqlite3
from collections.abc import Container, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from relay.protocol.groups.state import Group, GroupType, Invite, Member, is_replica
from relay.protocol.kinds import is_hex
from storage.groups import MAX_ASKED, Membership, is_privileged
from storage.sqlite import entries
from storage.sqlite.statements import listed, named, padded_parts

_FIRST: Final = 2**63 - 1
_JSON: Final = {"supported_kinds": tuple[int, ...] | None, "children": tuple[str, ...]} | {
    "extra": tuple[tuple[str, ...], ...],
    "pins": tuple[tuple[str, str], ...],
}
_BOOLS: Final = ("private", "restricted", "hidden", "closed", "livekit", "ended", "apart")
# The columns of a group as statements give and take them.
COLUMNS: Final = (
    *("id", "creator", "created_at", "type", "name", "about", "picture", "banner", "private", "restricted"),
    *("hidden", "closed", "livekit", "supported_kinds", "parent", "children", "extra", "pins", "ended"),
    *("home", "home_url", "apart"),
)

T = TypeVar("T")


class GroupRow(msgspec.Struct, frozen=True, gc=False):
    """A group and what the tables know of it: see 0011_groups.sql."""

    number: int
    members: int
    owners: int
    codes: int
    moving: int | None
    began: int
    listing_due: bool
    group: Group


class MovingGroup(msgspec.Struct, frozen=True, gc=False):
    """A group whose events are not all entered for those they are for, up to the number `upto`."""

    number: int
    id: str
    private: bool
    hidden: bool
    ended: bool
    upto: int


def sql(name: str) -> str:
    """A statement on groups."""
    return named("groups")[name]


def rows_of_groups(connection: sqlite3.Connection, condition: str, values: Sequence[Any]) -> list[GroupRow]:
    """The groups with these ids or numbers: `condition` is by_ids or by_numbers."""
    text = f"{sql('group')} {sql(condition)}"
    return [
        _row(row)
        for part in padded_parts(values)
        for row in connection.execute(listed(text, ("values", len(part))), part)
    ]


def invite(connection: sqlite3.Connection, code_hash: str, number: int) -> Invite | None:
    """A code of a group as it stands."""
    found = connection.execute(sql("invite"), (code_hash, number)).fetchone()
    return None if found is None else _invite(*found)


def _invite(by: str, expires_at: int | None, uses_left: int | None, revoked: int) -> Invite:
    return Invite(by, expires_at, uses_left, bool(revoked))


def how_many(connection: sqlite3.Connection, creator: str) -> int:
    """The groups that this key began and that have not ended; all with ""."""
    if creator:
        return int(connection.execute(sql("begun_by"), (creator,)).fetchone()[0])
    return int(connection.execute(sql("how_many")).fetchone()[0])


def how_many_of(connection: sqlite3.Connection, home: str) -> int:
    """The groups of another relay that are kept here and have not ended."""
    return int(connection.execute(sql("how_many_of_home"), (home,)).fetchone()[0])


def replicas_called(connection: sqlite3.Connection, ids: Sequence[str]) -> list[GroupRow]:
    """The groups of other relays that events call so, those first that came first."""
    return rows_of_groups(connection, "called", ids)


def private_homes(connection: sqlite3.Connection) -> frozenset[str]:
    """The relays of which a private group is kept here."""
    return frozenset(home for (home,) in connection.execute(sql("private_homes")))


def groups_of_events(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
    """The number of the group of each of these events that belongs to one, or did when it was here."""
    found: dict[str, int] = {}
    for part in padded_parts([bytes.fromhex(one) for one in ids]):
        text = listed(sql("groups_of_events"), ("gone", len(part)), ("ids", len(part)))
        found.update(connection.execute(text, (*part, *part)).fetchall())
    return found


def groups_of_addresses(
    connection: sqlite3.Connection, addresses: Sequence[str], leaving: Container[str]
) -> dict[str, int]:
    """The number of the group of each address: of its live version (0 for none), or of the last one of a group that was here.

    Versions with the ids `leaving` count as gone.
    """
    names = {entries.address_key(address): address for address in addresses}
    found: dict[str, int] = {}
    for part in padded_parts(list(names)):
        text = listed(sql("groups_of_addresses"), ("gone", len(part)), ("keys", len(part)))
        for key, event_id, number in connection.execute(text, (*part, *part)):
            if event_id is None or event_id not in leaving:
                found[names[bytes.fromhex(key)]] = number
    return found


def ids_that_begin(connection: sqlite3.Connection, beginning: str, number: int) -> list[str]:
    """The events of a group whose ids begin with these hex digits."""
    ends = (bytes.fromhex(beginning.ljust(64, "0")), bytes.fromhex(beginning.ljust(64, "f")))
    return [one for (one,) in connection.execute(sql("begins_so"), (*ends, number))]


def moving_groups(connection: sqlite3.Connection) -> list[MovingGroup]:
    """The groups that are; mostly none."""
    found = connection.execute(sql("moving")).fetchall()
    return [
        MovingGroup(number, one, bool(private), bool(hidden), bool(ended), upto)
        for number, one, private, hidden, ended, upto in found
    ]


def every_group(connection: sqlite3.Connection) -> list[GroupRow]:
    """All groups, those of other relays too."""
    return [_row(row) for row in connection.execute(sql("group"))]


def every_member(connection: sqlite3.Connection) -> Iterator[tuple[str, Member]]:
    """Everybody who ever was a member, by relay.protocol.groups.state.member_key."""
    for key, *columns in connection.execute(sql("every_member")):
        yield key, member_of(*columns)


def every_invite(connection: sqlite3.Connection) -> Iterator[tuple[str, Invite]]:
    """All codes, by relay.protocol.groups.state.invite_key."""
    for key, *columns in connection.execute(sql("every_invite")):
        yield key, _invite(*columns)


def columns_of(group: Group) -> tuple[Any, ...]:
    """The values of COLUMNS."""
    return tuple(_stored(column, getattr(group, column)) for column in COLUMNS)


def member_of(standing: Any, roles: str, since: int) -> Member:
    """A member from its columns."""
    return Member(standing, () if roles == "[]" else msgspec.json.decode(roles, type=tuple[str, ...]), since)


def stored_roles(roles: Sequence[str]) -> str:
    """Roles as they are stored."""
    return msgspec.json.encode(roles).decode()


def _stored(column: str, value: Any) -> Any:
    if column in _JSON and value is not None:
        return msgspec.json.encode(value).decode()
    return int(value) if column in _BOOLS else value


def _row(row: tuple[Any, ...]) -> GroupRow:
    fields = dict(zip(COLUMNS, row[7:], strict=True))
    for column in _BOOLS:
        fields[column] = bool(fields[column])
    for column, type_ in _JSON.items():
        if fields[column] is not None:
            fields[column] = () if fields[column] == "[]" else msgspec.json.decode(fields[column], type=type_)
    number, members, owners, codes, moving, began, listing_due = row[:7]
    return GroupRow(number, members, owners, codes, moving, began, bool(listing_due), Group(**fields))


class SqliteGroupLookups:
    """storage.groups.GroupLookups over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def group(self, group_id: str) -> Group | None:
        """By id; none of another relay."""
        return None if is_replica(group_id) else next(iter(self.groups_named([group_id])), None)

    def called(self, ids: Sequence[str]) -> dict[str, Group]:
        """By the id that events name: this relay's group, else that of another relay which is served here."""
        some = list(dict.fromkeys(ids))[:MAX_ASKED]
        others = {
            row.group.wire_id: row.group for row in replicas_called(self._connection, some) if not row.group.apart
        }
        return others | {group.id: group for group in self.groups_named([one for one in some if not is_replica(one)])}

    def groups_named(self, ids: Sequence[str]) -> list[Group]:
        """Those with these ids."""
        some = list(dict.fromkeys(ids))[:MAX_ASKED]
        return [row.group for row in rows_of_groups(self._connection, "by_ids", some)]

    def groups(
        self,
        after: str = "",
        limit: int = 100,
        *,
        of_type: GroupType | None = None,
        parent: str | None = None,
        hidden: bool = False,
        replicas: bool = False,
    ) -> list[Group]:
        """The groups that have not ended, the newest first."""
        start = self._number(after) if after else _FIRST
        text = f"{sql('group')} {sql('newest_first')}"
        found = self._connection.execute(text, (start, hidden, of_type, parent, limit, replicas))
        return [_row(row).group for row in found]

    def groups_like(self, text: str, after: str = "", limit: int = 100) -> list[Group]:
        """Those with this text in their name or id, the newest first."""
        start = self._number(after) if after else _FIRST
        found = self._connection.execute(f"{sql('group')} {sql('like')}", (start, text.lower(), limit))
        return [_row(row).group for row in found]

    def communities(self, after: str = "", limit: int = 100, text: str = "", *, replicas: bool = False) -> list[Group]:
        """Groups that everybody reads and that take posts or hold some, the newest first."""
        start = self._number(after) if after else _FIRST
        values = (start, text.lower(), limit, replicas)
        found = self._connection.execute(f"{sql('group')} {sql('communities')}", values)
        return [_row(row).group for row in found]

    def is_taken(self, group_id: str) -> bool:
        """Whether a group has this id in any case."""
        return bool(self._connection.execute(sql("taken"), (group_id.lower(),)).fetchone()[0])

    def group_sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """How many members each of these groups has."""
        found: dict[str, int] = {}
        for part in padded_parts(list(dict.fromkeys(ids))[:MAX_ASKED]):
            found.update(self._connection.execute(listed(sql("sizes"), ("values", len(part))), part).fetchall())
        return found

    def authors_of(self, ids: Sequence[str]) -> dict[str, str]:
        """By which key each of these events is."""
        found: dict[str, str] = {}
        for part in padded_parts([bytes.fromhex(one) for one in ids if is_hex(one, 64)]):
            found.update(self._connection.execute(listed(sql("authors"), ("ids", len(part))), part).fetchall())
        return found

    def memberships(self, pubkeys: Sequence[str]) -> list[Membership]:
        """The groups that these keys are in."""
        found = []
        for part in padded_parts(list(dict.fromkeys(pubkeys))):
            text = listed(sql("memberships"), ("values", len(part)))
            for pubkey, group_id, *columns in self._connection.execute(text, part):
                member = member_of(*columns)
                found.append(Membership(pubkey, group_id, member, is_privileged(member)))
        return found

    def member(self, pubkey: str, group_id: str) -> Member | None:
        """How a key stands to a group."""
        number = self._number(group_id)
        text = listed(sql("members"), ("rows", 1), group="(?, ?)")
        row = self._connection.execute(text, (number, pubkey)).fetchone()
        gone = row is not None and self._connection.execute(sql("is_vanishing"), (pubkey,)).fetchone()[0]
        return None if row is None or gone else member_of(*row[2:])

    def members_of(self, group_id: str, after: str = "", limit: int = 100) -> list[tuple[str, Member]]:
        """The members, the newest first."""
        number = self._number(group_id)
        row = self._connection.execute(sql("since"), (number, after)).fetchone() if after else None
        place = (_FIRST, "") if row is None else (row[0], after)
        found = self._connection.execute(sql("members_of"), (number, *place, limit))
        return [(pubkey, member_of(*columns)) for pubkey, *columns in found]

    def admins_of(self, group_id: str, limit: int = 1000) -> list[tuple[str, Member]]:
        """The members with a role that may do more than others, the newest first."""
        found = self._connection.execute(sql("admins_of"), (self._number(group_id), limit))
        some = [(pubkey, member_of(*columns)) for pubkey, *columns in found]
        return [(pubkey, member) for pubkey, member in some if is_privileged(member)]

    def invites_of(self, group_id: str) -> list[tuple[str, Invite]]:
        """The codes of a group that are not revoked."""
        found = self._connection.execute(sql("invites_of"), (self._number(group_id), MAX_ASKED))
        return [(code_hash, _invite(*columns)) for code_hash, *columns in found]

    def _number(self, group_id: str) -> int:
        """0 where there is no such group."""
        row = self._connection.execute(sql("number"), (group_id,)).fetchone()
        return 0 if row is None else int(row[0])
