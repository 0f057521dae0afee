"""Posting identities as the doors see them: registering, who a token belongs to, keys, claims, and what is signed for them.

What the HTTP routes need of identities is here, and they ask nothing else. Refusals are `Reject` (a rule of the relay) or
`ChangeRefused` (how things stand); neither leaves anything half-done.
"""

import logging
import secrets
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from keys import tokens
from keys.tokens import Kind
from keys.vault import Vault
from relay.errors import Prefix, Reject
from relay.protocol import kinds, names
from relay.protocol.event import Draft, Event
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter, matches
from relay.roles.messages import Quota
from relay.server.events.ingest import Ingest
from relay.server.events.publishing import Publisher
from relay.server.identities import shown_once, validation
from relay.server.identities.agents import Agents
from relay.server.identities.bound_keys import BoundKeys
from relay.server.identities.claims import Claims
from relay.server.identities.group_invites import GroupInvites
from relay.server.identities.group_tables import GroupTables
from relay.server.identities.identity_tokens import IdentityTokens
from relay.server.identities.profiles import Profiles
from relay.server.identities.signing import Signing
from relay.server.identities.users import Users
from relay.server.identities.webhooks import Webhooks
from relay.server.identities.workspaces import Workspaces
from relay.server.limits.proof_checks import ProofChecks
from relay.server.limits.replay_guard import ReplayGuard
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks
from storage.access import EndCodes
from storage.base import Log, PrimaryTables
from storage.commands import ListMembers
from storage.errors import StorageError
from storage.identities.commands import (
    DescribeIdentity,
    OpenInvite,
    Register,
)
from storage.identities.types import ChangeRefused, Identity, NewIdentity, Why

INVITE_SECONDS: Final = 600  # how long an invite is good
HOUR: Final = 3600
log = logging.getLogger("tidings.identities")


class NewRegistration(msgspec.Struct, frozen=True):
    """A new identity, and what is shown once: its token and the link with which a person claims it."""

    identity: Identity
    token: str
    claim_url: str
    verification_code: str


class Identities:
    """Made once by the application; all methods are called on the loop."""

    def __init__(
        self,
        vault: Vault,
        *,
        log: Log,
        tables: PrimaryTables,
        ingest: Ingest,
        publisher: Publisher,
        settings: Settings,
        checks: ProofChecks,
        replay_guard: ReplayGuard,
        faults: Faults,
    ) -> None:
        """`checks` bounds the proofs that are looked at, and `replay_guard` knows which were used."""
        self._tables = tables
        self._ingest = ingest
        self._settings = settings
        self._tasks = Tasks(faults)
        self.signing = Signing(vault, log, tables, ingest, settings)
        self.profiles = Profiles(
            log=log,
            tables=tables,
            ingest=ingest,
            publisher=publisher,
            settings=settings,
            signing=self.signing,
            tasks=Tasks(faults),
        )
        self.users = Users(
            tables, ingest, settings=settings, checks=checks, replay_guard=replay_guard, tasks=self._tasks
        )
        self.workspaces = Workspaces(tables, self.signing)
        self.groups = GroupInvites(tables, publisher, self.signing, settings)
        self.agents = Agents(tables, ingest)
        self.group_tables = GroupTables(tables)
        self.webhooks = Webhooks(tables, ingest, self.signing, settings)
        self.tokens = IdentityTokens(tables, ingest, self._tasks)
        self.claims = Claims(tables, ingest, settings)
        self.keys = BoundKeys(
            tables=tables,
            ingest=ingest,
            publisher=publisher,
            settings=settings,
            signing=self.signing,
            profiles=self.profiles,
            checks=checks,
            replay_guard=replay_guard,
        )

    @property
    def relay_url(self) -> str:
        """How clients know this relay (ws:// or wss://)."""
        return self._settings.relay_url

    @property
    def self_pubkey(self) -> str:
        """The relay's own key."""
        return self.signing.pubkey

    # registering

    async def register(
        self, name: str, description: str | None, address: str, nonce: str = "", base: str = ""
    ) -> NewRegistration:
        """Make an identity with a token and a key that the relay holds; `address` is the client's.

        `base` is where the client reaches HTTP, for the claim link; "" is the relay's own URL.

        Raises Reject: invalid (name, description), pow, rate-limited (TooFast), restricted (registration is off); and
        ChangeRefused(TAKEN).
        """
        rules = self._settings.config.identities
        self._check_open()
        validation.name(name)
        description = validation.text(description, names.MAX_DESCRIPTION, "description")
        validation.work(self.self_pubkey, name, nonce, rules.register_pow)
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
                check=custody.check,
            )
            adding = self._ingest.execute(Register(new), quota=self._quota(address))
            await shown_once.stored(self._tables, adding, lambda tables: tables.identity(new.id) is not None)
        try:
            await self.profiles.introduce(new.id)
        except StorageError as error:  # the identity is there, and its token is shown now or never
            log.warning("the profile of an identity was not published: %s", error)
        identity = Identity(new.id, name, None, description, None, None, None, now, None, key.pubkey)
        return NewRegistration(identity, token, self.claims.url(claim, base), validation.verification_code(claim))

    def _check_open(self) -> None:
        if not self._settings.config.identities.registration:
            raise Reject(Prefix.RESTRICTED, "this relay's operator gives out identities; registration is closed")

    def _quota(self, address: str) -> Quota | None:
        """What the writer counts registrations and invites by."""
        most = self._settings.config.identities.registrations_per_hour
        return Quota(address, "registrations", most, HOUR) if most else None

    async def invite(self, filters: Sequence[Filter], address: str, keys: frozenset[str]) -> Event | None:
        """An invite (NIP-43, kind 28935), made for this request: by its claim a key gets an identity of its own, once.

        Where the filters name a group (`#h`), one to that, if one of these `keys` may invite; see `GroupInvites.make`.
        None when the filters match no such event. Raises as `register`: an invite counts as a registration of the address,
        and where that asks for work there are none.
        """
        now = int(time.time())
        asked = [wanted for wanted in filters if wanted.limit != 0]
        named = frozenset[str]().union(*(wanted.tags.get("h", ()) for wanted in asked))
        if len(named) > 1:
            raise Reject(Prefix.INVALID, "one group at a time: a REQ for an invite names one in #h")
        for group_id in named:
            return await self.groups.make(group_id, keys, asked)
        code = tokens.make(Kind.INVITE)
        event = self.signing.by_relay(kinds.INVITE, [["-"], ["claim", code]], "", now)
        if not any(wanted.limit != 0 and matches(wanted, event) for wanted in filters):
            return None
        self._check_open()
        if self._settings.config.identities.register_pow:
            raise Reject(
                Prefix.POW, "an identity takes work here, so there are no invites: POST /api/v1/agents/register"
            )
        digest = tokens.digest(code)
        await self._ingest.execute(OpenInvite(digest, now + INVITE_SECONDS), quota=self._quota(address))
        return event

    async def get(self, identity_id: str) -> Identity:
        """The identity of a principal. Raises ChangeRefused(UNKNOWN) when there is none."""
        found = await self._tables.ask(lambda tables: tables.identity(identity_id))
        if found is None:
            raise ChangeRefused(Why.UNKNOWN, "there is no such identity")
        return found

    async def profile(self, name: str) -> Identity | None:
        """A local identity by its name, in any case."""
        return await self._tables.ask(lambda tables: tables.identity_named(name))

    async def named_like(self, beginning: str, limit: int) -> list[Identity]:
        """Local identities whose name begins so, in any case, by name."""
        return await self._tables.ask(lambda tables: tables.identities_named_like(beginning, limit))

    async def how_many(self) -> int:
        """Local identities."""
        return await self._tables.ask(lambda tables: tables.how_many_identities())

    async def by_id(self, ids: list[str]) -> dict[str, Identity]:
        """Those of these identities that there are."""
        found = await self._tables.ask(lambda tables: tables.identities(ids))
        return {identity.id: identity for identity in found}

    async def by_key(self, pubkeys: list[str]) -> dict[str, Identity]:
        """Whose these keys are or were."""
        return await self._tables.ask(lambda tables: tables.identities_of_keys(pubkeys))

    async def edit(
        self, identity_id: str, display_name: str | None, description: str | None, given: GivenToken | None = None
    ) -> Event | None:
        """Set what is shown, None leaves it; the kind 0 that says so, None where the relay signs with no key for it.

        Raises Reject(invalid) for text with hidden characters or too much of it, Unwanted where the operator's write policy refuses
        the kind 0: then nothing changes.
        """
        shown: dict[str, str | None] = {}
        if display_name is not None:
            shown["display_name"] = validation.text(display_name, names.MAX_DISPLAY_NAME, "display name")
        if description is not None:
            shown["description"] = validation.text(description, names.MAX_DESCRIPTION, "description")
        # The event carries the change: only so is it decided in one transaction with what else changes the identity.
        event = await self.profiles.introduce(identity_id, shown=shown, given=given)
        identity = await self.get(identity_id)
        if any(getattr(identity, name) != text for name, text in shown.items()):
            await self._ingest.execute(DescribeIdentity(identity_id, shown), given)
        return event

    async def sign(self, identity_id: str, draft: Draft, by: str | None = None) -> Event:
        """The draft as an event of this identity, by its main key or by its key `by`.

        Raises NoCustody with the unsigned event where the relay does not hold the key; Reject as `Signing.sign`.
        """
        return await self.signing.sign(identity_id, draft, by)

    async def list_members(self) -> None:
        """See that the list of members (NIP-43) is as the settings and the tables say."""
        try:
            await self._ingest.execute(ListMembers(self._settings.config.identities.members))
        except StorageError as error:
            log.error("the member list could not be made: %s", error)

    async def end_codes(self, denied: list[str]) -> None:
        """See that whoever has a key that the settings deny binds no other one by a code from before."""
        try:
            await self._ingest.execute(EndCodes(denied))
        except StorageError as error:
            log.error("codes of denied keys could not be ended: %s", error)

    def reconfigured(self) -> None:
        """The settings were reloaded."""
        self._tasks.start(self.list_members(), "the member list")
        if denied := self._settings.file.access.denied_keys:
            self._tasks.start(self.end_codes(denied), "codes of denied keys")

    async def close(self) -> None:
        """Finish what is under way, before the pipeline closes."""
        await self._tasks.settle()
        await self.profiles.settle()
