"""Previews of links, where the operator wants them (`links.previews`): the first front reads the page that a new post links to.

It does so once, and what the page says of itself is kept beside the post, for a card on the post's own page: no reader's browser
asks there before its owner clicks. Links of posts that not everybody may read are left alone.

Bounded: MAX_WAITING posts wait, MOST_OF_HOST of them with one host, READING pages are read at once and of each host one, each
TIMEOUT seconds. What was read, or could not be, is remembered for a while, so that the same link in many posts is asked for once,
and where nobody takes a connection is left alone.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from relay.http.api.link_cards import linked
from relay.http.hub import RunningRelay
from relay.protocol import kinds, urls
from relay.server.events.follow import Applied
from relay.server.supervision import Tasks
from relay.server.web_requests.page_reading import PageReader, UnreadablePage
from relay.server.web_requests.page_summary import PageSummary
from storage.commands import KeepLinkPreview
from storage.errors import StorageError
from storage.feed import MAX_IDS, PostRow

MAX_WAITING: Final = 200
MOST_OF_HOST: Final = 20
READING: Final = 4
TIMEOUT: Final = 10.0  # seconds
MAX_KNOWN: Final = 1000  # links and origins that are remembered
KEPT: Final = 3600.0  # seconds that what was read is good for other posts with the same link
FAILED: Final = 3600.0  # seconds until a link, or an origin that took no connection, is asked again
CAUGHT_UP: Final = 25  # the newest posts, looked at where commits were missed

_log = logging.getLogger(__name__)


class _WantedPreview(msgspec.Struct, frozen=True):
    """A post and its link."""

    id: str
    seq: int
    url: str
    origin: str


class _KnownLink(msgspec.Struct, frozen=True):
    """What is remembered of a link or an origin until then: what its page says, None where it could not be read."""

    until: float
    summary: PageSummary | None


Read = Callable[[str], Awaitable[PageSummary]]
Keep = Callable[[KeepLinkPreview], Awaitable[None]]


class LinkPreviews:
    """All previews of one relay. Made and used on the loop. `read` gives what a page says, or raises UnreadablePage."""

    def __init__(self, hub: RunningRelay, read: Read, keep: Keep, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._read = read
        self._keep = keep
        self._clock = clock
        self._tasks = Tasks(hub.faults)
        self._ids: dict[str, None] = {}  # of posts that are to be looked at
        self._missed = True  # commits were
        self._looking = False
        self._hosts: dict[str, deque[_WantedPreview]] = {}  # what waits for each, those asked just now first
        self._running: set[str] = set()
        self._known: OrderedDict[str, _KnownLink] = OrderedDict()
        self._closed = False
        hub.follow(self._applied)
        self._begin()

    async def close(self) -> None:
        """End; what was not read is looked at again by whoever starts next, as far as it is among the newest."""
        self._closed = True
        await self._tasks.close()

    async def settle(self) -> None:
        """Returns when nothing waits."""
        while len(self._tasks):
            await self._tasks.settle()

    def _applied(self, applied: Applied) -> None:
        self._missed = self._missed or applied.anew
        if not self._is_on():
            return
        for live in applied.events:
            if live.seq and live.audience is None and live.event.kind == kinds.POST and self._has_room():
                self._ids[live.event.id] = None
        self._begin()

    def _is_on(self) -> bool:
        return self._hub.config.links.previews != "off" and not self._closed

    def _begin(self) -> None:
        if self._is_on() and (self._ids or self._missed) and not self._looking:
            self._looking = True
            self._tasks.start(self._look(), "links of new posts")

    def _has_room(self) -> bool:
        return len(self._ids) + sum(map(len, self._hosts.values())) < MAX_WAITING

    async def _look(self) -> None:
        try:
            while self._ids or self._missed:
                for row in await self._rows():
                    self._want(row)
        except StorageError as error:
            _log.warning("links of new posts are not looked at: %s", error)
        finally:
            self._looking = False

    async def _rows(self) -> list[PostRow]:
        """The next posts to look at. Raises StorageError: then they are looked at with the next commit."""
        now, missed, self._missed = int(time.time()), self._missed, False
        ids = [] if missed else list(self._ids)[:MAX_IDS]
        for each in ids:
            del self._ids[each]
        try:
            if missed:
                return (await self._hub.feed.posts("new", CAUGHT_UP, now)).rows
            return await self._hub.feed.posts_by_id(ids, now)
        except StorageError:
            self._missed = self._missed or missed
            self._ids |= dict.fromkeys(ids)
            raise

    def _want(self, row: PostRow) -> None:
        url = linked(row)
        link = None if url is None else urls.link(url)
        if url is None or link is None or not self._has_room():
            return
        waiting = self._hosts.setdefault(link.host, deque())
        if len(waiting) < MOST_OF_HOST:
            waiting.append(_WantedPreview(row.id, row.seq, url, link.origin))
        self._pump()

    def _pump(self) -> None:
        for host in self._hosts:
            if len(self._running) >= READING:
                return
            if host not in self._running:
                self._running.add(host)
                self._tasks.start(self._ask(host), "the preview of a link")

    async def _ask(self, host: str) -> None:
        """Read what waits for a host, one after the other."""
        waiting = self._hosts[host]
        try:
            while waiting:
                wanted = waiting.popleft()
                try:
                    if not await self._is_due(wanted):
                        continue
                    summary = await self._summary(wanted)
                    if summary is not None:
                        await self._keep(
                            KeepLinkPreview(wanted.seq, summary.title, summary.description, summary.picture)
                        )
                except StorageError as error:
                    _log.warning("the preview of a link is not kept: %s", error)
        finally:  # what was not foreseen fails one of them
            if not waiting:
                del self._hosts[host]
            self._running.discard(host)
            self._pump()

    async def _is_due(self, wanted: _WantedPreview) -> bool:
        """Whether the post is still there, for everybody to read, and has no preview."""
        if not await self._hub.feed.posts_by_id([wanted.id], int(time.time())):
            return False
        return wanted.seq not in await self._hub.feed.link_previews([wanted.seq])

    async def _summary(self, wanted: _WantedPreview) -> PageSummary | None:
        url = wanted.url
        for name in (url, wanted.origin):
            known = self._known.get(name)
            if known is not None and known.until > self._clock():
                return known.summary
        try:
            async with asyncio.timeout(TIMEOUT):
                summary = await self._read(url)
        except TimeoutError:
            self._remember(url, FAILED, None)
            return None
        except UnreadablePage as error:
            _log.debug("no preview of a link: %s", error)
            self._remember(wanted.origin if error.host_failed else url, FAILED, None)
            return None
        self._remember(url, KEPT, summary)
        return summary

    def _remember(self, name: str, seconds: float, summary: PageSummary | None) -> None:
        self._known[name] = _KnownLink(self._clock() + seconds, summary)
        self._known.move_to_end(name)
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)


@contextlib.asynccontextmanager
async def previewing(hub: RunningRelay, keep: Keep) -> AsyncIterator[None]:
    """Links are previewed for as long as this lasts: in one front of a relay, and no more than one. `keep` stores a preview."""
    agent = f"Tidings/{hub.version} (+{hub.software})"
    reader = PageReader(agent, READING, lambda: hub.config.links.previews == "any")
    previews = LinkPreviews(hub, reader.read, keep)
    try:
        yield
    finally:
        await previews.close()
        await reader.close()
