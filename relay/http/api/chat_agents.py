"""`/chat-agents`: definitions of agents that people chat with (kind 30078), an organization's or the operator's.

They are no identities: nothing is signed or posted by one.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import When, iso
from relay.http.api import acting, common
from relay.http.api.acting import GroupId
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import not_found
from relay.protocol import kinds
from relay.protocol.control_plane.records import Text, Word
from relay.protocol.event import Draft, Event, parse
from storage.control_plane import AgentRow

TAGS: Final = ["chat-agents"]
Slug = Annotated[str, Meta(description="its name in addresses", examples=["pilot"])]
OfOrganization = Annotated[
    str, QueryParameter(description="those of this organization; without it, the operator's", max_length=128)
]


class ChatAgent(msgspec.Struct, frozen=True, kw_only=True):
    """A definition. `organization_id` is null for the operator's, which everybody may use."""

    slug: Slug
    organization_id: GroupId | None
    name: Annotated[str, Meta(examples=["Pilot"])]
    description: str
    system_prompt: str
    model_id: str | None
    sort_order: int
    is_default: bool
    requires_github: bool | None
    requires_repo: bool | None
    supports_tools: bool | None
    agent_type: Literal["assistant", "coder"] | None
    created_at: When
    updated_at: When
    event: SignedEvent = UNSET


class ChatAgentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One definition; its `event` is what made it so."""

    success: bool = True
    message: str = ""
    agent: ChatAgent


class ChatAgentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of definitions, in their order."""

    success: bool = True
    agents: list[ChatAgent]
    has_more: bool
    next_cursor: NextCursor = None


class AgentDefinition(Body, frozen=True):
    """What an agent is; everything that is left out is nothing."""

    name: Word
    description: Text = ""
    system_prompt: Text = ""
    model_id: Word | None = None
    sort_order: int = 0
    is_default: bool = False
    requires_github: bool | None = None
    requires_repo: bool | None = None
    supports_tools: bool | None = None
    agent_type: Literal["assistant", "coder"] | None = None


@get(f"{BASE}/chat-agents", tags=TAGS, summary="List chat agents")
async def list_chat_agents(
    *,
    caller: GivenCaller,
    hub: GivenHub,
    organization_id: OfOrganization = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> ChatAgentPage:
    """The agents of an organization, or those of the operator, in their order."""
    if organization_id:
        await acting.access(hub, caller, organization_id, "organization", "organization")
    most, after = common.at_most(limit), acting.place(cursor)
    rows = await hub.identities.workspaces.look(
        lambda tables: tables.chat_agents(organization_id, after, most + 1, common.now())
    )
    shown, following = acting.page(rows, most, lambda row: (row.sort_order, row.slug))
    found = [described(row, events) for row in shown]
    return ChatAgentPage(agents=found, has_more=following is not None, next_cursor=following)


@get(f"{BASE}/chat-agents/{{slug:str}}", tags=TAGS, summary="Get a chat agent")
async def get_chat_agent(
    slug: FromPath[str], caller: GivenCaller, hub: GivenHub, organization_id: OfOrganization = ""
) -> ChatAgentAnswer:
    """One definition."""
    if organization_id:
        await acting.access(hub, caller, organization_id, "organization", "organization")
    return ChatAgentAnswer(agent=described(await _row(hub, slug, organization_id)))


@put(f"{BASE}/organizations/{{organization_id:str}}/chat-agents/{{slug:str}}", tags=TAGS, summary="Define a chat agent")
async def put_chat_agent(
    organization_id: FromPath[str],
    slug: FromPath[str],
    data: JSONBody[AgentDefinition],
    caller: GivenCaller,
    hub: GivenHub,
) -> ChatAgentAnswer:
    """Define an agent of an organization, in place of what it was; for owners."""
    there = await acting.access(hub, caller, organization_id, "organization", "organization")
    present = await hub.identities.workspaces.look(
        lambda tables: tables.chat_agent(slug, organization_id, common.now())
    )
    fields = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
    fields["created_at"] = common.now() if present is None else present.created_at
    tags, content = [["d", kinds.AGENT + slug], ["h", organization_id]], msgspec.json.encode(fields).decode()
    draft = Draft(kinds.APP_DATA, tags, content, common.now())
    await acting.replace(hub, caller, draft, there.readers, organization_id)
    return ChatAgentAnswer(message="Agent defined", agent=described(await _row(hub, slug, organization_id)))


@delete(
    f"{BASE}/organizations/{{organization_id:str}}/chat-agents/{{slug:str}}",
    tags=TAGS,
    summary="Delete a chat agent",
    status_code=200,
)
async def delete_chat_agent(
    organization_id: FromPath[str], slug: FromPath[str], caller: GivenCaller, hub: GivenHub
) -> Done:
    """Take a definition of your own back (5); for what another owner wrote, the role decides (9005)."""
    there = await acting.access(hub, caller, organization_id, "organization", "organization")
    event = parse((await _row(hub, slug, organization_id)).wire)
    done = await acting.remove(hub, caller, there, event)
    return Done(message="Agent deleted", event=done)


async def _row(hub: RunningRelay, slug: str, organization_id: str) -> AgentRow:
    row = await hub.identities.workspaces.look(lambda tables: tables.chat_agent(slug, organization_id, common.now()))
    if row is None:
        raise not_found("chat_agent", "there is no such chat agent here")
    return row


def _flag(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def described(row: AgentRow, events: bool = True) -> ChatAgent:
    """A row as the API shows it."""
    event: Event | UnsetType = parse(row.wire) if events else UNSET
    shown: dict[str, Any] = row._asdict() | {
        "organization_id": row.organization_id or None,
        "is_default": bool(row.is_default),
        "requires_github": _flag(row.requires_github),
        "requires_repo": _flag(row.requires_repo),
        "supports_tools": _flag(row.supports_tools),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "event": event,
    }
    return ChatAgent(**{name: shown[name] for name in ChatAgent.__struct_fields__})
