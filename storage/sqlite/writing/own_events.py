"""What the relay itself says in a transaction: what an admitted event or a command emits, the list of members, and what groups
are (`groups.announcing`).

Rule: it is stored in the transaction of what it tells of, so that no crash comes between; and a list follows every change of
members, but for one that came so fast that the list would lie in the future: that one waits for a later transaction.
"""

from collections.abc import Callable, Iterable

from relay.protocol import event as events
from relay.protocol import kinds, membership
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event
from relay.protocol.groups import belonging
from storage.base import Incoming, RelaySigner
from storage.identities.types import Lookups
from storage.sqlite.log_rows import Audience
from storage.sqlite.writing.groups.announcing import Announcements, Due
from storage.sqlite.writing.transaction import Transaction


class OwnEvents:
    """Signs with `signer`; without one nothing is said. `next_seq` gives out the numbers of the log."""

    def __init__(self, tables: Lookups, next_seq: Callable[[], int]) -> None:
        self._tables = tables
        self._next_seq = next_seq
        self.signer: RelaySigner | None = None
        self._most = 0  # members that the list names; 0 is no list
        self._is_due = False  # whether the list may not be what it should be

    def list_at_most(self, members: int) -> None:
        """From now on so many members are listed, none where 0."""
        self._most, self._is_due = members, True

    def say(self, transaction: Transaction, drafts: Iterable[Draft], now: int) -> None:
        """Store these drafts as events of the relay's own key."""
        for draft in drafts:
            self._is_due = self._is_due or draft.kind in membership.CHANGES
            if self.signer is not None:
                self._store(transaction, self.signer, draft, now)

    def finish(self, transaction: Transaction, now: int) -> None:
        """Say what remains to be said at the end of a transaction."""
        self.say(transaction, transaction.drafts, now)
        if transaction.touches_groups and transaction.groups.changed and self.signer is not None:
            self._announcements(transaction, self.signer).follow(now)
        if self._is_due and self._most and self.signer is not None:
            self._list_members(transaction, self.signer, now)

    def announce_due(self, transaction: Transaction, now: int) -> Due:
        """Announce some of the groups of which something waits; when more is due."""
        return Due.NEVER if self.signer is None else self._announcements(transaction, self.signer).go_on(now)

    def _announcements(self, transaction: Transaction, signer: RelaySigner) -> Announcements:
        def store(draft: Draft, audience: Audience, now: int) -> None:
            self._put(transaction, signer.sign(draft), now, audience, None)

        return Announcements(transaction, self._tables, signer.pubkey, store)

    def forget(self) -> None:
        """What was said was rolled back."""
        self._is_due = True

    def _store(self, transaction: Transaction, signer: RelaySigner, draft: Draft, now: int) -> None:
        event = signer.sign(draft)
        if transaction.holds(event.id):
            return  # a key that came, left and came again within a second
        address = events.address_of(event)
        if address is not None:
            present = transaction.require(("closed", address)).versions[address]
            if present is not None:
                transaction.take(present.id)
        group_id = events.first_value(event, "h") if transaction.known.any else None
        group = None if group_id is None else transaction.known.get(group_id)
        if group is None:
            self._put(transaction, event, now, None, None)
        else:
            self._put(transaction, event, now, belonging.audience(event, group.group), group_id)

    def _put(self, transaction: Transaction, event: Event, now: int, audience: Audience, group_id: str | None) -> None:
        incoming = Incoming(event, events.wire(event), Door.HTTP, now)
        transaction.put(incoming, self._next_seq(), audience, None, group_id)

    def _list_members(self, transaction: Transaction, signer: RelaySigner, now: int) -> None:
        address = kinds.address(kinds.MEMBERS, signer.pubkey, "")
        version = transaction.require(("closed", address)).versions[address]
        created_at = membership.next_at(None if version is None else version.created_at, now)
        if created_at is None:
            return
        present = None if version is None else transaction.require(("events", version.id)).events[version.id]
        draft = membership.listing(self._tables.members(self._most), created_at)
        if len(draft.tags) > 1 if present is None else present.tags != draft.tags:
            self._store(transaction, signer, draft, now)
        self._is_due = False
