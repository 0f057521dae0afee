"""Slashes within a segment of a path, which come percent-encoded: `muted/words/24%2F7` is about `24/7`.

A route is found by the decoded path, where such a slash would part two segments and lead nowhere. So another character stands
for it until the route is found.
"""

import re
from typing import Any, Final
from urllib.parse import unquote

from litestar.connection import ASGIConnection

_ENCODED: Final = re.compile("%2f", re.IGNORECASE)
_STANDS_FOR_IT: Final = "\N{OBJECT REPLACEMENT CHARACTER}"  # which is in no name


def set_aside(raw_path: bytes) -> str | None:
    """The decoded path, with its encoded slashes set aside; None where it has none."""
    path, found = _ENCODED.subn(_STANDS_FOR_IT, raw_path.decode("latin-1"))
    return unquote(path) if found else None


def put_back(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """What the path of a request gives has its slashes again."""
    given = connection.scope["path_params"]
    for name, value in given.items():
        if isinstance(value, str) and _STANDS_FOR_IT in value:
            given[name] = value.replace(_STANDS_FOR_IT, "/")
