"""Pages read at URLs that strangers choose: from public addresses alone, bounded, and HTML only."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator

import pytest

from relay.server.web_requests.page_reading import MAX_BYTES, MAX_REDIRECTS, PageReader, UnreadablePage
from relay.server.web_requests.page_summary import PageSummary

PAGE = b"<title>High water</title>"


def answer(body: bytes = PAGE, status: str = "200 OK", kind: str = "text/html; charset=utf-8", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


class WebServer:
    """Answers each path as it is told, and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.port = 0
        self.under_way: set[asyncio.Task[None] | None] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way.add(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        writer.write(self.answers[head.split()[1]])
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def ended(self) -> None:
        """Returns when no connection is open any more: one that outlives the loop fails another test."""
        await asyncio.gather(*filter(None, self.under_way), return_exceptions=True)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
async def web() -> AsyncIterator[WebServer]:
    made = WebServer()
    server = await asyncio.start_server(made, "127.0.0.1", 0)
    async with server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
        await made.ended()


@pytest.fixture
def private() -> list[bool]:
    """Whether private addresses are allowed, asked again and again; the last answer stays."""
    return [True]


@pytest.fixture
async def reader(private: list[bool]) -> AsyncIterator[PageReader]:
    made = PageReader("Tests/1", 2, lambda: private.pop(0) if len(private) > 1 else private[0])
    yield made
    await made.close()


async def test_a_page_is_asked_for_once_and_says_what_it_is(web: WebServer, reader: PageReader) -> None:
    web.answers["/a?b=1"] = answer()
    assert await reader.read(web.url("/a?b=1#c")) == PageSummary("High water", "", "")
    (head,) = web.asked
    lines = head.lower().splitlines()
    assert lines[0] == "get /a?b=1 http/1.1"
    assert {f"host: 127.0.0.1:{web.port}", "user-agent: tests/1", "accept-encoding: identity"} <= set(lines)
    assert not [line for line in lines if line.startswith(("cookie", "referer", "authorization"))]


async def test_redirects_are_followed_as_far_as_they_may(web: WebServer, reader: PageReader) -> None:
    for number in range(9):
        web.answers[f"/{number}"] = answer(b"", "302 Found", more=f"location: /{number + 1}\r\n")
    web.answers["/9"] = answer()
    assert (await reader.read(web.url(f"/{9 - MAX_REDIRECTS}"))).title == "High water"
    with pytest.raises(UnreadablePage, match="redirects more than"):
        await reader.read(web.url(f"/{8 - MAX_REDIRECTS}"))


@pytest.mark.parametrize(
    "location", ["http://[", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1:22/", "gopher:x"]
)
async def test_a_redirect_to_what_may_not_be_asked_is_not_followed(
    web: WebServer, reader: PageReader, location: str
) -> None:
    web.answers["/"] = answer(b"", "301 Moved", more=f"location: {location}\r\n")
    with pytest.raises(UnreadablePage) as refused:
        await reader.read(web.url())
    assert not refused.value.host_failed
    assert len(web.asked) == 1


async def test_private_addresses_are_not_asked_before_or_after_a_redirect(
    web: WebServer, reader: PageReader, private: list[bool]
) -> None:
    web.answers["/"] = answer(b"", "302 Found", more="location: /secret\r\n")
    private[:] = [False]
    for url in (web.url(), "https://127.0.0.1/", "https://[::1]/", "https://localhost:9999/"):
        with pytest.raises(UnreadablePage):
            await reader.read(url)
    assert web.asked == []
    private[:] = [
        True,
        True,
        False,
    ]  # as if the redirect led from outside to here: looked at by the URL, and when connecting
    with pytest.raises(UnreadablePage, match="https"):
        await reader.read(web.url())
    assert len(web.asked) == 1
    private[:] = [True, True, True, False]
    with pytest.raises(UnreadablePage, match="leads to no public address"):
        await reader.read(web.url())
    assert len(web.asked) == 2


async def test_no_more_is_read_than_the_beginning(web: WebServer, reader: PageReader) -> None:
    web.answers["/"] = answer(PAGE + b" " * MAX_BYTES * 4)
    web.answers["/late"] = answer(b" " * MAX_BYTES + PAGE)
    assert (await reader.read(web.url())).title == "High water"
    with pytest.raises(UnreadablePage, match="no title"):
        await reader.read(web.url("/late"))


async def test_a_page_in_chunks_is_read_unless_they_are_tiny(web: WebServer, reader: PageReader) -> None:
    def chunked(body: bytes, size: int) -> bytes:
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n"
        return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in parts) + b"0\r\n\r\n"

    page = PAGE + b" " * MAX_BYTES
    web.answers["/"], web.answers["/tiny"] = chunked(page, 100), chunked(page, 1)
    assert (await reader.read(web.url())).title == "High water"
    with pytest.raises(UnreadablePage, match="its answer has no end"):
        await reader.read(web.url("/tiny"))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (answer(status="404 Not Found"), "the answer was 404"),
        (answer(kind="application/pdf"), "no HTML"),
        (answer(b"<p>nothing"), "no title"),
        (answer(gzip.compress(PAGE), more="content-encoding: gzip\r\n"), "packed"),
        (b"SSH-2.0-x\r\n", "could not be reached"),
        (b"", "could not be reached"),
    ],
)
async def test_what_is_no_page_is_told_so(web: WebServer, reader: PageReader, given: bytes, reason: str) -> None:
    web.answers["/"] = given
    with pytest.raises(UnreadablePage, match=reason) as refused:
        await reader.read(web.url())
    assert not refused.value.host_failed  # of other pages there it says nothing


async def test_where_nobody_takes_a_connection_the_host_has_failed(reader: PageReader) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(UnreadablePage, match="could not be reached") as refused:
            await reader.read(f"http://127.0.0.1:{nobody.getsockname()[1]}/")
    assert refused.value.host_failed
