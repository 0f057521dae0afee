"""What a relay says of itself over HTTP (NIP-11), as far as its groups go: the key by which it speaks of them (`self`).

Asked once for each session, of the very addresses that the session may be opened to. The answer is a stranger's: bounded in size and
time, and a redirect is not followed. A relay that gives none has no groups for us.
"""

import asyncio
import ssl
from typing import Final

import h11
import msgspec

from relay.client.errors import BadUrl, Disconnected
from relay.federation.addresses import normal, open_socket
from relay.protocol import kinds, urls

WITHIN: Final = 10.0  # seconds
MOST: Final = 262_144  # bytes of the answer
GROUPS: Final = 29  # the NIP
MEDIA_TYPE: Final = b"application/nostr+json"


class _Information(msgspec.Struct, frozen=True):
    self: str = ""
    supported_nips: list[int | str] = []


_decode: Final = msgspec.json.Decoder(_Information).decode


async def own_key(url: str, *, allow_private: bool) -> str:
    """The `self` (hex) of the relay at this URL (ws:// or wss://), if it says that it has groups (NIP-29); else ""."""
    try:
        async with asyncio.timeout(WITHIN):
            found = _decode(await _get(url, allow_private))
    except (OSError, ssl.SSLError, TimeoutError, h11.RemoteProtocolError, msgspec.MsgspecError, UnicodeError):
        return ""
    except (Disconnected, BadUrl):
        return ""
    return found.self if GROUPS in found.supported_nips and kinds.is_hex(found.self, 64) else ""


async def _get(url: str, allow_private: bool) -> bytes:
    """The body of the answer with status 200, b"" of any other."""
    place = urls.parse(normal(url), urls.WEBSOCKET)
    assert place is not None
    is_secure = url.startswith("wss")
    reader, writer = await asyncio.open_connection(
        sock=await open_socket(url, allow_private=allow_private),
        ssl=ssl.create_default_context() if is_secure else None,
        server_hostname=place.host if is_secure else None,
    )
    try:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST)
        host = place.origin.partition("://")[2].encode()
        headers = [(b"host", host), (b"accept", MEDIA_TYPE), (b"connection", b"close")]
        target = (place.path or "/") + place.query
        writer.write(client.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
        writer.write(client.send(h11.EndOfMessage()) or b"")
        return await _body(reader, client)
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, client: h11.Connection) -> bytes:
    body = b""
    while len(body) <= MOST:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Response) and event.status_code != 200:
            return b""
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return bytes(body)
        elif isinstance(event, h11.ConnectionClosed):
            break
    return b""
