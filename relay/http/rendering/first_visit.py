"""What this place is stands at the top of the feed for who comes first, until it is put away: then a cookie remembers it."""

from typing import Final

from litestar import Response, post
from litestar.response import Redirect

from relay.http.rendering import visitor

COOKIE: Final = "first"


def is_first() -> bool:
    """Whether the visitor who is answered just now has not put it away yet."""
    return not visitor.cookie(COOKIE)


@post("/first-visit", status_code=303)
async def over() -> Response[None]:
    """Put it away; the pages' script says so here too."""
    return Redirect("/", status_code=303, cookies=[visitor.kept(COOKIE, "over")])
