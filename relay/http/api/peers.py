"""Which relays this one stays in step with, and how it goes: for its operator, who proves the key that `relay.pubkey` names."""

from datetime import datetime
from typing import Final

import msgspec
from litestar import get

from relay.api_types import iso
from relay.http.api import common, operators
from relay.http.api.common import BASE
from relay.http.hub import GivenHub
from storage.peers import PeerRow

TAGS: Final = ["operators"]


class PeerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A relay that this one stays in step with. `direction` is `down`, `up` or `both`, "" before it was begun.

    `lag`: events that wait to be sent there; the counts are since it is known.

    `refused_because` and `rejected_because`: the most frequent reasons here and there since this relay's start, and how many each.

    `misbehaved`: what it did last that it should not have done.

    `comparing`: everything is being compared with it, beside what `state` says; `compared_at` is when that was done last, null
    where it never was: then it may be in step with what is new while what is old is not there yet.

    `groups` says whether its groups are kept here; `unseen` are seconds of which it has more events than it gives at once.
    """

    url: str
    state: str
    direction: str
    paused: bool
    since: datetime | None
    in_step_at: datetime | None
    last_event_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    misbehaved: str | None
    misbehaved_at: datetime | None
    compares: bool
    comparing: bool
    compared_at: datetime | None
    lag: int
    groups: str
    unseen: int
    received: int
    stored: int
    duplicates: int
    refused: int
    not_given: int
    sent: int
    taken: int
    known: int
    rejected: int
    withheld: int
    wasted: int
    refused_because: dict[str, int]
    rejected_because: dict[str, int]
    delayed_because: dict[str, int]


class PeersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All peers, by URL."""

    success: bool = True
    peers: list[PeerAnswer]


@get(f"{BASE}/peers", tags=TAGS, summary="The relays this one stays in step with")
async def list_peers(request: common.AnyRequest, hub: GivenHub) -> PeersAnswer:
    """How it goes with each peer, a second or two ago. For the operator: a NIP-98 proof by the key in `relay.pubkey`, or a token
    of the identity that it is bound to.
    """
    await operators.require(request, hub)
    return PeersAnswer(peers=[_answer(row) for row in await hub.peers.all()])


def _answer(row: PeerRow) -> PeerAnswer:
    status = row.status
    times = {
        name: iso(moment) if (moment := getattr(status, name)) else None
        for name in ("since", "in_step_at", "last_event_at", "last_error_at", "misbehaved_at")
    }
    plain = {name: value for name, value in msgspec.structs.asdict(status).items() if name not in times}
    words = {"last_error": status.last_error or None, "misbehaved": status.misbehaved or None}
    compared_at = iso(row.place.walked_at) if row.place.walked_at else None
    return PeerAnswer(url=row.url, paused=row.paused, compared_at=compared_at, **(plain | times | words))
