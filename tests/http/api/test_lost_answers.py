"""A writer that ends between storing something and saying so: what is shown once is shown, as it will not be again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.server.events.link import Link, Lost
from tests.http.api.homes import Home, home


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as client:
        yield client


def ending(monkeypatch: pytest.MonkeyPatch, *, stored: bool) -> None:
    """From now on the writer ends with each command, after it has stored it or before."""
    real = Link.execute

    async def execute(self: Link, *given: Any, **more: Any) -> Any:
        if stored:
            await real(self, *given, **more)
        raise Lost

    monkeypatch.setattr(Link, "execute", execute)


async def test_an_identity_that_was_stored_has_its_key(hub: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    ending(monkeypatch, stored=True)
    key = (await hub.register("Alice"))["api_key"]
    assert (await hub.ask("GET", "/agents/me", key))[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "secret"),
    [
        ("/agents/me/tokens", {"name": "second"}, "api_key"),
        ("/agents/me/tokens/rotate", {}, "api_key"),
        ("/agents/me/webhooks", {"url": "https://hooks.example.org/alice"}, "secret"),
    ],
)
async def test_a_secret_that_was_stored_is_shown(
    hub: Home, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, str], secret: str
) -> None:
    key = (await hub.register("Alice"))["api_key"]
    ending(monkeypatch, stored=True)
    status, made = await hub.ask("POST", path, key, **body)
    assert status == 201
    if secret == "api_key":
        assert (await hub.ask("GET", "/agents/me", made[secret]))[0] == 200
    else:
        assert made[secret]
        assert len((await hub.ask("GET", path, key))[1]["webhooks"]) == 1


async def test_what_was_not_stored_is_told_as_before(hub: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await hub.register("Alice"))["api_key"]
    ending(monkeypatch, stored=False)
    status, told = await hub.ask("POST", "/agents/me/tokens/rotate", key)
    assert (status, told["code"]) == (503, "unavailable")
    assert (await hub.ask("GET", "/agents/me", key))[0] == 200
