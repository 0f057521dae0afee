"""Keys that the relay holds for others. Rule: a secret never leaves this module but as ciphertext.

Everything is sealed with AES-256-GCM under a key derived from the operator's master secret, and bound to the table, column and
row it belongs to: a ciphertext moved elsewhere opens as little as one under another master secret.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys import nip49, salts, schnorr
from relay.protocol import kinds
from relay.protocol.event import Draft, Event, compute_id
from storage.identities.types import Held, Resealed

MASTER_BYTES: Final = 32
TABLE, COLUMN = "custodial_keys", "ciphertext"
TAG: Final = "custody"  # what says that the relay signed, and which
AFTER_RETIREMENT: Final = frozenset((kinds.DELETION, kinds.VANISH))
# What the doors produce. A list of the allowed, so that nobody gets a proof (22242, 27235, 28934) or a seal signed by it.
SIGNED: Final = frozenset(
    (
        *(0, 3, 5, 7, 9, 11, 1010, 1111, 1621, 1630, 1631, 1632, 1633),
        *(9000, 9001, 9002, 9005, 9007, 9008, 9009, 9010, 9021, 9022),
        *(1984, 10000, 10002, 10003, 10050, 30078, 30617, 30618, 30818),
    )
)
# What is listed by time and id: what one writes in a second is to be read in that order.
ORDERED: Final = frozenset((kinds.CHAT, kinds.POST, kinds.COMMENT, kinds.ISSUE, kinds.WIKI))
_VERSION: Final = b"\x01"
_NONCE: Final = 12


class CustodyError(Exception):
    """What was asked of a held key cannot be done; the message says why and repeats no secret."""


class Custody:
    """Seals, opens and signs under one master secret (32 bytes)."""

    __slots__ = ("_cipher", "_master", "_salts")

    def __init__(self, master: bytes, clock: Callable[[], float] = time.time) -> None:
        if len(master) != MASTER_BYTES:
            raise ValueError(f"a master secret has {MASTER_BYTES} bytes")
        self._master = master
        self._cipher = AESGCM(_derived(master, b"tidings custody"))
        self._salts = salts.Salts(clock)

    def __repr__(self) -> str:
        return "Custody()"

    @property
    def check(self) -> str:
        """What tells this master secret from others, and nothing else about it."""
        return _derived(self._master, b"tidings check").hex()

    def seal(self, table: str, column: str, row: str, data: bytes) -> bytes:
        """The ciphertext of `data` for this place."""
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, data, _place(table, column, row))

    def open(self, table: str, column: str, row: str, sealed: bytes) -> bytes:
        """What was sealed for this place. Raises CustodyError for another place or another master secret."""
        try:
            if sealed[:1] != _VERSION:
                raise ValueError
            nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            return self._cipher.decrypt(nonce, rest, _place(table, column, row))
        except (InvalidTag, ValueError):
            raise CustodyError(f"{table}.{column} of {row} cannot be decrypted with this master secret") from None

    def recode(self, following: "Custody", table: str, column: str, row: str, sealed: bytes) -> bytes:
        """The same secret for the same place under another master secret."""
        return following.seal(table, column, row, self.open(table, column, row, sealed))

    def resealed(self, following: "Custody", values: Iterable[tuple[str, str, str, bytes]]) -> list[Resealed]:
        """All values (table, column, row, ciphertext) as they will be under the next master secret."""
        return [
            Resealed(table, column, row, before, self.recode(following, table, column, row, before))
            for table, column, row, before in values
        ]

    def new_key(self) -> Held:
        """A fresh key pair, its secret sealed."""
        secret = secrets.token_bytes(32)
        pubkey = schnorr.public_key(secret).hex()
        return Held(pubkey, self.seal(TABLE, COLUMN, pubkey, secret), retired=False)

    def sign(self, key: Held, relay: str, draft: Draft) -> Event:
        """An event by a held key, which says that this relay (its pubkey) signed. Raises CustodyError for a kind it never signs.

        The same draft never gives the same event twice: what is asked for again within a second, say after a deletion, is new.
        Of what is ORDERED a later one of the same second has a lower id, as NIP-01 lists them; a later issue has a higher one,
        which is its rank.
        """
        if draft.kind not in SIGNED:
            raise CustodyError(f"the relay signs no kind {draft.kind} with a key it holds")
        return self._sign(key, relay, draft)

    def sign_vanish(self, key: Held, relay: str, draft: Draft) -> Event:
        """A request that the relay forget the key (NIP-62); only for a route where its owner confirmed that."""
        if draft.kind != kinds.VANISH:
            raise CustodyError(f"a request to vanish is of kind {kinds.VANISH}")
        return self._sign(key, relay, draft)

    def _sign(self, key: Held, relay: str, draft: Draft) -> Event:
        if key.retired and draft.kind not in AFTER_RETIREMENT:
            raise CustodyError("this key is retired: the relay only deletes with it")
        draft = msgspec.structs.replace(draft, tags=[tag for tag in draft.tags if tag[0] != TAG])
        said = [TAG, relay]
        if draft.kind in ORDERED:
            salt = self._salts.ordered(key.pubkey, draft, said, rises=draft.kind == kinds.ISSUE)
        else:
            salt = salts.random()
        event = unsigned(key.pubkey, msgspec.structs.replace(draft, tags=[*draft.tags, [*said, salt]]))
        return schnorr.signed(event, self.open(TABLE, COLUMN, key.pubkey, key.ciphertext))

    def export(self, key: Held, password: str) -> str:
        """The secret as `ncryptsec` under a password (NIP-49); takes about 100 ms and 64 MiB."""
        return nip49.encrypt(self.open(TABLE, COLUMN, key.pubkey, key.ciphertext), password)


def salted(draft: Draft) -> Draft:
    """The draft with a salt, so that what its owner is asked to sign twice within a second is two events."""
    return msgspec.structs.replace(draft, tags=[*draft.tags, ["salt", salts.random()]])


def unsigned(pubkey: str, draft: Draft) -> Event:
    """The event that a key's owner has to sign: everything but the signature."""
    event = Event("", pubkey, draft.created_at, draft.kind, draft.tags, draft.content, "")
    return msgspec.structs.replace(event, id=compute_id(event))


def _derived(master: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(master)


def _place(table: str, column: str, row: str) -> bytes:
    return msgspec.msgpack.encode((table, column, row))
