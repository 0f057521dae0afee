"""How far a peer is and how it goes, as it changes; noted in the database a moment later, all peers together."""

import time
from collections.abc import Callable

import msgspec

from relay.federation.transfers import SyncCounts
from storage.peers import NotedPeer, PeerPlace, PeerRow, PeerStatus

_COUNTS = tuple(name for name in SyncCounts.__struct_fields__ if name in PeerStatus.__struct_fields__)


class PeerRecord:
    """`place` and `status` are replaced as a whole, by `move`, `tell` and the counts; each change is `noticed`."""

    def __init__(self, row: PeerRow, noticed: Callable[[], None]) -> None:
        self.url = row.url
        self.place = row.place
        self.status = row.status
        self.counts = SyncCounts()  # of this process
        self.wasted = 0
        self._before = row.status  # what was counted before
        self._noticed = noticed
        self._noted: NotedPeer | None = None

    def move(self, **changes: int | str | None) -> None:
        """Another place."""
        self.place = msgspec.structs.replace(self.place, **changes)
        self._noticed()

    def tell(self, **changes: int | str | bool) -> None:
        """Another status; a new state begins now."""
        if changes.get("state", self.status.state) != self.status.state:
            changes["since"] = int(time.time())
        self.status = msgspec.structs.replace(self.status, **changes)
        self._noticed()

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
        return msgspec.structs.replace(self.status, wasted=self._before.wasted + self.wasted, **counts)

    def due(self) -> NotedPeer | None:
        """What is to be noted, None where it is as noted last."""
        now = NotedPeer(self.url, self.place, self.current())
        return None if now == self._noted else now

    def noted(self, noted: NotedPeer) -> None:
        """This is in the database now."""
        self._noted = noted
