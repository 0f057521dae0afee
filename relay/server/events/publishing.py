"""Handing an event in, whichever door it came by: the operator's policies first, then the pipeline."""

import asyncio
import time
from collections.abc import Hashable

from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.event import wire as wire_of
from relay.protocol.facts import GivenToken
from relay.server.events import policies
from relay.server.events.ingest import Ingest
from relay.server.settings import Settings
from storage.base import Expected, Incoming, Outcome, Status, StorageError


class Publisher:
    """`self_pubkey` is the relay's own key, hex. All methods are called on the loop."""

    def __init__(self, ingest: Ingest, settings: Settings, self_pubkey: str) -> None:
        self._ingest = ingest
        self._settings = settings
        self._self_pubkey = self_pubkey

    def author(
        self, door: Door, keys: frozenset[str] = frozenset(), url: str = "", signed_here: bool = False
    ) -> policies.Sender:
        """Who hands events in by this door, having proven these keys, and knows this relay as `url` or by its own."""
        own = self._settings.relay_url
        return policies.Sender(door, keys, self._self_pubkey, (own, url) if url and url != own else (own,), signed_here)

    def refuse(self, event: Event, author: policies.Sender, now: int) -> Reject | None:
        """The operator's rules for one event, before its signature is looked at."""
        refusal = policies.refuse(event, author, self._settings.config, now)
        if refusal is not None:
            self._ingest.refused += 1
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
        author = self.author(door, frozenset({event.pubkey} if trusted else ()), url, signed_here=trusted)
        refusal = self.refuse(event, author, now)
        if refusal is None and not self._ingest.room():
            refusal = Reject(Prefix.ERROR, "too many events are waiting; try again in a moment")
        if refusal is not None:
            return Outcome(Status.REFUSED, refusal=refusal)
        if trusted:
            try:
                return (await self._ingest.write([Incoming(event, wire_of(event), door, now, expected, token)]))[0]
            except StorageError as error:
                return Outcome(Status.REFUSED, refusal=Reject(Prefix.ERROR, str(error)))
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def answer(_event: Event, outcome: Outcome) -> None:
            if not answered.done():
                answered.set_result(outcome)

        self._ingest.submit(event, door, now, answer, source, token=token)
        return await answered

    async def submit(self, batch: list[Incoming]) -> list[Outcome]:
        """Store events whose signatures were checked, by the policies of their door; they reach subscribers like any other."""
        now = int(time.time())
        senders = {door: self.author(door) for door in {item.door for item in batch}}
        refusals = [policies.refuse(item.event, senders[item.door], self._settings.config, now) for item in batch]
        accepted = [item for item, refusal in zip(batch, refusals, strict=True) if refusal is None]
        stored = iter(await self._ingest.write(accepted))
        return [next(stored) if refusal is None else Outcome(Status.REFUSED, refusal=refusal) for refusal in refusals]
