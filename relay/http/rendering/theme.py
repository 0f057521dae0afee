"""Dark, light, or what the reader's system prefers: kept in a cookie, so that a page comes in the right colours at once.

The form that leads here is for browsers without scripts. The pages' script sets the same cookie and sends the choice here too,
as Safari keeps for a week what scripts set.
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from relay.http.rendering import visitor

COOKIE: Final = "theme"
THEMES: Final = ("dark", "light")
Theme = Literal["", "dark", "light"]


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the form sends: the theme, none for the system's, and the page that it was sent from."""

    theme: Theme = ""
    back: str = "/"


def chosen() -> str:
    """The theme of the visitor who is answered just now: `dark`, `light`, or nothing for what the system prefers."""
    value = visitor.cookie(COOKIE)
    return value if value in THEMES else ""


@post("/theme", status_code=303)
async def choose(data: Annotated[Choice, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Response[None]:
    """Keep the choice and lead back to the page."""
    return Redirect(visitor.within(data.back), status_code=303, cookies=[visitor.kept(COOKIE, data.theme)])
