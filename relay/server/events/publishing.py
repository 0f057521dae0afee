"""Handing an event in, whichever door it came by: the operator's policies first, then the pipeline."""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.event import wire as wire_of
from relay.protocol.facts import GivenToken
from relay.roles import metrics
from relay.server.events import policies
from relay.server.events.ingest import Ingest
from relay.server.settings import Settings
from storage.base import Expected, Incoming, Outcome, Status
from storage.errors import StorageError

# Gives the address of whoever sent the HTTP request that is answered just now; set for every request (`relay.http.front`).
asked_from: Final[ContextVar[Callable[[], str] | None]] = ContextVar("asked_from", default=None)


class Publisher:
    """`self_pubkey` is the relay's own key, hex. All methods are called on the loop."""

    def __init__(self, ingest: Ingest, settings: Settings, self_pubkey: str) -> None:
        self._ingest = ingest
        self._settings = settings
        self._self_pubkey = self_pubkey

    def author(
        self,
        door: Door,
        keys: frozenset[str] = frozenset(),
        url: str = "",
        signed_here: bool = False,
        address: str = "",
    ) -> policies.Sender:
        """Who hands events in by this door, having proven these keys, and knows this relay as `url` or by its own.

        `address` as in policies.Sender.
        """
        own = self._settings.relay_url
        urls = (own, url) if url and url != own else (own,)
        return policies.Sender(door, keys, self._self_pubkey, urls, signed_here, address)

    def refuse(self, event: Event, author: policies.Sender, now: int) -> Reject | None:
        """The operator's rules for one event, before its signature is looked at."""
        refusal = policies.refuse(event, author, self._settings.config, now)
        if refusal is not None:
            metrics.count_refusal(self._ingest.numbers, refusal)
        return refusal

    async def publish(
        self,
        event: Event,
        door: Door,
        *,
        trusted: bool = False,
        expected: Expected | None = None,
        source: Hashable = None,
        url: str = "",
        token: GivenToken | None = None,
    ) -> Outcome:
        """Take one event by the policies of its door; its outcome, durable.

        `trusted`: the relay itself signed it just now, so that its signature is not checked again and its key counts as proven;
        only such an event may have something `expected`.
        `source` says whose place it takes among the events to verify, `url` under which URL they know this relay, `token` with
        which token it was sent: when that has ended by the time of the transaction, the event is refused.
        """
        assert trusted or expected is None
        now = int(time.time())
        keys = frozenset({event.pubkey} if trusted else ())
        author = self.author(door, keys, url, signed_here=trusted, address=self._address())
        refusal = self.refuse(event, author, now)
        if refusal is None and not self._ingest.room():
            refusal = Reject(Prefix.ERROR, "too many events are waiting; try again in a moment")
        if refusal is not None:
            return Outcome(Status.REFUSED, refusal=refusal)
        if trusted:
            incoming = Incoming(event, wire_of(event), door, now, expected, token)
            if self._ingest.asks:
                unwanted = (await self._ingest.unwanted(event.pubkey, [(incoming, author)]))[0]
                if unwanted is not None:
                    return Outcome(Status.REFUSED, refusal=unwanted)
            try:
                return (await self._ingest.write([incoming]))[0]
            except StorageError as error:
                return Outcome(Status.REFUSED, refusal=Reject(Prefix.ERROR, str(error)))
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def answer(_event: Event, outcome: Outcome) -> None:
            if not answered.done():
                answered.set_result(outcome)

        self._ingest.submit(event, door, now, answer, source, token=token, sender=author)
        return await answered

    def _address(self) -> str:
        """Of who asks for it over HTTP, where somebody wants to know."""
        ask = asked_from.get() if self._ingest.asks else None
        return "" if ask is None else ask()

    async def submit(self, batch: list[Incoming]) -> list[Outcome]:
        """Store events whose signatures were checked, by the policies of their door; they reach subscribers like any other."""
        now = int(time.time())
        senders = {
            place: self.author(place[0], address=place[1] or "")
            for place in {(item.door, item.origin) for item in batch}
        }
        judged = [(item, senders[item.door, item.origin]) for item in batch]
        refusals = [policies.refuse(item.event, sender, self._settings.config, now) for item, sender in judged]
        if self._ingest.asks:
            asked = [one for one, refusal in zip(judged, refusals, strict=True) if refusal is None]
            found = iter(await self._ingest.unwanted(object(), asked, bounded=False))
            refusals = [next(found) if refusal is None else refusal for refusal in refusals]
        accepted = [item for item, refusal in zip(batch, refusals, strict=True) if refusal is None]
        stored = iter(await self._ingest.write(accepted))
        return [next(stored) if refusal is None else Outcome(Status.REFUSED, refusal=refusal) for refusal in refusals]
