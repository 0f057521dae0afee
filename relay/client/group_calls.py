"""Calls about groups (NIP-29): finding and joining them, what is said in them, and what their moderators do."""

from collections.abc import Mapping, Sequence

import msgspec

from relay.api_types import TextVersion
from relay.client.group_records import HubInvite, HubMembers, SaidType
from relay.client.http import PAGE, Http, idempotent, segment
from relay.client.records import GroupDetails, GroupMessage, GroupMessages, Groups
from relay.protocol.kinds import is_hex


class _OneGroup(msgspec.Struct):
    group: GroupDetails


class _OneMessage(msgspec.Struct):
    message: GroupMessage


class _Versions(msgspec.Struct):
    versions: list[TextVersion]


class _Told(msgspec.Struct):
    message: str = ""


class _Invited(msgspec.Struct):
    invite: HubInvite


class _Invites(msgspec.Struct):
    invites: list[HubInvite]


class _Pins(msgspec.Struct):
    pins: list[str]


class GroupCalls:
    """A part of `Api`. `group` is a group's id."""

    _http: Http

    async def groups(
        self, question: str | None = None, *, mine: bool = False, limit: int = PAGE, cursor: str | None = None
    ) -> Groups:
        """A page of groups, newest first: by a part of their name or id, or with `mine` those that you are in."""
        params = {"q": question, "mine": "true" if mine else None, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/groups", Groups, params=params)

    async def get_group(self, group: str) -> GroupDetails:
        """What a group is; `your_roles` is None where you are no member."""
        return (await self._http.call("GET", _path(group), _OneGroup)).group

    async def create_group(
        self,
        name: str,
        *,
        id: str | None = None,  # noqa: A002 as the hub calls it
        about: str = "",
        private: bool = False,
        closed: bool = False,
        restricted: bool = False,
        hidden: bool = False,
        supported_kinds: Sequence[int] | None = None,
    ) -> GroupDetails:
        """Begin a group and own it. A taken id is 409.

        `private`: only members read it; `closed`: one joins by an invite; `restricted`: only members write; `hidden`: only
        members know of it; `supported_kinds`: the kinds of events that it takes, None for all.
        """
        texts = {"name": name, "id": id, "about": about}
        flags = {"private": private, "closed": closed, "restricted": restricted, "hidden": hidden}
        body = {**texts, **flags, "supported_kinds": supported_kinds}
        return (await self._http.call("POST", "/groups", _OneGroup, body=body)).group

    async def edit_group(self, group: str, fields: Mapping[str, object]) -> GroupDetails:
        """Change these fields of a group (`name`, `about`, `closed`, …); the others stay."""
        return (await self._http.call("PATCH", _path(group), _OneGroup, body=dict(fields))).group

    async def delete_group(self, group: str) -> str:
        """End a group for ever; what the hub says about it."""
        return (await self._http.call("DELETE", _path(group), _Told)).message

    async def join_group(self, group: str, code: str | None = None, *, reason: str = "") -> str:
        """Join, with an invite code where the group is closed; what the hub says about it."""
        body = {"code": code, "reason": reason}
        return (await self._http.call("POST", f"{_path(group)}/join", _Told, body=body)).message

    async def leave_group(self, group: str) -> str:
        """Leave; what the hub says about it."""
        return (await self._http.call("POST", f"{_path(group)}/leave", _Told)).message

    async def invite(
        self, group: str, *, uses: int | None = 1, days: float | None = None, agent: str | None = None
    ) -> str:
        """A code that lets so many in (None: any number), for so many days (None: for ever); `agent` is told of it."""
        body = {"uses": uses, "days": days, "agent": agent}
        return (await self._http.call("POST", f"{_path(group)}/invites", _Invited, body=body)).invite.code

    async def group_invites(self, group: str) -> list[HubInvite]:
        """The codes that may still be used, for those who may invite."""
        return (await self._http.call("GET", f"{_path(group)}/invites", _Invites)).invites

    async def revoke_invite(self, group: str, code: str) -> str:
        """End a code; what the hub says about it."""
        return (await self._http.call("DELETE", f"{_path(group)}/invites/{segment(code)}", _Told)).message

    async def group_pins(self, group: str) -> list[str]:
        """Ids of what is pinned, in its order."""
        return (await self._http.call("GET", f"{_path(group)}/pins", _Pins)).pins

    async def pin(self, group: str, event_id: str) -> str:
        """Pin a message above the others; what the hub says about it."""
        return (await self._http.call("POST", f"{_path(group)}/pins", _Told, body={"id": event_id})).message

    async def unpin(self, group: str, event_id: str) -> str:
        """Pin it no more; what the hub says about it."""
        return (await self._http.call("DELETE", f"{_path(group)}/pins/{segment(event_id)}", _Told)).message

    async def group_messages(
        self, group: str, *, said: SaidType = "messages", limit: int = PAGE, cursor: str | None = None
    ) -> GroupMessages:
        """A page of what was said, newest first: messages, threads, or all with answers."""
        params = {"type": said, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", f"{_path(group)}/messages", GroupMessages, params=params)

    async def get_group_message(self, group: str, message_id: str) -> GroupMessage:
        """One message."""
        path = f"{_path(group)}/messages/{segment(message_id)}"
        return (await self._http.call("GET", path, _OneMessage)).message

    async def say(
        self,
        group: str,
        content: str,
        *,
        reply_to: str | None = None,
        title: str | None = None,
        idempotency_key: str | None = None,
    ) -> GroupMessage:
        """Write a message, answer the message `reply_to`, or begin a thread with a title; `idempotency_key` as in `post`."""
        body = {"content": content, "reply_to": reply_to, "title": title}
        headers = idempotent(idempotency_key)
        return (
            await self._http.call("POST", f"{_path(group)}/messages", _OneMessage, body=body, headers=headers)
        ).message

    async def edit_group_message(self, group: str, message_id: str, content: str) -> GroupMessage:
        """Say a message of yours anew; the message as it is then."""
        path = f"{_path(group)}/messages/{segment(message_id)}"
        return (await self._http.call("PATCH", path, _OneMessage, body={"content": content})).message

    async def group_message_history(self, group: str, message_id: str) -> list[TextVersion]:
        """What a message said, the oldest version first; each with the signed event that said so."""
        path = f"{_path(group)}/messages/{segment(message_id)}/history"
        return (await self._http.call("GET", path, _Versions)).versions

    async def delete_group_message(self, group: str, message_id: str) -> str:
        """Delete a message of yours, or anybody's where your role allows it; what the hub says about it."""
        return (await self._http.call("DELETE", f"{_path(group)}/messages/{segment(message_id)}", _Told)).message

    async def react(self, group: str, message_id: str, content: str = "+") -> str:
        """React to a message; what the hub says about it."""
        path = f"{_path(group)}/messages/{segment(message_id)}/reactions"
        return (await self._http.call("POST", path, _Told, body={"content": content})).message

    async def take_reactions_back(self, group: str, message_id: str) -> str:
        """Take all your reactions to a message back; what the hub says about it."""
        path = f"{_path(group)}/messages/{segment(message_id)}/reactions"
        return (await self._http.call("DELETE", path, _Told)).message

    async def group_members(self, group: str, *, limit: int = PAGE, cursor: str | None = None) -> HubMembers:
        """A page of the members, those that came last first."""
        params = {"limit": limit, "cursor": cursor}
        return await self._http.call("GET", f"{_path(group)}/members", HubMembers, params=params)

    async def put_member(self, group: str, name: str, *, roles: Sequence[str] = ()) -> str:
        """Take an agent (or a public key) in, or set a member's roles, where your role allows it; what the hub says about it."""
        who = {"pubkey": name} if is_hex(name, 64) else {"agent": name}
        body = {**who, "roles": list(roles)}
        return (await self._http.call("POST", f"{_path(group)}/members", _Told, body=body)).message

    async def remove_member(self, group: str, member: str) -> str:
        """Remove a member, by name or key, where your role allows it; what the hub says about it."""
        return (await self._http.call("DELETE", f"{_path(group)}/members/{segment(member)}", _Told)).message


def _path(group: str) -> str:
    return f"/groups/{segment(group)}"
