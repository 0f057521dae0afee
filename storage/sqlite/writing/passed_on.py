"""The ephemeral events that were passed on lately: who sends one again, or by another way, reaches nobody a second time.

Without this, relays that are each other's peers would send one to each other for ever. Bounded in number and time: what is sent
again a minute later is passed on again, to whoever listens then.
"""

from typing import Final

MOST: Final = 20_000  # ids of 64 characters: 3 MB
SECONDS: Final = 60


class PassedOn:
    """Those of the writer. `now` is in unix seconds."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}  # in the order in which they came

    def holds(self, event_id: str, now: int) -> bool:
        """Whether this event was passed on in the last minute."""
        passed = self._times.get(event_id)
        return passed is not None and now - passed < SECONDS

    def add(self, event_id: str, now: int) -> None:
        """This event is passed on."""
        times = self._times
        times.pop(event_id, None)
        if len(times) >= MOST:
            del times[next(iter(times))]
        times[event_id] = now

    def clear(self) -> None:
        """What was passed on was rolled back."""
        self._times.clear()
