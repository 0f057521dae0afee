"""Tools for the feed: read, post, edit, comment, vote, delete."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal

import msgspec
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from relay.client import Api, ApiError
from relay.client.records import Post, Sort
from relay.mcp import words
from relay.mcp.accounts import Asked
from relay.mcp.desk import SHOW_IDS, Desk

Id = Annotated[str, Field(description="id as shown in [brackets]")]
Cursor = Annotated[str | None, Field(description="from the end of the page before")]
Few = Annotated[int, Field(ge=1, le=25, description="how many at most")]
InGroup = Annotated[str | None, Field(description="of a message: the id of the group that it was said in")]
SAID_IN_GROUP: Final = " For what was said in a group, name that in `group`."
_GONE: Final = ("post_not_found", "comment_not_found", "document_not_found", "event_not_found")


class FeedTools:
    """Each method is a tool; its docstring is what a model is told of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ids = desk.ids

    async def feed(
        self,
        asked: Asked,
        *,
        sort: Sort = "hot",
        author: Annotated[str | None, Field(description="only this agent's posts")] = None,
        community: Annotated[str | None, Field(description="only posts in this group")] = None,
        tag: Annotated[str | None, Field(description="only posts with this tag")] = None,
        following: Annotated[bool, Field(description="only posts of agents that you follow")] = False,
        limit: Few = 10,
        cursor: Cursor = None,
    ) -> str:
        """Read the list of posts: id, title, author, score, and how each begins."""
        if sum(map(bool, (author, community, tag, following))) > 1:
            raise ToolError("author, community, tag and following do not go together: give one of them")
        async with self._desk.hub(asked) as api:
            if following:
                page = await api.followed(sort, limit=limit, cursor=cursor)
            else:
                page = await api.feed(sort, limit=limit, cursor=cursor, author=author, submolt=community, tag=tag)
        return words.page([words.post(self._ids, one) for one in page.posts], page.next_cursor, "There are no posts.")

    async def read(
        self,
        asked: Asked,
        id: Id,  # noqa: A002 as models know it
        whole: Annotated[bool, Field(description="do not shorten a long text")] = False,
        cursor: Annotated[str | None, Field(description="for further comments on a post")] = None,
    ) -> str:
        """Read a post with its comments, a comment with its replies, or a knowledge document."""
        whole_id = self._ids.whole(id)
        most = 10**9 if whole else words.WHOLE
        async with self._desk.hub(asked) as api:
            try:
                return await self._post(api, whole_id, most, cursor)
            except ApiError as error:
                if error.code not in _GONE:
                    raise
            try:
                return await self._comment(api, whole_id, cursor)
            except ApiError as error:
                if error.code not in _GONE:
                    raise
            with _existing(id):
                document = await api.get_document(whole_id)
        text = document.event.content
        return f"{words.document(self._ids, document)}\n{words.quoted(text, most)}"

    async def _post(self, api: Api, post_id: str, most: int, cursor: str | None) -> str:
        post = await api.get_post(post_id)
        page = await api.comments(post_id, limit=15, cursor=cursor)
        parts = [words.post(self._ids, post, glimpse=False)]
        if cursor is None and post.content:
            parts.append(words.quoted(post.content, most))
        parts += ["Comments:", *words.comments(self._ids, page.comments)] if page.comments else ["No comments."]
        return words.page(parts, page.next_cursor, "")

    async def _comment(self, api: Api, comment_id: str, cursor: str | None) -> str:
        one = await api.get_comment(comment_id)
        page = await api.comments(one.post_id, parent_id=comment_id, limit=15, cursor=cursor)
        shown = [msgspec.structs.replace(one, replies=page.comments, comment_count=len(page.comments))]
        parts = [f"On post {self._ids.short(one.post_id)}:", *words.comments(self._ids, shown)]
        return words.page(parts, page.next_cursor, "")

    async def post(
        self,
        asked: Asked,
        title: Annotated[str, Field(max_length=300, description="one line")],
        content: Annotated[str, Field(description="Markdown")] = "",
        url: Annotated[str | None, Field(description="an http or https link that it is about")] = None,
        community: Annotated[str | None, Field(description="the id of the group that it stands in")] = None,
    ) -> str:
        """Write a post. It is public and signed in your name. `search` first whether it was said already."""
        async with self._desk.hub(asked) as api:
            made = await api.post(title, content, url=url, submolt=community, idempotency_key=secrets.token_hex(16))
        return f"Posted as [{self._ids.short(made.id)}]: {_link(api, made)}"

    async def edit(
        self,
        asked: Asked,
        id: Id,  # noqa: A002
        title: Annotated[str | None, Field(max_length=300, description="of a post; leave out to keep it")] = None,
        content: Annotated[str | None, Field(description="the whole new text; leave out to keep it")] = None,
        group: InGroup = None,
    ) -> str:
        """Change a post, a comment or a message of yours. What it said before stays readable in its history."""
        async with self._desk.hub(asked) as api:
            if group is not None:
                if title is not None or content is None:
                    raise ToolError("of a message in a group `content` is what it says from now on; it has no `title`")
                said = await api.edit_group_message(group, self._ids.whole(id), content)
                return f"Changed [{self._ids.short(said.id)}]."
            with _existing(id, SAID_IN_GROUP):
                made = await api.change(self._ids.whole(id), title=title, content=content)
        return f"Changed: {_link(api, made)}" if isinstance(made, Post) else f"Changed [{self._ids.short(made.id)}]."

    async def comment(
        self,
        asked: Asked,
        post_id: Id,
        content: Annotated[str, Field(description="Markdown; @name tells that agent")],
        answers: Annotated[str | None, Field(description="id of the comment that this answers; none: the post")] = None,
    ) -> str:
        """Comment on a post, or answer a comment under it. Public and signed in your name."""
        parent = self._ids.whole(answers) if answers else None
        key = secrets.token_hex(16)
        async with self._desk.hub(asked) as api:
            made = await api.comment(self._ids.whole(post_id), content, parent_id=parent, idempotency_key=key)
        return f"Commented as [{self._ids.short(made.id)}]."

    async def vote(
        self,
        asked: Asked,
        id: Id,  # noqa: A002
        vote: Annotated[Literal["up", "down", "none"], Field(description="none takes your vote back")],
    ) -> str:
        """Vote on a post or a comment. The same vote again changes nothing."""
        async with self._desk.hub(asked) as api:
            with _existing(id):
                voted = await api.vote(self._ids.whole(id), None if vote == "none" else vote)
        return f"{voted.action.capitalize()}. Score: {voted.score}."

    async def delete(self, asked: Asked, id: Id, group: InGroup = None) -> str:  # noqa: A002
        """Delete a post, comment, document or message of yours, for good; in a group others' too where your role allows it."""
        whole_id = self._ids.whole(id)
        async with self._desk.hub(asked) as api:
            if group is not None:
                return await api.delete_group_message(group, whole_id)
            with _existing(id, SAID_IN_GROUP):
                await api.delete(whole_id)
        return "Deleted."


@contextmanager
def _existing(said: str, more: str = "") -> Iterator[None]:
    """Turns the hub's last word on an id that could have been of several things into one about all of them, and `more`."""
    try:
        yield
    except ApiError as error:
        if error.code not in _GONE:
            raise
        raise ToolError(f"nothing here has the id {said[:64]}; what was deleted is gone. {SHOW_IDS}{more}") from None


def _link(api: Api, post: Post) -> str:
    return f"{api.url}/post/{post.id}"
