"""What the log knows, as plain collections that a test fills by hand."""

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import Admission, Door, KeyClaim, Version
from relay.protocol.event import Event, address_of
from tests.factories import NOW

RELAY = "wss://relay.example.com"


class FakeKnown:
    """`relay.protocol.admission.Known` over sets and dicts."""

    def __init__(self, *live: Event) -> None:
        self.live = {event.id: event for event in live}
        self.deleted: set[tuple[str, str]] = set()
        self.addresses: dict[str, Version] = {}
        self.vanished: dict[str, int] = {}
        self.bound: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.claims: dict[str, KeyClaim] = {}
        self.invites: dict[str, int] = {}

    def get(self, event_id: str) -> Event | None:
        return self.live.get(event_id)

    def current(self, address: str) -> Version | None:
        return next((Version(e.created_at, e.id) for e in self.live.values() if address_of(e) == address), None)

    def is_deleted(self, event_id: str, by: str) -> bool:
        return (event_id, by) in self.deleted

    def deleted_until(self, address: str) -> Version | None:
        return self.addresses.get(address)

    def vanished_until(self, pubkey: str) -> int | None:
        return self.vanished.get(pubkey)

    def identity_of(self, pubkey: str) -> str | None:
        return self.bound.get(pubkey)

    def owner_of(self, pubkey: str) -> str | None:
        return self.bound.get(pubkey) or self.owners.get(pubkey)

    def chunks_of(self, pubkey: str) -> int:
        return sum(self.chunks_in(event) for event in self.live.values() if event.pubkey == pubkey)

    def chunks_in(self, event: Event) -> int:
        return len(event.content.split("\n"))

    def keys_with(self, pubkey: str) -> frozenset[str]:
        owner = self.owner_of(pubkey)
        keys = [key for key in {**self.owners, **self.bound} if owner is not None and self.owner_of(key) == owner]
        return frozenset([pubkey, *keys])

    def invite(self, code_hash: str) -> int | None:
        return self.invites.get(code_hash)

    def key_claim(self, code_hash: str) -> KeyClaim | None:
        return self.claims.get(code_hash)


def admit(event: Event, known: FakeKnown | None = None, now: int = NOW) -> Admission:
    """What the table decides at `now` on a relay called RELAY."""
    return table.meaning(RELAY).admit(event, known or FakeKnown(), now, Door.CLIENT)


def refused(event: Event, known: FakeKnown | None = None, now: int = NOW) -> str:
    """The sentence with which the event is refused; "" when it is not."""
    try:
        admission = admit(event, known, now)
    except Reject as refusal:
        return str(refusal)
    return str(admission.refusal or "")
