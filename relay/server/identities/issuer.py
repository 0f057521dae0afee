"""The issuer whose JWTs say who a user is.

Rule: nothing in a token chooses how it is checked. Each key of the issuer is good for the algorithms of its own kind only.
"""

import codecs
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from relay.config import Config
from relay.errors import Prefix, Reject
from relay.setting_parts import ConfigError

LEEWAY: Final = 30  # seconds between two clocks
MAX_JWT: Final = 8192  # characters
MAX_SUBJECT: Final = 200
MIN_RSA, MAX_RSA = 2048, 8192  # bits
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}


class _Key(msgspec.Struct, frozen=True):
    """A public key and the algorithms it checks; a shared secret would sign as well, so there is none."""

    key: Any
    algorithms: tuple[str, ...]


class Issuer:
    """Raises ConfigError when the issuer's keys cannot be used."""

    def __init__(self, config: Config) -> None:
        self._issuer = config.identities.jwt_issuer
        self._audience = config.identities.jwt_audience or None
        self._keys = _keys(Path(config.identities.jwt_keys))

    def subject(self, token: str) -> str:
        """The `sub` of a JWT. Raises Reject(auth-required) naming what is wrong with it."""
        try:
            if len(token) > MAX_JWT:
                raise jwt.InvalidTokenError(f"it has more than {MAX_JWT} characters")
            key = self._key_for(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "sub", "iss"], "verify_aud": self._audience is not None},
            )
        # A stranger wrote it: what the library does not foresee (a number beyond any, say) is as wrong as what it does.
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise Reject(Prefix.AUTH_REQUIRED, f"the JWT is not accepted: {error}") from None
        subject = claims["sub"]
        # `nostr:` users are those who proved a key to us; an issuer cannot speak for them.
        if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or subject.startswith("nostr:"):
            raise Reject(Prefix.AUTH_REQUIRED, "the JWT's sub is not a user id that this relay takes")
        return subject

    def _key_for(self, header: dict[str, Any]) -> _Key:
        kid = header.get("kid")
        if len(self._keys) == 1:
            found = next(iter(self._keys.values()))
        elif isinstance(kid, str) and kid in self._keys:
            found = self._keys[kid]
        else:
            raise jwt.InvalidTokenError("its kid names no key of the issuer")
        if header.get("alg") not in found.algorithms:
            raise jwt.InvalidTokenError(f"its alg is none of the issuer's key: {', '.join(found.algorithms)}")
        return found


def _keys(file: Path) -> dict[str | None, _Key]:
    try:
        data = file.read_bytes().removeprefix(codecs.BOM_UTF8)
        if data.lstrip().startswith(b"{"):
            found = _of_set(msgspec.json.decode(data, type=_Set))
        else:
            found = {None: _Key(key := load_pem_public_key(data), _algorithms(key, None))}
    except OSError as error:
        raise ConfigError(f"identities.jwt_keys: {file} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm, jwt.PyJWTError) as error:
        raise ConfigError(f"identities.jwt_keys: {file} holds no public key (PEM) or JWK set: {error}") from None
    found = {name: key for name, key in found.items() if key.algorithms}
    if not found:
        kinds = f"RSA of {MIN_RSA} to {MAX_RSA} bits, P-256, P-384, P-521 or Ed25519"
        raise ConfigError(f"identities.jwt_keys: {file} holds no public key that signs: {kinds} are taken")
    return found


class _Set(msgspec.Struct):
    keys: list[dict[str, Any]]


def _of_set(given: _Set) -> dict[str | None, _Key]:
    """The keys of a JWK set that are for signatures and of a known kind, by their kid."""
    found: dict[str | None, _Key] = {}
    for row in given.keys:
        if row.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(row).key
        except jwt.PyJWTError:
            continue  # of a kind that is not known
        found[row.get("kid")] = _Key(key, _algorithms(key, row.get("alg")))
    return found


def _algorithms(key: Any, only: str | None) -> tuple[str, ...]:
    """What a key checks, of that only `only` if it is given; nothing for what is no public key of a kind that is taken."""
    algorithms: tuple[str, ...] = ()
    if isinstance(key, RSAPublicKey) and MIN_RSA <= key.key_size <= MAX_RSA:
        algorithms = _RSA
    elif isinstance(key, EllipticCurvePublicKey):
        algorithms = _CURVES.get(key.curve.name, ())
    elif isinstance(key, Ed25519PublicKey):
        algorithms = ("EdDSA",)
    return algorithms if only is None else tuple(name for name in algorithms if name == only)
