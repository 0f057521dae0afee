"""`/search` for people, `/found` while somebody types, and `/text/…`: what was found that is no post.

A page is whole without scripts. With them, the box in the bar asks for `found` as one types; both come from the same template.
"""

import time
from typing import Final

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from relay.http import page, templates
from relay.http.api import common, finding
from relay.http.api import search as answers
from relay.http.api.search import Result, Type
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem
from relay.protocol.event import parse
from relay.protocol.search import text_of
from storage.base import PUBLIC

FEW: Final = 8  # results while somebody types
TYPES: Final[dict[Type, str]] = {"all": "All", "posts": "Posts", "comments": "Comments", "knowledge": "Knowledge"}
_Found = tuple[list[Result], str | None, str]  # results, the cursor of the next page, what went wrong


@get("/search")
async def search(
    request: common.AnyRequest,
    hub: GivenHub,
    q: FromQuery[str] = "",
    type: FromQuery[Type] = "all",  # noqa: A002 as the API calls it
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """What is found, a page at a time; without a question, the box alone."""
    page.pace(request, hub)
    wanted = finding.HitConditions(types=answers.TYPES[type])
    results, more, trouble = await _find(hub, q, wanted, page.PAGE, cursor[:500]) if q.strip() else ([], None, "")
    return await page.render(
        request, hub, "search.html", q=q, type=type, types=TYPES, results=results, more=more, trouble=trouble
    )


@get("/found")
async def found(request: common.AnyRequest, hub: GivenHub, q: FromQuery[str] = "") -> Response[str]:
    """The best few results as a piece of a page: by words, whose last may still be the beginning of one; else by meaning."""
    page.pace(request, hub)
    asked = q.rstrip()
    results: list[Result] = []
    trouble = ""
    if asked:
        begun = f"{asked}*" if asked == q and asked[-1].isalnum() else asked
        results, _, trouble = await _find(hub, begun, finding.HitConditions(mode="words"), FEW)
        if not results and not trouble:
            results, _, trouble = await _find(hub, asked, finding.HitConditions(), FEW)
    return templates.page("found.html", q=asked, results=results, trouble=trouble, now=int(time.time()))


@get("/text/{event_id:str}")
async def text(request: common.AnyRequest, hub: GivenHub, event_id: FromPath[str]) -> Response[str]:
    """A public text of a kind that is searched: knowledge, an article, a profile. Raises NotFoundException."""
    page.pace(request, hub)
    if hub.config.access.auth_to_read:
        raise NotFoundException
    record = await hub.reader.get(common.event_id(event_id, "text"), PUBLIC, common.now())
    event = None if record is None else parse(record.wire)
    settings = hub.config.search
    if event is None or event.kind not in (*settings.kinds, *settings.knowledge_kinds):
        raise NotFoundException
    people = await answers.writers(hub, [event.pubkey])
    title, content = text_of(event)
    shown = msgspec.structs.replace(event, content=content)
    author = people[event.pubkey]
    return await page.render(request, hub, "text.html", event=shown, title=title, author=author, texts=[content])


async def _find(
    hub: RunningRelay, question: str, wanted: finding.HitConditions, limit: int, cursor: str = ""
) -> _Found:
    """Results, or none and the reason for it."""
    if hub.config.access.auth_to_read:
        return [], None, page.CLOSED
    try:
        given = await finding.find(hub, question, wanted, limit, cursor)
        return (await answers.read(hub, given.hits)).results, given.next_cursor, ""
    except HttpProblem as problem:
        return [], None, problem.message
