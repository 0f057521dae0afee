"""Who is in a group and how one gets in, as the hub's HTTP API says it. Times are datetimes with their zone."""

from datetime import datetime
from typing import Literal

from relay.client.records import AnswerPart

SaidType = Literal["messages", "threads", "all"]


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
