"""NIP-42: whether an event proves its key to this relay on this connection. Pure: the caller has checked the signature."""

import hmac
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import kinds, urls
from relay.protocol.event import Event, values

WINDOW: Final = 600  # seconds, NIP-42


def authenticated_key(event: Event, challenge: str, relay_url: str, now: int) -> str:
    """The pubkey that the event authenticates. `challenge` was sent on this connection, `relay_url` is ours, `now` unix seconds.

    Raises Reject(invalid) unless it is a kind 22242 of the last or next ten minutes with exactly one challenge tag, equal
    to ours, and exactly one relay tag, whose host is ours. `event`'s id and signature must have been verified before.
    """
    if event.kind != kinds.CLIENT_AUTH:
        raise Reject(
            Prefix.INVALID, f"authentication is an event of kind {kinds.CLIENT_AUTH}, not {event.kind} (NIP-42)"
        )
    if abs(now - event.created_at) > WINDOW:
        raise Reject(Prefix.INVALID, f"created_at is more than {WINDOW} seconds from now; check the clock")
    if not hmac.compare_digest(_only(event, "challenge").encode(), challenge.encode()):
        raise Reject(Prefix.INVALID, "the challenge is not the one sent on this connection")
    host = _host(relay_url)
    if host is None or _host(_only(event, "relay")) != host:
        raise Reject(
            Prefix.INVALID, f"the relay tag names another relay; this one is {relay_url} (its relay.url setting)"
        )
    return event.pubkey


def _only(event: Event, name: str) -> str:
    found = values(event, name)
    if len(found) != 1:
        raise Reject(Prefix.INVALID, f"authentication needs exactly one {name} tag, not {len(found)} (NIP-42)")
    return found[0]


def _host(url: str) -> str | None:
    """The host that a client opens; the loopback's names are one, since a relay tried out at home is reached by any of them."""
    found = urls.parse(url)
    return None if found is None else found.place[1]
