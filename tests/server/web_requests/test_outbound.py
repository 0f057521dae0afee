"""Requests to URLs that strangers choose: to public addresses alone."""

import asyncio
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpcore
import pytest

from relay.server.web_requests import outbound
from relay.server.web_requests.outbound import (
    MAX_HEAD,
    PIECE,
    BoundedStream,
    Delivery,
    Poster,
    Undelivered,
    is_public,
)

ROOT = Path(__file__).parents[3]
PATIENCE = 30.0


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.2.1",
        "198.18.0.1", "224.0.0.1", "224.0.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd12::1",
        "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::", "::7f00:1",
    ],
)  # fmt: skip
def test_what_only_the_relay_can_reach_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1"])
def test_what_everybody_can_reach_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


class Receiver:
    """Answers every request alike, and keeps what came."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.came: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
def private() -> list[bool]:
    """Whether private addresses are allowed just now."""
    return [False]


@pytest.fixture
async def poster(private: list[bool]) -> AsyncIterator[Poster]:
    made = Poster("Tests/1", 2, lambda: private[0])
    yield made
    await made.close()


async def served(answer: bytes) -> tuple[asyncio.Server, Receiver, str]:
    receiver = Receiver(answer)
    server = await asyncio.start_server(receiver, "127.0.0.1", 0)
    return server, receiver, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/news?x=1"


async def test_a_name_that_leads_to_this_machine_is_not_asked(
    poster: Poster, private: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, receiver, url = await served(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    port = int(url.split(":")[2].split("/")[0])
    seen = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        seen.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", resolve)
    async with server:
        for host in ("agent.example", "127.0.0.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(Undelivered, match="leads to no public address: nothing is delivered there"):
                await poster.send(Delivery(f"http://{host}:{port}/", {}, b"{}"))
        assert receiver.came == []
        private[0] = True
        assert await poster.send(Delivery(f"http://agent.example:{port}/", {}, b"{}")) == 200
    assert seen[0] == "agent.example"


async def test_it_connects_to_the_address_that_was_looked_at(poster: Poster, monkeypatch: pytest.MonkeyPatch) -> None:
    connected = []

    async def connect(_self: object, host: str, *_: Any) -> None:
        connected.append(host)
        raise outbound.httpcore.ConnectError("nobody is there")

    addresses = [("10.0.0.1", 443), ("9.9.9.9", 443), ("2620:fe::fe", 443), ("9.9.9.9", 443)]
    monkeypatch.setattr(outbound.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", one) for one in addresses])
    monkeypatch.setattr(outbound.httpcore.AnyIOBackend, "connect_tcp", connect)
    with pytest.raises(Undelivered, match="nobody is there"):
        await poster.send(Delivery("https://agent.example/", {}, b"{}"))
    assert connected == ["9.9.9.9", "2620:fe::fe"]


async def test_names_that_nobody_answers_for_hold_up_no_other(
    private: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are requests at once may be asked for."""
    private[0] = True
    poster, answered = Poster("Tests/1", 16, lambda: True), threading.Event()
    server, _, url = await served(b"HTTP/1.1 204 No Content\r\n\r\n")
    port = int(url.split(":")[2].split("/")[0])

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        if host != "quick.example":
            answered.wait(PATIENCE)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(outbound.socket, "getaddrinfo", resolve)
    slow = [asyncio.create_task(poster.send(Delivery(f"http://s{n}.example:{port}/", {}, b""))) for n in range(15)]
    async with server:
        await asyncio.sleep(0)
        sent = await asyncio.wait_for(poster.send(Delivery(f"http://quick.example:{port}/", {}, b"")), PATIENCE / 3)
        assert sent == 204
        answered.set()
        assert await asyncio.gather(*slow) == [204] * 15
    await poster.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 302),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx", 200),
    ],
)
async def test_the_status_is_all_that_is_read(poster: Poster, private: list[bool], answer: bytes, status: int) -> None:
    server, receiver, url = await served(answer)
    private[0] = True
    async with server:
        assert await poster.send(Delivery(url, {"content-type": "application/json"}, b"{}")) == status
    (head,) = receiver.came
    lines = head.decode().lower().splitlines()
    assert lines[0] == "post /news?x=1 http/1.1"
    assert f"host: {url.split('/')[2]}" in lines
    assert "user-agent: tests/1" in lines


@pytest.mark.parametrize("part", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"])
async def test_an_answer_that_only_announces_another_one_ends(poster: Poster, private: list[bool], part: bytes) -> None:
    server, receiver, url = await served(part * 20 + b"HTTP/1.1 200 OK\r\n\r\n")
    private[0] = True
    async with server:
        assert await poster.send(Delivery(url, {}, b"{}")) == 200
        receiver.answer = part * (MAX_HEAD // len(part) + 1)
        with pytest.raises(Undelivered, match="its answer has no end"):
            await poster.send(Delivery(url, {}, b"{}"))


class Flood(httpcore.AsyncNetworkStream):
    """Gives as much as it is asked for, at once; over TLS too."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return b"x" * max_bytes

    async def start_tls(self, *_: Any) -> httpcore.AsyncNetworkStream:
        return Flood()


@pytest.mark.parametrize("tls", [False, True])
async def test_what_a_stranger_answers_comes_a_little_in_each_turn_and_no_more_than_may(tls: bool) -> None:
    stream: Any = BoundedStream(Flood())
    if tls:
        stream = await stream.start_tls(ssl.create_default_context())
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    stream.allow(PIECE)
    for at in range(MAX_HEAD // PIECE + 1):
        assert turns == at
        assert len(await stream.read(65_536)) == PIECE
    with pytest.raises(httpcore.ReadError):
        await stream.read(1)
    counting.cancel()


async def test_who_hangs_up_without_a_word_is_told_of_in_words(
    poster: Poster, private: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, url = await served(b"")
    private[0] = True

    async def hung_up(*_: Any) -> None:
        raise httpcore.ConnectError

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", hung_up)
    async with server:
        with pytest.raises(Undelivered, match="could not be reached: the connection was broken off"):
            await poster.send(Delivery(url, {}, b"{}"))


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0\r\n\r\n", b"\0" * 10])
async def test_what_does_not_answer_over_http_is_undelivered(
    poster: Poster, private: list[bool], answer: bytes
) -> None:
    server, _, url = await served(answer)
    private[0] = True
    async with server:
        with pytest.raises(Undelivered, match="could not be reached"):
            await poster.send(Delivery(url, {}, b"{}"))
        with pytest.raises(Undelivered, match="could not be reached"):
            await poster.send(Delivery("http://name.invalid/", {}, b"{}"))


def test_a_process_that_is_forked_after_loading_has_what_takes_long_to_make() -> None:
    work = """
import asyncio, sys, httpx
from relay.server.web_requests import outbound, page_reading

async def open_and_close():
    for one in (outbound.Poster("agent", 1, bool), page_reading.PageReader("agent", 1, bool)):
        await one.close()

outbound.load()
httpx.create_ssl_context = None
before = set(sys.modules)
asyncio.run(open_and_close())
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
