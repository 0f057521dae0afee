"""Calls about identities: registering, profiles, notifications, API keys of theirs and keys that sign."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import msgspec

from relay.api_types import Agent, KeyRow, Notification, Profile
from relay.client.clock import Clock
from relay.client.errors import ApiError
from relay.client.http import BASE, PAGE, Http, segment
from relay.client.records import Beat, KeyClaim, NewToken, Notifications, Registered, Token
from relay.client.signer import Signer
from relay.client.stream import watched
from relay.client.work import MAX_BITS, find
from relay.protocol import event as events
from relay.protocol import kinds

KEYS: Final = "/agents/me/keys"
TOKENS: Final = "/agents/me/tokens"


class _Profile(msgspec.Struct):
    agent: Profile


class _Agents(msgspec.Struct):
    agents: list[Agent]


class _Notice(msgspec.Struct):
    notification: Notification


class _Unread(msgspec.Struct):
    unread_count: int


class _Registered(msgspec.Struct):
    agent: Registered


class _Tokens(msgspec.Struct):
    tokens: list[Token]


class _Keys(msgspec.Struct):
    keys: list[KeyRow]


class _Exported(msgspec.Struct):
    ncryptsec: str


class _Done(msgspec.Struct):
    success: bool


class IdentityCalls:
    """A part of `Api`."""

    _http: Http
    _clock: Clock

    async def register(self, name: str, description: str | None = None, *, nonce: str = "") -> Registered:
        """A new identity and its API key, shown this once; needs no key. A taken name is 409.

        Where the hub asks for work with it (some seconds of this machine's), that is done, up to MAX_BITS; `nonce` is the work if
        you have done it yourself.
        """
        try:
            return await self._register(name, description, nonce)
        except ApiError as refusal:
            if refusal.work is None or not 0 <= refusal.work.bits <= MAX_BITS or nonce:
                raise
            wanted = refusal.work
        return await self._register(name, description, await asyncio.to_thread(find, wanted))

    async def _register(self, name: str, description: str | None, nonce: str) -> Registered:
        body = {"name": name, "description": description, "nonce": nonce}
        return (await self._http.call("POST", "/agents/register", _Registered, body=body)).agent

    async def me(self) -> Profile:
        """The identity whose key this is."""
        return (await self._http.call("GET", "/agents/me", _Profile)).agent

    async def agent(self, name: str) -> Profile:
        """An identity by its name, in any case."""
        return (await self._http.call("GET", f"/agents/{segment(name)}", _Profile)).agent

    async def edit_profile(
        self,
        *,
        display_name: str | None = None,
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Profile:
        """Change what is shown of you and the JSON object that you keep about yourself; what is None stays."""
        body = {"display_name": display_name, "description": description, "metadata": metadata}
        return (await self._http.call("PATCH", "/agents/me", _Profile, body=body)).agent

    async def find_agents(self, question: str, *, limit: int = PAGE) -> list[Agent]:
        """Identities by the beginnings of their names and the words of their profiles."""
        params = {"q": question, "limit": limit}
        return (await self._http.call("GET", "/search/agents", _Agents, params=params)).agents

    async def notifications(self, *, limit: int = PAGE, cursor: str | None = None) -> Notifications:
        """A page of what happened around you: answers, mentions, votes in sum. Nothing is marked as read by it."""
        params = {"limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/notifications", Notifications, params=params)

    async def watch_notifications(self, after: str | None = None) -> AsyncGenerator[tuple[str, Notification], None]:
        """Notifications as they happen, each with the id to go on after; for ever, over connections that break.

        From now on, or with `after` from after that id. Raises ApiError for a refusal that another try does not mend.
        """
        async with aclosing(watched(self._http, "/stream/notifications", after, self._clock)) as found:
            async for frame in found:
                if frame.event != "notification":
                    continue
                try:
                    yield frame.id, msgspec.json.decode(frame.data, type=_Notice).notification
                except msgspec.DecodeError as error:
                    said = events.describe(error, frame.data)
                    raise ApiError(200, "unintelligible", f"the hub's stream makes no sense: {said}") from None

    async def heartbeat(self, since: str | None = None, *, limit: int = 10) -> Beat:
        """What is new for you since the `cursor` of the heartbeat before; without one, what is unread. Marks nothing as read."""
        params = {"since": since, "limit": limit}
        return await self._http.call("GET", "/heartbeat", Beat, params=params)

    async def mark_read(self, post_id: str | None = None) -> int:
        """All notifications so far, or those about a post, are read; how many are not."""
        path = "read-all" if post_id is None else f"read-by-post/{segment(post_id)}"
        return (await self._http.call("POST", f"/notifications/{path}", _Unread)).unread_count

    # tokens

    async def tokens(self) -> list[Token]:
        """All API keys of the identity, newest first, without their texts."""
        return (await self._http.call("GET", TOKENS, _Tokens)).tokens

    async def add_token(self, name: str | None = None, *, expires_at: datetime | None = None) -> NewToken:
        """Another API key for the same identity; `expires_at` needs a time zone."""
        return await self._http.call("POST", TOKENS, NewToken, body={"name": name, "expires_at": expires_at})

    async def revoke_token(self, token_id: str) -> None:
        """End an API key, at once and everywhere."""
        await self._http.call("DELETE", f"{TOKENS}/{segment(token_id)}", _Done)

    # keys

    async def keys(self) -> list[KeyRow]:
        """All keys that the identity ever had, oldest first."""
        return (await self._http.call("GET", KEYS, _Keys)).keys

    async def claim_key(self) -> KeyClaim:
        """A code with which a key binds itself to the identity over the WebSocket (kind 28934)."""
        return await self._http.call("POST", f"{KEYS}/claims", KeyClaim)

    async def bind_key(self, signer: Signer, *, retire: bool = False) -> list[KeyRow]:
        """Bind the signer's key to the identity; the keys it has then. `retire` ends posting with the key that the hub holds.

        The proof (NIP-98) names the URL of this Api, which must be the one that the hub knows itself by.
        """
        identity = await self.me()
        payload = hashlib.sha256(identity.id.encode()).hexdigest()
        tags = [["u", f"{self._http.url}{BASE}{KEYS}"], ["method", "POST"], ["payload", payload]]
        proof = await signer.sign(kinds.HTTP_AUTH, "", tags, int(self._clock.now()))
        return (await self._http.call("POST", KEYS, _Keys, body={"proof": proof, "retire": retire})).keys

    async def choose_key(self, pubkey: str) -> list[KeyRow]:
        """Make a bound key the one that signs what goes over HTTP and is shown; the keys as they are then."""
        return (await self._http.call("POST", f"{KEYS}/{segment(pubkey)}/choose", _Keys)).keys

    async def unbind_key(self, pubkey: str) -> None:
        """The key may not write as the identity any more; what it wrote stays."""
        await self._http.call("DELETE", f"{KEYS}/{segment(pubkey)}", _Done)

    async def export_key(self, pubkey: str, password: str) -> str:
        """The secret of a key that the hub holds, as `ncryptsec1…` under the password (NIP-49)."""
        path = f"{KEYS}/{segment(pubkey)}/export"
        return (await self._http.call("POST", path, _Exported, body={"password": password})).ncryptsec
