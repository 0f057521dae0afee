"""`/threads`: chats, each a group (NIP-29) of that type with a record beside it; what is said in them is in `messages`."""

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import EventId, When, iso
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
from relay.protocol.control_plane.records import Word
from relay.protocol.event import Event
from relay.protocol.groups.belonging import DELETE_GROUP
from relay.server.identities.users import Caller
from storage.control_plane import ThreadRow

TAGS: Final = ["threads"]
RECORDED: Final = ("agent_slug", "metadata", "is_archived", "is_shared")
MARK: Final = "issue"
Metadata = Annotated[dict[str, Any], Meta(description="a JSON object of your own", examples=[{"color": "blue"}])]
Issues = Annotated[list[EventId], Meta(max_length=100, description="the issues that it is about")]


class ChatThread(msgspec.Struct, frozen=True, kw_only=True):
    """A chat. `id` and `chat_id` are the same."""

    id: GroupId
    chat_id: GroupId
    title: Annotated[str, Meta(examples=["Low water"])]
    user_id: UserId
    organization_id: GroupId | None
    project_id: GroupId | None
    agent_slug: str | None
    metadata: Metadata | None
    is_archived: bool
    is_shared: bool
    role: Role = None
    created_at: When
    updated_at: When


class ThreadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One thread; `events` are what changed it, of the group first and of its record then."""

    success: bool = True
    message: str = ""
    thread: ChatThread
    event: SignedEvent = UNSET
    events: list[Event] = []


class ThreadPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of threads, the last changed first."""

    success: bool = True
    threads: list[ChatThread]
    has_more: bool
    next_cursor: NextCursor = None


class NewThread(Body, frozen=True):
    """A thread to begin, in a project, in an organization or by itself; in one, it needs one of its owners or admins."""

    title: GroupName
    project_id: GroupId | None = None
    organization_id: GroupId | None = None
    public: Public = False
    issue_ids: Issues | UnsetType = UNSET
    agent_slug: Word | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    is_archived: bool | UnsetType = UNSET
    is_shared: bool | UnsetType = UNSET


class ThreadChange(Body, frozen=True):
    """What changes; what is left out stays, and null takes out of the record what was there."""

    title: GroupName | None = None
    public: Public | None = None
    issue_ids: Issues | UnsetType = UNSET
    agent_slug: Word | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    is_archived: bool | UnsetType = UNSET
    is_shared: bool | UnsetType = UNSET


@get(f"{BASE}/threads", tags=TAGS, summary="List your threads")
async def list_threads(
    *,
    caller: GivenCaller,
    hub: GivenHub,
    organization_id: OfGroup = None,
    project_id: OfGroup = None,
    archived: Archived = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> ThreadPage:
    """The threads that you are in, the last changed first; messages do not count."""
    most, after = common.at_most(limit), acting.place(cursor)
    rows = await acting.look(
        hub,
        caller,
        lambda tables, key: tables.threads(
            key, after, most + 1, organization=organization_id, project=project_id, archived=archived
        ),
    )
    shown, following = acting.page(rows, most, lambda row: (row.updated_at, row.chat_id))
    found = [described(row) for row in shown]
    return ThreadPage(threads=found, has_more=following is not None, next_cursor=following)


@post(f"{BASE}/threads", tags=TAGS, summary="Begin a thread", middleware=[idempotent_for_users])
async def create_thread(data: JSONBody[NewThread], caller: GivenCaller, hub: GivenHub) -> ThreadAnswer:
    """Begin a group of type thread; you are its owner. It is its members' alone unless it is public."""
    parent = data.project_id or data.organization_id
    tags = [["name", data.title], *([["parent", parent]] if parent else [])]
    events = [await acting.begin(hub, caller, "thread", tags, public=data.public)]
    thread_id = events[0].tags[0][1]
    events += await _record(hub, caller, thread_id, data)
    return await _answer(hub, caller, thread_id, "Thread begun", events)


@get(f"{BASE}/threads/{{thread_id:str}}", tags=TAGS, summary="Get a thread")
async def get_thread(thread_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> ThreadAnswer:
    """One thread that you may read."""
    await acting.access(hub, caller, thread_id, "thread", "thread")
    return await _answer(hub, caller, thread_id)


@patch(f"{BASE}/threads/{{thread_id:str}}", tags=TAGS, summary="Change a thread", middleware=[idempotent_for_users])
async def edit_thread(
    thread_id: FromPath[str], data: JSONBody[ThreadChange], caller: GivenCaller, hub: GivenHub
) -> ThreadAnswer:
    """Change what it is (9002) and its record (30078), as far as the request says; for owners and admins."""
    there = await acting.access(hub, caller, thread_id, "thread", "thread")
    events = []
    if data.title is not None or data.public is not None:
        events.append(await acting.edit(hub, caller, there, {"name": data.title}, public=data.public))
    events += await _record(hub, caller, thread_id, data)
    return await _answer(hub, caller, thread_id, "Thread changed" if events else "Nothing changed", events)


@delete(f"{BASE}/threads/{{thread_id:str}}", tags=TAGS, summary="Delete a thread", status_code=200)
async def delete_thread(thread_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """End it for ever, with its messages. For owners."""
    await acting.access(hub, caller, thread_id, "thread", "thread")
    return Done(message="Thread deleted", event=await acting.act(hub, caller, DELETE_GROUP, [["h", thread_id]]))


async def _record(hub: RunningRelay, caller: Caller, thread_id: str, data: NewThread | ThreadChange) -> list[Event]:
    fields = acting.given(data, *RECORDED)
    issues = data.issue_ids
    if not fields and issues is UNSET:
        return []

    def links(tags: list[list[str]]) -> list[list[str]]:
        if isinstance(issues, UnsetType):
            return tags
        others = [tag for tag in tags if not (tag[0] == "e" and MARK in tag[3:4])]
        return others + [["e", issue, "", MARK] for issue in dict.fromkeys(issues)]

    there = await acting.access(hub, caller, thread_id, "thread", "thread")
    return [await acting.write_record(hub, caller, there, fields, links)]


def described(row: ThreadRow) -> ChatThread:
    """A row as the API shows it."""
    shown: dict[str, Any] = row._asdict() | {
        "id": row.chat_id,
        "metadata": None if row.metadata is None else msgspec.json.decode(row.metadata),
        "is_archived": bool(row.is_archived),
        "is_shared": bool(row.is_shared),
        "role": acting.role_of(row.roles),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }
    return ChatThread(**{name: shown[name] for name in ChatThread.__struct_fields__})


async def _answer(
    hub: RunningRelay, caller: Caller, thread_id: str, message: str = "", events: list[Event] | None = None
) -> ThreadAnswer:
    row = await acting.look(hub, caller, lambda tables, key: tables.thread(thread_id, key))
    if row is None:
        raise not_found("thread")
    done = events or []
    return ThreadAnswer(message=message, thread=described(row), event=done[-1] if done else UNSET, events=done)
