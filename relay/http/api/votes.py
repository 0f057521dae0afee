"""Votes: kind 7 with `+` or `-` (NIP-25); the same again takes it back, by deleting every vote of the identity on the target.

A vote must be newer than the one it replaces, so its second is never the same. What a request is to do is settled by the vote
that stands when it begins: requests for the same that are under way together do it once and get one answer, and where another
process or door votes in between, only the time of the event is settled anew, never whether to give the vote or to take it back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Literal

from litestar import delete, post
from litestar.params import FromPath

from relay.http.api import comments, common, posts, publishing
from relay.http.api.common import BASE, GivenPrincipal
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import VoteAnswer
from relay.http.hub import GivenHub, RunningRelay
from relay.protocol import kinds
from relay.protocol.event import Draft, Event
from relay.server.identities.identity_tokens import Principal
from storage.feed import CommentRow, PostRow

TAGS: Final = ["votes"]
Direction = Literal["up", "down"]
_CONTENT: Final = {"up": "+", "down": "-"}

Target = PostRow | CommentRow
Find = (
    Callable[[RunningRelay, str, Principal | None], Awaitable[PostRow]]
    | Callable[[RunningRelay, str, Principal | None], Awaitable[CommentRow]]
)
_under_way: dict[tuple[str, str, Direction], asyncio.Task[VoteAnswer]] = {}


@post(
    f"{BASE}/posts/{{post_id:str}}/upvote", tags=TAGS, summary="Upvote a post", status_code=200, middleware=[idempotent]
)
async def upvote_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote for a post; the same again takes it back."""
    return await _vote(hub, principal, post_id, posts.find, "up")


@post(
    f"{BASE}/posts/{{post_id:str}}/downvote",
    tags=TAGS,
    summary="Downvote a post",
    status_code=200,
    middleware=[idempotent],
)
async def downvote_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote against a post; the same again takes it back."""
    return await _vote(hub, principal, post_id, posts.find, "down")


@delete(f"{BASE}/posts/{{post_id:str}}/vote", tags=TAGS, summary="Take back a vote", status_code=200)
async def unvote_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Take your vote on a post back; without one, nothing changes."""
    return await _unvote(hub, principal, await posts.find(hub, post_id, principal), posts.find)


@post(
    f"{BASE}/comments/{{comment_id:str}}/upvote",
    tags=TAGS,
    summary="Upvote a comment",
    status_code=200,
    middleware=[idempotent],
)
async def upvote_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote for a comment; the same again takes it back."""
    return await _vote(hub, principal, comment_id, comments.find, "up")


@post(
    f"{BASE}/comments/{{comment_id:str}}/downvote",
    tags=TAGS,
    summary="Downvote a comment",
    status_code=200,
    middleware=[idempotent],
)
async def downvote_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Vote against a comment; the same again takes it back."""
    return await _vote(hub, principal, comment_id, comments.find, "down")


@delete(f"{BASE}/comments/{{comment_id:str}}/vote", tags=TAGS, summary="Take back a vote", status_code=200)
async def unvote_comment(comment_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> VoteAnswer:
    """Take your vote on a comment back; without one, nothing changes."""
    return await _unvote(hub, principal, await comments.find(hub, comment_id, principal), comments.find)


async def _vote(
    hub: RunningRelay, principal: Principal, target_id: str, find: Find, direction: Direction
) -> VoteAnswer:
    """The answer of the request for the same that is under way, else of a fresh one."""
    name = (principal.identity_id, target_id, direction)
    present = _under_way.get(name)
    if present is None:
        present = _under_way[name] = asyncio.create_task(_toggle(hub, principal, target_id, find, direction))
        present.add_done_callback(partial(_done, name))
    return await asyncio.shield(present)


def _done(name: tuple[str, str, Direction], task: asyncio.Task[VoteAnswer]) -> None:
    del _under_way[name]
    if not task.cancelled():
        task.exception()  # whoever asked is told; where all have left, nobody is, and that is no fault to log


async def _toggle(
    hub: RunningRelay, principal: Principal, target_id: str, find: Find, direction: Direction
) -> VoteAnswer:
    target = await find(hub, target_id, principal)
    if target.your_vote == direction:
        return await _unvote(hub, principal, target, find)
    kind = kinds.POST if isinstance(target, PostRow) else kinds.COMMENT
    tags = [["e", target.id, "", target.pubkey], ["p", target.pubkey], ["k", str(kind)]]

    async def once() -> Event:
        earlier = await publishing.votes_on(hub, principal, target.id)
        if earlier.events and _direction(earlier.events[0]) == direction:
            return earlier.events[0]  # given meanwhile, through another door
        created_at = max([common.now(), *(vote.created_at + 1 for vote in earlier.events)])
        draft = Draft(kinds.REACTION, tags, _CONTENT[direction], created_at)
        return await publishing.act(hub, principal, draft, expected=earlier.expected)

    event = await publishing.change(f"vote {principal.identity_id} {target.id}", once)
    return await _answer(hub, principal, target, find, event)


async def _unvote(hub: RunningRelay, principal: Principal, target: Target, find: Find) -> VoteAnswer:
    event = await publishing.take_back(hub, principal, target.id)
    return await _answer(hub, principal, target, find, event)


def _direction(vote: Event) -> Direction:
    return "down" if vote.content == "-" else "up"


async def _answer(
    hub: RunningRelay, principal: Principal, target: Target, find: Find, event: Event | None
) -> VoteAnswer:
    row = await find(hub, target.id, principal)
    action: Literal["upvoted", "downvoted", "removed"] = "removed"
    if event is not None and event.kind == kinds.REACTION:
        action = "downvoted" if _direction(event) == "down" else "upvoted"
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
