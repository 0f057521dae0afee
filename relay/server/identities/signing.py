"""What the relay signs for others with the keys it holds, and what it changes about those keys.

Rule: while the master secret is rotated nobody seals or opens; so every use of it goes through `Signing`.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from keys import vault as vaults
from keys.custody import AFTER_RETIREMENT, SIGNED, Custody, CustodyError, salted, unsigned
from keys.vault import Vault, VaultError
from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.event import Draft, Event
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter
from relay.server.events.follow import Applied
from relay.server.events.ingest import Ingest
from relay.server.settings import Settings
from storage.base import PUBLIC, Log, PrimaryTables
from storage.errors import StorageError
from storage.identities.commands import HoldUserKey, RotateSecret
from storage.identities.types import Held, Lookups

EXPORTS: Final = 1  # at a time, since each takes 64 MiB
MAX_EXPORTS: Final = 16  # under way or waiting
MIN_PASSWORD: Final = 8  # characters of an export's password
# What they point at is here. Not those of which the place of the hint has another meaning (9000: roles, 1984: what is reported).
HINTED: Final = frozenset(
    (kinds.POST, kinds.REACTION, kinds.EDIT, kinds.COMMENT, kinds.CHAT, kinds.ISSUE, *kinds.ISSUE_STATUSES)
)
_POINTERS: Final = frozenset(("e", "a", "q", "E", "A"))
_PEOPLE: Final = frozenset(("p", "P"))  # who wrote what is pointed at, but for the kinds that name anybody:
_NAMING: Final = frozenset((kinds.POST, kinds.CHAT, kinds.ISSUE))


class NoCustody(Exception):
    """The relay does not hold the key that must sign; `event` is what its owner is to sign and publish. Its `sig` is empty."""

    def __init__(self, event: Event) -> None:
        super().__init__("the relay does not hold this key: sign the event and publish it")
        self.event = event


class Signing:
    """The relay's own key and those it holds. All methods are called on the loop."""

    def __init__(self, vault: Vault, log: Log, tables: PrimaryTables, ingest: Ingest, settings: Settings) -> None:
        self._log = log
        self._tables = tables
        self._ingest = ingest
        self._settings = settings
        self._vault = vault
        self._uses = 0
        self._free = asyncio.Condition()
        self._rotating = False
        self._exports = asyncio.Semaphore(EXPORTS)
        self._exporting = 0
        self._stale = False  # another front may have changed the master secret
        ingest.log.add(self._applied)

    @property
    def pubkey(self) -> str:
        """The relay's own."""
        return self._vault.pubkey

    def by_relay(self, kind: int, tags: list[list[str]], content: str, created_at: int) -> Event:
        """An event by the relay's own key."""
        return self._vault.sign(Draft(kind, tags, content, created_at))

    @contextlib.asynccontextmanager
    async def custody(self) -> AsyncIterator[Custody]:
        """The present master secret; it stays the present one as long as this is open."""
        if self._stale:
            await self._renew()
        async with self._free:
            await self._free.wait_for(lambda: not self._rotating)
            self._uses += 1
        try:
            yield self._vault.custody
        finally:
            async with self._free:
                self._uses -= 1
                self._free.notify_all()

    def _applied(self, applied: Applied) -> None:
        if applied.anew or any(kind == "secret" for kind, _ in applied.changes):
            self._stale = not self._rotating

    async def _renew(self) -> None:
        """Go over to the master secret that the database is sealed under now. Raises StorageError where that cannot be."""
        recorded = await self._tables.ask(lambda tables: tables.secret_check())
        try:
            if not self._rotating:
                vaults.follow_rotation(self._vault, recorded)
        except VaultError as error:
            raise StorageError(str(error)) from None
        self._stale = False

    async def sign(self, identity_id: str, draft: Draft, by: str | None = None) -> Event:
        """The draft as an event of this identity, by its main key or by its key `by`.

        Raises NoCustody when the relay does not hold that key or it is retired, Reject(restricted) for a kind it never signs
        and for a `by` of somebody else.
        """

        def look(tables: Lookups) -> tuple[Held | None, str | None]:
            if by is None:
                identity = tables.identity(identity_id)
                main = None if identity is None else identity.pubkey
                return None if main is None else tables.held(main), main
            key = tables.key(by)
            if key is None or key.identity_id != identity_id:
                raise Reject(Prefix.RESTRICTED, "this was written by another identity")
            return tables.held(by), by

        draft = hinted(draft, self._settings.config.relay.url)
        async with self.custody() as custody:
            held, pubkey = await self._tables.ask(look)
            if held is not None and not (held.retired and draft.kind not in AFTER_RETIREMENT):
                try:
                    return custody.sign(held, self.pubkey, draft)
                except CustodyError as error:
                    raise Reject(Prefix.RESTRICTED, str(error)) from None
        if pubkey is None:
            raise Reject(Prefix.RESTRICTED, "this identity has no key; bind one first")
        raise NoCustody(unsigned(pubkey, salted(draft)))

    async def sign_for_user(self, user_id: str, draft: Draft, token: GivenToken | None = None) -> Event:
        """The draft as an event of the user with this external id, by a key that is made when it is first needed.

        It is no identity's, so that nothing ties what somebody posts to the user they are. `token` is what the user came with.
        Raises Reject: restricted for a kind that is never signed, auth-required where the token has ended.
        """
        if draft.kind not in SIGNED:
            raise Reject(Prefix.RESTRICTED, f"the relay signs no kind {draft.kind} with a key it holds")
        draft = hinted(draft, self._settings.config.relay.url)
        async with self.custody() as custody:
            held = await self._user_key(custody, user_id, token)
            return custody.sign(held, self.pubkey, draft)

    async def user_key(self, user_id: str) -> str:
        """The public key with which `sign_for_user` signs."""
        async with self.custody() as custody:
            return (await self._user_key(custody, user_id, None)).pubkey

    async def _user_key(self, custody: Custody, user_id: str, token: GivenToken | None) -> Held:
        held = await self._tables.ask(lambda tables: tables.user_key(user_id))
        if held is not None:
            return held
        wanted = HoldUserKey(user_id, secrets.token_hex(16), custody.new_key(), custody.check)
        return await self._ingest.execute(wanted, token)

    async def sign_vanish(self, held: Held, reason: str, url: str) -> Event:
        """A request to vanish by a held key, for this relay, known as `url`. Its owner has confirmed that."""
        draft = await self._vanish(held.pubkey, reason, url)
        async with self.custody() as custody:
            return custody.sign_vanish(held, self.pubkey, draft)

    async def unsigned_vanish(self, pubkey: str, reason: str, url: str) -> Event:
        """A request to vanish for the owner of a key that the relay does not hold to sign."""
        return unsigned(pubkey, await self._vanish(pubkey, reason, url))

    async def _vanish(self, pubkey: str, reason: str, url: str) -> Draft:
        """As new as the newest event of the key: edits and votes that had to be newer than others lie ahead of the clock."""
        now = int(time.time())
        newest = await self._newest(Filter(authors=frozenset([pubkey]), limit=1), now)
        created_at = now if newest is None else max(now, newest.created_at)
        ahead = self._settings.config.limits.created_at_future
        if ahead:
            created_at = min(created_at, now + ahead)
        return Draft(kinds.VANISH, [["relay", url]], reason, created_at)

    async def export(self, pubkey: str, password: str) -> str:
        """A held secret as `ncryptsec` (NIP-49). Raises Reject: invalid (a weak password, a key that is not held), error."""
        if len(password) < MIN_PASSWORD:
            raise Reject(Prefix.INVALID, f"the password needs {MIN_PASSWORD} characters at least")
        if self._exporting >= MAX_EXPORTS:
            raise Reject(Prefix.ERROR, "too many exports are waiting; try again in a moment")
        self._exporting += 1
        try:
            async with self._exports, self.custody() as custody:
                held = await self._tables.ask(lambda tables: tables.held(pubkey))
                if held is None:
                    raise Reject(Prefix.INVALID, "the relay does not hold the secret of this key")
                return await asyncio.to_thread(custody.export, held, password)
        finally:
            self._exporting -= 1

    async def newest(self, pubkey: str, kind: int) -> Event | None:
        """The key's live version of a replaceable kind."""
        wanted = Filter(authors=frozenset([pubkey]), kinds=frozenset([kind]), limit=1)
        return await self._newest(wanted, int(time.time()))

    async def _newest(self, wanted: Filter, now: int) -> Event | None:
        found = await self._log.query([wanted], PUBLIC, now)
        return msgspec.json.decode(found.wires[0], type=Event) if found.wires else None

    async def rotate(self, following: str) -> int:
        """Seal everything under another master secret (64 hex digits, "" for a fresh one); how many values that were.

        Raises VaultError when the next secret cannot be used, StorageError when the database fails: then the former stays.
        """
        if not self._vault.from_file and not self._ingest.is_alone:
            raise VaultError(
                "the master secret comes from the settings, and other fronts could not learn the next one: stop the relay, then "
                "change it"
            )
        async with self._free:
            await self._free.wait_for(lambda: not self._rotating and not self._uses)
            self._rotating = True
        try:
            custody = vaults.begin_rotation(self._vault, following)
            values = await self._tables.ask(lambda tables: tables.secrets())
            resealed = await asyncio.to_thread(self._vault.custody.resealed, custody, values)
            count = await self._ingest.execute(RotateSecret(custody.check, resealed))
            vaults.finish_rotation(self._vault, custody)
            return count
        finally:
            async with self._free:
                self._rotating = False
                self._free.notify_all()


def hinted(draft: Draft, url: str) -> Draft:
    """The draft with `url` as the relay hint of what it points at (NIP-01), where nothing else stands there; "" is no hint."""
    if not url or draft.kind not in HINTED:
        return draft
    pointers = _POINTERS if draft.kind in _NAMING else _POINTERS | _PEOPLE
    tags = [
        [*tag[:2], url, *tag[3:]] if tag[0] in pointers and len(tag) > 1 and not "".join(tag[2:3]) else tag
        for tag in draft.tags
    ]
    return msgspec.structs.replace(draft, tags=tags)
