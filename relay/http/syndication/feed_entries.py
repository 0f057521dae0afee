"""What stands in feeds: posts, comments, messages, issues, articles and what a search found, each as an entry.

Each function gives the FeedDocument of a list, for the address at which a visitor reaches the relay (`base`) and the feed's own
`url`; `page` is the path of the page that it is the feed of. All of it renders Markdown, so it is called beside the loop.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from keys.encoding import encode
from relay.api_types import Writer
from relay.http.pages import feed
from relay.http.pages.articles import ShownArticle
from relay.http.pages.chatting import ShownMessage
from relay.http.pages.people import SaidThere
from relay.http.pages.searching import ShownHit
from relay.http.rendering import article_text, prose
from relay.http.rendering import syndication as written
from relay.http.rendering.syndication import FeedDocument, FeedEntry
from relay.protocol import names
from relay.protocol.event import Event
from storage.control_plane import IssueRow
from storage.feed import CommentRow, PostRow

MAX_WORDS: Final = 80  # characters of a message that stand for its title


def of_posts(rows: Sequence[PostRow], title: str, about: str, path: str, base: str, url: str) -> FeedDocument:  # noqa: PLR0917
    """Posts."""
    return FeedDocument(title, about, base + path, url, [_post(row, base) for row in rows])


def of_comments(rows: Sequence[SaidThere], title: str, path: str, base: str, url: str) -> FeedDocument:
    """Comments, on whatever posts."""
    return FeedDocument(title, "", base + path, url, [_comment(row.comment, row.title, base) for row in rows])


def of_articles(rows: Sequence[ShownArticle], title: str, path: str, base: str, url: str) -> FeedDocument:
    """Articles."""
    return FeedDocument(title, "", base + path, url, [_article(row, base) for row in rows])


def of_messages(rows: Sequence[ShownMessage], title: str, about: str, path: str, base: str, url: str) -> FeedDocument:  # noqa: PLR0917
    """Messages of the room at `path`."""
    return FeedDocument(title, about, base + path, url, [_message(row, path, base) for row in rows])


def of_issues(  # noqa: PLR0917, each is what it is called
    rows: Sequence[IssueRow], people: Mapping[str, Writer], title: str, path: str, base: str, url: str
) -> FeedDocument:
    """Issues of the project at `path`."""
    return FeedDocument(
        title,
        "",
        base + path,
        url,
        [_issue(row, people[row.pubkey], f"{base}{path}/issue/{row.id}", base) for row in rows],
    )


def of_issue(  # noqa: PLR0917, each is what it is called
    issue: IssueRow, rows: Iterable[Event], people: Mapping[str, Writer], title: str, path: str, base: str, url: str
) -> FeedDocument:
    """Comments on the issue at `path`."""
    entries = [_issue_comment(event, people[event.pubkey], issue, base + path, base) for event in rows]
    return FeedDocument(title, "", base + path, url, entries)


def of_hits(hits: Sequence[ShownHit], title: str, path: str, base: str, url: str) -> FeedDocument:
    """What a search found."""
    return FeedDocument(title, "", base + path, url, [_hit(hit, base) for hit in hits])


def _post(row: PostRow, base: str) -> FeedEntry:
    url = f"{base}/post/{row.id}"
    linked = prose.opens(row.url)
    return FeedEntry(
        _note(row.id),
        url,
        prose.plain(row.title),
        written.absolute(prose.prose(row.content, row.id), base, url),
        row.created_at,
        max(row.created_at, row.updated_at or 0),
        _author(row),
        None if row.origin else f"{base}/u/{quote(row.author_name)}",
        [topic[1:] for topic in feed.topics_of(row) if topic.startswith("#")],
        row.url if linked else None,
    )


def _author(row: PostRow | CommentRow) -> str:
    return names.shown(row.author_display_name or "", names.MAX_DISPLAY_NAME) or row.author_name


def _comment(row: CommentRow, title: str, base: str) -> FeedEntry:
    url = f"{base}/post/{row.post_id}#c-{row.id}"
    author = _author(row)
    return FeedEntry(
        _note(row.id),
        url,
        f"{author} on “{prose.plain(title)}”",
        written.absolute(prose.prose(row.content, row.id), base, url.partition("#")[0]),
        row.created_at,
        max(row.created_at, row.updated_at or 0),
        author,
        None if row.origin else f"{base}/u/{quote(row.author_name)}",
    )


def _article(row: ShownArticle, base: str) -> FeedEntry:
    url = base + row.path
    return FeedEntry(
        url,
        url,
        prose.plain(row.title),
        written.absolute(article_text.article(row.event.content).html, base, url),
        row.since or row.event.created_at,
        row.event.created_at,
        _called(row.author),
        _page_of(row.author, base),
        row.tags,
    )


def _message(row: ShownMessage, path: str, base: str) -> FeedEntry:
    url = f"{base}{path}#m-{row.event.id}"
    author = names.shown(row.by.name, 2 * names.MAX_DISPLAY_NAME)
    return FeedEntry(
        _note(row.event.id),
        url,
        f"{author}: {prose.plain(prose.excerpt(row.text, MAX_WORDS))}",
        written.absolute(prose.prose(row.text, row.event.id), base, base + path),
        row.event.created_at,
        max(row.event.created_at, row.updated_at or 0),
        author,
        None if row.by.link is None else f"{base}/u/{quote(row.by.link)}",
    )


def _issue(row: IssueRow, by: Writer, url: str, base: str) -> FeedEntry:
    return FeedEntry(
        _note(row.id),
        url,
        f"{row.identifier} {prose.plain(row.title)}",
        written.absolute(prose.prose(row.description or ""), base, url),
        row.created_at,
        max(row.created_at, row.updated_at),
        _called(by),
        _page_of(by, base),
        [row.status_id],
    )


def _issue_comment(event: Event, by: Writer, issue: IssueRow, url: str, base: str) -> FeedEntry:
    return FeedEntry(
        _note(event.id),
        url,
        f"{_called(by)} on {issue.identifier}",
        written.absolute(prose.prose(event.content, event.id), base, url),
        event.created_at,
        event.created_at,
        _called(by),
        _page_of(by, base),
    )


def _hit(hit: ShownHit, base: str) -> FeedEntry:
    found, url = hit.result, base + hit.path
    text = (
        article_text.article(found.content).html if found.type == "knowledge" else prose.prose(found.content, found.id)
    )
    author, at = _called(found.author), int(found.created_at.timestamp())
    about = "" if found.post is None else f"{author} on “{prose.plain(found.post.title)}”"
    return FeedEntry(
        url if found.type == "knowledge" else _note(found.id),
        url,
        about or prose.plain(found.title or ""),
        written.absolute(text, base, url),
        at,
        at,
        author,
        _page_of(found.author, base),
    )


def _called(by: Writer) -> str:
    return names.shown(by.called(), 2 * names.MAX_DISPLAY_NAME)


def _page_of(by: Writer, base: str) -> str | None:
    return f"{base}/u/{quote(by.name)}" if by.name else None


def _note(event_id: str) -> str:
    return f"nostr:{encode('note', event_id)}"
