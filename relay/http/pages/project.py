"""`/project/<id>` for people: a project's issues, as a list or a board by status, each on a page of its own, and its repositories.

A public project is whole without scripts. One that is for its members is the same empty page to strangers as one that is not
with an app token or a signing extension the browser asks for it again, with an `Authorization` header as the API takes it. Who
asks so and may write there is given what it takes to write issues and to change them, own ones or, as a member, all; the browser
sends that to the API.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from relay.api_types import Writer
from relay.http.api import acting, callers, common, group_access, issue_comments, paging
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import page
from relay.protocol import kinds
from relay.protocol.control_plane.issues import PRIORITIES
from relay.protocol.event import Event
from relay.protocol.groups.state import Group
from storage.control_plane import IssueRow, Place, ProjectRow, RepoRow, SoughtIssues
from storage.identities.types import Lookups, User

ISSUES: Final = 50  # on a page, or in a column of the board
REPOS: Final = 100
COMMENTS: Final = 200  # on the page of an issue, the newest
MEMBERS: Final = 100  # that an issue is given to by the page
View = Literal["list", "board"]
Wanted = Literal["all", "open", "draft", "resolved", "closed"]
STATUSES: Final[dict[Wanted, str]] = {
    "all": "All",
    "open": "Open",
    "draft": "Draft",
    "resolved": "Resolved",
    "closed": "Closed",
}


class ShownIssue(msgspec.Struct, frozen=True):
    """An issue as the page shows it."""

    row: IssueRow
    labels: list[str]


class ShownComment(msgspec.Struct, frozen=True):
    """A comment as the page shows it; `by` is what to call its author."""

    event: Event
    by: str


class BoardColumn(msgspec.Struct, frozen=True):
    """The issues of one status, the first ISSUES by rank; `more` says that there are others."""

    status: Wanted
    title: str
    issues: list[ShownIssue]
    more: bool


class OpenedProject(msgspec.Struct, frozen=True):
    """What a key reads of a project; `following` is where the next page of the list begins."""

    row: ProjectRow
    columns: list[BoardColumn]
    repos: list[RepoRow]
    following: str | None


@get("/project/{project_id:str}")
async def project(  # noqa: PLR0917, each is given by its name
    request: common.AnyRequest,
    hub: GivenHub,
    project_id: FromPath[str],
    view: FromQuery[View] = "list",
    status: FromQuery[Wanted] = "all",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """A project that whoever asks may read. Raises HttpProblem 401, 403 or 404 for credentials that do not open it."""
    identifier = group_access.written(project_id)
    there = await _entered(request, hub, identifier)
    shown = (
        None
        if there is None
        else await _found(hub, identifier, there.key, view=view, status=status, after=acting.place(cursor[:500]))
    )
    answer = await page.render(
        request,
        hub,
        "project.html",
        project_id=identifier,
        project=None if shown is None else shown.row,
        columns=[] if shown is None else shown.columns,
        repos=[] if shown is None else shown.repos,
        more=None if shown is None else shown.following,
        view=view,
        wanted=status,
        statuses=STATUSES,
        **(await _acting(request, hub, there)),
    )
    return _kept_out(request, answer, is_there=shown is not None)


@get("/project/{project_id:str}/issue/{issue_id:str}")
async def issue(
    request: common.AnyRequest, hub: GivenHub, project_id: FromPath[str], issue_id: FromPath[str]
) -> Response[str]:
    """An issue of a project with what was said of it, for whoever may read that. Raises HttpProblem as `project` does."""
    identifier = group_access.written(project_id)
    there = await _entered(request, hub, identifier)
    row = None
    if there is not None and kinds.is_hex(issue_id, 64):
        row = next(iter(await issues_by_id(hub, there.group, [issue_id])), None)
    comments: list[Event] = []
    if there is not None and row is not None:
        wanted = issue_comments.of_issue(row.id, identifier, COMMENTS + 1)
        comments = await paging.events(hub, wanted, there.readers)
    people = await writers(hub, (event.pubkey for event in comments))
    answer = await page.render(
        request,
        hub,
        "issue.html",
        project_id=identifier,
        project=None if row is None else there,
        one=None if row is None else _shown(row),
        comments=[ShownComment(event, people[event.pubkey].called()) for event in comments[:COMMENTS][::-1]],
        left_out=len(comments) > COMMENTS,
        texts=[event.content for event in comments[:COMMENTS]],
        **(await _acting(request, hub, there)),
    )
    return _kept_out(request, answer, is_there=row is not None)


async def public(hub: RunningRelay, project_id: str) -> Group:
    """The project that everybody reads whom this relay asks nothing. Raises NotFoundException."""
    group = await hub.identities.group_tables.look(lambda tables: tables.group(project_id))
    if group is None or not _is_public(group):
        raise NotFoundException
    return group


async def issues_by_id(hub: RunningRelay, group: Group, ids: Sequence[str]) -> list[IssueRow]:
    """Those of these issues that are the project's, in the order of the ids."""
    now = common.now()
    found = await hub.identities.workspaces.look(lambda tables: [tables.issue(each, now) for each in ids])
    return [row for row in found if row is not None and row.group_id == group.id]


async def _entered(request: common.AnyRequest, hub: RunningRelay, project_id: str) -> acting.GroupAccess | None:
    """The project as whoever asks stands to it, None where it is not for them. Raises HttpProblem for wrong credentials."""
    if "authorization" in request.headers:
        caller = await callers.identify(request, hub)
        return await acting.access(hub, caller, project_id, "project", "project")
    page.pace(request, hub)
    group = await hub.identities.group_tables.look(lambda tables: tables.group(project_id))
    if group is None or not _is_public(group) or await page.is_closed(request, hub):
        return None
    return acting.GroupAccess(group, None, "")


def _kept_out(request: common.AnyRequest, answer: Response[str], *, is_there: bool) -> Response[str]:
    """The answer, which nobody keeps where it is for one reader."""
    answer.status_code = 200 if is_there else 404
    if "authorization" in request.headers:
        answer.headers["cache-control"] = "private, no-store"
    return answer


async def _acting(request: common.AnyRequest, hub: RunningRelay, there: acting.GroupAccess | None) -> dict[str, Any]:
    """What the page of whoever may write in the project has beside: who is in it, and what an issue may be."""
    fields: dict[str, Any] = {
        "may_write": False,
        "changes_all": False,
        "own_key": "",
        "people": {},
        "marks": [status for status in STATUSES if status != "all"],
        "priorities": PRIORITIES,
        "group_id": "" if there is None else there.group.id,
        "is_open": there is not None and _is_public(there.group),
    }
    if there is None or "authorization" not in request.headers or (there.member is None and there.group.restricted):
        return fields
    group_id = there.group.id

    def find(tables: Lookups) -> dict[str, str]:
        return {
            member.user_id: _named(tables.user_row(member.user_id), member.pubkey)
            for member in tables.plane_members(group_id, None, MEMBERS)
        }

    people = await hub.identities.workspaces.look(find)
    may = {"may_write": True, "changes_all": there.member is not None, "own_key": there.key}
    return fields | may | {"people": people}


def _named(user: User | None, pubkey: str) -> str:
    """What a member is called: a name of the user, or the beginning of a key."""
    given = None if user is None else user.name or user.username
    return given or Writer(pubkey=pubkey).called()


def _is_public(group: Group) -> bool:
    return group.type == "project" and not (group.ended or group.private or group.hidden)


async def _found(
    hub: RunningRelay, project_id: str, key: str, *, view: View, status: Wanted, after: Place | None
) -> OpenedProject | None:
    """What this key reads of the project; None where it is not here yet."""
    wanted: list[Wanted] = [status] if view == "list" else [each for each in STATUSES if each != "all"]

    def find(tables: Lookups) -> tuple[ProjectRow | None, list[list[IssueRow]], list[RepoRow]]:
        issues = [
            tables.issues(
                key,
                SoughtIssues(project_id, None, None if each == "all" else each, None, None),
                after,
                ISSUES + 1,
                common.now(),
            )
            for each in wanted
        ]
        return tables.project(project_id, key), issues, tables.repos(key, None, REPOS, common.now(), project=project_id)

    row, found, repos = await hub.identities.workspaces.look(find)
    if row is None:
        return None
    columns = [
        BoardColumn(each, STATUSES[each], [_shown(one) for one in issues[:ISSUES]], len(issues) > ISSUES)
        for each, issues in zip(wanted, found, strict=True)
    ]
    following = acting.page(found[0], ISSUES, lambda one: (one.rank, one.seq))[1] if view == "list" else None
    return OpenedProject(row, columns, repos, following)


def _shown(row: IssueRow) -> ShownIssue:
    return ShownIssue(row, msgspec.json.decode(row.label_ids, type=list[str]))
