"""What holds for every path, before any route: the NIP-11 document, CORS, HEAD and the headers that protect a browser.

A relay is one endpoint whatever the path (NIP-01), so NIP-11 is answered on every path when it is asked for.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter
from typing import Final

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPResponseBodyEvent,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from relay.http import livekit, management, nip11, origin, slashes
from relay.http.api import common, group_access, rates
from relay.http.hub import RunningRelay
from relay.http.negotiation import preferred
from relay.roles import metrics
from relay.server.events.publishing import asked_from
from relay.server.limits.addresses import BLOCKED

Headers = list[tuple[bytes, bytes]]

API: Final = ("/api/", livekit.PATH)  # asked by programs of any origin, with a header that says who they are
CORS: Final[Headers] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"*, authorization"),  # `*` does not cover it (Fetch standard)
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),  # POST: NIP-86
]
# Tokens travel in headers, never in cookies, so any origin may ask; `*` does not cover Authorization (Fetch standard).
API_CORS: Final[Headers] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, last-event-id, x-api-key"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (
        b"access-control-expose-headers",
        b"idempotency-replayed, retry-after, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset",
    ),
]
# Below these a segment is a tag, the id of a group or the name of an article, any of which may hold slashes: it reaches its route
# percent-encoded, as it was sent.
ENCODED: Final = (group_access.GROUPS + "/", "/api/v1/submolts/", "/c/", "/chat/", "/project/", "/t/", "/knowledge/")
_STATUSES: Final = metrics.places("answers")
_TOOK: Final = metrics.Timer("answer_seconds").took
POLICY: Final = b"content-security-policy"  # a route that gives one of its own is held to that
PROTECTION: Final[Headers] = [
    (
        POLICY,
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept"),
    (b"x-content-type-options", b"nosniff"),
]


def front(app: ASGIApp, hub: RunningRelay) -> ASGIApp:
    """`app` with what holds for every path in front of it."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        begun = perf_counter()
        origin.visit.set(scope)
        asked_from.set(lambda: common.told_address(Request(scope), hub))
        method = scope["method"]
        if hub.blocked and common.client_address(Request(scope), hub) in hub.blocked:
            _count(hub.numbers, 403, begun)
            await _answer(send, 403, [(b"content-type", b"text/plain; charset=utf-8")], f"{BLOCKED}\n".encode())
            return
        api = scope["path"].startswith(API)
        extra = list(API_CORS if api else ())  # headers of this answer; a route adds the rate of whoever asks
        scope = {**scope, rates.TOLD: extra}  # type: ignore[assignment]
        if scope["path"].startswith(ENCODED):
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        elif api and (path := slashes.set_aside(scope.get("raw_path", b""))) is not None:
            scope = {**scope, "path": path}
        send = _with_headers(send, extra, partial(_count, hub.numbers, begun=begun))
        if method == "HEAD":
            scope = {**scope, "method": "GET"}
            receive, send = _head_only(receive, send)
        if method == "OPTIONS":
            extra += () if api else CORS
            await _answer(send, 204, [(b"access-control-max-age", b"86400")], b"")
        elif method in ("GET", "HEAD") and preferred(_header(scope, b"accept")) == nip11.MEDIA_TYPE:
            extra += () if api else CORS
            body = msgspec.json.encode(nip11.of_hub(hub))
            await _answer(send, 200, [(b"content-type", nip11.MEDIA_TYPE.encode())], body)
        else:
            if method == "POST" and management.is_call(_header(scope, b"content-type")):
                extra += () if api else CORS
                scope = {**scope, "path": "/"}
            await _answered(app, hub, scope, receive, send)

    return asgi


async def _answered(app: ASGIApp, hub: RunningRelay, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """What a route answers; where that goes on (server-sent events), until its client's address is blocked."""
    task = asyncio.current_task()
    assert task is not None

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start" and _goes_on(message["headers"]):
            address = common.client_address(Request(scope), hub)
            hub.lasting.begin(task, address)
            hub.lasting.end_blocked(hub.blocked)  # it may have been blocked since the request came
        await send(message)

    try:
        await app(scope, receive, told)
    except asyncio.CancelledError:
        if hub.lasting.end(task):
            raise
        task.uncancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        hub.lasting.end(task)


def _goes_on(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def _header(scope: Scope, wanted: bytes) -> str:
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == wanted)


def _count(numbers: list[int], status: int, begun: float) -> None:
    numbers[_STATUSES[f"{status // 100}xx"]] += 1
    _TOOK(numbers, perf_counter() - begun)


def _with_headers(send: Send, extra: Headers, told: Callable[[int], None]) -> Send:
    """`told` is given the status of the answer."""

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            told(message["status"])
            given = {name.lower() for name, _ in message["headers"]}
            own = [header for header in PROTECTION if header[0] != POLICY or POLICY not in given]
            if message["status"] == 405:
                message["headers"] = [(name, _and_head(name, value)) for name, value in message["headers"]]
            message["headers"] = [*message["headers"], *own, *extra]
        await send(message)

    return protected


def _and_head(name: bytes, value: bytes) -> bytes:
    """The header that names the methods of a path, with HEAD, which is answered here wherever GET is."""
    return value.replace(b"GET", b"GET, HEAD") if name.lower() == b"allow" else value


def _head_only(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """For an answer to HEAD, which ends with its headers: whatever would go on, such as a stream, is told that nobody listens."""
    answered = False

    async def heard() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        return {"type": "http.disconnect"} if answered else await receive()

    async def sent(message: Message) -> None:
        nonlocal answered
        if answered:
            return
        await send(message)
        if message["type"] == "http.response.start":
            answered = True
            await _end(send, b"")

    return heard, sent


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    if body:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await _end(send, body)


async def _end(send: Send, body: bytes) -> None:
    end: HTTPResponseBodyEvent = {"type": "http.response.body", "body": body, "more_body": False}
    await send(end)
