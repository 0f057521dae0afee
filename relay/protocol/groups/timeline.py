"""How an event stands in its group's timeline: what it refers to by `previous`, and when it says that it was made (NIP-29).

References are compared with all that the group holds, not with the last fifty events, and none are demanded: most clients send
none. An event of long ago is refused, except where its author has deleted one of the same kind and time in the group: that is
how clients edit. For that a kind 5 leaves a mark under a name that only these four values make (`edit_mark`).
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups.case import invalid, short
from relay.protocol.groups.state import previous_key

LENGTH: Final = 8  # hex digits of a reference
MAX_REFERENCES: Final = 50
DAY: Final = 86_400


def references(event: Event) -> list[str]:
    """The beginnings of ids that it refers to; of whole ids their beginning."""
    named = [value for tag in event.tags if tag[0] == "previous" for value in tag[1:]]
    if not named:
        return named
    return list(dict.fromkeys(value[:LENGTH] if kinds.is_hex(value, 64) else value for value in named))


def needs(event: Event, group_id: str) -> Iterator[Need]:
    """Which of its references are here."""
    for one in references(event)[:MAX_REFERENCES]:
        if kinds.is_hex(one, LENGTH):
            yield "previous", previous_key(one, group_id)


def check_previous(event: Event, group_id: str, facts: Facts) -> None:
    """Raises Reject(invalid) for a reference to what is not in the group here."""
    named = references(event)
    if len(named) > MAX_REFERENCES:
        invalid(f"an event refers to at most {MAX_REFERENCES} previous ones")
    for one in named:
        if not kinds.is_hex(one, LENGTH):
            invalid(f"a previous tag holds the first {LENGTH} hex digits of ids, and {short(one)} is none")
        if not facts.previous[previous_key(one, group_id)]:
            invalid(f"previous: no event of this group begins with {one} (NIP-29)")


def edit_mark(pubkey: str, kind: int, created_at: int, group_id: str) -> str:
    """The name, made like an event's id, under which a deletion says that its author may publish of that time again."""
    text = f"{pubkey} {kind} {created_at} {group_id}"
    return hashlib.sha256(text.encode()).hexdigest()


def needs_of_time(event: Event, group_id: str, now: int | None, most: float) -> Iterator[Need]:
    """What `check_time` asks at that time, of which most events need nothing; `now` None: at any time."""
    if event.kind != kinds.DELETION and (now is None or _is_late(event, now, most)):
        yield "deleters", edit_mark(event.pubkey, event.kind, event.created_at, group_id)


def _is_late(event: Event, now: int, most: float) -> bool:
    return bool(most) and event.created_at < now - most and event.kind != kinds.DELETION


def check_time(event: Event, group_id: str, facts: Facts, now: int, most: float) -> None:
    """Raises Reject(invalid) for what lies more than `most` seconds back and is no edit; 0 is no bound."""
    if not _is_late(event, now, most):
        return
    mark = edit_mark(event.pubkey, event.kind, event.created_at, group_id)
    if event.pubkey not in facts.deleters[mark]:
        invalid(f"created_at lies more than {_words(most)} back, which is too late for a group (NIP-29)")


def _words(seconds: float) -> str:
    return f"{seconds / DAY:g} days" if seconds >= DAY else f"{seconds:g} seconds"
