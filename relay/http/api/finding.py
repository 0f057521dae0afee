"""Searching over HTTP: one question, a page of hits and how to go on.

What stands in a hidden group is told to its members alone; over the WebSocket it is found as what anybody may read (NIP-29).

A cursor holds the number of the log's last event when the first page was made, and how many hits have been given: what comes in
later is on no further page.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from litestar.params import QueryParameter

from keys.encoding import decode
from relay.api_types import Snippet
from relay.http.api import common
from relay.http.hub import RunningRelay
from relay.http.problems import invalid, not_found, of_storage
from relay.protocol import search
from relay.protocol.event import MAX_TIMESTAMP
from relay.protocol.filter import Filter
from relay.protocol.kinds import is_hex
from storage.base import PUBLIC, Readers
from storage.errors import StorageError
from storage.search.engine import MAX_HITS, Hit, KindOf, SearchQuery

_CURSOR: Final = re.compile(r"([0-9]{1,16})-([0-9]{1,4})")

Mode = Literal["words", "meaning", "hybrid"]
Order = Literal["relevant", "new"]
HowToLook = Annotated[
    Mode | None, QueryParameter(description="by words, by meaning or both; without it, what `q` says, else `hybrid`")
]
Language = Annotated[
    str,
    QueryParameter(description="ISO 639-1 code; only what is labelled so", pattern="^([a-z]{2})?$", max_length=2),
]
Author = Annotated[
    str,
    QueryParameter(
        description="only what this identity wrote: its name, an npub, or a public key in hex", max_length=100
    ),
]
Since = Annotated[int | None, QueryParameter(description="unix seconds, inclusive", ge=0, le=MAX_TIMESTAMP)]
Sort = Annotated[
    Order,
    QueryParameter(
        description=f"`new`: of the {MAX_HITS} most relevant the newest first, looked for by words unless `mode` says otherwise"
    ),
]
Question = Annotated[
    str,
    QueryParameter(
        description=f'words, "a phrase", begin* or a question; {search.MAX_SEARCH} characters at most', min_length=1
    ),
]


class HitConditions(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for, beside the question itself, and under which names; None is any."""

    types: frozenset[KindOf] | None = None
    mode: Mode | None = None
    order: Order = "relevant"
    language: str = ""
    filter: Filter = Filter()
    tags: frozenset[str] = frozenset()
    user: str | None = None
    organization: str | None = None
    project: str | None = None
    readers: Readers = PUBLIC


class HitPage(msgspec.Struct, frozen=True):
    """A page of hits in the order that was asked for; `mode` is how they were looked for."""

    hits: list[Hit]
    mode: Mode
    next_cursor: str | None


async def find(hub: RunningRelay, question: str, wanted: HitConditions, limit: int, cursor: str) -> HitPage:
    """One page. Raises HttpProblem: 400 for a question or cursor that cannot be used, 503 when the database fails."""
    if not question.strip():
        raise invalid("there is nothing to look for: a search needs a word, a number or an emoji")
    if len(question) > search.MAX_SEARCH:
        raise invalid(f"a search has at most {search.MAX_SEARCH} characters")
    asked = search.parse(question, pairs_are_words=True)
    if not asked.terms:
        raise invalid("there is nothing in this to look for: a search needs a word, a number or an emoji")
    upto, skip = _place(hub, cursor)
    last = min(skip + common.at_most(limit), MAX_HITS)
    newest = wanted.order == "new"
    # Nearly everything has something to do with a question; whoever wants the newest of that wants what has its words.
    mode = wanted.mode or ("words" if newest and asked.mode == "hybrid" else asked.mode)
    query = SearchQuery(
        text=asked.text,
        mode=mode,
        wanted=msgspec.structs.replace(wanted.filter, limit=MAX_HITS if newest else min(last + 1, MAX_HITS)),
        readers=wanted.readers,
        now=common.now(),
        upto=upto,
        types=wanted.types,
        user=wanted.user,
        organization=wanted.organization,
        project=wanted.project,
        tags=wanted.tags,
        language=wanted.language or asked.language,
    )
    try:
        hits = await hub.search.search(query)
    except StorageError as error:
        raise of_storage(error) from None
    if newest:
        hits.sort(key=lambda hit: (-hit.created_at, hit.event_id))
    return HitPage(
        await _told(hub, hits[skip:last], wanted.readers), mode, f"{upto}-{last}" if len(hits) > last else None
    )


async def _told(hub: RunningRelay, hits: list[Hit], readers: Readers) -> list[Hit]:
    """The hits of a page without those in hidden groups, of which members alone are to know: a page may be shorter by them."""
    try:
        hidden = await hub.feed.of_hidden([hit.seq for hit in hits], readers) if hits else set[int]()
    except StorageError as error:
        raise of_storage(error) from None
    return [hit for hit in hits if hit.seq not in hidden]


async def authors(hub: RunningRelay, author: str) -> frozenset[str] | None:
    """The keys of whoever is called so; None for "", which is anybody. Raises HttpProblem 404."""
    if not author or is_hex(author, 64):
        return frozenset([author]) if author else None
    if author.startswith("npub1"):
        try:
            return frozenset([decode("npub", author)])
        except ValueError:
            raise not_found("agent", "this npub is none: a sign of it is missing or wrong") from None
    identity = await hub.identities.profile(author.removeprefix("@"))
    if identity is None:
        raise not_found("agent", f"nobody here is called {author}")
    return frozenset(key.pubkey for key in await hub.identities.keys.of(identity.id))


def _place(hub: RunningRelay, cursor: str) -> tuple[int, int]:
    """Up to which event to look, and how many hits to pass over."""
    if not cursor:
        return hub.last_seq, 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise invalid("this cursor is none of ours; begin without one")
    return int(found.group(1)), min(int(found.group(2)), MAX_HITS)


def snippet(hit: Hit) -> Snippet:
    """The hit's text as the API shows it."""
    return Snippet(hit.snippet, hit.marks)
