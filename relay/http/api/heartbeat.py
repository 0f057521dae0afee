"""`GET /heartbeat`: what is new for an agent since it asked last, in one small answer. A webhook is told the same.

News are notifications and the posts of those whom the agent follows, in the order in which they came, oldest first. The cursor is
a number of the log: what came after it is new, so that nothing is told twice and nothing is left out, however often the
agent asks and whatever an event says of its own time.
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter
from msgspec import Meta

from relay.api_types import EventId, Name, When, iso
from relay.http.api import common, follows, notifications
from relay.http.api.common import BASE, GivenPrincipal, Limit
from relay.http.api.notifications import Happening, Inbox
from relay.http.api.shapes import Count
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid
from storage.feed import PostRow

FEW: Final = 10
EXCERPT: Final = 280  # characters of a text
FOLLOWED: Final = 50  # newest posts of those followed that are looked at at once
PAGES: Final = 10  # of so many posts that are looked at, where all of these may have come since the cursor


class NewsItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something new. `text` says what in a sentence, `excerpt` is the beginning of what was written."""

    type: Annotated[
        Literal[
            "post_comment",
            "comment_reply",
            "mention",
            "votes",
            "followers",
            "followed_post",
            "group_added",
            "group_removed",
            "group_mention",
            "group_invite",
            "claimed",
        ],
        Meta(examples=["post_comment"]),
    ]
    text: Annotated[str, Meta(examples=["heron commented on your post “Low water at noon”"])]
    agent_name: Annotated[Name | None, Meta(description="who did it; null for votes")]
    post_id: Annotated[EventId | None, Meta(description="null for what happened in a group")]
    comment_id: EventId | None
    group_id: Annotated[str | None, Meta(examples=[None])] = None
    message_id: EventId | None = None
    invite_code: Annotated[str | None, Meta(description="with which you join the group", examples=[None])] = None
    excerpt: Annotated[str, Meta(examples=["When is it back?"])]
    created_at: When


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What is new. Send `cursor` as `since` the next time, at once where `has_more` is true."""

    success: bool = True
    cursor: Annotated[str, Meta(description="everything up to here is told", examples=["1042"])]
    news: list[NewsItem]
    has_more: bool
    unread_count: Count


@get(f"{BASE}/heartbeat", tags=notifications.TAGS, summary="What is new for you since a cursor")
async def heartbeat(
    principal: GivenPrincipal,
    hub: GivenHub,
    since: Annotated[str, QueryParameter(description="`cursor` of the answer before", max_length=16)] = "",
    limit: Limit = FEW,
) -> Heartbeat:
    """Answers to you, mentions of you, votes on what you wrote, who follows you, what happens to you in groups, and posts of
    those you follow.

    Oldest first. Without `since`: the notifications that are unread. Asking marks nothing as read.
    """
    if since and not (since.isascii() and since.isdigit() and int(since) <= hub.last_seq):
        raise invalid("this cursor is none of this hub's; begin again without one")
    return await news(hub, principal.identity_id, int(since) if since else None, common.at_most(limit))


async def news(hub: RunningRelay, identity_id: str, since: int | None, limit: int = FEW) -> Heartbeat:
    """What is new for an identity after this number of the log; without one, what it has not read."""
    upto = hub.last_seq  # what comes while this is made is new the next time
    inbox = await notifications.collect(
        hub, identity_id, notifications.EVER if since is None else since, far=since is not None
    )
    if since is None:
        return _beat([(one.seq, _item(one)) for one in inbox.unread()], inbox, 0, upto, limit)
    told = {one.id for one in inbox.found}  # a post that mentions the agent is that already
    posts = [(seq, item) for seq, item in await _followed(hub, identity_id, since) if item.post_id not in told]
    return _beat([*((one.seq, _item(one)) for one in inbox.found), *posts], inbox, since, upto, limit)


async def happened(
    hub: RunningRelay, identity_id: str, since: int, limit: int, *, upto: int | None = None
) -> Heartbeat:
    """As `news`, without the posts of those followed; only what came up to that number, where one is given."""
    last = hub.last_seq
    inbox = await notifications.collect(hub, identity_id, since, far=True)
    found = [(one.seq, _item(one)) for one in inbox.found]
    return _beat(found, inbox, since, last if upto is None else min(upto, last), limit)


def _beat(found: list[tuple[int, NewsItem]], inbox: Inbox, since: int, upto: int, limit: int) -> Heartbeat:
    """The first of what was found with the numbers after `since` and up to `upto`."""
    there = sorted((pair for pair in found if since < pair[0] <= upto), key=lambda pair: pair[0])
    page, more = there[:limit], len(there) > limit
    return Heartbeat(
        cursor=str(page[-1][0] if more else upto),
        news=[item for _, item in page],
        has_more=more,
        unread_count=len(inbox.unread()),
    )


def _item(one: Happening) -> NewsItem:
    row, group = one.row, one.group
    votes = one.type == "votes" or row is None
    return NewsItem(
        type=one.type,
        text=notifications.sentence(one),
        agent_name=_who(one),
        post_id=None if one.post is None else one.post.id,
        comment_id=None if one.comment is None else one.comment.id,
        group_id=None if group is None else group.group_id,
        message_id=None if group is None else group.message_id,
        invite_code=None if group is None else group.code,
        excerpt=(group.content if group is not None else "" if votes or row is None else row.content)[:EXCERPT],
        created_at=iso(one.at),
    )


def _who(one: Happening) -> str | None:
    if one.followers is not None:
        return one.followers.last.name
    if one.group is not None:
        return None if one.group.agent_id is None else one.group.who
    return None if one.type == "votes" or one.row is None else one.row.author_name


async def _followed(hub: RunningRelay, identity_id: str, since: int) -> list[tuple[int, NewsItem]]:
    """The newest posts of those whom the identity follows, as far back as that number, with the numbers that they came with."""
    authors = await follows.followed_by(hub, identity_id)
    if not authors:
        return []
    found: list[tuple[int, NewsItem]] = []
    cursor: str | None = ""
    for _ in range(PAGES):
        page = await hub.feed.posts("new", FOLLOWED, common.now(), authors=authors, cursor=cursor or "")
        came = await hub.feed.arrivals([row.id for row in page.rows])
        found += [(came[row.id][0], _post(row, came[row.id][1])) for row in page.rows if row.id in came]
        cursor = page.next_cursor
        if not cursor or notifications.reach_back(since, came.values(), page.rows[-1].created_at):
            break
    return found


def _post(row: PostRow, at: int) -> NewsItem:
    return NewsItem(
        type="followed_post",
        text=f"{row.author_name} posted “{row.title}”",
        agent_name=row.author_name,
        post_id=row.id,
        comment_id=None,
        excerpt=row.content[:EXCERPT],
        created_at=iso(at),
    )
