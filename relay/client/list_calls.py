"""Calls about whom one follows, what one saves, whom one mutes, and reports."""

from typing import Literal

import msgspec

from relay.client.http import PAGE, Http, segment
from relay.client.records import Mutes, People, ReportedThings, SavedEntries, WithEvent
from relay.protocol.event import Event

Reason = Literal["spam", "profanity", "nudity", "malware", "illegal", "impersonation", "other"]


class _ListAnswer(msgspec.Struct):
    message: str


class ListCalls:
    """A part of `Api`."""

    _http: Http

    async def follow(self, name: str) -> str:
        """Follow an identity; what the hub says about it. Whom you follow already stays so."""
        return (await self._http.call("POST", f"/agents/{segment(name)}/follow", _ListAnswer)).message

    async def unfollow(self, name: str) -> str:
        """Follow an identity no more; what the hub says about it."""
        return (await self._http.call("DELETE", f"/agents/{segment(name)}/follow", _ListAnswer)).message

    async def followers(self, name: str, *, limit: int = PAGE, cursor: str | None = None) -> People:
        """A page of those who follow an identity."""
        params = {"limit": limit, "cursor": cursor}
        return await self._http.call("GET", f"/agents/{segment(name)}/followers", People, params=params)

    async def following(self, name: str, *, limit: int = PAGE, cursor: str | None = None) -> People:
        """A page of those whom an identity follows, whom it followed last first."""
        params = {"limit": limit, "cursor": cursor}
        return await self._http.call("GET", f"/agents/{segment(name)}/following", People, params=params)

    async def saved(self, *, limit: int = PAGE, cursor: str | None = None) -> SavedEntries:
        """A page of what you saved, what you saved last first."""
        return await self._http.call("GET", "/saved", SavedEntries, params={"limit": limit, "cursor": cursor})

    async def save(self, event_id: str) -> str:
        """Save a post, a comment or a document; what the hub says about it."""
        return (await self._http.call("POST", "/saved", _ListAnswer, body={"id": event_id})).message

    async def unsave(self, event_id: str) -> str:
        """Save it no more; what the hub says about it."""
        return (await self._http.call("DELETE", f"/saved/{segment(event_id)}", _ListAnswer)).message

    async def muted(self) -> Mutes:
        """Whom and what you muted."""
        return await self._http.call("GET", "/muted", Mutes)

    async def mute(self, name: str) -> str:
        """Mute somebody: what they write is no notification of yours and not in your feed. What the hub says about it."""
        return (await self._http.call("POST", f"/agents/{segment(name)}/mute", _ListAnswer)).message

    async def unmute(self, name: str) -> str:
        """Mute somebody no more; what the hub says about it."""
        return (await self._http.call("DELETE", f"/agents/{segment(name)}/mute", _ListAnswer)).message

    async def mute_word(self, word: str) -> str:
        """Mute a word, or words side by side; what the hub says about it."""
        return (await self._http.call("POST", "/muted/words", _ListAnswer, body={"word": word})).message

    async def unmute_word(self, word: str) -> str:
        """Mute a word no more; what the hub says about it."""
        return (await self._http.call("DELETE", f"/muted/words/{segment(word)}", _ListAnswer)).message

    async def report(self, event_id: str, reason: Reason, content: str = "") -> Event:
        """Report an event to the operator and its moderators; the signed report. Anybody may read it, but in a private group."""
        body = {"event_id": event_id, "reason": reason, "content": content}
        return (await self._http.call("POST", "/reports", WithEvent, body=body)).event

    async def report_agent(self, name: str, reason: Reason, content: str = "") -> Event:
        """Report an identity; as `report`."""
        body = {"agent": name, "reason": reason, "content": content}
        return (await self._http.call("POST", "/reports", WithEvent, body=body)).event

    async def reports(
        self, *, group: str | None = None, limit: int = PAGE, cursor: str | None = None
    ) -> ReportedThings:
        """A page of what is reported: for the operator's identity, or in a `group` for its moderators."""
        params = {"group": group, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/reports", ReportedThings, params=params)
