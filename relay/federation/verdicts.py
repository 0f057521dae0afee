"""What may be sent to a peer, and what its answer means for the event that was sent."""

import enum
import re
from typing import Final

import msgspec

from relay.client.errors import Refused
from relay.client.messages import Ok
from relay.errors import Prefix
from relay.protocol import kinds, vanishing
from relay.protocol.event import Event, has_tag
from relay.protocol.groups.belonging import NOT_HERE_YET
from relay.protocol.groups.decide import KINDS

FIRST: Final = frozenset((kinds.DELETION, kinds.VANISH))  # go before what they may erase
MOST_WAIT: Final = 300.0  # seconds that a peer may ask us to wait
PAUSES: Final = (
    1.0,
    5.0,
    20.0,
    60.0,
)  # seconds until a peer is offered, or asked, again what it could not take or answer
GROUPS_NOT_TAKEN: Final = "groups of this relay are not taken"
NOT_FOR_GOOD: Final = frozenset((GROUPS_NOT_TAKEN, NOT_HERE_YET))  # refusals that may be over in an hour
TEMPORARY: Final = frozenset((Prefix.ERROR, Prefix.RATE_LIMITED, Prefix.AUTH_REQUIRED))  # this relay may take it later
_NEVER: Final = frozenset(
    (
        Prefix.BLOCKED,
        Prefix.INVALID,
        Prefix.POW,
        Prefix.RESTRICTED,
        Prefix.MUTE,
        Prefix.UNSUPPORTED,
        Prefix.AUTH_REQUIRED,
    )
)
_SECONDS: Final = re.compile(r"\b(\d{1,4})\s*(?:s|sec|second|seconds)\b")


class Fate(enum.Enum):
    """What became of an event that was offered to a peer."""

    TAKEN = "taken"
    KNOWN = "known"  # it had it
    REFUSED = "refused"  # for good
    LATER = "later"  # to be offered again


class Verdict(msgspec.Struct, frozen=True):
    """A peer's answer to an event. `wait` is in how many seconds it may be offered again, None where that was not said.

    What is refused is so `for_good`, unless it is of a time that has not come: a relay whose clock is behind may take it later.
    """

    fate: Fate
    words: str = ""
    wait: float | None = None
    for_good: bool = True


_TAKEN: Final = Verdict(Fate.TAKEN)


def verdict(answer: Ok) -> Verdict:
    """What an OK means (NIP-01): what is refused without a known prefix, or by an error of the peer's, may be taken later."""
    if answer.accepted and not answer.words:
        return _TAKEN
    refusal = Refused.of(answer.words)
    if answer.accepted or refusal.prefix is Prefix.DUPLICATE:
        return Verdict(Fate.KNOWN if refusal.prefix is Prefix.DUPLICATE else Fate.TAKEN)
    if refusal.prefix in _NEVER:
        return Verdict(Fate.REFUSED, str(refusal))
    found = _SECONDS.search(refusal.message) if refusal.prefix is Prefix.RATE_LIMITED else None
    return Verdict(Fate.LATER, str(refusal), min(float(found[1]), MOST_WAIT) if found else None)


def withheld(event: Event, url: str) -> str | None:
    """Why a public event is not sent to the peer at `url`, None where it may be."""
    reason = not_passed_on(event)
    if reason is None and event.kind in KINDS:
        reason = "what is done in a group is its home relay's to decide (NIP-29)"
    if reason is None and event.kind == kinds.VANISH and not vanishing.names_relay(event, (url,)):
        reason = "a request to vanish from other relays (NIP-62)"
    return reason


def not_taken(event: Event, home: str | None) -> str | None:
    """Why an event of a peer is not taken, None where it may be; `home` as in `relay.federation.home.own_key`."""
    if event.kind in kinds.GROUPS and event.pubkey == home:
        return None
    if home is None and (event.kind in kinds.GROUPS or has_tag(event, "h")):
        return GROUPS_NOT_TAKEN
    return not_passed_on(event)


def not_passed_on(event: Event) -> str | None:
    """Why an event goes from no relay to another, None where it may."""
    if has_tag(event, "-"):
        return "protected: only its author may publish it (NIP-70)"
    if event.kind in kinds.RELAY_ONLY:
        return "what a relay tells of its members and groups is its own to tell (NIP-29, NIP-43)"
    if event.kind in (kinds.CLIENT_AUTH, kinds.HTTP_AUTH):
        return "a proof for one relay"
    return None
