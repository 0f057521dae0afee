"""How far a peer is and how it goes, as it changes; noted in the database a moment later, all peers together."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from relay.federation.transfers import SyncCounts
from storage.peers import NotedPeer, PeerPlace, PeerRow, PeerStatus

_COUNTS = tuple(name for name in SyncCounts.__struct_fields__ if name in PeerStatus.__struct_fields__)


REASONS: Final = 3  # told of each way
MOST_REASON: Final = 200  # characters of one


def _most_frequent(reasons: dict[str, int]) -> dict[str, int]:
    found = sorted(reasons.items(), key=lambda one: -one[1])[:REASONS]
    return {words[:MOST_REASON]: number for words, number in found}


class PeerRecord:
    """`place` and `status` are replaced as a whole, by `move`, `tell` and the counts; each change is `noticed`."""

    def __init__(self, row: PeerRow, noticed: Callable[[], None], steady: Callable[[], None] = lambda: None) -> None:
        """`steady` is called where nothing has changed but the time: that may be noted later."""
        self.url = row.url
        self.place = row.place
        self.status = msgspec.structs.replace(row.status, comparing=False)  # whatever was noted by one that was killed
        self.counts = SyncCounts()  # of this process
        self.wasted = 0
        self._before = row.status  # what was counted before
        self._noticed = noticed
        self._steady = steady
        self._noted: NotedPeer | None = None

    def move(self, **changes: int | str | None) -> None:
        """Another place."""
        self.place = msgspec.structs.replace(self.place, **changes)
        self._noticed()

    def tell(self, **changes: int | str | bool) -> None:
        """Another status; a new state begins now."""
        if all(getattr(self.status, name) == value for name, value in changes.items()):
            return
        if changes.get("state", self.status.state) != self.status.state:
            changes["since"] = int(time.time())
        self.status = msgspec.structs.replace(self.status, **changes)
        self._noticed()

    def is_in_step(self, at: int, **places: int) -> None:
        """The peer and this relay have the same, as far as is known at this time, in unix seconds."""
        changed = self.status.state != "in step" or self.status.last_error
        self.place = msgspec.structs.replace(self.place, **places)
        since = int(time.time()) if changed else self.status.since
        self.status = msgspec.structs.replace(self.status, state="in step", since=since, in_step_at=at, last_error="")
        (self._noticed if changed else self._steady)()

    def count(self) -> None:
        """The counts have changed."""
        self._noticed()

    def begin_anew(self, scope: str, up_seq: int) -> None:
        """Other events are synchronized from now on."""
        self.place = PeerPlace(scope, int(time.time()), up_seq, home_key=self.place.home_key)
        self._noticed()

    def current(self) -> PeerStatus:
        """The status with all counts."""
        counts = {name: getattr(self._before, name) + getattr(self.counts, name) for name in _COUNTS}
        return msgspec.structs.replace(
            self.status,
            wasted=self._before.wasted + self.wasted,
            refused_because=_most_frequent(self.counts.refusals),
            rejected_because=_most_frequent(self.counts.rejections),
            delayed_because=_most_frequent(self.counts.delays),
            **counts,
        )

    def due(self) -> NotedPeer | None:
        """What is to be noted, None where it is as noted last."""
        now = NotedPeer(self.url, self.place, self.current())
        return None if now == self._noted else now

    def noted(self, noted: NotedPeer) -> None:
        """This is in the database now."""
        self._noted = noted
