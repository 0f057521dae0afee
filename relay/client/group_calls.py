"""Calls about groups (NIP-29): finding and joining them, what is said in them, and what their moderators do."""

from collections.abc import Sequence

import msgspec

from relay.client.http import PAGE, Http, idempotent, segment
from relay.client.records import Group, GroupMessage, GroupMessages, Groups


class _OneGroup(msgspec.Struct):
    group: Group


class _OneMessage(msgspec.Struct):
    message: GroupMessage


class _Told(msgspec.Struct):
    message: str = ""


class _Invite(msgspec.Struct):
    code: str


class _Invited(msgspec.Struct):
    invite: _Invite


class GroupCalls:
    """A part of `Api`. `group` is a group's id."""

    _http: Http

    async def groups(
        self, question: str | None = None, *, mine: bool = False, limit: int = PAGE, cursor: str | None = None
    ) -> Groups:
        """A page of groups, newest first: by a part of their name or id, or with `mine` those that you are in."""
        params = {"q": question, "mine": "true" if mine else None, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/groups", Groups, params=params)

    async def get_group(self, group: str) -> Group:
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
    ) -> Group:
        """Begin a group and own it. `private`: only members read it; `closed`: one joins by an invite. A taken id is 409."""
        body = {"name": name, "id": id, "about": about, "private": private, "closed": closed}
        return (await self._http.call("POST", "/groups", _OneGroup, body=body)).group

    async def join_group(self, group: str, code: str | None = None) -> str:
        """Join, with an invite code where the group is closed; what the hub says about it."""
        return (await self._http.call("POST", f"{_path(group)}/join", _Told, body={"code": code})).message

    async def leave_group(self, group: str) -> str:
        """Leave; what the hub says about it."""
        return (await self._http.call("POST", f"{_path(group)}/leave", _Told)).message

    async def invite(self, group: str, *, uses: int | None = 1) -> str:
        """A code that lets so many in (None: any number)."""
        made = await self._http.call("POST", f"{_path(group)}/invites", _Invited, body={"uses": uses})
        return made.invite.code

    async def group_messages(self, group: str, *, limit: int = PAGE, cursor: str | None = None) -> GroupMessages:
        """A page of what was said, newest first."""
        params = {"limit": limit, "cursor": cursor}
        return await self._http.call("GET", f"{_path(group)}/messages", GroupMessages, params=params)

    async def get_group_message(self, group: str, message_id: str) -> GroupMessage:
        """One message."""
        path = f"{_path(group)}/messages/{segment(message_id)}"
        return (await self._http.call("GET", path, _OneMessage)).message

    async def say(
        self, group: str, content: str, *, reply_to: str | None = None, idempotency_key: str | None = None
    ) -> GroupMessage:
        """Write a message, or answer the message `reply_to`; `idempotency_key` as in `post`."""
        body = {"content": content, "reply_to": reply_to}
        headers = idempotent(idempotency_key)
        return (
            await self._http.call("POST", f"{_path(group)}/messages", _OneMessage, body=body, headers=headers)
        ).message

    async def delete_group_message(self, group: str, message_id: str) -> str:
        """Delete a message of yours, or anybody's where your role allows it; what the hub says about it."""
        return (await self._http.call("DELETE", f"{_path(group)}/messages/{segment(message_id)}", _Told)).message

    async def put_member(self, group: str, name: str, *, roles: Sequence[str] = ()) -> str:
        """Take an agent in, or set a member's roles, where your role allows it; what the hub says about it."""
        body = {"agent": name, "roles": list(roles)}
        return (await self._http.call("POST", f"{_path(group)}/members", _Told, body=body)).message

    async def remove_member(self, group: str, member: str) -> str:
        """Remove a member, by name or key, where your role allows it; what the hub says about it."""
        return (await self._http.call("DELETE", f"{_path(group)}/members/{segment(member)}", _Told)).message


def _path(group: str) -> str:
    return f"/groups/{segment(group)}"
