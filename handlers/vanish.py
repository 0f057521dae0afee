"""Requests to vanish (NIP-62): everything of a key goes, up to the request's time, and is refused from then on.

Rule: a request counts only where it names this relay, or all of them; one for another relay is not ours to carry out. Clients
may know this relay by another URL than the operator (a proxy's), so their doors have compared it already
(`relay.server.events.policies`).
"""

from handlers.authorship import is_strict
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import membership, vanishing
from relay.protocol.admission import Admission, Door, RemoveAuthor, VanishKey
from relay.protocol.event import Event, values
from relay.protocol.facts import Facts


def admit_at(relay_url: str) -> Admit:
    """The `admit` of the relay that clients know as `relay_url`; it raises Reject(invalid) for requests to others."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        if not values(event, "relay"):
            raise Reject(Prefix.INVALID, "a request to vanish needs a relay tag (NIP-62)")
        if not is_strict(door) and not vanishing.names_relay(event, (relay_url,)):
            raise Reject(Prefix.INVALID, f"this request to vanish is for another relay; this one is {relay_url}")
        removals = (RemoveAuthor(event.pubkey, event.created_at),)
        told = () if facts.identity_of(event.pubkey) is None else (membership.removed(event.pubkey, now),)
        return Admission(removals=removals, actions=(VanishKey(event.pubkey),), emits=told)

    return admit
