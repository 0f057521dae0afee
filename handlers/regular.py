"""Regular events (NIP-01): every one is kept, and everyone may read it."""

from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event
from relay.protocol.facts import Facts

_KEPT = Admission()


def admit(_event: Event, _facts: Facts, _now: int, _door: Door) -> Admission:
    """Store it."""
    return _KEPT
