"""Votes: kind 7 with `+` or `-` (NIP-25); the same again takes it back, by deleting every vote of the identity on the target.

A vote must be newer than the one it replaces, so its second is never the same.
"""

from typing import Final, Literal

from litestar import delete, post
from litestar.params import FromPath

from keys.custody import Draft
from relay.http.api import comments, common, posts, publishing
from relay.http.api.common import BASE, GivenPrincipal
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import VoteAnswer
from relay.http.hub import GivenHub, Hub
from relay.http.problems import not_found
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.server.identities import Principal
from storage.feed import CommentRow, PostRow

TAGS: Final = ["votes"]
Direction = Literal["up", "down"]
_CONTENT: Final = {"up": "+", "down": "-"}

Target = PostRow | CommentRow


@post(
    f"{BASE}/posts/{{post_id:str}}/upvote", tags=TAGS, summary="Upvote a post", status_code=200, middleware=[idempotent]
)
async def upvote_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote for a post; the same again takes it back."""
    return await _vote(hub, principal, await posts.find(hub, post_id, principal), "up")


@post(
    f"{BASE}/posts/{{post_id:str}}/downvote",
    tags=TAGS,
    summary="Downvote a post",
    status_code=200,
    middleware=[idempotent],
)
async def downvote_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote against a post; the same again takes it back."""
    return await _vote(hub, principal, await posts.find(hub, post_id, principal), "down")


@delete(f"{BASE}/posts/{{post_id:str}}/vote", tags=TAGS, summary="Take back a vote", status_code=200)
async def unvote_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Take your vote on a post back."""
    return await _unvote(hub, principal, await posts.find(hub, post_id, principal))


@post(
    f"{BASE}/comments/{{comment_id:str}}/upvote",
    tags=TAGS,
    summary="Upvote a comment",
    status_code=200,
    middleware=[idempotent],
)
async def upvote_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote for a comment; the same again takes it back."""
    return await _vote(hub, principal, await comments.find(hub, comment_id, principal), "up")


@post(
    f"{BASE}/comments/{{comment_id:str}}/downvote",
    tags=TAGS,
    summary="Downvote a comment",
    status_code=200,
    middleware=[idempotent],
)
async def downvote_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote against a comment; the same again takes it back."""
    return await _vote(hub, principal, await comments.find(hub, comment_id, principal), "down")


@delete(f"{BASE}/comments/{{comment_id:str}}/vote", tags=TAGS, summary="Take back a vote", status_code=200)
async def unvote_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Take your vote on a comment back."""
    return await _unvote(hub, principal, await comments.find(hub, comment_id, principal))


async def _vote(hub: Hub, principal: Principal, target: Target, direction: Direction) -> VoteAnswer:
    if target.your_vote == direction:
        return await _unvote(hub, principal, target)
    earlier = await publishing.votes_on(hub, principal, target.id)
    created_at = max([common.now(), *(vote.created_at + 1 for vote in earlier)])
    kind = kinds.POST if isinstance(target, PostRow) else kinds.COMMENT
    tags = [["e", target.id, "", target.pubkey], ["p", target.pubkey], ["k", str(kind)]]
    event = await publishing.act(hub, principal, Draft(kinds.REACTION, tags, _CONTENT[direction], created_at))
    return await _answer(hub, principal, target, event)


async def _unvote(hub: Hub, principal: Principal, target: Target) -> VoteAnswer:
    event = await publishing.take_back(hub, principal, target.id)
    if event is None:
        raise not_found("vote", "you have no vote on this")
    return await _answer(hub, principal, target, event)


async def _answer(hub: Hub, principal: Principal, target: Target, event: Event) -> VoteAnswer:
    find = posts.find if isinstance(target, PostRow) else comments.find
    row: Target = await find(hub, target.id, principal)
    action: Literal["upvoted", "downvoted", "removed"] = "removed"
    if event.kind == kinds.REACTION:
        action = "downvoted" if event.content == "-" else "upvoted"
    return VoteAnswer(
        message={"upvoted": "Upvoted", "downvoted": "Downvoted", "removed": "Vote taken back"}[action],
        action=action,
        your_vote=row.your_vote,
        upvotes=row.upvotes,
        downvotes=row.downvotes,
        score=row.score,
        new_score=row.score,
        event=event,
    )
