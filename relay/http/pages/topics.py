"""`/t/<tag>` and `/d/<host>` for people: the posts with a tag, and those that link to a host."""

from typing import Any

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from relay.http.api import common, group_access
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import page
from relay.http.pages.page import SORTS, Sort
from relay.http.rendering import prose
from relay.protocol import topics


@get("/t/{tag:str}")
async def tagged(
    request: common.AnyRequest,
    hub: GivenHub,
    tag: FromPath[str],
    sort: FromQuery[Sort] = "hot",
    cursor: FromQuery[str] = "",
) -> Response[Any]:
    """The posts with a tag, in a `t` tag or in their text. Raises NotFoundException for what can be none."""
    topic = topics.of_tag(group_access.written(tag))
    return await _page(request, hub, topic, path=f"/t/{prose.segment(topic[1:])}", sort=sort, cursor=cursor)


@get("/d/{host:str}")
async def linked(
    request: common.AnyRequest,
    hub: GivenHub,
    host: FromPath[str],
    sort: FromQuery[Sort] = "hot",
    cursor: FromQuery[str] = "",
) -> Response[Any]:
    """The posts that link to a host. Raises NotFoundException for what can be none."""
    topic = topics.of_host(host)
    return await _page(request, hub, topic, path=f"/d/{prose.segment(topic)}", sort=sort, cursor=cursor)


async def _page(
    request: common.AnyRequest, hub: RunningRelay, topic: str, *, path: str, sort: Sort, cursor: str
) -> Response[Any]:
    if not topic:
        raise NotFoundException
    if request.scope["raw_path"].decode("latin-1") != path:
        query = request.scope["query_string"].decode("latin-1")
        return Redirect(f"{path}?{query}" if query else path, status_code=302)
    found, trouble = await page.posts(request, hub, sort, cursor, topic=topic)
    return await page.render(
        request,
        hub,
        "topic.html",
        topic=topic,
        path=path,
        rows=found.rows,
        more=found.next_cursor,
        trouble=trouble,
        sort=sort,
        sorts={each: words for each, words in SORTS.items() if each != "rising"},
        beginning=not cursor,
    )
