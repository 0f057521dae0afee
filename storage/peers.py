"""Peers: relays that this one stays in step with, how far that is, and what each refused. Primary data, never rebuilt.

A peer stands in the settings' file or was added by a command; either way there is a row of it here, by its URL. Commands are as in
`storage.commands`.
"""

from typing import Final, Protocol

import msgspec

from storage.commands import Command

DOWN: Final = 0  # this relay refuses what the peer has
UP: Final = 1  # the peer refuses what this relay has


class PeerStatus(msgspec.Struct, frozen=True):
    """How it goes with a peer, as last noted. Times are unix seconds, 0 for never; the rest counts events since the peer is known.

    `state` is `connecting`, `catching up`, `in step`, `waiting` (it is tried again), `paused` or `stopped`; `since` when that
    began. `received` is what came, `stored`, `duplicates` and `refused` what became of it here; `sent` is what was offered,
    `taken`, `known` and `rejected` what became of it there. `not_given`: claimed and never given; `withheld`: neither
    taken nor sent, by rule; `wasted`: messages that should not have come. `lag`: events of the log that wait to be sent. `groups`:
    whether its groups are kept here, for a person. `unseen`: seconds of which the peer, which does not compare, has more events
    than it gives at once, so that some could not be seen when everything was compared last. `direction` is `down`, `up` or `both`
    by the settings that the relay ran it with last, "" for one that it never ran. `refused_because` and `rejected_because` are the
    most frequent reasons for which events were refused here and there since the relay's start, and how many each;
    `delayed_because` those for which the peer is to be offered some again, and how often. `misbehaved` is what it did last that it
    should not have done, also when it is in step again. `comparing`: everything is being compared with it, whatever `state` is: it
    may be in step with what is new while what is old is not there yet (PeerPlace.walked_at).
    """

    state: str = "connecting"
    direction: str = ""
    since: int = 0
    in_step_at: int = 0
    last_event_at: int = 0
    last_error: str = ""
    last_error_at: int = 0
    misbehaved: str = ""
    misbehaved_at: int = 0
    compares: bool = True
    comparing: bool = False
    lag: int = 0
    groups: str = ""
    unseen: int = 0
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    not_given: int = 0
    sent: int = 0
    taken: int = 0
    known: int = 0
    rejected: int = 0
    withheld: int = 0
    wasted: int = 0
    refused_because: dict[str, int] = {}
    rejected_because: dict[str, int] = {}
    delayed_because: dict[str, int] = {}


class PeerPlace(msgspec.Struct, frozen=True):
    """How far a peer is. `scope` tells what was synchronized: after another filter it begins anew.

    `begun_at` is the first contact. `up_seq`: everything in the log up to there is settled with it. `down_at`: until then (unix
    seconds) nothing is missing here that came to it. `walked_at`: when everything was compared last; a walk that is under way has
    done the filters before `walk_filter` and of that one what is later than `walk_until`. `home_key`: by which key (hex) it spoke
    of its groups when it was asked first; another one is not believed.
    """

    scope: str = ""
    begun_at: int = 0
    up_seq: int = 0
    down_at: int = 0
    walked_at: int = 0
    walk_filter: int = 0
    walk_until: int | None = None
    home_key: str = ""


class PeerRow(msgspec.Struct, frozen=True):
    """A peer. `settings` is a `relay.config.PeerSettings` as JSON where a command added it, "" where only the file may."""

    url: str
    settings: str
    paused: bool
    place: PeerPlace
    status: PeerStatus


class NotedPeer(msgspec.Struct, frozen=True):
    """How far a peer is, and how it goes."""

    url: str
    place: PeerPlace
    status: PeerStatus


class AddPeer(Command[None], frozen=True):
    """Stay in step with this relay from now on; `settings` as in PeerRow. In place of what was added before."""

    url: str
    settings: str


class RemovePeer(Command[bool], frozen=True):
    """Forget a peer and how far it is; False when there is none of this URL."""

    url: str


class PausePeer(Command[None], frozen=True):
    """Leave a peer alone until it is to go on (`paused` False)."""

    url: str
    paused: bool


class KnowPeers(Command[None], frozen=True):
    """The settings' file names these peers, by URL: there is a row of each from now on."""

    urls: list[str]


class NotePeers(Command[None], frozen=True):
    """How far peers are, and how it goes; one that was removed meanwhile is passed over."""

    peers: list[NotedPeer]


class RememberRefused(Command[None], frozen=True):
    """These events, by id, are not to be asked of a peer (`way` DOWN) or offered to it (UP) until then (unix seconds).

    What is over already is forgotten: 0 takes it back.
    """

    url: str
    way: int
    ids: list[bytes]
    until: int


PeerChange = AddPeer | RemovePeer | PausePeer


class KnowsPeers(Protocol):
    """A reader that knows the peers."""

    @property
    def peers(self) -> "Peers":
        """What is known of them."""


class Peers(Protocol):
    """What is known of peers; raises StorageError."""

    async def all(self) -> list[PeerRow]:
        """Every peer, by URL."""

    async def refused(self, url: str, way: int, now: int, most: int) -> list[bytes]:
        """The ids that RememberRefused named and that are still good, the latest `most` of them."""
