"""The one address of a page, by whatever links somebody came: for search engines and previews."""

from typing import Final
from urllib.parse import parse_qsl, urlencode

from relay.http import origin

# What of a query makes another page; all else (where a link was followed from) does not.
KEPT: Final = ("q", "type", "tag", "author", "view", "status", "tab", "sort", "parent", "cursor")


def canonical(first: str = "") -> str:
    """The path and the query of the page that is asked for just now; its order is left out where it is the `first`."""
    scope = origin.visit.get()
    if scope is None:
        return "/"
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    given = dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=100))
    kept: dict[str, str] = {
        name: given[name] for name in KEPT if name in given and (name, given[name]) != ("sort", first)
    }
    return f"{path}?{urlencode(kept)}" if kept else path
