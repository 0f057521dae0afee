"""What can be the host of a URL, found out before a name is looked for."""

import ipaddress
import re
from typing import Final

MAX_HOST: Final = 253  # characters of a name

_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def is_host(text: str) -> bool:
    """Whether this is an IP address or a host name in ASCII (RFC 1123; an underscore is let pass)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        name = text.removesuffix(".")
        return len(name) <= MAX_HOST and all(_LABEL.fullmatch(label) for label in name.split("."))
    return True
