"""Where a peer may be: the public Internet, unless the operator says otherwise."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from relay.client.errors import BadUrl, Disconnected
from relay.federation import addresses
from relay.server.web_requests import outbound
from tests.e2e.harness import PATIENCE


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_a_private_address_is_known_in_every_form(text: str) -> None:
    assert not addresses.is_public(text)


@pytest.mark.parametrize("text", ["1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_public(text: str) -> None:
    assert addresses.is_public(text)


def resolving(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 443)) for text in texts]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)


async def test_a_name_that_moves_into_the_private_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "10.0.0.7")
    with pytest.raises(Disconnected, match=r"peer.example is at 10.0.0.7, a private address"):
        await addresses.find("wss://peer.example", allow_private=False)
    assert await addresses.find("wss://peer.example", allow_private=True) == [(socket.AF_INET, ("10.0.0.7", 443))]


async def test_an_address_is_not_said_to_be_at_itself() -> None:
    with pytest.raises(Disconnected, match=r"^10.1.2.3 is a private address; allow_private = true"):
        await addresses.find("ws://10.1.2.3:7447", allow_private=False)


async def test_why_a_host_cannot_be_reached_is_said_in_words() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Disconnected, match=f"^cannot connect to {url}: nobody listens there"):
            await addresses.open_socket(url, allow_private=True)


async def test_of_several_addresses_only_the_public_ones_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "192.168.0.1", "1.1.1.1", "1.1.1.1")
    assert await addresses.find("wss://peer.example", allow_private=False) == [(socket.AF_INET, ("1.1.1.1", 443))]


async def test_a_host_without_an_address_is_named() -> None:
    with pytest.raises(Disconnected, match=r"nowhere\.invalid has no address"):
        await addresses.find("wss://nowhere.invalid", allow_private=True)


def test_spellings_of_one_relay_are_one() -> None:
    spellings = ("wss://Relay.example", "wss://relay.example:443/", "wss://relay.example/")
    assert {addresses.normal(url) for url in spellings} == {"wss://relay.example"}
    assert addresses.normal("ws://127.0.0.1:7447/inbox?a=1") == "ws://127.0.0.1:7447/inbox?a=1"


@pytest.mark.parametrize("url", ["http://relay.example", "wss://", "wss://user@relay.example", "relay.example"])
def test_what_is_no_relay_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        addresses.normal(url)


@pytest.mark.parametrize("text", ["fec0::1", "::127.0.0.1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "240.0.0.1"])
def test_what_no_door_takes_for_public_is_not_public_here(text: str) -> None:
    assert not addresses.is_public(text)


@contextlib.contextmanager
def one_dead_one_alive() -> Iterator[int]:
    """A port at which 127.0.0.2 takes no further connection, as a host that is gone would, and 127.0.0.3 does."""
    with contextlib.ExitStack() as stack:
        dead, alive = (stack.enter_context(socket.socket()) for _ in range(2))
        dead.bind(("127.0.0.2", 0))
        port = dead.getsockname()[1]
        alive.bind(("127.0.0.3", port))
        dead.listen(0)
        alive.listen()
        for _ in range(3):  # until its queue is full, nothing is lost
            full = stack.enter_context(socket.socket())
            full.setblocking(False)
            full.connect_ex(("127.0.0.2", port))
        yield port


async def test_an_address_at_which_nobody_answers_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "ATTEMPT", 0.2)
    with one_dead_one_alive() as port:
        monkeypatch.setattr(addresses, "find", lambda *_, **__: two(port))
        async with asyncio.timeout(PATIENCE):
            sock = await addresses.open_socket("ws://peer.example", allow_private=True)
        with sock:
            assert sock.getpeername() == ("127.0.0.3", port)
        backend = outbound.PublicOnly(lambda: True)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port)) for at in ("127.0.0.2", "127.0.0.3")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        try:
            async with asyncio.timeout(PATIENCE):
                stream = await backend.connect_tcp("peer.example", port)
            assert stream.get_extra_info("server_addr") == ("127.0.0.3", port)
            await stream.aclose()
        finally:
            backend.close()


async def two(port: int) -> list[addresses.Address]:
    return [(socket.AF_INET, (at, port)) for at in ("127.0.0.2", "127.0.0.3")]
