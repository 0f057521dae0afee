"""What the pages for people have in common: who may see one, how fast, lists of posts, and how a page is made."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, Literal, TypeVar

from litestar import Response

from relay.http import origin
from relay.http.api import common, rates
from relay.http.hub import RunningRelay
from relay.http.pages import mentions
from relay.http.pages.mentions import NO_QUOTES, Quotes
from relay.http.problems import HttpProblem
from relay.http.rendering import templates
from relay.server.pools import Pool, PoolFull
from storage.errors import StorageError
from storage.feed import Page, PostRow

PAGE: Final = 25
T = TypeVar("T")
Sort = Literal["hot", "new", "top", "rising"]
SORTS: Final[dict[Sort, str]] = {"hot": "Hot", "new": "New", "top": "Top", "rising": "Rising"}
CLOSED: Final = "What is written here is shown to those who have a name here."
UNREADABLE: Final = "The feed cannot be read just now. Try again in a moment."

_log = logging.getLogger(__name__)


async def posts(
    request: common.AnyRequest,
    hub: RunningRelay,
    sort: Sort,
    cursor: str,
    *,
    authors: list[str] | None = None,
    group: str | None = None,
    topic: str | None = None,
) -> tuple[Page[PostRow], str]:
    """A page of posts, of some authors, in a community or about a topic; or none and the reason.

    Raises Reject(invalid) for a wrong cursor.
    """
    pace(request, hub)
    nothing: Page[PostRow] = Page([], None)
    if await is_closed(request, hub):
        return nothing, CLOSED
    try:
        found = await hub.feed.posts(
            sort,
            PAGE,
            int(time.time()),
            cursor=cursor[:500],
            viewer=reader_id(request),
            authors=authors,
            group=group,
            topic=topic,
        )
        return found, ""
    except StorageError as error:
        _log.warning("a page shows no posts: %s", error)
        return nothing, UNREADABLE


def excerpted(found: Page[PostRow]) -> list[str]:
    """Those of a list's texts in whose excerpts something is put: an `@name` reads as it was written."""
    return [row.content for row in found.rows if "nostr:" in row.content]


async def is_closed(request: common.AnyRequest, hub: RunningRelay) -> bool:
    """Whether readers are asked who they are, and this one has no token that is good. Raises HttpProblem 429."""
    if not hub.config.access.auth_to_read:
        return False
    try:
        return await common.authenticate(request, hub) is None
    except HttpProblem as problem:
        if problem.status not in (401, 403):
            raise
        return True


def reader_id(request: common.AnyRequest) -> str | None:
    """Whose own votes a page shows: who that is, is known where readers are asked who they are (`is_closed`)."""
    return common.id_of(common.known(request))


def unkept(hub: RunningRelay, answer: Response[str]) -> Response[str]:
    """The answer, kept by nobody where readers are asked who they are."""
    if hub.config.access.auth_to_read:
        answer.headers["cache-control"] = "no-store"
    return answer


def pace(request: common.AnyRequest, hub: RunningRelay) -> None:
    """A page counts as a request of its address. Raises HttpProblem 429."""
    rates.spend(request, hub, f"address {common.client_address(request, hub)}")


def check_json(request: common.AnyRequest) -> None:
    """For what draws what it is sent: forms of other sites cannot have anything drawn here. Raises HttpProblem 415."""
    if request.content_type[0] != "application/json":
        raise HttpProblem(415, "unsupported_media_type", "send JSON", "Set `Content-Type: application/json`.")


async def render(
    request: common.AnyRequest,
    hub: RunningRelay,
    template: str,
    *,
    texts: Iterable[str] = (),
    quotes: Quotes = NO_QUOTES,
    **values: Any,
) -> Response[str]:
    """A page with what all of them show. `texts` are those whose mentions become links, `quotes` what its items quote.

    Strangers' Markdown may be slow to render, hence the thread.
    """
    config = hub.config
    stranger = await is_closed(request, hub)
    meant = await mentions.of(hub, texts, quotes)
    url = origin.shown(request, hub)
    make = partial(
        templates.page,
        template,
        relay=config.relay,
        url=url,
        base=origin.base_url(url),
        live=not stranger,
        asks_readers=config.access.auth_to_read,
        stranger=stranger,
        health=hub.health(),
        mentions=meant,
        now=int(time.time()),
        version=hub.version,
        software=hub.software,
        **values,
    )
    return unkept(hub, await in_pool(request, make))


async def in_pool(request: common.AnyRequest, make: Callable[[], T]) -> T:
    """What `make` renders, beside the loop. Raises HttpProblem 503 while too many pages wait."""
    renderers: Pool = request.app.state.renderers
    try:
        return await renderers.run(make)
    except PoolFull:
        raise HttpProblem(
            503,
            "unavailable",
            "too many pages are being made just now",
            "Load it again in a moment.",
            headers={"retry-after": "1"},
        ) from None
