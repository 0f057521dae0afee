"""Replaceable events (NIP-01): only the newest version of an author's kind is kept; of equals the one with the lowest id."""

from relay.errors import Prefix, Reject
from relay.protocol import outdated
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, address_of
from relay.protocol.facts import Facts


def admit(event: Event, facts: Facts, _now: int, _door: Door) -> Admission:
    """Replace the version that is here. Raises Reject(invalid) when that one is newer. Serves addressable kinds too."""
    current = facts.versions[address_of(event) or ""]
    if current is None:
        return Admission()
    if current.is_newer_than(event.created_at, event.id):
        raise Reject(Prefix.INVALID, f"{outdated.NEWER_VERSION}: {current.id} of {current.created_at}")
    return Admission(replaces=current.id)
