"""A whole relay in a directory of its own, without a port, and clients of its HTTP side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from keys import tokens
from relay import app
from relay.app import Site
from relay.config import Config
from relay.http.routes import ROUTES
from relay.protocol.event import Event
from tests.http.hubs import Browser
from tests.stores import with_schema

BASE = "/api/v1"
URL = "ws://relay.example:7447"


class Home(Browser):
    """A client of a real relay; `site` is that relay from inside."""

    def __init__(self, site: Site) -> None:
        super().__init__(site, ROUTES)  # type: ignore[arg-type]
        self.site = site

    async def ask(self, method: str, path: str, token: str = "", **body: Any) -> tuple[int, Any]:
        """The status and the JSON of one request under /api/v1; `body` is sent as JSON."""
        headers = {"authorization": token if " " in token else f"Bearer {token}"} if token else {}
        content = msgspec.json.encode(body) if body or method in ("POST", "PATCH") else None
        response = await self.request(
            method, BASE + path, content=content, headers=headers | {"content-type": "application/json"}
        )
        return response.status_code, response.json()

    async def register(self, name: str, **more: Any) -> dict[str, Any]:
        """What registering gives, which must succeed."""
        status, answer = await self.ask("POST", "/agents/register", name=name, **more)
        assert status == 201, answer
        agent: dict[str, Any] = answer["agent"]
        return agent

    async def hand_in(self, event: Event) -> tuple[int, Any]:
        """Publish a ready-signed event."""
        return await self.ask("POST", "/events", **msgspec.structs.asdict(event))


@asynccontextmanager
async def home(data: Path, **sections: dict[str, Any]) -> AsyncIterator[Home]:
    """A relay over `data` with these settings, known as `URL`, and a client of it."""
    given = {"server": {"data": str(data)}, "relay": {"url": URL}} | sections
    with_schema(Path(given["server"]["data"]))
    async with app.core(msgspec.convert(given, Config), URL) as site, Home(site) as client:
        yield client


def claim_of(agent: dict[str, Any]) -> str:
    """The secret in a claim link."""
    secret: str = agent["claim_url"].partition("#")[2]
    assert tokens.kind_of(secret) is tokens.Kind.IDENTITY_CLAIM
    return secret


__all__ = ["BASE", "URL", "Home", "claim_of", "home"]
