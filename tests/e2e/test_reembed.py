"""Going over to another model while the relay serves, and after it was killed in the middle."""

import asyncio
import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.harness import PATIENCE, Server, client, command, fresh_key, serving
from tests.factories import make_event

NOTES = 600
ROUND = 256  # texts that are embedded and kept together
KINDS = "search.kinds=1"


class Model:
    """An embeddings endpoint. Once it was asked for a round of texts, it holds back all others until `go`."""

    def __init__(self) -> None:
        self.texts = 0
        self.held = threading.Event()
        self.go = threading.Event()
        self._lock = threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                body = json.dumps(model.answer(asked["input"])).encode()
                try:
                    self.send_response(200)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the relay was killed meanwhile

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.settings = (
            "search.embedder=endpoint",
            f"search.endpoint_url=http://127.0.0.1:{self._server.server_port}/v1",
            "search.endpoint_model=tiny",
            "search.endpoint_dimension=16",
        )

    def answer(self, texts: list[str]) -> Any:
        with self._lock:
            self.texts += len(texts)
            holds = self.texts > ROUND and not self.go.is_set()
        if holds:
            self.held.set()
            self.go.wait(PATIENCE)
        rows = [[byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:16]] for text in texts]
        return {"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]}

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def model() -> Iterator[Model]:
    started = Model()
    yield started
    started.close()


def reembed(data: Path, model: Model) -> Any:
    """`tidings knowledge reembed` to that model, under way."""
    chosen = [part for setting in model.settings for part in ("--set", setting)]
    return asyncio.create_task(asyncio.to_thread(command, "knowledge", "reembed", *chosen, data=data))


async def health(relay: Server, model: str) -> dict[str, Any]:
    """What the relay says of search, once all has a vector of this model."""
    async with httpx.AsyncClient(timeout=PATIENCE) as browser, asyncio.timeout(PATIENCE):
        while True:
            said: dict[str, Any] = (await browser.get(f"{relay.http}/health")).json()["search"]
            if (said["chunks"], said["pending"], said["model"]) == (NOTES, 0, model):
                return said


async def filled(relay: Server) -> None:
    """Notes and their vectors; one is about a cat."""
    key = fresh_key()
    async with client(relay) as alice:
        await alice.store(*(make_event(key, 1, f"Interest rates rose in week {number}.") for number in range(1, NOTES)))
        await alice.store(make_event(key, 1, "The cat sleeps on the sofa."))
    await health(relay, "wordllama-256")


async def pets(relay: Server) -> list[str]:
    """What is said to have to do with pets on furniture."""
    async with client(relay) as alice:
        found, _ = await alice.request({"search": "pets napping on furniture mode:meaning", "limit": 1})
        return [event["content"] for event in found]


async def search_killed(relay: Server) -> None:
    """Kill the search role; returns when it is back."""
    former = relay.searching()
    os.kill(*former, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while relay.searching() in ([], former):
            await health(relay, "tiny")
        while (await health(relay, "tiny"))["problem"] is not None:
            pass


@pytest.mark.parametrize("processes", ["off", "on"])
async def test_a_running_relay_goes_over_without_a_restart(tmp_path: Path, model: Model, processes: str) -> None:
    with serving(tmp_path / "data", KINDS, f"server.processes={processes}") as relay:
        await filled(relay)
        work = reembed(relay.data, model)
        assert await asyncio.to_thread(model.held.wait, PATIENCE)
        assert await pets(relay) == ["The cat sleeps on the sofa."]  # the former model answers
        await health(relay, "wordllama-256")
        model.go.set()
        done = await work
        assert (done.returncode, done.stderr.splitlines()[0]) == (0, b"600 vectors made; endpoint is the model now")
        assert (await health(relay, "tiny"))["dimension"] == 16
        before = model.texts
        await pets(relay)
        assert model.texts == before + 1
        if processes == "on":
            await search_killed(relay)  # it takes the model that serves, not that of the settings from the start
        relay.reload()
        assert (await health(relay, "tiny"))["problem"] is None
    refused = command("serve", "--listen", "127.0.0.1:0", "--set", KINDS, data=tmp_path / "data")
    assert refused.returncode != 0
    assert b"reembed" in refused.stderr
    with serving(tmp_path / "data", KINDS, *model.settings) as relay:
        await health(relay, "tiny")


async def test_killed_in_the_middle_it_serves_as_before_and_goes_on_from_there(tmp_path: Path, model: Model) -> None:
    relay = Server(tmp_path / "data", KINDS)
    await filled(relay)
    work = reembed(relay.data, model)
    assert await asyncio.to_thread(model.held.wait, PATIENCE)
    relay.kill()
    assert (await work).returncode != 0
    model.go.set()
    with serving(tmp_path / "data", KINDS) as relay:
        await health(relay, "wordllama-256")
        assert await pets(relay) == ["The cat sleeps on the sofa."]
        done = await reembed(relay.data, model)
        assert (done.returncode, done.stderr.splitlines()[0]) == (0, b"344 vectors made; endpoint is the model now")
        await health(relay, "tiny")


async def test_what_the_relay_cannot_do_is_said(tmp_path: Path) -> None:
    with serving(tmp_path / "data", KINDS) as relay:
        done = command("knowledge", "reembed", "--set", "search.embedder=endpoint", data=relay.data)
        assert done.returncode != 0
        assert b"endpoint_url" in done.stderr
