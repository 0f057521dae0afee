"""Ephemeral events (NIP-01): sent to whoever listens now, never stored."""

from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event
from relay.protocol.facts import Facts

_SENT = Admission(store=False)


def admit(_event: Event, _facts: Facts, _now: int, _door: Door) -> Admission:
    """Send it on without storing it."""
    return _SENT
