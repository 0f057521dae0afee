"""A body over HTTP that is no message of MCP is answered here, as over stdio, before the SDK does so in its own words."""

from http import HTTPStatus
from typing import Final

from mcp.types import JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.mcp import stdio
from relay.protocol import event as events

_EMPTY: Final = "there is no message in the body"


def answering(application: ASGIApp, path: str, most: int) -> ASGIApp:
    """`application`, which gets nothing but messages at `path`; one of more than `most` bytes goes on to it, which refuses it."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", path):
            await application(scope, receive, send)
            return
        try:
            body, ended = await _read(Request(scope, receive), most)
        except ClientDisconnect:
            return
        told = refusal(body) if ended else None
        if told is None:
            await application(scope, _again(body, ended, receive), send)
        else:
            content = told.model_dump_json(by_alias=True, exclude={"error": {"data"}})
            answer = Response(content, HTTPStatus.BAD_REQUEST, media_type="application/json")
            await answer(scope, receive, send)

    return asked


async def _read(request: Request, most: int) -> tuple[bytes, bool]:
    """The body, and whether that is all of it: reading ends after `most` bytes."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            return bytes(body), False
    return bytes(body), True


def _again(body: bytes, ended: bool, receive: Receive) -> Receive:
    """Gives what was read, then what is still to come."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": not ended}]

    async def given() -> Message:
        return first.pop() if first else await receive()

    return given


def refusal(body: bytes) -> JSONRPCError | None:
    """The answer to a body that is no message; None to a message."""
    try:
        jsonrpc_message_adapter.validate_json(body.decode(), by_name=False)
    except UnicodeDecodeError as error:
        return stdio.refused(None, stdio.NO_JSON, events.describe(error))
    except ValidationError as error:
        return stdio.refusal(error) or stdio.refused(None, stdio.NO_JSON, _EMPTY)
    return None
