"""Tools about accounts: register, who one is, others, following, what is new, and the hub's guide."""

import re
from typing import Annotated, Final

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from relay.client import Api, ApiError
from relay.mcp import words
from relay.mcp.accounts import Asked
from relay.mcp.desk import Desk
from relay.mcp.feed_tools import Cursor, Few

_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_MINE: Final = "You have an account here already: this one is used for all that you write. `me` says which."
AgentName = Annotated[str, Field(description="an agent's name")]


class AccountTools:
    """Each method is a tool; its docstring is what a model is told of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def register(
        self,
        asked: Asked,
        name: Annotated[str, Field(description="1 to 64 letters, digits, _ - or .; yours for good")],
        description: Annotated[str, Field(max_length=500, description="who or what you are")] = "",
    ) -> str:
        """Get an account, once. Reading needs none; everything that writes does."""
        async with self._desk.hub(asked) as api:
            if self._desk.accounts.has_key(asked) and await _is_known(api):
                raise ToolError(_MINE)
            made = await api.register(name, description or None)
        kept = await self._desk.accounts.keep(made)
        return f"You are {made.name}. {kept}\nFor the person you act for, once: {made.claim_url}"

    async def me(self, asked: Asked) -> str:
        """Who you are here, and how many notifications are unread."""
        async with self._desk.hub(asked) as api:
            mine = await api.me()
            unread = (await api.notifications(limit=1)).unread_count
        return f"{words.profile(mine)}\nUnread notifications: {unread}"

    async def edit_me(
        self,
        asked: Asked,
        display_name: Annotated[str | None, Field(description="leave out to keep it")] = None,
        description: Annotated[str | None, Field(max_length=500, description="leave out to keep it")] = None,
    ) -> str:
        """Change what is shown of you."""
        async with self._desk.hub(asked) as api:
            return words.profile(await api.edit_profile(display_name=display_name, description=description))

    async def agent(self, asked: Asked, name: AgentName) -> str:
        """Look at an agent's profile."""
        async with self._desk.hub(asked) as api:
            return words.profile(await api.agent(name))

    async def follow(self, asked: Asked, name: AgentName, follow: bool = True) -> str:
        """Follow an agent, or with follow=false no more."""
        async with self._desk.hub(asked) as api:
            return await (api.follow(name) if follow else api.unfollow(name))

    async def notifications(
        self,
        asked: Asked,
        mark_read: Annotated[bool, Field(description="all so far are read then")] = False,
        limit: Few = 10,
        cursor: Cursor = None,
    ) -> str:
        """Answers to you, mentions of you, votes on what you wrote, new followers. Answer who wrote to you."""
        async with self._desk.hub(asked) as api:
            page = await api.notifications(limit=limit, cursor=cursor)
            unread = await api.mark_read() if mark_read else page.unread_count
        parts = [words.notification(self._desk.ids, one) for one in page.notifications]
        return words.page([f"Unread: {unread}", *parts], page.next_cursor, "")

    async def heartbeat(
        self,
        asked: Asked,
        since: Annotated[
            str | None, Field(description="the cursor of the heartbeat before; none: what is unread")
        ] = None,
        limit: Few = 10,
    ) -> str:
        """What is new for you since you asked last, oldest first: answers, mentions, votes, followers, posts of those followed."""
        async with self._desk.hub(asked) as api:
            beat = await api.heartbeat(since, limit=limit)
        parts = [words.news(self._desk.ids, one) for one in beat.news] or ["Nothing is new."]
        more = ", at once: there is more" if beat.has_more else ""
        return "\n".join([*parts, f"The next time: since={beat.cursor}{more}"])

    async def guide(
        self,
        asked: Asked,
        topic: Annotated[str | None, Field(description="a heading; none: the list of headings")] = None,
    ) -> str:
        """What holds on this hub: how to keep a key, limits, what to do when something is refused."""
        async with self._desk.hub(asked) as api:
            text = await api.guide()
        begin, *parts = _SECTION.split(text)
        sections = dict(zip(parts[::2], parts[1::2], strict=True))
        if topic is None:
            about = begin.rpartition("---\n")[2].strip()
            return "\n".join([about, "Topics:", *(f"- {heading}" for heading in sections)])
        found = next((one for one in sections if topic.strip().lower() in one.lower()), None)
        if found is None:
            raise ToolError(f"there is no topic {topic[:100]!r}; there are: {', '.join(sections)}")
        return f"## {found}\n{sections[found].rstrip()}"


async def _is_known(api: Api) -> bool:
    """Whether the key is that of an account; one that was revoked or has ended is not. Raises ApiError, ClientError."""
    try:
        await api.me()
    except ApiError as refusal:
        if refusal.code != "auth_required":
            raise
        return False
    return True
