"""Requests to vanish (NIP-62): everything of a key goes, up to the request's time, and is refused from then on.

Rule: a request counts only where it names this relay, or all of them; one for another relay is not ours to carry out.
"""

from typing import Final
from urllib.parse import urlsplit

from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol.admission import Admission, Door, RemoveAuthor, VanishKey
from relay.protocol.event import Event, values
from relay.protocol.facts import Facts

ALL_RELAYS: Final = "ALL_RELAYS"
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_MAX_URL: Final = 2048  # longer ones are compared as they stand: urlsplit keeps what it has seen


def admit_at(relay_url: str) -> Admit:
    """The `admit` of the relay that clients know as `relay_url`; it raises Reject(invalid) for requests to others."""
    here = _normalised(relay_url)

    def admit(event: Event, _facts: Facts, _now: int, _door: Door) -> Admission:
        named = values(event, "relay")
        if not named:
            raise Reject(Prefix.INVALID, "a request to vanish needs a relay tag (NIP-62)")
        if ALL_RELAYS not in named and not any(_normalised(url) == here for url in named):
            raise Reject(Prefix.INVALID, f"this request to vanish is for another relay; this one is {relay_url}")
        removals = (RemoveAuthor(event.pubkey, event.created_at),)
        return Admission(removals=removals, actions=(VanishKey(event.pubkey),))

    return admit


def _normalised(url: str) -> tuple[str, str, int | None, str, str] | str:
    """What two spellings of one URL share: case of scheme and host, default port and trailing slash do not count."""
    if len(url) > _MAX_URL:
        return url
    try:
        parts = urlsplit(url.strip())
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return url
    return parts.scheme, parts.hostname or "", port, parts.path.rstrip("/"), parts.query
