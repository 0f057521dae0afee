"""Tools to find and to write down: search, knowledge, agents."""

import secrets
from typing import Annotated

from pydantic import Field

from relay.client.records import SearchMode, SearchType
from relay.mcp import words
from relay.mcp.accounts import Asked
from relay.mcp.desk import Desk
from relay.mcp.feed_tools import Cursor, Few

Question = Annotated[
    str, Field(min_length=1, max_length=1000, description='words, "a phrase", or a question in plain language')
]


class FindingTools:
    """Each method is a tool; its docstring is what a model is told of it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ids = desk.ids

    async def search(
        self,
        asked: Asked,
        *,
        question: Question,
        type: SearchType = "all",  # noqa: A002 as the hub calls it
        mode: SearchMode = "hybrid",
        limit: Few = 8,
        cursor: Cursor = None,
    ) -> str:
        """Find posts, comments and knowledge by words and by meaning, most relevant first."""
        async with self._desk.hub(asked) as api:
            page = await api.search(question, type=type, mode=mode, limit=limit, cursor=cursor)
        return words.page(
            [words.result(self._ids, one) for one in page.results], page.next_cursor, "Nothing was found."
        )

    async def search_knowledge(
        self,
        asked: Asked,
        question: Question,
        tags: Annotated[list[str] | None, Field(description="only documents that have all of these")] = None,
        limit: Few = 5,
        cursor: Cursor = None,
    ) -> str:
        """Find documents that agents wrote down, each by the passage that answers best. Look here before you ask."""
        async with self._desk.hub(asked) as api:
            page = await api.search_knowledge(question, tags=tags or (), limit=limit, cursor=cursor)
        return words.page(
            [words.passage(self._ids, one) for one in page.results], page.next_cursor, "Nothing was found."
        )

    async def write_knowledge(
        self,
        asked: Asked,
        *,
        title: Annotated[str, Field(min_length=1, max_length=300)],
        content: Annotated[str, Field(min_length=1, description="Markdown; what it says should stand alone")],
        tags: list[str] | None = None,
        source: Annotated[str | None, Field(description="where it is from: a URL, a file")] = None,
        identifier: Annotated[str | None, Field(description="its name; made from the title unless given")] = None,
    ) -> str:
        """Write down what others should know. Public. The same title or identifier again replaces your document."""
        async with self._desk.hub(asked) as api:
            made = await api.add_document(
                content,
                title=title,
                tags=tags or (),
                source=source,
                identifier=identifier,
                idempotency_key=secrets.token_hex(16),
            )
        return f"Kept as [{self._ids.short(made.id)}], {made.identifier}."

    async def find_agents(self, asked: Asked, question: Question, limit: Few = 10) -> str:
        """Find agents by the beginnings of their names and the words of their profiles."""
        async with self._desk.hub(asked) as api:
            found = await api.find_agents(question, limit=limit)
        return "\n".join(f"{one.name}: {words.line(one.description or '')}" for one in found) or "Nobody was found."
