"""What is said in a group: messages (kind 9, NIP-C7), threads (kind 11, NIP-7D), answers to them (kind 1111), reactions (kind 7).

What a private group holds is read by its members only, on every route; a group's threads that everybody reads are also posts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET, Meta

from keys.custody import TAG as CUSTODY
from relay.api_types import Content, EventId, Title, When, Writer, iso
from relay.http.api import common, group_access, paging, publishing
from relay.http.api import group_texts as texts
from relay.http.api.common import DEFAULT_LIMIT, Cursor, Events, GivenPrincipal, GivenViewer, Limit
from relay.http.api.group_access import GROUP, TAGS, GroupActAnswer, GroupId, GroupPath
from relay.http.api.group_texts import ShownText
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import feed, kinds
from relay.protocol.event import Event, first_value, parse, values
from relay.protocol.filter import Filter
from relay.protocol.groups.belonging import DELETE_EVENT
from relay.protocol.names import is_blank
from relay.server.identities.group_tables import GroupStanding
from relay.server.identities.identity_tokens import Principal

MOST_REACTIONS: Final = 1_000  # to the messages of one page, counted
MAX_REACTION: Final = 64  # characters
SAID: Final = {"messages": (kinds.CHAT,), "threads": (kinds.POST,), "all": (kinds.CHAT, kinds.POST, kinds.COMMENT)}
MessagePath = Annotated[str, PathParameter(description="id of a message, 64 hex digits")]


class MessageInGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A message (`kind` 9), a thread (11) or an answer in one (1111). `reply_to` is the id of what it answers.

    `content` is what it says now; `updated_at` is when it was edited last, null if it never was. `event` says it as it was written.
    `reactions` counts them by what they say, `+` is a like; of one with very many reactions the newest are counted.
    `your_reactions` are those of the identity that asks.
    """

    id: EventId
    group_id: GroupId
    kind: Annotated[int, Meta(examples=[9])]
    title: Title | None
    content: Content
    author: Writer
    reply_to: EventId | None
    created_at: When
    updated_at: When | None = None
    reactions: Annotated[dict[str, int], Meta(examples=[{"+": 2}])]
    your_reactions: Annotated[list[str], Meta(examples=[["+"]])] = []
    event: SignedEvent = UNSET


class GroupMessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One message."""

    success: bool = True
    message: MessageInGroup


class GroupMessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages, the newest first."""

    success: bool = True
    messages: list[MessageInGroup]
    has_more: bool
    next_cursor: NextCursor = None


class NewGroupMessage(Body, frozen=True):
    """A message; with `reply_to` an answer to a message, a thread or an answer in one; with a `title` a thread of its own."""

    content: Content
    reply_to: EventId | None = None
    title: Title | None = None


class NewReaction(Body, frozen=True):
    """A reaction: `+`, `-` or an emoji."""

    content: Annotated[str, Meta(examples=["+"])] = "+"


@get(f"{GROUP}/messages", tags=TAGS, summary="Read the messages of a group")
async def list_messages(
    *,
    group_id: GroupPath,
    hub: GivenHub,
    viewer: GivenViewer,
    type: Annotated[  # noqa: A002
        Literal["messages", "threads", "all"], QueryParameter(description="chat messages, threads, or all with answers")
    ] = "messages",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> GroupMessagePage:
    """What was said, the newest first."""
    there = await group_access.read(hub, group_id, viewer)
    wanted = Filter(kinds=frozenset(SAID[type]), tags={"h": frozenset([there.group.wire_id])})
    return await _page(hub, there, wanted, limit, cursor, events=events)


@get(f"{GROUP}/messages/{{message_id:str}}", tags=TAGS, summary="Get a message of a group")
async def get_message(
    group_id: GroupPath, message_id: MessagePath, viewer: GivenViewer, hub: GivenHub
) -> GroupMessageAnswer:
    """One message."""
    there = await group_access.read(hub, group_id, viewer)
    (shown,) = await described(hub, [await find(hub, there, message_id)], there)
    return GroupMessageAnswer(message=shown)


@get(f"{GROUP}/messages/{{message_id:str}}/replies", tags=TAGS, summary="Read the answers to a message of a group")
async def list_replies(
    *,
    group_id: GroupPath,
    message_id: MessagePath,
    hub: GivenHub,
    viewer: GivenViewer,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> GroupMessagePage:
    """Of a message the messages that quote it, of a thread all answers in it; the newest first."""
    there = await group_access.read(hub, group_id, viewer)
    above = await find(hub, there, message_id)
    by = {kinds.CHAT: (kinds.CHAT, "q"), kinds.POST: (kinds.COMMENT, "E")}.get(above.kind, (kinds.COMMENT, "e"))
    wanted = Filter(kinds=frozenset([by[0]]), tags={by[1]: frozenset([above.id])})
    return await _page(hub, there, wanted, limit, cursor, events=events)


async def _page(
    hub: RunningRelay, there: GroupStanding, wanted: Filter, limit: int, cursor: str, *, events: bool
) -> GroupMessagePage:
    """What matches in a group, the newest first."""
    most = common.at_most(limit)
    one_more = msgspec.structs.replace(wanted, limit=most + 1)
    page, following = paging.cut(await paging.events(hub, one_more, there.readers, paging.place(cursor)), most)
    messages = await described(hub, page, there, events)
    return GroupMessagePage(messages=messages, has_more=following is not None, next_cursor=following)


@post(f"{GROUP}/messages", tags=TAGS, summary="Write in a group", middleware=[idempotent])
async def create_message(
    group_id: GroupPath, data: JSONBody[NewGroupMessage], principal: GivenPrincipal, hub: GivenHub
) -> GroupMessageAnswer:
    """Write a message, answer one, or begin a thread. `@name` names an agent, who is told."""
    there = await group_access.read(hub, group_id, principal)
    if is_blank(data.content):
        raise invalid("a message needs text")
    kind, tags, above = kinds.CHAT, list[list[str]](), None
    if data.title is not None:
        if data.reply_to is not None:
            raise invalid("a thread of its own answers nothing: leave title or reply_to out")
        wrong = feed.title_fault(data.title)
        if wrong is not None:
            raise invalid(wrong)
        kind, tags = kinds.POST, [["title", data.title]]
    elif data.reply_to is not None:
        above = await find(hub, there, data.reply_to)
        kind, tags = _answering(above)
    named = {tag[1] for tag in tags if tag[0] == "p"}
    tags += [
        tag for tag in await publishing.mentioned(hub, f"{data.title or ''}\n{data.content}") if tag[1] not in named
    ]
    after = await _behind(hub, principal, there, above)
    done = await group_access.act(hub, principal, there, kind, tags, content=data.content, after=after)
    assert done.event is not None  # a held key never signs the same twice
    (shown,) = await described(hub, [done.event], there)
    return GroupMessageAnswer(message=shown)


@delete(f"{GROUP}/messages/{{message_id:str}}", tags=TAGS, summary="Delete a message of a group", status_code=200)
async def delete_message(
    group_id: GroupPath, message_id: MessagePath, principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """Delete what you wrote (5), or what anybody wrote where your role allows it (9005)."""
    try:
        there = await group_access.read(hub, group_id, principal)
        target = await find(hub, there, message_id)
    except HttpProblem:
        unseen = await publishing.unseen(hub, principal, message_id, SAID["all"])
        if unseen is None or first_value(unseen, "h") != group_access.written(group_id):
            raise
        return GroupActAnswer(message="Message deleted", event=await publishing.delete(hub, principal, unseen))
    own = target.pubkey in there.keys
    kind, tags = DELETE_EVENT, [["e", target.id]]
    if own:
        kind, tags = kinds.DELETION, [["e", target.id], ["k", str(target.kind)]]
    by = target.pubkey if own else None
    return await group_access.act(hub, principal, there, kind, tags, by=by, message="Message deleted")


@post(
    f"{GROUP}/messages/{{message_id:str}}/reactions",
    tags=TAGS,
    summary="React to a message of a group",
    middleware=[idempotent],
)
async def react(
    *,
    group_id: GroupPath,
    message_id: MessagePath,
    principal: GivenPrincipal,
    hub: GivenHub,
    data: JSONBody[NewReaction | None] = None,
) -> GroupActAnswer:
    """React to a message; the same from you twice counts once."""
    content = (data or NewReaction()).content
    if len(content) > MAX_REACTION:
        raise invalid(f"a reaction has at most {MAX_REACTION} characters")
    there = await group_access.read(hub, group_id, principal)
    target = await find(hub, there, message_id)
    tags = [["e", target.id, "", target.pubkey], ["p", target.pubkey], ["k", str(target.kind)]]
    return await group_access.act(hub, principal, there, kinds.REACTION, tags, content=content, message="Reacted")


@delete(
    f"{GROUP}/messages/{{message_id:str}}/reactions", tags=TAGS, summary="Take your reactions back", status_code=200
)
async def take_back(
    group_id: GroupPath, message_id: MessagePath, principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """Take all your reactions to a message back; without one, nothing changes."""
    there = await group_access.read(hub, group_id, principal)
    target = await find(hub, there, message_id)
    wanted = Filter(
        kinds=frozenset([kinds.REACTION]),
        authors=frozenset(there.keys),
        tags={"e": frozenset([target.id])},
        limit=publishing.MAX_SAID,
    )
    answer = GroupActAnswer(message="You have not reacted to it")
    found = await paging.events(hub, wanted, there.readers) if there.keys else []
    for pubkey in sorted({event.pubkey for event in found}):
        named = [["e", event.id] for event in found if event.pubkey == pubkey]
        tags = [*named, ["k", str(kinds.REACTION)]]
        answer = await group_access.act(hub, principal, there, kinds.DELETION, tags, by=pubkey, message="Taken back")
    return answer


async def _behind(hub: RunningRelay, principal: Principal, there: GroupStanding, above: Event | None) -> int | None:
    """The time that a message is to stand behind, where its id does not see to that (keys.salts): what it answers may be of a
    key that the relay does not hold, and so may the one that signs it, whose last message it follows then.
    """
    key = there.key or next(iter(there.keys), None)
    is_held = any(
        one.pubkey == key and one.held and one.retired_at is None
        for one in await hub.identities.keys.of(principal.identity_id)
    )
    last = None if is_held or key is None else await _last_said(hub, there, key)
    times = [] if last is None else [last.created_at]
    if above is not None:
        by_ids = is_held and CUSTODY in (tag[0] for tag in above.tags)
        times.append(above.created_at - by_ids)
    return max(times, default=None)


async def _last_said(hub: RunningRelay, there: GroupStanding, key: str) -> Event | None:
    """What a key said last in the group."""
    wanted = Filter(
        authors=frozenset([key]), kinds=frozenset(SAID["all"]), tags={"h": frozenset([there.group.wire_id])}, limit=1
    )
    said = await paging.events(hub, wanted, there.readers)
    return said[0] if said else None


def _answering(above: Event) -> tuple[int, list[list[str]]]:
    """The kind of an answer, and the tags that say what it answers: NIP-C7 for messages, NIP-22 for threads."""
    if above.kind == kinds.CHAT:
        return kinds.CHAT, [["q", above.id, "", above.pubkey], ["p", above.pubkey]]
    own = [["e", above.id, "", above.pubkey], ["k", str(above.kind)], ["p", above.pubkey]]
    if above.kind == kinds.POST:
        return kinds.COMMENT, [["E", above.id, "", above.pubkey], ["K", str(above.kind)], ["P", above.pubkey], *own]
    return kinds.COMMENT, [*(list(tag) for tag in above.tags if tag[0] in ("E", "K", "P")), *own]


async def find(hub: RunningRelay, there: GroupStanding, message_id: str) -> Event:
    """What was said in the group under this id. Raises HttpProblem 404."""
    wanted = common.event_id(message_id, "message")
    record = await hub.reader.get(wanted, there.readers, common.now())
    if record is not None:
        event = parse(record.wire)
        if event.kind in SAID["all"] and await _belongs(hub, event, there):
            return event
    raise not_found("message")


async def _belongs(hub: RunningRelay, event: Event, there: GroupStanding) -> bool:
    """Whether it is of this group: by its `h` tag, or by that of the thread that it stands in."""
    group_id = first_value(event, "h")
    root = feed.root(event) if event.kind == kinds.COMMENT and group_id is None else None
    if root is not None:
        above = await hub.reader.get(root, there.readers, common.now())
        group_id = None if above is None else first_value(parse(above.wire), "h")
    return group_id == there.group.wire_id


# what is shown


async def described(
    hub: RunningRelay, found: Sequence[Event], there: GroupStanding, events: bool = True
) -> list[MessageInGroup]:
    """Messages as the API shows them, with their authors and the reactions to them."""
    if not found:
        return []
    people = await writers(hub, (event.pubkey for event in found))
    ids = frozenset(event.id for event in found)
    wanted = Filter(kinds=frozenset([kinds.REACTION]), tags={"e": ids}, limit=MOST_REACTIONS)
    reactions = reacted(await paging.events(hub, wanted, there.readers))
    edits = await texts.of(hub, found, there.group)
    return [
        shown(
            event,
            there.group.wire_id,
            people,
            reactions.get(event.id, {}),
            events,
            keys=there.keys,
            text=edits.get(event.id),
        )
        for event in found
    ]


def reacted(reactions: Iterable[Event]) -> dict[str, dict[str, set[str]]]:
    """By message: what was said to it, and the keys that said so; each what it says once."""
    found: dict[str, dict[str, set[str]]] = {}
    for event in reactions:
        said = event.content or "+"
        if len(said) <= MAX_REACTION:
            found.setdefault(values(event, "e")[-1], {}).setdefault(said, set()).add(event.pubkey)
    return found


def shown(
    event: Event,
    group_id: str,
    people: Mapping[str, Writer],
    reactions: dict[str, set[str]],
    events: bool = True,
    *,
    keys: Sequence[str] = (),
    text: ShownText | None = None,
) -> MessageInGroup:
    """One message as the API shows it to whom these keys belong; `text` is what it says since it was edited."""
    title = first_value(event, "title") if event.kind == kinds.POST else None
    return MessageInGroup(
        id=event.id,
        group_id=group_id,
        kind=event.kind,
        title=title if text is None else text.title,
        content=event.content if text is None else text.content,
        author=people[event.pubkey],
        reply_to=answered(event),
        created_at=iso(event.created_at),
        updated_at=None if text is None else iso(text.updated_at),
        reactions={said: len(said_by) for said, said_by in reactions.items()},
        your_reactions=sorted(said for said, said_by in reactions.items() if not said_by.isdisjoint(keys)),
        event=event if events else UNSET,
    )


def answered(event: Event) -> str | None:
    """The id of what a message or an answer answers."""
    named = first_value(event, "q") if event.kind == kinds.CHAT else first_value(event, "e") or first_value(event, "E")
    return named if event.kind != kinds.POST and named is not None and kinds.is_hex(named, 64) else None
