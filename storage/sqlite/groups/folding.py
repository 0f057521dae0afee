"""The state of groups made again from the log: the fold of their moderation events (relay.protocol.groups.fold), in parts.

A change in one group may change another (its parent, its children), so the events of all groups are folded in the order of the
log. What was folded so far is held in memory between the parts, and events that come meanwhile are folded with the last one; so
then it is what the tables must say, in the transaction that compares them. How a group is numbered, and from where on events
count for it, is given out once and not made again.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, TypeVar

import msgspec

from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts
from relay.protocol.groups import succession
from relay.protocol.groups.fold import fold
from relay.protocol.groups.state import (
    OWNER,
    Group,
    Invite,
    Member,
    PutGroup,
    PutInvite,
    PutMember,
    invite_key,
    member_key,
)
from storage.sqlite import entries, log_rows
from storage.sqlite.groups.changes import GroupChanges
from storage.sqlite.groups.reads import every_group, every_invite, every_member, sql
from storage.sqlite.log_rows import AT_ONCE
from storage.sqlite.statements import listed

KINDS: Final = tuple(sorted(succession.KINDS))  # those that change something
_ARMS: Final = (entries.ALL, entries.OPERATOR_PREFIX + entries.ALL)
_KEY: Final = 64  # characters of a pubkey or a hash, before the id of the group

V = TypeVar("V")
Mend = Callable[[GroupChanges], None]


class _Folded(dict[str, V | None]):
    """What is not here is None."""

    def __missing__(self, key: str) -> None:
        return None


class FoldHolder:
    """Where what was folded is held between two parts."""

    def __init__(self) -> None:
        self.folded: FoldedGroups | None = None


class FoldedGroups:
    """The state after the events up to `position`, a number of the log."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: list[int] = []
        self._relays: dict[str, str] = {}  # whose key began each group: what that says of requests counts
        self._groups: _Folded[Group] = _Folded()
        self._members: _Folded[Member] = _Folded()
        self._invites: _Folded[Invite] = _Folded()
        self._facts = Facts(groups=self._groups, members=self._members, group_invites=self._invites)
        self.position = 0

    def advance(self) -> int:
        """Fold the next events; how many, 0 when there are no more."""
        if not self._waiting:
            text = listed(sql("moderation_after"), ("kinds", len(KINDS)))
            joined = self._connection.execute(text, (*_ARMS, *KINDS, self.position)).fetchone()[0]
            self._waiting = sorted((int(seq) for seq in joined.split(",")), reverse=True) if joined else []
        part = [self._waiting.pop() for _ in range(min(AT_ONCE, len(self._waiting)))]
        for row in sorted(log_rows.of_seqs(self._connection, part), key=lambda row: row.seq):
            self._fold(row.event)
        if part:
            self.position = part[-1]
        return len(part)

    def wrong(self) -> Iterator[tuple[str, Mend]]:
        """What the tables say otherwise, for a person, and what mends it."""
        rows = {row.group.id: row for row in every_group(self._connection) if not row.group.home}
        for group_id, folded in self._groups.items():
            row = rows.get(group_id)
            group = folded if folded is None or row is None else _as_closed(folded, row.group)
            if group is not None and (row is None or row.group != group):
                yield group_id, partial(_put_group, group=group)
        for key, member in _differing(self._members, every_member(self._connection), self._is_kept):
            yield key, partial(_put_member, key=key, member=member)
        for key, invite in _differing(self._invites, every_invite(self._connection), self._is_kept):
            yield key, partial(_put_invite, key=key, invite=invite)
        for group_id, sizes in self._sizes(self._members.items(), self._invites.items()).items():
            row = rows.get(group_id)
            if row is not None and not row.group.ended and (row.members, row.owners, row.codes) != tuple(sizes):
                yield group_id, _nothing
        yield from ((group_id, _nothing) for group_id in rows if self._groups[group_id] is None)

    def _is_kept(self, key: str) -> bool:
        """Of an ended group: what told of who was in it may have gone with somebody who vanished, and nothing took its place."""
        group = self._groups[key[_KEY + 1 :]]
        return group is not None and group.ended

    def mend(self, changes: GroupChanges) -> None:
        """Write what the tables say otherwise."""
        for _, mend in list(self.wrong()):
            mend(changes)
        # Those of ended groups too.
        stored = self._sizes(every_member(self._connection), every_invite(self._connection))
        for group_id, (members, owners, codes) in stored.items():
            changes.set_sizes(group_id, members, owners, codes)

    def _sizes(
        self, members: Iterable[tuple[str, Member | None]], invites: Iterable[tuple[str, Invite | None]]
    ) -> dict[str, list[int]]:
        """How many of these members, owners and codes each group has."""
        found = {group_id: [0, 0, 0] for group_id, group in self._groups.items() if group is not None}
        for key, member in members:
            sizes = found.get(key[_KEY + 1 :])
            if sizes is not None and member is not None and member.is_member:
                sizes[0] += 1
                sizes[1] += OWNER in member.roles
        for key, invite in invites:
            sizes = found.get(key[_KEY + 1 :])
            if sizes is not None:
                sizes[2] += invite is not None and invite.is_open
        return found

    def _fold(self, event: Event) -> None:
        group_id = first_value(event, "h") or ""
        relay = self._relays.setdefault(group_id, event.pubkey)
        self._facts.relay = relay
        for change in fold(event, self._facts):
            match change:
                case PutGroup(group):
                    self._groups[group.id] = group
                case PutMember(name, pubkey, member):
                    self._members[member_key(pubkey, name)] = member
                case PutInvite(name, code_hash, invite):
                    self._invites[invite_key(code_hash, name)] = invite
        if self._groups[group_id] is None:
            del self._relays[group_id]


def _as_closed(group: Group, stored: Group) -> Group:
    """A group that has ended stays as closed as it is: what said so may have gone with somebody who vanished."""
    if not (group.ended and stored.ended):
        return group
    private, hidden = group.private or stored.private, group.hidden or stored.hidden
    return msgspec.structs.replace(group, private=private, hidden=hidden)


def _differing(
    folded: _Folded[V], stored: Iterable[tuple[str, V]], is_kept: Callable[[str], bool]
) -> Iterator[tuple[str, V | None]]:
    """The keys under which something else is stored that is not kept, each with what should be; None for nothing."""
    seen = set()
    for key, value in stored:
        seen.add(key)
        if folded[key] != value and not is_kept(key):
            yield key, folded[key]
    yield from ((key, value) for key, value in folded.items() if value is not None and key not in seen)


def _put_group(changes: GroupChanges, group: Group) -> None:
    changes.put_group(group)


def _put_member(changes: GroupChanges, key: str, member: Member | None) -> None:
    changes.put_member(key[_KEY + 1 :], key[:_KEY], member)


def _put_invite(changes: GroupChanges, key: str, invite: Invite | None) -> None:
    changes.put_invite(key[_KEY + 1 :], key[:_KEY], invite)


def _nothing(_changes: GroupChanges) -> None:
    """Numbers are written after everything else; what nothing in the log begins is left alone."""
