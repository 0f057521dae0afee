"""Dark, light, or what the reader's system prefers: kept in a cookie, so that a page comes in the right colours at once.

The pages' script sets the same cookie; the form that leads here is for browsers without scripts.
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from relay.http import origin

COOKIE: Final = "theme"
THEMES: Final = ("dark", "light")
KEPT: Final = 365 * 86400  # seconds
Theme = Literal["", "dark", "light"]


class Choice(msgspec.Struct, frozen=True):
    """What the form sends: the theme, none for the system's, and the page that it was sent from."""

    theme: Theme = ""
    back: str = "/"


def chosen() -> str:
    """The theme of the visitor who is answered just now: `dark`, `light`, or nothing for what the system prefers."""
    scope = origin.visit.get()
    value = "" if scope is None else Request(scope).cookies.get(COOKIE, "")
    return value if value in THEMES else ""


def here() -> str:
    """The page that is asked for just now, with its query: where the form leads back to."""
    scope = origin.visit.get()
    if scope is None:
        return "/"
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


@post("/theme", status_code=303)
async def choose(data: Annotated[Choice, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Response[None]:
    """Keep the choice and lead back to the page, which must be one of this relay."""
    back = data.back if data.back.startswith("/") and not data.back.startswith(("//", "/\\")) else "/"
    cookie = Cookie(COOKIE, value=data.theme, path="/", max_age=KEPT if data.theme else 0, samesite="lax")
    return Redirect(back, status_code=303, cookies=[cookie])
