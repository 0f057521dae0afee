"""What the relay tells of groups by its own key (39000-39003, 39005), in the transaction that changes them.

Rule: a group has one live announcement of each kind, with the tags that its state gives and for those who may read them now; one
is said again only where that differs, and each lies after the one before, however fast they follow. The list of members of a
large group is told at most once a second, and that a group stands under none any more since that has ended a few groups at a time:
until then a mark in the tables says that it is due, which a crash does not lose.
"""

import enum
from collections.abc import Callable
from typing import Final

from relay.protocol import kinds, membership
from relay.protocol.event import Draft
from relay.protocol.groups import announce, belonging
from storage.groups import GroupLookups
from storage.sqlite.groups.reads import GroupRow
from storage.sqlite.log_rows import Audience, LogRow
from storage.sqlite.writing.transaction import Transaction

AT_ONCE: Final = 16  # groups that waited and are told of in one transaction
LARGE: Final = announce.MOST_LISTED  # members above which the list may wait

Store = Callable[[Draft, Audience, int], None]  # sign and store it for these, at `now`


class Due(enum.Enum):
    """When what waits to be told is."""

    NEVER = "nothing waits"
    NOW = "there is more"
    SOON = "in a second"


class Announcements:
    """Those of one transaction, by the relay's own key."""

    def __init__(self, transaction: Transaction, tables: GroupLookups, pubkey: str, store: Store) -> None:
        self._transaction = transaction
        self._tables = tables
        self._pubkey = pubkey
        self._store = store

    def follow(self, now: int) -> None:
        """Announce what the transaction has changed."""
        for group_id in self._transaction.groups.take_changed():
            self._announce(group_id, now)

    def go_on(self, now: int) -> Due:
        """Announce the first of the groups that wait and whose time has come; when others are to be."""
        waiting, said = self._transaction.groups.listings_due(), 0
        for group_id in waiting:
            if said == AT_ONCE:
                return Due.NOW
            said += self._announce(group_id, now)
        return Due.NEVER if said == len(waiting) else Due.SOON

    def _announce(self, group_id: str, now: int) -> bool:
        """Say what is to be said of a group; whether that was all of it."""
        row = self._transaction.known.get(group_id)
        assert row is not None
        addresses = {kind: kinds.address(kind, self._pubkey, group_id) for kind in announce.ANNOUNCED}
        versions = self._transaction.require(*(("closed", address) for address in addresses.values())).versions
        done = True
        for kind, address in addresses.items():
            version = versions[address]
            present = None if version is None else self._transaction.row(version.id)
            if row.group.ended:
                if present is not None:
                    self._transaction.take_row(present)
            else:
                done = self._say(kind, row, present, now) and done
        self._transaction.groups.set_listing_due(row, not done)
        return done

    def _say(self, kind: int, row: GroupRow, present: LogRow | None, now: int) -> bool:
        """Say it, if it says something new; False where that has to wait."""
        ahead = 0 if kind == announce.MEMBERS and row.members > LARGE else membership.MOST_AHEAD
        created_at = membership.next_at(None if present is None else present.event.created_at, now, ahead)
        if created_at is None:
            return False
        members = []
        if kind == announce.MEMBERS:
            members = self._tables.members_of(row.group.id, limit=announce.MOST_LISTED)
        elif kind == announce.ADMINS:
            members = self._tables.admins_of(row.group.id, limit=announce.MOST_LISTED)
        draft = announce.draft(kind, row.group, members, created_at)
        audience = belonging.told(kind, row.group)
        if present is None or present.event.tags != draft.tags or present.audience != audience:
            if present is not None:
                self._transaction.take_row(present)
            self._store(draft, audience, now)
        return True
