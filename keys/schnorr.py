"""BIP-340 signatures over secp256k1, by libsecp256k1 (coincurve).

`fault` is the whole check of NIP-01: the id is the hash of the fields, and the signature is of that id.
"""

import secrets
from functools import lru_cache
from typing import Final

import msgspec
from coincurve import PrivateKey, PublicKeyXOnly

from relay.errors import Prefix, Reject
from relay.protocol.event import Event, compute_digest, compute_id

KEPT_KEYS: Final = 4096  # points of keys, about 400 bytes each

_WRONG_ID = "the id is not the hash of the event; check the serialization (NIP-01)"
_WRONG_SIGNATURE = "the signature is not this key's signature of the id"


def is_forged(refusal: Reject | None) -> bool:
    """Whether this is what `fault` finds."""
    return refusal is not None and refusal.message in (_WRONG_ID, _WRONG_SIGNATURE)


def verify(pubkey: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is `pubkey`'s (32 bytes, x only) over `message` (32 bytes). A key off the curve is False."""
    try:
        return bool(_point(pubkey).verify(signature, message))
    except ValueError:
        return False


@lru_cache(KEPT_KEYS)
def _point(pubkey: bytes) -> PublicKeyXOnly:
    """The point of a key: to find it is a sixth of a check, and most events are by keys that wrote lately. Raises ValueError."""
    return PublicKeyXOnly(pubkey)


def fault(event: Event) -> Reject | None:
    """What is wrong with the event's id or signature, None when both are right. Releases the GIL while it checks."""
    digest = compute_digest(event)
    if digest.hex() != event.id:
        return Reject(Prefix.INVALID, _WRONG_ID)
    if not verify(bytes.fromhex(event.pubkey), digest, bytes.fromhex(event.sig)):
        return Reject(Prefix.INVALID, _WRONG_SIGNATURE)
    return None


def verify_event(event: Event) -> None:
    """Raises what `fault` finds."""
    wrong = fault(event)
    if wrong is not None:
        raise wrong


def sign(secret: bytes, message: bytes) -> bytes:
    """The 64-byte signature over a 32-byte message, with fresh auxiliary randomness (BIP-340)."""
    return PrivateKey(secret).sign_schnorr(message, secrets.token_bytes(32))


def signed(event: Event, secret: bytes) -> Event:
    """The event with the id of its fields and this secret's signature; its pubkey must be the secret's."""
    event_id = compute_id(event)
    signature = sign(secret, bytes.fromhex(event_id)).hex()
    return msgspec.structs.replace(event, id=event_id, sig=signature)


def public_key(secret: bytes) -> bytes:
    """The 32-byte x-only public key of a 32-byte secret. Raises ValueError when the secret is not on the curve."""
    return PrivateKey(secret).public_key.format()[1:]
