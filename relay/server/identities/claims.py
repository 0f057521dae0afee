"""Claims: the link with which a person makes an identity theirs."""

import secrets
import time

import msgspec

from keys import tokens
from keys.tokens import Kind
from relay.protocol.facts import GivenToken
from relay.server.events.ingest import Ingest
from relay.server.identities import validation
from relay.server.limits.origin import base_url
from relay.server.settings import Settings
from storage.base import PrimaryTables
from storage.identities.commands import ClaimIdentity, OpenIdentityClaim
from storage.identities.types import ChangeRefused, Identity, Lookups, Why


class Claimable(msgspec.Struct, frozen=True):
    """What somebody who holds a claim link may know before using it."""

    identity: Identity
    verification_code: str
    expires_at: int


class Claims:
    """All methods are called on the loop."""

    def __init__(self, tables: PrimaryTables, ingest: Ingest, settings: Settings) -> None:
        self._tables = tables
        self._ingest = ingest
        self._settings = settings

    def url(self, secret: str, base: str = "") -> str:
        """The link for a person; the secret is in the fragment, which no server and no log ever gets to see."""
        return f"{base or base_url(self._settings.relay_url)}/claim#{secret}"

    async def open(self, identity_id: str, base: str, given: GivenToken | None = None) -> tuple[str, str, int]:
        """A fresh claim link in place of the former, its verification code, and until when. Raises ChangeRefused(USED)."""
        secret = tokens.make(Kind.IDENTITY_CLAIM)
        until = int(time.time()) + self._settings.config.identities.claim_hours * 3600
        digest = tokens.digest(secret)
        await self._ingest.execute(OpenIdentityClaim(digest, identity_id, until), given)
        return self.url(secret, base), validation.verification_code(secret), until

    async def look(self, secret: str) -> Claimable:
        """What a claim would link. Raises Reject(invalid) for another kind of secret, ChangeRefused: UNKNOWN, USED, EXPIRED."""
        validation.claim(secret)

        def find(tables: Lookups) -> Claimable:
            claim = tables.identity_claim(tokens.digest(secret))
            identity = None if claim is None else tables.identity(claim.identity_id)
            if claim is None or identity is None:
                raise ChangeRefused(Why.UNKNOWN, "there is no such claim; ask the agent for a new claim link")
            if claim.used or identity.user_id is not None:
                raise ChangeRefused(Why.USED, "this claim was used already")
            if claim.expires_at <= int(time.time()):
                raise ChangeRefused(Why.EXPIRED, "this claim has expired; ask the agent for a new claim link")
            return Claimable(identity, validation.verification_code(secret), claim.expires_at)

        return await self._tables.ask(find)

    async def claim(
        self, secret: str, user_id: str, claim_url: str | None, given: GivenToken | None = None
    ) -> Identity:
        """Link the identity to the user known elsewhere as `user_id`. Raises as `look`."""
        validation.claim(secret)
        wanted = ClaimIdentity(tokens.digest(secret), user_id, secrets.token_hex(16), claim_url)
        identity_id = await self._ingest.execute(wanted, given)
        found = await self._tables.ask(lambda tables: tables.identity(identity_id))
        if found is None:
            raise ChangeRefused(Why.UNKNOWN, "there is no such identity")
        return found
