"""Pages of the web that the relay reads, at URLs that strangers choose: for the cards beneath links.

Each address is looked at before it is connected to, those of redirects too (`outbound`). Of an answer no more than MAX_BYTES are
read, and nothing that is no HTML; no cookie is kept, no referrer sent, nothing unpacked.
"""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import urljoin

import httpcore
import httpx

from relay.certificates import trusted
from relay.errors import Reject
from relay.server.pools import Pool, PoolFull
from relay.server.web_requests import page_summary
from relay.server.web_requests.outbound import NotPublic, PublicOnly, allow_body, checked_url, reason
from relay.server.web_requests.page_summary import PageSummary

MAX_BYTES: Final = 256 * 1024
MAX_REDIRECTS: Final = 3
CONNECT_WITHIN: Final = 5.0  # seconds for each address of a host
_MAX_WAITING: Final = 8  # pages to be parsed
_MOVED: Final = frozenset((301, 302, 303, 307, 308))
_HTML: Final = ("text/html", "application/xhtml+xml")


class UnreadablePage(Exception):
    """There is no page to tell of; the text says why.

    `host_failed`: there was no connection, so that whoever asks there again soon would fare no better, whatever the page. What
    happens after that is up to the page, which a stranger chose, and says nothing of others.
    """

    def __init__(self, reason: str, host_failed: bool = False) -> None:
        super().__init__(reason)
        self.host_failed = host_failed


class PageReader:
    """Reads at most `most` pages at once; from public addresses over https alone unless `private`."""

    def __init__(self, agent: str, most: int, private: Callable[[], bool]) -> None:
        self._agent = agent
        self._private = private
        self._backend = PublicOnly(private)
        # Of its own: a page that is slow to parse delays no other work.
        self._parsers = Pool("page heads", 1, _MAX_WAITING)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted(),
            max_connections=most,
            max_keepalive_connections=0,
            network_backend=self._backend,
        )

    async def read(self, url: str) -> PageSummary:
        """What the page says of itself. Raises UnreadablePage; how long it may take is the caller's to say."""
        for hop in range(MAX_REDIRECTS + 1):
            try:
                url = checked_url(url, private=self._private())
            except Reject as refused:
                raise UnreadablePage(refused.message) from None
            try:
                moved_to, body, content_type = await self._get(url)
            except UnreadablePage as error:  # whoever redirects there may redirect elsewhere too
                raise UnreadablePage(str(error), error.host_failed and not hop) from None
            if not moved_to:
                return await self._summed_up(body, content_type, url)
            url = moved_to
        raise UnreadablePage(f"it redirects more than {MAX_REDIRECTS} times")

    async def _get(self, url: str) -> tuple[str, bytes, str]:
        """Where it is instead, or the page's beginning and its media type."""
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("host", httpx.URL(url).netloc),
            ("user-agent", self._agent),
            ("accept", ", ".join(_HTML)),
            ("accept-encoding", "identity"),
        ]
        try:
            within = {"timeout": {"connect": CONNECT_WITHIN}}
            async with self._pool.stream("GET", url, headers=headers, extensions=within) as answer:
                given = {name.lower(): value.decode("latin-1") for name, value in answer.headers}
                if answer.status in _MOVED and given.get(b"location"):
                    return _joined(url, given[b"location"]), b"", ""
                _check(answer.status, given)
                allow_body(answer, MAX_BYTES)
                body = bytearray()
                async for chunk in answer.aiter_stream():
                    body += chunk
                    if len(body) >= MAX_BYTES:
                        break
                return "", bytes(body[:MAX_BYTES]), given.get(b"content-type", "")
        except NotPublic as error:
            raise UnreadablePage(str(error), host_failed=True) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            failed = isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout)
            raise UnreadablePage(f"it could not be reached: {reason(error)}", host_failed=failed) from None

    async def _summed_up(self, body: bytes, content_type: str, url: str) -> PageSummary:
        try:
            found = await self._parsers.run(partial(_parsed, body, content_type, url))
        except PoolFull:
            raise UnreadablePage("too many pages wait to be parsed") from None
        if found is None:
            raise UnreadablePage("it has no title")
        return found

    async def close(self) -> None:
        """Let go of the connections. Idempotent."""
        await self._pool.aclose()
        self._backend.close()
        self._parsers.close()


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise UnreadablePage("it redirects to what is no URL") from None


def _check(status: int, headers: dict[bytes, str]) -> None:
    if status != 200:
        raise UnreadablePage(f"the answer was {status}")
    if headers.get(b"content-type", "").partition(";")[0].strip().lower() not in _HTML:
        raise UnreadablePage("it is no HTML")
    if headers.get(b"content-encoding", "identity").strip().lower() != "identity":
        raise UnreadablePage("it came packed, which was not asked for")


def _parsed(body: bytes, content_type: str, url: str) -> PageSummary | None:
    return page_summary.of_page(page_summary.decoded(body, content_type), url)
