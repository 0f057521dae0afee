"""Tokens of identities: whose a token is, and making and ending them.

What was looked up is kept until somebody's rows change: a token is only taken from the cache while this front has applied every
commit that changed primary rows (`LogFollower.is_current`), so that what was revoked on any front is refused on all.
"""

import secrets
import time
from typing import Final

import msgspec

from keys import tokens
from keys.tokens import Kind
from relay.errors import Prefix, Reject
from relay.protocol import names
from relay.protocol.facts import GivenToken
from relay.server.events.follow import OF_GROUPS, Applied
from relay.server.events.ingest import Ingest
from relay.server.identities import shown_once, validation
from relay.server.identities.last_uses import LastUses
from relay.server.supervision import Tasks
from storage.base import PrimaryTables
from storage.identities.commands import AddIdentityToken, RevokeToken
from storage.identities.types import FOLLOWED, Lookups, StoredToken

MAX_CACHED: Final = 10_000  # tokens whose owner is remembered
_WRONG_KIND: Final = {
    Kind.APP: "this is an app token (tda_…); the feed takes an identity token (tdi_…)",
    Kind.KEY_CLAIM: "this is a claim code (tdk_…) for a kind 28934 event; the feed takes an identity token (tdi_…)",
    Kind.IDENTITY_CLAIM: "this is a claim (tdc_…) for a person to use; the feed takes an identity token (tdi_…)",
    Kind.INVITE: "this is an invite (tdm_…) for a kind 28934 event; the feed takes an identity token (tdi_…)",
}


class Principal(msgspec.Struct, frozen=True):
    """Who a request is from: an identity, by one of its tokens. `created_at` is the identity's."""

    identity_id: str
    name: str
    token_id: str
    created_at: int

    @property
    def token(self) -> GivenToken:
        """What is looked at again in the transaction of what it writes."""
        return GivenToken("identity", self.token_id)


class _Known(msgspec.Struct):
    principal: Principal
    token: StoredToken


class IdentityTokens:
    """All methods are called on the loop."""

    def __init__(self, tables: PrimaryTables, ingest: Ingest, tasks: Tasks) -> None:
        self._tables = tables
        self._ingest = ingest
        self._uses = LastUses("identity", ingest, tasks)
        self._tokens: dict[str, _Known] = {}
        self._generation = 0
        ingest.log.add(self._applied)

    def _applied(self, applied: Applied) -> None:
        """Something changed who somebody is."""
        if applied.anew or any(kind not in OF_GROUPS and kind != FOLLOWED for kind, _ in applied.changes):
            self.forget()

    async def authenticate(self, token: str) -> Principal:
        """Whose identity token this is. Raises Reject: auth-required (none, revoked, expired), restricted (another kind)."""
        kind = tokens.kind_of(token)
        if kind in _WRONG_KIND:
            raise Reject(Prefix.RESTRICTED, _WRONG_KIND[kind])
        if token.startswith(tokens.JWT):
            raise Reject(Prefix.RESTRICTED, "this is a JWT; the feed takes an identity token (tdi_…)")
        if kind is None:
            raise Reject(Prefix.AUTH_REQUIRED, "nobody here has this API key; was it copied whole?")
        now = int(time.time())
        digest = tokens.digest(token)
        known = self._tokens.get(digest) if self._ingest.log.is_current() else None
        known = known or await self._look_up(digest)
        fault = (
            "this token is unknown"
            if known is None
            else tokens.fault(known.token.revoked_at, known.token.expires_at, now)
        )
        if known is None or fault is not None:
            raise Reject(Prefix.AUTH_REQUIRED, fault or "")
        if self._uses.note(known.token, now):
            known.token = msgspec.structs.replace(known.token, last_used_at=now)
        return known.principal

    async def _look_up(self, digest: str) -> _Known | None:
        def look(tables: Lookups) -> _Known | None:
            token = tables.token("identity", digest)
            identity = None if token is None else tables.identity(token.owner_id)
            if token is None or identity is None:
                return None
            return _Known(Principal(identity.id, identity.name, token.id, identity.created_at), token)

        generation = self._generation
        known = await self._tables.ask(look)
        current = generation == self._generation and self._ingest.log.is_current()
        if known is not None and current:  # else something may have been revoked meanwhile
            if len(self._tokens) >= MAX_CACHED:
                self._tokens.clear()
            self._tokens[digest] = known
        return known

    def forget(self) -> None:
        """A token or identity changed: ask the tables again."""
        self._generation += 1
        self._tokens.clear()

    async def of(self, identity_id: str) -> list[StoredToken]:
        """All tokens, newest first."""
        return await self._tables.ask(lambda tables: tables.tokens("identity", identity_id))

    async def add(
        self,
        identity_id: str,
        name: str | None,
        expires_at: int | None,
        given: GivenToken | None = None,
        ends: int | None = None,
        *,
        login: str | None = None,
    ) -> tuple[StoredToken, str]:
        """A new token and its text, shown once; `given` is the token that asks, which ends at `ends` if that is said.

        `login` is the key that proved itself for it, and with which it ends. Raises ChangeRefused: ENDED when the token that asks
        is not good any more, or the key not bound, TOO_MANY.
        """
        now = int(time.time())
        validation.expiry(expires_at, now)
        text = tokens.make(Kind.IDENTITY)
        name = validation.text(name, names.MAX_DISPLAY_NAME, "token's name")
        token = StoredToken(secrets.token_hex(16), identity_id, name, None, now, expires_at, None)
        digest = tokens.digest(text)
        asking = None if given is None else given.id
        adding = self._ingest.execute(AddIdentityToken(token, digest, asking, ends, login), given)
        await shown_once.stored(self._tables, adding, lambda tables: tables.token("identity", digest) is not None)
        self.forget()
        return token, text

    async def revoke(self, identity_id: str, token_id: str, given: GivenToken | None = None) -> None:
        """End a token, at once and everywhere. Raises ChangeRefused(UNKNOWN)."""
        await self._ingest.execute(RevokeToken("identity", identity_id, token_id), given)
        self.forget()
