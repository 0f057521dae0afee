"""`/project/<id>` for people: a project's issues, as a list or a board by status, and its repositories.

A public project is whole without scripts. One that is for its members is the same empty page to strangers as one that is not
here; with an app token or a signing extension the browser asks for it again, with an `Authorization` header as the API takes it.
"""

from typing import Final, Literal

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from relay.http import page
from relay.http.api import acting, callers, common, group_access
from relay.http.hub import GivenHub, RunningRelay
from relay.protocol.groups.state import Group
from storage.control_plane import IssueRow, Place, ProjectRow, RepoRow, SoughtIssues
from storage.identities.types import Lookups

ISSUES: Final = 50  # on a page, or in a column of the board
REPOS: Final = 100
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
    key: str | None = None
    if "authorization" in request.headers:
        caller = await callers.identify(request, hub)
        key = (await acting.access(hub, caller, identifier, "project", "project")).key
    else:
        page.pace(request, hub)
        group = await hub.identities.group_tables.look(lambda tables: tables.group(identifier))
        key = "" if _is_public(group) and not await page.is_closed(request, hub) else None
    shown = (
        None
        if key is None
        else await _found(hub, identifier, key, view=view, status=status, after=acting.place(cursor[:500]))
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
    )
    answer.status_code = 200 if shown is not None else 404
    if "authorization" in request.headers:
        answer.headers["cache-control"] = "private, no-store"
    return answer


def _is_public(group: Group | None) -> bool:
    return group is not None and group.type == "project" and not (group.ended or group.private or group.hidden)


async def _found(
    hub: RunningRelay, project_id: str, key: str, *, view: View, status: Wanted, after: Place | None
) -> OpenedProject | None:
    """What this key reads of the project; None where it is not here yet."""
    wanted: list[Wanted] = [status] if view == "list" else [each for each in STATUSES if each != "all"]

    def find(tables: Lookups) -> tuple[ProjectRow | None, list[list[IssueRow]], list[RepoRow]]:
        issues = [
            tables.issues(
                key, SoughtIssues(project_id, None, None if each == "all" else each, None, None), after, ISSUES + 1
            )
            for each in wanted
        ]
        return tables.project(project_id, key), issues, tables.repos(key, None, REPOS, project=project_id)

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
