"""Users: who a request of the control plane is from, their metadata and their app tokens.

A user is known elsewhere: by a JWT of the configured issuer (its `sub`) or by a Nostr key (`nostr:<pubkey>`, NIP-98); an app
token stands for one. A row is made only when something hangs on it (an app token, a claimed identity, a profile).
"""

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from keys import nip98, tokens
from keys.schnorr import fault
from keys.tokens import Kind
from relay.config import Config, ConfigError
from relay.errors import Prefix, Reject
from relay.protocol import names
from relay.server.proofs import Proofs
from storage.identities.commands import AddUserToken, EditUser, RevokeToken, UseToken
from storage.identities.types import Identity, Lookups, Refused, Token, User, Why

if TYPE_CHECKING:
    from relay.server.hub import Hub

ALGORITHMS: Final = (
    "EdDSA",
    "ES256",
    "ES384",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
)  # a shared secret would sign as well
LEEWAY: Final = 30  # seconds between two clocks
MAX_JWT: Final = 8192  # characters
MAX_SUBJECT: Final = 200
USED_SECONDS: Final = 3600
_WRONG_KIND: Final = {
    Kind.IDENTITY: "this is an identity token (tdi_…); here an app token (tda_…), a JWT or a NIP-98 proof is needed",
    Kind.KEY_CLAIM: "this is a claim code (tdk_…); here an app token (tda_…), a JWT or a NIP-98 proof is needed",
    Kind.INVITE: "this is an invite (tdm_…); here an app token (tda_…), a JWT or a NIP-98 proof is needed",
    Kind.IDENTITY_CLAIM: "this is a claim (tdc_…); it goes into the body, and who you are into the header",
}


class Request(msgspec.Struct, frozen=True):
    """What a proof must cover: the method, the path with its query, and the body."""

    authorization: str
    method: str
    target: str
    body: bytes


class Caller(msgspec.Struct, frozen=True):
    """A user: `user_id` is the external id; `token_id` is set when an app token said so, `by_key` when a NIP-98 proof did."""

    user_id: str
    token_id: str | None = None
    by_key: bool = False


class Users:
    """All methods are called on the loop."""

    def __init__(self, hub: "Hub", proofs: Proofs) -> None:
        self._hub = hub
        self._proofs = proofs
        self._issuer = Issuer(hub.config) if hub.config.identities.jwt_issuer else None

    def base_url(self) -> str:
        """Where this relay's HTTP is reached."""
        parts = urlsplit(self._hub.relay_url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"

    async def identify(self, request: Request) -> Caller:
        """Who the request is from. Raises Reject: auth-required, restricted (another kind of token), invalid (a bad proof)."""
        scheme, _, credential = request.authorization.strip().partition(" ")
        credential = credential.strip()
        if scheme.lower() == nip98.SCHEME:
            return Caller(f"nostr:{self._proven_key(request)}", by_key=True)
        if scheme.lower() != "bearer" or not credential:
            raise Reject(Prefix.AUTH_REQUIRED, "say who you are: an app token, a JWT or a NIP-98 proof")
        kind = tokens.kind_of(credential)
        if kind in _WRONG_KIND:
            raise Reject(Prefix.RESTRICTED, _WRONG_KIND[kind])
        if kind is Kind.APP:
            return await self._of_token(credential)
        if self._issuer is None or credential.count(".") != 2:
            raise Reject(Prefix.AUTH_REQUIRED, "this is no token of this relay")
        return Caller(self._issuer.subject(credential))

    def _proven_key(self, request: Request) -> str:
        event = nip98.event_in_header(request.authorization)
        now = int(time.time())
        url = self.base_url() + request.target
        pubkey = nip98.authenticated_key(event, url, request.method, nip98.payload_of(request.body), now)
        wrong = fault(event)
        if wrong is not None:
            raise wrong
        self._proofs.use(event, now)
        return pubkey

    async def _of_token(self, text: str) -> Caller:
        digest, now = tokens.digest(text), int(time.time())

        def look(tables: Lookups) -> tuple[Token | None, User | None]:
            token = tables.token("user", digest)
            return token, None if token is None else tables.user_row(token.owner_id)

        token, user = await self._hub.reader.ask(look)
        wrong = "this token is unknown" if token is None else tokens.fault(token.revoked_at, token.expires_at, now)
        if token is None or user is None or wrong is not None:
            raise Reject(Prefix.AUTH_REQUIRED, wrong or "this token is unknown")
        if now - (token.last_used_at or 0) >= USED_SECONDS:
            await self._hub.ingest.execute(UseToken("user", token.id))
        return Caller(user.user_id, token.id)

    async def get(self, caller: Caller) -> tuple[User | None, list[Identity]]:
        """The caller's metadata, None before there is any, and the identities linked to it."""

        def look(tables: Lookups) -> tuple[User | None, list[Identity]]:
            user = tables.user(caller.user_id)
            return user, [] if user is None else tables.identities_of_user(user.id)

        return await self._hub.reader.ask(look)

    async def edit(self, caller: Caller, fields: dict[str, str | None]) -> User:
        """Set name, username, email or image. Raises Reject(invalid) for text that hides something or is too long."""
        for field, text in fields.items():
            if text is not None and names.shown(text, MAX_SUBJECT) != text:
                raise Reject(Prefix.INVALID, f"{field}: at most {MAX_SUBJECT} characters, none hidden or for control")
        return await self._hub.ingest.execute(EditUser(caller.user_id, secrets.token_hex(16), fields))

    async def tokens(self, caller: Caller) -> list[Token]:
        """The caller's app tokens, newest first."""

        def look(tables: Lookups) -> list[Token]:
            user = tables.user(caller.user_id)
            return [] if user is None else tables.tokens("user", user.id)

        return await self._hub.reader.ask(look)

    async def add_token(self, caller: Caller, name: str, expires_at: int | None) -> tuple[Token, str]:
        """A new app token and its text, shown once. Raises Reject(invalid), Refused: ENDED, TOO_MANY."""
        now = int(time.time())
        if not name.strip() or names.shown(name, names.MAX_DISPLAY_NAME) != name.strip():
            raise Reject(Prefix.INVALID, f"a token's name has 1 to {names.MAX_DISPLAY_NAME} visible characters")
        if expires_at is not None and expires_at <= now:
            raise Reject(Prefix.INVALID, "expires_at lies in the past")
        text = tokens.make(Kind.APP)
        token = Token(secrets.token_hex(16), "", name.strip(), None, now, expires_at, None)
        row_id, digest = secrets.token_hex(16), tokens.digest(text)
        wanted = AddUserToken(caller.user_id, row_id, token, digest, caller.token_id)
        return await self._hub.ingest.execute(wanted), text

    async def revoke_token(self, caller: Caller, token_id: str) -> None:
        """End an app token now. Raises Refused(UNKNOWN)."""
        user, _ = await self.get(caller)
        if user is None:
            raise Refused(Why.UNKNOWN, "there is no such live token")
        await self._hub.ingest.execute(RevokeToken("user", user.id, token_id))


class Issuer:
    """The issuer whose JWTs say who a user is. Raises ConfigError when its keys cannot be used."""

    def __init__(self, config: Config) -> None:
        self._issuer = config.identities.jwt_issuer
        self._audience = config.identities.jwt_audience or None
        self._keys = _keys(Path(config.identities.jwt_keys))

    def subject(self, token: str) -> str:
        """The `sub` of a JWT. Raises Reject(auth-required) naming what is wrong with it."""
        try:
            if len(token) > MAX_JWT:
                raise jwt.InvalidTokenError("it is too long")
            claims = jwt.decode(
                token,
                self._key_for(jwt.get_unverified_header(token).get("kid")),
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "sub", "iss"], "verify_aud": self._audience is not None},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Reject(Prefix.AUTH_REQUIRED, f"the JWT is not accepted: {error}") from None
        subject = claims["sub"]
        # `nostr:` users are those who proved a key to us; an issuer cannot speak for them.
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or subject.startswith("nostr:"):
            raise Reject(Prefix.AUTH_REQUIRED, "the JWT's sub is not a user id that this relay takes")
        return subject

    def _key_for(self, kid: object) -> Any:
        if len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid not in self._keys:
            raise jwt.InvalidTokenError("its kid names no key of the issuer")
        return self._keys[kid]


def _keys(file: Path) -> dict[object, Any]:
    try:
        data = file.read_bytes()
        if not data.lstrip().startswith(b"{"):
            return {None: load_pem_public_key(data)}
        found = jwt.PyJWKSet.from_dict(msgspec.json.decode(data)).keys
        return {key.key_id: key.key for key in found}
    except (OSError, ValueError, UnsupportedAlgorithm, jwt.PyJWTError) as error:
        raise ConfigError(f"identities.jwt_keys: {file} holds no public key (PEM) or JWK set: {error}") from None
