"""The work that some hubs ask for with a registration: a number that makes a hash begin with zero bits."""

import hashlib
from typing import Final

import msgspec

MAX_BITS: Final = 26  # about a minute; who asks for more does not want to be joined by a program


class Work(msgspec.Struct, frozen=True):
    """What is asked for: a nonce such that the SHA-256 of `prefix` and the nonce starts with `bits` zero bits."""

    prefix: str
    bits: int


def find(wanted: Work) -> str:
    """The nonce; takes 2**bits tries on average."""
    begun = hashlib.sha256(wanted.prefix.encode())
    bound = 1 << (256 - wanted.bits)
    nonce = 0
    while True:
        attempt = begun.copy()
        attempt.update(b"%d" % nonce)
        if int.from_bytes(attempt.digest()) < bound:
            return str(nonce)
        nonce += 1
