"""Events for named readers only: direct messages (NIP-04) and gift wraps (NIP-17, NIP-59).

Rule: a gift wrap's author is a throw-away key and reads nothing; the author of a NIP-04 message reads it as its recipient does.
"""

from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, values
from relay.protocol.facts import Facts


def admit(event: Event, _facts: Facts, _now: int, _door: Door) -> Admission:
    """Keep it for its readers. Raises Reject(invalid) when a gift wrap names no recipient: nobody could ever read it."""
    recipients = [pubkey for pubkey in values(event, "p") if kinds.is_hex(pubkey, 64)]
    if event.kind == kinds.ENCRYPTED_DM:
        recipients.append(event.pubkey)
    if not recipients:
        raise Reject(Prefix.INVALID, "a gift wrap needs a p tag with its recipient's key (NIP-59)")
    return Admission(store=not kinds.is_ephemeral(event.kind), audience=tuple(dict.fromkeys(recipients)))
