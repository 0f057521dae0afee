"""`/threads/{id}/messages`: what is said in a thread, or in any group, each a kind 9 (NIP-C7)."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta

from relay.api_types import Content, EventId, Pubkey, When, iso
from relay.http.api import acting, common
from relay.http.api.acting import GroupId, UserId
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.group_edits import MessageText
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found
from relay.protocol import kinds
from relay.protocol.control_plane.chat import MAX_REASON, MAX_TOKENS
from relay.protocol.event import expiration, parse
from relay.protocol.names import is_blank
from storage.control_plane import MessageRow

TAGS: Final = ["messages"]
MAX_LISTED: Final = 1000  # parts, annotations and uses of tools of one message
Speaker = Annotated[Literal["user", "assistant", "system", "tool", "data"], Meta(examples=["user"])]
Pieces = Annotated[list[Any], Meta(max_length=MAX_LISTED, examples=[[{"type": "text", "text": "The tide is out."}]])]
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS, examples=[120])]
Cost = Annotated[float, Meta(ge=0, examples=[0.0012])]


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message. `role` says who speaks, which may be a model that somebody asked. `updated_at`: when it was edited last."""

    id: EventId
    thread_id: GroupId | None
    organization_id: GroupId | None
    project_id: GroupId | None
    user_id: UserId
    pubkey: Pubkey
    role: Speaker
    content: Content
    finish_reason: str | None
    prompt_tokens: Tokens | None
    completion_tokens: Tokens | None
    cost: Cost | None
    tool_invocations: Pieces | None
    parts: Pieces | None
    annotations: Pieces | None
    created_at: When
    updated_at: When | None = None
    event: SignedEvent = UNSET


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    success: bool = True
    message: ChatMessage


class MessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, the newest first."""

    success: bool = True
    messages: list[ChatMessage]
    has_more: bool
    next_cursor: NextCursor = None


class NewMessage(Body, frozen=True):
    """A message to say. `reply_to` is the id of what it answers."""

    content: Content = ""
    role: Speaker = "user"
    reply_to: EventId | None = None
    finish_reason: Annotated[str, Meta(min_length=1, max_length=MAX_REASON, examples=["stop"])] | None = None
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    cost: Cost | None = None
    tool_invocations: Pieces | None = None
    parts: Pieces | None = None
    annotations: Pieces | None = None


@get(f"{BASE}/threads/{{thread_id:str}}/messages", tags=TAGS, summary="List messages")
async def list_thread_messages(
    *,
    thread_id: FromPath[str],
    caller: GivenCaller,
    hub: GivenHub,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> MessagePage:
    """What was said in a thread, the newest first; projects and organizations have messages too."""
    await acting.access(hub, caller, thread_id, "thread")
    most, after, now = common.at_most(limit), acting.place(cursor), common.now()
    rows = await hub.identities.workspaces.look(lambda tables: tables.messages(thread_id, after, most + 1, now))
    shown, following = acting.page(rows, most, lambda row: (row.created_at, row.seq))
    found = [described(row, events) for row in shown]
    return MessagePage(messages=found, has_more=following is not None, next_cursor=following)


@post(
    f"{BASE}/threads/{{thread_id:str}}/messages", tags=TAGS, summary="Say something", middleware=[idempotent_for_users]
)
async def create_thread_message(
    thread_id: FromPath[str], data: JSONBody[NewMessage], caller: GivenCaller, hub: GivenHub
) -> MessageAnswer:
    """Say something in a thread that you may write in: a text, or what came in place of one."""
    await acting.access(hub, caller, thread_id, "thread")
    if is_blank(data.content) and msgspec.structs.replace(data, content="") == NewMessage(
        role=data.role, reply_to=data.reply_to
    ):
        raise invalid("a message needs text, or one of the other fields, such as parts or tool_invocations")
    event = await acting.act(hub, caller, kinds.CHAT, [["h", thread_id], *_tags(data)], data.content)
    row = await hub.identities.workspaces.look(lambda tables: tables.message(event.id, common.now()))
    if row is None:
        raise not_found("message", "the message was deleted at once")
    return MessageAnswer(message=described(row))


@patch(
    f"{BASE}/threads/{{thread_id:str}}/messages/{{message_id:str}}",
    tags=TAGS,
    summary="Edit a message",
    middleware=[idempotent_for_users],
)
async def edit_thread_message(
    thread_id: FromPath[str], message_id: FromPath[str], data: JSONBody[MessageText], caller: GivenCaller, hub: GivenHub
) -> MessageAnswer:
    """Say your own message anew (1010)."""
    await acting.access(hub, caller, thread_id, "thread")
    row = await _row(hub, thread_id, message_id)
    message = parse(row.wire)
    tags, expires = [["h", thread_id], ["e", row.id]], expiration(message)
    if expires is not None:
        tags.append(["expiration", str(expires)])  # its text is not to outlive what it edits
    at = max(common.now(), (row.updated_at or row.created_at) + 1)
    await acting.act(hub, caller, kinds.EDIT, tags, data.content, at=at)
    return MessageAnswer(message=described(await _row(hub, thread_id, message_id)))


@delete(
    f"{BASE}/threads/{{thread_id:str}}/messages/{{message_id:str}}",
    tags=TAGS,
    summary="Delete a message",
    status_code=200,
)
async def delete_thread_message(
    thread_id: FromPath[str], message_id: FromPath[str], caller: GivenCaller, hub: GivenHub
) -> Done:
    """Delete your own message (5), or anybody's where your role allows that (9005)."""
    there = await acting.access(hub, caller, thread_id, "thread")
    row = await _row(hub, thread_id, message_id)
    return Done(message="Message deleted", event=await acting.remove(hub, caller, there, parse(row.wire)))


async def _row(hub: RunningRelay, thread_id: str, message_id: str) -> MessageRow:
    """A message of a thread. Raises HttpProblem 404."""
    wanted = common.event_id(message_id, "message")
    row = await hub.identities.workspaces.look(lambda tables: tables.message(wanted, common.now()))
    if row is None or row.group_id != thread_id:
        raise not_found("message")
    return row


def _tags(data: NewMessage) -> list[list[str]]:
    tags = [["role", data.role]] if data.role != "user" else []
    tags += [["q", data.reply_to]] if data.reply_to is not None else []
    tags += [["finish_reason", data.finish_reason]] if data.finish_reason is not None else []
    usage = [data.prompt_tokens, data.completion_tokens, data.cost]
    if any(value is not None for value in usage):
        tags.append(["usage", *("" if value is None else str(value) for value in usage)])
    for name in ("tool_invocations", "parts", "annotations"):
        value = getattr(data, name)
        tags += [[name, msgspec.json.encode(value).decode()]] if value is not None else []
    return tags


def described(row: MessageRow, events: bool = True) -> ChatMessage:
    """A row as the API shows it."""

    def array(text: str | None) -> list[Any] | None:
        return None if text is None else msgspec.json.decode(text)

    event: Any = parse(row.wire) if events else UNSET
    return ChatMessage(
        id=row.id,
        thread_id=row.thread_id,
        organization_id=row.organization_id,
        project_id=row.project_id,
        user_id=row.user_id,
        pubkey=row.pubkey,
        role=row.role,  # type: ignore[arg-type]
        content=row.content,
        finish_reason=row.finish_reason,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        cost=row.cost,
        tool_invocations=array(row.tool_invocations),
        parts=array(row.parts_json),
        annotations=array(row.annotations_json),
        created_at=iso(row.created_at),
        updated_at=None if row.updated_at is None else iso(row.updated_at),
        event=event,
    )
