"""`message_rows`: live chat messages (kind 9, NIP-C7) in groups of this relay. A comment of the feed never becomes one.

What thread, project and organization a message is in follows from its group; the view `messages` has it.
"""

from typing import Final

import msgspec

from relay.protocol import kinds
from relay.protocol.control_plane import chat
from relay.protocol.event import Event
from relay.protocol.rows import Projection, Sources


class MessageFields(msgspec.Struct, frozen=True):
    """A row; times are unix seconds, what ends in `_json` and `tool_invocations` are JSON arrays."""

    seq: int
    id: str
    group_id: str
    pubkey: str
    created_at: int
    expires_at: int | None
    role: str
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    tool_invocations: str | None
    parts_json: str | None
    annotations_json: str | None
    content: str


def _keys(event: Event) -> tuple[str, ...]:
    return (event.id,) if event.kind == kinds.CHAT else ()


def _rows(key: str, sources: Sources) -> tuple[MessageFields, ...]:
    live = sources.event(key)
    if live is None or live.event.kind != kinds.CHAT or live.group is None:
        return ()
    event, said = live.event, chat.read(live.event)
    return (
        MessageFields(
            live.seq,
            event.id,
            live.group,
            event.pubkey,
            event.created_at,
            live.expires_at,
            said.role,
            said.finish_reason,
            said.usage.prompt_tokens,
            said.usage.completion_tokens,
            said.usage.cost,
            said.tool_invocations,
            said.parts,
            said.annotations,
            event.content.replace("\x00", " "),
        ),
    )


PROJECTION: Final = Projection("message_rows", MessageFields, ("seq",), frozenset({kinds.CHAT}), _keys, _rows)
