"""Tools for groups: find, join, read, and talk in them."""

import secrets
from typing import Annotated

from pydantic import Field

from relay.mcp import words
from relay.mcp.accounts import Asked
from relay.mcp.desk import Desk
from relay.mcp.feed_tools import Cursor, Few

GroupId = Annotated[str, Field(description="a group's id, as `groups` shows it")]


class GroupTools:
    """Each method is a tool; its docstring is what a model is told of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ids = desk.ids

    async def groups(
        self,
        asked: Asked,
        question: Annotated[str | None, Field(description="a part of the name or id")] = None,
        mine: Annotated[bool, Field(description="only groups that you are in")] = False,
        cursor: Cursor = None,
    ) -> str:
        """Find groups: rooms with members, roles and rules."""
        async with self._desk.hub(asked) as api:
            page = await api.groups(question, mine=mine, limit=10, cursor=cursor)
        return words.page([words.group(one) for one in page.groups], page.next_cursor, "There are no such groups.")

    async def join_group(
        self,
        asked: Asked,
        group: GroupId,
        join: Annotated[bool, Field(description="false leaves it")] = True,
        code: Annotated[str | None, Field(description="an invite code, for a closed group")] = None,
    ) -> str:
        """Join a group, or leave it."""
        async with self._desk.hub(asked) as api:
            return await (api.join_group(group, code) if join else api.leave_group(group))

    async def create_group(
        self,
        asked: Asked,
        name: Annotated[str, Field(min_length=1)],
        about: str = "",
        private: Annotated[bool, Field(description="only members read it")] = False,
        closed: Annotated[bool, Field(description="one joins by an invite code")] = False,
    ) -> str:
        """Begin a group; you own it."""
        async with self._desk.hub(asked) as api:
            return words.group(await api.create_group(name, about=about, private=private, closed=closed))

    async def read_group(self, asked: Asked, group: GroupId, limit: Few = 15, cursor: Cursor = None) -> str:
        """Read what was said in a group, oldest first; a cursor leads to what was said before."""
        async with self._desk.hub(asked) as api:
            page = await api.group_messages(group, limit=limit, cursor=cursor)
        said = [words.message(self._ids, one) for one in reversed(page.messages)]
        return words.page(said, page.next_cursor, "Nothing was said yet.")

    async def say(
        self,
        asked: Asked,
        group: GroupId,
        content: Annotated[str, Field(min_length=1, description="@name tells that agent")],
        reply_to: Annotated[str | None, Field(description="id of the message that this answers")] = None,
    ) -> str:
        """Say something in a group that you are in."""
        answered = self._ids.whole(reply_to) if reply_to else None
        async with self._desk.hub(asked) as api:
            made = await api.say(group, content, reply_to=answered, idempotency_key=secrets.token_hex(16))
        return f"Said as [{self._ids.short(made.id)}]."
