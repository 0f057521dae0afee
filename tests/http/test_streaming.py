"""Streams over real sockets: how they begin, what a reader that stalls costs, and how they end with the relay."""

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.harness import PATIENCE, Server, serving

SIZE = 90_000  # characters of a post, so that a few fill every buffer on the way


def ask(server: Server, path: str, body: object = None, token: str = "") -> dict:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.http}/api/v1/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def token(server: Server) -> str:
    return ask(server, "agents/register", {"name": "heron"})["agent"]["api_key"]


def opened(server: Server, method: str = "GET", buffer: int = 0) -> socket.socket:
    """A raw connection that has asked for the stream."""
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(f"{method} /api/v1/stream HTTP/1.1\r\nhost: relay\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    got = b""
    while mark not in got:
        part = connection.recv(65536)
        assert part, got
        got += part
    return got


def own_port(connection: socket.socket) -> int:
    return int(connection.getsockname()[1])


def held(server: Server) -> set[int]:
    """The clients' ports of the connections that the relay holds open, whichever of its processes has them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = [[int(address.rpartition(":")[2], 16) for address in row[1:3]] for row in rows]
    # a row without an inode is a connection that no process has (any more), a remote port of 0 the listening socket
    return {peer for row, (own, peer) in zip(rows, ports, strict=True) if own == server.port and peer and row[9] != "0"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "server.ping_timeout=2") as running:
        yield running


def test_a_stream_begins_at_once_and_ends_with_the_relay(server):
    with closing(opened(server)) as connection:
        assert b"200 OK" in read_until(connection, b"id: ")
        ask(server, "posts", {"title": "Live"}, token(server))
        assert b'"title":"Live"' in read_until(connection, b"event: post")
        server.terminate()
        while connection.recv(65536):
            pass
    assert server.ended() == 0


def test_head_of_a_stream_leaves_no_stream_behind(server):
    with closing(opened(server, "HEAD")) as connection:
        assert b"text/event-stream" in read_until(connection, b"\r\n\r\n")
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: relay\r\n\r\n")
        assert b'"status":"ok"' in read_until(connection, b"}")


def test_a_reader_that_stalls_is_cut_off_and_others_go_on(server):
    key = token(server)
    with closing(opened(server, buffer=4096)) as stalled, closing(opened(server)) as reading:
        read_until(stalled, b"id: ")
        read_until(reading, b"id: ")
        assert held(server) >= {own_port(stalled), own_port(reading)}
        for n in range(60):
            ask(server, "posts", {"title": f"Post {n}", "content": "x" * SIZE}, key)
            read_until(reading, b'"title":"Post %d"' % n)
            read_until(reading, b"\n\n")
        until = time.monotonic() + PATIENCE
        while held(server) != {own_port(reading)}:  # the other one is cut off, and no request left a connection behind
            assert time.monotonic() < until, (held(server), own_port(stalled), own_port(reading))
        ask(server, "posts", {"title": "After"}, key)
        read_until(reading, b'"title":"After"')
