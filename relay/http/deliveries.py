"""Webhooks delivered: the first front follows the log and posts to each webhook what a heartbeat would tell its identity.

States of a webhook here: idle; due (its identity may have news); running (one delivery of it is under way). What happens while it
runs makes it due again afterwards. How far it was told, and when the next try comes after one that failed, stands in the database:
whoever starts next goes on from there. So everything is delivered at least once, in order, and a delivery that is tried again
covers the same numbers of the log under the same `webhook-id`.

Bounded: IN_FLIGHT deliveries at once, each TIMEOUT seconds; a receiver that fails is tried less and less often, and no more after
GIVE_UP. An answer's body is not read, and a redirect is not followed.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

import msgspec

from relay.http.api import heartbeat
from relay.http.api.heartbeat import NewsItem
from relay.http.api.notifications import TELLING
from relay.http.hub import RunningRelay
from relay.protocol.event import values
from relay.server.events.follow import Applied
from relay.server.supervision import Tasks
from relay.server.web_requests.outbound import Delivery, Poster, Undelivered
from storage.errors import StorageError
from storage.identities.types import FOLLOWED
from storage.identities.webhooks import CHANGED, Webhook

QUIET: Final = 1.0  # seconds in which further events are gathered: votes come in swarms
MOST: Final = 25  # news of one delivery
IN_FLIGHT: Final = 16
TIMEOUT: Final = 10.0  # seconds
FIRST_DELAY: Final = 30  # seconds before the second try, twice as many before each further one
LONGEST_DELAY: Final = 3600
GIVE_UP: Final = 3 * 86400  # seconds of nothing but failures
MAX_WAITING: Final = 1000  # keys to look up at once; where more are named, all webhooks are due
RECHECK: Final = 30.0  # seconds until another look where the database could not be read
GONE: Final = 410  # by which a receiver says that it wants nothing more


class DeliveredNews(msgspec.Struct, frozen=True):
    """The body of a delivery."""

    agent_id: str
    cursor: str
    news: list[NewsItem]
    has_more: bool
    type: str = "news"


Send = Callable[[Delivery], Awaitable[int]]


class WebhookDeliveries:
    """All webhooks of one relay. Made and used on the loop. `send` gives the status of the answer, or raises Undelivered."""

    def __init__(
        self, hub: RunningRelay, send: Send, clock: Callable[[], float] = time.time, quiet: float = QUIET
    ) -> None:
        self._hub = hub
        self._hooks = hub.identities.webhooks
        self._send = send
        self._clock = clock
        self._quiet = quiet
        self._tasks = Tasks(hub.faults)
        self._owners: dict[str, str] = {}  # webhook -> identity, of those that have not ended
        self._due: dict[str, None] = {}
        self._running: dict[str, bool] = {}  # whether it is to run again
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._waiting: set[str] = set()  # keys that were named
        self._followed: set[str] = set()  # identities that have a new follower
        self._gathering: asyncio.TimerHandle | None = None
        self._changed: set[str] = set()  # webhooks that are new or were resumed
        self._stale = False
        self._loading = False
        self._closed = False
        hub.follow(self._applied)
        self._reload()

    async def close(self) -> None:
        """End; what was under way is delivered again by whoever starts next."""
        self._closed = True
        for handle in (*self._later.values(), *([self._gathering] if self._gathering else [])):
            handle.cancel()
        await self._tasks.close()

    # what the log tells

    def _applied(self, applied: Applied) -> None:
        changed = [hook_id for kind, hook_id in applied.changes if kind == CHANGED]
        if applied.anew or changed:
            self._changed.update(self._owners if applied.anew else changed)
            self._reload()
        if not self._owners:
            return
        followed = [key for kind, key in applied.changes if kind == FOLLOWED]
        if followed:
            self._gather((), followed)
        for live in applied.events:
            if live.seq and live.event.kind in TELLING:  # what its identity may not read, the look leaves out
                self._gather((*values(live.event, "p"), *values(live.event, "P")))

    def _gather(self, keys: Iterable[str], identities: Iterable[str] = ()) -> None:
        self._waiting.update(keys)
        self._followed.update(identities)
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(self._quiet, self._look)

    def _look(self) -> None:
        self._gathering = None
        self._tasks.start(self._named(), "who is told by a webhook")

    async def _named(self) -> None:
        waiting, self._waiting = self._waiting, set()
        followed, self._followed = self._followed, set()
        try:
            named = None if len(waiting) > MAX_WAITING else await self._hooks.owners(sorted(waiting))
        except StorageError:
            named = None
        for hook_id, identity_id in list(self._owners.items()):
            if named is None or identity_id in named or identity_id in followed:
                self._wake(hook_id)

    def _reload(self) -> None:
        self._stale = True
        if not self._loading and not self._closed:
            self._loading = True
            self._tasks.start(self._load(), "the list of webhooks")

    async def _load(self) -> None:
        """Look which webhooks there are; those that are new here, or whose owner had them resumed, may have news."""
        try:
            while self._stale:
                self._stale = False
                changed, self._changed = self._changed, set()
                try:
                    live = await self._hooks.live()
                except StorageError:
                    self._stale = True
                    self._changed |= changed
                    await asyncio.sleep(RECHECK)
                    continue
                before, self._owners = self._owners, {hook.id: hook.identity_id for hook in live}
                for hook in live:
                    if hook.id not in before or hook.id in changed:
                        self._at(hook.id, hook.next_at)
        finally:
            self._loading = False

    # one webhook

    def _at(self, hook_id: str, when: float) -> None:
        """Wake it then."""
        handle = self._later.pop(hook_id, None)
        if handle is not None:
            handle.cancel()
        delay = when - self._clock()
        if delay <= 0:
            self._wake(hook_id)
        else:
            self._later[hook_id] = asyncio.get_running_loop().call_later(delay, self._woken, hook_id)

    def _woken(self, hook_id: str) -> None:
        self._later.pop(hook_id, None)
        self._wake(hook_id)

    def _wake(self, hook_id: str) -> None:
        if hook_id in self._later:
            return  # it failed; what is new goes with the next try
        if hook_id in self._running:
            self._running[hook_id] = True
        else:
            self._due[hook_id] = None
            self._pump()

    def _pump(self) -> None:
        while self._due and len(self._running) < IN_FLIGHT and not self._closed:
            hook_id = next(iter(self._due))
            del self._due[hook_id]
            self._running[hook_id] = False
            self._tasks.start(self._run(hook_id), "a webhook")

    async def _run(self, hook_id: str) -> None:
        try:
            while await self._deliver(hook_id):
                pass
        except StorageError:
            self._at(hook_id, self._clock() + RECHECK)
        finally:
            again = self._running.pop(hook_id)
            if again:
                self._wake(hook_id)
            self._pump()

    async def _deliver(self, hook_id: str) -> bool:
        """Tell it what is new, if anything is; whether there is more to tell at once."""
        hook = await self._hooks.get(hook_id)
        if hook is None or hook.ended_at is not None:
            self._owners.pop(hook_id, None)
            return False
        beat = await heartbeat.happened(self._hub, hook.identity_id, hook.told, MOST, upto=hook.pending)
        if beat.news:
            told = DeliveredNews(hook.identity_id, beat.cursor, beat.news, beat.has_more)
            after = await self._attempt(hook, told)
        else:  # what failed to be delivered is gone
            after = msgspec.structs.replace(hook, pending=None) if hook.pending is not None else hook
        if after is not hook:
            await self._hooks.note(after)
        if beat.news and after.problem is not None:
            if after.ended_at is None:
                self._at(hook_id, after.next_at)
            return False
        return beat.has_more or hook.pending is not None

    async def _attempt(self, hook: Webhook, told: DeliveredNews) -> Webhook:
        """The webhook as it is after this try."""
        now = int(self._clock())
        body = msgspec.json.encode(told)
        headers = signed(f"{hook.id}.{hook.told}.{told.cursor}", now, body, await self._hooks.secret(hook))
        try:
            async with asyncio.timeout(TIMEOUT):
                status = await self._send(Delivery(hook.url, headers, body))
        except TimeoutError:
            problem = f"no answer within {TIMEOUT:g} seconds"
        except Undelivered as error:
            problem = str(error)
        else:
            if 200 <= status < 300:
                return msgspec.structs.replace(
                    hook,
                    told=int(told.cursor),
                    pending=None,
                    failures=0,
                    failing_since=None,
                    next_at=0,
                    problem=None,
                )
            problem = f"the answer was {status}"
            if status == GONE:
                return msgspec.structs.replace(hook, failures=hook.failures + 1, problem=problem, ended_at=now)
        hook = await self._hooks.get(hook.id) or hook  # resumed meanwhile, it has not failed before
        since = now if hook.failing_since is None else hook.failing_since
        return msgspec.structs.replace(
            hook,
            pending=int(told.cursor),
            failures=hook.failures + 1,
            failing_since=since,
            next_at=now + delay(hook.failures),
            problem=problem,
            ended_at=now if now - since >= GIVE_UP else None,
        )


def delay(failures: int) -> int:
    """Seconds until the next try after one that failed, where so many in a row had failed before it."""
    return min(FIRST_DELAY << min(failures, 20), LONGEST_DELAY)


def signed(message_id: str, now: int, body: bytes, secret: bytes) -> dict[str, str]:
    """The headers of a delivery, signed (Standard Webhooks 1.0): HMAC-SHA256 over id, time and body."""
    content = f"{message_id}.{now}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{signature}",
    }


@contextlib.asynccontextmanager
async def delivering(hub: RunningRelay) -> AsyncIterator[None]:
    """Webhooks are delivered for as long as this lasts: in one front of a relay, and no more than one."""
    agent = f"Tidings/{hub.version} (+{hub.software})"
    poster = Poster(agent, IN_FLIGHT, lambda: hub.config.webhooks.private_addresses)
    deliveries = WebhookDeliveries(hub, poster.send)
    try:
        yield
    finally:
        await deliveries.close()
        await poster.close()
