"""Which relay a request to vanish is for (NIP-62)."""

from collections.abc import Iterable
from typing import Final

from relay.protocol import urls
from relay.protocol.event import Event, values

ALL_RELAYS: Final = "ALL_RELAYS"


def names_relay(event: Event, known_as: Iterable[str]) -> bool:
    """Whether its relay tags name one of these URLs, or all relays."""
    named = values(event, "relay")
    here = {_place(url) for url in known_as}
    return ALL_RELAYS in named or any(_place(url) in here for url in named)


def _place(url: str) -> tuple[str, str, int, str, str] | str:
    """What the spellings of one relay's URL share; a slash at the end does not count."""
    found = urls.parse(url, urls.WEBSOCKET)
    if found is None:
        return url
    scheme, host, port, path, query = found.place
    return scheme, host, port, path.rstrip("/"), query
