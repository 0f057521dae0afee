"""What an operator says while the relay runs, by the management API (NIP-86) and by commands: on every front, at once, for good."""

import asyncio
import base64
import contextlib
import hashlib
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.protocol.event import wire
from tests.e2e.harness import HTTP, PATIENCE, Server, client, command, fresh_key, now, serving
from tests.e2e.node import JS
from tests.factories import Keypair, make_event

MEDIA_TYPE = "application/nostr+json+rpc"


def call(server: Server, operator: Keypair, method: str, *params: Any) -> Any:
    """What a call gives."""
    body = json.dumps({"method": method, "params": params}).encode()
    tags = [
        ["u", server.url],
        ["method", "POST"],
        ["payload", hashlib.sha256(body).hexdigest()],
        ["n", str(time.monotonic_ns())],
    ]
    proof = base64.b64encode(wire(make_event(operator, 27235, tags=tags, created_at=now()))).decode()
    answer = HTTP.post(
        server.http, content=body, headers={"content-type": MEDIA_TYPE, "authorization": f"Nostr {proof}"}
    )
    assert "result" in answer.json(), answer.text
    return answer.json()["result"]


async def until_refused(server: Server, key: Keypair, prefix: str, connections: int = 6) -> None:
    """Each of several connections, which are spread over the fronts, is told so from some moment on."""

    async def one() -> None:
        async with client(server) as alice:
            while not str((await alice.publish(make_event(key, content=str(time.monotonic_ns()))))[3]).startswith(
                prefix
            ):
                pass

    await asyncio.wait_for(asyncio.gather(*(one() for _ in range(connections))), PATIENCE)


def until_logged(server: Server, words: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while words not in server.log():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.01)


@pytest.mark.parametrize("processes", ["on", "off"])
async def test_a_ban_holds_on_every_front_at_once_and_after_a_restart(tmp_path: Path, processes: str) -> None:
    operator, spammer = fresh_key(), fresh_key()
    settings = [f"relay.pubkey={operator.pubkey}", f"server.processes={processes}", "server.fronts=2"]
    note = make_event(spammer, content="spam", created_at=now())
    with serving(tmp_path / "data", *settings) as server:
        async with client(server) as alice:
            await alice.store(note)
            assert call(server, operator, "banpubkey", spammer.pubkey, "spam") is True
            await until_refused(server, spammer, "blocked: ")
            deletion = make_event(spammer, 5, tags=[["e", note.id]], created_at=now())
            await alice.store(deletion)  # taking back what one wrote is always possible
    with serving(tmp_path / "data", *settings) as server:
        async with client(server) as alice:
            assert (await alice.refused(make_event(spammer, content="again"))).startswith("blocked: ")
        assert call(server, operator, "listbannedpubkeys") == [{"pubkey": spammer.pubkey, "reason": "spam"}]
        assert call(server, operator, "changerelayname", "Harbour") is True
        server.reload()
        await asyncio.to_thread(until_logged, server, "`tidings rules --reset relay.name` has what the settings say")
        done = command("unban", spammer.pubkey, data=server.data)
        assert done.returncode == 0, done.stderr
        await until_refused(server, spammer, "")
        assert b"spam" in command("rules", "--log", data=server.data).stdout


async def test_a_command_reaches_the_relay_that_runs_and_a_reload_leaves_it_in_force(tmp_path: Path) -> None:
    file = tmp_path / "tidings.toml"
    file.write_text("[limits]\nmax_content_length = 100\n")
    key, event = fresh_key(), make_event(fresh_key(), created_at=now())
    with serving(tmp_path / "data", file=file) as server:
        async with client(server) as alice:
            await alice.store(event)
            done = command("ban", key.pubkey, "kind:7", "--event", data=server.data)
            assert done.returncode == 2, done.stderr  # neither is an event
            for arguments in (["ban", key.pubkey, "kind:7"], ["ban", "--event", event.id]):
                done = command(*arguments, data=server.data)
                assert done.returncode == 0, done.stderr
            assert await alice.stored({"ids": [event.id]}) == []
            assert (await alice.refused(event)).startswith("blocked: ")
            file.write_text("[limits]\nmax_content_length = 10\n")
            server.reload()
            await until_refused(server, fresh_key(), "invalid: ")
            assert (await alice.refused(make_event(key))).startswith("blocked: ")
            assert (await alice.refused(make_event(kind=7))).startswith("blocked: ")


async def test_clients_at_a_blocked_address_are_disconnected_and_come_in_no_more(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    settings = ['server.trusted_proxies=["127.0.0.1/32"]', "server.fronts=2", "server.processes=on"]
    there, elsewhere = ({"x-forwarded-for": address} for address in ("203.0.113.7", "203.0.113.8"))
    with serving(tmp_path / "data", *settings) as server:
        open_ones = [await connect(server.url, additional_headers=there) for _ in range(4)]
        other = await connect(server.url, additional_headers=elsewhere)
        done = command("ban", "203.0.113.7", data=server.data)
        assert done.returncode == 0, done.stderr
        for one in open_ones:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(one.recv(), PATIENCE)
            assert (one.close_code, one.close_reason) == (1008, "this address is blocked here")
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.url, additional_headers=there)
        assert refused.value.response.status_code == 403
        assert HTTP.get(server.http, headers=there).status_code == 403
        assert HTTP.get(server.http, headers=elsewhere).status_code == 200
        await other.send('["REQ","s",{"limit":0}]')
        assert json.loads(await asyncio.wait_for(other.recv(), PATIENCE))[0] == "EOSE"
        await other.close()


@pytest.mark.parametrize("processes", ["on", "off"])
async def test_streams_to_a_blocked_address_end(tmp_path: Path, processes: str) -> None:
    settings = ['server.trusted_proxies=["127.0.0.1/32"]', "server.fronts=2", f"server.processes={processes}"]
    there, elsewhere = ({"x-forwarded-for": address} for address in ("203.0.113.7", "203.0.113.8"))
    with serving(tmp_path / "data", *settings) as server:
        async with contextlib.AsyncExitStack() as stack:

            async def opened(path: str, headers: dict[str, str]) -> AsyncIterator[bytes]:
                http = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE))
                asked = http.stream("GET", f"{server.http}/api/v1{path}", headers=headers)
                parts = (await stack.enter_async_context(asked)).aiter_raw()
                await anext(parts)
                return parts

            name = HTTP.post(f"{server.http}/api/v1/agents/register", json={"name": "watcher"})
            token = {"authorization": f"Bearer {name.json()['agent']['api_key']}"}
            paths = [*["/stream"] * 3, "/stream/groups", "/stream/notifications"]
            ending = [await opened(path, there | token) for path in paths]
            staying = await opened("/stream", elsewhere)
            done = command("ban", "203.0.113.7", data=server.data)
            assert done.returncode == 0, done.stderr
            for parts in ending:
                async with asyncio.timeout(PATIENCE):
                    assert b"event: post" not in b"".join([part async for part in parts])
            post = {"submolt": "general", "title": "Still here", "content": "and told of"}
            HTTP.post(f"{server.http}/api/v1/posts", json=post, headers=token).raise_for_status()
            told = b""
            async with asyncio.timeout(PATIENCE):
                while b"event: post" not in told:
                    told += await anext(staying)
            assert "exception" not in server.log().lower()


@pytest.mark.parametrize("library", ["applesauce", "welshman"])
def test_libraries_that_others_wrote_manage_the_relay(tmp_path: Path, node: str, library: str) -> None:
    operator, spammer = fresh_key(), fresh_key()
    with serving(tmp_path / "data", f"relay.pubkey={operator.pubkey}") as server:
        arguments = [node, "management.mjs", library, server.url, operator.secret.hex(), spammer.pubkey]
        done = subprocess.run(arguments, cwd=JS, capture_output=True, timeout=2 * PATIENCE, check=False)
        assert done.returncode == 0, done.stderr.decode()
        told = json.loads(done.stdout)
        assert "banpubkey" in told["methods"]
        assert told["banned"] == [{"pubkey": spammer.pubkey, "reason": "spam"}]
        assert told["after"] == []
        assert told["stranger"] == "refused"
        name = HTTP.get(server.http, headers={"accept": "application/nostr+json"}).json()["name"]
        assert name == f"Called by {library}"
