"""What anybody may hold open or have checked, seen from outside."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import httpx
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from relay.protocol import kinds
from tests.e2e.harness import PATIENCE, Server, serving
from tests.factories import make_event


async def open_and_ask(server: Server) -> tuple[int, asyncio.StreamWriter]:
    """A connection that asks for /health and stays open; the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE)
        return int(head.split()[1]), writer
    except (ConnectionError, asyncio.IncompleteReadError):
        return 0, writer  # closed before it was read


async def shut(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_an_address_holds_so_many_connections_whatever_it_does_with_them(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "rates.connections_per_address=3") as server:
        async with connect(server.url):
            opened = [await open_and_ask(server) for _ in range(40)]
            assert [status for status, _ in opened[:2]] == [200, 200]
            assert {status for status, _ in opened[2:]} <= {0, 429}
            for _, writer in opened:
                await shut(writer)
        for _ in range(1000):  # the relay notices when it next looks at those connections
            status, writer = await open_and_ask(server)
            await shut(writer)
            if status == 200:
                return
        raise AssertionError("what was closed still counts")


async def test_a_trusted_proxys_connections_are_not_counted(tmp_path: Path) -> None:
    settings = ("rates.connections_per_address=3", "server.trusted_proxies=127.0.0.1/32")
    with serving(tmp_path / "data", *settings) as server:
        opened = [await open_and_ask(server) for _ in range(10)]
        assert {status for status, _ in opened} == {200}
        for _, writer in opened:
            await shut(writer)


async def flood(server: Server, count: int) -> list[str]:
    """Send so many AUTHs with a wrong signature; what was answered before the relay closed."""
    answers: list[str] = []

    async def read() -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                message = json.loads(text)
                if message[0] == "OK":
                    answers.append(message[3])

    async with connect(server.url, max_queue=None) as socket:
        await socket.send(json.dumps(["REQ", "a", {"kinds": [kinds.GIFT_WRAP], "#p": ["0" * 64]}]))
        message = [""]
        while message[0] != "AUTH":
            message = json.loads(await socket.recv())
        tags = [["relay", server.url], ["challenge", message[1]]]
        event = make_event(1, kinds.CLIENT_AUTH, tags=tags, created_at=int(time.time()))
        text = json.dumps(["AUTH", msgspec.structs.asdict(event) | {"sig": "0" * 128}])
        reading = asyncio.create_task(read())
        with contextlib.suppress(ConnectionClosed):
            for _ in range(count):
                await socket.send(text)
        await reading
    return answers


async def test_a_flood_of_wrong_proofs_is_not_checked_and_health_answers(tmp_path: Path) -> None:
    begun = time.monotonic()
    with serving(tmp_path / "data") as server:
        floods = asyncio.gather(*(flood(server, 3000) for _ in range(8)))
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            assert (await client.get(f"{server.http}/health", timeout=PATIENCE)).status_code == 200
        answers = [each for found in await asyncio.wait_for(floods, 4 * PATIENCE) for each in found]
        checked = [each for each in answers if "signature" in each]
        assert 0 < len(checked) <= 120 + 2 * (time.monotonic() - begun)
        assert any(each.startswith("rate-limited: ") for each in answers)
