"""`/knowledge` for people: documents as a list and as articles (kind 30818, NIP-54); of one name by whoever wrote about it.

What belongs to a group (an `h` tag) is on none of these pages, whoever may read it: an organization's or a project's knowledge
is read where that is.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from keys.encoding import encode
from relay.api_types import Writer
from relay.http.api import common, finding, group_access, knowledge, paging
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import mentions, page
from relay.http.problems import HttpProblem
from relay.http.rendering import article_text
from relay.protocol import topics
from relay.protocol.event import Event, first_value, parse, values
from relay.protocol.filter import Filter
from relay.protocol.kinds import is_hex
from storage.base import PUBLIC
from storage.errors import StorageError
from storage.search.engine import SearchQuery

NEAR: Final = 5  # articles near in meaning
NEAREST: Final = 0.25  # cosine below which two articles have nothing to do with each other
OF_ONE_NAME: Final = 50  # articles that a page of one name lists
LOOKS: Final = 4  # at the log for one page: what belongs to groups is passed over
CONTENTS_FROM: Final = 3  # headings that make a table of contents
MAX_TAG: Final = 100  # characters of one that is asked for
MAX_TAGS: Final = 20  # of an article that a page shows


class ShownArticle(msgspec.Struct, frozen=True):
    """A document as a page shows it. `since` is when it was first published, unix seconds, where that is known."""

    event: Event
    author: Writer
    path: str
    title: str
    tags: list[str]
    source: str
    since: int | None


class ArticlePlace(msgspec.Struct, frozen=True):
    """Where a list of articles goes on: after what, and whether there is more."""

    rows: list[Event]
    cursor: str | None


@get("/knowledge")
async def article_list(  # noqa: PLR0917, each is given by its name
    request: common.AnyRequest,
    hub: GivenHub,
    q: FromQuery[str] = "",
    tag: FromQuery[str] = "",
    author: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """Articles, the newest first; those with a tag or of an author; or what `q` finds among them, most relevant first."""
    page.pace(request, hub)
    tag, trouble = tag[:MAX_TAG], ""
    rows: list[ShownArticle] = []
    more: str | None = None
    marked: dict[str, Any] = {}
    if await page.is_closed(request, hub):
        trouble = page.CLOSED
    else:
        wanted = await _wanted(hub, tag, author)
        try:
            if q.strip():
                rows, more, marked = await _found(hub, q, tag, wanted.authors, cursor[:500])
            else:
                found = await _newest(hub, wanted, page.PAGE, cursor[:100])
                rows, more = await _shown(hub, found.rows), found.cursor
        except HttpProblem as problem:
            trouble = problem.sentence
        except StorageError:
            trouble = page.UNREADABLE
    return await page.render(
        request,
        hub,
        "knowledge.html",
        rows=rows,
        more=more,
        marked=marked,
        q=q,
        tag=tag,
        author=author,
        trouble=trouble,
        beginning=not cursor,
        feed=urlencode({name: value for name, value in (("tag", tag), ("author", author)) if value}),
    )


@get("/knowledge/{name:str}")
async def articles_named(request: common.AnyRequest, hub: GivenHub, name: FromPath[str]) -> Response[Any]:
    """What a wiki link leads to (NIP-54): the article of this name, or all of them where several people wrote one."""
    page.pace(request, hub)
    if await page.is_closed(request, hub):
        raise NotFoundException
    wanted = group_access.written(name)
    named = Filter(kinds=knowledge.kinds_of(hub), tags={"d": frozenset([wanted])})
    rows = await _shown(hub, (await _newest(hub, named, OF_ONE_NAME, "")).rows)
    if len(rows) == 1:
        return Redirect(rows[0].path, status_code=302)
    answer = await page.render(request, hub, "knowledge_named.html", rows=rows, wanted=wanted)
    answer.status_code = 200 if rows else 404
    return answer


@get("/knowledge/{author:str}/{name:str}")
async def article(
    request: common.AnyRequest, hub: GivenHub, author: FromPath[str], name: FromPath[str]
) -> Response[Any]:
    """An article by its author (a name, an npub, a public key) and its `d` tag. Raises NotFoundException."""
    page.pace(request, hub)
    if await page.is_closed(request, hub):
        raise NotFoundException
    by, wanted = group_access.written(author), group_access.written(name)
    shown = await find(hub, by, wanted)
    if shown.path != _path(by, wanted):
        return Redirect(shown.path, status_code=302)
    content = shown.event.content
    meant = await mentions.of(hub, [content])
    text = await page.in_pool(request, partial(article_text.article, content, meant))
    return await page.render(
        request,
        hub,
        "article.html",
        article=shown,
        text=text.html,
        headings=text.headings if len(text.headings) >= CONTENTS_FROM else [],
        name=wanted,
        changed=bool(await knowledge.earlier(hub, shown.event)),
        near=await _near(hub, shown.event),
    )


@get("/write/knowledge")
async def article_form(request: common.AnyRequest, hub: GivenHub, of: FromQuery[str] = "") -> Response[str]:
    """The page on which an article is written, or the one of the id `of` is changed. Raises NotFoundException."""
    page.pace(request, hub)
    shown: ShownArticle | None = None
    if of:
        if await page.is_closed(request, hub) or not is_hex(of, 64):
            raise NotFoundException
        wanted = Filter(kinds=knowledge.kinds_of(hub), ids=frozenset([of]))
        shown = next(iter(await _shown(hub, (await _newest(hub, wanted, 1, "")).rows)), None)
        if shown is None:
            raise NotFoundException
    name = "" if shown is None else first_value(shown.event, "d")
    return await page.render(request, hub, "article_form.html", of=shown, name=name)


async def find(hub: RunningRelay, by: str, name: str) -> ShownArticle:
    """The article of this author (a name, an npub, a public key) by its `d` tag. Raises NotFoundException."""
    named = Filter(kinds=knowledge.kinds_of(hub), authors=await _authors(hub, by), tags={"d": frozenset([name])})
    rows = await _shown(hub, (await _newest(hub, named, 1, "")).rows)
    if not rows:
        raise NotFoundException
    return rows[0]


async def newest(hub: RunningRelay, most: int, *, tag: str = "", author: str = "") -> list[ShownArticle]:
    """The newest articles, those with a tag or of an author. Raises StorageError, and NotFoundException for no author here."""
    return await _shown(hub, (await _newest(hub, await _wanted(hub, tag, author), most, "")).rows)


async def _wanted(hub: RunningRelay, tag: str, author: str) -> Filter:
    """Articles with a tag or of an author. Raises NotFoundException."""
    tags = {"t": topics.spellings(tag[:MAX_TAG])} if tag else {}
    return Filter(kinds=knowledge.kinds_of(hub), authors=await _authors(hub, author) if author else None, tags=tags)


def path_of(event: Event, author: Writer) -> str | None:
    """Where the article is, for whoever may read all that is public; None for what has no page of its own here."""
    name = first_value(event, "d") or ""
    if not name or _is_of_a_group(event):
        return None
    return _path(author.name or encode("npub", author.pubkey), name)


def _path(author: str, name: str) -> str:
    return f"/knowledge/{quote(author, safe='')}/{quote(name, safe='')}"


def _is_of_a_group(event: Event) -> bool:
    return first_value(event, "h") is not None


async def _authors(hub: RunningRelay, author: str) -> frozenset[str] | None:
    """The keys of whoever is called so. Raises NotFoundException."""
    try:
        return await finding.authors(hub, author[:100])
    except HttpProblem:
        raise NotFoundException from None


async def _newest(hub: RunningRelay, wanted: Filter, most: int, cursor: str) -> ArticlePlace:
    """At most so many of what matches and belongs to no group, the newest first. Raises HttpProblem for a wrong cursor."""
    after, more = paging.place(cursor), msgspec.structs.replace(wanted, limit=most + 1)
    rows: list[Event] = []
    for _ in range(LOOKS):
        found = await paging.events(hub, more, PUBLIC, after)
        for event in found:
            after = (event.created_at, event.id)
            if _is_of_a_group(event) or not first_value(event, "d"):
                continue
            if len(rows) == most:
                return ArticlePlace(rows, paging.cursor_after(rows[-1]))
            rows.append(event)
        if len(found) <= most:
            return ArticlePlace(rows, None)
    return ArticlePlace(rows, f"{after[0]}-{after[1]}" if after else None)


async def _found(
    hub: RunningRelay, question: str, tag: str, authors: frozenset[str] | None, cursor: str
) -> tuple[list[ShownArticle], str | None, dict[str, Any]]:
    """A page of what is found, where it goes on, and the snippet of each with its words marked."""
    wanted = finding.HitConditions(
        types=frozenset(("knowledge",)),
        filter=Filter(authors=authors),
        tags=frozenset([tag] if tag else ()),
    )
    given = await finding.find(hub, question, wanted, page.PAGE, cursor)
    rows = await _shown(hub, [parse(hit.wire) for hit in given.hits])
    return rows, given.next_cursor, {hit.event_id: finding.snippet(hit) for hit in given.hits}


async def _near(hub: RunningRelay, event: Event) -> list[ShownArticle]:
    """Articles near in meaning, by the vectors that search has; none while it has none, or is away."""
    wanted = Filter(limit=NEAR + 1)
    query = SearchQuery("", wanted, PUBLIC, common.now(), types=frozenset(("knowledge",)), near=event.id)
    try:
        hits = await hub.search.search(query)
    except StorageError:
        return []  # the article is whole without
    return (await _shown(hub, [parse(hit.wire) for hit in hits if hit.score >= NEAREST]))[:NEAR]


async def _shown(hub: RunningRelay, events: Sequence[Event]) -> list[ShownArticle]:
    """Those of these that have a page here, as pages show them."""
    people = await writers(hub, [event.pubkey for event in events])
    rows = []
    for event in events:
        path = path_of(event, people[event.pubkey])
        if path is not None:
            rows.append(_described(event, people[event.pubkey], path))
    return rows


def _described(event: Event, author: Writer, path: str) -> ShownArticle:
    document = knowledge.described(event, author, events=False)
    return ShownArticle(
        event,
        author,
        path,
        document.title or document.identifier,
        [tag for tag in document.tags if len(tag) <= 100][:MAX_TAGS],
        (document.source or "")[: knowledge.MAX_SOURCE],
        _published(event),
    )


def _published(event: Event) -> int | None:
    """When it was first published (NIP-23), as its author says it; None for what cannot be, or was then."""
    said = next(iter(values(event, "published_at")), "")
    when = int(said) if said.isascii() and said.isdigit() and len(said) < 12 else 0
    return when if 0 < when < event.created_at else None
