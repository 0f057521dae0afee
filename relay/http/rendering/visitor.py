"""What a visitor's request says about how pages are to come: its cookies, and where it is."""

from typing import Final

from litestar import Request
from litestar.datastructures import Cookie

from relay.http import origin

KEPT: Final = 365 * 86400  # seconds that a cookie of the pages is kept


def cookie(name: str) -> str:
    """A cookie of the visitor who is answered just now; "" for none."""
    scope = origin.visit.get()
    return "" if scope is None else Request(scope).cookies.get(name, "")


def kept(name: str, value: str) -> Cookie:
    """A cookie that the pages' scripts set too; with no value it goes."""
    return Cookie(name, value=value, path="/", max_age=KEPT if value else 0, samesite="lax")


def here() -> str:
    """The page that is asked for just now, with its query: where a form leads back to."""
    scope = origin.visit.get()
    if scope is None:
        return "/"
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def within(back: str) -> str:
    """Where a form leads back to, which must be a page of this relay; else the feed."""
    return back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/"
