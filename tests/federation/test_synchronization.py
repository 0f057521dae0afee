"""Synchronizing with peers of every kind: those that compare, those that refuse in every way there is, and those that lie."""

import asyncio
import json
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.utils import accept_key

from relay.client import Key
from relay.client.errors import ClientError, Disconnected
from relay.federation import comparison, link, transfers, verdicts
from relay.federation.connection import PeerConnection
from relay.federation.early import Early
from relay.federation.link import Misbehaved
from relay.federation.sync import Direction, SyncFound, Synchronization, SyncPlan
from relay.federation.transfers import Downloads, SyncCounts, Uploads
from relay.federation.verdicts import Fate, Verdict
from relay.protocol.event import Event, first_value
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import Reconciled, Reconciliation
from relay.protocol.retention import Retention, RetentionRule
from relay.server.supervision import Faults
from storage.base import Outcome
from tests.e2e.harness import PATIENCE
from tests.factories import keypair, make_event
from tests.federation.fake_peer import FakePeer, MemoryEvents

EVERYTHING = Filter()


def notes(count: int, start: int = 0, step: int = 1) -> list[Event]:
    return [make_event(content=f"{n}", created_at=1_700_000_000 + n // step) for n in range(start, start + count)]


async def synchronized(
    peer: FakePeer,
    local: MemoryEvents,
    *,
    key: Key | None = None,
    wanted: Filter = EVERYTHING,
    **plan: Any,
) -> tuple[SyncFound, SyncCounts]:
    """What differed and what was moved."""
    counts = SyncCounts()
    link = await PeerConnection.open(peer.url, key, allow_private=True)
    try:
        work = Synchronization(
            link,
            local,
            SyncPlan(wanted, **({"direction": Direction.BOTH} | plan)),
            Downloads(link, local, counts),
            Uploads(link, counts),
        )
        await work.run()
        return work.found, counts
    finally:
        await link.close()


@pytest.mark.parametrize("compares", ["yes", "error", "notice", "closed", "silence"])
@pytest.mark.parametrize("hints", [False, True])
async def test_both_sides_have_everything_however_the_peer_answers(
    compares: str, hints: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compares == "silence":  # who answers is given the time that it takes
        monkeypatch.setattr(comparison, "FIRST_WITHIN", 0.3)
    both, ours, theirs = notes(900), notes(40, 900), notes(700, 940)
    local = MemoryEvents(both + ours)
    async with FakePeer(both + theirs).serving() as peer:
        peer.compares, peer.hints, peer.page = compares, hints, 100
        found, counts = await synchronized(peer, local)
        assert local.events.keys() == peer.events.keys() == {one.id for one in both + ours + theirs}
    assert (found.compares, found.need, found.have) == (compares == "yes", 700, 40)
    assert (counts.received, counts.stored, counts.sent, counts.taken) == (700, 700, 40, 40)


@pytest.mark.parametrize("tells_most", [False, True])
async def test_where_either_side_has_too_many_the_time_is_cut(tells_most: bool) -> None:
    both, ours, theirs = notes(500), notes(30, 500), notes(90, 530)
    local = MemoryEvents(both + ours, most=150)
    async with FakePeer(both + theirs).serving() as peer:
        peer.most, peer.tells_most = 100, tells_most
        found, _ = await synchronized(peer, local)
        assert local.events.keys() == peer.events.keys()
        assert found.compares
        assert not [one for one in peer.said if one[0] == "REQ" and "ids" not in one[2]]


@pytest.mark.parametrize("compares", ["yes", "error"])
async def test_what_is_not_kept_here_is_neither_asked_for_nor_offered(compares: str) -> None:
    """The time is cut at each kind's horizon; what a rule keeps of some authors, and what none names, is compared as ever."""
    now, author = int(time.time()), keypair(3).pubkey
    rules = [
        RetentionRule(((7, 7),), 20, (author,)),
        RetentionRule(((1, 1), (7, 7)), 10),
        RetentionRule(((6, 6),), 5, (), "members"),
    ]
    theirs, ours = (
        [make_event(key, kind, created_at=now - days * 86_400) for kind in (1, 6, 7, 30) for days in (1, 12, 25, 90)]
        for key in (1, 2)
    )
    local = MemoryEvents(ours)
    kinds = frozenset([1, 6, 7, 30])
    async with FakePeer(theirs).serving() as peer:
        peer.compares = compares
        found, counts = await synchronized(peer, local, wanted=Filter(kinds=kinds), retention=Retention(rules))
        past = {1: (12, 25, 90), 7: (25, 90)}
        lost = {one.id for one in theirs + ours if (now - one.created_at) // 86_400 in past.get(one.kind, ())}
        everything = {one.id for one in theirs + ours}
        assert local.events.keys() == everything - lost | {one.id for one in ours}
        assert peer.events.keys() == everything - lost | {one.id for one in theirs}
        assert (found.need, found.have, counts.received) == (11, 11, 11)
        again, _ = await synchronized(peer, local, wanted=Filter(kinds=kinds), retention=Retention(rules))
        assert (again.need, again.have) == (0, 0)
        only = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])), retention=Retention(rules))
        assert (only[0].need, only[0].have) == (0, 0)


async def test_what_is_lacking_is_stored_in_the_order_of_time() -> None:
    """So that what one transaction stores stands together in the indexes."""
    stored: list[list[int]] = []

    class Noting(MemoryEvents):
        async def take(self, events: Sequence[Event]) -> list[Outcome]:
            stored.append([event.created_at for event in events])
            return await super().take(events)

    async with FakePeer(notes(2000)).serving() as peer:
        await synchronized(peer, Noting(notes(7)))
    stored = sorted(filter(None, stored), key=min)
    assert sum(map(len, stored)) == 1993
    assert all(one == sorted(one) for one in stored)
    assert all(max(one) < min(other) for one, other in pairwise(stored))


async def test_a_second_with_more_events_than_the_peer_compares_is_read_in_pages() -> None:
    crowd = notes(60, step=1000)
    local = MemoryEvents(crowd[:10])
    async with FakePeer(crowd).serving() as peer:
        peer.most = 20
        found, _ = await synchronized(peer, local)
        assert local.events.keys() == peer.events.keys()
        assert (found.compares, found.lost) == (True, 0)


async def test_what_is_older_than_such_a_second_is_compared_where_it_is_only_sent_to() -> None:
    crowd, older = notes(60, step=1000), [make_event(content=f"{n}", created_at=1_600_000_000 + n) for n in range(5)]
    async with FakePeer(crowd).serving() as peer:
        peer.most = 20
        await synchronized(peer, MemoryEvents(older), direction=Direction.UP, never_pages=True)
        assert peer.events.keys() >= {event.id for event in older}


async def test_a_peer_that_refuses_windows_however_small_is_read_in_pages_soon() -> None:
    local = MemoryEvents()
    async with FakePeer(notes(20)).serving() as peer:
        peer.most = -1
        found, _ = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])))
        assert local.events.keys() == peer.events.keys()
        assert (found.compares, found.said) == (False, "it refuses to compare even single seconds")
        assert peer.verbs().count("NEG-OPEN") < 500


async def test_a_second_with_more_events_than_the_peer_ever_gives_is_told() -> None:
    crowd = notes(60, step=1000)
    local = MemoryEvents()
    async with FakePeer([*crowd, *notes(5, 2000)]).serving() as peer:
        peer.compares, peer.page, peer.hints = "error", 20, True
        found, _ = await synchronized(peer, local)
        assert len(local.events) == 25
        assert found.lost == 1


@pytest.mark.parametrize(("compares", "most"), [("yes", 1000), ("yes", 5), ("error", 1000)])
async def test_a_limit_means_the_newest_so_many(compares: str, most: int) -> None:
    here, there = MemoryEvents(notes(60)[::2]), FakePeer(notes(60)[1::2])
    here.most = 20
    async with there.serving() as peer:
        peer.compares, peer.most, peer.page = compares, most, 7
        found, counts = await synchronized(peer, here, wanted=Filter(limit=10))
    assert (found.need, counts.stored) == (10, 10)
    assert min(event.created_at for event in here.taken) == notes(60)[41].created_at
    assert 9 <= found.have <= 10  # of pages, those that are not older than the tenth


@pytest.mark.parametrize(("direction", "need", "have"), [("down", 5, 0), ("up", 0, 7)])
async def test_a_direction_is_kept_to(direction: str, need: int, have: int) -> None:
    local = MemoryEvents(notes(7))
    async with FakePeer(notes(5, 7)).serving() as peer:
        found, counts = await synchronized(peer, local, direction=Direction(direction))
        assert (found.need, found.have) == (need, have)
        assert (counts.stored, counts.taken) == (need, have)


async def test_a_dry_run_moves_nothing() -> None:
    local = MemoryEvents(notes(7))
    async with FakePeer(notes(5, 7)).serving() as peer:
        found, counts = await synchronized(peer, local, dry=True)
        assert (found.need, found.have, counts) == (5, 7, SyncCounts())
        assert len(local.events) == 7


async def test_deletions_go_first_both_ways() -> None:
    old = make_event(kind=5, tags=[["e", "a" * 64]], created_at=1_600_000_000)
    other = make_event(2, kind=5, tags=[["e", "b" * 64]], created_at=1_600_000_000)
    local = MemoryEvents([*notes(5), old])
    async with FakePeer([*notes(5, 5), other]).serving() as peer:
        await synchronized(peer, local)
        assert local.taken[0] == other
        assert next(message for message in peer.said if message[0] == "EVENT")[1]["id"] == old.id


async def test_a_peer_that_asks_who_we_are_is_told_when_there_is_a_key() -> None:
    local = MemoryEvents()
    async with FakePeer(notes(5)).serving() as peer:
        peer.wants_proof = True
        await synchronized(peer, local, key=Key(keypair(3).secret))
        assert len(local.events) == 5
        proof = next(message[1] for message in peer.said if message[0] == "AUTH")
        assert proof["pubkey"] == keypair(3).pubkey
        assert ["relay", peer.url] in proof["tags"]
        with pytest.raises(ClientError, match="auth-required"):
            await synchronized(peer, MemoryEvents())


async def test_what_may_not_be_passed_on_is_not_sent() -> None:
    protected = make_event(tags=[["-"]])
    elsewhere = make_event(kind=62, tags=[["relay", "wss://elsewhere.example"]])
    everywhere = make_event(2, kind=62, tags=[["relay", "ALL_RELAYS"]])
    local = MemoryEvents([protected, elsewhere, everywhere])
    async with FakePeer().serving() as peer:
        _, counts = await synchronized(peer, local)
        assert peer.events.keys() == {everywhere.id}
        assert (counts.sent, counts.withheld) == (1, 3)  # the request from other relays in both rounds


async def test_what_may_not_be_passed_on_is_not_taken_either() -> None:
    protected, told = make_event(tags=[["-"]]), make_event(kind=39000, tags=[["d", "group"]])
    local = MemoryEvents()
    async with FakePeer([protected, told, *notes(3)]).serving() as peer:
        _, counts = await synchronized(peer, local)
    assert (len(local.events), counts.received, counts.refused, counts.withheld) == (3, 3, 0, 2)
    assert local.passed_over == 2


class Refusing(FakePeer):
    """Answers each EVENT with the next of these."""

    answers: list[tuple[bool, str]]

    async def take(self, connection: ServerConnection, event: Event) -> None:
        accepted, words = self.answers.pop(0)
        await self.send(connection, "OK", event.id, accepted, words)


async def test_a_refusal_for_now_is_offered_again_and_one_for_good_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    events = notes(3)
    peer = Refusing()
    peer.answers = [(False, "rate-limited: wait 7 seconds"), (False, "blocked: no"), (False, "duplicate: "), (True, "")]
    async with peer.serving():
        counts, settled = SyncCounts(), []
        link = await PeerConnection.open(peer.url, allow_private=True)
        uploads = Uploads(link, counts, lambda event_id, said: settled.append((event_id, said.fate.value)), sleep)
        await uploads.send(MemoryEvents(events), [event.id for event in events])
        await link.close()
    assert waits == [7.0]
    assert [fate for _, fate in settled] == ["refused", "known", "taken"]
    assert (counts.sent, counts.taken, counts.known, counts.rejected) == (3, 1, 1, 1)
    assert counts.rejections == {"blocked: no": 1}
    assert counts.delays == {"rate-limited: wait 7 seconds": 1}


async def test_what_a_peer_cannot_take_again_and_again_is_left_until_later() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    (event,) = notes(1)
    peer = Refusing()
    peer.answers = [(False, "error: the disk is full")] * 9
    async with peer.serving():
        counts, settled = SyncCounts(), []
        link = await PeerConnection.open(peer.url, allow_private=True)
        uploads = Uploads(link, counts, lambda event_id, said: settled.append((event_id, said.fate.value)), sleep)
        await uploads.send(MemoryEvents([event]), [event.id])
        await link.close()
    assert (waits, settled) == (list(verdicts.PAUSES), [(event.id, "later")])
    assert counts.delays == {"error: the disk is full": len(verdicts.PAUSES)}


@pytest.mark.parametrize("beside", [False, True], ids=["by whoever offers", "beside"])
async def test_what_a_peer_answers_at_once_is_settled_in_order_and_each_as_it_was_answered(beside: bool) -> None:
    answers = {
        "taken": (True, ""),
        "known": (True, "duplicate: have it"),
        "refused": (False, "blocked: no"),
    }
    fates = ["taken", "taken", "known", "refused", "taken", "known", "refused", "refused", "taken"]

    class Late(FakePeer):
        """Answers when it has been offered everything."""

        async def take(self, connection: ServerConnection, event: Event) -> None:
            self.events[event.id] = event
            if len(self.events) == len(fates):
                for event_id, fate in zip(self.events, fates, strict=True):
                    await self.send(connection, "OK", event_id, *answers[fate])

    events, settled, counts = notes(len(fates)), list[tuple[str, str]](), SyncCounts()
    async with Late().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        uploads = Uploads(link, counts, lambda event_id, said: settled.append((event_id, said.fate.value)))
        settling = [asyncio.create_task(uploads.settle_on())] if beside else []
        await asyncio.sleep(0)  # it begins
        await uploads.send(MemoryEvents(events), [event.id for event in events])
        for task in settling:
            task.cancel()
        await asyncio.gather(*settling, return_exceptions=True)
        await link.close()
    assert settled == list(zip(peer.events, fates, strict=True))
    assert (counts.sent, counts.taken, counts.known, counts.rejected) == (9, 4, 2, 3)


class Bucket(FakePeer):
    """Takes so many events, and as many more after each pause of ours."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = self.left = size
        self.offered = 0

    async def take(self, connection: ServerConnection, event: Event) -> None:
        self.offered += 1
        if self.left:
            self.left -= 1
            await super().take(connection, event)
        else:
            await self.send(connection, "OK", event.id, False, "rate-limited: slow down")

    async def fill(self, _seconds: float) -> None:
        self.left = self.size


@pytest.mark.parametrize("size", [1, 10, 70])
async def test_a_peer_is_soon_sent_no_more_at_once_than_it_takes(size: int) -> None:
    peer, waits, counts = Bucket(size), list[float](), SyncCounts()
    events = notes(300)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await peer.fill(seconds)

    async with peer.serving():
        link = await PeerConnection.open(peer.url, allow_private=True)
        await Uploads(link, counts, sleep=sleep).send(MemoryEvents(events), [event.id for event in events])
        await link.close()
    assert peer.events.keys() == {event.id for event in events}
    assert (counts.sent, counts.taken, counts.rejected) == (300, 300, 0)
    assert len(waits) <= 2 * 300 / size + 20  # a pause for all that was under way, not one for each
    assert peer.offered < 10 * 300  # not all of them after each pause
    assert max(waits) == 1.0  # it took something after each


async def test_what_is_refused_before_its_time_has_come_is_not_refused_for_good() -> None:
    key = keypair(7)
    early = make_event(key, content="early", created_at=int(time.time()) + 1000)
    events = [make_event(key, content="now"), early]
    peer = Refusing()
    peer.answers = [(False, "invalid: created_at is in the future")] * 2
    async with peer.serving():
        settled: dict[str, Verdict] = {}
        link = await PeerConnection.open(peer.url, allow_private=True)
        await Uploads(link, SyncCounts(), settled.__setitem__).send(MemoryEvents(events), [one.id for one in events])
        await link.close()
    assert [settled[one.id].for_good for one in events] == [True, False]


class Strict(FakePeer):
    """Takes no comment without its post."""

    async def take(self, connection: ServerConnection, event: Event) -> None:
        root = first_value(event, "E")
        if root is None or root in self.events:
            await super().take(connection, event)
        else:
            await self.send(connection, "OK", event.id, False, "invalid: the post that it comments on is not here")


async def test_a_comment_that_is_offered_before_its_post_is_offered_again_after_it() -> None:
    posts, others = notes(2), notes(500, 2)
    comments = [make_event(kind=1111, content=f"{n}", tags=[["E", posts[0].id]]) for n in range(5)]
    without = make_event(kind=1111, tags=[["E", "ab" * 32]])
    newest_first = [*comments, without, *others, *posts]
    settled: dict[str, Verdict] = {}
    async with Strict().serving() as peer:
        counts = SyncCounts()
        link = await PeerConnection.open(peer.url, allow_private=True)
        await Uploads(link, counts, settled.__setitem__).send(
            MemoryEvents(newest_first), [one.id for one in newest_first]
        )
        await link.close()
    assert peer.events.keys() == {one.id for one in newest_first} - {without.id}
    assert all(settled[one.id].fate is Fate.TAKEN for one in comments)
    assert not settled[without.id].for_good  # its post may come by another way
    assert (counts.sent, counts.taken, counts.rejected) == (508, 507, 1)
    assert list(counts.rejections.values()) == [1]


async def test_a_comment_that_is_offered_before_the_deletion_of_its_post_is_offered_again_after_it() -> None:
    class Forgetful(FakePeer):
        """Takes comments on what it knows to be deleted, or whose author it knows to have vanished."""

        async def take(self, connection: ServerConnection, event: Event) -> None:
            if event.kind != 1111 or event.content in {one.content for one in self.events.values()}:
                await super().take(connection, event)
            else:
                await self.send(connection, "OK", event.id, False, "invalid: the post that it comments on is not here")

    post, author = "ab" * 32, keypair(7)
    on_deleted = make_event(kind=1111, content="deleted", tags=[["E", post], ["P", keypair(8).pubkey]])
    on_vanished = make_event(kind=1111, content="vanished", tags=[["E", "cd" * 32], ["P", author.pubkey]])
    deletion = make_event(keypair(8), 5, "deleted", [["e", post], ["k", "11"]])
    vanish = make_event(author, 62, "vanished", [["relay", "ALL_RELAYS"]])
    async with Forgetful().serving() as peer:
        counts, early = SyncCounts(), Early()
        link = await PeerConnection.open(peer.url, allow_private=True)
        local = MemoryEvents([on_deleted, on_vanished, deletion, vanish])
        for some in ([on_deleted, on_vanished], [deletion, vanish]):
            await Uploads(link, counts, early=early).send(local, [one.id for one in some])
        await link.close()
    assert peer.events.keys() == local.events.keys()
    assert (counts.taken, counts.rejected, len(early)) == (4, 0, 0)


async def test_where_both_have_the_same_one_round_of_a_few_hundred_bytes_says_so() -> None:
    events = notes(2000)
    async with FakePeer(events).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        items = ItemSet((event.created_at, bytes.fromhex(event.id)) for event in events)
        found = await comparison.compare(link, EVERYTHING, items)
        await link.close()
        opened = next(message for message in peer.said if message[0] == "NEG-OPEN")
    assert (found.have, found.need, found.rounds) == ({}, {}, 1)
    assert len(json.dumps(opened)) < 1000


@pytest.mark.parametrize(("most", "beside"), [(2000, False), (1999, True)])
async def test_what_a_large_set_takes_is_worked_out_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, most: int, beside: bool
) -> None:
    events = notes(2000)
    threads = set()

    class Noting(Reconciliation):
        def go_on(self, message: bytes) -> Reconciled:
            threads.add(threading.current_thread())
            return super().go_on(message)

    monkeypatch.setattr(comparison, "LARGE", most)
    monkeypatch.setattr(comparison, "Reconciliation", Noting)
    async with FakePeer(events).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        items = ItemSet((event.created_at, bytes.fromhex(event.id)) for event in events)
        await comparison.compare(link, EVERYTHING, items)
        await link.close()
    assert (threading.current_thread() not in threads) is beside


# peers that lie


async def test_wrong_ids_and_signatures_are_refused_and_hold_up_nothing() -> None:
    forged = msgspec.structs.replace(make_event(content="a"), content="b")
    unsigned = msgspec.structs.replace(make_event(content="c"), sig="0" * 128)
    local = MemoryEvents()
    async with FakePeer([*notes(20), forged, unsigned]).serving() as peer:
        _, counts = await synchronized(peer, local)
        assert len(local.events) == 20
        assert counts.refused == 2
        assert all(reason.startswith("invalid: ") for reason in counts.refusals)


class Claiming(FakePeer):
    """Claims to have events that it has not."""

    def found(self, wanted: Any) -> list[Event]:
        real = super().found(wanted)
        if any(one.ids is not None for one in wanted):
            return real
        one = make_event()
        return real + [msgspec.structs.replace(one, id=f"{n:064x}") for n in range(700)]


async def test_what_is_claimed_and_not_given_is_counted() -> None:
    local = MemoryEvents()
    async with Claiming(notes(20)).serving() as peer:
        _, counts = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])))
        assert (counts.stored, counts.not_given) == (20, 700)


async def fetched(downloads: Downloads, ids: list[str]) -> None:
    fetching = downloads.fetching()
    fetching.want(ids)
    await fetching.finish()


async def test_a_peer_that_claims_much_in_vain_is_asked_at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "VAIN", 600)
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    async with Claiming(notes(20)).serving() as peer:
        connection, counts = await PeerConnection.open(peer.url, allow_private=True), SyncCounts()
        downloads = Downloads(connection, MemoryEvents(), counts, sleep=sleep)
        await fetched(downloads, [*peer.events, *(f"{n:064x}" for n in range(500))])
        assert rests == []
        await fetched(downloads, [f"{n:064x}" for n in range(500, 2500)])
        await connection.close()
    assert (counts.stored, counts.not_given) == (20, 2500)
    assert rests == [transfers.REST] * 8


class Endless(FakePeer):
    """Every message of a comparison says that all fingerprints differ, or claims ever new ids."""

    async def go_on(self, connection: ServerConnection, name: str, data: bytes) -> None:
        await self.send(connection, "NEG-MSG", name, "61000001" + "ab" * 16)


async def test_fingerprints_that_never_match_come_to_an_end() -> None:
    async with Endless(notes(100)).serving() as peer:
        with pytest.raises(Misbehaved, match="does not come to an end in a comparison"):
            await synchronized(peer, MemoryEvents(notes(100)))
        assert peer.verbs().count("NEG-MSG") <= comparison.FREE_ROUNDS + 30


class Forging(FakePeer):
    """Does not compare, and has ever older pages of events that nobody signed."""

    def found(self, wanted: Any) -> list[Event]:
        one, top = make_event(), wanted[0].until or 1_700_000_000
        self.pages = getattr(self, "pages", 0) + 1
        return [
            msgspec.structs.replace(one, id=f"{self.pages:032x}{n:032x}", created_at=top - 1 - n) for n in range(500)
        ]


async def test_a_peer_that_gives_nothing_but_forged_events_is_left() -> None:
    local = MemoryEvents()
    async with Forging().serving() as peer:
        peer.compares = "error"
        with pytest.raises(Misbehaved, match="gives forged events: the id is not the hash of the event"):
            await asyncio.wait_for(synchronized(peer, local, wanted=Filter(kinds=frozenset([1]))), 60)
        assert peer.verbs().count("REQ") <= 1 + link.MOST_FORGED // 499 + transfers.STORING
    assert not local.events


async def test_a_peer_that_has_some_forged_events_among_others_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MOST_FORGED", 10)
    monkeypatch.setattr(transfers, "ASKED", 10)
    events = [
        msgspec.structs.replace(one, sig="0" * 128) if not number % 6 else one for number, one in enumerate(notes(120))
    ]
    local = MemoryEvents()
    async with FakePeer(events).serving() as peer:
        _, counts = await synchronized(peer, local, wanted=Filter(kinds=frozenset([1])))
    assert (counts.stored, counts.refused) == (100, 20)


class Shouting(FakePeer):
    """Sends frames of two megabytes that nobody asked for."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await self.send(connection, "NEG-MSG", "unasked", "61" * 1_000_000)
            await asyncio.sleep(0)  # the other side has its turn


class Elsewhere(FakePeer):
    """Answers other subscriptions than the one that was asked."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            for event in self.events.values():
                await self.give(connection, "another", event)
                await asyncio.sleep(0)  # the other side has its turn


class Unasked(FakePeer):
    """Answers with events that do not match."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await self.give(connection, name, make_event(kind=7))
            await asyncio.sleep(0)  # the other side has its turn


class Babbling(FakePeer):
    """Sends what is no message."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await connection.send("no message")
            await asyncio.sleep(0)  # the other side has its turn


class Challenging(FakePeer):
    """Asks for a proof, at length and without end."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await self.send(connection, "AUTH", "c" * 1_000_000)
            await asyncio.sleep(0)  # the other side has its turn


class AskingAgain(Challenging):
    """Asks for a proof without end."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await self.send(connection, "AUTH", "c")
            await asyncio.sleep(0)  # the other side has its turn


class Ending(FakePeer):
    """Says again and again that this is all, or that it has ended what was asked."""

    def __init__(self, verb: str) -> None:
        super().__init__()
        self.verb = verb

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await self.send(connection, self.verb, name, "")
            await asyncio.sleep(0)


class Oking(FakePeer):
    """Answers events that nobody sent."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await self.send(connection, "OK", "ab" * 32, True, "x" * 1_000_000)
            await asyncio.sleep(0)  # the other side has its turn


class Pinging(FakePeer):
    """Sends pings, or pongs, as fast as it can."""

    def __init__(self, verb: str) -> None:
        super().__init__()
        self.verb = verb

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        while True:
            await getattr(connection, self.verb)(os.urandom(8))
            await asyncio.sleep(0)


class Crumbling(FakePeer):
    """Sends a message that never ends, in parts of nothing."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        async def parts() -> AsyncIterator[str]:
            while True:
                yield ""
                await asyncio.sleep(0)

        await connection.send(parts())


class AskingEachTime(FakePeer):
    """Answers each event that comes before a proof with a challenge of its own, as some relays do."""

    async def handle(self, connection: ServerConnection) -> None:
        self.early = 0
        await super().handle(connection)

    async def take(self, connection: ServerConnection, event: Event) -> None:
        if any(message[0] == "AUTH" for message in self.said) and self.early >= 500:
            await super().take(connection, event)
        else:
            self.early += 1
            await self.send(connection, "AUTH", "challenge")
            await self.send(connection, "OK", event.id, False, "auth-required: who are you?")


async def test_what_nobody_foresaw_ends_the_connection_and_is_reported() -> None:
    faults = Faults()

    def fails(_event: object) -> None:
        raise RuntimeError("a secret")

    async with FakePeer(notes(1)).serving() as peer:
        connection = await PeerConnection.open(peer.url, allow_private=True, report=faults.report)
        await connection.subscribe((EVERYTHING,), fails)
        reason = await asyncio.wait_for(connection.lost(), PATIENCE)
        await connection.close()
    assert str(reason) == f"internal error (RuntimeError) with {peer.url}"
    assert faults.problem() == f"reading from {peer.url} failed (RuntimeError); the log says more"


async def test_a_peer_that_asks_again_with_each_refusal_is_not_cut_off() -> None:
    events = notes(500)
    async with AskingEachTime().serving() as peer:
        connection = await PeerConnection.open(peer.url, Key(b"\1" * 32), allow_private=True)
        uploads = Uploads(connection, SyncCounts())
        await uploads.send(MemoryEvents(events), [event.id for event in events])
        await connection.close()
        assert len(peer.events) == 500


FLOODS = [
    (Challenging, "sent a challenge of 1,000,000 characters"),
    (AskingAgain, "sent a challenge"),
    (lambda: Ending("EOSE"), "ended a subscription twice"),
    (lambda: Ending("CLOSED"), "ended a subscription twice"),
    (Oking, "answered an event that was not sent"),
    (lambda: Pinging("ping"), "sent a ping"),
    (lambda: Pinging("pong"), "sent a pong"),
    (Crumbling, "sent a small part of a message"),
]


@pytest.mark.parametrize(("make", "told"), FLOODS)
async def test_a_peer_that_floods_with_what_may_come_now_and_then_is_cut_off_and_named(
    make: Callable[[], FakePeer], told: str
) -> None:
    async with make().serving() as peer:
        connection = await PeerConnection.open(peer.url, Key(b"\1" * 32), allow_private=True)
        await connection.subscribe((EVERYTHING,), lambda _event: None)
        reason = await asyncio.wait_for(connection.lost(), PATIENCE)
        await connection.close()
        assert isinstance(reason, Misbehaved)
        assert str(reason).endswith(f"sends what it should not: it {told}")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Shouting, "sent a message of a comparison that is not open"),
        (Elsewhere, "sent an event for a subscription that is not open"),
        (Unasked, "sent an event that was not asked for"),
        (Babbling, "sent what is no message"),
    ],
)
async def test_a_peer_that_sends_what_it_should_not_is_cut_off_and_named(kind: type[FakePeer], told: str) -> None:
    async with kind(notes(3)).serving() as peer:
        peer.compares = "error"
        with pytest.raises(Misbehaved, match=told):
            await synchronized(peer, MemoryEvents(), wanted=Filter(kinds=frozenset([1])))


class Silent(FakePeer):
    """Takes everything and answers nothing."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        pass


async def test_a_peer_that_answers_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "FIRST_WITHIN", 0.3)
    monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.3, None))
    async with Silent(notes(3)).serving() as peer:
        peer.compares = "silence"
        with pytest.raises(ClientError, match=r"gave no answer within 0\.3 s"):
            await synchronized(peer, MemoryEvents())


async def test_pages_that_go_on_for_ever_end_where_time_does() -> None:
    class Repeating(FakePeer):
        async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
            if wanted[0].ids is None:
                top = wanted[0].until or 1_000
                await self.give(connection, name, make_event(content=f"{top}", created_at=top))
            await self.send(connection, "EOSE", name, ["more"])

    async with Repeating().serving() as peer:
        peer.compares = "error"
        found, _ = await synchronized(peer, MemoryEvents(), since=900, until=1000)
        assert found.need == 101


# connecting


async def test_a_redirect_is_not_followed() -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Disconnected, match="redirects, which is not followed"):
        await PeerConnection.open(f"ws://127.0.0.1:{port}", allow_private=True)
    await asyncio.wait_for(ended.wait(), PATIENCE)
    server.close()


async def test_tls_that_fails_is_named() -> None:
    async with FakePeer().serving() as peer:
        with pytest.raises(Disconnected, match=r"TLS failed|cannot connect"):
            await PeerConnection.open(peer.url.replace("ws:", "wss:"), allow_private=True)


def test_a_certificate_that_is_not_trusted_is_told_from_a_port_without_tls() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    plain = ssl.SSLError(1, "wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert link.tls_words(untrusted) == "the certificate is not trusted: self-signed certificate"
    assert link.tls_words(plain) == "what answers there speaks no TLS; it may be a ws:// URL"


async def test_a_page_that_is_no_relay_is_told_by_what_it_answers() -> None:
    async with serve(
        lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=lambda connection, _: connection.respond(404, "no")
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(Disconnected, match="opens no WebSocket, it answers: 404 Not Found"):
            await PeerConnection.open(f"ws://127.0.0.1:{port}", allow_private=True)


async def test_a_port_that_speaks_tls_is_told_from_one_without() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x15\x03\x03\x00\x02\x02\x46")  # a fatal alert
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Disconnected, match="speaks no HTTP; it may be a wss:// URL"):
            await PeerConnection.open(f"ws://127.0.0.1:{port}", allow_private=True)


@pytest.mark.parametrize(("scheme", "other"), [("wss", "ws"), ("ws", "wss")])
@pytest.mark.parametrize("how", ["abort", "close"])
async def test_who_hangs_up_is_told_as_such(scheme: str, other: str, how: str) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        getattr(writer.transport, how)()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Disconnected, match=f"{url}: what answers there hung up; it may be a {other}:// URL$"):
            await PeerConnection.open(url, allow_private=True)


async def test_a_half_open_socket_is_left() -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)  # until the other side gives up
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Disconnected, match=r"did not answer within 0\.2 s"):
        await PeerConnection.open(f"ws://127.0.0.1:{port}", allow_private=True, within=0.2)
    await asyncio.wait_for(ended.wait(), PATIENCE)
    server.close()


async def test_a_peer_that_answers_no_ping_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PING", 0.1)
    monkeypatch.setattr(link, "PONG_WITHIN", 0.1)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("sec-websocket-key"))
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        await reader.read(-1)  # and says nothing more
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    silent = await PeerConnection.open(f"ws://127.0.0.1:{port}", allow_private=True)
    reason = await asyncio.wait_for(silent.lost(), PATIENCE)
    assert str(reason).endswith("did not answer a ping within 0.1 s")
    await silent.close()
    server.close()
