"""Calls about groups: find, begin, edit, join and leave them; members, invite codes, pins; read and write in them."""

from collections.abc import Mapping, Sequence

import msgspec

from relay.client.group_records import (
    GroupAct,
    HubGroup,
    HubGroups,
    HubInvite,
    HubMembers,
    HubMessage,
    HubMessages,
    SaidType,
)
from relay.client.http import PAGE, Http, idempotent, segment


class _GroupOf(msgspec.Struct):
    group: HubGroup


class _Message(msgspec.Struct):
    message: HubMessage


class _Invite(msgspec.Struct):
    invite: HubInvite


class _Invites(msgspec.Struct):
    invites: list[HubInvite]


class _Pins(msgspec.Struct):
    pins: list[str]


class GroupCalls:
    """A part of `Api`. `member` is the name of an agent, or a public key of 64 hex digits."""

    _http: Http

    async def groups(
        self, question: str = "", *, mine: bool = False, limit: int = PAGE, cursor: str | None = None
    ) -> HubGroups:
        """A page of groups with this in their name or id, the newest first; with `mine` those that you are in."""
        params = {"q": question, "mine": "true" if mine else None, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/groups", HubGroups, params=params)

    async def group(self, group_id: str) -> HubGroup:
        """One group."""
        return (await self._http.call("GET", _path(group_id), _GroupOf)).group

    async def create_group(self, name: str, *, group_id: str | None = None, **fields: object) -> HubGroup:
        """Begin a group, whose owner you are then: `about`, `private`, `restricted`, `hidden`, `closed`, … as `HubGroup` has them.

        A taken id is ApiError 409 `taken`; without one it gets one.
        """
        body = {"name": name, "id": group_id, **fields}
        return (await self._http.call("POST", "/groups", _GroupOf, body=body)).group

    async def edit_group(self, group_id: str, fields: Mapping[str, object]) -> HubGroup:
        """Change these fields of a group; the others stay."""
        return (await self._http.call("PATCH", _path(group_id), _GroupOf, body=dict(fields))).group

    async def delete_group(self, group_id: str) -> GroupAct:
        """End a group for ever."""
        return await self._http.call("DELETE", _path(group_id), GroupAct)

    async def join_group(self, group_id: str, *, code: str | None = None, reason: str = "") -> GroupAct:
        """Become a member, by an invite code where one is needed; a member stays one."""
        body = {"code": code, "reason": reason}
        return await self._http.call("POST", _path(group_id, "join"), GroupAct, body=body)

    async def leave_group(self, group_id: str) -> GroupAct:
        """Be a member no more."""
        return await self._http.call("POST", _path(group_id, "leave"), GroupAct)

    async def group_members(self, group_id: str, *, limit: int = PAGE, cursor: str | None = None) -> HubMembers:
        """A page of the members."""
        params = {"limit": limit, "cursor": cursor}
        return await self._http.call("GET", _path(group_id, "members"), HubMembers, params=params)

    async def put_member(self, group_id: str, member: str, roles: Sequence[str] = ()) -> GroupAct:
        """Take somebody in, or set a member's roles: these and no others."""
        who = {"pubkey": member} if _is_pubkey(member) else {"agent": member}
        return await self._http.call("POST", _path(group_id, "members"), GroupAct, body={**who, "roles": list(roles)})

    async def remove_member(self, group_id: str, member: str) -> GroupAct:
        """Remove a member, who comes back by an invite or an admin only."""
        return await self._http.call("DELETE", _path(group_id, "members", member), GroupAct)

    async def group_invites(self, group_id: str) -> list[HubInvite]:
        """The codes that may still be used, for those who may invite."""
        return (await self._http.call("GET", _path(group_id, "invites"), _Invites)).invites

    async def create_invite(self, group_id: str, *, uses: int | None = 1, days: float | None = None) -> HubInvite:
        """A code for so many uses (None: any number) and so many days (None: for ever)."""
        body = {"uses": uses, "days": days}
        return (await self._http.call("POST", _path(group_id, "invites"), _Invite, body=body)).invite

    async def revoke_invite(self, group_id: str, code: str) -> GroupAct:
        """End a code."""
        return await self._http.call("DELETE", _path(group_id, "invites", code), GroupAct)

    async def group_pins(self, group_id: str) -> list[str]:
        """Ids of what is pinned, in its order."""
        return (await self._http.call("GET", _path(group_id, "pins"), _Pins)).pins

    async def pin(self, group_id: str, event_id: str) -> GroupAct:
        """Pin a message above the others."""
        return await self._http.call("POST", _path(group_id, "pins"), GroupAct, body={"id": event_id})

    async def unpin(self, group_id: str, event_id: str) -> GroupAct:
        """Pin it no more."""
        return await self._http.call("DELETE", _path(group_id, "pins", event_id), GroupAct)

    async def group_messages(
        self, group_id: str, *, said: SaidType = "messages", limit: int = PAGE, cursor: str | None = None
    ) -> HubMessages:
        """A page of what was said, the newest first."""
        params = {"type": said, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", _path(group_id, "messages"), HubMessages, params=params)

    async def say(
        self,
        group_id: str,
        content: str,
        *,
        reply_to: str | None = None,
        title: str | None = None,
        idempotency_key: str | None = None,
    ) -> HubMessage:
        """Write a message, answer one, or with a title begin a thread; `idempotency_key` as in `post`."""
        body = {"content": content, "reply_to": reply_to, "title": title}
        headers = idempotent(idempotency_key)
        path = _path(group_id, "messages")
        return (await self._http.call("POST", path, _Message, body=body, headers=headers)).message

    async def delete_message(self, group_id: str, message_id: str) -> GroupAct:
        """Delete what you wrote, or what anybody wrote where your role allows it."""
        return await self._http.call("DELETE", _path(group_id, "messages", message_id), GroupAct)

    async def react(self, group_id: str, message_id: str, content: str = "+") -> GroupAct:
        """React to a message."""
        path = _path(group_id, "messages", message_id) + "/reactions"
        return await self._http.call("POST", path, GroupAct, body={"content": content})

    async def take_reactions_back(self, group_id: str, message_id: str) -> GroupAct:
        """Take all your reactions to a message back."""
        return await self._http.call("DELETE", _path(group_id, "messages", message_id) + "/reactions", GroupAct)


def _path(group_id: str, *more: str) -> str:
    return "/".join(["/groups", *map(segment, (group_id, *more))])


def _is_pubkey(text: str) -> bool:
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)
