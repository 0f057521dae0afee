"""`tidings mirror` and `tidings stream`, as an operator runs them."""

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from relay.protocol.filter import Filter
from tests.e2e.harness import PATIENCE, ROOT, command, environment, fresh_key, now, serving
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer
from tests.federation.test_peers import same, until
from tests.federation.test_sync import ids, notes, store


async def test_a_mirror_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    class Breaking(FakePeer):
        """Hangs up after three pages of each connection."""

        pages = 0

        async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
            self.pages += 1
            if self.pages % 4 == 0:
                await connection.close()
                return
            await super().answer(connection, name, wanted)

    events = notes(fresh_key(), 900)
    async with Breaking(events).serving() as peer:
        peer.compares, peer.page = "error", 100
        done = await asyncio.to_thread(command, "mirror", peer.url, "--json", data=tmp_path / "copy")
        told = json.loads(done.stdout)
        assert (done.returncode, told["complete"], told["counts"]["stored"]) == (0, True, 900), done.stderr
        oldest = [one[2].get("until") for one in peer.said if one[0] == "REQ" and "kinds" not in one[2]]
        again = [top for before, top in itertools.pairwise(oldest) if top == before]
        assert len(again) <= peer.pages // 4 + 1  # a page is read again only where it broke off
    assert not list((tmp_path / "copy" / "mirrors").iterdir())
    counted = command("count", "{}", data=tmp_path / "copy")
    assert counted.stdout.strip() == b"900"


async def test_what_may_not_be_passed_on_is_counted_once_by_a_mirror(tmp_path: Path) -> None:
    """Though what is of the last hour is looked at once more at the end."""
    key = fresh_key()
    protected = [make_event(key, content=f"{n}", tags=[["-"]], created_at=now() - 60) for n in range(3)]
    async with FakePeer([*protected, make_event(key, created_at=now() - 30)]).serving() as peer:
        wanted = ("mirror", peer.url, '{"kinds":[1]}', "--json")
        done = await asyncio.to_thread(command, *wanted, data=tmp_path / "copy")
    told = json.loads(done.stdout)
    assert (told["need"], told["counts"]["withheld"], told["counts"]["stored"]) == (4, 3, 1), done.stderr


@contextlib.contextmanager
def streaming(*arguments: str, data: Path, stop: signal.Signals = signal.SIGINT) -> Iterator[list[bytes]]:
    """`tidings stream …` until the block ends; it must end well by Ctrl-C, or this signal. What it says then is in the list."""
    last: list[bytes] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "relay", "stream", *arguments, "--data", str(data)],
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment() | {"PYTHONFAULTHANDLER": "1"},
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b" in step" in line:
                break
        yield last
    finally:
        process.send_signal(stop)
        try:
            _, said = process.communicate(timeout=4 * PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says where it is
            _, said = process.communicate()
        assert (process.returncode, b"Traceback" in said) == (0, False), said
        last += said.splitlines()


async def test_a_stream_passes_on_what_happens_on_either_side(tmp_path: Path) -> None:
    key = fresh_key()
    before = notes(key, 5)
    live = [make_event(key, content=f"{n}", created_at=now()) for n in range(20)]
    with serving(tmp_path / "here") as here, serving(tmp_path / "there") as there:
        await store(there, *before)
        with streaming(there.url, data=here.data) as last:
            await store(here, *live[:10])
            await store(there, *live[10:])

            async def arrived() -> bool:
                expected = {event.id for event in live}
                return await ids(here, 1) == expected and await ids(there, 1) == expected | {one.id for one in before}

            await until(arrived)
        assert b", sent 10 (" in last[-1]  # whatever was told while it went
        assert command("sync", there.url, data=here.data).returncode == 0
        await same(here, there, {event.id for event in before + live})


async def test_a_stream_ends_well_by_sigterm_too(tmp_path: Path) -> None:
    def stream(url: str) -> None:
        with streaming(url, data=tmp_path, stop=signal.SIGTERM):
            pass

    async with FakePeer().serving() as peer:
        await asyncio.to_thread(stream, peer.url)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["sync", "mirror"])
async def test_what_is_interrupted_says_that_it_goes_on(tmp_path: Path, verb: str, stop: signal.Signals) -> None:
    class Silent(FakePeer):
        """Takes its time with the first comparison."""

        async def compare(self, *_: Any) -> None:
            process.send_signal(stop)

    async with Silent().serving() as peer:
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "relay", verb, peer.url, "--data", str(tmp_path / "copy")],
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
        )
        _, said = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    assert (process.returncode, said) == (1, b"tidings: interrupted; the same command goes on from here\n")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("verb", ["sync", "mirror"])
async def test_what_was_done_before_an_interruption_is_told(tmp_path: Path, verb: str, stop: signal.Signals) -> None:
    class Slow(FakePeer):
        """Gives two pages, and takes its time with the third."""

        pages = 0

        async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
            self.pages += 1
            if self.pages == 3:
                process.send_signal(stop)
            else:
                await super().answer(connection, name, wanted)

    copy = tmp_path / "copy"
    async with Slow(notes(fresh_key(), 900)).serving() as peer:
        peer.compares, peer.page = "error", 100
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "relay", verb, peer.url, '{"kinds":[1]}', "--json", "--data", str(copy)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
        )
        out, said = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    assert (process.returncode, said) == (1, b"tidings: interrupted; the same command goes on from here\n")
    told = json.loads(out)
    assert (told["complete"], told["error"]) == (False, "interrupted; the same command goes on from here")
    stored = command("count", "{}", data=copy).stdout.strip()
    assert told["counts"]["stored"] == int(stored) > 0
