"""Client libraries (JavaScript) as they come: subscriptions that outlive a restart of the relay, questions that end.

Each takes CLOSED for the end of a subscription, and each comes back by itself after a lost connection; some take an EOSE of
three elements for no EOSE, and some wait for ever once they were challenged (NIP-42). What the relay sends must suit all.
"""

import asyncio
import json
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Any

import pytest

from relay.protocol.event import Event
from tests.e2e.conftest import JS
from tests.e2e.harness import Server, client, free_port, fresh_key, now, serving
from tests.factories import make_event

COMING_BACK = ["nostr-tools", "welshman", "applesauce", "nostrify", "rx-nostr"]
ASKING = [*COMING_BACK, "nostr-fetch"]
LONG = 60.0  # seconds until a library has failed: some wait long before they connect again


class Library:
    """A process in which a library holds one subscription."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.said = b""

    @classmethod
    async def start(cls, node: str, *arguments: str) -> "Library":
        return cls(
            await asyncio.create_subprocess_exec(node, *arguments, cwd=JS, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        )

    async def says(self, line: str) -> bool:
        """Whether it says so in time; what it says before is passed over."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(LONG):
                while heard := await self._process.stdout.readline():
                    self.said += heard
                    if heard.decode().strip() == line:
                        return True
        except TimeoutError:
            pass
        return False

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def publish(server: Server, *events: Event) -> None:
    async with client(server) as alice:
        await alice.store(*events)


async def restarted(node: str, data: Path) -> dict[str, str]:
    """What is wrong with each library after the relay that it subscribed at was restarted, "" where nothing is."""
    key = fresh_key()
    # Later than whatever `since` a library asks from when it is back, so that no moment of publishing is too early.
    first, second = (make_event(key, created_at=now() + later) for later in (60, 120))
    troubles = dict.fromkeys(COMING_BACK, "")
    libraries: dict[str, Library] = {}

    async def expect(line: str) -> None:
        heard = await asyncio.gather(*(library.says(line) for library in libraries.values()))
        for (name, library), found in zip(libraries.items(), heard, strict=True):
            if not found and not troubles[name]:
                troubles[name] = f"never said {line!r}: {library.said.decode()[-500:]}"

    try:
        with serving(data, port=free_port()) as server:
            for name in COMING_BACK:
                libraries[name] = await Library.start(node, "resume.mjs", name, f"{server.url}/", key.pubkey)
            await expect("ready")
            await publish(server, first)
            await expect(f"event {first.id}")
            assert await asyncio.to_thread(server.stop) == 0
        with serving(data, port=server.port) as again:
            await publish(again, second)
            await expect(f"event {second.id}")
    finally:
        await asyncio.gather(*(library.end() for library in libraries.values()))
    return troubles


@pytest.fixture(scope="module")
def troubles(node: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return asyncio.run(restarted(node, tmp_path_factory.mktemp("restart") / "data"))


@pytest.mark.parametrize("library", COMING_BACK)
def test_a_live_subscription_outlives_a_restart_of_the_relay(troubles: dict[str, str], library: str) -> None:
    assert troubles[library] == ""


async def fetched(node: str, server: Server, library: str, wanted: dict[str, Any], *limit: str) -> Any:
    """What a library finds in its own way: its `ids`."""
    asked = ["fetch.mjs", library, f"{server.url}/", json.dumps(wanted), *limit]
    process = await asyncio.create_subprocess_exec(node, *asked, cwd=JS, stdout=PIPE, stderr=PIPE)
    try:
        said, warned = await asyncio.wait_for(process.communicate(), LONG)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"{library} never came to an end") from None
    assert process.returncode == 0, warned.decode()
    return json.loads(said)


@pytest.mark.parametrize("library", ASKING)
async def test_a_question_comes_to_an_end_with_all_that_is_stored(relay: Server, node: str, library: str) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(number), created_at=1_700_000_000 + number // 3) for number in range(30)]
    await publish(relay, *events)
    for wanted in ({"limit": 400}, {}):
        found = await fetched(node, relay, library, {"authors": [key.pubkey], "kinds": [1], **wanted})
        assert sorted(found["ids"]) == sorted(event.id for event in events)


@pytest.mark.parametrize("share", [1, 7, 250])
async def test_pages_are_fetched_without_waiting_and_without_a_gap(relay: Server, node: str, share: int) -> None:
    key = fresh_key()
    events = [
        make_event(key, content=str(number), created_at=1_700_000_000 + number // share) for number in range(1000)
    ]
    await publish(relay, *events)
    found = await fetched(node, relay, "nostr-fetch", {"authors": [key.pubkey], "kinds": [1]}, "50")
    assert sorted(found["ids"]) == sorted(event.id for event in events)
