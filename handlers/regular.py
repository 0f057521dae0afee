"""Regular events (NIP-01): every one is kept, and everyone may read it."""

from relay.protocol.admission import Admission, Door, Known
from relay.protocol.event import Event

_KEPT = Admission()


def admit(_event: Event, _known: Known, _now: int, _door: Door) -> Admission:
    """Store it."""
    return _KEPT
