"""`Idempotency-Key`: the same request, sent again by the same identity, gets the first answer and does nothing twice.

A route takes part by `middleware=[idempotent]`; one that returns a secret never does. The writer holds the answers for all fronts
(`relay.roles.answers`); those that failed are not held, and all go when somebody asks to vanish (NIP-62).
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

from relay.http.api import callers, common
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem, invalid
from relay.roles.messages import Recalled, Recollection
from relay.server.events.link import Link

REPLAYED: Final = (b"idempotency-replayed", b"true")
KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


Whose = Callable[[Request[Any, Any, Any], RunningRelay], Awaitable[str | None]]


async def _identity(request: Request[Any, Any, Any], hub: RunningRelay) -> str | None:
    principal = await common.authenticate(request, hub)
    return None if principal is None else principal.identity_id


async def _user(request: Request[Any, Any, Any], hub: RunningRelay) -> str | None:
    return f"user {(await callers.identify(request, hub)).user_id}"


def idempotent(app: ASGIApp) -> ASGIApp:
    """Middleware for one route: with an `Idempotency-Key`, answer each request of an identity once."""
    return _answering_once(app, _identity)


def idempotent_for_users(app: ASGIApp) -> ASGIApp:
    """The same for a route of users."""
    return _answering_once(app, _user)


def _answering_once(app: ASGIApp, whose: Whose) -> ASGIApp:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        request: Request[Any, Any, Any] = Request(scope, receive)
        key = request.headers.get("idempotency-key")
        if key is None:
            await app(scope, receive, send)
            return
        if not KEY.fullmatch(key):
            raise invalid("Idempotency-Key must be 1 to 255 visible ASCII characters")
        who = await whose(request, request.app.state.hub)
        if who is None:
            await app(scope, receive, send)  # the route refuses it
            return
        body = await request.body()
        name = "\n".join((who, request.method, request.url.path, key))
        await _once(
            request.app.state.hub.answers, hashlib.sha256(name.encode()).digest(), body, _Exchange(app, scope, send)
        )

    return asgi


class _Exchange(msgspec.Struct):
    app: ASGIApp
    scope: Scope
    send: Send


async def _once(answers: Link, name: bytes, body: bytes, exchange: _Exchange) -> None:
    earlier = await answers.recall(name, hashlib.sha256(body).digest())
    if earlier.known is Recollection.DIFFERS:
        raise HttpProblem(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key came with another request before",
            "Use a fresh key for a new request, and the same key only to repeat one.",
        )
    if earlier.known is Recollection.ANSWERED:
        await _replay(earlier, exchange.send)
        return
    recorder = _Recorder(exchange.send)
    try:
        await exchange.app(exchange.scope, _body(body), recorder.record)
    finally:
        answers.answered(name, recorder.answer())


class _Recorder:
    """Sends an answer on and keeps it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | None = None

    async def record(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(bytes(n), bytes(v)) for n, v in message["headers"]]
        elif message["type"] == "http.response.body":
            self._body = (self._body or b"") + message["body"]
        await self._send(message)

    def answer(self) -> Recalled | None:
        """What there is to be told again: only what went well."""
        if self._body is None or not 200 <= self._status < 300:
            return None
        return Recalled(Recollection.ANSWERED, self._status, self._headers, self._body)


async def _replay(answer: Recalled, send: Send) -> None:
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [*answer.headers, REPLAYED],
    }
    await send(start)
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


def _body(body: bytes) -> Receive:
    """The body again, for the route to read."""
    messages: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
