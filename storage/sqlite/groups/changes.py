"""What a transaction changes of groups: written at once, and entered into the facts that are there.

Who may read what a group ever held follows from its settings. Where those change, `moving` is set with them, and
`writing.groups.moving` enters the events anew, part by part.
"""

import sqlite3
from collections.abc import Callable, Container
from typing import Final

import msgspec
from msgspec.structs import replace

from relay.protocol.facts import Facts
from relay.protocol.groups.state import (
    OWNER,
    Group,
    GroupChange,
    Invite,
    Member,
    PutGroup,
    PutInvite,
    PutListing,
    PutMember,
    member_key,
    replica_id,
)
from storage.sqlite.groups import reads
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.groups.reads import (
    COLUMNS,
    GroupRow,
    columns_of,
    private_homes,
    replicas_called,
    sql,
    stored_roles,
)
from storage.sqlite.statements import listed

# The derived rows that follow a group or a member itself, beside its events.
TABLES: Final = {"organization": "organizations", "project": "projects", "thread": "threads"}
MEMBERS_TABLE: Final = "organization_members"


class GroupChanges:
    """The changes. `changed` tells followers of a primary row, `last_seq` is the log's number.

    `touched` takes the keys of derived rows that may follow, of those of `tables`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        known: KnownGroups,
        facts: Facts,
        *,
        changed: Callable[[str, str], None],
        touched: dict[str, set[str]],
        tables: Container[str],
        last_seq: Callable[[], int],
    ) -> None:
        self._connection = connection
        self.known = known
        self._facts = facts
        self._changed = changed
        self._touched = touched
        self._tables = tables
        self.last_seq = last_seq
        self.changed: dict[str, None] = {}  # groups of which something is to be told
        self.begun_to_move: dict[str, None] = {}

    def carry_out(self, change: GroupChange) -> None:
        """Do what a decision says."""
        match change:
            case PutGroup(group):
                self.put_group(group)
            case PutMember(group_id, pubkey, member):
                self.put_member(group_id, pubkey, member)
            case PutInvite(group_id, code_hash, invite):
                self.put_invite(group_id, code_hash, invite)
            case PutListing(group_id, pubkeys, since):
                self._put_listing(group_id, pubkeys, since)

    def put_group(self, group: Group) -> None:
        """The group is this from now on."""
        before, began = self.known.get(group.id), self.last_seq()
        if before is None and not group.home and self.known.any:
            self._set_others_apart(group)
        text = listed(sql("put_group"), ("values", len(COLUMNS) + 1))
        number = None if before is None else before.number
        cursor = self._connection.execute(text, (number, began, *columns_of(group)))
        if before is None:
            row = GroupRow(int(cursor.lastrowid or 0), 0, 0, 0, None, began, False, group)
            row = self._begin_to_move(row, began) if group.home and group.created_at else row
        else:
            row = msgspec.structs.replace(before, group=group)
            if _is_read_otherwise(before.group, group):
                row = self._begin_to_move(row, began)
            elif before.group.hidden != group.hidden:
                self.begun_to_move[group.id] = None
                row = row if row.moving is None else self._begin_to_move(row, began)
        self.known.put(row)
        self._changed("group", group.id)
        if group.home:
            self._follow_replica(group, before)
            return
        if before is not None and self._lost_its_parent(before.group, group):
            self.set_listing_due(row, True)
        else:
            self.changed[group.id] = None
        self._touch(TABLES[group.type], group.id)
        self._facts.groups[group.id] = group
        counted = int(not group.ended) - int(before is not None and not before.group.ended)
        for key in ("", group.creator):
            if key in self._facts.group_counts:
                self._facts.group_counts[key] += counted

    def _lost_its_parent(self, before: Group, after: Group) -> bool:
        """Whether all that is new is that its parent has ended, which may have hundreds like it."""
        if before.parent is None or after != replace(before, parent=None):
            return False
        above = self.known.get(before.parent)
        return above is not None and above.group.ended

    def _set_others_apart(self, group: Group) -> None:
        """A group of this relay takes the place of those of others that are called so."""
        for other in replicas_called(self._connection, [group.id]):
            if not other.group.apart:
                self.put_group(replace(other.group, apart=True))

    def _follow_replica(self, group: Group, before: GroupRow | None) -> None:
        """What is remembered of groups of other relays. Of those this relay tells nothing, and makes no rows."""
        facts = self._facts
        facts.replicas[group.id] = group
        facts.served.pop(group.wire_id, None)
        key = replica_id(group.home, "")
        if key in facts.group_counts:
            facts.group_counts[key] += int(not group.ended) - int(before is not None and not before.group.ended)
        if group.private is not (before is not None and before.group.private) or group.ended:
            self.known.private_homes = facts.private_homes = private_homes(self._connection)

    def _put_listing(self, group_id: str, pubkeys: tuple[str, ...], since: int) -> None:
        row, listed_ = self._row(group_id), msgspec.json.encode(pubkeys).decode()
        gone = self._connection.execute(sql("drop_other_members"), (row.number, listed_)).fetchall()
        come = self._connection.execute(sql("put_listed_members"), (row.number, listed_, since)).fetchall()
        for pubkeys_, member in ((gone, None), (come, Member("member", (), since))):
            for (pubkey,) in pubkeys_:
                key = member_key(pubkey, group_id)
                self.known.put_member(key, member)
                self._facts.members[key] = member
                self._changed("member", key)
        self._resize(msgspec.structs.replace(row, members=row.members + len(come) - len(gone)), row)

    def put_member(self, group_id: str, pubkey: str, member: Member | None) -> None:
        """The key stands so to the group from now on; None: as if it had never been heard of."""
        row, key = self._row(group_id), member_key(pubkey, group_id)
        before = self.known.members([key])[key]
        if member is None:
            self._connection.execute(sql("drop_member"), (row.number, pubkey))
        else:
            values = (row.number, pubkey, member.standing, stored_roles(member.roles), member.since)
            self._connection.execute(sql("put_member"), values)
        self.known.put_member(key, member)
        members = _is_in(member) - _is_in(before)
        owners = _is_owner(member) - _is_owner(before)
        self._resize(msgspec.structs.replace(row, members=row.members + members, owners=row.owners + owners), row)
        self._facts.members[key] = member
        self.changed[group_id] = None
        self._changed("member", key)
        self._touch(MEMBERS_TABLE, key)

    def put_invite(self, group_id: str, code_hash: str, invite: Invite | None) -> None:
        """The code is good for this from now on; None: as if there had never been one."""
        row = self._row(group_id)
        before = reads.invite(self._connection, code_hash, row.number)
        if invite is None:
            self._connection.execute(sql("drop_invite"), (code_hash, row.number))
        else:
            values = (code_hash, row.number, invite.by, invite.expires_at, invite.uses_left, invite.revoked)
            self._connection.execute(sql("put_invite"), values)
        codes = _is_open(invite) - _is_open(before)
        self._resize(msgspec.structs.replace(row, codes=row.codes + codes), row)
        self._facts.group_invites[f"{code_hash} {group_id}"] = invite
        known = self._facts.invite_groups.get(code_hash)
        if known is not None and group_id not in known:
            self._facts.invite_groups[code_hash] = (*known, group_id)

    def take_changed(self) -> list[str]:
        """The groups of which something is to be told."""
        changed = list(self.changed)
        self.changed.clear()
        return changed

    def listings_due(self) -> list[str]:
        """The groups of which something waits to be told."""
        return [group_id for (group_id,) in self._connection.execute(sql("listings_due"))]

    def set_listing_due(self, row: GroupRow, due: bool) -> None:
        """Whether something of the group waits to be told; a mark that a crash does not lose."""
        if due is not row.listing_due:
            self._connection.execute(sql("set_listing_due"), (due, row.number))
            self.known.put(msgspec.structs.replace(row, listing_due=due))
        self.known.unfinished = self.known.unfinished or due

    def set_sizes(self, group_id: str, members: int, owners: int, codes: int) -> None:
        """How many members, owners and codes the group has, as counting gives it."""
        row = self._row(group_id)
        self._resize(msgspec.structs.replace(row, members=members, owners=owners, codes=codes), row)

    def set_moving(self, row: GroupRow, upto: int | None) -> GroupRow:
        """Up to which number events may still be entered for others; None: all are right."""
        self._connection.execute(sql("set_moving"), (upto, row.number))
        self.known.unfinished = self.known.unfinished or upto is not None
        self.known.moving += int(upto is not None) - int(row.moving is not None)
        moved = msgspec.structs.replace(row, moving=upto)
        self.known.put(moved)
        return moved

    def _begin_to_move(self, row: GroupRow, upto: int) -> GroupRow:
        self.begun_to_move[row.group.id] = None
        return self.set_moving(row, upto)

    def _touch(self, table: str, key: str) -> None:
        if table in self._tables:
            self._touched.setdefault(table, set()).add(key)

    def _resize(self, row: GroupRow, before: GroupRow) -> None:
        if row != before:
            self._connection.execute(sql("set_sizes"), (row.members, row.owners, row.codes, row.number))
            self.known.put(row)
        facts, group_id = self._facts, row.group.id
        facts.owners[group_id], facts.member_counts[group_id] = row.owners, row.members
        facts.invite_counts[group_id] = row.codes

    def _row(self, group_id: str) -> GroupRow:
        row = self.known.get(group_id)
        if row is None:
            raise ValueError(f"there is no group {group_id}")
        return row


def _is_read_otherwise(before: Group, after: Group) -> bool:
    """Whether others may read now what the group holds. A replica tells of itself among that, and may have come after it."""
    changed = before.private != after.private or before.ended != after.ended or before.apart != after.apart
    is_known = bool(after.home) and not before.created_at and bool(after.created_at)
    return changed or is_known or (bool(after.home) and before.hidden != after.hidden)


def _is_in(member: Member | None) -> int:
    return int(member is not None and member.is_member)


def _is_owner(member: Member | None) -> int:
    return int(member is not None and member.is_member and OWNER in member.roles)


def _is_open(invite: Invite | None) -> int:
    return int(invite is not None and invite.is_open)
