"""Keys of identities: binding and unbinding, which of them signs, what the relay holds, and forgetting them all (NIP-62)."""

import hashlib
import time
from collections.abc import Sequence
from typing import Final

from keys import tokens
from keys.nip98 import authenticated_key
from keys.schnorr import verify_event
from keys.tokens import Kind
from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.facts import GivenToken
from relay.server.events.ingest import Ingest
from relay.server.events.publishing import Publisher
from relay.server.identities.identity_tokens import Principal
from relay.server.identities.profiles import Profiles
from relay.server.identities.signing import Signing
from relay.server.limits.proof_checks import ProofChecks
from relay.server.limits.replay_guard import ReplayGuard
from relay.server.settings import Settings
from storage.base import PrimaryTables
from storage.identities.commands import BindProven, ChooseKey, DestroySecret, OpenKeyClaim, RetireKey, Unbind
from storage.identities.types import BoundKey, ChangeRefused, Held, Lookups, Why

CODE_SECONDS: Final = 600  # how long a claim code that binds a key is good


class BoundKeys:
    """All methods are called on the loop."""

    def __init__(
        self,
        *,
        tables: PrimaryTables,
        ingest: Ingest,
        publisher: Publisher,
        settings: Settings,
        signing: Signing,
        profiles: Profiles,
        checks: ProofChecks,
        replay_guard: ReplayGuard,
    ) -> None:
        self._tables = tables
        self._ingest = ingest
        self._publisher = publisher
        self._settings = settings
        self._signing = signing
        self._profiles = profiles
        self._checks = checks
        self._replay_guard = replay_guard

    async def of(self, identity_id: str) -> list[BoundKey]:
        """All keys the identity ever had, oldest first."""
        return await self._tables.ask(lambda tables: tables.keys(identity_id))

    async def siblings(self, pubkeys: Sequence[str]) -> set[str]:
        """All keys ever bound to the identities that these keys are or were bound to."""
        return await self._tables.ask(lambda tables: tables.siblings(pubkeys))

    async def open_claim(self, identity_id: str, given: GivenToken | None = None) -> tuple[str, int]:
        """A code with which a kind 28934 event binds its key, once, and until when. Raises ChangeRefused(TOO_MANY)."""
        code = tokens.make(Kind.KEY_CLAIM)
        digest, until = tokens.digest(code), int(time.time()) + CODE_SECONDS
        await self._ingest.execute(OpenKeyClaim(digest, identity_id, until), given)
        return code, until

    async def bind(self, identity_id: str, proof: Event, url: str, given: GivenToken | None = None) -> bool:
        """Bind the key of a NIP-98 proof for POST on `url` whose payload covers the identity's id; False when it was bound.

        Raises Reject(invalid) for a proof of something else or one that was used, ChangeRefused: TAKEN, TOO_MANY.
        """
        covered = hashlib.sha256(identity_id.encode()).hexdigest()
        now = int(time.time())
        pubkey = self._checks.run(
            f"identity {identity_id}",
            self._settings.config.rates.wrong_proofs,
            lambda: self._proven(proof, url, covered, now),
        )
        return await self._ingest.execute(BindProven(pubkey, identity_id), given)

    def _proven(self, proof: Event, url: str, covered: str, now: int) -> str:
        pubkey = authenticated_key(proof, url, "POST", covered, now)
        verify_event(proof)
        self._replay_guard.use(proof, now)
        return pubkey

    async def unbind(self, identity_id: str, pubkey: str, given: GivenToken | None = None) -> None:
        """The key may not write as the identity any more. Raises ChangeRefused(UNKNOWN)."""
        await self._ingest.execute(Unbind(pubkey, identity_id), given)

    async def choose(self, identity_id: str, pubkey: str, given: GivenToken | None = None) -> None:
        """Make a key the one that signs what comes over HTTP, and that is shown. Raises ChangeRefused: UNKNOWN, UNUSABLE."""
        await self._ingest.execute(ChooseKey(pubkey, identity_id), given)
        await self._profiles.introduce(identity_id, given=given)  # the NIP-05 address is the main key's

    async def retire(self, identity_id: str, pubkey: str, destroy: bool, given: GivenToken | None = None) -> None:
        """Sign deletions only with a held key from now on, or `destroy` its secret. Raises ChangeRefused(UNKNOWN)."""
        change = DestroySecret if destroy else RetireKey
        await self._ingest.execute(change(pubkey, identity_id), given)

    async def export(self, identity_id: str, pubkey: str, password: str) -> str:
        """A held secret as `ncryptsec` (NIP-49). Raises ChangeRefused(UNKNOWN), Reject(invalid) for a weak password."""
        if not any(key.pubkey == pubkey and key.held for key in await self.of(identity_id)):
            raise ChangeRefused(Why.UNKNOWN, "the relay holds no such key of this identity")
        return await self._signing.export(pubkey, password)

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
        for pubkey, held in await self._tables.ask(look):
            if held is None:
                owed.append(await self._signing.unsigned_vanish(pubkey, reason, url))
                continue
            event = await self._signing.sign_vanish(held, reason, url)
            token = None if published else principal.token  # the first one may end it
            outcome = await self._publisher.publish(event, Door.HTTP, trusted=True, url=url, token=token)
            if outcome.refusal is not None:
                raise outcome.refusal.alone()
            published.append(event)
        return published, owed
