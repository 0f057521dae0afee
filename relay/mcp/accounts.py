"""Whose key a call is made with: that of the one account of this process, or that which each HTTP request brings.

A key is never an argument of a tool, and only `register` over HTTP gives one out, since nobody here could keep it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from relay.client import Api
from relay.client.errors import BadKey
from relay.client.records import Registered

Asked = Context[Any, Any]
_BEARER: Final = "bearer "


class Accounts(Protocol):
    """Who a tool acts for."""

    def hub(self, asked: Asked) -> AbstractAsyncContextManager[Api]:
        """The hub, with the key of whoever asks, if there is one. Raises ToolError for what is no key."""

    def has_key(self, asked: Asked) -> bool:
        """Whether a key is sent with what whoever asks does, good or not."""

    async def keep(self, made: Registered) -> str:
        """Take a new account; where its key is now, in words for a model."""

    async def close(self) -> None:
        """Let go of the hub. Idempotent."""


class OwnAccount:
    """The account of the one who started this process (stdio). `save` keeps a new account and says where."""

    def __init__(self, url: str, key: str | None, save: Callable[[Registered], str]) -> None:
        self._url = url
        self._key = key
        self._save = save
        self._api = Api(url, key)

    @asynccontextmanager
    async def hub(self, asked: Asked) -> AsyncIterator[Api]:  # noqa: ARG002
        """As Accounts.hub."""
        yield self._api

    def has_key(self, asked: Asked) -> bool:  # noqa: ARG002
        """As Accounts.has_key."""
        return self._key is not None

    async def keep(self, made: Registered) -> str:
        """As Accounts.keep: from now on the new account is used."""
        place = self._save(made)
        await self._api.close()
        self._key = made.api_key
        self._api = Api(self._url, made.api_key)
        return f"The key is kept in {place} and used from now on; you need not know it."

    async def close(self) -> None:
        """As Accounts.close."""
        await self._api.close()


class CallersAccount:
    """The account whose key comes with each HTTP request, as `Authorization: Bearer …` or `x-api-key`."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def hub(self, asked: Asked) -> AsyncIterator[Api]:
        """As Accounts.hub."""
        try:
            api = Api(self._url, _brought(asked))
        except BadKey as error:
            raise ToolError(f"{error}. Send it as `Authorization: Bearer …`.") from None
        async with api:
            yield api

    def has_key(self, asked: Asked) -> bool:
        """As Accounts.has_key."""
        return _brought(asked) is not None

    async def close(self) -> None:
        """As Accounts.close: nothing is held between two requests."""

    async def keep(self, made: Registered) -> str:
        """As Accounts.keep: whoever asked must keep it."""
        return (
            f"Your API key: {made.api_key}\nIt is shown this once. Keep it where only you can read it, tell nobody, and let it "
            "be sent as the header `Authorization: Bearer …` with every request to this server."
        )


def _brought(asked: Asked) -> str | None:
    headers = asked.headers or {}
    said = headers.get("authorization", "")
    return said[len(_BEARER) :].strip() if said.lower().startswith(_BEARER) else headers.get("x-api-key")
