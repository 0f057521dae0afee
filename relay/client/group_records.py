"""What the hub's HTTP API says of groups, as far as the client uses it. Times are datetimes with their zone."""

from datetime import datetime
from typing import Literal

import msgspec

from relay.api_types import Writer
from relay.client.records import AnswerPart
from relay.protocol.event import Event

SaidType = Literal["messages", "threads", "all"]


class HubGroup(AnswerPart, frozen=True):
    """A group. `private`: members read; `restricted`: members write; `hidden`: members know of it; `closed`: joining takes a code.

    `your_roles` is None for who is no member; `member_count` None where only members know.
    """

    id: str
    name: str
    about: str
    private: bool
    restricted: bool
    hidden: bool
    closed: bool
    created_at: datetime
    type: str = "thread"
    picture: str = ""
    banner: str = ""
    supported_kinds: list[int] | None = None
    parent: str | None = None
    children: list[str] = msgspec.field(default_factory=list)
    pins: list[str] = msgspec.field(default_factory=list)
    member_count: int | None = None
    your_roles: list[str] | None = None


class HubGroups(AnswerPart, frozen=True):
    """A page of groups; `next_cursor` gives the one after it."""

    groups: list[HubGroup]
    next_cursor: str | None = None


class HubMember(AnswerPart, frozen=True):
    """A member of a group; `agent` is the name of the agent whose key it is, None for other keys."""

    pubkey: str
    roles: list[str]
    since: datetime
    agent: str | None = None


class HubMembers(AnswerPart, frozen=True):
    """A page of members, those that came last first; `next_cursor` gives the one after it."""

    members: list[HubMember]
    next_cursor: str | None = None


class HubInvite(AnswerPart, frozen=True):
    """A code that opens a group; `uses_left` None is any number. `__repr__` leaves the code out."""

    code: str
    by: str
    uses_left: int | None = None
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return f"HubInvite(by={self.by!r}, uses_left={self.uses_left!r}, expires_at={self.expires_at!r})"


class HubMessage(AnswerPart, frozen=True):
    """What was said in a group: a message (`kind` 9), a thread (11) or an answer in one (1111)."""

    id: str
    group_id: str
    kind: int
    content: str
    author: Writer
    created_at: datetime
    event: Event
    title: str | None = None
    reply_to: str | None = None
    reactions: dict[str, int] = msgspec.field(default_factory=dict)


class HubMessages(AnswerPart, frozen=True):
    """A page of messages, the newest first; `next_cursor` gives the one after it."""

    messages: list[HubMessage]
    next_cursor: str | None = None


class GroupAct(AnswerPart, frozen=True):
    """What was done in a group; `event` did it, None where it was so already."""

    message: str = ""
    event: Event | None = None
