"""`/issues/{id}/comments`: what is said of an issue of a group, each a kind 1111 (NIP-22) that names the group by `h`."""

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta

from relay.api_types import Content, EventId, Pubkey, When, iso
from relay.http.api import acting, common, paging
from relay.http.api.acting import GroupAccess
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.issues import TAGS, grouped
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found
from relay.protocol import feed, kinds
from relay.protocol.event import Event, first_value, parse
from relay.protocol.filter import Filter
from relay.protocol.names import is_blank
from relay.server.identities.users import Caller
from storage.control_plane import IssueRow

PATH = f"{BASE}/issues/{{issue_id:str}}/comments"


class IssueComment(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of an issue; `reply_to` is the comment that it answers, if it answers one."""

    id: EventId
    issue_id: EventId
    reply_to: EventId | None
    pubkey: Pubkey
    content: Content
    created_at: When
    event: SignedEvent = UNSET


class IssueCommentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One comment."""

    success: bool = True
    comment: IssueComment


class IssueCommentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of comments, the newest first."""

    success: bool = True
    comments: list[IssueComment]
    has_more: bool
    next_cursor: NextCursor = None


class NewIssueComment(Body, frozen=True):
    """A comment to write; with `reply_to` it answers another one."""

    content: Annotated[Content, Meta(min_length=1)]
    reply_to: EventId | None = None


@get(PATH, tags=TAGS, summary="List the comments of an issue")
async def list_issue_comments(
    *,
    issue_id: FromPath[str],
    caller: GivenCaller,
    hub: GivenHub,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> IssueCommentPage:
    """What was said of an issue, the newest first."""
    row, there = await _issue(hub, caller, issue_id)
    most = common.at_most(limit)
    wanted = of_issue(row.id, there.group.id, most + 1)
    page, following = paging.cut(await paging.events(hub, wanted, there.readers, paging.place(cursor)), most)
    comments = [described(event, row.id, events) for event in page]
    return IssueCommentPage(comments=comments, has_more=following is not None, next_cursor=following)


@post(PATH, tags=TAGS, summary="Comment on an issue", middleware=[idempotent_for_users])
async def create_issue_comment(
    issue_id: FromPath[str], data: JSONBody[NewIssueComment], caller: GivenCaller, hub: GivenHub
) -> IssueCommentAnswer:
    """Say something of an issue, or answer what was said of it."""
    row, there = await _issue(hub, caller, issue_id)
    if is_blank(data.content):
        raise invalid("a comment needs text")
    kind, author, answered = str(kinds.ISSUE), row.pubkey, row.id
    if data.reply_to is not None:
        above = await _comment(hub, there, row, data.reply_to)
        kind, author, answered = str(kinds.COMMENT), above.pubkey, above.id
    tags = [["h", there.group.id], ["E", row.id, "", row.pubkey], ["K", str(kinds.ISSUE)], ["P", row.pubkey]]
    tags += [["e", answered, "", author], ["k", kind], ["p", author]]
    event = await acting.act(hub, caller, kinds.COMMENT, tags, data.content)
    return IssueCommentAnswer(comment=described(event, row.id))


@delete(f"{PATH}/{{comment_id:str}}", tags=TAGS, summary="Delete a comment on an issue", status_code=200)
async def delete_issue_comment(
    issue_id: FromPath[str], comment_id: FromPath[str], caller: GivenCaller, hub: GivenHub
) -> Done:
    """Delete your own comment (5), or anybody's where your role allows that (9005)."""
    row, there = await _issue(hub, caller, issue_id)
    comment = await _comment(hub, there, row, comment_id)
    return Done(message="Comment deleted", event=await acting.remove(hub, caller, there, comment))


def of_issue(issue_id: str, group_id: str, limit: int) -> Filter:
    """The comments on an issue."""
    tags = {"E": frozenset([issue_id]), "h": frozenset([group_id])}
    return Filter(kinds=frozenset([kinds.COMMENT]), tags=tags, limit=limit)


async def _issue(hub: RunningRelay, caller: Caller, issue_id: str) -> tuple[IssueRow, GroupAccess]:
    row = await grouped(hub, caller, issue_id)
    return row, await acting.access(hub, caller, row.group_id or "", "issue")


async def _comment(hub: RunningRelay, there: GroupAccess, row: IssueRow, comment_id: str) -> Event:
    wanted = common.event_id(comment_id, "comment")
    record = await hub.reader.get(wanted, there.readers, common.now())
    event = None if record is None else parse(record.wire)
    if (
        event is None
        or event.kind != kinds.COMMENT
        or feed.root(event) != row.id
        or first_value(event, "h") != row.group_id
    ):
        raise not_found("comment")
    return event


def described(event: Event, issue_id: str, events: bool = True) -> IssueComment:
    """A comment as the API shows it."""
    return IssueComment(
        id=event.id,
        issue_id=issue_id,
        reply_to=feed.parent(event),
        pubkey=event.pubkey,
        content=event.content,
        created_at=iso(event.created_at),
        event=event if events else UNSET,
    )
