"""Who may read what at this front: under which names a question is answered, and which questions are refused.

A question that names a private group (`#h`) of which nobody who asks is a member is refused, not answered with nothing: clients
take silence for an empty group. But of a group that is hidden too it is told the same as of one that is not here. Broad questions
leave private groups out.

As followers of the log: `before` a commit's events are delivered its changes hold, so that who has joined gets them and who was
removed does not; `after` that, what cannot bring anything any more is closed, so that a client that was removed from a group has
heard of it first. Who leaves by themselves is told nothing: clients keep a refusal in mind, also when they join again. A group that
ends is told of to its members, who then are none.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol, cast

from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.filter import Filter
from relay.protocol.groups import state
from relay.protocol.groups.announce import MEMBERS, PINS
from relay.protocol.groups.belonging import CREATE_INVITE, JOIN_REQUEST, LEAVE_REQUEST, PUT_USER, REMOVE_USER
from relay.protocol.groups.state import Group
from relay.protocol.session import Session
from relay.server.events.fanout import LiveSubscription
from relay.server.events.follow import Applied
from relay.server.reading.memberships import Known, Memberships, SessionHolder, readers_of
from relay.server.reading.private_groups import PrivateGroups, Shown, existing, named, private
from relay.server.supervision import Faults
from storage.base import PrimaryTables, Readers
from storage.errors import StorageError
from storage.groups import GroupLookups
from storage.identities.types import Lookups

SHOWN: Final = 64  # characters of a group's id in a refusal
# What a group tells of one key (NIP-29), by the tag or the field that names the key: put in or taken out, asked to come or go.
ABOUT: Final = frozenset((PUT_USER, REMOVE_USER))
BY: Final = frozenset((JOIN_REQUEST, LEAVE_REQUEST))
CODES: Final = frozenset((CREATE_INVITE,))
# Made for who may invite, which is asked of each question (`group_invites`).
INVITES: Final = frozenset((kinds.INVITE,))
DESCRIPTIONS: Final = frozenset(kinds.GROUPS)
LISTS: Final = frozenset((MEMBERS, PINS))  # those that a private group tells its members only
_NOT_HERE: Final = Shown(private=True, hidden=True)

Mark = tuple[int, int]


class ClosableConnection(SessionHolder, Protocol):
    """A connection of which something may have to be closed."""

    def end(self, subscription: LiveSubscription, reason: Reject) -> None:
        """Close a subscription and say why."""

    def end_comparison(self, name: str, reason: Reject) -> None:
        """Close a comparison and say why."""

    def flush(self) -> None:
        """Write what is queued."""


class ReadAccess:
    """One of a front. All methods are called on the loop.

    `is_current`: whether all that was committed is applied here; what is kept is good only then.
    """

    def __init__(self, reader: PrimaryTables, is_current: Callable[[], bool], faults: Faults) -> None:
        self._reader = reader
        self._is_current = is_current
        self._groups: PrivateGroups[LiveSubscription] = PrivateGroups(reader, is_current)
        self._memberships = Memberships(reader, faults, self._lost)
        self._shrunk: dict[ClosableConnection, frozenset[str]] = {}  # who may read less, and what went of the readers
        self._delivering = False  # the events of a commit: who may read less is told afterwards
        self._closed: list[str] = []  # groups that were made private or have ended
        self._closings = 0

    # connections

    def enter(self, connection: ClosableConnection, pubkey: str, known: Known) -> None:
        """A connection has proven a key; see `Memberships.enter`."""
        self._memberships.enter(connection, pubkey, known)

    def leave(self, connection: ClosableConnection) -> None:
        """A connection is gone."""
        self._memberships.leave(connection)
        self._shrunk.pop(connection, None)

    def opened(self, subscription: LiveSubscription) -> None:
        """A subscription is open."""
        self._groups.add(subscription, subscription.filters)

    def closed(self, subscription: LiveSubscription) -> None:
        """A subscription is closed."""
        self._groups.remove(subscription, subscription.filters)

    # questions

    def try_readers(self, session: Session, filters: Sequence[Filter]) -> Readers | None:
        """Under which names to answer; None where that must be looked up (`readers`). Raises Reject.

        Where more could be told to somebody known, a challenge is due before the answer (`Session.challenge_due`).
        """
        if session.keys and not (session.complete and self._is_current()):
            return None
        for wanted in filters:  # most questions are about no group, and each is looked at
            if wanted.tags and ("h" in wanted.tags or "d" in wanted.tags):
                break
        else:
            return session.readers
        _check_codes(filters, session)
        asked = _asked(filters, session)
        if asked is None:
            return session.readers
        needed = (*_outside(asked.refusable, session.readers), *asked.described)
        groups = self._groups.look(needed) if needed else {}
        if groups is None:
            return None
        _judge(asked, session, session.readers, groups)
        return session.readers

    async def readers(self, session: Session, filters: Sequence[Filter]) -> Readers:
        """As `try_readers`, in any case. Raises StorageError too."""
        found = self.try_readers(session, filters)
        if found is not None:
            return found
        keys, asked = session.keys, _asked(filters, session)

        def look_up(tables: GroupLookups) -> tuple[Readers, dict[str, Shown]]:
            groups = () if asked is None else (*asked.refusable, *asked.described)
            return readers_of(keys, tables), existing(groups, tables)

        readers, groups = await self._reader.ask(look_up)
        if asked is not None:
            _judge(asked, session, readers, groups)
        return readers

    async def readers_of_identity(self, identity_id: str) -> Readers:
        """Under which names a posting identity reads, as the database has it now: by its bound keys. Raises StorageError."""

        def look_up(tables: Lookups) -> Readers:
            keys = frozenset(key.pubkey for key in tables.keys(identity_id) if key.revoked_at is None)
            return readers_of(keys, tables)

        return await self._reader.ask(look_up)

    def mark(self, session: Session) -> Mark:
        """Another one than before where something that the session could read may be closed to it now."""
        return session.closings, self._closings

    # the log

    def before(self, applied: Applied) -> None:
        """A commit was applied, and its events are not delivered yet."""
        self._delivering = True
        if applied.anew:
            self._groups.forget()
            self._closings += 1
        if not applied.changes:
            return
        self._memberships.changed(dict.fromkeys(key for kind, key in applied.changes if kind == "member"))
        for pubkey in [key for kind, key in applied.changes if kind == "vanishing"]:
            self._memberships.forget(pubkey)
        for group_id in dict.fromkeys(key for kind, key in applied.changes if kind == "group"):
            if self._groups.closes(state.wire_id(group_id)):
                self._closings += 1
                self._closed.append(group_id)

    def after(self, _applied: Applied) -> None:
        """The events of a commit were delivered."""
        self._delivering = False
        if self._closed or self._shrunk:
            closed, self._closed = self._closed, []
            for group in self._reader.ask_here(_look_up_groups(closed)):
                if group.ended:
                    self._memberships.ended(group.id)
            self._end(closed)

    def try_begin_anew(self) -> bool:
        """As `begin_anew`, at once where that takes but a moment; whether that was done."""
        try:
            done = self._memberships.try_begin_anew()
            if done:
                self._end(self._groups.all_named())
        except StorageError:
            return False
        return done

    async def begin_anew(self) -> None:
        """Commits were missed: look up all that is kept, before any event is delivered. Raises StorageError."""
        await self._memberships.begin_anew()
        self._end(self._groups.all_named())

    async def close(self) -> None:
        """Look nothing up any more."""
        await self._memberships.close()

    def _lost(self, connection: SessionHolder, gone: frozenset[str], left: frozenset[str]) -> None:
        """What somebody left stays open: nothing comes there, until they join again."""
        one = cast(ClosableConnection, connection)
        self._shrunk[one] = self._shrunk.get(one, frozenset()) | (gone - left)
        if not self._delivering:
            self._end([])
            one.flush()

    def _end(self, closed: Sequence[str]) -> None:
        """Close what cannot bring anything any more: in groups that were closed, and of connections that may read less."""
        shrunk, self._shrunk = self._shrunk, {}
        considered = dict.fromkeys(self._groups.naming(map(state.wire_id, closed)))
        for connection, gone in shrunk.items():
            naming = self._groups.naming([state.wire_id(name[2:]) for name in gone])
            considered.update(
                dict.fromkeys(one for one in naming if cast(ClosableConnection, one.connection) is connection)
            )
            for name in list(connection.session.comparisons):
                connection.end_comparison(
                    name, Reject(Prefix.CLOSED, "what you may read here has changed; begin again")
                )
        if considered:
            groups = frozenset().union(*(named(one.filters) for one in considered))
            shut = private(self._reader.ask_here(_look_up_existing(sorted(groups))))
            for subscription in considered:
                _end_closed(subscription, shut)


def _end_closed(subscription: LiveSubscription, closed_groups: dict[str, Shown]) -> None:
    """End a subscription all of whose filters name only groups that are closed to it."""
    connection = cast(ClosableConnection, subscription.connection)
    session, closed = connection.session, frozenset[str]()
    for wanted in subscription.filters:
        groups = wanted.tags.get("h")
        if groups is None or is_about(wanted, session.keys) or wanted.kinds == INVITES:
            return
        shut = {one for one in groups if one in closed_groups and closed_groups[one].members not in session.readers}
        if len(shut) < len(groups):
            return
        closed |= shut
    connection.end(subscription, _refusal(session.keys, sorted(closed)))


def is_about(wanted: Filter, keys: frozenset[str]) -> bool:
    """Whether a filter asks how one of these keys stands to a group, which it may know of any group."""
    if wanted.kinds is None or not keys:
        return False
    if wanted.kinds <= ABOUT:
        return bool(wanted.tags.get("p", frozenset()) & keys)
    return wanted.kinds <= BY and wanted.authors is not None and bool(wanted.authors & keys)


class _NamedGroups(NamedTuple):
    """The groups of a question: those that must be open to whoever asks (`#h`), and those about which somebody unknown asks what
    they are (`#d`); `listed`: nothing but who is in them, or what is pinned there.
    """

    refusable: frozenset[str]
    described: frozenset[str]
    listed: frozenset[str]


def _check_codes(filters: Sequence[Filter], session: Session) -> None:
    """Raises Reject for a question for nothing but invite codes by somebody unknown: they are for who may invite, in any group."""
    if not session.keys and all(wanted.kinds == CODES and "h" in wanted.tags for wanted in filters):
        raise Reject(Prefix.AUTH_REQUIRED, "invite codes are for those who may invite: authenticate first (NIP-42)")


def _asked(filters: Sequence[Filter], session: Session) -> _NamedGroups | None:
    """None for a question about no group, as most are."""
    refusable = named([wanted for wanted in filters if not is_about(wanted, session.keys)])
    described = listed = frozenset[str]()
    if not session.keys:
        about = [wanted for wanted in filters if "d" in wanted.tags and wanted.kinds and wanted.kinds <= DESCRIPTIONS]
        described = frozenset().union(*(wanted.tags["d"] for wanted in about)) if about else described
        listed = frozenset().union(*(wanted.tags["d"] for wanted in about if (wanted.kinds or LISTS) <= LISTS))
    if not refusable and not described:
        return None
    return _NamedGroups(refusable, described, listed)


def _judge(asked: _NamedGroups, session: Session, readers: Readers, groups: dict[str, Shown]) -> None:
    """Refuse what may not be asked, and have a challenge made due where a key could find more. Raises Reject.

    One who is not known is told the same of a hidden group as of one that is not here.
    """
    outside = {one: groups.get(one) or _NOT_HERE for one in _outside(asked.refusable, readers)}
    closed = [
        group_id
        for group_id, shown in outside.items()
        if shown.private and not shown.hidden and shown.members not in readers
    ]
    if closed:
        raise _refusal(session.keys, closed)
    if not session.keys and any(shown.hidden for shown in outside.values()):
        session.need_challenge()
    secret = [one for one in asked.described if any((groups.get(one) or _NOT_HERE)[:2])]
    if not asked.listed.isdisjoint(secret):
        raise Reject(Prefix.AUTH_REQUIRED, "who is in a group may be for its members only: authenticate first (NIP-42)")
    if secret:
        session.need_challenge()


def _outside(groups: Iterable[str], readers: Readers) -> list[str]:
    """Those of these groups of which nobody among the readers is a member."""
    return [group_id for group_id in groups if state.members(group_id) not in readers]


def _refusal(keys: frozenset[str], closed: Sequence[str]) -> Reject:
    shown = min(closed)[:SHOWN]
    if not keys:
        return Reject(Prefix.AUTH_REQUIRED, f"the group {shown} is for its members: authenticate first (NIP-42)")
    return Reject(Prefix.RESTRICTED, f"the group {shown} is for its members, and you are none")


def _look_up_groups(group_ids: Sequence[str]) -> Callable[[GroupLookups], list[Group]]:
    return lambda tables: tables.groups_named(group_ids)


def _look_up_existing(group_ids: Sequence[str]) -> Callable[[GroupLookups], dict[str, Shown]]:
    return lambda tables: existing(group_ids, tables)
