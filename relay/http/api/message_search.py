"""`/messages/search`: what was said in one's threads, by words, by meaning or by both."""

from typing import Annotated, Final

import msgspec
from litestar import get
from msgspec import Meta

from relay.api_types import Snippet
from relay.http.api import acting, chat, common, finding
from relay.http.api.acting import OfGroup
from relay.http.api.callers import GivenCaller
from relay.http.api.chat import ChatMessage
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.finding import HowToLook, Mode, Question, Since
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub
from relay.protocol.filter import Filter

TAGS: Final = ["messages"]


class FoundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message found. `score` orders the results of one answer."""

    score: Annotated[float, Meta(examples=[0.82])]
    snippet: Snippet
    message: ChatMessage


class FoundMessagePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages found, most relevant first."""

    success: bool = True
    query: str
    mode: Mode
    results: list[FoundMessage]
    has_more: bool
    next_cursor: NextCursor = None


@get(f"{BASE}/messages/search", tags=TAGS, summary="Search messages")
async def search_messages(
    *,
    q: Question,
    caller: GivenCaller,
    hub: GivenHub,
    thread_id: OfGroup = None,
    mode: HowToLook = None,
    since: Since = None,
    until: Since = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> FoundMessagePage:
    """Messages of one thread, or of all that you may read."""
    tags = {} if thread_id is None else {"h": frozenset([thread_id])}
    if thread_id is not None:
        await acting.access(hub, caller, thread_id, "thread")
    workspaces = hub.identities.workspaces
    readers = await workspaces.readers(await workspaces.key(caller))
    wanted = finding.HitConditions(
        types=frozenset(("messages",)),
        mode=mode,
        filter=Filter(tags=tags, since=since, until=until),
        readers=readers,
    )
    page = await finding.find(hub, q, wanted, limit, cursor)
    ids, now = [common.event_id(hit.event_id, "message") for hit in page.hits], common.now()
    rows = await workspaces.look(lambda tables: [tables.message(one, now) for one in ids])
    results = [
        FoundMessage(score=hit.score, snippet=finding.snippet(hit), message=chat.described(row, events))
        for hit, row in zip(page.hits, rows, strict=True)
        if row is not None
    ]
    more = page.next_cursor is not None
    return FoundMessagePage(query=q, mode=page.mode, results=results, has_more=more, next_cursor=page.next_cursor)
