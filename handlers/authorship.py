"""Who may write in the feed: keys bound to a posting identity.

Rule: the doors of this relay (client, HTTP) refuse what lands in no row; what a peer or an import brings is kept, and has its
row as soon as what it waits for is here. A key that was unbound writes nothing new, except by the operator's import.
"""

from collections.abc import Iterable
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import membership
from relay.protocol.admission import Admission, Door, ProvisionIdentity
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need
from relay.protocol.relay import RelayRules

_STRICT: Final = frozenset({Door.CLIENT, Door.HTTP})
_NUL: Final = "\x00"
_KEPT: Final = Admission()


def is_strict(door: Door) -> bool:
    """Whether what comes by this door must be fit for the feed at once."""
    return door in _STRICT


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """What `sign_in` must know: whose key wrote it."""
    return (("keys", event.pubkey),)


def sign_in(
    event: Event, facts: Facts, now: int, door: Door, relay: RelayRules, *, is_member: bool = False
) -> Admission:
    """Keep it, and see that its author has a posting identity. Raises Reject(restricted) where that cannot be.

    `is_member`: of the group that it is written in, which decided that it may write, so that it gets an identity.
    """
    if door is Door.IMPORT or facts.identity_of(event.pubkey) is not None:
        return _KEPT
    if facts.owner_of(event.pubkey) is not None:
        raise Reject(Prefix.RESTRICTED, membership.UNBOUND)
    if door is Door.PEER:  # with the peer as its origin, so it is no member here
        made = ProvisionIdentity(event.pubkey, None, relay.provisions_per_hour)
        return Admission(actions=(made,)) if relay.provision_peers else _KEPT
    if relay.provision or is_member:
        made = ProvisionIdentity(event.pubkey, None, relay.provisions_per_hour)
        return Admission(actions=(made,), emits=(membership.added(event.pubkey, now),))
    raise Reject(
        Prefix.RESTRICTED,
        "this key has no posting identity; get one with POST /api/v1/agents/register and bind the key to it",
    )


def check_text(event: Event) -> None:
    """Raises Reject(invalid) for text that a row could not hold whole."""
    if _NUL in event.content:
        raise Reject(Prefix.INVALID, "the text holds a NUL character")
