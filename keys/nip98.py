"""NIP-98: whether an event proves its key to one HTTP request. Pure: the caller has checked the signature and remembers ids.

The URL must be ours, query and all, as a browser reads it; the loopback's names are one, as in NIP-42.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import kinds, urls
from relay.protocol.event import Event, parse, values

SCHEME: Final = "nostr"
WINDOW: Final = 60  # seconds, NIP-98
MAX_HEADER: Final = 8192  # characters


def event_in_header(value: str) -> Event:
    """The event in an `Authorization: Nostr <base64>` value. Raises Reject(invalid); id and signature are not checked."""
    scheme, _, text = value.strip().partition(" ")
    if scheme.lower() != SCHEME or len(text) > MAX_HEADER:
        raise Reject(Prefix.INVALID, "the Authorization header must be `Nostr` and an event in base64 (NIP-98)")
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Reject(Prefix.INVALID, "the event in the Authorization header is not base64 (NIP-98)") from None
    return parse(data)


def same_url(given: str, ours: str) -> bool:
    """Whether a `u` tag names our URL."""
    found, wanted = urls.parse(given, urls.WEB), urls.parse(ours, urls.WEB)
    return given == ours or (found is not None and wanted is not None and found.place == wanted.place)


def same_relay(given: str, ours: str) -> bool:
    """Whether a `u` tag names our relay's URL (ws:// or wss://), as WebSocket or as HTTP, with or without a last slash (NIP-86)."""
    found, wanted = urls.parse(given), urls.parse(ours)
    return found is not None and wanted is not None and _folded(found) == _folded(wanted)


def _folded(url: urls.Url) -> tuple[str, str, int, str, str]:
    scheme, host, port, path, query = url.place
    return scheme.replace("ws", "http", 1), host, port, path.rstrip("/"), query


def authenticated_key(
    event: Event,
    url: str,
    method: str | None,
    payload: str | None,
    now: int,
    *,
    required: bool = True,
    same: Callable[[str, str], bool] = same_url,
) -> str:
    """The pubkey that the event authenticates for this request.

    `url` is absolute and ours, `method` None where that does not matter, `payload` the SHA-256 in hex of what the event must
    cover, None where there is nothing to. Unless it is `required`, the event may leave it out (NIP-98 has it as a SHOULD); what it
    says must be right all the same. `now` is unix seconds. `same` tells whether the URL
    in the proof is ours. Raises Reject(invalid) naming what is wrong. Its id and signature must
    have been verified before.
    """
    if event.kind != kinds.HTTP_AUTH:
        raise Reject(Prefix.INVALID, f"the proof is an event of kind {kinds.HTTP_AUTH}, not {event.kind} (NIP-98)")
    if abs(now - event.created_at) > WINDOW:
        raise Reject(Prefix.INVALID, f"the proof was made more than {WINDOW} seconds from now; check the clock")
    if not same(_only(event, "u"), url):
        raise Reject(Prefix.INVALID, f"the proof is for another URL; this one is {url}")
    if method is not None and _only(event, "method").upper() != method.upper():
        raise Reject(Prefix.INVALID, f"the proof is for another method; this one is {method.upper()}")
    given = required or any(tag[0] == "payload" for tag in event.tags)
    if payload is not None and given and not _same_hex(_only(event, "payload"), payload):
        raise Reject(Prefix.INVALID, "the proof's payload tag is not the SHA-256 of what it must cover")
    return event.pubkey


def _same_hex(given: str, ours: str) -> bool:
    """Hex digits in either case: NIP-98 does not say which."""
    return hmac.compare_digest(given.lower().encode(), ours.encode())


def payload_of(data: bytes) -> str | None:
    """What a payload tag must hold for this body; None for an empty one."""
    return hashlib.sha256(data).hexdigest() if data else None


def _only(event: Event, name: str) -> str:
    found = values(event, name)
    if len(found) != 1:
        raise Reject(Prefix.INVALID, f"the proof needs exactly one {name} tag, not {len(found)} (NIP-98)")
    return found[0]
