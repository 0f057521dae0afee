"""Records: what the plan keeps of a group beside NIP-29's own fields, and the definitions of chat agents; JSON in kind 30078.

Rule: a door is strict about the fields it knows (`fault`), rows take of a record whatever is of the right type, and what is not
known is carried along.
"""

from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from relay.protocol.event import describe
from relay.protocol.groups.state import GroupType
from relay.protocol.names import is_blank

Word = Annotated[str, Meta(min_length=1, max_length=100)]
Text = Annotated[str, Meta(max_length=100_000)]
Amount = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class OrganizationRecord(msgspec.Struct, frozen=True):
    """What an organization has beside its group."""

    plan: Word = "free"
    credits: Amount = 0


class ProjectRecord(msgspec.Struct, frozen=True):
    """What a project has beside its group."""

    system_prompt: Text | None = None
    default_model: Word | None = None
    default_tools: Annotated[list[Word], Meta(max_length=200)] | None = None
    autopilot_spec: Text | None = None
    autopilot_plan: Text | None = None
    autopilot_plan_updated_at: Amount | None = None
    is_archived: bool = False


class ThreadRecord(msgspec.Struct, frozen=True):
    """What a thread has beside its group."""

    agent_slug: Word | None = None
    metadata: dict[str, Any] | None = None
    is_archived: bool = False
    is_shared: bool = False


class AgentRecord(msgspec.Struct, frozen=True):
    """The definition of a chat agent. `created_at` is when it was first defined, unix seconds: its event is replaced."""

    name: Word | None = None
    description: Text = ""
    system_prompt: Text = ""
    model_id: Word | None = None
    sort_order: Annotated[int, Meta(ge=-(2**53), le=2**53)] = 0
    is_default: bool = False
    created_at: Amount | None = None
    requires_github: bool | None = None
    requires_repo: bool | None = None
    supports_tools: bool | None = None
    agent_type: Literal["assistant", "coder"] | None = None


RECORDS: Final[dict[GroupType, type[msgspec.Struct]]] = {
    "organization": OrganizationRecord,
    "project": ProjectRecord,
    "thread": ThreadRecord,
}

R = TypeVar("R", bound=msgspec.Struct)


def fault(content: str, record: type[msgspec.Struct]) -> str | None:
    """Why a content is no such record, None where it is one."""
    try:
        found = msgspec.json.decode(content, type=record)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return f"its content must be a JSON object: {describe(error, content)}"
    if isinstance(found, AgentRecord) and found.name is not None and is_blank(found.name):
        return "its name must have at least one character that is seen"
    return None


def read(content: str, record: type[R]) -> R:
    """Whatever of a content is of the right type."""
    try:
        given = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return record()
    found = {}
    for field in msgspec.structs.fields(record):
        if field.name in given:
            try:
                found[field.name] = msgspec.json.decode(given[field.name], type=field.type)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                continue
    return record(**found)


def json_of(value: object) -> str | None:
    """A value as the JSON that a row holds; None where there is none."""
    return None if value is None else msgspec.json.encode(value).decode()
