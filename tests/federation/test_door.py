"""The door by which peers hand events in: bounded for each, and by the operator's rules."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from relay.config import Config
from relay.federation.door import AT_ONCE, OverQuota, PeerDoor, PeerQuota
from relay.peer_settings import PeerPolicy
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.roles import metrics
from relay.server.events.ingest import Ingest
from relay.server.events.policies import Sender
from relay.server.events.publishing import Publisher
from relay.server.settings import Settings
from storage.base import Outcome, Status
from tests.factories import NOW, keypair, make_event
from tests.server.fakes import MemoryLog

URL = "wss://peer.example"


class HeldIngest:
    """A pipeline that answers when it is told to."""

    def __init__(self) -> None:
        self.given: list[tuple[Event, Door, Any, str | None]] = []
        self.answers: list[Callable[[], None]] = []
        self.numbers = metrics.fresh()
        self.full = 0.0
        self.has_room = True
        self.senders: list[Sender] = []

    def room(self, share: float = 1.0, client: Any = None) -> bool:
        return self.full < share and (client is None or self.has_room)

    def submit(
        self,
        event: Event,
        door: Door,
        received_at: int,
        answer: Callable[[Event, Outcome], None],
        client: Any = None,
        *,
        origin: str | None = None,
        home: str = "",
        sender: Sender,
    ) -> None:
        self.senders.append(sender)
        self.given.append((event, door, client, origin))
        self.answers.append(lambda: answer(event, Outcome(Status.STORED, seq=1)))


def door_of(ingest: HeldIngest, quota: PeerQuota | None = None) -> PeerDoor:
    pipeline = cast(Ingest, ingest)
    publisher = Publisher(pipeline, Settings(Config(), "wss://relay.example"), keypair(9).pubkey)
    return PeerDoor(URL, MemoryLog(), pipeline, publisher, quota or PeerQuota())


async def test_a_large_event_counts_for_as_many_as_its_size_is_worth() -> None:
    clock = [0.0]
    quota = PeerQuota(lambda: clock[0])
    quota.configure(3600)
    door = door_of(HeldIngest(), quota)
    await door.hand_in(make_event(), lambda _event, _outcome: None)
    await door.hand_in(make_event(content="x" * 320_000), lambda _event, _outcome: None)
    await door.hand_in(make_event(tags=[["a"]] * 50_000), lambda _event, _outcome: None)
    assert quota.spend(0) == 0.0
    assert quota.spend(3600) == 1 + 20 + 98


def ignore(_event: Event, _outcome: Outcome) -> None:
    pass


async def test_a_peer_has_so_many_events_under_way_and_no_more() -> None:
    ingest = HeldIngest()
    door = door_of(ingest)
    events = [make_event(content=f"{n}", created_at=NOW) for n in range(AT_ONCE + 5)]

    async def flood() -> None:
        for event in events:
            await door.hand_in(event, ignore)

    flooding = asyncio.create_task(flood())
    for _ in range(AT_ONCE + 50):
        await asyncio.sleep(0)
    assert len(ingest.given) == AT_ONCE
    assert {(way, client, origin) for _, way, client, origin in ingest.given} == {(Door.PEER, door, URL)}
    for answer in ingest.answers[:5]:
        answer()
    await flooding
    assert len(ingest.given) == AT_ONCE + 5


async def test_the_operators_write_policy_is_told_what_a_peer_sent_and_what_was_lacking() -> None:
    ingest = HeldIngest()
    door = door_of(ingest)
    await door.hand_in(make_event(created_at=NOW), ignore)
    taking = asyncio.create_task(door.take([make_event(content="lacking", created_at=NOW)]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert [(sender.address, sender.is_live) for sender in ingest.senders] == [(URL, True), (URL, False)]
    ingest.answers[1]()
    await taking


async def test_a_peer_waits_while_too_much_of_it_waits_for_the_write_policy() -> None:
    ingest = HeldIngest()
    door = door_of(ingest)
    ingest.has_room = False
    handing_in = asyncio.create_task(door.hand_in(make_event(created_at=NOW), ignore))
    for _ in range(10):
        await asyncio.sleep(0)
    assert ingest.given == []
    ingest.has_room = True
    await handing_in
    assert len(ingest.given) == 1


async def test_peers_fill_half_of_the_pipeline_and_leave_the_rest_to_clients() -> None:
    ingest = HeldIngest()
    door = door_of(ingest)
    ingest.full = 0.5
    handing_in = asyncio.create_task(door.hand_in(make_event(created_at=NOW), ignore))
    for _ in range(10):
        await asyncio.sleep(0)
    assert ingest.given == []
    ingest.full = 0.49
    await handing_in
    assert len(ingest.given) == 1


async def test_who_is_cancelled_while_the_pipeline_is_full_leaves_the_room_to_others() -> None:
    ingest = HeldIngest()
    door = door_of(ingest)
    event = make_event(created_at=NOW)
    ingest.full = 0.5
    waiting = [asyncio.create_task(door.hand_in(event, ignore)) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert ingest.given == []
    ingest.full = 0.0
    handing_in = asyncio.create_task(door.hand_in(event, ignore))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(ingest.given) == 1
    await handing_in


async def test_what_the_operator_or_the_peers_policy_denies_never_reaches_the_pipeline() -> None:
    ingest = HeldIngest()
    door = door_of(ingest)
    door.policy = PeerPolicy(denied_keys=[keypair(2).pubkey], denied_kinds=[7])
    told: list[str] = []
    refused = [make_event(2), make_event(1, 7), make_event(1, 1, tags=[["-"]]), make_event(1, 39000, tags=[["d", "x"]])]
    for event in refused:
        await door.hand_in(event, lambda _event, outcome: told.append(str(outcome.refusal)))
    assert ingest.given == []
    assert told[:2] == ["blocked: the policy for this peer denies the key or kind"] * 2
    assert told[2].startswith("auth-required: this event is protected")
    assert told[3].startswith("restricted: kind 39000 is published by the relay's own key only")


async def test_a_peer_over_its_quota_is_heard_again_when_that_is_worth_it() -> None:
    clock = [0.0]
    quota = PeerQuota(lambda: clock[0])
    quota.configure(3600)
    await quota.take(3600)
    with pytest.raises(OverQuota, match="it has sent 3,600 events within an hour"):
        await quota.take(100)
    assert quota.rest() == pytest.approx(280.0)
    clock[0] += 281
    assert quota.rest() == 0.0


async def test_what_is_not_taken_whatever_it_says_counts_too() -> None:
    quota = PeerQuota(lambda: 0.0)
    quota.configure(3600)
    door = door_of(HeldIngest(), quota)
    door.policy = PeerPolicy(denied_kinds=[7])
    await door.pass_over(3599)
    await door.hand_in(make_event(1, 7), ignore)
    with pytest.raises(OverQuota):
        await door.pass_over(100)


def test_a_quota_lets_a_burst_through_and_makes_the_rest_wait() -> None:
    clock = [0.0]
    quota = PeerQuota(lambda: clock[0])
    assert quota.spend(10**6) == 0.0  # no limit until there is one
    quota.configure(3600)
    assert quota.spend(3600) == 0.0
    assert quota.spend(10) == pytest.approx(10.0)
    clock[0] += 60
    assert quota.spend(50) == pytest.approx(0.0)
    quota.configure(7200)
    assert quota.spend(7200) == 0.0
