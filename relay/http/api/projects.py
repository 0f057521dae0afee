"""`/projects`: what an organization or a user works on, each a group (NIP-29) of that type with a record beside it."""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import When, iso
from relay.http.api import acting, common
from relay.http.api.acting import Archived, GroupId, OfGroup, UserId
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Limit
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.organizations import GroupName, Public, Role
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import not_found
from relay.protocol.control_plane.issues import PREFIX
from relay.protocol.control_plane.records import Text, Word
from relay.protocol.event import Event
from relay.protocol.groups.belonging import DELETE_GROUP
from relay.server.identities.users import Caller
from storage.control_plane import ProjectRow

TAGS: Final = ["projects"]
RECORDED: Final = ("system_prompt", "default_model", "default_tools", "autopilot_spec", "autopilot_plan", "is_archived")
About = Annotated[str, Meta(max_length=10_000, examples=["The app that tells the tide."])]
Tools = Annotated[list[Word], Meta(max_length=200, examples=[["search"]])]
Prefix = Annotated[
    str,
    Meta(
        pattern="^[A-Z][A-Z0-9]{0,9}$",
        max_length=10,
        description="how the identifiers of its issues begin; without it, as its name does",
        examples=["TIDE"],
    ),
]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project, an organization's or a user's own."""

    id: GroupId
    name: GroupName
    description: About | None
    user_id: UserId | None
    organization_id: GroupId | None
    system_prompt: str | None
    default_model: str | None
    default_tools: list[str] | None
    autopilot_spec: str | None
    autopilot_plan: str | None
    autopilot_plan_updated_at: When | None
    is_archived: bool
    role: Role = None
    created_at: When
    updated_at: When


class ProjectAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One project; `events` are what changed it, of the group first and of its record then."""

    success: bool = True
    message: str = ""
    project: Project
    event: SignedEvent = UNSET
    events: list[Event] = []


class ProjectPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of projects, the last changed first."""

    success: bool = True
    projects: list[Project]
    has_more: bool
    next_cursor: NextCursor = None


class NewProject(Body, frozen=True):
    """A project to make; in an organization it needs one of its owners or admins."""

    name: GroupName
    description: About | None = None
    organization_id: GroupId | None = None
    public: Public = False
    issue_prefix: Prefix | None = None
    system_prompt: Text | UnsetType | None = UNSET
    default_model: Word | UnsetType | None = UNSET
    default_tools: Tools | UnsetType | None = UNSET
    autopilot_spec: Text | UnsetType | None = UNSET
    autopilot_plan: Text | UnsetType | None = UNSET
    is_archived: bool | UnsetType = UNSET


class ProjectChange(Body, frozen=True):
    """What changes; what is left out stays, and null takes out of the record what was there."""

    name: GroupName | None = None
    description: About | None = None
    public: Public | None = None
    issue_prefix: Prefix | None = None
    system_prompt: Text | UnsetType | None = UNSET
    default_model: Word | UnsetType | None = UNSET
    default_tools: Tools | UnsetType | None = UNSET
    autopilot_spec: Text | UnsetType | None = UNSET
    autopilot_plan: Text | UnsetType | None = UNSET
    is_archived: bool | UnsetType = UNSET


@get(f"{BASE}/projects", tags=TAGS, summary="List your projects")
async def list_projects(
    *,
    caller: GivenCaller,
    hub: GivenHub,
    organization_id: OfGroup = None,
    archived: Archived = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> ProjectPage:
    """The projects that you are in, the last changed first."""
    most, after = common.at_most(limit), acting.place(cursor)
    rows = await acting.look(
        hub,
        caller,
        lambda tables, key: tables.projects(key, after, most + 1, organization=organization_id, archived=archived),
    )
    shown, following = acting.page(rows, most, lambda row: (row.updated_at, row.id))
    found = [described(row) for row in shown]
    return ProjectPage(projects=found, has_more=following is not None, next_cursor=following)


@post(f"{BASE}/projects", tags=TAGS, summary="Make a project", middleware=[idempotent_for_users])
async def create_project(data: JSONBody[NewProject], caller: GivenCaller, hub: GivenHub) -> ProjectAnswer:
    """Begin a group of type project; you are its owner. It is its members' alone unless it is public."""
    tags = [["name", data.name], *([["about", data.description]] if data.description else [])]
    tags += [["parent", data.organization_id]] if data.organization_id else []
    tags += [[PREFIX, data.issue_prefix]] if data.issue_prefix else []
    events = [await acting.begin(hub, caller, "project", tags, public=data.public)]
    project_id = events[0].tags[0][1]
    events += await _record(hub, caller, project_id, data)
    return await _answer(hub, caller, project_id, "Project made", events)


@get(f"{BASE}/projects/{{project_id:str}}", tags=TAGS, summary="Get a project")
async def get_project(project_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> ProjectAnswer:
    """One project that you may read."""
    await acting.access(hub, caller, project_id, "project", "project")
    return await _answer(hub, caller, project_id)


@patch(f"{BASE}/projects/{{project_id:str}}", tags=TAGS, summary="Change a project", middleware=[idempotent_for_users])
async def edit_project(
    project_id: FromPath[str], data: JSONBody[ProjectChange], caller: GivenCaller, hub: GivenHub
) -> ProjectAnswer:
    """Change what it is (9002) and its record (30078), as far as the request says; for owners and admins."""
    there = await acting.access(hub, caller, project_id, "project", "project")
    events = []
    if any(value is not None for value in (data.name, data.description, data.public, data.issue_prefix)):
        fields = {"name": data.name, "about": data.description}
        extra = {} if data.issue_prefix is None else {PREFIX: (PREFIX, data.issue_prefix)}
        events.append(await acting.edit(hub, caller, there, fields, public=data.public, extra=extra))
    events += await _record(hub, caller, project_id, data)
    return await _answer(hub, caller, project_id, "Project changed" if events else "Nothing changed", events)


@delete(f"{BASE}/projects/{{project_id:str}}", tags=TAGS, summary="Delete a project", status_code=200)
async def delete_project(project_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """End it for ever, with its issues; its threads go on without it. For owners."""
    await acting.access(hub, caller, project_id, "project", "project")
    return Done(message="Project deleted", event=await acting.act(hub, caller, DELETE_GROUP, [["h", project_id]]))


async def _record(hub: RunningRelay, caller: Caller, project_id: str, data: NewProject | ProjectChange) -> list[Event]:
    fields = acting.given(data, *RECORDED)
    if not fields:
        return []
    if "autopilot_plan" in fields:
        fields["autopilot_plan_updated_at"] = None if fields["autopilot_plan"] is None else common.now()
    there = await acting.access(hub, caller, project_id, "project", "project")
    return [await acting.write_record(hub, caller, there, fields)]


def described(row: ProjectRow) -> Project:
    """A row as the API shows it."""
    planned = row.autopilot_plan_updated_at
    shown: dict[str, Any] = row._asdict() | {
        "default_tools": None if row.default_tools is None else msgspec.json.decode(row.default_tools),
        "autopilot_plan_updated_at": None if planned is None else iso(planned),
        "is_archived": bool(row.is_archived),
        "role": acting.role_of(row.roles),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
    return Project(**{name: shown[name] for name in Project.__struct_fields__})


async def _answer(
    hub: RunningRelay, caller: Caller, project_id: str, message: str = "", events: list[Event] | None = None
) -> ProjectAnswer:
    row = await acting.look(hub, caller, lambda tables, key: tables.project(project_id, key))
    if row is None:
        raise not_found("project")
    done = events or []
    return ProjectAnswer(message=message, project=described(row), event=done[-1] if done else UNSET, events=done)
