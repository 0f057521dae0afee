"""Who signs: the interface, and the plain case of a secret key held in memory. The secret is never shown."""

import secrets
from typing import Protocol, Self

import msgspec

from keys import encoding, schnorr
from relay.client.errors import HALF, BadText
from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.kinds import is_hex


class Signer(Protocol):
    """Whoever can sign for one key: a key in memory, a hardware token, another process."""

    @property
    def pubkey(self) -> str:
        """The public key, 64 lower-case hex digits."""

    async def sign(self, kind: int, content: str, tags: list[list[str]], created_at: int) -> Event:
        """The signed event (NIP-01). `created_at` is unix seconds."""


class Key:
    """A Signer that holds its secret (32 bytes). Raises ValueError when that is no secret key."""

    def __init__(self, secret: bytes) -> None:
        self.pubkey = schnorr.public_key(secret).hex()
        self._secret = secret

    def __repr__(self) -> str:
        return f"Key({encoding.encode('npub', self.pubkey)})"

    @classmethod
    def generate(cls) -> Self:
        """A new key."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in `nsec1…` or 64 hex digits. Raises ValueError, which does not repeat the text."""
        return cls(bytes.fromhex(text if is_hex(text, 64) else encoding.decode("nsec", text)))

    async def sign(self, kind: int, content: str, tags: list[list[str]], created_at: int) -> Event:
        """As Signer.sign."""
        return self.signed(kind, content, tags, created_at)

    def signed(self, kind: int, content: str, tags: list[list[str]], created_at: int) -> Event:
        """The same without waiting, as nobody has to be asked. Raises BadText."""
        unsigned = Event("0" * 64, self.pubkey, created_at, kind, tags, content, "0" * 128)
        try:
            event_id = events.compute_id(unsigned)
        except UnicodeEncodeError:
            raise BadText(HALF) from None
        signature = schnorr.sign(self._secret, bytes.fromhex(event_id)).hex()
        return msgspec.structs.replace(unsigned, id=event_id, sig=signature)


async def proof(signer: Signer, url: str, challenge: str, now: float) -> Event:
    """The event that proves the signer's key to the relay at `url` (NIP-42)."""
    return await signer.sign(kinds.CLIENT_AUTH, "", [["relay", url], ["challenge", challenge]], int(now))
