"""URLs as a browser reads them (WHATWG URL standard): `\\` is `/`, case and default ports do not count, IDN is one spelling.

Rule: whatever is compared or shown of a URL comes from here, so that the host somebody reads is the one their browser opens.
"""

from typing import Final

import ada_url
import msgspec

from relay.protocol import names

MAX_URL: Final = 2048  # characters
WEB: Final = ("http", "https")
WEBSOCKET: Final = ("ws", "wss")
LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))
_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Url(msgspec.Struct, frozen=True):
    """A URL with a host. `scheme` and `host` are in lower case, `host` in ASCII and an IPv6 one without brackets.

    `port` is the one that is opened, `path` begins with `/`, `query` with `?` or is empty. `names_user`: there is a user or
    password before the host.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str
    names_user: bool

    @property
    def origin(self) -> str:
        """Scheme, host and, where it is not the default, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")

    @property
    def place(self) -> tuple[str, str, int, str, str]:
        """What two spellings of one URL share. The loopback's names are one, and a dot at a host's end is none."""
        host = self.host.removesuffix(".")
        return self.scheme, "localhost" if host in LOOPBACK else host, self.port, self.path, self.query


def parse(text: str, schemes: tuple[str, ...] = (*WEB, *WEBSOCKET)) -> Url | None:
    """The URL as a browser reads it; None for what it does not open, for other schemes and for more than MAX_URL characters."""
    if len(text) > MAX_URL:
        return None
    try:
        found = ada_url.URL(text)
    except ValueError:
        return None
    scheme = found.protocol.removesuffix(":")
    if scheme not in schemes or not found.hostname:
        return None
    host = found.hostname.removeprefix("[").removesuffix("]")
    port = int(found.port) if found.port else _DEFAULT_PORTS[scheme]
    return Url(scheme, host, port, found.pathname, found.search, bool(found.username or found.password))


def link(text: str) -> Url | None:
    """The URL that a stranger's link opens, None unless it is http or https and reads as what it opens.

    So it names no user before the host, and has no backslash, space, control, hidden or directional character.
    """
    found = parse(text, WEB)
    if found is None or found.names_user or "\\" in text or not names.is_plain(text):
        return None
    return found
