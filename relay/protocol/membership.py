"""Who is a member, as the relay's own key tells it (NIP-43): 8000 and 8001 as keys come and go, 13534 the newest of them.

These events are protected (NIP-70): nobody else's are taken.
"""

from collections.abc import Sequence
from typing import Final

from relay.protocol import kinds
from relay.protocol.event import Draft

CHANGES: Final = frozenset((kinds.MEMBER_ADDED, kinds.MEMBER_REMOVED))
MOST_AHEAD: Final = 60  # seconds that the list may lie ahead of the clock, where it changes several times a second
WRONG_CLOCK: Final = 900  # seconds ahead of the clock at which only one that was wrong can have made it
# Why it may not write.
UNBOUND: Final = "this key was unbound from its posting identity; bind it again to write with it"
_PROTECTED: Final = ["-"]


def next_at(present: int | None, now: int, most_ahead: int = MOST_AHEAD) -> int | None:
    """When to make the version after one of this time; None where that has to wait, since it would lie too far ahead.

    What follows on one that was made while the clock was wrong is the older of the two, and takes its place all the same.
    """
    if present is None or present < now or present >= now + WRONG_CLOCK:
        return now
    return present + 1 if present < now + most_ahead else None


def added(pubkey: str, now: int) -> Draft:
    """The key is a member now."""
    return Draft(kinds.MEMBER_ADDED, [_PROTECTED, ["p", pubkey]], "", now)


def removed(pubkey: str, now: int) -> Draft:
    """The key is no member any more."""
    return Draft(kinds.MEMBER_REMOVED, [_PROTECTED, ["p", pubkey]], "", now)


def listing(pubkeys: Sequence[str], created_at: int) -> Draft:
    """The list of members."""
    return Draft(kinds.MEMBERS, [_PROTECTED, *(["member", pubkey] for pubkey in pubkeys)], "", created_at)
