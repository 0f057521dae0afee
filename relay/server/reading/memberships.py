"""Of which groups the keys of a front's clients are members, kept current by following the log.

What an audience calls them are names: `g:<id>` for every group of which the key is a member, `m:<id>` where it has a role with
privileges there. They are looked up when a client proves the key, and again when its place in a group changes, as soon as that
commit is applied: the database is then as new as the commit or newer, and what is newer will be told too.

A look-up is tried on the loop. One that takes longer goes to another thread; what is told of the key meanwhile makes it begin
again, so that nothing older than what was told is ever kept.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import intern
from typing import Final, Protocol

from relay.errors import internal
from relay.protocol.groups import state
from relay.protocol.session import Session
from relay.server.supervision import Faults, Tasks
from storage.base import PUBLIC, PrimaryTables, Readers
from storage.errors import StorageError
from storage.groups import GroupLookups, is_privileged

NAME: Final = "looking up groups"
AT_ONCE: Final = 200  # keys looked up at once after commits were missed
AGAIN: Final = 0.5  # seconds until another attempt where the database fails
_KEY: Final = 64  # characters of a pubkey

Known = Callable[[StorageError | None], None]  # called on the loop, with why it is not known if it is not

log = logging.getLogger("tidings.memberships")


class SessionHolder(Protocol):
    """A connection as those see it who decide what it may read."""

    session: Session

    def __hash__(self) -> int:
        """Each is one of its own."""


class Memberships:
    """Keeps `Session.readers` of all connections with a key. All methods are called on the loop.

    `less` is told of a connection that may not read any more what it could: under which names, and which of these are of groups
    that its owner left without being sent away.
    """

    def __init__(
        self,
        reader: PrimaryTables,
        faults: Faults,
        less: Callable[[SessionHolder, frozenset[str], frozenset[str]], None],
    ) -> None:
        self._reader = reader
        self._faults = faults
        self._tasks = Tasks(faults)
        self._less = less
        self._names: dict[str, frozenset[str]] = {}  # by key, once they are known
        self._connections: dict[str, dict[SessionHolder, None]] = {}  # by key that they have proven
        self._asked: dict[str, list[Known]] = {}  # keys that are being looked up on another thread
        self._changed: set[str] = set()  # of these, those that were told of meanwhile

    def __len__(self) -> int:
        """How many keys are followed."""
        return len(self._connections)

    def enter(self, connection: SessionHolder, pubkey: str, known: Known) -> None:
        """A connection has proven a key; `known` is called once its readers are complete, at once as a rule."""
        self._connections.setdefault(pubkey, {})[connection] = None
        if pubkey not in self._names and pubkey not in self._asked:
            found = self._reader.try_ask(lambda tables: names_of([pubkey], tables))
            if found is not None:
                self._names[pubkey] = found[pubkey]
        self._tell(connection)
        if pubkey in self._names:
            known(None)
        else:
            self._look_up(pubkey, known)

    def leave(self, connection: SessionHolder) -> None:
        """A connection is gone."""
        for pubkey in connection.session.keys:
            others = self._connections.get(pubkey, {})
            others.pop(connection, None)
            if not others:
                self._connections.pop(pubkey, None)
                self._names.pop(pubkey, None)

    def changed(self, places: Iterable[str]) -> None:
        """These places of keys in groups (relay.protocol.groups.state.member_key) are not what they were."""
        followed: dict[str, list[str]] = {}
        for place in places:
            pubkey, group_id = place[:_KEY], place[_KEY + 1 :]
            if pubkey in self._asked:
                self._changed.add(pubkey)
            elif pubkey in self._connections:
                followed.setdefault(pubkey, []).append(group_id)
        for pubkey, group_ids in followed.items():
            self._refresh(pubkey, group_ids)

    def forget(self, pubkey: str) -> None:
        """The key asked to vanish: it is in no group any more, whatever its places in them say until they follow."""
        if pubkey in self._asked:
            self._changed.add(pubkey)
        self._keep(pubkey, frozenset())

    def ended(self, group_id: str) -> None:
        """A group has no members any more."""
        names = _names_in(group_id, privileged=True)
        for pubkey, known in list(self._names.items()):
            if not known.isdisjoint(names):
                self._keep(pubkey, known - names)

    def try_begin_anew(self) -> bool:
        """As `begin_anew`, here where that takes but a moment; whether that was done."""
        self._changed.update(self._asked)
        keys = list(self._connections)
        found = self._reader.try_ask(_look_up_of(keys)) if 0 < len(keys) <= AT_ONCE else None
        for pubkey, names in (found or {}).items():
            self._keep(pubkey, names)
        return found is not None or not keys

    async def begin_anew(self) -> None:
        """Something may not have been told: look up all that is kept. Raises StorageError."""
        keys = list(self._connections)
        self._changed.update(self._asked)
        for at in range(0, len(keys), AT_ONCE):
            part = keys[at : at + AT_ONCE]
            for pubkey, names in (await self._reader.ask(_look_up_of(part))).items():
                self._keep(pubkey, names)

    async def close(self) -> None:
        """Look nothing up any more."""
        await self._tasks.close()

    def _refresh(self, pubkey: str, group_ids: Sequence[str]) -> None:
        names, left = set(self._names[pubkey]), set[str]()
        try:
            places = self._reader.ask_here(lambda tables: [(one, tables.member(pubkey, one)) for one in group_ids])
            for group_id, member in places:
                names -= _names_in(group_id, privileged=True)
                if member is not None and member.is_member:
                    names |= _names_in(group_id, is_privileged(member))
                elif member is not None and member.standing == "left":
                    left |= _names_in(group_id, privileged=True)
            self._keep(pubkey, frozenset(names), frozenset(left))
        except Exception as error:  # whatever it is, who may have been sent away reads nothing on
            self._failed(error)
            self._names.pop(pubkey, None)
            self._tell_all(pubkey)
            self._look_up(pubkey)

    def _look_up(self, pubkey: str, known: Known | None = None) -> None:
        """Look a key up on another thread."""
        begun = pubkey in self._asked
        waiting = self._asked.setdefault(pubkey, [])
        if known is not None:
            waiting.append(known)
        if not begun:
            self._tasks.start(self._ask(pubkey), NAME)

    async def _ask(self, pubkey: str) -> None:
        while pubkey in self._connections:
            self._changed.discard(pubkey)
            try:
                found = await self._reader.ask(_look_up_of([pubkey]))
            except Exception as error:  # ended here, whoever proves this key would wait for ever
                self._answer(pubkey, self._failed(error))
                await asyncio.sleep(AGAIN)
                continue
            if pubkey not in self._changed:
                self._keep(pubkey, found[pubkey])
                break
        self._answer(pubkey, None)
        del self._asked[pubkey]
        self._changed.discard(pubkey)

    def _failed(self, error: Exception) -> StorageError:
        """Have it told that a look-up failed; what those who wait are told."""
        if isinstance(error, StorageError):
            log.error("the groups of a key could not be read: %s", error)
            return error
        self._faults.report(NAME, error)
        return StorageError(internal(error).message)

    def _answer(self, pubkey: str, error: StorageError | None) -> None:
        waiting, self._asked[pubkey] = self._asked[pubkey], []
        for known in waiting:
            known(error)

    def _keep(self, pubkey: str, names: frozenset[str], left: frozenset[str] = frozenset()) -> None:
        if pubkey in self._connections:
            self._names[pubkey] = names
            self._tell_all(pubkey, left)

    def _tell_all(self, pubkey: str, left: frozenset[str] = frozenset()) -> None:
        for connection in list(self._connections[pubkey]):
            self._tell(connection, left)

    def _tell(self, connection: SessionHolder, left: frozenset[str] = frozenset()) -> None:
        """Have the session know its readers, as far as they are known."""
        session = connection.session
        known = [self._names[pubkey] for pubkey in session.keys if pubkey in self._names]
        gone = session.read_as(session.keys.union(*known), complete=len(known) == len(session.keys))
        if gone:
            self._less(connection, gone, gone & left)


def names_of(pubkeys: Sequence[str], tables: GroupLookups) -> Mapping[str, frozenset[str]]:
    """By key, what audiences call the groups it is in."""
    found: dict[str, set[str]] = {pubkey: set() for pubkey in pubkeys}
    for pubkey, group_id, _, privileged in tables.memberships(pubkeys):
        found[pubkey] |= _names_in(group_id, privileged)
    return {pubkey: frozenset(names) for pubkey, names in found.items()}


def _names_in(group_id: str, privileged: bool) -> set[str]:
    """What audiences call a member of this group; interned, since many keys are in the same groups."""
    members = intern(state.members(group_id))
    return {members, intern(state.moderators(group_id))} if privileged else {members}


def readers_of(pubkeys: frozenset[str], tables: GroupLookups) -> Readers:
    """The names under which these keys read together."""
    return pubkeys.union(*names_of(sorted(pubkeys), tables).values()) if pubkeys else PUBLIC


def _look_up_of(pubkeys: Sequence[str]) -> Callable[[GroupLookups], Mapping[str, frozenset[str]]]:
    return lambda tables: names_of(pubkeys, tables)
