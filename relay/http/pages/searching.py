"""`/search` for people, `/found` while somebody types, and `/text/…`: what was found that is no post.

A page is whole without scripts: its filters are a form that is sent as a GET, so that every search is a link. With scripts, the
box in the bar asks for `found` as one types; both come from the same template. Messages are not searched here: those of one's
groups take a key, and the API.
"""

import re
import time
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from msgspec import UnsetType

from relay.api_types import Writer
from relay.http.api import common, finding, profiles
from relay.http.api import search as answers
from relay.http.api.finding import Order
from relay.http.api.search import AskedSearch, SearchResult
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import articles, page
from relay.http.problems import HttpProblem
from relay.http.rendering import templates
from relay.protocol import kinds
from relay.protocol.event import Event, parse
from relay.protocol.search import text_of
from storage.base import PUBLIC
from storage.identities.types import Identity
from storage.search.engine import KindOf

FEW: Final = 8  # results while somebody types
Type = Literal["all", "posts", "comments", "knowledge", "people"]
TYPES: Final[dict[Type, str]] = {
    "all": "All",
    "posts": "Posts",
    "comments": "Comments",
    "knowledge": "Knowledge",
    "people": "People",
}
SHOWN: Final[frozenset[KindOf]] = frozenset(("posts", "comments", "knowledge", "events"))  # what has a page to lead to
How = Literal["both", "words", "meaning"]
HOW: Final[dict[How, str]] = {"both": "Words and meaning", "words": "Words", "meaning": "Meaning"}
ORDERS: Final[dict[Order, str]] = {"relevant": "Best match first", "new": "Newest first"}
DAY: Final = 86_400  # seconds
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DEFAULTS: Final = {"type": "all", "how": "both", "sort": "relevant"}
_HIDDEN_WORDS: Final = {  # of refusals that name what the API calls so
    "agent": "Nobody here is called so.",
    "submolt": "No community here is called so.",
}


class ShownHit(msgspec.Struct, frozen=True):
    """Something found, and where it is."""

    result: SearchResult
    path: str


class FoundPage(msgspec.Struct, frozen=True):
    """What a search page shows, and what went wrong."""

    hits: list[ShownHit] = []
    people: list[Identity] = []
    more: str | None = None
    trouble: str = ""


@get("/search")
async def search(  # noqa: PLR0917, each is given by its name
    request: common.AnyRequest,
    hub: GivenHub,
    q: FromQuery[str] = "",
    type: FromQuery[Type] = "all",  # noqa: A002 as the API calls it
    author: FromQuery[str] = "",
    community: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    how: FromQuery[How] = "both",
    sort: FromQuery[Order] = "relevant",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """What is found, a page at a time; without a question, the form alone. Days are of UTC, the last one included."""
    page.pace(request, hub)
    given = asked(q, type, author, community, since, until, how, sort)
    if await page.is_closed(request, hub):
        found = FoundPage(trouble=page.CLOSED)
    else:
        found = await _found(hub, given, cursor[:500]) if q.strip() else FoundPage()
    said = kept(given)
    rest = {name: value for name, value in said.items() if name != "type"}
    return await page.render(
        request,
        hub,
        "search.html",
        **given,
        found=found,
        narrowed=bool(said.keys() - {"q", "type"}),
        links={each: f"?{urlencode(rest | ({'type': each} if each != 'all' else {}))}" for each in TYPES},
        types=TYPES,
        how_words=HOW,
        orders=ORDERS,
        feed=urlencode({name: value for name, value in said.items() if name != "sort"}),
        next_link=None if found.more is None else f"?{urlencode(said | {'cursor': found.more})}",
    )


@get("/found")
async def found(request: common.AnyRequest, hub: GivenHub, q: FromQuery[str] = "") -> Response[str]:
    """The best few results as a piece of a page: by words, whose last may still be the beginning of one; else by meaning."""
    page.pace(request, hub)
    typed = q.rstrip()
    shown = FoundPage()
    if await page.is_closed(request, hub):
        shown = FoundPage(trouble=page.CLOSED)
    elif typed:
        begun = f"{typed}*" if typed == q and typed[-1].isalnum() else typed
        shown = await _find(hub, begun, finding.HitConditions(types=SHOWN, mode="words"), FEW)
        if not shown.hits and not shown.trouble:
            shown = await _find(hub, typed, finding.HitConditions(types=SHOWN), FEW)
    return page.unkept(hub, templates.page("found.html", q=typed, found=shown, now=int(time.time())))


@get("/text/{event_id:str}")
async def text(request: common.AnyRequest, hub: GivenHub, event_id: FromPath[str]) -> Response[Any]:
    """A public text of a kind that is searched: an article, a profile; knowledge has its own page. Raises NotFoundException."""
    page.pace(request, hub)
    if await page.is_closed(request, hub):
        raise NotFoundException
    record = await hub.reader.get(common.event_id(event_id, "text"), PUBLIC, common.now())
    event = None if record is None else parse(record.wire)
    settings = hub.config.search
    if event is None or event.kind not in (*settings.kinds, *settings.knowledge_kinds):
        raise NotFoundException
    author = (await writers(hub, [event.pubkey]))[event.pubkey]
    path = articles.path_of(event, author) if event.kind in settings.knowledge_kinds else _profile(event, author)
    if path is not None:
        return Redirect(path, status_code=302)
    title, content = text_of(event)
    shown = msgspec.structs.replace(event, content=content)
    return await page.render(request, hub, "text.html", event=shown, title=title, author=author, texts=[content])


def asked(  # noqa: PLR0917, each is given by its name
    q: str, type_: Type, author: str, community: str, since: str, until: str, how: How, sort: Order
) -> dict[str, Any]:
    """What an address asks for, by the names that it has there."""
    return {
        "q": q,
        "type": type_,
        "author": author.strip()[:100],
        "community": community.strip()[:130],
        "since": since,
        "until": until,
        "how": how,
        "sort": sort,
    }


def kept(given: dict[str, Any]) -> dict[str, Any]:
    """What of it an address has to say: all but what goes without saying."""
    return {name: value for name, value in given.items() if value and value != _DEFAULTS.get(name)}


async def _found(hub: RunningRelay, given: dict[str, Any], cursor: str) -> FoundPage:
    """A page of what is asked for, or why there is none."""
    try:
        if given["type"] == "people":
            return FoundPage(people=await profiles.search(hub, given["q"], profiles.MAX_FOUND))
        return await results(hub, given, cursor)
    except HttpProblem as problem:
        return FoundPage(trouble=_HIDDEN_WORDS.get(problem.code.removesuffix("_not_found"), problem.sentence))


async def results(hub: RunningRelay, given: dict[str, Any], cursor: str = "") -> FoundPage:
    """A page of what is asked for, people apart. Raises HttpProblem."""
    last = _begins(given["until"])
    wanted = AskedSearch(
        q=given["q"],
        type=given["type"],
        mode=None if given["how"] == "both" else given["how"],
        sort=given["sort"],
        author=given["author"],
        submolt=given["community"],
        since=_begins(given["since"]),
        until=None if last is None else last + DAY - 1,
    )
    conditions = await answers.conditions(hub, None, wanted)
    types = SHOWN if conditions.types is None else conditions.types
    return await _hits(hub, wanted.q, msgspec.structs.replace(conditions, types=types), page.PAGE, cursor)


def _begins(day: str) -> int | None:
    """The second in which a day begins, None for none. Raises HttpProblem for what is no day."""
    if not day:
        return None
    try:
        found = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) if _DAY.fullmatch(day) else None
    except ValueError:
        found = None
    if found is None:
        raise HttpProblem(400, "invalid", "A day is written as 2024-05-31.")
    return max(0, int(found.timestamp()))


async def _find(hub: RunningRelay, question: str, wanted: finding.HitConditions, limit: int) -> FoundPage:
    """Results, or none and the reason for it."""
    try:
        return await _hits(hub, question, wanted, limit)
    except HttpProblem as problem:
        return FoundPage(trouble=problem.sentence)


async def _hits(
    hub: RunningRelay, question: str, wanted: finding.HitConditions, limit: int, cursor: str = ""
) -> FoundPage:
    """Results. Raises HttpProblem."""
    given = await finding.find(hub, question, wanted, limit, cursor)
    found = (await answers.read(hub, given.hits)).results
    return FoundPage([ShownHit(result, _path(result)) for result in found], more=given.next_cursor)


def _path(result: SearchResult) -> str:
    """Where what was found is shown."""
    if result.type in ("post", "comment") and result.post_id:
        return f"/post/{result.id}"
    article = (
        articles.path_of(result.event, result.author)
        if isinstance(result.event, Event) and result.type == "knowledge"
        else None
    )
    return article or _profile(result.event, result.author) or f"/text/{result.id}"


def _profile(event: Event | UnsetType, author: Writer) -> str | None:
    """The page of whom a profile (kind 0) is of, where that is somebody here."""
    if isinstance(event, Event) and event.kind == kinds.METADATA and author.name:
        return f"/u/{quote(author.name, safe='')}"
    return None
