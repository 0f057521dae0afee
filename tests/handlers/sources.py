"""What derived rows are made of, as plain collections that a test fills by hand."""

from collections.abc import Mapping, Sequence

from relay.protocol import feed
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event
from relay.protocol.rows import FeedPlace, Live, Owner
from tests.factories import NOW, keypair


class FakeSources:
    """relay.protocol.rows.Sources over lists. The first event has the number 1; `owners` are the test keys of identities."""

    def __init__(
        self,
        *events: Event,
        owners: Mapping[str, Sequence[int]] | None = None,
        foreign: Sequence[str] = (),
        private: Sequence[Event] = (),
    ) -> None:
        self.lives = [Live(seq, event, NOW + seq, None, None) for seq, event in enumerate(events, 1)]
        self.lives += [Live(100 + n, event, NOW, None, b"\x90") for n, event in enumerate(private)]
        self.owners = [
            Owner(identity, number, identity not in foreign, tuple(keypair(key).pubkey for key in keys))
            for number, (identity, keys) in enumerate((owners or {"alice": [1], "bob": [2]}).items(), 1)
        ]
        self.standings: dict[str, FeedPlace] = {}
        self.rows: dict[tuple[str, int], object] = {}
        self.cutting = Cutting()
        self.counts_all = False
        self.missed = False

    def event(self, event_id: str) -> Live | None:
        return next((live for live in self.lives if live.event.id == event_id), None)

    def newest(self, kind: int, pubkey: str, about: str = "") -> Live | None:
        theirs = [live for live in self.lives if live.event.kind == kind and live.event.pubkey == pubkey]
        if about:
            theirs = [live for live in theirs if feed.subject(live.event) == about]
        return min(theirs, key=lambda live: (-live.event.created_at, live.event.id), default=None)

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
