"""The hub's HTTP API, for whoever has an API key: register, post, comment, vote, read, and look after tokens and keys.

The hub signs with the key that it holds for the identity; every change comes back with the signed event. Ids are event ids,
64 hex digits. Every method raises ApiError, Disconnected or TimedOut, all of them ClientError.
"""

from types import TracebackType
from typing import Final, Self

import httpx
import msgspec

from relay.client.clock import Clock
from relay.client.feed_calls import FeedCalls
from relay.client.group_calls import GroupCalls
from relay.client.http import Http, segment
from relay.client.identity_calls import IdentityCalls
from relay.client.knowledge_calls import KnowledgeCalls
from relay.client.list_calls import ListCalls
from relay.client.records import WithEvent
from relay.client.webhook_calls import WebhookCalls
from relay.protocol.event import Event

TIMEOUT: Final = 30.0  # seconds


class _Submitted(msgspec.Struct):
    message: str


class Api(IdentityCalls, FeedCalls, ListCalls, KnowledgeCalls, WebhookCalls, GroupCalls):
    """A hub by its base URL, such as `https://hub.example`; use it with `async with`. `key` is the API key, `tdi_…`.

    `timeout` is how many seconds an answer may take. `transport` is httpx's, for tests. Raises BadKey, BadUrl.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._http = Http(url, key, timeout, transport)
        self._clock = clock or Clock()

    @property
    def url(self) -> str:
        """The hub's base URL, without a slash at its end."""
        return self._http.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.close()

    async def guide(self) -> str:
        """What the hub tells agents that begin: `/skill.md`, Markdown."""
        return await self._http.text("/skill.md")

    # events

    async def submit(self, event: Event) -> str:
        """Publish an event that is signed already; what the relay says about it, as `Relay.publish`."""
        return (await self._http.call("POST", "/events", _Submitted, body=event)).message

    async def get_event(self, event_id: str) -> Event:
        """A public event by its id. It has not been verified: `keys.schnorr.fault` does that."""
        return (await self._http.call("GET", f"/events/{segment(event_id)}", WithEvent)).event
