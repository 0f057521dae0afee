"""Salts that give what is signed within one second the order in which it was signed.

A time of NIP-01 is a whole second, and of one second the lowest id comes first where the newest does. Ids are hashes, so what
a program writes quickly would be listed in any order, by this relay as by every client. Where the relay signs, it chooses the salt:
a second has 192 parts and 64 more for what is signed when it is over; an id of a later part begins lower, and a process takes each
part once, as long as there are any. Issues stand in the order of their ranks, the oldest first: there a later id begins higher.
"""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from relay.protocol.event import Draft, serialize

LENGTH: Final = 16  # hex digits
_TRIED: Final = tuple(b"%03x" % number for number in range(4096))  # the last of them; one in 256 is right
_BITS: Final = 8  # of the id that tell the part of a second
_PARTS: Final = 192  # of a second itself
_MOST_HASHED: Final = 2**19  # bytes, about: for a long text seconds have fewer parts
_LATE: Final = 5.0  # seconds between an event's time and its signature up to which it is one of what is written now


def random() -> str:
    """A salt by chance."""
    return secrets.token_hex(LENGTH // 2)


class Salts:
    """Chooses salts; remembers which part of which second it gave last."""

    __slots__ = ("_clock", "_part", "_second")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = self._part = -1

    def ordered(self, pubkey: str, draft: Draft, tag: list[str], *, rises: bool = False) -> str:
        """The salt that makes this the newest of its second, as the last value of `tag`, which is the draft's last tag then.

        Its id is the lowest of that second by now or, where it `rises`, the highest.
        """
        salt = random()
        late = self._clock() - draft.created_at
        if late > _LATE:
            return salt  # it is given a time of its own
        data = serialize(pubkey, draft.created_at, draft.kind, [*draft.tags, [*tag, salt]], draft.content)
        end = data.index(salt.encode()) + LENGTH
        kept = end - len(_TRIED[0])
        begun, rest = hashlib.sha256(data[:kept]), data[end:]
        bits = _BITS
        while bits and (len(rest) + 64) << bits > _MOST_HASHED:
            bits -= 1
        part = self._take(draft.created_at, late)
        wanted, unread = (part if rises else 2**_BITS - 1 - part) >> (_BITS - bits), 8 - bits
        for digits in _TRIED:
            tried = begun.copy()
            tried.update(digits + rest)
            if tried.digest()[0] >> unread == wanted:
                return salt[: -len(digits)] + digits.decode()
        return salt  # once in ten million times

    def _take(self, second: int, late: float) -> int:
        """The part of this second that it is now, or the next one where that was given; before the second its first."""
        now = max(int(late * _PARTS), 0)
        part = min(max(now, self._part + 1) if second == self._second else now, 2**_BITS - 1)
        self._second, self._part = second, part
        return part
