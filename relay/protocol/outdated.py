"""What is refused though it may have been taken once: a newer version is here, or it was deleted, removed, has expired, or is
older than such events are kept here.

What the operator removed is not among it: who imports that again wants it back, and is told that it does not come.

Rule: whoever brings events that were here once, as an older export does, has done nothing wrong; those are told apart by their
words, which go through every door as they are.
"""

from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol.event import Event, expiration

NEWER_VERSION: Final = "a newer version is here"
DELETED: Final = "this event was deleted"
DELETED_VERSION: Final = "this version of the address was deleted"
DELETED_WITH_EDITED: Final = "what this edits was deleted"
REMOVED: Final = "this event was removed by a moderator"
VANISHED: Final = "its author asked to vanish"
EXPIRED: Final = "the event expired at"
PAST_ITS_DAYS: Final = "this is older than the relay keeps"

_WORDS: Final = (
    NEWER_VERSION,
    DELETED,
    DELETED_VERSION,
    DELETED_WITH_EDITED,
    REMOVED,
    VANISHED,
    EXPIRED,
    PAST_ITS_DAYS,
)


def expired(event: Event, now: int) -> Reject | None:
    """The refusal of what has expired by now (NIP-40), whether it is still in the log or not. Raises as `expiration` does."""
    expires = expiration(event)
    return None if expires is None or expires > now else Reject(Prefix.INVALID, f"{EXPIRED} {expires} (NIP-40)")


def is_outdated(refusal: Reject) -> bool:
    """Whether this refuses what may have been taken earlier."""
    return refusal.message.startswith(_WORDS)
