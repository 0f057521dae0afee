"""The delivery to all streams: described once, bounded, in order."""

import asyncio

import pytest

from relay.http.api import streaming, watchers
from relay.http.api.streaming import MAX_STREAMS
from relay.http.api.watchers import MAX_HELD, Selection, WatchedEvent, Watcher, Watchers
from relay.protocol.event import wire
from relay.server.events.follow import Applied, LiveEvent
from storage.base import Status
from tests.factories import make_event
from tests.http.hubs import FakeHub, Health


class Desk:
    """A hub and the watchers of it; `descriptions` are the batches that were described. `gate` holds them up."""

    def __init__(self) -> None:
        self.hub = FakeHub()
        self.descriptions: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail = False
        self.watchers = Watchers(self.hub, self.describe)
        self.seq = self.hub.figures.last_seq

    async def describe(self, batch):
        self.descriptions.append([seq for seq, _ in batch])
        await self.gate.wait()
        if self.fail:
            raise ValueError("cannot be described")
        return [WatchedEvent(seq, event.pubkey, event.id, b"%d " % seq) for seq, event in batch]

    def commit(self, key: int = 1, kind: int = 11, audience=None, status=Status.STORED, content: str = ""):
        self.seq += 1
        event = make_event(key, kind, content, created_at=self.seq)
        seq = self.seq if status is Status.STORED else 0
        self.hub.followers[0](Applied([LiveEvent(seq, event, wire(event), audience)]))
        return event


async def frames(watcher: Watcher) -> bytes:
    return await asyncio.wait_for(anext(watcher.frames()), 30)


async def test_an_event_is_described_once_for_all_who_watch():
    desk = Desk()
    with desk.watchers.watch(Selection(), "a") as one, desk.watchers.watch(Selection(), "b") as two:
        desk.commit()
        assert await frames(one) is not None
        assert await frames(two) is not None
    assert desk.descriptions == [[1235]]


async def test_events_that_nobody_watches_are_not_described():
    desk = Desk()
    desk.commit()
    with desk.watchers.watch(Selection(), "a") as watcher:
        assert watcher.after == 1235
        for event in ({"kind": 1}, {"audience": ("someone",)}, {"status": Status.DUPLICATE}):
            desk.commit(**event)
        desk.commit()
        assert await frames(watcher) == b"1239 "
    assert desk.descriptions == [[1239]]


async def test_a_watcher_gets_what_it_selects():
    desk = Desk()
    mine = make_event(1).pubkey
    with desk.watchers.watch(Selection(author_id=mine), "a") as watcher:
        desk.commit(key=2)
        desk.commit(key=1)
        desk.commit(key=2)
        desk.commit(key=1)
        assert await frames(watcher) == b"1236 1238 "


async def test_one_who_comes_while_events_are_described_gets_each_once():
    desk = Desk()
    desk.gate.clear()
    with desk.watchers.watch(Selection(), "a") as early:
        desk.commit()
        await asyncio.sleep(0)
        desk.commit()
        with desk.watchers.watch(Selection(), "b") as late:
            assert late.after == 1234
            desk.gate.set()
            assert await frames(early) == await frames(late) == b"1235 1236 "


async def test_a_watcher_that_does_not_read_is_let_go_and_others_go_on():
    desk = Desk()
    with desk.watchers.watch(Selection(), "a") as slow, desk.watchers.watch(Selection(), "b") as quick:
        got = b""
        while desk.seq < 1234 + MAX_HELD + 1:
            desk.commit()
            got += await frames(quick)
        assert [part async for part in slow.frames()] == []
        desk.commit()
        assert await frames(quick) == b"%d " % desk.seq
        assert len(got.split()) == MAX_HELD + 1


async def test_frames_are_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(watchers, "MAX_HELD_BYTES", 10)
    watcher = Watcher(Selection(), 0)
    watcher.offer(b"x" * 10)
    assert await frames(watcher) == b"x" * 10
    watcher.offer(b"x" * 11)
    assert [part async for part in watcher.frames()] == []


@pytest.mark.parametrize("trouble", ["it cannot be described", "too many wait"])
async def test_streams_end_rather_than_miss_something(trouble, monkeypatch):
    monkeypatch.setattr(watchers, "MAX_PENDING", 3)
    desk = Desk()
    desk.fail = trouble == "it cannot be described"
    with desk.watchers.watch(Selection(), "a") as watcher:
        for _ in range(1 if desk.fail else 4):
            desk.commit()
        assert [part async for part in watcher.frames()] == []
    desk.fail = False
    with desk.watchers.watch(Selection(), "a") as next_one:
        desk.commit()
        assert await frames(next_one) == b"%d " % desk.seq


async def test_large_events_are_described_few_at_a_time_and_the_largest_alone(monkeypatch):
    monkeypatch.setattr(watchers, "BATCH_BYTES", 2000)
    desk = Desk()
    desk.gate.clear()
    with desk.watchers.watch(Selection(), "a") as watcher:
        for size in (1, 500, 500, 500, 9000, 500):
            desk.commit(content="x" * size)
        desk.gate.set()
        shown = b""
        while not shown.endswith(b"1240 "):
            shown += await frames(watcher)
    assert desk.descriptions == [[1235, 1236], [1237, 1238], [1239], [1240]]


async def test_what_waits_to_be_described_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(watchers, "MAX_PENDING_BYTES", 5000)
    desk = Desk()
    desk.gate.clear()
    with desk.watchers.watch(Selection(), "a") as watcher:
        for _ in range(2):
            desk.commit(content="x" * 3000)
        assert [part async for part in watcher.frames()] == []


async def test_an_idle_stream_is_kept_awake_with_its_number(monkeypatch):
    monkeypatch.setattr(streaming, "TICK", 0)
    monkeypatch.setattr(streaming, "HEARTBEAT", 2)
    desk = Desk()
    with desk.watchers.watch(Selection(), "a") as watcher:
        assert await frames(watcher) == b"id: 1234\n\n"


async def test_streams_are_counted_by_address():
    desk = Desk()
    with desk.watchers.watch(Selection(), "a"):
        assert desk.hub.streams.full("a", 1, MAX_STREAMS) is not None
        assert desk.hub.streams.full("b", 1, MAX_STREAMS) is None
    assert desk.hub.streams.full("a", 1, MAX_STREAMS) is None


async def test_a_watcher_that_another_front_told_more_goes_on_from_there():
    desk = Desk()
    desk.hub.figures = Health(last_seq=1236)  # committed; this front has heard of 1234
    with desk.watchers.watch(Selection(), "a", 1236) as watcher:
        assert watcher.after == 1236
        for _ in range(3):
            desk.commit()
        assert await frames(watcher) == b"1237 "


async def test_a_number_that_nothing_committed_has_is_not_gone_on_from():
    desk = Desk()
    with desk.watchers.watch(Selection(), "a", 1235) as watcher:
        assert watcher.after == 1234
