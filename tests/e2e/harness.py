"""A real relay in its own process and a small raw client, for tests that see the relay only from outside."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from relay.protocol.event import Event, wire
from relay.server.frames import header
from tests.e2e.loaded import Program
from tests.factories import Keypair, keypair, make_event

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds until a test that waits has failed
PREFIXES = ("duplicate", "pow", "blocked", "rate-limited", "invalid", "restricted", "mute", "error", "auth-required")

# Asks over HTTP as `httpx.get` and the others do, each request on a connection of its own and no cookie kept, but in the time that
# a busy machine takes; and its TLS context, which is dear and which nobody uses, is made once.
HTTP = httpx.Client(
    timeout=PATIENCE,
    limits=httpx.Limits(max_keepalive_connections=0),
    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
)

TIDINGS = (sys.executable, "-m", "relay")  # the command as everybody starts it

# And numpy, which here all processes have (`tests.e2e.loaded`); that the others do not load it themselves is in tests.test_layers.
_HEAVY = re.compile("/(?:hnswlib|onnxruntime|wordllama|tokenizers)")
_numbers = itertools.count(1000)


def fresh_key() -> Keypair:
    """A key that no other test of this run uses."""
    return keypair(next(_numbers))


def free_port() -> int:
    """A port for who ends and comes back on it: below those that the system gives to others meanwhile."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def now() -> int:
    return int(time.time())


class Server:
    """`tidings serve` in a process of its own, on a port the system chose.

    It begins with its modules loaded (`tests.e2e.loaded`); a `program` that is given, such as `TIDINGS`, loads them itself.
    """

    def __init__(
        self,
        data: Path,
        *settings: str,
        file: Path | None = None,
        port: int = 0,
        listen: str = "127.0.0.1",
        program: Sequence[str] | None = None,
    ) -> None:
        arguments = ["serve", "--listen", f"{listen}:{port}", "--data", str(data)]
        if file is not None:
            arguments += ["--config", str(file)]
        for setting in settings:
            arguments += ["--set", setting]
        self.data = data
        self._log = data.parent / f"{data.name}.log"
        with self._log.open("wb") as log:
            env = environment() | {"PYTHONFAULTHANDLER": "1"}
            self.process: Program | subprocess.Popen[bytes]
            if program is None:
                self.process = Program(arguments, log, env)
            else:
                self.process = subprocess.Popen(
                    [*program, *arguments], stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=env
                )
        self.url = self._greeted()

    @property
    def http(self) -> str:
        return self.url.replace("ws", "http", 1)

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    def _greeted(self) -> str:
        assert self.process.stdout is not None
        # One that does not come up says where it stands, and ends.
        give_up = threading.Timer(2 * PATIENCE, self.process.send_signal, [signal.SIGABRT])
        give_up.start()
        try:
            for line in self.process.stdout:
                found = re.search(rb"WebSocket\s+(ws://\S+)", line)
                if found:
                    return found[1].decode().rstrip("/")
        finally:
            give_up.cancel()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        raise AssertionError(f"the relay did not start:\n{self.log()}")

    def log(self) -> str:
        """What it has written to stderr so far."""
        return self._log.read_text(encoding="utf-8")

    def resident(self) -> int:
        """Bytes of memory that its processes hold."""
        total = 0
        for pid in self.processes():
            found = re.search(r"Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
            assert found is not None
            total += int(found[1]) * 1024
        return total

    def processes(self) -> list[int]:
        """All its processes."""
        return [self.process.pid, *self.children()]

    def children(self) -> list[int]:
        """The processes of its roles, where it has such."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def searching(self) -> list[int]:
        """Which of all these processes have a package in memory that only search needs."""
        return [pid for pid in self.processes() if _HEAVY.search(_maps(pid))]

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """The exit code, waiting for it."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self._release()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.terminate()
        return self.ended()

    def kill(self) -> None:
        """As a power cut would, as far as its processes are concerned."""
        self.process.send_signal(signal.SIGSTOP)  # it starts none again
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(PATIENCE)
        self._release()

    def _release(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _maps(pid: int) -> str:
    """The files that a process has in memory; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def environment() -> dict[str, str]:
    """Ours, without settings of a relay."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}


@contextlib.contextmanager
def serving(data: Path, *settings: str, **options: Any) -> Iterator[Server]:
    """A relay for the block; it must end by SIGTERM with exit code 0, and log no exception."""
    server = Server(data, *settings, **options)
    try:
        yield server
    except BaseException:
        if server.process.poll() is None:
            server.kill()
        raise
    if server.process.poll() is None:
        assert server.stop() == 0, server.log()
    assert "Traceback" not in server.log(), server.log()


def command(*arguments: str, data: Path | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`tidings …` to its end."""
    given = [*arguments, *(("--data", str(data)) if data is not None else ())]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        asked.write(stdin)
        asked.seek(0)
        program = Program(given, err, environment(), asked, out)
        try:
            code = program.wait(4 * PATIENCE)
        finally:
            program.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(["tidings", *given], code, out.read(), err.read())


class Client:
    """One connection. Every wait has an end; what comes is kept in order until it is asked for."""

    def __init__(self, connection: ClientConnection, url: str) -> None:
        self.connection = connection
        self.url = url
        self.challenge = ""

    async def raw(self, data: str | bytes | Iterable[str | bytes]) -> None:
        await self.connection.send(data)

    async def send(self, *parts: object) -> None:
        await self.connection.send(json.dumps(parts))

    async def next(self) -> Any:
        """The next message; a challenge is kept in `challenge` and passed over."""
        while True:
            message = json.loads(await asyncio.wait_for(self.connection.recv(), PATIENCE))
            if message[0] != "AUTH":
                return message
            self.challenge = message[1]

    async def challenged(self) -> str:
        """The challenge of this connection, asking for what needs one."""
        if not self.challenge:
            assert str(await self.count({"kinds": [1059]})).startswith("auth-required: ")
        return self.challenge

    async def gather(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def post(self, event: Event) -> None:
        await self.connection.send(b'["EVENT",' + wire(event) + b"]", text=True)

    async def publish(self, event: Event) -> list[Any]:
        """The OK for an event; for clients without subscriptions that it could reach first."""
        await self.post(event)
        answer: list[Any] = await self.next()
        check_ok(answer, event.id)
        return answer

    async def store(self, *events: Event) -> None:
        """Publish events that must be accepted."""
        for event in events:
            await self.post(event)
        for event in events:
            answer = await self.next()
            assert answer == ["OK", event.id, True, ""]

    async def refused(self, event: Event) -> str:
        """The message of the OK that refuses the event."""
        answer = await self.publish(event)
        assert answer[2] is False, answer
        return str(answer[3])

    async def request(self, *filters: dict[str, Any], name: str = "s") -> tuple[list[Any], Any]:
        """What is stored, and the EOSE or CLOSED that ends it; the subscription stays open."""
        await self.send("REQ", name, *filters)
        found = []
        while True:
            message = await self.next()
            if message[0] != "EVENT":
                assert message[1] == name, message
                return found, message
            assert message[1] == name, message
            found.append(message[2])

    async def stored(self, *filters: dict[str, Any]) -> list[str]:
        """Ids of what is stored, in the order in which they come; closes the subscription again."""
        found, end = await self.request(*filters, name="stored")
        assert end[0] == "EOSE", end
        await self.send("CLOSE", "stored")
        return [event["id"] for event in found]

    async def count(self, *filters: dict[str, Any]) -> Any:
        """The body of the COUNT answer, or the text of the CLOSED."""
        await self.send("COUNT", "count", *filters)
        answer = await self.next()
        assert answer[0] in ("COUNT", "CLOSED")
        assert answer[1] == "count"
        return answer[2]

    async def authenticate(self, key: Keypair) -> None:
        """Prove a key; it must be taken."""
        event = proof(key, await self.challenged(), self.url)
        assert await self.auth(event) == ["OK", event.id, True, ""]

    async def auth(self, event: Event) -> list[Any]:
        await self.connection.send(b'["AUTH",' + wire(event) + b"]", text=True)
        answer: list[Any] = await self.next()
        check_ok(answer, event.id)
        return answer

    async def quiet(self) -> bool:
        """Whether nothing has come: a question whose answer would have followed whatever was under way."""
        await self.send("CLOSE", "")  # a NOTICE, by NIP-01's rule on subscription ids
        return bool((await self.next())[0] == "NOTICE")

    async def closed(self) -> int | None:
        """The code the relay closes with, reading away what comes before; 1006 when it just hangs up."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.wait_for(self.connection.recv(), PATIENCE)
        return self.connection.close_code


def check_ok(answer: Sequence[Any], event_id: object) -> None:
    """An OK has four elements, and a false one a prefix from the list (NIP-01)."""
    assert len(answer) == 4, answer
    assert answer[:2] == ["OK", event_id], answer
    assert isinstance(answer[3], str)
    if answer[2] is False:
        prefix, colon, rest = answer[3].partition(": ")
        assert prefix in PREFIXES, answer
        assert colon, answer
        assert rest, answer
    else:
        assert answer[2] is True


def proof(key: Keypair, challenge: str, url: str, **changes: Any) -> Event:
    """A kind 22242 event (NIP-42)."""
    given: dict[str, Any] = {
        "kind": 22242,
        "tags": [["relay", url], ["challenge", challenge]],
        "created_at": now(),
    }
    return make_event(key, **(given | changes))


@contextlib.asynccontextmanager
async def client(server: Server | str, **options: Any) -> AsyncIterator[Client]:
    """A connected client."""
    url = server if isinstance(server, str) else server.url
    given = {"max_size": 2**24, "ping_interval": None, "close_timeout": 1, "open_timeout": PATIENCE} | options
    async with connect(url, **given) as connection:
        yield Client(connection, url)


async def upgraded(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A socket after the handshake, for frames that no library would send; it reads little ahead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(HANDSHAKE)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    assert b" 101 " in head
    return reader, writer


async def deaf(server: Server, *requests: list[object]) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    """A client that sends requests and then reads nothing any more."""
    reader, writer = await upgraded(server)
    for request in requests:
        writer.write(masked(json.dumps(request).encode()))
    await writer.drain()
    return writer, reader


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(payload: bytes, first: int = 0x81) -> bytes:
    """A client's frame; its mask is zeros, which leaves the payload readable here."""
    plain = bytearray(header(len(payload), first))
    plain[1] |= 0x80
    return bytes(plain) + b"\0\0\0\0" + payload


async def hung_up(writer: asyncio.StreamWriter) -> None:
    """Wait until the other side has cut the connection, which a write notices."""

    async def notice() -> None:
        with contextlib.suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(masked(b"[]"))
                await writer.drain()
                await asyncio.sleep(0)

    await asyncio.wait_for(notice(), PATIENCE)
