"""Saved: posts, comments and documents that somebody keeps for later, in their bookmarks (NIP-51, kind 10003).

A post or comment is named by its id, a document by its address, so that what replaces it is found too. What was deleted, or may
not be read any more, is left out of the answer and stays in the list.
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from relay.api_types import EventId
from relay.http.api import common, knowledge, lists, paging, rows
from relay.http.api.common import BASE, GivenPrincipal, Limit
from relay.http.api.idempotency import idempotent
from relay.http.api.knowledge import KnowledgeDocument
from relay.http.api.shapes import Body, Count, FeedComment, FeedPost
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found
from relay.protocol import kinds
from relay.protocol.event import Event, address_of, parse
from relay.protocol.filter import Filter
from storage.base import Readers
from storage.feed import CommentRow, PostRow

TAGS: Final = ["saved"]
SAVED: Final = f"{BASE}/saved"
MAX_SAVED: Final = 5000  # of one list that are looked at, the newest


class NewSaved(Body, frozen=True):
    """What to keep: a post, a comment or a document."""

    id: EventId


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Something saved; `type` says which of the three it is."""

    type: Annotated[Literal["post", "comment", "document"], Meta(examples=["post"])]
    id: EventId
    post: Annotated[FeedPost | None, Meta(description="the post, or the one that the comment is on")]
    comment: FeedComment | None
    document: KnowledgeDocument | None


class SavedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is saved, what was saved last first. `total` counts what is gone, too."""

    success: bool = True
    saved: list[Saved]
    total: Count
    has_more: bool
    next_cursor: NextCursor = None


class SavedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `event` is the list, null where there was nothing to take out."""

    success: bool = True
    message: Annotated[str, Meta(examples=["Saved"])]
    event: Event | None = None


class SavedRows(msgspec.Struct, frozen=True):
    """What stands behind saved entries: rows of the feed by id, and documents by address."""

    posts: dict[str, PostRow]
    comments: dict[str, CommentRow]
    documents: dict[str, Event]


@get(SAVED, tags=TAGS, summary="What you saved")
async def list_saved(
    principal: GivenPrincipal, hub: GivenHub, limit: Limit = common.DEFAULT_LIMIT, cursor: common.Cursor = ""
) -> SavedPage:
    """Posts, comments and documents, those that you saved last first."""
    names = await entries(hub, principal.identity_id)
    start = first(cursor)
    page = names[start : start + common.at_most(limit)]
    following = start + len(page)
    found = await look_up(hub, page, await common.readers(hub, principal), principal.identity_id)
    people = await writers(hub, [event.pubkey for event in found.documents.values()])
    saved = []
    for name in page:
        comment, document = found.comments.get(name), found.documents.get(name)
        about = found.posts.get(name if comment is None else comment.post_id)
        if document is not None:
            described = knowledge.described(document, people[document.pubkey], events=False)
            saved.append(Saved(type="document", id=document.id, post=None, comment=None, document=described))
        elif about is not None:
            saved.append(
                Saved(
                    type="post" if comment is None else "comment",
                    id=name,
                    post=rows.post(about, events=False),
                    comment=None if comment is None else rows.comment(comment, events=False),
                    document=None,
                )
            )
    more = following < len(names)
    return SavedPage(saved=saved, total=len(names), has_more=more, next_cursor=str(following) if more else None)


@post(SAVED, tags=TAGS, summary="Save something", status_code=200, middleware=[idempotent])
async def save(data: JSONBody[NewSaved], principal: GivenPrincipal, hub: GivenHub) -> SavedAnswer:
    """Keep a post, a comment or a document for later. Anybody may read the list: it is a signed event (kind 10003)."""
    tag = await _tag(hub, data.id, await common.readers(hub, principal))
    if tag is None:
        raise not_found("event", "there is no such post, comment or document here")
    new, event = await lists.add(hub, principal, kinds.BOOKMARKS, tag, lists.having(tag[0], {tag[1]}))
    return SavedAnswer(message="Saved" if new else "That is saved already", event=event)


@delete(f"{SAVED}/{{event_id:str}}", tags=TAGS, summary="Save something no more", status_code=200)
async def unsave(event_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> SavedAnswer:
    """Take it out of what you saved, be it still here or not."""
    wanted = common.event_id(event_id, "event")
    tag = await _tag(hub, wanted, await common.readers(hub, principal)) or ["e", wanted]
    event = await lists.take(hub, principal, kinds.BOOKMARKS, lists.having(tag[0], {tag[1]}))
    return SavedAnswer(message="That was not saved" if event is None else "Saved no more", event=event)


async def entries(hub: RunningRelay, identity_id: str) -> list[str]:
    """Ids and addresses, those saved last first: new ones stand at the end of a list (NIP-51)."""
    found = await lists.of_identity(hub, kinds.BOOKMARKS, identity_id)
    newest = [tag[1] for event in found for tag in reversed(event.tags) if tag[0] in ("e", "a") and len(tag) > 1]
    return list(dict.fromkeys(newest))[:MAX_SAVED]


async def look_up(hub: RunningRelay, names: list[str], readers: Readers, viewer: str | None) -> SavedRows:
    """What of these (at most MAX_LIMIT) is here and may be read."""
    now = common.now()
    ids = [name for name in names if kinds.is_hex(name, 64)]
    comments = {row.id: row for row in await hub.feed.comments_by_id(ids, now, viewer=viewer)} if ids else {}
    wanted = [*(name for name in ids if name not in comments), *(row.post_id for row in comments.values())]
    posts = {row.id: row for row in await hub.feed.posts_by_id(wanted, now, viewer=viewer)} if wanted else {}
    return SavedRows(posts, comments, await _documents(hub, names, readers))


async def _documents(hub: RunningRelay, names: list[str], readers: Readers) -> dict[str, Event]:
    """The documents of those of these names that are addresses of some."""
    places = [place for name in names if (place := kinds.parse_address(name)) is not None]
    wanted = [
        Filter(kinds=frozenset([kind]), authors=frozenset([author]), tags={"d": frozenset([name])}, limit=1)
        for kind, author, name in places
        if kind in knowledge.kinds_of(hub)
    ]
    if not wanted:
        return {}
    found = await hub.reader.query(wanted, readers, common.now())
    events = [parse(wire) for wire in [*found.wires, *await hub.reader.fetch(found.rest, common.now(), readers)]]
    return {address_of(event) or "": event for event in events}


async def _tag(hub: RunningRelay, event_id: str, readers: Readers) -> list[str] | None:
    """The tag that names what has this id; None where it is nothing that can be saved."""
    wanted = common.event_id(event_id, "event")
    record = await hub.reader.get(wanted, readers, common.now())
    if record is None:
        return None
    event = parse(record.wire)
    if event.kind in knowledge.kinds_of(hub):
        return ["a", address_of(event) or "", hub.config.relay.url]
    if event.kind in (kinds.POST, kinds.COMMENT):
        return ["e", event.id, hub.config.relay.url, event.pubkey]
    return None


def first(cursor: str) -> int:
    """Where a page of a list begins that is cut by number. Raises HttpProblem 400."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 6):
        raise invalid(paging.WRONG_CURSOR)
    return int(cursor or 0)
