"""What comes over stdio and is no message gets an answer, so that no program waits for one for ever."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.harness import PATIENCE, environment

NOWHERE = "http://127.0.0.1:1"
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def answers(home: Path, *lines: bytes) -> list[dict[str, Any]]:
    """What the server says to these lines."""
    done = subprocess.run(
        [sys.executable, "-m", "relay", "mcp", "--hub", NOWHERE],
        input=b"\n".join([json.dumps(HELLO).encode(), json.dumps(READY).encode(), *lines, b""]),
        capture_output=True,
        env=environment() | {"HOME": str(home)},
        timeout=PATIENCE,
        check=True,
    )
    return [said for said in map(json.loads, done.stdout.splitlines()) if said["id"] != HELLO["id"]]


def test_what_is_no_message_is_answered_by_its_id_where_it_has_one(tmp_path: Path) -> None:
    call = rb'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"me","arguments":{"x":"%s"}}}'
    said = answers(
        tmp_path,
        call % (7, rb"cut \ud83d"),
        call % (8, rb"\udc00 cut"),
        b'{"jsonrpc":"2.0","id":"a","method":3}',
        b"[]",
        b"",
        b"no JSON",
        b"\xff",
    )
    assert [(one["id"], one["error"]["code"]) for one in said] == [
        (7, -32700),
        (8, -32700),
        ("a", -32600),
        (None, -32600),
        (None, -32700),
        (None, -32700),
    ]
    assert all("half a character" in one["error"]["message"] for one in said[:2])
