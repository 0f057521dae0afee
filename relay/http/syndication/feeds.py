"""Feeds of everything: at the address of a page and `/feed.atom`, `/feed.rss` or `/feed.json` (syndication.FORMATS).

`/feed.atom` has the posts of all, `/c/<id>/feed.atom` those of a community, `/t/…`, `/d/…` and `/u/…` those of a tag, a host and
an identity, `/u/<name>/comments/…` what it commented, `/post/<id>/…` the comments on a post, `/knowledge/…` articles,
`/chat/<id>/…` the messages of a room, `/project/<id>/…` the issues of a project and `…/issue/<id>/…` what is said of one,
`/search/…` what is found; each newest first, those of posts by another `sort` too. Only what everybody reads is in one.
Whoever has a feed already is told so (ETag, 304).
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final
from urllib.parse import urlencode

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from relay.http import origin
from relay.http.api import common, group_access, issue_comments, paging
from relay.http.api.finding import Order
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import articles, chatting, communities, mentions, page, people, project, searching
from relay.http.pages.page import PAGE, Sort
from relay.http.pages.people import SaidThere
from relay.http.pages.searching import How, Type
from relay.http.rendering import prose
from relay.http.rendering.prose import Mentions
from relay.http.rendering.syndication import FORMATS, FeedDocument
from relay.http.syndication import feed_entries
from relay.protocol import kinds, names, topics
from relay.protocol.filter import Filter
from storage.base import PUBLIC
from storage.feed import PostRow

COMMENTS: Final = 50
ISSUES: Final = 50
_KEEP: Final = "max-age=60"

Make = Callable[[str, str], FeedDocument]  # from where the relay is, as this visitor reaches it, and the feed's own URL


def at(path: str) -> list[str]:
    """The addresses of the feeds of a page."""
    return [f"{path}/feed.{form}" for form in FORMATS]


@get(at(""))
async def all_posts(request: common.AnyRequest, hub: GivenHub, sort: FromQuery[Sort] = "new") -> Response[bytes]:
    """The posts of all."""
    rows = await _posts(request, hub, sort)
    relay = hub.config.relay
    return await _post_feed(request, hub, rows, relay.name, relay.description, f"/?sort={sort}")


@get(at("/c/{group_id:str}"))
async def of_community(
    request: common.AnyRequest, hub: GivenHub, group_id: FromPath[str], sort: FromQuery[Sort] = "new"
) -> Response[bytes]:
    """The posts of a community. Raises NotFoundException."""
    group = await communities.public(request, hub, group_access.written(group_id))
    rows = await _posts(request, hub, sort, group=group.id)
    title = names.shown(group.name or group.id, prose.MAX_EXCERPT)
    path = f"/c/{prose.segment(group.id)}?sort={sort}"
    return await _post_feed(request, hub, rows, _titled(hub, title), group.about, path)


@get(at("/t/{tag:str}"))
async def with_tag(
    request: common.AnyRequest, hub: GivenHub, tag: FromPath[str], sort: FromQuery[Sort] = "new"
) -> Response[bytes]:
    """The posts with a tag. Raises NotFoundException."""
    topic = topics.of_tag(group_access.written(tag))
    return await _of_topic(request, hub, topic, f"/t/{prose.segment(topic[1:])}", sort)


@get(at("/d/{host:str}"))
async def of_host(
    request: common.AnyRequest, hub: GivenHub, host: FromPath[str], sort: FromQuery[Sort] = "new"
) -> Response[bytes]:
    """The posts that link to a host. Raises NotFoundException."""
    topic = topics.of_host(host)
    return await _of_topic(request, hub, topic, f"/d/{prose.segment(topic)}", sort)


@get(at("/u/{name:str}"))
async def of_identity(
    request: common.AnyRequest, hub: GivenHub, name: FromPath[str], sort: FromQuery[Sort] = "new"
) -> Response[bytes]:
    """The posts of an identity. Raises NotFoundException."""
    _check_open(hub)
    identity = await people.named(request, hub, name)
    rows = await _posts(request, hub, sort, authors=[identity.id])
    path = f"{people.path_of(identity)}?sort={sort}"
    shown = identity.display_name or identity.name
    return await _post_feed(request, hub, rows, _titled(hub, shown), identity.description or "", path)


@get(at("/u/{name:str}/comments"))
async def comments_of_identity(request: common.AnyRequest, hub: GivenHub, name: FromPath[str]) -> Response[bytes]:
    """What an identity commented. Raises NotFoundException."""
    page.pace(request, hub)
    _check_open(hub)
    identity = await people.named(request, hub, name)
    rows, _ = await people.said(hub, identity, COMMENTS)
    title = _titled(hub, f"Comments by {identity.display_name or identity.name}")
    make = partial(feed_entries.of_comments, rows, title, f"{people.path_of(identity)}/comments")
    return await _answer(request, hub, make, [row.comment.content for row in rows])


@get(at("/post/{post_id:str}"))
async def of_post(request: common.AnyRequest, hub: GivenHub, post_id: FromPath[str]) -> Response[bytes]:
    """The newest comments on a post, at whatever depth. Raises NotFoundException."""
    page.pace(request, hub)
    _check_open(hub)
    now = int(time.time())
    found = await hub.feed.posts_by_id([post_id], now) if kinds.is_hex(post_id, 64) else []
    if not found:
        raise NotFoundException
    wanted = Filter(kinds=frozenset([kinds.COMMENT]), tags={"E": frozenset([post_id])}, limit=COMMENTS)
    events = await paging.events(hub, wanted, PUBLIC)
    rows = await hub.feed.comments_by_id([event.id for event in events], now)
    rows.sort(key=lambda row: (-row.created_at, -row.seq))
    said = [SaidThere(row, found[0].title) for row in rows]
    title = _titled(hub, f"Comments on “{prose.plain(found[0].title)}”")
    make = partial(feed_entries.of_comments, said, title, f"/post/{post_id}")
    return await _answer(request, hub, make, [row.content for row in rows])


@get(at("/knowledge"))
async def of_knowledge(
    request: common.AnyRequest, hub: GivenHub, tag: FromQuery[str] = "", author: FromQuery[str] = ""
) -> Response[bytes]:
    """The newest articles, those with a tag or of an author. Raises NotFoundException for an author who is not here."""
    page.pace(request, hub)
    _check_open(hub)
    rows = await articles.newest(hub, PAGE, tag=tag, author=author)
    narrowed = {name: value for name, value in (("tag", tag), ("author", author)) if value}
    said = " ".join(filter(None, ("Knowledge", author and f"by {author}", tag and f"#{tag}")))
    path = f"/knowledge?{urlencode(narrowed)}" if narrowed else "/knowledge"
    make = partial(feed_entries.of_articles, rows, _titled(hub, prose.plain(said)), path)
    return await _answer(request, hub, make, [row.event.content for row in rows])


@get(at("/chat/{group_id:str}"))
async def of_room(request: common.AnyRequest, hub: GivenHub, group_id: FromPath[str]) -> Response[bytes]:
    """The newest messages of a room that everybody reads. Raises NotFoundException."""
    page.pace(request, hub)
    _check_open(hub)
    group = await chatting.open_room(hub, group_access.written(group_id))
    rows = await chatting.newest(hub, group)
    title = _titled(hub, names.shown(group.name or group.wire_id, prose.MAX_EXCERPT))
    make = partial(feed_entries.of_messages, rows, title, group.about, f"/chat/{prose.segment(group.wire_id)}")
    return await _answer(request, hub, make, [row.text for row in rows])


@get(at("/project/{project_id:str}"))
async def of_project(request: common.AnyRequest, hub: GivenHub, project_id: FromPath[str]) -> Response[bytes]:
    """The newest issues of a project that everybody reads. Raises NotFoundException."""
    page.pace(request, hub)
    _check_open(hub)
    group = await project.public(hub, group_access.written(project_id))
    wanted = Filter(kinds=frozenset([kinds.ISSUE]), tags={"h": frozenset([group.id])}, limit=ISSUES)
    events = await paging.events(hub, wanted, PUBLIC)
    rows = await project.issues_by_id(hub, group, [event.id for event in events])
    by = await writers(hub, (row.pubkey for row in rows))
    title = _titled(hub, names.shown(group.name or group.id, prose.MAX_EXCERPT))
    make = partial(feed_entries.of_issues, rows, by, title, f"/project/{prose.segment(group.id)}")
    return await _answer(request, hub, make, [row.description or "" for row in rows])


@get(at("/project/{project_id:str}/issue/{issue_id:str}"))
async def of_issue(
    request: common.AnyRequest, hub: GivenHub, project_id: FromPath[str], issue_id: FromPath[str]
) -> Response[bytes]:
    """The newest comments on an issue of a project that everybody reads. Raises NotFoundException."""
    page.pace(request, hub)
    _check_open(hub)
    group = await project.public(hub, group_access.written(project_id))
    issues = await project.issues_by_id(hub, group, [issue_id] if kinds.is_hex(issue_id, 64) else [])
    if not issues:
        raise NotFoundException
    rows = await paging.events(hub, issue_comments.of_issue(issue_id, group.id, COMMENTS), PUBLIC)
    by = await writers(hub, (event.pubkey for event in rows))
    title = _titled(hub, f"Comments on {issues[0].identifier} “{prose.plain(issues[0].title)}”")
    path = f"/project/{prose.segment(group.id)}/issue/{issue_id}"
    make = partial(feed_entries.of_issue, issues[0], rows, by, title, path)
    return await _answer(request, hub, make, [event.content for event in rows])


@get(at("/search"))
async def of_search(  # noqa: PLR0917, each is given by its name
    request: common.AnyRequest,
    hub: GivenHub,
    q: FromQuery[str] = "",
    type: FromQuery[Type] = "all",  # noqa: A002 as the API calls it
    author: FromQuery[str] = "",
    community: FromQuery[str] = "",
    since: FromQuery[str] = "",
    until: FromQuery[str] = "",
    how: FromQuery[How] = "both",
    sort: FromQuery[Order] = "new",
) -> Response[bytes]:
    """What a search finds, the newest first. Raises NotFoundException without a question or for people, and HttpProblem."""
    page.pace(request, hub)
    _check_open(hub)
    if not q.strip() or type == "people":
        raise NotFoundException
    given = searching.asked(q, type, author, community, since, until, how, sort)
    found = await searching.results(hub, given)
    path = f"/search?{urlencode(searching.kept(given))}"
    make = partial(feed_entries.of_hits, found.hits, _titled(hub, prose.plain(q)), path)
    return await _answer(request, hub, make, [hit.result.content for hit in found.hits])


async def _of_topic(
    request: common.AnyRequest, hub: RunningRelay, topic: str, path: str, sort: Sort
) -> Response[bytes]:
    if not topic:
        raise NotFoundException
    rows = await _posts(request, hub, sort, topic=topic)
    return await _post_feed(request, hub, rows, _titled(hub, topic), "", f"{path}?sort={sort}")


async def _posts(
    request: common.AnyRequest,
    hub: RunningRelay,
    sort: Sort,
    *,
    authors: list[str] | None = None,
    group: str | None = None,
    topic: str | None = None,
) -> list[PostRow]:
    """The first page of a list. Raises StorageError: a feed that is empty for a moment would be taken for what there is."""
    page.pace(request, hub)
    _check_open(hub)
    found = await hub.feed.posts(sort, PAGE, int(time.time()), authors=authors, group=group, topic=topic)
    return found.rows


def _check_open(hub: RunningRelay) -> None:
    """Raises NotFoundException where readers are asked who they are."""
    if hub.config.access.auth_to_read:
        raise NotFoundException


def _titled(hub: RunningRelay, title: str) -> str:
    return f"{title} · {hub.config.relay.name}"


async def _post_feed(  # noqa: PLR0917, each is what it is called
    request: common.AnyRequest, hub: RunningRelay, rows: list[PostRow], title: str, about: str, path: str
) -> Response[bytes]:
    """These posts as a feed of the page at `path`."""
    make = partial(feed_entries.of_posts, rows, title, about, path)
    return await _answer(request, hub, make, [row.content for row in rows])


async def _answer(request: common.AnyRequest, hub: RunningRelay, make: Make, texts: Iterable[str]) -> Response[bytes]:
    """The feed in the form that its address names; 304 for who has it. `texts` are those in it, for whom they mention."""
    meant = await mentions.of(hub, texts)
    base = origin.base_url(origin.shown(request, hub))
    form = request.scope["path"].rpartition(".")[2]
    path = request.scope["raw_path"].decode("latin-1")
    query = f"?{request.url.query}" if request.url.query else ""
    body = await page.in_pool(request, partial(_body, make, meant, form, base, f"{base}{path}{query}"))
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": _KEEP, "access-control-allow-origin": "*"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=FORMATS[form].media_type)
    return Response(body, headers=headers, media_type=FORMATS[form].media_type)


def _body(make: Make, meant: Mentions, form: str, base: str, url: str) -> bytes:
    with prose.one_page(meant):
        feed = make(base, url)
    return FORMATS[form].write(feed)
