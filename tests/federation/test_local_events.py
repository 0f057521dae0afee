"""What a peer is given of this relay's log."""

from typing import Any

from relay.federation.local_events import PublicEvents
from storage.base import PUBLIC, Found


class TwoParts:
    """A log whose answers come in two parts; it notes as whom each is read."""

    def __init__(self) -> None:
        self.read_as: list[Any] = []

    async def query(self, filters: Any, readers: Any, now: int, **_: Any) -> Found:
        self.read_as.append(readers)
        return Found([b"1"], (2, 3), True)

    async def fetch(self, seqs: tuple[int, ...], now: int, readers: Any) -> list[bytes]:
        self.read_as.append(readers)
        return [b"%d" % seq for seq in seqs]


async def test_what_becomes_private_while_it_is_read_is_not_given() -> None:
    log: Any = TwoParts()
    assert await PublicEvents(log).wires(["a" * 64]) == [b"1", b"2", b"3"]
    assert log.read_as == [PUBLIC, PUBLIC]
