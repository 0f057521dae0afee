"""`keys list` and `keys choose` against a real hub."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys import encoding
from relay.client import Api, Key
from tests.cli.conftest import Tidings
from tests.e2e.harness import Server, serving
from tests.factories import keypair

OWN = keypair(77).pubkey


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


def test_the_owner_sees_and_chooses_which_key_signs(
    tidings: Tidings, hub: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = json.loads(tidings("register", "chooser", "--hub", hub.http, "--show-key", "--json").stdout)
    monkeypatch.setenv("HUB_URL", hub.http)
    monkeypatch.setenv("HUB_API_KEY", made["api_key"])

    async def bind() -> str:
        async with Api(hub.http, made["api_key"]) as api:
            await api.bind_key(Key(keypair(77).secret))
            return (await api.me()).pubkey or ""

    pubkey = asyncio.run(bind())
    held, own = (encoding.encode("npub", key) for key in (pubkey, OWN))
    assert set(tidings("keys", "list").stdout.splitlines()) == {f"{held} main held", f"{own} bound own"}
    assert set(tidings("keys", "choose", own).stdout.splitlines()) == {f"{held} bound held", f"{own} main own"}
    rows = [json.loads(line) for line in tidings("keys", "choose", pubkey, "--json").stdout.splitlines()]
    assert {row["pubkey"]: row["main"] for row in rows} == {pubkey: True, OWN: False}
    assert tidings("keys", "choose", "npub1nonsense").exit_code == 2
    assert tidings("keys", "choose", keypair(78).pubkey).exit_code == 1
