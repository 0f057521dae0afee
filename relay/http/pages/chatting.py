"""`/chat` and `/chat/<id>` for people: the rooms of this relay, and what is said in one of them (kind 9, NIP-C7).

A room that everybody reads is whole without scripts. What is for members alone the browser gets by itself, with its API key or
signing extension, and has it drawn here (`drawn`): the same templates for all, and nothing of a private room is in a page.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from relay.api_types import Writer
from relay.http.api import common, group_access, group_messages, group_texts, paging, writers
from relay.http.api.group_messages import MOST_REACTIONS
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import mentions, page
from relay.http.rendering import prose, templates
from relay.protocol import kinds
from relay.protocol.event import Event, first_value
from relay.protocol.filter import Filter
from relay.protocol.groups.state import Group, Member
from storage.base import PUBLIC
from storage.control_plane import EditedText
from storage.groups import GroupLookups
from storage.identities.types import Lookups

MESSAGES: Final = 50  # on a page
ROOMS: Final = 50  # on a page, or looked through for one
MEMBERS: Final = 100  # that a page names
DRAWN: Final = 100  # messages at once
MAX_TEXT: Final = 1 << 20  # characters of an edit that a browser was given
EARLIER: Final = "an earlier message"


class Speaker(msgspec.Struct, frozen=True):
    """Who wrote something: `name` is what to call them. `link` is the name of an identity; `hue` is that of the mark."""

    name: str
    link: str | None
    hue: str


class Quote(msgspec.Struct, frozen=True):
    """What a message answers; `author` is "" where it is not known here."""

    id: str
    author: str
    text: str


class ShownMessage(msgspec.Struct, frozen=True):
    """A message as pages show it: `text` is what it says now, `updated_at` when it was edited last, None if it never was.

    `clock` and `day` are UTC; a browser tells its own. `group_id` is what its `h` tag names.
    """

    event: Event
    by: Speaker
    author_id: str
    quote: Quote | None
    text: str
    updated_at: int | None
    clock: str
    day: str
    group_id: str
    reactions: Mapping[str, int] = {}


class RoomMember(msgspec.Struct, frozen=True):
    """Who is in a room."""

    by: Speaker
    roles: Sequence[str]


class Anew(Body, frozen=True):
    """What a message says since it was edited."""

    content: Annotated[str, Meta(max_length=MAX_TEXT)]
    updated_at: Annotated[int, Meta(ge=0, le=2**53 - 1)]


class ToDraw(Body, frozen=True):
    """Messages that a browser was given, what those that it knows to be edited say now, and what they answer; or keys in a room,
    each with its roles.
    """

    events: Annotated[list[Event], Meta(max_length=DRAWN)] = msgspec.field(default_factory=list)
    above: Annotated[list[Event], Meta(max_length=DRAWN)] = msgspec.field(default_factory=list)
    edited: dict[str, Anew] = msgspec.field(default_factory=dict)
    members: Annotated[list[Annotated[list[str], Meta(min_length=1, max_length=20)]], Meta(max_length=MEMBERS)] = (
        msgspec.field(default_factory=list)
    )


@get("/chat")
async def rooms(request: common.AnyRequest, hub: GivenHub, cursor: FromQuery[str] = "") -> Response[str]:
    """The rooms that everybody reads, the newest first; a browser that knows who it is shows its own beside them."""
    page.pace(request, hub)
    after = cursor[:500]
    closed = await page.is_closed(request, hub)

    def find(tables: GroupLookups) -> list[Group]:
        return [] if closed else tables.groups(after, ROOMS + 1, of_type="thread", replicas=True)

    found = await hub.identities.group_tables.look(find)
    return await page.render(
        request,
        hub,
        "chat.html",
        group=None,
        rooms=[group for group in found[:ROOMS] if _is_open(group)],
        more=found[ROOMS - 1].id if len(found) > ROOMS else None,
        trouble=page.CLOSED if closed else "",
    )


@get("/chat/{group_id:str}")
async def room(
    request: common.AnyRequest, hub: GivenHub, group_id: FromPath[str], before: FromQuery[str] = ""
) -> Response[str]:
    """What was said in a room. One that strangers do not read, or that is not here, is the same empty page.

    Raises NotFoundException where no group can be called so, or this one holds no messages.
    """
    page.pace(request, hub)
    identifier = group_access.written(group_id)
    group = None if hub.config.access.auth_to_read else await _called(hub, identifier)
    if group is not None and not _takes_messages(group):
        raise NotFoundException
    is_open = group is not None and _is_open(group)
    answer = await page.render(
        request,
        hub,
        "room.html",
        group=group or Group(identifier, "", 0, private=True),
        is_known=group is not None,
        is_open=is_open,
        **(await _shown(hub, group, before) if group is not None and is_open else _NOTHING),
    )
    answer.status_code = 200 if group is not None else 404
    return answer


_NOTHING: Final[dict[str, Any]] = {"messages": [], "more": None, "members": [], "count": 0}


async def _shown(hub: RunningRelay, group: Group, before: str) -> dict[str, Any]:
    """What the page of an open room shows. Raises HttpProblem 400 for a wrong cursor."""
    shown, more = paging.cut(await _said(hub, group, MESSAGES + 1, before), MESSAGES)

    def find(tables: Lookups) -> tuple[int, list[tuple[str, Member]], dict[str, Writer]]:
        members = tables.members_of(group.id, "", MEMBERS)
        people = writers.known(tables, [key for key, _ in members])
        return tables.group_sizes([group.id]).get(group.id, 0), members, people

    count, members, people = await hub.identities.group_tables.look(find)
    messages = await _described(hub, shown[::-1], await _quoted(hub, shown), reactions=True)
    return {
        "messages": messages,
        "more": more,
        "members": [RoomMember(_speaker(people[key]), member.roles) for key, member in members],
        "count": count,
        "texts": [group.about, *(one.text for one in messages)],
    }


@post("/chat-pieces", status_code=200)
async def drawn(request: common.AnyRequest, hub: GivenHub, data: JSONBody[ToDraw]) -> Response[str]:
    """Messages and members that a browser was given, as pages show them; nothing is looked up of them but who they are.

    Raises HttpProblem 415 for what is not sent as JSON: forms of other sites cannot have anything drawn here.
    """
    page.pace(request, hub)
    page.check_json(request)
    closed = await page.is_closed(request, hub)
    people = {} if closed else await writers.writers(hub, (key for key, *_ in data.members))
    above = {event.id: event for event in data.above}
    messages = await _described(hub, data.events, above, named=not closed, edited=data.edited)
    members = [RoomMember(_speaker(people.get(key, Writer(pubkey=key))), roles) for key, *roles in data.members]
    meant = prose.NONE if closed else await mentions.of(hub, [message.text for message in messages])
    make = partial(
        templates.html,
        "chat_pieces.html",
        messages=messages,
        members=members,
        mentions=meant,
        now=int(time.time()),
    )
    return templates.answer(await page.in_pool(request, make))


async def open_room(hub: RunningRelay, identifier: str) -> Group:
    """The room that everybody reads whom this relay asks nothing. Raises NotFoundException."""
    group = await _called(hub, identifier)
    if group is None or not _is_open(group):
        raise NotFoundException
    return group


async def newest(hub: RunningRelay, group: Group) -> list[ShownMessage]:
    """The newest messages of a room that everybody reads, newest first. Raises StorageError."""
    found = await _said(hub, group, MESSAGES)
    return await _described(hub, found, await _quoted(hub, found))


async def _called(hub: RunningRelay, identifier: str) -> Group | None:
    """The group, unless only its members know of it."""
    group = await hub.identities.group_tables.look(lambda tables: tables.called([identifier]).get(identifier))
    return None if group is None or group.hidden or group.ended else group


async def _said(hub: RunningRelay, group: Group, most: int, before: str = "") -> list[Event]:
    """At most so many messages that everybody reads, newest first. Raises HttpProblem 400 for a wrong cursor."""
    wanted = Filter(kinds=frozenset([kinds.CHAT]), tags={"h": frozenset([group.wire_id])}, limit=most)
    return await paging.events(hub, wanted, PUBLIC, paging.place(before))


def _takes_messages(group: Group) -> bool:
    return group.supported_kinds is None or kinds.CHAT in group.supported_kinds


def _is_open(group: Group) -> bool:
    """Whether everybody reads what is said in it."""
    return not group.private and not group.hidden and _takes_messages(group)


async def _quoted(hub: RunningRelay, found: Sequence[Event]) -> dict[str, Event]:
    """What these messages answer, as far as everybody reads it."""
    above = {event.id: event for event in found}
    missing = frozenset(named for event in found if (named := group_messages.answered(event))) - above.keys()
    if missing:
        wanted = Filter(ids=missing, kinds=frozenset([kinds.CHAT]), limit=len(missing))
        above |= {event.id: event for event in await paging.events(hub, wanted, PUBLIC)}
    return above


async def _described(
    hub: RunningRelay,
    found: Sequence[Event],
    above: Mapping[str, Event],
    *,
    reactions: bool = False,
    named: bool = True,
    edited: Mapping[str, Anew] = MappingProxyType({}),
) -> list[ShownMessage]:
    """Messages, in their order; what each answers, where it is among those `above`. Without `named`, keys stand for people.

    What they say since they were edited is known here where everybody reads it, and else from `edited`.
    """
    known: dict[str, Anew | EditedText] = {}
    if named:
        known.update(await group_texts.messages(hub, [*found, *above.values()], None))
    for event_id, text in edited.items():
        if event_id not in known or known[event_id].updated_at < text.updated_at:
            known[event_id] = text
    people = await writers.writers(hub, (event.pubkey for event in (*found, *above.values()))) if named else {}
    said: dict[str, dict[str, set[str]]] = {}
    if reactions and found:
        ids = frozenset(event.id for event in found)
        wanted = Filter(kinds=frozenset([kinds.REACTION]), tags={"e": ids}, limit=MOST_REACTIONS)
        said = group_messages.reacted(await paging.events(hub, wanted, PUBLIC))
    return [_message(event, above, people, said.get(event.id, {}), known) for event in found]


def _message(
    event: Event,
    above: Mapping[str, Event],
    people: Mapping[str, Writer],
    reactions: Mapping[str, set[str]],
    edited: Mapping[str, Anew | EditedText],
) -> ShownMessage:
    def text_of(one: Event) -> str:
        return edited[one.id].content if one.id in edited else one.content

    at = datetime.fromtimestamp(min(event.created_at, 253_402_300_799), UTC)
    by = people.get(event.pubkey, Writer(pubkey=event.pubkey))
    named = group_messages.answered(event)
    quote = None
    if named is not None:
        other = above.get(named)
        author = "" if other is None else people.get(other.pubkey, Writer(pubkey=other.pubkey)).called()
        quote = Quote(named, author, EARLIER if other is None else text_of(other))
    return ShownMessage(
        event=event,
        by=_speaker(by),
        author_id=by.id or "",
        quote=quote,
        text=text_of(event),
        updated_at=edited[event.id].updated_at if event.id in edited else None,
        clock=f"{at:%H:%M}",
        day=f"{at.day} {at:%B %Y}",
        group_id=first_value(event, "h") or "",
        reactions={text: len(keys) for text, keys in reactions.items()},
    )


def _speaker(by: Writer) -> Speaker:
    return Speaker(by.called(), by.name, by.id or (by.pubkey if kinds.is_hex(by.pubkey, 64) else "00"))
