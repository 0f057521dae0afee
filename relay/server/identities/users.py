"""Users: who a request of the control plane is from, their metadata and their app tokens.

A user is known elsewhere: by a JWT of the configured issuer (its `sub`) or by a Nostr key (`nostr:<pubkey>`, NIP-98); an app
token stands for one. A row is made only when something hangs on it (an app token, a claimed identity, a profile).
"""

import secrets
import time
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from keys import nip98, tokens
from keys.schnorr import verify_event
from keys.tokens import Kind
from relay.errors import Prefix, Reject
from relay.protocol import names
from relay.protocol.event import has_tag
from relay.protocol.facts import GivenToken
from relay.server.events.ingest import Ingest
from relay.server.identities import shown_once
from relay.server.identities.issuer import MAX_SUBJECT, Issuer
from relay.server.identities.last_uses import LastUses
from relay.server.limits.proof_checks import ProofChecks
from relay.server.limits.replay_guard import ReplayGuard
from relay.server.settings import Settings
from relay.server.supervision import Tasks
from storage.base import PrimaryTables
from storage.identities.commands import AddUserToken, EditUser, RevokeToken
from storage.identities.types import ChangeRefused, Identity, Lookups, StoredToken, User, Why

_WRONG_KIND: Final = {
    Kind.IDENTITY: "this is an identity token (tdi_…); here an app token (tda_…), a JWT or a NIP-98 proof is needed",
    Kind.KEY_CLAIM: "this is a claim code (tdk_…); here an app token (tda_…), a JWT or a NIP-98 proof is needed",
    Kind.INVITE: "this is an invite (tdm_…); here an app token (tda_…), a JWT or a NIP-98 proof is needed",
    Kind.IDENTITY_CLAIM: "this is a claim (tdc_…); it goes into the body, and who you are into the header",
}


class Request(msgspec.Struct, frozen=True):
    """What a proof must cover: the method, the path with its query, and the body.

    `origin` is this relay's scheme, host and port as the client knows them, `address` what limits count the client by.
    """

    authorization: str
    method: str
    origin: str
    target: str
    body: bytes
    address: str


class Caller(msgspec.Struct, frozen=True):
    """A user: `user_id` is the external id; `token_id` is set when an app token said so, `by_key` when a NIP-98 proof did."""

    user_id: str
    token_id: str | None = None
    by_key: bool = False

    @property
    def token(self) -> GivenToken | None:
        """What is looked at again in the transaction of what it writes."""
        return None if self.token_id is None else GivenToken("user", self.token_id)


class Users:
    """All methods are called on the loop."""

    def __init__(
        self,
        tables: PrimaryTables,
        ingest: Ingest,
        *,
        settings: Settings,
        checks: ProofChecks,
        replay_guard: ReplayGuard,
        tasks: Tasks,
    ) -> None:
        self._tables = tables
        self._ingest = ingest
        self._settings = settings
        self._replay_guard = replay_guard
        self._checks = checks
        self._uses = LastUses("user", ingest, tasks)
        self._issuer = Issuer(settings.config) if settings.config.identities.jwt_issuer else None

    async def identify(self, request: Request) -> Caller:
        """Who the request is from.

        Raises Reject: auth-required (no or wrong credentials), restricted (another kind of token), rate-limited.
        """
        scheme, _, credential = request.authorization.strip().partition(" ")
        credential = credential.strip()
        if scheme.lower() == nip98.SCHEME:
            key = self._check(request, lambda: self._proven_key(request))
            return Caller(f"nostr:{key}", by_key=True)
        if scheme.lower() != "bearer" or not credential:
            raise Reject(Prefix.AUTH_REQUIRED, "say who you are: an app token, a JWT or a NIP-98 proof")
        kind = tokens.kind_of(credential)
        if kind in _WRONG_KIND:
            raise Reject(Prefix.RESTRICTED, _WRONG_KIND[kind])
        if kind is Kind.APP:
            return await self._of_token(credential)
        issuer = self._issuer
        if issuer is None or credential.count(".") != 2:
            raise Reject(Prefix.AUTH_REQUIRED, "nobody here has this token; was it copied whole?")
        return Caller(self._check(request, lambda: issuer.subject(credential)))

    def proven(self, request: Request, of: Collection[str] | None = None) -> str:
        """The key that a NIP-98 header proves, which may leave the method out. Raises Reject as `identify`.

        Only the proofs `of` these keys are used up, where they are named: what others prove opens nothing to them.
        """
        return self._check(request, lambda: self._proven_key(request, method_needed=False, once=of))

    def managing(self, request: Request, url: str, operators: Collection[str], *, reads: bool) -> str:
        """The key that the header of a NIP-86 call proves: for the relay's `url`, with its payload. Raises Reject as `identify`.

        A call that only `reads` may come again with the same proof: of two in one second clients make the same event.
        """
        once = () if reads else operators
        return self._check(request, lambda: self._proven_key(request, method_needed=False, managed=url, once=once))

    def _check(self, request: Request, check: Callable[[], str]) -> str:
        return self._checks.run(request.address, self._settings.config.rates.wrong_proofs, check)

    def _proven_key(
        self, request: Request, *, method_needed: bool = True, managed: str = "", once: Collection[str] | None = None
    ) -> str:
        """The key of a NIP-98 header; `managed` is the URL of the relay where a call of NIP-86 must name that.

        A proof of a key in `once` is good once, None for all keys.
        Raises Reject(auth-required) naming what is wrong: HTTP answers 401 (NIP-98).
        """
        try:
            event = nip98.event_in_header(request.authorization)
            now = int(time.time())
            payload = nip98.payload_of(request.body)
            required = bool(managed) or self._needs_payload(request.origin)
            method = request.method if method_needed or has_tag(event, "method") else None
            url = managed or request.origin + request.target
            same = nip98.same_relay if managed else nip98.same_url
            pubkey = nip98.authenticated_key(event, url, method, payload, now, required=required, same=same)
            verify_event(event)
            if once is None or pubkey in once:
                self._replay_guard.use(event, now)
        except Reject as refusal:
            if refusal.prefix is Prefix.INVALID:
                raise Reject(Prefix.AUTH_REQUIRED, refusal.message) from None
            raise
        return pubkey

    def _needs_payload(self, origin: str) -> bool:
        """`identities.proof_payload`. NIP-98 leaves it to the server; on the way to TLS nobody changes a body unseen."""
        setting = self._settings.config.identities.proof_payload
        return setting == "required" or (setting == "tls" and not origin.startswith("https://"))

    async def _of_token(self, text: str) -> Caller:
        digest, now = tokens.digest(text), int(time.time())

        def look(tables: Lookups) -> tuple[StoredToken | None, User | None]:
            token = tables.token("user", digest)
            return token, None if token is None else tables.user_row(token.owner_id)

        token, user = await self._tables.ask(look)
        wrong = "this token is unknown" if token is None else tokens.fault(token.revoked_at, token.expires_at, now)
        if token is None or user is None or wrong is not None:
            raise Reject(Prefix.AUTH_REQUIRED, wrong or "this token is unknown")
        self._uses.note(token, now)
        return Caller(user.user_id, token.id)

    async def get(self, user_id: str) -> tuple[User | None, list[Identity]]:
        """The metadata of the user known elsewhere so, None before there is any, and the identities linked to it."""

        def look(tables: Lookups) -> tuple[User | None, list[Identity]]:
            user = tables.user(user_id)
            return user, [] if user is None else tables.identities_of_user(user.id)

        return await self._tables.ask(look)

    async def edit(self, caller: Caller, fields: dict[str, str | None]) -> User:
        """Set name, username, email or image. Raises Reject(invalid) for text that hides something or is too long."""
        for field, text in fields.items():
            if text is not None and names.shown(text, MAX_SUBJECT) != text:
                raise Reject(Prefix.INVALID, f"{field}: at most {MAX_SUBJECT} characters, none hidden or for control")
        return await self._ingest.execute(EditUser(caller.user_id, secrets.token_hex(16), fields), caller.token)

    async def tokens(self, caller: Caller) -> list[StoredToken]:
        """The caller's app tokens, newest first."""

        def look(tables: Lookups) -> list[StoredToken]:
            user = tables.user(caller.user_id)
            return [] if user is None else tables.tokens("user", user.id)

        return await self._tables.ask(look)

    async def add_token(self, caller: Caller, name: str, expires_at: int | None) -> tuple[StoredToken, str]:
        """A new app token and its text, shown once. Raises Reject(invalid), ChangeRefused: ENDED, TOO_MANY."""
        now = int(time.time())
        if not name.strip() or names.shown(name, names.MAX_DISPLAY_NAME) != name.strip():
            raise Reject(Prefix.INVALID, f"a token's name has 1 to {names.MAX_DISPLAY_NAME} visible characters")
        if expires_at is not None and expires_at <= now:
            raise Reject(Prefix.INVALID, "expires_at lies in the past")
        text = tokens.make(Kind.APP)
        token = StoredToken(secrets.token_hex(16), "", name.strip(), None, now, expires_at, None)
        row_id, digest = secrets.token_hex(16), tokens.digest(text)
        wanted = AddUserToken(caller.user_id, row_id, token, digest, caller.token_id)
        adding = self._ingest.execute(wanted, caller.token)
        made = await shown_once.stored(self._tables, adding, lambda tables: tables.token("user", digest) is not None)
        return made or token, text

    async def revoke_token(self, caller: Caller, token_id: str) -> None:
        """End an app token now. Raises ChangeRefused(UNKNOWN)."""
        user, _ = await self.get(caller.user_id)
        if user is None:
            raise ChangeRefused(Why.UNKNOWN, "there is no such live token")
        await self._ingest.execute(RevokeToken("user", user.id, token_id), caller.token)
