"""Chat messages (kind 9, NIP-C7): any key says what it likes outside of groups; in one, what the tags say must be readable."""

from collections.abc import Iterable

from handlers import groups
from relay.errors import Prefix, Reject
from relay.protocol.admission import Admission, Door
from relay.protocol.control_plane import chat
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts, Need


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """The group that it names."""
    group_id = first_value(event, "h")
    return () if group_id is None else (("groups", group_id),)


def admit(event: Event, facts: Facts, _now: int, door: Door) -> Admission:
    """Raises Reject(invalid) for tags of a message in a group of this relay that cannot be read."""
    group_id = first_value(event, "h")
    if group_id is not None and groups.is_checked(event, facts, door) and facts.groups[group_id] is not None:
        wrong = chat.fault(event)
        if wrong is not None:
            raise Reject(Prefix.INVALID, wrong)
    return Admission()
