"""`Idempotency-Key`: the same request, sent again by the same identity, gets the first answer and does nothing twice.

A route takes part by `middleware=[idempotent]`; one that returns a secret never does. Answers are held in memory only, for an
hour, and bounded in number and bytes; those that failed are not held, and all go when somebody asks to vanish (NIP-62).
"""

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from relay.http.api import common
from relay.http.problems import Problem, invalid

MAX_ANSWERS: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024
LIFETIME: Final = 3600.0  # seconds
REPLAYED: Final = (b"idempotency-replayed", b"true")
KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

Name = tuple[str, str, str, str]  # identity, method, path, key


class Answer(msgspec.Struct):
    """What was answered to the request whose body has this digest; `body` is None while it is being answered."""

    digest: bytes
    expires_at: float
    done: asyncio.Event
    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes | None = None


class Answers:
    """The answers held, oldest first. `clock` gives seconds."""

    def __init__(self) -> None:
        self._held: OrderedDict[Name, Answer] = OrderedDict()
        self._bytes = 0

    def get(self, name: Name, now: float) -> Answer | None:
        """The answer to this request, unless it is too old."""
        while self._held and next(iter(self._held.values())).expires_at <= now:
            self._drop(next(iter(self._held)))
        return self._held.get(name)

    def begin(self, name: Name, digest: bytes, now: float) -> Answer:
        """Make room for an answer that is on its way."""
        self._drop(name)
        answer = self._held[name] = Answer(digest, now + LIFETIME, asyncio.Event())
        self._shrink()
        return answer

    def finish(self, name: Name, answer: Answer, keep: bool) -> None:
        """The answer is complete, and held if `keep`; whoever waits for it goes on."""
        if self._held.get(name) is answer:
            if keep and answer.body is not None:
                self._bytes += len(answer.body)
                self._shrink()
            else:
                del self._held[name]
        answer.done.set()

    def clear(self) -> None:
        """Forget what was answered; requests under way are answered as usual."""
        self._held.clear()
        self._bytes = 0

    def _shrink(self) -> None:
        while len(self._held) > MAX_ANSWERS or self._bytes > MAX_BYTES:
            self._drop(next(iter(self._held)))

    def _drop(self, name: Name) -> None:
        gone = self._held.pop(name, None)
        if gone is not None and gone.done.is_set():
            self._bytes -= len(gone.body or b"")


def idempotent(app: ASGIApp) -> ASGIApp:
    """Middleware for one route: with an `Idempotency-Key`, answer each request of an identity once."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        request: Request[Any, Any, Any] = Request(scope, receive)
        key = request.headers.get("idempotency-key")
        if key is None:
            await app(scope, receive, send)
            return
        if not KEY.fullmatch(key):
            raise invalid("Idempotency-Key must be 1 to 255 visible ASCII characters")
        principal = await common.authenticate(request, request.app.state.hub)
        if principal is None:
            await app(scope, receive, send)  # the route refuses it
            return
        body = await request.body()
        name = (principal.identity_id, request.method, request.url.path, key)
        await _once(request.app.state.answers, name, body, _Exchange(app, scope, send))

    return asgi


class _Exchange(msgspec.Struct):
    app: ASGIApp
    scope: Scope
    send: Send


async def _once(answers: Answers, name: Name, body: bytes, exchange: _Exchange) -> None:
    digest = hashlib.sha256(body).digest()
    while True:
        earlier = answers.get(name, time.monotonic())
        if earlier is None:
            break
        if earlier.digest != digest:
            raise Problem(
                422,
                "idempotency_key_reused",
                "this Idempotency-Key came with another request before",
                "Use a fresh key for a new request, and the same key only to repeat one.",
            )
        await earlier.done.wait()
        if earlier.body is not None and 200 <= earlier.status < 300:
            await _replay(earlier, exchange.send)
            return
    answer = answers.begin(name, digest, time.monotonic())
    try:
        await exchange.app(exchange.scope, _body(body), _recorder(answer, exchange.send))
    finally:
        answers.finish(name, answer, keep=200 <= answer.status < 300)


def _recorder(answer: Answer, send: Send) -> Send:
    async def recorded(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(bytes(n), bytes(v)) for n, v in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.body = (answer.body or b"") + message["body"]
        await send(message)

    return recorded


async def _replay(answer: Answer, send: Send) -> None:
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [*answer.headers, REPLAYED],
    }
    await send(start)
    await send({"type": "http.response.body", "body": answer.body or b"", "more_body": False})


def _body(body: bytes) -> Receive:
    """The body again, for the route to read."""
    messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
