"""`/issues`: what is to be done in a project or in any group (NIP-34), numbered when it comes."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import EventId, When, iso
from relay.http.api import acting, common
from relay.http.api.acting import GroupId, OfGroup, UserId
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds
from relay.protocol.control_plane import issues
from relay.protocol.control_plane.issues import ASSIGNEE, MAX_LABEL, MAX_LABELS, MAX_RANK, MAX_TITLE, STATUSES
from relay.protocol.event import Event, expiration, parse
from relay.server.identities.users import Caller
from storage.control_plane import IssueRow, SoughtIssues

TAGS: Final = ["issues"]
_KINDS: Final = {status: kind for kind, status in STATUSES.items()}

Status = Literal["open", "resolved", "closed", "draft"]
Priority = Literal["none", "low", "medium", "high", "urgent"]
IssueTitle = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE, examples=["It leaks at high water"])]
Label = Annotated[str, Meta(min_length=1, max_length=MAX_LABEL, examples=["bug"])]
Labels = Annotated[list[Label], Meta(max_length=MAX_LABELS)]
Rank = Annotated[str, Meta(pattern="^[0-9a-z]+$", max_length=MAX_RANK, description="its place, compared as text")]
RepoAddress = Annotated[
    str, Meta(description="address of a repository", examples=["30617:c46e…:tides"], max_length=500)
]
ByStatus = Annotated[Status | None, QueryParameter(description="only those of this status")]
ByAssignee = Annotated[
    str | None, QueryParameter(description="only what this user is to do, `me` for you", max_length=100)
]
ByLabel = Annotated[str | None, QueryParameter(description="only what has this label", max_length=MAX_LABEL)]
ByRepo = Annotated[
    str | None, QueryParameter(description="public issues of this repository, by its address", max_length=500)
]


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An issue. `identifier` is what people call it; lists are in the order of `rank`."""

    id: EventId
    identifier: Annotated[str, Meta(examples=["TIDE-12"])]
    title: IssueTitle
    description: str | None
    status_id: Status
    priority_id: Priority
    assignee_id: UserId | None
    label_ids: list[str]
    rank: Rank
    due_date: When | None
    user_id: UserId
    project_id: GroupId | None
    organization_id: GroupId | None
    group_id: GroupId | None
    repo_id: RepoAddress | None
    created_at: When
    updated_at: When
    event: SignedEvent = UNSET


class IssueAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One issue; `events` are what made or changed it."""

    success: bool = True
    message: str = ""
    issue: Issue
    events: list[Event] = []


class IssuePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of issues in the order of their ranks."""

    success: bool = True
    issues: list[Issue]
    has_more: bool
    next_cursor: NextCursor = None


class NewIssue(Body, frozen=True):
    """An issue to write, in a project or another group (`project_id` is its id)."""

    project_id: GroupId
    title: IssueTitle
    description: str = ""
    priority_id: Priority = "none"
    assignee_id: UserId | None = None
    label_ids: Labels = msgspec.field(default_factory=list)
    due_date: Annotated[When, Meta(tz=True)] | None = None
    repo_id: RepoAddress | None = None


class IssueChange(Body, frozen=True):
    """What changes; what is left out stays, and null takes out what was there."""

    title: IssueTitle | UnsetType = UNSET
    description: str | UnsetType = UNSET
    status_id: Status | UnsetType = UNSET
    priority_id: Priority | UnsetType = UNSET
    assignee_id: UserId | UnsetType | None = UNSET
    label_ids: Labels | UnsetType = UNSET
    due_date: Annotated[When, Meta(tz=True)] | UnsetType | None = UNSET


class IssueMove(Body, frozen=True):
    """Where it goes: right behind or right before another issue of the same group, or both."""

    after_id: EventId | None = None
    before_id: EventId | None = None


@get(f"{BASE}/issues", tags=TAGS, summary="List issues")
async def list_issues(
    *,
    caller: GivenCaller,
    hub: GivenHub,
    project_id: OfGroup = None,
    repo_id: ByRepo = None,
    status: ByStatus = None,
    assignee: ByAssignee = None,
    label: ByLabel = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> IssuePage:
    """The issues of a project or another group, of a repository, or else of all groups that you are in."""
    if project_id is not None:
        await acting.access(hub, caller, project_id, "project")
    most, after = common.at_most(limit), acting.place(cursor)
    who = await _named(hub, caller, assignee) if assignee is not None else None
    sought = SoughtIssues(project_id, repo_id, status, who, label)
    rows = await acting.look(hub, caller, lambda tables, key: tables.issues(key, sought, after, most + 1, common.now()))
    shown, following = acting.page(rows, most, lambda row: (row.rank, row.seq))
    found = [described(row, events) for row in shown]
    return IssuePage(issues=found, has_more=following is not None, next_cursor=following)


@post(f"{BASE}/issues", tags=TAGS, summary="Write an issue", middleware=[idempotent_for_users])
async def create_issue(data: JSONBody[NewIssue], caller: GivenCaller, hub: GivenHub) -> IssueAnswer:
    """Write an issue (1621); it gets the next number of its project."""
    await acting.access(hub, caller, data.project_id, "project")
    due = None if data.due_date is None else int(data.due_date.timestamp())
    assignee = None if data.assignee_id is None else await _key(hub, data.assignee_id)
    tags = [["h", data.project_id], ["subject", data.title], *([["a", data.repo_id]] if data.repo_id else [])]
    tags += _tags(data.priority_id, assignee, data.label_ids, due)
    event = await acting.act(hub, caller, kinds.ISSUE, tags, data.description)
    return IssueAnswer(message="Issue written", issue=described(await _row(hub, event.id)), events=[event])


@get(f"{BASE}/issues/{{issue_id:str}}", tags=TAGS, summary="Get an issue")
async def get_issue(issue_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> IssueAnswer:
    """One issue that you may read."""
    return IssueAnswer(issue=described(await _readable(hub, caller, issue_id)))


@patch(f"{BASE}/issues/{{issue_id:str}}", tags=TAGS, summary="Change an issue", middleware=[idempotent_for_users])
async def edit_issue(
    issue_id: FromPath[str], data: JSONBody[IssueChange], caller: GivenCaller, hub: GivenHub
) -> IssueAnswer:
    """Change what it says (1010) and its status (1630 to 1633), as far as the request says."""
    row = await grouped(hub, caller, issue_id)
    events = []
    fields = acting.given(data, "title", "description", "priority_id", "assignee_id", "label_ids", "due_date")
    if fields:
        events.append(await _edit(hub, caller, row, fields))
    if data.status_id is not UNSET and data.status_id != row.status_id:
        tags = [["h", row.group_id or ""], ["e", row.id, "", "root"], ["p", row.pubkey]]
        at = max(common.now(), row.updated_at + 1)
        events.append(await acting.act(hub, caller, _KINDS[data.status_id], tags, "", at=at))
    message = "Issue changed" if events else "Nothing changed"
    return IssueAnswer(message=message, issue=described(await _row(hub, row.id)), events=events)


@post(
    f"{BASE}/issues/{{issue_id:str}}/move",
    tags=TAGS,
    summary="Move an issue",
    status_code=200,
    middleware=[idempotent_for_users],
)
async def move_issue(
    issue_id: FromPath[str], data: JSONBody[IssueMove], caller: GivenCaller, hub: GivenHub
) -> IssueAnswer:
    """Give it a rank behind or before another issue (1010)."""
    row = await grouped(hub, caller, issue_id)
    low = await _neighbour(hub, row, data.after_id)
    high = await _neighbour(hub, row, data.before_id)
    if low is None and high is None:
        raise invalid("say where it goes: give after_id, before_id or both")
    if high is None:
        high = await _beside(hub, row, low or "", above=True)
    elif low is None:
        low = await _beside(hub, row, high, above=False)
    try:
        rank = issues.between(low, high)
    except ValueError:
        raise HttpProblem(
            409, "conflict", "there is no room between these issues", "Read the list again, and move it elsewhere."
        ) from None
    event = await _edit(hub, caller, row, {"rank": rank})
    return IssueAnswer(message="Issue moved", issue=described(await _row(hub, row.id)), events=[event])


@delete(f"{BASE}/issues/{{issue_id:str}}", tags=TAGS, summary="Delete an issue", status_code=200)
async def delete_issue(issue_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """Delete your own issue (5), or anybody's where your role allows that (9005)."""
    row = await grouped(hub, caller, issue_id)
    there = await acting.access(hub, caller, row.group_id or "", "issue")
    return Done(message="Issue deleted", event=await acting.remove(hub, caller, there, parse(row.wire)))


async def _row(hub: RunningRelay, issue_id: str) -> IssueRow:
    wanted = common.event_id(issue_id, "issue")
    row = await hub.identities.workspaces.look(lambda tables: tables.issue(wanted, common.now()))
    if row is None:
        raise not_found("issue")
    return row


async def _readable(hub: RunningRelay, caller: Caller, issue_id: str) -> IssueRow:
    """The issue, if the user may read it. Raises HttpProblem 403 or 404."""
    row = await _row(hub, issue_id)
    if row.group_id is not None:
        await acting.access(hub, caller, row.group_id, "issue")
    return row


async def grouped(hub: RunningRelay, caller: Caller, issue_id: str) -> IssueRow:
    """The same, of a group. Raises HttpProblem 403 for an issue of a repository, which is changed over Nostr."""
    row = await _readable(hub, caller, issue_id)
    if row.group_id is None:
        raise HttpProblem(
            403,
            "restricted",
            "this issue belongs to no group",
            "Its author and whose repository it is change it, with their own keys.",
        )
    return row


async def _edit(hub: RunningRelay, caller: Caller, row: IssueRow, fields: dict[str, Any]) -> Event:
    """Say everything anew, these fields changed: newer than what was said last, so that it counts."""
    now = {**row._asdict(), "label_ids": msgspec.json.decode(row.label_ids), **fields}
    due = now["due_date"]
    due = due if due is None or isinstance(due, int) else int(due.timestamp())
    assignee = None if now["assignee_id"] is None else await _key(hub, now["assignee_id"])
    tags = [["h", row.group_id or ""], ["e", row.id], ["subject", now["title"]], ["rank", now["rank"]]]
    tags += _tags(now["priority_id"], assignee, now["label_ids"], due)
    expires = expiration(parse(row.wire))
    if expires is not None:
        tags.append(["expiration", str(expires)])  # its text is not to outlive what it edits
    at = max(common.now(), row.updated_at + 1)
    return await acting.act(hub, caller, kinds.EDIT, tags, now["description"] or "", at=at)


def _tags(priority: str, assignee: str | None, labels: list[str], due: int | None) -> list[list[str]]:
    tags = [["t", label] for label in dict.fromkeys(labels)]
    tags += [["priority", priority]] if priority != "none" else []
    tags += [["p", assignee, "", ASSIGNEE]] if assignee is not None else []
    return tags + ([["due", str(due)]] if due is not None else [])


async def _key(hub: RunningRelay, user_id: str) -> str:
    found = await hub.identities.workspaces.key_of(user_id)
    if found is None:
        raise not_found("user")
    return found


async def _named(hub: RunningRelay, caller: Caller, assignee: str) -> str:
    """A user as rows name them; `me` is who asks."""
    if assignee != "me":
        return assignee
    user, _ = await hub.identities.users.get(caller.user_id)
    return "" if user is None else user.id


async def _neighbour(hub: RunningRelay, row: IssueRow, issue_id: str | None) -> str | None:
    """The rank of another issue of the same group."""
    if issue_id is None:
        return None
    other = await _row(hub, issue_id)
    if other.group_id != row.group_id:
        raise not_found("issue")
    return other.rank


async def _beside(hub: RunningRelay, row: IssueRow, rank: str, *, above: bool) -> str | None:
    """The rank next to this one, above or below it, in the group of an issue that moves there."""
    return await hub.identities.workspaces.look(
        lambda tables: tables.rank_beside(row.group_id or "", rank, row.id, above=above)
    )


def described(row: IssueRow, events: bool = True) -> Issue:
    """A row as the API shows it."""
    shown: dict[str, Any] = row._asdict() | {
        "label_ids": msgspec.json.decode(row.label_ids),
        "due_date": None if row.due_date is None else iso(row.due_date),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "event": parse(row.wire) if events else UNSET,
    }
    return Issue(**{name: shown[name] for name in Issue.__struct_fields__})
