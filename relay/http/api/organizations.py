"""`/organizations`: teams, each a group (NIP-29) of that type. With app tokens only."""

from typing import Annotated, Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import When, iso
from relay.http.api import acting, common
from relay.http.api.acting import GroupId, UserId
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Limit
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import not_found
from relay.protocol.event import Event
from relay.protocol.groups.belonging import DELETE_GROUP
from relay.server.identities.users import Caller
from storage.control_plane import OrganizationRow

TAGS: Final = ["organizations"]
GroupName = Annotated[str, Meta(min_length=1, max_length=200, examples=["Tide watchers"])]
Picture = Annotated[
    str, Meta(max_length=2000, description="URL of a picture", examples=["https://example.org/logo.png"])
]
Public = Annotated[bool, Meta(description="whether everybody reads it and may join; else its members alone, by invite")]
Role = Annotated[str | None, Meta(description="owner, admin, moderator or member; null for who is not in it")]


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """An organization; `plan` and `credits` are set by who runs the relay."""

    id: GroupId
    name: GroupName
    logo: Picture | None
    plan: Annotated[str, Meta(examples=["free"])]
    credits: Annotated[int, Meta(examples=[0])]
    owner_id: UserId
    role: Role = None
    created_at: When
    updated_at: When


class OrganizationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One organization; `event` is what changed it."""

    success: bool = True
    message: str = ""
    organization: Organization
    event: SignedEvent = UNSET


class OrganizationPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of organizations, the newest first."""

    success: bool = True
    organizations: list[Organization]
    has_more: bool
    next_cursor: NextCursor = None


class NewOrganization(Body, frozen=True):
    """An organization to make; whoever makes it is its owner."""

    name: GroupName
    logo: Picture | None = None
    public: Public = False


class OrganizationChange(Body, frozen=True):
    """What changes; what is left out stays."""

    name: GroupName | None = None
    logo: Picture | None = None
    public: Public | None = None


@get(f"{BASE}/organizations", tags=TAGS, summary="List your organizations")
async def list_organizations(
    caller: GivenCaller, hub: GivenHub, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> OrganizationPage:
    """The organizations that you are in, the newest first."""
    most, after = common.at_most(limit), acting.place(cursor)
    rows = await acting.look(hub, caller, lambda tables, key: tables.organizations(key, after, most + 1))
    shown, following = acting.page(rows, most, lambda row: (row.created_at, row.id))
    found = [described(row) for row in shown]
    return OrganizationPage(organizations=found, has_more=following is not None, next_cursor=following)


@post(f"{BASE}/organizations", tags=TAGS, summary="Make an organization", middleware=[idempotent_for_users])
async def create_organization(
    data: JSONBody[NewOrganization], caller: GivenCaller, hub: GivenHub
) -> OrganizationAnswer:
    """Begin a group of type organization; you are its owner."""
    tags = [["name", data.name], *([["picture", data.logo]] if data.logo else [])]
    event = await acting.begin(hub, caller, "organization", tags, public=data.public)
    return await _answer(hub, caller, event.tags[0][1], "Organization made", event)


@get(f"{BASE}/organizations/{{organization_id:str}}", tags=TAGS, summary="Get an organization")
async def get_organization(organization_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> OrganizationAnswer:
    """One organization that you may read."""
    await acting.access(hub, caller, organization_id, "organization", "organization")
    return await _answer(hub, caller, organization_id)


@patch(
    f"{BASE}/organizations/{{organization_id:str}}",
    tags=TAGS,
    summary="Change an organization",
    middleware=[idempotent_for_users],
)
async def edit_organization(
    organization_id: FromPath[str], data: JSONBody[OrganizationChange], caller: GivenCaller, hub: GivenHub
) -> OrganizationAnswer:
    """Change its name, its picture or who reads it; for owners and admins."""
    there = await acting.access(hub, caller, organization_id, "organization", "organization")
    event = await acting.edit(hub, caller, there, {"name": data.name, "picture": data.logo}, public=data.public)
    return await _answer(hub, caller, organization_id, "Organization changed", event)


@delete(f"{BASE}/organizations/{{organization_id:str}}", tags=TAGS, summary="Delete an organization", status_code=200)
async def delete_organization(organization_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """End it for ever; its projects and threads go on without it. For owners."""
    await acting.access(hub, caller, organization_id, "organization", "organization")
    event = await acting.act(hub, caller, DELETE_GROUP, [["h", organization_id]])
    return Done(message="Organization deleted", event=event)


def described(row: OrganizationRow) -> Organization:
    """A row as the API shows it."""
    return Organization(
        id=row.id,
        name=row.name,
        logo=row.logo,
        plan=row.plan,
        credits=row.credits,
        owner_id=row.owner_id,
        role=acting.role_of(row.roles),
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )


async def _answer(
    hub: RunningRelay, caller: Caller, organization_id: str, message: str = "", event: Event | UnsetType = UNSET
) -> OrganizationAnswer:
    row = await acting.look(hub, caller, lambda tables, key: tables.organization(organization_id, key))
    if row is None:
        raise not_found("organization")
    return OrganizationAnswer(message=message, organization=described(row), event=event)
