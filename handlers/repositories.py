"""Git repositories (kinds 30617 and 30618, NIP-34): announced by anybody, each an address of its author and its `d` tag."""

from handlers import addressable
from handlers.authorship import is_strict
from relay.errors import Prefix, Reject
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts
from relay.protocol.names import is_blank


def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
    """Raises Reject(invalid) without a `d` tag, and for an older version."""
    admission = addressable.admit(event, facts, now, door)
    if is_strict(door) and is_blank(first_value(event, "d") or ""):
        raise Reject(Prefix.INVALID, "a repository needs a d tag that names it, with a character that is seen (NIP-34)")
    return admission
