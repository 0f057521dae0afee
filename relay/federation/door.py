"""The door by which peers hand events in: the operator's policies, then this process's pipeline, which checks ids and signatures.

Each peer is one client among all others there, so that its events wait for those of nobody else, and nobody's for a flood of its.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from relay.client.errors import ClientError
from relay.errors import Prefix, Reject
from relay.federation.local_events import PublicEvents
from relay.peer_settings import PeerPolicy
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.server.events.ingest import Ingest
from relay.server.events.policies import Sender
from relay.server.events.publishing import Publisher
from storage.base import Outcome, Reader, Status

AT_ONCE: Final = 2000  # events of one peer that are under way: while the writer has a thousand, the next are checked
SHARE: Final = 0.5  # the part of the pipeline that all peers together may fill: clients always find room
MOST_WAIT: Final = 5.0  # seconds that a connection is held up by its quota; then it is ended
WORTHWHILE: Final = 0.05  # the part of an hour's events that must be left before a peer is heard again
UNIT: Final = 16 * 1024  # bytes of an event that count as one event of its peer's
_BESIDE: Final = 32  # what each part of a tag takes beside its bytes
_AGAIN: Final = 0.05  # seconds until a full pipeline is looked at again


class OverQuota(ClientError):
    """A peer has sent as much as it may for now."""


def weight(event: Event) -> int:
    """For how many events of a peer one counts: looking at it takes as long as its size, whatever becomes of it."""
    parts = sum(map(len, event.tags))
    return 1 + (len(event.content) + _BESIDE * parts) // UNIT


class PeerQuota:
    """So many events an hour, which may come at once; whoever takes more waits. 0 is no limit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._most = 0
        self._left = 0.0
        self._when = clock()

    def configure(self, most: int) -> None:
        """Another limit from now on."""
        if most != self._most:
            self._most, self._left, self._when = most, float(most), self._clock()

    async def take(self, number: int = 1) -> None:
        """Returns when that many more are within the limit. Raises OverQuota where that is long."""
        wait = self.spend(number)
        if wait > MOST_WAIT:
            raise OverQuota(f"it has sent {self._most:,} events within an hour (federation.events_per_hour)")
        if wait:
            await asyncio.sleep(wait)

    def rest(self) -> float:
        """Seconds until the peer is to be heard again: none, or until a part of what it may send is left."""
        return self.spend(0) and (WORTHWHILE * self._most - self._left) / (self._most / 3600)

    def spend(self, number: int) -> float:
        """Count them; in how many seconds they are within the limit."""
        if not self._most:
            return 0.0
        now, a_second = self._clock(), self._most / 3600
        self._left = min(float(self._most), self._left + (now - self._when) * a_second) - number
        self._when = now
        return max(0.0, -self._left / a_second)


class PeerDoor(PublicEvents):
    """relay.federation.local_events.LocalEvents of one peer in a running relay. `url` is the peer's, the origin of whom it brings.

    `home` is the key by which it speaks of its groups; "" or None where it has none or they are not taken.
    """

    def __init__(self, url: str, reader: Reader, ingest: Ingest, publisher: Publisher, quota: PeerQuota) -> None:
        super().__init__(reader)
        self.policy = PeerPolicy()
        self.home: str | None = None
        self._url = url
        self._ingest = ingest
        self._publisher = publisher
        self._quota = quota
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def take(self, events: Sequence[Event]) -> list[Outcome]:
        """As LocalEvents.take."""
        if not events:
            return []
        found: dict[int, Outcome] = {}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(at: int, _event: Event, outcome: Outcome) -> None:
            found[at] = outcome
            if len(found) == len(events) and not done.done():
                done.set_result(None)

        for at, event in enumerate(events):
            await self._hand_in(event, partial(settle, at), is_live=False)
        await done
        return [found[at] for at in range(len(events))]

    async def pass_over(self, number: int) -> None:
        """As LocalEvents.pass_over. Raises OverQuota."""
        await self._quota.take(number)

    async def hand_in(self, event: Event, answer: Callable[[Event, Outcome], None]) -> None:
        """Take one event that came unasked; returns when there is room for another. `answer` follows, maybe at once."""
        await self._hand_in(event, answer, is_live=True)

    async def _hand_in(self, event: Event, answer: Callable[[Event, Outcome], None], *, is_live: bool) -> None:
        await self._quota.take(weight(event))
        sender = self._sender(event, is_live)
        refusal = self._refusal(event, sender)
        if refusal is not None:
            answer(event, Outcome(Status.REFUSED, refusal=refusal))
            return
        await self._slots.acquire()
        if not self._ingest.room(SHARE, self):
            try:
                await self._room()
            except BaseException:  # the connection ends meanwhile: the door outlives it
                self._slots.release()
                raise

        def answered(event: Event, outcome: Outcome) -> None:
            self._slots.release()
            answer(event, outcome)

        self._ingest.submit(
            event,
            Door.PEER,
            int(time.time()),
            answered,
            self,
            origin=self._url,
            home=self.home or "",
            sender=sender,
        )

    async def _room(self) -> None:
        """Returns when the pipeline has room. Nobody tells when: whoever waits for it looks again."""
        while not self._ingest.room(SHARE, self):  # noqa: ASYNC110
            await asyncio.sleep(_AGAIN)

    def _sender(self, event: Event, is_live: bool) -> Sender:
        sender = self._publisher.author(Door.PEER, address=self._url)
        relay = self.home or "" if event.kind in kinds.GROUPS else sender.relay
        return msgspec.structs.replace(sender, relay=relay, is_live=is_live)

    def _refusal(self, event: Event, sender: Sender) -> Reject | None:
        if event.pubkey in self.policy.denied_keys or event.kind in self.policy.denied_kinds:
            return Reject(Prefix.BLOCKED, "the policy for this peer denies the key or kind")
        return self._publisher.refuse(event, sender, int(time.time()))
