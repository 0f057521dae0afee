"""Edits (kind 1010, this relay's convention) as posts and comments have them: the newest live one by the same identity counts."""

from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.rows import Live, Sources, newest_of


def newest_edit(edited: Event, sources: Sources) -> Live | None:
    """The newest live edit of a post or a comment by any key of its author's identity; None where there is none."""
    owner, edit = sources.owner(edited.pubkey), sources.newest(kinds.EDIT, edited.pubkey, about=edited.id)
    if owner is None or len(owner.keys) == 1:
        return edit
    return newest_of([sources.newest(kinds.EDIT, pubkey, about=edited.id) for pubkey in owner.keys])
