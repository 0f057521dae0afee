"""What messages of groups say since they were edited (kind 1010, or deleted and published anew), and what they said before."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from relay.http.api import common
from relay.http.hub import RunningRelay
from relay.protocol import feed, kinds
from relay.protocol.event import Event, first_value, parse
from relay.protocol.filter import Filter
from relay.protocol.groups.state import Group
from storage.base import Limits, Readers
from storage.control_plane import EditedText
from storage.feed import CommentRow, PostRow

MAX_VERSIONS: Final = 100  # that are told of one message, the newest ones


class ShownText(NamedTuple):
    """What something says since it was edited last; `title` is None of all but threads."""

    title: str | None
    content: str
    updated_at: int


async def of(hub: RunningRelay, found: Sequence[Event], group: Group) -> dict[str, ShownText]:
    """By id, those of what was said in this group that were edited; threads and answers where everybody reads them."""
    edited = await messages(hub, found, group.id)
    shown = {one: ShownText(None, *text) for one, text in edited.items()}
    if not group.private:
        now = common.now()
        posts = [event.id for event in found if event.kind == kinds.POST]
        answers = [event.id for event in found if event.kind == kinds.COMMENT]
        rows: list[PostRow | CommentRow] = [*(await hub.feed.posts_by_id(posts, now) if posts else ())]
        rows += await hub.feed.comments_by_id(answers, now) if answers else ()
        for row in rows:
            if row.updated_at is not None:
                title = row.title if isinstance(row, PostRow) else None
                shown[row.id] = ShownText(title, row.content, row.updated_at)
    return shown


async def messages(hub: RunningRelay, found: Sequence[Event], group_id: str | None) -> dict[str, EditedText]:
    """By id, those of these messages (kind 9) that were edited: of a group, or (None) of all that everybody reads."""
    ids = [event.id for event in found if event.kind == kinds.CHAT]
    if not ids:
        return {}
    return await hub.identities.workspaces.look(lambda tables: tables.edited_messages(ids, group_id))


async def versions(hub: RunningRelay, message: Event, readers: Readers) -> tuple[list[Event], bool]:
    """A message and its live edits, as they follow each other; whether older edits were left out."""
    wanted = Filter(
        kinds=frozenset([kinds.EDIT]),
        authors=frozenset([message.pubkey]),
        tags={"e": frozenset([message.id])},
        limit=MAX_VERSIONS + 1,
    )
    now, most = common.now(), MAX_VERSIONS + 1
    page = await hub.reader.query([wanted], readers, now, limits=Limits(most, most))
    found = [parse(wire) for wire in [*page.wires, *await hub.reader.fetch(page.rest, now, readers)]][:most]
    group_id = first_value(message, "h")
    edits = [
        one
        for one in found[:MAX_VERSIONS]
        if feed.edited(one) == message.id and (message.kind != kinds.CHAT or first_value(one, "h") == group_id)
    ]
    return [message, *reversed(edits)], len(found) > MAX_VERSIONS
