"""Comparing by negentropy (NIP-77): this relay answers, clients of others begin."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import nostr_sdk as sdk
import pytest

from relay.protocol.event import Event
from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import Reconciliation
from tests.e2e.harness import PATIENCE, Client, Server, client, fresh_key, serving
from tests.factories import Keypair, make_event


def items(events: list[Event]) -> ItemSet:
    return ItemSet((event.created_at, bytes.fromhex(event.id)) for event in events)


def notes(key: Keypair, count: int, start: int = 0) -> list[Event]:
    return [make_event(key, content=f"{n}", created_at=1_700_000_000 + n // 3) for n in range(start, start + count)]


async def compared(
    asking: Client, wanted: dict[str, Any], events: list[Event], name: str = "n", limit: int = 0
) -> tuple[set[str], set[str]]:
    """The ids that only the client has, and those that only the relay has."""
    here = Reconciliation(items(events), limit)
    have: set[str] = set()
    need: set[str] = set()
    await asking.send("NEG-OPEN", name, wanted, here.begin().hex())
    while True:
        verb, told, data = await asking.next()
        assert (verb, told) == ("NEG-MSG", name), data
        assert len(data) <= 60_000
        learned = here.go_on(bytes.fromhex(data))
        have |= {one.hex() for one in learned.have}
        need |= {one.hex() for one in learned.need}
        if learned.reply is None:
            await asking.send("NEG-CLOSE", name)
            return have, need
        await asking.send("NEG-MSG", name, learned.reply.hex())


async def told(asking: Client, *message: object) -> list[Any]:
    """The error that answers a message."""
    await asking.send(*message)
    answer = await asking.next()
    assert answer[:2] == ["NEG-ERR", message[1]]
    return list(answer[2:])


@pytest.mark.parametrize("limit", [0, 4096])
async def test_both_sides_learn_what_the_other_lacks(relay: Server, limit: int) -> None:
    key = fresh_key()
    both, ours, theirs = notes(key, 300), notes(key, 150, 300), notes(key, 7, 450)
    async with client(relay) as asking:
        await asking.store(*both, *theirs)
        have, need = await compared(asking, {"authors": [key.pubkey]}, both + ours, limit=limit)
        assert have == {event.id for event in ours}
        assert need == {event.id for event in theirs}
        assert await compared(asking, {"authors": [key.pubkey]}, both + theirs) == (set(), set())


async def test_a_filters_limit_means_its_newest_events(relay: Server) -> None:
    key = fresh_key()
    events = notes(key, 30)
    async with client(relay) as asking:
        await asking.store(*events)
        assert await compared(asking, {"authors": [key.pubkey], "limit": 9}, []) == (
            set(),
            {event.id for event in events[-9:]},
        )
        assert await compared(asking, {"authors": [key.pubkey], "limit": 0}, []) == (set(), set())


async def test_private_events_are_compared_with_their_readers_only(relay: Server) -> None:
    writer, reader, other = fresh_key(), fresh_key(), fresh_key()
    wrap = make_event(writer, 1059, "secret", tags=[["p", reader.pubkey]])
    note = make_event(writer, 1, "public", tags=[["p", reader.pubkey]])
    mine = {"#p": [reader.pubkey]}
    async with client(relay) as asking:
        await asking.store(wrap, note)
        assert await compared(asking, mine, []) == (set(), {note.id})
        (reason,) = await told(asking, "NEG-OPEN", "n", {"kinds": [1059]}, "6100000200")
        assert reason.startswith("auth-required: ")
        assert await asking.challenged()  # before that answer
    async with client(relay) as asking:
        await asking.authenticate(other)
        assert await compared(asking, mine, []) == (set(), {note.id})
    async with client(relay) as asking:
        await asking.authenticate(reader)
        assert await compared(asking, mine, []) == (set(), {wrap.id, note.id})


async def test_ids_of_comparisons_and_subscriptions_are_apart_and_a_second_one_replaces_the_first(
    relay: Server,
) -> None:
    key = fresh_key()
    events = notes(key, 5)
    async with client(relay) as asking:
        await asking.store(*events)
        assert len((await asking.request({"authors": [key.pubkey]}, name="x"))[0]) == 5
        await asking.send("NEG-OPEN", "x", {"ids": ["f" * 64]}, "6100000200")
        assert (await asking.next())[:2] == ["NEG-MSG", "x"]
        assert await compared(asking, {"authors": [key.pubkey]}, [], "x") == (set(), {event.id for event in events})
        later = make_event(key, content="live")
        await asking.post(later)
        assert sorted([(await asking.next())[0], (await asking.next())[0]]) == ["EVENT", "OK"]
        for number in range(20):  # what is closed makes room
            assert await compared(asking, {"ids": [later.id]}, [], f"{number}") == (set(), {later.id})


async def test_what_cannot_be_compared_is_told_by_its_name(relay: Server) -> None:
    async with client(relay) as asking:
        open_ = ("NEG-OPEN", "n", {"kinds": [30001]})
        assert (await told(asking, *open_))[0].startswith("invalid: NEG-OPEN is ")
        for wrong in ("zz", "61 00", "6", 7, None, "é"):
            assert (await told(asking, *open_, wrong))[
                0
            ] == "invalid: the message of NEG-OPEN must be text of hex digits"
        assert (await told(asking, "NEG-OPEN", "n", {"kinds": "1"}, "61"))[0].startswith("invalid: ")
        assert (await told(asking, "NEG-OPEN", "n", {"search": "x"}, "61"))[0].startswith("unsupported: ")
        for wrong in ("", "00", "6100000000ff", "6100000201"):
            assert (await told(asking, *open_, wrong))[0].startswith("invalid: ")
        assert (await told(asking, "NEG-MSG", "n", "61"))[0].startswith("closed: ")
        assert (await told(asking, "NEG-MSG", "n"))[0].startswith("invalid: NEG-MSG is ")
        await asking.send("NEG-CLOSE", "never")
        await asking.send(*open_, "62aabbccddeeff")  # of a version that is not spoken here
        assert await asking.next() == ["NEG-MSG", "n", "61"]


async def test_a_connection_has_four_comparisons_at_most(relay: Server) -> None:
    async with client(relay) as asking:
        for number in range(4):
            await asking.send("NEG-OPEN", f"{number}", {"ids": ["f" * 64]}, "6100000200")
            assert (await asking.next())[0] == "NEG-MSG"
        (reason,) = await told(asking, "NEG-OPEN", "5", {"ids": ["f" * 64]}, "6100000200")
        assert reason == "rate-limited: 4 comparisons may be open on a connection; NEG-CLOSE one first"
        await asking.send("NEG-CLOSE", "0")
        await asking.send("NEG-OPEN", "5", {"ids": ["f" * 64]}, "6100000200")
        assert (await asking.next())[:2] == ["NEG-MSG", "5"]


async def test_what_is_refused_by_its_name_is_open_no_more(relay: Server) -> None:
    async with client(relay) as asking:
        wrong: list[tuple[object, ...]] = [
            ("NEG-OPEN", "n", {"search": "x"}, "61"),
            ("NEG-OPEN", "n", {"kinds": "1"}, "61"),
            ("NEG-OPEN", "n", {}, "6z"),
            ("NEG-OPEN", "n"),
            ("NEG-MSG", "n", "6z"),
            ("NEG-MSG", "n"),
        ]
        for message in wrong:
            await asking.send("NEG-OPEN", "n", {"ids": ["f" * 64]}, "6100000200")
            assert (await asking.next())[0] == "NEG-MSG"
            await told(asking, *message)
            assert (await told(asking, "NEG-MSG", "n", "6100000200"))[0].startswith("closed: ")


async def test_the_bound_is_told_and_none_means_that_nothing_is_compared(tmp_path: Path) -> None:
    key = fresh_key()
    with serving(tmp_path, "limits.max_compared=10") as server:
        async with client(server) as asking:
            await asking.store(*notes(key, 11))
            reason, most = await told(asking, "NEG-OPEN", "n", {"authors": [key.pubkey]}, "6100000200")
            assert (reason, most) == ("blocked: more than 10 events match; divide them by since and until", 10)
            assert len((await compared(asking, {"authors": [key.pubkey], "until": 1_700_000_002}, []))[1]) == 9
    with serving(tmp_path, "limits.max_compared=0") as server:
        async with client(server) as asking:
            (reason,) = await told(asking, "NEG-OPEN", "n", {"authors": [key.pubkey]}, "6100000200")
            assert reason.startswith("unsupported: ")


async def test_nostr_sdk_syncs_both_ways(relay: Server) -> None:
    key = fresh_key()
    ours, theirs = notes(key, 40), notes(key, 25, 40)
    async with client(relay) as storing:
        await storing.store(*theirs)
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    wait = timedelta(seconds=PATIENCE)
    syncing = sdk.ClientBuilder().build()
    url = sdk.RelayUrl.parse(relay.url)
    await syncing.add_relay(url)
    await syncing.try_connect(wait)
    try:
        mine = [
            sdk.NegentropyItem(id=sdk.EventId.parse(one.id), timestamp=sdk.Timestamp.from_secs(one.created_at))
            for one in ours
        ]
        remote = await syncing.relay(url)
        assert remote is not None
        wanted = sdk.Filter().author(sdk.PublicKey.parse(key.pubkey))
        summary = await remote.sync(wanted, items=mine, opts=sdk.SyncOptions().dry_run())
    finally:
        await syncing.shutdown()
    assert {one.to_hex() for one in summary.local} == {event.id for event in ours}
    assert {one.to_hex() for one in summary.remote} == {event.id for event in theirs}
