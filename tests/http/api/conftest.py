"""Clients of the HTTP API that carry a token, over the relay of `homes`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.api.homes import BASE, Home, home


class Api:
    """A client of the API, with a token if it was given one."""

    def __init__(self, client: httpx.AsyncClient, token: str = "", name: str = "") -> None:
        self.client = client
        self.token = token
        self.name = name

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request; underscores in the names of headers stand for hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            given = {"authorization": f"Bearer {self.token}"} | given
        content = {} if body is None else {"json": body}
        return await self.client.request(method, f"{BASE}/{path}", headers=given, **content)

    async def told(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The JSON of an answer that must have this status."""
        answer = await self.send(method, path, body, **headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str) -> Any:
        return await self.told("GET", path)

    async def refused(self, status: int, method: str, path: str, body: Any = None, **headers: str) -> str:
        """The word of a refusal that must have this status; the rest of its shape is checked here, once."""
        told = await self.told(method, path, body, status, **headers)
        assert told["success"] is False
        assert told["message"]
        assert told["hint"]
        word: str = told["code"]
        return word

    async def registered(self, name: str) -> "Api":
        """Another client, of a fresh identity."""
        made = await self.told("POST", "agents/register", {"name": name}, 201)
        return Api(self.client, made["agent"]["api_key"], name)

    async def post(self, title: str = "A title", **fields: Any) -> Any:
        """Write a post; what the API tells of it."""
        return (await self.told("POST", "posts", {"title": title, **fields}, 201))["post"]

    async def comment(self, post: Any, content: str = "A comment", **fields: Any) -> Any:
        """Write a comment; what the API tells of it."""
        path = f"posts/{post['id']}/comments"
        return (await self.told("POST", path, {"content": content, **fields}, 201))["comment"]


Start = Callable[..., Any]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a relay: `relay = await start(rates={"requests": 5})`."""
    async with AsyncExitStack() as stack:

        async def begin(**sections: dict[str, Any]) -> Home:
            sections["server"] = {"data": str(tmp_path)} | sections.get("server", {})
            return await stack.enter_async_context(home(tmp_path, **sections))

        yield begin


@pytest.fixture
async def relay(start: Start) -> Home:
    """A relay with the default settings."""
    started: Home = await start()
    return started


@pytest.fixture
def api(relay: Home) -> Api:
    """A client without a token."""
    return Api(relay)


@pytest.fixture
async def alice(api: Api) -> Api:
    """A client with a token."""
    return await api.registered("alice")


@pytest.fixture
async def bob(api: Api) -> Api:
    """Another."""
    return await api.registered("bob")
