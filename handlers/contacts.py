"""Contact lists (kind 3, NIP-02): replaceable. Whom the list of an identity names for the first time has a new follower.

Who follows whom is what the newest lists say. Beside them is kept which identity has ever followed which, so that a list that is
published again, or following somebody anew, is no news.
"""

from typing import Final

import msgspec

from handlers import replaceable
from relay.protocol.admission import Admission, Door, NoteFollowed
from relay.protocol.event import Event, values
from relay.protocol.facts import Facts
from relay.protocol.kinds import is_hex

MOST: Final = 1000  # keys of a list that are looked at, the last ones: what is added stands at the end
NEWS: Final = 86_400  # seconds that a list may be old and still be news: what comes from elsewhere may be of any age


def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
    """Replace the list that is here. Raises Reject(invalid) when that one is newer."""
    admission = replaceable.admit(event, facts, now, door)
    follower = facts.identity_of(event.pubkey)
    named = tuple(dict.fromkeys(key for key in values(event, "p")[-MOST:] if is_hex(key, 64)))
    if follower is None or not named:
        return admission
    noted = NoteFollowed(follower, named, event.created_at > now - NEWS)
    return msgspec.structs.replace(admission, actions=(noted,))
