"""`/picture` in a frame: one picture from elsewhere, once a reader asked for it by a click.

The pages themselves let no picture from elsewhere in, so that whoever wrote a text does not learn who reads it. What is asked for
comes in a frame with a policy of its own: pictures over https and nothing else, no scripts, no origin, no referrer. It is no
page: whoever opens its address as one is told that there is none, so that no picture of a stranger stands under this name.
"""

from typing import Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery

from relay.http.api import common
from relay.http.hub import GivenHub
from relay.http.pages import page
from relay.http.rendering import templates
from relay.protocol import names, urls

MAX_WORDS: Final = 300  # characters of what stands for the picture where it does not come
POLICY: Final = (
    "default-src 'none'; img-src https:; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@get("/picture")
async def picture(
    request: common.AnyRequest, hub: GivenHub, u: FromQuery[str] = "", words: FromQuery[str] = ""
) -> Response[str]:
    """The picture with this URL, for a frame of a page. Raises NotFoundException for any other use, and for what is not https."""
    page.pace(request, hub)
    found = urls.link(u)
    if found is None or found.scheme != "https" or request.headers.get("sec-fetch-dest") != "iframe":
        raise NotFoundException
    answer = templates.page("picture.html", url=u, words=names.shown(words, MAX_WORDS))
    answer.headers["content-security-policy"] = POLICY
    return answer
