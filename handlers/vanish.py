"""Requests to vanish (NIP-62): everything of a key goes, up to the request's time, and is refused from then on.

Rule: a request counts only where it names this relay, or all of them; one for another relay is not ours to carry out.
"""

from typing import Final

from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import urls
from relay.protocol.admission import Admission, Door, RemoveAuthor, VanishKey
from relay.protocol.event import Event, values
from relay.protocol.facts import Facts

ALL_RELAYS: Final = "ALL_RELAYS"


def admit_at(relay_url: str) -> Admit:
    """The `admit` of the relay that clients know as `relay_url`; it raises Reject(invalid) for requests to others."""
    here = _place(relay_url)

    def admit(event: Event, _facts: Facts, _now: int, _door: Door) -> Admission:
        named = values(event, "relay")
        if not named:
            raise Reject(Prefix.INVALID, "a request to vanish needs a relay tag (NIP-62)")
        if ALL_RELAYS not in named and not any(_place(url) == here for url in named):
            raise Reject(Prefix.INVALID, f"this request to vanish is for another relay; this one is {relay_url}")
        removals = (RemoveAuthor(event.pubkey, event.created_at),)
        return Admission(removals=removals, actions=(VanishKey(event.pubkey),))

    return admit


def _place(url: str) -> tuple[str, str, int, str, str] | str:
    """What the spellings of one relay's URL share; a slash at the end does not count."""
    found = urls.parse(url, urls.WEBSOCKET)
    if found is None:
        return url
    scheme, host, port, path, query = found.place
    return scheme, host, port, path.rstrip("/"), query
