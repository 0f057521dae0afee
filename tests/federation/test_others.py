"""Synchronizing with relays that nobody here wrote."""

import asyncio
import json
from pathlib import Path

import nostr_sdk as sdk

from tests.e2e.harness import client, command, fresh_key, serving
from tests.federation.test_sync import ids, notes, store


async def test_with_the_relay_of_nostr_sdk_both_ways(tmp_path: Path) -> None:
    key = fresh_key()
    both, ours, theirs = notes(key, 150), notes(key, 45, 150), notes(key, 200, 195)
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
