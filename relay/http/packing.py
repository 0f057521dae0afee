"""Pages are sent compressed to whoever takes that (RFC 9110: gzip, which every browser does).

A page is text with much markup, so it gets a fifth of its size. What that costs is bounded: small pages are packed on the
event loop, larger ones where pages are rendered, and while too many wait there they go out as they are. A page holds no
secret of its reader (tokens stay in the browser), so nothing is given away by how long the packed page is.
"""

import zlib
from collections.abc import Iterable
from functools import partial
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from relay.http.negotiation import takes_gzip
from relay.server.pools import Pool, PoolFull

SMALLEST: Final = 1_000  # bytes; what is smaller fits one packet either way
ON_LOOP: Final = 32_000  # bytes that are packed at once, in about 0.4 ms
LEVEL: Final = 4  # of zlib: half the time of the usual 6, for 3 % more bytes
_GZIP: Final = 31  # of zlib: a window of 32 kB, and gzip's frame

Headers = list[tuple[bytes, bytes]]


def packing(app: ASGIApp, pool: Pool) -> ASGIApp:
    """`app` with its HTML packed; `pool` takes what is large."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        wanted = scope["type"] == ScopeType.HTTP and takes_gzip(_accept_encoding(scope))
        await app(scope, receive, _packed(send, pool, wanted))

    return asgi


def _accept_encoding(scope: Scope) -> str:
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept-encoding")


def _packed(send: Send, pool: Pool, wanted: bool) -> Send:
    held: HTTPResponseStartEvent | None = None  # the beginning of a page, until its length is known

    async def sent(message: Message) -> None:
        nonlocal held
        if message["type"] == "http.response.start" and _is_page(message["headers"]):
            held = message
            return
        if held is not None and message["type"] == "http.response.body":
            start, held = held, None
            headers: Headers = [*start["headers"], (b"vary", b"Accept-Encoding")]
            if wanted and not message["more_body"] and len(message["body"]) >= SMALLEST:
                body = await _pack(pool, message["body"])
                if body is not None:
                    message["body"] = body
                    headers = [(name, value) for name, value in headers if name != b"content-length"]
                    headers += [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(body))]
            start["headers"] = headers
            await send(start)
        await send(message)

    return sent


def _is_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers)


async def _pack(pool: Pool, body: bytes) -> bytes | None:
    """The body packed; None while there is no room for that work."""
    if len(body) <= ON_LOOP:
        return zlib.compress(body, LEVEL, _GZIP)
    try:
        return await pool.run(partial(zlib.compress, body, LEVEL, _GZIP))
    except PoolFull:
        return None
