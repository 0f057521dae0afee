"""`message_rows`: live chat messages (kind 9, NIP-C7) in groups of this relay. A comment of the feed never becomes one.

Clients edit in two ways. By a kind 1010 that names the message and the group: the newest live one by the message's own key gives
the text, and its time. Or they delete it and publish it anew with its old time: what stands where its author has deleted a
message of the same second was edited when it came.

What thread, project and organization a message is in follows from its group; the view `messages` has it.
"""

from typing import Final

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.control_plane import chat
from relay.protocol.event import Event, first_value
from relay.protocol.groups import timeline
from relay.protocol.rows import Live, Projection, Sources


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
    updated_at: int | None


def _keys(event: Event) -> tuple[str, ...]:
    if event.kind == kinds.CHAT:
        return (event.id,)
    edited = feed.edited(event)
    return () if edited is None else (edited,)


def _edit(live: Live, sources: Sources) -> tuple[str, int | None]:
    """The text, and when it was edited last."""
    event = live.event
    assert live.group is not None
    if not sources.edited(first_value(event, "h") or ""):
        return event.content, None
    edit = sources.edit(event.id, event.pubkey)
    mark = timeline.edit_mark(event.pubkey, event.kind, event.created_at, live.group)
    again = live.received_at if sources.marked(mark, event.pubkey) else None
    if edit is None or edit.group != live.group:
        return event.content, again
    return edit.event.content, edit.event.created_at


def _rows(key: str, sources: Sources) -> tuple[MessageFields, ...]:
    live = sources.event(key)
    if live is None or live.event.kind != kinds.CHAT or live.group is None:
        return ()
    event, said = live.event, chat.read(live.event)
    text, updated_at = _edit(live, sources)
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
            text.replace("\x00", " "),
            updated_at,
        ),
    )


PROJECTION: Final = Projection(
    "message_rows", MessageFields, ("seq",), frozenset({kinds.CHAT, kinds.EDIT}), _keys, _rows
)
