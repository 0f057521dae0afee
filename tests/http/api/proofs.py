"""NIP-98 proofs for requests to the relay of `homes`."""

import base64
import hashlib
import time
from typing import Any

import msgspec

from relay.protocol import kinds
from relay.protocol.event import Event, wire
from tests.factories import make_event
from tests.http.api.homes import BASE

ORIGIN = "http://relay.example:7447"


def proof(
    key: int,
    method: str,
    url: str,
    payload: bytes | None = None,
    *,
    created_at: int | None = None,
    kind: int = kinds.HTTP_AUTH,
) -> Event:
    """A proof of a test key; `payload` are the bytes it covers, `created_at` now unless given."""
    tags = [["u", url], ["method", method]]
    if payload is not None:
        tags.append(["payload", hashlib.sha256(payload).hexdigest()])
    return make_event(key, kind, tags=tags, created_at=int(time.time()) if created_at is None else created_at)


def header(event: Event) -> str:
    """The Authorization header that carries it."""
    return "Nostr " + base64.b64encode(wire(event)).decode()


def nostr(key: int, method: str, path: str, **body: Any) -> str:
    """The header for a request under /api/v1 with this body, as `Home.ask` sends it."""
    content = msgspec.json.encode(body) if body or method in ("POST", "PATCH") else None
    return header(proof(key, method, f"{ORIGIN}{BASE}{path}", content))
