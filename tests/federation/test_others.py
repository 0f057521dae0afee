"""Synchronizing with relays that nobody here wrote."""

import asyncio
import json
from pathlib import Path

import nostr_sdk as sdk

from tests.e2e.harness import client, command, fresh_key, now, serving
from tests.factories import make_event
from tests.federation.test_peers import settings, until
from tests.federation.test_sync import ids, notes, store


async def test_with_the_relay_of_nostr_sdk_both_ways(tmp_path: Path) -> None:
    key = fresh_key()
    both, ours, theirs = notes(key, 150), notes(key, 45, 150), notes(key, 200, 195)
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    other = sdk.LocalRelayBuilder().rate_limit(sdk.RateLimit(max_reqs=1000, notes_per_minute=1_000_000)).build()
    await other.run()
    url = str(await other.url())
    with serving(tmp_path / "here") as here:
        async with client(url) as asking:
            for event in both + theirs:
                await asking.publish(event)
        await store(here, *both, *ours)
        done = await asyncio.to_thread(command, "sync", url, '{"kinds":[1]}', "--json", data=here.data)
        told = json.loads(done.stdout)
        assert (told["have"], told["need"], told["compares"]) == (45, 200, True), done.stderr
        assert await ids(here, 1) == {event.id for event in both + ours + theirs}
        async with client(url) as asking:
            assert set(await asking.stored({"kinds": [1], "limit": 500})) == await ids(here, 1)
    other.shutdown()


async def test_the_relay_of_nostr_sdk_as_a_peer(tmp_path: Path) -> None:
    key = fresh_key()
    ours, theirs = notes(key, 40), notes(key, 60, 40)
    live = [make_event(key, content=f"{n}", created_at=now()) for n in range(2)]
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    other = sdk.LocalRelayBuilder().rate_limit(sdk.RateLimit(max_reqs=1000, notes_per_minute=1_000_000)).build()
    await other.run()
    url = str(await other.url()).removesuffix("/")
    async with client(url) as asking, client(url) as telling:  # who asks hears what comes until its CLOSE is read
        for event in theirs:
            await telling.publish(event)
        with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", url)) as here:
            await store(here, *ours)

            async def same(expected: set[str]) -> bool:
                found = set(await asking.stored({"kinds": [1], "limit": 500}))
                return await ids(here, 1) == found == expected

            everything = {event.id for event in ours + theirs}
            await until(lambda: same(everything))
            await telling.publish(live[0])
            await store(here, live[1])
            await until(lambda: same(everything | {event.id for event in live}))
    other.shutdown()
