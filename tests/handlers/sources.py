"""What derived rows are made of, as plain collections that a test fills by hand."""

from collections.abc import Mapping, Sequence

from relay.protocol import feed
from relay.protocol.chunks import Cutting
from relay.protocol.control_plane import subjects
from relay.protocol.event import Event, address_of
from relay.protocol.groups.state import Group, Member, member_key
from relay.protocol.rows import FeedPlace, Live, Owner
from tests.factories import NOW, keypair


class FakeSources:
    """relay.protocol.rows.Sources over lists. The first event has the number 1; `owners` are the test keys of identities.

    `private` events are in no group, `grouped` ones in the group named, which everybody reads, and begin at the number 200.
    """

    def __init__(
        self,
        *events: Event,
        owners: Mapping[str, Sequence[int]] | None = None,
        foreign: Sequence[str] = (),
        private: Sequence[Event] = (),
        grouped: Mapping[str, Sequence[Event]] | None = None,
    ) -> None:
        self.lives = [Live(seq, event, NOW + seq, None, None) for seq, event in enumerate(events, 1)]
        self.lives += [Live(100 + n, event, NOW, None, b"\x90") for n, event in enumerate(private)]
        self.lives += [
            Live(200 + n, event, NOW, None, None, group)
            for group, some in (grouped or {}).items()
            for n, event in enumerate(some)
        ]
        self.owners = [
            Owner(identity, number, identity not in foreign, tuple(keypair(key).pubkey for key in keys))
            for number, (identity, keys) in enumerate((owners or {"alice": [1], "bob": [2]}).items(), 1)
        ]
        self.standings: dict[str, FeedPlace] = {}
        self.rows: dict[tuple[str, int], object] = {}
        self.cutting = Cutting()
        self.counts_all = False
        self.operators: tuple[str, ...] = ()
        self.groups: dict[str, Group] = {}
        self.members: dict[str, Member] = {}
        self.users: dict[str, str] = {}
        self.identifiers: dict[str, str] = {}
        self.marks: set[tuple[str, str]] = set()
        self.missed = False

    def event(self, event_id: str) -> Live | None:
        return next((live for live in self.lives if live.event.id == event_id), None)

    def newest(self, kind: int, pubkey: str, about: str = "", group: str = "") -> Live | None:
        named = [live for live in self.lives if live.event.kind == kind and (not group or live.group == group)]
        theirs = [live for live in named if live.event.pubkey == pubkey and live.audience is None]
        if about:
            theirs = [live for live in theirs if feed.subject(live.event) == about]
            theirs += [live for live in named if (about, pubkey) in subjects.subjects(live.event)]
        return min(theirs, key=lambda live: (-live.event.created_at, live.event.id), default=None)

    def edited(self, name: str) -> bool:
        return True

    def edit(self, event_id: str, pubkey: str) -> Live | None:
        found = [
            live
            for live in self.lives
            if live.event.kind == 1010
            and live.event.pubkey == pubkey
            and feed.edited(live.event) == event_id
            and feed.in_group(live.event)
        ]
        return min(found, key=lambda live: (-live.event.created_at, live.event.id), default=None)

    def marked(self, event_id: str, by: str) -> bool:
        return (event_id, by) in self.marks

    def version(self, address: str) -> Live | None:
        found = [live for live in self.lives if address_of(live.event) == address]
        return min(found, key=lambda live: (-live.event.created_at, live.event.id), default=None)

    def user(self, pubkey: str) -> str:
        return self.users.get(pubkey, f"nostr:{pubkey}")

    def group(self, group_id: str) -> Group | None:
        return self.groups.get(group_id)

    def member(self, pubkey: str, group_id: str) -> Member | None:
        return self.members.get(member_key(pubkey, group_id))

    def identifier(self, event_id: str) -> str | None:
        return self.identifiers.get(event_id)

    def owner(self, pubkey: str) -> Owner | None:
        return next((owner for owner in self.owners if pubkey in owner.keys), None)

    def standing(self, event_id: str) -> FeedPlace | None:
        return self.standings.get(event_id)

    def row(self, table: str, seq: int) -> object:
        return self.rows.get((table, seq))

    def stands(self, table: str, event: Event) -> FeedPlace:
        """Say that an event has a row."""
        live = self.event(event.id)
        assert live is not None
        self.standings[event.id] = FeedPlace(table, live.seq)
        return self.standings[event.id]
