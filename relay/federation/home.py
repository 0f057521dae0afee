"""What a relay says of itself over HTTP (NIP-11), as far as its groups go: the key by which it speaks of them (`self`).

It is asked for each session. The answer is a stranger's: bounded in size and time, and a redirect is not followed.
"""

import asyncio
from typing import Any, Final

import httpcore
import httpx
import msgspec

from relay.certificates import trusted
from relay.client.errors import BadUrl
from relay.federation.addresses import normal
from relay.protocol import kinds
from relay.server.web_requests.outbound import NotPublic, PublicOnly, allow_body

WITHIN: Final = 10.0  # seconds
MOST: Final = 262_144  # bytes of the answer
GROUPS: Final = 29  # the NIP
_HEADERS: Final = [(b"accept", b"application/nostr+json")]


_NOT_NOW: Final = frozenset(
    (
        httpx.codes.UNAUTHORIZED,
        httpx.codes.FORBIDDEN,
        httpx.codes.PROXY_AUTHENTICATION_REQUIRED,
        httpx.codes.REQUEST_TIMEOUT,
        httpx.codes.TOO_EARLY,
        httpx.codes.TOO_MANY_REQUESTS,
    )
)


class _Information(msgspec.Struct, frozen=True):
    self: Any = ""
    supported_nips: Any = ()


_decode: Final = msgspec.json.Decoder(_Information).decode


async def own_key(url: str, *, allow_private: bool) -> str | None:
    """The pubkey by which the relay at this URL (ws:// or wss://) speaks of its groups; "" where it has none.

    None where that is not known: it cannot be asked now, answers for another place or more than is read, or has groups (NIP-29)
    and does not say by which key it speaks.
    """
    try:
        async with asyncio.timeout(WITHIN):
            status, body = await _get(f"http{normal(url).removeprefix('ws')}", allow_private)
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, NotPublic, OSError, TimeoutError):
        return None
    except BadUrl:
        return None
    if status != httpx.codes.OK:
        return None if _may_answer_otherwise(status) else ""
    try:
        found = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None if len(body) > MOST else ""
    nips = found.supported_nips
    if not isinstance(nips, list) or not {GROUPS, str(GROUPS)}.intersection(
        one for one in nips if isinstance(one, int | str)
    ):
        return ""
    return found.self if isinstance(found.self, str) and kinds.is_hex(found.self, 64) else None


def _may_answer_otherwise(status: int) -> bool:
    """Whether this status says nothing of what stands at the URL: another place, not for us, or not now."""
    is_elsewhere = httpx.codes.MULTIPLE_CHOICES <= status < httpx.codes.BAD_REQUEST
    return is_elsewhere or status in _NOT_NOW or status >= httpx.codes.INTERNAL_SERVER_ERROR


async def _get(url: str, allow_private: bool) -> tuple[int, bytes]:
    """The status and the first bytes of the body, more than MOST where there are more."""
    backend = PublicOnly(lambda: allow_private)
    try:
        async with httpcore.AsyncConnectionPool(
            ssl_context=trusted(), max_connections=1, max_keepalive_connections=0, network_backend=backend
        ) as pool:
            headers = [(b"host", httpx.URL(url).netloc), *_HEADERS]
            async with pool.stream("GET", url, headers=headers) as answer:
                allow_body(answer, MOST)
                body = bytearray()
                async for part in answer.aiter_stream():
                    body += part
                    if len(body) > MOST:
                        break
                return answer.status, bytes(body)
    finally:
        backend.close()
