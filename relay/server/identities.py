"""Posting identities as the doors see them: registering, who a token belongs to, keys, claims, and what is signed for them.

What the HTTP routes need of identities is here, and they ask nothing else. Refusals are `Reject` (a rule of the relay) or
`Refused` (how things stand); neither leaves anything half-done.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from keys import tokens
from keys.nip98 import authenticated_key
from keys.schnorr import verify_event
from keys.tokens import Kind
from keys.vault import Vault
from relay.errors import Prefix, Reject, TooFast
from relay.protocol import kinds, names
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter, matches
from relay.roles.messages import Quota
from relay.server import checks
from relay.server.agents import Agents
from relay.server.follow import Applied
from relay.server.origin import base_url
from relay.server.profiles import Profiles
from relay.server.proofs import Proofs
from relay.server.signing import NoCustody, Signing
from relay.server.supervision import Tasks
from relay.server.users import Users
from storage.base import StorageError
from storage.commands import ListMembers
from storage.identities.commands import (
    AddIdentityToken,
    BindProven,
    ChooseKey,
    ClaimIdentity,
    DescribeIdentity,
    DestroySecret,
    OpenIdentityClaim,
    OpenInvite,
    OpenKeyClaim,
    Register,
    RetireKey,
    RevokeToken,
    Unbind,
    UseToken,
)
from storage.identities.types import BoundKey, Held, Identity, Lookups, NewIdentity, Refused, Token, Why

if TYPE_CHECKING:
    from relay.server.hub import Hub

CODE_SECONDS: Final = 600  # a claim code that binds a key, or an invite, is good so long
USED_SECONDS: Final = 3600  # how coarsely the last use of a token is kept
MAX_CACHED: Final = 10_000  # tokens whose owner is remembered
HOUR: Final = 3600
_WRONG_KIND: Final = {
    Kind.APP: "this is an app token (tda_…); the feed takes an identity token (tdi_…)",
    Kind.KEY_CLAIM: "this is a claim code (tdk_…) for a kind 28934 event; the feed takes an identity token (tdi_…)",
    Kind.IDENTITY_CLAIM: "this is a claim (tdc_…) for a person to use; the feed takes an identity token (tdi_…)",
    Kind.INVITE: "this is an invite (tdm_…) for a kind 28934 event; the feed takes an identity token (tdi_…)",
}

log = logging.getLogger("tidings.identities")


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


class Registered(msgspec.Struct, frozen=True):
    """A new identity, and what is shown once: its token and the link with which a person claims it."""

    identity: Identity
    token: str
    claim_url: str
    verification_code: str


class Claimable(msgspec.Struct, frozen=True):
    """What somebody who holds a claim link may know before using it."""

    identity: Identity
    verification_code: str
    expires_at: int


class _Known(msgspec.Struct):
    principal: Principal
    token: Token


class Identities:
    """Made once by the application; all methods are called on the loop."""

    def __init__(self, hub: "Hub", vault: Vault) -> None:
        self._hub = hub
        self.signing = Signing(hub, vault)
        hub.self_pubkey = self.signing.pubkey
        self.profiles = Profiles(hub, self.signing)
        self.proofs = Proofs(hub.page, hub.role)
        self.users = Users(hub, self.proofs, hub.checks)
        self.agents = Agents(hub)
        self._tokens: dict[str, _Known] = {}
        self._generation = 0
        self._tasks = Tasks(hub.faults)
        hub.follow(self._applied)

    @property
    def relay_url(self) -> str:
        """How clients know this relay (ws:// or wss://)."""
        return self._hub.relay_url

    @property
    def self_pubkey(self) -> str:
        """The relay's own key."""
        return self.signing.pubkey

    # who asks

    async def authenticate(self, token: str) -> Principal:
        """Whose identity token this is. Raises Reject: auth-required (none, revoked, expired), restricted (another kind)."""
        kind = tokens.kind_of(token)
        if kind in _WRONG_KIND:
            raise Reject(Prefix.RESTRICTED, _WRONG_KIND[kind])
        if kind is None:
            raise Reject(Prefix.AUTH_REQUIRED, "this is no token of this relay")
        now = int(time.time())
        digest = tokens.digest(token)
        known = self._tokens.get(digest) if self._hub.log.is_current() else None
        known = known or await self._look_up(digest)
        fault = (
            "this token is unknown"
            if known is None
            else tokens.fault(known.token.revoked_at, known.token.expires_at, now)
        )
        if known is None or fault is not None:
            raise Reject(Prefix.AUTH_REQUIRED, fault or "")
        if now - (known.token.last_used_at or 0) >= USED_SECONDS:
            known.token = msgspec.structs.replace(known.token, last_used_at=now)
            self._tasks.start(self._use(known.token.id), "the last use of a token")
        return known.principal

    async def _look_up(self, digest: str) -> _Known | None:
        def look(tables: Lookups) -> _Known | None:
            token = tables.token("identity", digest)
            identity = None if token is None else tables.identity(token.owner_id)
            if token is None or identity is None:
                return None
            return _Known(Principal(identity.id, identity.name, token.id, identity.created_at), token)

        generation = self._generation
        known = await self._hub.reader.ask(look)
        current = generation == self._generation and self._hub.log.is_current()
        if known is not None and current:  # else something may have been revoked meanwhile
            if len(self._tokens) >= MAX_CACHED:
                self._tokens.clear()
            self._tokens[digest] = known
        return known

    def forget(self) -> None:
        """A token or identity changed: ask the tables again."""
        self._generation += 1
        self._tokens.clear()

    async def _use(self, token_id: str) -> None:
        try:
            await self._hub.ingest.execute(UseToken("identity", token_id))
        except StorageError as error:
            log.warning("the last use of a token was not kept: %s", error)

    def _applied(self, applied: Applied) -> None:
        """Something changed who somebody is."""
        if applied.anew or applied.changes:
            self.forget()
        for live in applied.events:
            if live.event.kind == kinds.METADATA:
                self.profiles.changed(live.event.pubkey)

    # registering

    async def register(
        self, name: str, description: str | None, address: str, nonce: str = "", base: str = ""
    ) -> Registered:
        """Make an identity with a token and a key that the relay holds; `address` is the client's.

        `base` is where the client reaches HTTP, for the claim link; "" is the relay's own URL.

        Raises Reject: invalid (name, description), pow, rate-limited (TooFast), restricted (registration is off); and
        Refused(TAKEN).
        """
        rules = self._hub.config.identities
        self._check_open()
        checks.name(name)
        description = checks.text(description, names.MAX_DESCRIPTION, "description")
        checks.work(self.self_pubkey, name, nonce, rules.register_pow)
        now = int(time.time())
        token, claim = tokens.make(Kind.IDENTITY), tokens.make(Kind.IDENTITY_CLAIM)
        async with self.signing.custody() as custody:
            key = custody.new_key()
            new = NewIdentity(
                id=secrets.token_hex(16),
                name=name,
                description=description,
                token_id=secrets.token_hex(16),
                token_hash=tokens.digest(token),
                pubkey=key.pubkey,
                ciphertext=key.ciphertext,
                claim_hash=tokens.digest(claim),
                claim_expires_at=now + rules.claim_hours * 3600,
            )
            await self._hub.ingest.execute(Register(new), quota=self._quota(address))
        try:
            await self.profiles.introduce(new.id)
        except StorageError as error:  # the identity is there, and its token is shown now or never
            log.warning("the profile of an identity was not published: %s", error)
        identity = Identity(new.id, name, None, description, None, None, None, now, None, key.pubkey)
        return Registered(identity, token, self.claim_url(claim, base), checks.verification_code(claim))

    def _check_open(self) -> None:
        if not self._hub.config.identities.registration:
            raise Reject(Prefix.RESTRICTED, "this relay's operator gives out identities; registration is closed")

    def _quota(self, address: str) -> Quota | None:
        """What the writer counts registrations and invites by."""
        most = self._hub.config.identities.registrations_per_hour
        return Quota(address, "registrations", most, HOUR) if most else None

    async def invite(self, filters: Sequence[Filter], address: str) -> Event | None:
        """An invite (NIP-43, kind 28935), made for this request: by its claim a key gets an identity of its own, once.

        None when the filters match no such event. Raises as `register`: an invite counts as a registration of the address,
        and where that asks for work there are none.
        """
        now = int(time.time())
        code = tokens.make(Kind.INVITE)
        event = self.signing.by_relay(kinds.INVITE, [["-"], ["claim", code]], "", now)
        if not any(wanted.limit != 0 and matches(wanted, event) for wanted in filters):
            return None
        self._check_open()
        if self._hub.config.identities.register_pow:
            raise Reject(
                Prefix.POW, "an identity takes work here, so there are no invites: POST /api/v1/agents/register"
            )
        digest = tokens.digest(code)
        await self._hub.ingest.execute(OpenInvite(digest, now + CODE_SECONDS), quota=self._quota(address))
        return event

    async def get(self, identity_id: str) -> Identity:
        """The identity of a principal. Raises Refused(UNKNOWN) when there is none."""
        found = await self._hub.reader.ask(lambda tables: tables.identity(identity_id))
        if found is None:
            raise Refused(Why.UNKNOWN, "there is no such identity")
        return found

    async def profile(self, name: str) -> Identity | None:
        """A local identity by its name, in any case."""
        return await self._hub.reader.ask(lambda tables: tables.identity_named(name))

    async def named_like(self, beginning: str, limit: int) -> list[Identity]:
        """Local identities whose name begins so, in any case, by name."""
        return await self._hub.reader.ask(lambda tables: tables.identities_named_like(beginning, limit))

    async def how_many(self) -> int:
        """Local identities."""
        return await self._hub.reader.ask(lambda tables: tables.how_many_identities())

    async def by_id(self, ids: list[str]) -> dict[str, Identity]:
        """Those of these identities that there are."""
        found = await self._hub.reader.ask(lambda tables: tables.identities(ids))
        return {identity.id: identity for identity in found}

    async def by_key(self, pubkeys: list[str]) -> dict[str, Identity]:
        """Whose these keys are or were."""
        return await self._hub.reader.ask(lambda tables: tables.identities_of_keys(pubkeys))

    async def edit(
        self, identity_id: str, display_name: str | None, description: str | None, given: GivenToken | None = None
    ) -> Event | None:
        """Set what is shown, None leaves it; the kind 0 that says so, None where the relay signs with no key for it.

        Raises Reject(invalid) for text with hidden characters or too much of it.
        """
        shown: dict[str, str | None] = {}
        if display_name is not None:
            shown["display_name"] = checks.text(display_name, names.MAX_DISPLAY_NAME, "display name")
        if description is not None:
            shown["description"] = checks.text(description, names.MAX_DESCRIPTION, "description")
        # The event carries the change: only so is it decided in one transaction with what else changes the identity.
        event = await self.profiles.introduce(identity_id, shown=shown, given=given)
        identity = await self.get(identity_id)
        if any(getattr(identity, name) != text for name, text in shown.items()):
            await self._hub.ingest.execute(DescribeIdentity(identity_id, shown), given)
        return event

    async def sign(self, identity_id: str, draft: Draft, by: str | None = None) -> Event:
        """The draft as an event of this identity, by its main key or by its key `by`.

        Raises NoCustody with the unsigned event where the relay does not hold the key; Reject as `Signing.sign`.
        """
        return await self.signing.sign(identity_id, draft, by)

    # tokens

    async def tokens(self, identity_id: str) -> list[Token]:
        """All tokens, newest first."""
        return await self._hub.reader.ask(lambda tables: tables.tokens("identity", identity_id))

    async def add_token(
        self,
        identity_id: str,
        name: str | None,
        expires_at: int | None,
        given: GivenToken | None = None,
        ends: int | None = None,
    ) -> tuple[Token, str]:
        """A new token and its text, shown once; `given` is the token that asks, which ends at `ends` if that is said.

        Raises Refused: ENDED when the token that asks is not good any more, TOO_MANY.
        """
        now = int(time.time())
        checks.expiry(expires_at, now)
        text = tokens.make(Kind.IDENTITY)
        name = checks.text(name, names.MAX_DISPLAY_NAME, "token's name")
        token = Token(secrets.token_hex(16), identity_id, name, None, now, expires_at, None)
        digest = tokens.digest(text)
        await self._hub.ingest.execute(
            AddIdentityToken(token, digest, None if given is None else given.id, ends), given
        )
        self.forget()
        return token, text

    async def revoke_token(self, identity_id: str, token_id: str, given: GivenToken | None = None) -> None:
        """End a token, at once and everywhere. Raises Refused(UNKNOWN)."""
        await self._hub.ingest.execute(RevokeToken("identity", identity_id, token_id), given)
        self.forget()

    # keys

    async def keys(self, identity_id: str) -> list[BoundKey]:
        """All keys the identity ever had, oldest first."""
        return await self._hub.reader.ask(lambda tables: tables.keys(identity_id))

    async def key_claim(self, identity_id: str, given: GivenToken | None = None) -> tuple[str, int]:
        """A code with which a kind 28934 event binds its key, once, and until when. Raises Refused(TOO_MANY)."""
        code = tokens.make(Kind.KEY_CLAIM)
        digest, until = tokens.digest(code), int(time.time()) + CODE_SECONDS
        await self._hub.ingest.execute(OpenKeyClaim(digest, identity_id, until), given)
        return code, until

    async def bind(self, identity_id: str, proof: Event, url: str, given: GivenToken | None = None) -> bool:
        """Bind the key of a NIP-98 proof for POST on `url` whose payload covers the identity's id; False when it was bound.

        Raises Reject(invalid) for a proof of something else or one that was used, Refused: TAKEN, TOO_MANY.
        """
        covered = hashlib.sha256(identity_id.encode()).hexdigest()
        now = int(time.time())
        pubkey = self._hub.checks.run(
            f"identity {identity_id}",
            self._hub.config.rates.wrong_proofs,
            lambda: self._proven(proof, url, covered, now),
        )
        return await self._hub.ingest.execute(BindProven(pubkey, identity_id), given)

    def _proven(self, proof: Event, url: str, covered: str, now: int) -> str:
        pubkey = authenticated_key(proof, url, "POST", covered, now)
        verify_event(proof)
        self.proofs.use(proof, now)
        return pubkey

    async def unbind(self, identity_id: str, pubkey: str, given: GivenToken | None = None) -> None:
        """The key may not write as the identity any more. Raises Refused(UNKNOWN)."""
        await self._hub.ingest.execute(Unbind(pubkey, identity_id), given)

    async def choose(self, identity_id: str, pubkey: str, given: GivenToken | None = None) -> None:
        """Make a key the one that signs what comes over HTTP, and that is shown. Raises Refused: UNKNOWN, UNUSABLE."""
        await self._hub.ingest.execute(ChooseKey(pubkey, identity_id), given)
        await self.profiles.introduce(identity_id, given=given)  # the NIP-05 address is the main key's

    async def retire(self, identity_id: str, pubkey: str, destroy: bool, given: GivenToken | None = None) -> None:
        """Sign deletions only with a held key from now on, or `destroy` its secret. Raises Refused(UNKNOWN)."""
        change = DestroySecret if destroy else RetireKey
        await self._hub.ingest.execute(change(pubkey, identity_id), given)

    async def export(self, identity_id: str, pubkey: str, password: str) -> str:
        """A held secret as `ncryptsec` (NIP-49). Raises Refused(UNKNOWN), Reject(invalid) for a weak password."""
        if not any(key.pubkey == pubkey and key.held for key in await self.keys(identity_id)):
            raise Refused(Why.UNKNOWN, "the relay holds no such key of this identity")
        return await self.signing.export(pubkey, password)

    async def vanish(
        self, principal: Principal, confirmed: str, reason: str, url: str
    ) -> tuple[list[Event], list[Event]]:
        """Ask this relay to forget the identity's keys (NIP-62): the events published, and those its owner is to sign.

        `confirmed` is the identity's name again; raises Reject(invalid) when it is not. `url` is this relay's (ws:// or wss://)
        as the client knows it.
        """
        if confirmed != principal.name:
            raise Reject(Prefix.INVALID, "confirm with the identity's name: everything it wrote will be gone for good")

        def look(tables: Lookups) -> list[tuple[str, Held | None]]:
            return [(key.pubkey, tables.held(key.pubkey)) for key in tables.keys(principal.identity_id)]

        published: list[Event] = []
        owed: list[Event] = []
        for pubkey, held in await self._hub.reader.ask(look):
            if held is None:
                owed.append(await self.signing.unsigned_vanish(pubkey, reason, url))
                continue
            event = await self.signing.sign_vanish(held, reason, url)
            token = None if published else principal.token  # the first one may end it
            outcome = await self._hub.publish(event, Door.HTTP, trusted=True, url=url, token=token)
            if outcome.refusal is not None:
                raise outcome.refusal.alone()
            published.append(event)
        self.forget()
        return published, owed

    # claims

    def claim_url(self, secret: str, base: str = "") -> str:
        """The link for a person; the secret is in the fragment, which no server and no log ever gets to see."""
        return f"{base or base_url(self._hub.relay_url)}/claim#{secret}"

    async def new_claim(self, identity_id: str, base: str, given: GivenToken | None = None) -> tuple[str, str, int]:
        """A fresh claim link in place of the former, its verification code, and until when. Raises Refused(USED)."""
        secret = tokens.make(Kind.IDENTITY_CLAIM)
        until = int(time.time()) + self._hub.config.identities.claim_hours * 3600
        digest = tokens.digest(secret)
        await self._hub.ingest.execute(OpenIdentityClaim(digest, identity_id, until), given)
        return self.claim_url(secret, base), checks.verification_code(secret), until

    async def claimable(self, secret: str) -> Claimable:
        """What a claim would link. Raises Reject(invalid) for another kind of secret, Refused: UNKNOWN, USED, EXPIRED."""
        checks.claim(secret)

        def look(tables: Lookups) -> Claimable:
            claim = tables.identity_claim(tokens.digest(secret))
            identity = None if claim is None else tables.identity(claim.identity_id)
            if claim is None or identity is None:
                raise Refused(Why.UNKNOWN, "there is no such claim; ask the agent for a new claim link")
            if claim.used or identity.user_id is not None:
                raise Refused(Why.USED, "this claim was used already")
            if claim.expires_at <= int(time.time()):
                raise Refused(Why.EXPIRED, "this claim has expired; ask the agent for a new claim link")
            return Claimable(identity, checks.verification_code(secret), claim.expires_at)

        return await self._hub.reader.ask(look)

    async def claim(
        self, secret: str, user_id: str, claim_url: str | None, given: GivenToken | None = None
    ) -> Identity:
        """Link the identity to the user known elsewhere as `user_id`. Raises as `claimable`."""
        checks.claim(secret)
        wanted = ClaimIdentity(tokens.digest(secret), user_id, secrets.token_hex(16), claim_url)
        identity_id = await self._hub.ingest.execute(wanted, given)
        return await self.get(identity_id)

    async def list_members(self) -> None:
        """See that the list of members (NIP-43) is as the settings and the tables say."""
        try:
            await self._hub.ingest.execute(ListMembers(self._hub.config.identities.members))
        except StorageError as error:
            log.error("the member list could not be made: %s", error)

    def reconfigured(self) -> None:
        """The settings were reloaded."""
        self._tasks.start(self.list_members(), "the member list")

    async def close(self) -> None:
        """Finish what is under way, before the pipeline closes."""
        await self._tasks.settle()
        await self.profiles.settle()


__all__ = ["Identities", "NoCustody", "Principal", "Registered", "TooFast"]
