"""Serving over stdin and stdout, and answering what comes there and is no message.

The SDK gives no answer to it, so that the program at the other end, which waits for an answer to its request, waits for
ever. JavaScript writes half a character (`"\\ud83d"`, of an emoji cut in two) without an error: good programs send that, too.
"""

import json
from typing import Any, Final

import anyio
import msgspec
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import ErrorData, JSONRPCError
from pydantic import ValidationError

from relay.protocol import event as events

NO_JSON: Final = -32700  # JSON-RPC 2.0
NO_REQUEST: Final = -32600
_WHOLE: Final = ("json_invalid", "missing")  # faults that show the whole line, or the object that it is


async def serve(server: Server[Any]) -> None:
    """Serve whoever is at the other end of stdin and stdout, until they leave."""
    async with stdio_server() as (read, write):
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async def pass_on() -> None:
            async with send:
                async for item in read:
                    if not isinstance(item, Exception):
                        await send.send(item)
                    elif (told := refusal(item)) is not None:
                        await write.send(SessionMessage(told))

        async with anyio.create_task_group() as group:
            group.start_soon(pass_on)
            await server.run(receive, write, server.create_initialization_options())
            group.cancel_scope.cancel()


def refusal(error: Exception) -> JSONRPCError | None:
    """The answer to a line that the SDK could not read, to the request of its id where it has one; None to an empty line."""
    faults = error.errors(include_url=False) if isinstance(error, ValidationError) else []
    given: Any = next((one["input"] for one in faults if one["type"] in _WHOLE), None)
    code, said = NO_REQUEST, "this is no request of JSON-RPC 2.0"
    if isinstance(given, str):
        if not given.strip():
            return None
        try:
            msgspec.json.decode(given)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
            code, said = NO_JSON, events.describe(fault, given)
        try:
            given = json.loads(given)  # which reads halves of characters
        except (ValueError, RecursionError):
            given = None
    return refused(given.get("id") if isinstance(given, dict) else None, code, said)


def refused(name: Any, code: int, said: str) -> JSONRPCError:
    """The answer to what has `name` for its id, which may be none."""
    found = name if isinstance(name, str | int) and not isinstance(name, bool) else None
    return JSONRPCError(jsonrpc="2.0", id=found, error=ErrorData(code=code, message=said))
