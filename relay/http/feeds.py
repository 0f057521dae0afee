"""Feeds of everything: at the address of a page and `/feed.atom` or `/feed.json`.

`/feed.atom` has the posts of all, `/c/<id>/feed.atom` those of a community, `/t/…`, `/d/…` and `/u/…` those of a tag, a host and
an identity, `/post/<id>/feed.atom` the comments on a post, `/knowledge/feed.atom` the articles; each newest first, those of posts
by another `sort` too. Whoever has a feed already is told so (ETag, 304).
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final
from urllib.parse import quote

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from keys.encoding import encode
from relay.http import article_text, articles, communities, mentions, origin, page, prose
from relay.http import syndication as written
from relay.http.api import common, group_access, knowledge
from relay.http.articles import ShownArticle
from relay.http.hub import GivenHub, RunningRelay
from relay.http.page import PAGE, Sort
from relay.http.prose import Mentions
from relay.http.syndication import FeedDocument, FeedEntry
from relay.protocol import kinds, names, topics
from relay.protocol.filter import Filter
from storage.base import PUBLIC
from storage.feed import CommentRow, PostRow

COMMENTS: Final = 50
_TYPES: Final = {"atom": "application/atom+xml", "json": "application/feed+json"}
_KEEP: Final = "max-age=60"

Make = Callable[[str, str], FeedDocument]  # from where the relay is, as this visitor reaches it, and the feed's own URL


def at(path: str) -> list[str]:
    """The addresses of the feeds of a page."""
    return [f"{path}/feed.atom", f"{path}/feed.json"]


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
    """The posts of an identity. Raises HttpProblem 404."""
    _check_open(hub)
    identity = await common.agent_named(hub, name[:64])
    rows = await _posts(request, hub, sort, authors=[identity.id])
    path = f"/u/{quote(identity.name)}?sort={sort}"
    shown = identity.display_name or identity.name
    return await _post_feed(request, hub, rows, _titled(hub, shown), identity.description or "", path)


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
    events = await knowledge.query_events(hub, wanted, None, PUBLIC)
    rows = await hub.feed.comments_by_id([event.id for event in events], now)
    rows.sort(key=lambda row: (-row.created_at, -row.seq))
    make = partial(_of_comments, found[0], rows, hub.config.relay.name)
    return await _answer(request, hub, make, [row.content for row in rows])


@get(at("/knowledge"))
async def of_knowledge(request: common.AnyRequest, hub: GivenHub) -> Response[bytes]:
    """The newest articles."""
    page.pace(request, hub)
    _check_open(hub)
    rows = await articles.newest(hub, PAGE)
    make = partial(_of_articles, rows, _titled(hub, "Knowledge"))
    return await _answer(request, hub, make, [row.event.content for row in rows])


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
    make = partial(_of_posts, rows, title, about, path)
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
        return Response(b"", status_code=304, headers=headers, media_type=_TYPES[form])
    return Response(body, headers=headers, media_type=_TYPES[form])


def _body(make: Make, meant: Mentions, form: str, base: str, url: str) -> bytes:
    with prose.one_page(meant):
        feed = make(base, url)
    return written.atom(feed) if form == "atom" else written.json_feed(feed)


def _of_posts(rows: Sequence[PostRow], title: str, about: str, path: str, base: str, url: str) -> FeedDocument:  # noqa: PLR0917
    entries = [_post_entry(row, base) for row in rows]
    return FeedDocument(title, about, base + path, url, entries)


def _post_entry(row: PostRow, base: str) -> FeedEntry:
    url = f"{base}/post/{row.id}"
    linked = prose.opens(row.url)
    return FeedEntry(
        f"nostr:{encode('note', row.id)}",
        url,
        prose.plain(row.title),
        written.absolute(prose.prose(row.content, row.id), base, url),
        row.created_at,
        max(row.created_at, row.updated_at or 0),
        _author(row),
        None if row.origin else f"{base}/u/{quote(row.author_name)}",
        [topic[1:] for topic in page.topics_of(row) if topic.startswith("#")],
        row.url if linked else None,
    )


def _author(row: PostRow | CommentRow) -> str:
    return names.shown(row.author_display_name or "", names.MAX_DISPLAY_NAME) or row.author_name


def _of_comments(post: PostRow, rows: Sequence[CommentRow], name: str, base: str, url: str) -> FeedDocument:
    title = prose.plain(post.title)
    entries = [_comment_entry(row, title, base) for row in rows]
    return FeedDocument(f"Comments on “{title}” · {name}", "", f"{base}/post/{post.id}", url, entries)


def _comment_entry(row: CommentRow, title: str, base: str) -> FeedEntry:
    url = f"{base}/post/{row.post_id}#c-{row.id}"
    author = _author(row)
    return FeedEntry(
        f"nostr:{encode('note', row.id)}",
        url,
        f"{author} on “{title}”",
        written.absolute(prose.prose(row.content, row.id), base, url.partition("#")[0]),
        row.created_at,
        max(row.created_at, row.updated_at or 0),
        author,
        None if row.origin else f"{base}/u/{quote(row.author_name)}",
    )


def _of_articles(rows: Sequence[ShownArticle], title: str, base: str, url: str) -> FeedDocument:
    return FeedDocument(title, "", f"{base}/knowledge", url, [_article_entry(row, base) for row in rows])


def _article_entry(row: ShownArticle, base: str) -> FeedEntry:
    url = base + row.path
    author = row.author
    return FeedEntry(
        url,
        url,
        prose.plain(row.title),
        written.absolute(article_text.article(row.event.content).html, base, url),
        row.since or row.event.created_at,
        row.event.created_at,
        names.shown(author.called(), 2 * names.MAX_DISPLAY_NAME),
        f"{base}/u/{quote(author.name)}" if author.name else None,
        row.tags,
    )
