"""`tidings keys rotate-master`, and that no secret is ever shown."""

import asyncio
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from keys import nip49
from keys.schnorr import public_key
from relay import app
from relay.commands import control_client
from relay.config import Config
from relay.loading import load
from relay.server import control, control_messages
from tests.cli.conftest import Tidings

A, B = "aa" * 32, "bb" * 32
PASSWORD = "long enough"


def settings(data: Path, **given: str) -> Config:
    return load(None, {}, {"server.data": str(data)} | {f"identities.{name}": text for name, text in given.items()})


async def register(config: Config) -> tuple[str, str]:
    """The identity and the key of a new registration."""
    async with app.core(config) as site:
        made = await site.identities.register("Alice", None, "192.0.2.1")
        assert made.identity.pubkey is not None
        return made.identity.id, made.identity.pubkey


async def opens(config: Config, identity_id: str, pubkey: str) -> bool:
    """Whether the held key can still be used."""
    async with app.core(config) as site:
        text = await site.identities.keys.export(identity_id, pubkey, PASSWORD)
    return public_key(nip49.decrypt(text, PASSWORD)).hex() == pubkey


def test_a_fresh_secret_takes_over_and_every_held_key_still_opens(tidings: Tidings, data: Path) -> None:
    config = settings(data)
    alice = asyncio.run(register(config))
    before = (data / "secrets.toml").read_text()
    result = tidings("keys", "rotate-master", "--data", data)
    assert result.exit_code == 0
    assert "encrypted anew: 1" in result.stderr
    after = (data / "secrets.toml").read_text()
    assert _value(before, "master_secret") != _value(after, "master_secret")
    assert _value(before, "relay_secret_key") == _value(after, "relay_secret_key")
    assert _value(after, "master_secret") not in result.output
    assert asyncio.run(opens(config, *alice))


def _value(text: str, name: str) -> str:
    return next(line.partition('"')[2].rstrip('"') for line in text.splitlines() if line.startswith(f"{name} "))


def test_the_former_secret_opens_nothing_any_more(tidings: Tidings, data: Path) -> None:
    asyncio.run(register(settings(data)))
    former = (data / "secrets.toml").read_text()
    assert tidings("keys", "rotate-master", "--data", data).exit_code == 0
    (data / "secrets.toml").write_text(former)
    result = tidings("keys", "rotate-master", "--data", data)
    assert result.exit_code == 2
    assert "is not the one" in result.stderr


def test_a_secret_from_the_environment_is_rotated_to_one_from_a_file(tidings: Tidings, data: Path) -> None:
    alice = asyncio.run(register(settings(data, master_secret=A)))
    refused = tidings("keys", "rotate-master", "--data", data, TIDINGS_IDENTITIES_MASTER_SECRET=A)
    assert refused.exit_code == 2
    assert "--new-secret-file" in refused.stderr
    given = ("keys", "rotate-master", "--data", data, "--new-secret-file", "-")
    assert tidings(*given, stdin=B, TIDINGS_IDENTITIES_MASTER_SECRET=A).exit_code == 0
    assert asyncio.run(opens(settings(data, master_secret=B), *alice))


@pytest.mark.parametrize("text", ["", "secret", "AA" * 32, "aa" * 31])
def test_a_file_without_a_secret_changes_nothing_and_is_not_repeated(tidings: Tidings, data: Path, text: str) -> None:
    alice = asyncio.run(register(settings(data)))
    result = tidings("keys", "rotate-master", "--data", data, "--new-secret-file", "-", stdin=text)
    assert result.exit_code == 1
    assert "64 lower-case hex digits" in result.stderr
    assert not text or text not in result.output.replace("secret file", "").replace("master secret", "")
    assert asyncio.run(opens(settings(data), *alice))


async def test_a_running_relay_rotates_and_goes_on_signing(data: Path) -> None:
    config = settings(data)
    async with app.core(config) as site:
        made = await site.identities.register("Alice", None, "192.0.2.1")
        door = control.Control(site)
        await door.start(data)
        try:
            assert await asyncio.to_thread(_rotate, data, "") == 1
            with pytest.raises(control_messages.ControlError, match="64 lower-case hex digits"):
                await asyncio.to_thread(_rotate, data, "nonsense")
        finally:
            await door.close()
        assert await site.identities.edit(made.identity.id, None, "after") is not None
    async with app.core(config) as site:
        assert await site.identities.edit(made.identity.id, None, "after the restart") is not None


def _rotate(data: Path, following: str) -> int:
    client = control_client.connect(data)
    assert client is not None
    with closing(client):
        return client.rotate_master(following)


def test_a_lost_secret_stops_the_start_with_advice(tidings: Tidings, data: Path) -> None:
    asyncio.run(register(settings(data)))
    (data / "secrets.toml").unlink()
    result = tidings("serve", "--data", data, "--listen", "127.0.0.1:0")
    assert result.exit_code == 2
    assert "the master secret is lost" in result.stderr


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_the_settings_in_force_show_no_secret(tidings: Tidings, data: Path, json: tuple[str, ...]) -> None:
    given = {"TIDINGS_IDENTITIES_MASTER_SECRET": A, "TIDINGS_IDENTITIES_RELAY_KEY": B}
    result = tidings("config", "identities", *json, **given)
    assert A not in result.output
    assert B not in result.output
    assert "(set)" in result.output
    if json:
        rows = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
        assert "(set)" in [row["value"] for row in rows if row["name"] == "identities.master_secret"]
        assert all(row["value"] != A for row in rows)


def test_a_malformed_secret_in_the_environment_is_not_repeated(tidings: Tidings, data: Path) -> None:
    result = tidings("config", TIDINGS_IDENTITIES_MASTER_SECRET="abc" * 9)
    assert result.exit_code == 2
    assert "identities.master_secret" in result.stderr
    assert "abc" not in result.stderr
