"""Keys and signed events for tests: the same arguments always give the same bytes."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache

import msgspec
from coincurve import PrivateKey

from relay.protocol.event import Event, compute_id

NOW = 1_700_000_000


class Keypair(msgspec.Struct, frozen=True):
    """A secret (32 bytes) and its public key (64 hex digits)."""

    secret: bytes
    pubkey: str


@cache
def keypair(n: int) -> Keypair:
    """The n-th test key."""
    secret = hashlib.sha256(b"test key %d" % n).digest()
    return Keypair(secret, PrivateKey(secret).public_key_xonly.format().hex())


def make_event(
    key: Keypair | int = 1,
    kind: int = 1,
    content: str = "",
    tags: Iterable[Sequence[str]] = (),
    created_at: int = NOW,
) -> Event:
    """A signed event by `key` (a Keypair, or the number of one). Signed without randomness, so that it is always the same."""
    author = keypair(key) if isinstance(key, int) else key
    unsigned = Event("0" * 64, author.pubkey, created_at, kind, [list(tag) for tag in tags], content, "0" * 128)
    event_id = compute_id(unsigned)
    signature = PrivateKey(author.secret).sign_schnorr(bytes.fromhex(event_id), bytes(32)).hex()
    return msgspec.structs.replace(unsigned, id=event_id, sig=signature)


PNG = b"\x89PNG\r\n\x1a\n and what follows"  # begins as a picture does, which is all that is looked at
