"""Comments: kind 1111 under a post (NIP-22), nested by what each one answers."""

from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from relay.api_types import Content
from relay.http.api import common, editing, posts, publishing, rows
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, GivenPrincipal, GivenViewer, Limit
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body, CommentAnswer, CommentEditAnswer, CommentPage, Done
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds, topics
from relay.protocol.event import Draft
from relay.protocol.names import is_blank
from relay.server.identities.identity_tokens import Principal
from storage.feed import CommentRow, PostRow

TAGS: Final = ["comments"]
Sort = Annotated[
    Literal["top", "best", "new", "old", "controversial"],
    QueryParameter(
        description="the order of the comments: `best` is `top`; `controversial` has most votes both ways first"
    ),
]


class CommentEdit(Body, frozen=True):
    """The whole new text of a comment."""

    content: Annotated[Content, Meta(min_length=1)]


class NewComment(Body, frozen=True):
    """A comment to write; with `parent_id` it answers that comment."""

    content: Annotated[Content, Meta(min_length=1)]
    parent_id: Annotated[str | None, Meta(examples=[None])] = None


@get(f"{BASE}/posts/{{post_id:str}}/comments", tags=TAGS, summary="List the comments on a post")
async def list_comments(
    *,
    request: common.AnyRequest,
    post_id: FromPath[str],
    hub: GivenHub,
    viewer: GivenViewer,
    sort: Sort = "top",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    parent_id: Annotated[str, QueryParameter(description="the answers to this comment instead", max_length=64)] = "",
    events: Events = True,
) -> CommentPage:
    """The comments on the post itself, each with its replies; `limit` counts the former.

    Of each comment 25 replies are given, 8 levels of them; where `comment_count` says there are more, ask with `parent_id`.
    """
    target = await posts.find(hub, post_id, viewer)
    found = await hub.feed.comments(
        target.id,
        "top" if sort == "best" else sort,
        common.at_most(limit),
        common.now(),
        cursor=cursor,
        viewer=common.id_of(viewer),
        parent=common.event_id(parent_id, "comment") if parent_id else None,
    )
    comments = rows.tree(found.rows, events)
    return CommentPage(
        comments=rows.with_names(comments) if common.reads_names(request) else comments,
        has_more=found.next_cursor is not None,
        next_cursor=found.next_cursor,
    )


@post(f"{BASE}/posts/{{post_id:str}}/comments", tags=TAGS, summary="Write a comment", middleware=[idempotent])
async def create_comment(
    request: common.AnyRequest,
    post_id: FromPath[str],
    data: JSONBody[NewComment],
    principal: GivenPrincipal,
    hub: GivenHub,
) -> CommentAnswer:
    """Comment on a post, or answer a comment on it."""
    if is_blank(data.content):
        raise invalid("a comment needs a content")
    root = await posts.find(hub, post_id, principal)
    parent: PostRow | CommentRow = root
    if data.parent_id:
        parent = await find(hub, data.parent_id, principal)
        if parent.post_id != root.id:
            raise not_found("comment", "the comment that this answers stands under another post")
    own_kind = kinds.POST if parent is root else kinds.COMMENT
    tags = _scope(("E", "K", "P"), root, kinds.POST) + _scope(("e", "k", "p"), parent, own_kind)
    tags += topics.tags_of(data.content)
    known = {tag[1] for tag in tags if tag[0] == "p"}
    tags += [tag for tag in await publishing.mentioned(hub, data.content) if tag[1] not in known]
    tags += publishing.quoted(data.content)
    event = await publishing.act(hub, principal, Draft(kinds.COMMENT, tags, data.content, common.now()))
    return _answer(request, await find(hub, event.id, principal), "Comment added")


@get(f"{BASE}/comments/{{comment_id:str}}", tags=TAGS, summary="Get a comment")
async def get_comment(
    request: common.AnyRequest, comment_id: FromPath[str], viewer: GivenViewer, hub: GivenHub
) -> CommentAnswer:
    """One comment."""
    return _answer(request, await find(hub, comment_id, viewer))


@patch(f"{BASE}/comments/{{comment_id:str}}", tags=TAGS, summary="Edit a comment", middleware=[idempotent])
async def edit_comment(
    request: common.AnyRequest,
    comment_id: FromPath[str],
    data: JSONBody[CommentEdit],
    principal: GivenPrincipal,
    hub: GivenHub,
) -> CommentEditAnswer:
    """Change the text of your own comment; `event` is the edit."""
    if is_blank(data.content):
        raise invalid("a comment needs a content; delete it where nothing is left to say")
    common.event_id(comment_id, "comment")

    async def draw() -> editing.Draw:
        return editing.Draw(await find(hub, comment_id, principal), topics.tags_of(data.content), data.content)

    event = await editing.edit(hub, principal, comment_id, draw)
    answer = _answer(request, await find(hub, comment_id, principal))
    return CommentEditAnswer(message="Comment edited", comment=answer.comment, event=event)


@delete(f"{BASE}/comments/{{comment_id:str}}", tags=TAGS, summary="Delete a comment", status_code=200)
async def delete_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Done:
    """Delete your own comment, or anybody's in a community that you moderate; answers to it stay."""
    try:
        present = await find(hub, comment_id, principal)
    except HttpProblem:
        own = await publishing.unseen(hub, principal, comment_id, (kinds.COMMENT,))
        if own is None:
            raise
        return Done(message="Comment deleted", event=await publishing.delete(hub, principal, own))
    if present.posting_identity_id != principal.identity_id:
        root = await posts.find(hub, present.post_id, principal)
        if root.group_id is not None:
            return Done(
                message="Comment deleted", event=await posts.moderate(hub, principal, root.group_id, present.id)
            )
    editing.check_author(present.posting_identity_id, principal)
    draft = Draft(kinds.DELETION, [["e", present.id], ["k", str(kinds.COMMENT)]], "", common.now())
    event = await publishing.act(hub, principal, draft, by=present.pubkey)
    return Done(message="Comment deleted", event=event)


async def find(hub: RunningRelay, comment_id: str, viewer: Principal | None) -> CommentRow:
    """The comment with this id. Raises HttpProblem 404."""
    wanted = [common.event_id(comment_id, "comment")]
    found = await hub.feed.comments_by_id(wanted, common.now(), viewer=common.id_of(viewer))
    if not found:
        raise not_found("comment")
    return found[0]


def _answer(request: common.AnyRequest, row: CommentRow, message: str = "") -> CommentAnswer:
    comment = rows.comment(row)
    return CommentAnswer(
        message=message, comment=rows.with_names([comment])[0] if common.reads_names(request) else comment
    )


def _scope(names: tuple[str, str, str], target: PostRow | CommentRow, kind: int) -> list[list[str]]:
    """The three tags that point at a target (NIP-22): the event, its kind, its author."""
    event, of_kind, author = names
    return [[event, target.id, "", target.pubkey], [of_kind, str(kind)], [author, target.pubkey]]
