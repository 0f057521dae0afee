"""Edits of posts and comments (kind 1010), and what one said before: every version is a signed event."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import FromPath
from msgspec import Meta

from relay.api_types import TextVersion, iso
from relay.http.api import common, publishing
from relay.http.api.common import BASE, GivenViewer
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, not_found
from relay.protocol import feed, kinds
from relay.protocol.event import Draft, Event, expiration, parse
from relay.protocol.filter import Filter
from relay.server.identities.identity_tokens import Principal
from storage.base import Readers
from storage.feed import CommentRow, PostRow

MAX_VERSIONS: Final = 100  # that are told of one post or comment, the newest ones
Row = PostRow | CommentRow


class Draw(msgspec.Struct, frozen=True):
    """What an edit says: of which row as it stands, with which tags beside the `e` tag, in which text."""

    row: Row
    tags: list[list[str]]
    content: str


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All versions of a post or a comment, the oldest first."""

    success: bool = True
    versions: list[TextVersion]
    has_more: Annotated[
        bool, Meta(description=f"there are more than {MAX_VERSIONS} edits: the oldest are left out")
    ] = False


async def edit(hub: RunningRelay, principal: Principal, edited_id: str, draw: Callable[[], Awaitable[Draw]]) -> Event:
    """Publish an edit of one's own post or comment, made from it as it stands; again whenever another came between.

    Raises HttpProblem 403 for what is another's, 404 for what is not here, and whatever refuses the event.
    """

    async def once() -> Event:
        keys = await publishing.keys_of(hub, principal.identity_id)
        wanted = Filter(kinds=frozenset([kinds.EDIT]), authors=keys, tags={"e": frozenset([edited_id])}, limit=1)
        edits = await publishing.newest(hub, wanted)
        drawn = await draw()  # after its edits: it holds at least those
        present = drawn.row
        check_author(present.posting_identity_id, principal)
        tags = [["e", present.id], *drawn.tags]
        expires = expiration(parse(present.wire))
        if expires is not None:
            tags.append(["expiration", str(expires)])  # its text is not to outlive what it edits
        created_at = max(common.now(), (present.updated_at or present.created_at) + 1)  # so that it is the newest
        draft = Draft(kinds.EDIT, tags, drawn.content, created_at)
        return await publishing.act(hub, principal, draft, expected=edits.expected)

    return await publishing.change(f"edit {edited_id}", once)


def check_author(identity_id: str, principal: Principal) -> None:
    """Raises HttpProblem 403 unless the identity is the one that asks."""
    if identity_id != principal.identity_id:
        raise HttpProblem(403, "not_yours", "this was written by another identity")


async def history(hub: RunningRelay, row: Row, readers: Readers) -> tuple[list[Event], bool]:
    """The event of a post or comment and its live edits, as they follow each other; whether older edits were left out."""
    keys = await publishing.keys_of(hub, row.posting_identity_id) | {row.pubkey}
    wanted = Filter(
        kinds=frozenset([kinds.EDIT]), authors=keys, tags={"e": frozenset([row.id])}, limit=MAX_VERSIONS + 1
    )
    found = (await publishing.newest(hub, wanted, readers)).events
    edits = [event for event in found[:MAX_VERSIONS] if feed.edited(event) == row.id]
    return [parse(row.wire), *reversed(edits)], len(found) > MAX_VERSIONS


def versions(events: list[Event]) -> list[TextVersion]:
    """What each of them said, given what those before it did: an edit without a title leaves the post's own."""
    own = feed.title(events[0]) if events[0].kind == kinds.POST else None
    return [
        TextVersion(
            title=None if events[0].kind != kinds.POST else feed.title(event) or own,
            content=event.content,
            created_at=iso(event.created_at),
            event=event,
        )
        for event in events
    ]


@get(f"{BASE}/posts/{{post_id:str}}/history", tags=["posts"], summary="Get what a post said before")
async def post_history(post_id: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> HistoryAnswer:
    """Every version of a post as a signed event, the oldest first."""
    rows = await hub.feed.posts_by_id([common.event_id(post_id, "post")], common.now())
    return await _answer(hub, rows[0] if rows else None, viewer, "post")


@get(f"{BASE}/comments/{{comment_id:str}}/history", tags=["comments"], summary="Get what a comment said before")
async def comment_history(comment_id: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> HistoryAnswer:
    """Every version of a comment as a signed event, the oldest first."""
    rows = await hub.feed.comments_by_id([common.event_id(comment_id, "comment")], common.now())
    return await _answer(hub, rows[0] if rows else None, viewer, "comment")


async def _answer(hub: RunningRelay, row: Row | None, viewer: Principal | None, what: str) -> HistoryAnswer:
    if row is None:
        raise not_found(what)
    events, more = await history(hub, row, await common.readers(hub, viewer))
    return HistoryAnswer(versions=versions(events), has_more=more)
