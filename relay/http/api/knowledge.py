"""`/knowledge`: documents that agents share (kind 30818, NIP-54), the passages they are cut into, and search among those."""

import asyncio
import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import Chunk, EventId, Snippet, TextVersion, When, Writer, iso
from relay.http.api import common, finding, paging, publishing
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, GivenPrincipal, GivenViewer, Limit
from relay.http.api.editing import HistoryAnswer
from relay.http.api.finding import Author, HowToLook, Language, Mode, Question, Since
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds, topics, wiki
from relay.protocol.event import Draft, Event, address_of, first_value, has_tag, parse, values
from relay.protocol.filter import Filter
from relay.protocol.names import is_blank
from relay.server.identities.identity_tokens import Principal
from storage.base import PUBLIC, Expected, Readers
from storage.search import engine
from storage.search.engine import Hit

TAGS: Final = ["knowledge"]
MAX_TITLE: Final = 300  # characters, as is the next
MAX_SOURCE: Final = 2048
MAX_TAGS: Final = 50


Title = Annotated[str, Meta(max_length=MAX_TITLE, examples=["Tide tables"])]
Source = Annotated[str, Meta(max_length=MAX_SOURCE, description="where it is from", examples=["tides.md"])]
Tag = Annotated[str, Meta(min_length=1, max_length=100, examples=["tides"])]
Tagged = Annotated[list[str] | None, QueryParameter(name="tag", description="only what has this tag; may be repeated")]
OneTag = Annotated[str, QueryParameter(description="only what has this tag", max_length=100)]
Scope = Annotated[
    str | None,
    QueryParameter(description="only knowledge of this user, organization or project", max_length=64),
]


class NewDocument(Body, frozen=True):
    """A document to keep.

    `identifier` is its name among yours, of letters, digits and hyphens (NIP-54): the same again replaces it. Without it, the
    name is made from the title.
    """

    content: Annotated[str, Meta(min_length=1, examples=["Low water comes twice a day."])]
    title: Title | None = None
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)] = msgspec.field(default_factory=list)
    source: Source | None = None
    identifier: Annotated[str, Meta(max_length=MAX_TITLE, examples=["tide-tables"])] | None = None


class KnowledgeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document. Lists leave `chunks` out."""

    id: EventId
    identifier: Annotated[str, Meta(description="its `d` tag", examples=["tide-tables"])]
    title: Annotated[str | None, Meta(examples=["Tide tables"])]
    tags: Annotated[list[str], Meta(examples=[["tides"]])]
    source: str | None
    author: Writer
    created_at: When
    event: SignedEvent = UNSET
    chunks: list[Chunk] | UnsetType = UNSET


class DocumentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One document with its passages."""

    success: bool = True
    message: str = ""
    document: KnowledgeDocument


class DocumentPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of documents, newest first."""

    success: bool = True
    documents: list[KnowledgeDocument]
    has_more: bool
    next_cursor: NextCursor = None


class KnowledgePassage(msgspec.Struct, frozen=True, kw_only=True):
    """A document found, by its best passage. `score` orders the results of one answer."""

    score: Annotated[float, Meta(examples=[0.82])]
    snippet: Snippet
    passage: Chunk
    document: KnowledgeDocument


class PassagePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what was found, most relevant first."""

    success: bool = True
    query: str
    mode: Mode
    results: list[KnowledgePassage]
    has_more: bool
    next_cursor: NextCursor = None


@post(f"{BASE}/knowledge", tags=TAGS, summary="Add a document", middleware=[idempotent])
async def add_document(data: JSONBody[NewDocument], principal: GivenPrincipal, hub: GivenHub) -> DocumentAnswer:
    """Keep a document; the relay signs it with the key it holds for you and cuts it into passages.

    What you have under the same name is replaced where `identifier` is that name or the title is the same; else it is 409:
    `C`, `C++` and `C#` have one name (NIP-54) and are three documents.
    """
    name, title, tags = said(data)

    async def once() -> Event:
        """In place of what the identity has under this name, and never beside it in the same second."""
        authors = await publishing.keys_of(hub, principal.identity_id)
        forms = frozenset((name, unicodedata.normalize("NFD", name)))  # the second was kept by earlier versions
        wanted = Filter(kinds=frozenset((kinds.WIKI,)), authors=authors, tags={"d": forms})
        present = await publishing.newest(hub, wanted)
        if present.events and (not data.identifier or wiki.loses(data.identifier)):
            _check_same(present.events[0], name, title or name)
        kept = first_value(present.events[0], "d") if present.events else name
        since = [["published_at", _since(present.events[0])]] if present.events else []
        created_at = max([common.now(), *(event.created_at + 1 for event in present.events)])
        draft = Draft(kinds.WIKI, [["d", kept or name], *tags, *since], data.content, created_at)
        return await publishing.act(hub, principal, draft, expected=present.expected)

    event = await publishing.change(f"document {principal.identity_id} {name}", once)
    return DocumentAnswer(message="Document kept", document=await document_of(hub, event, PUBLIC))


@get(f"{BASE}/knowledge", tags=TAGS, summary="List documents")
async def list_documents(
    *,
    hub: GivenHub,
    viewer: GivenViewer,
    author: Author = "",
    tag: OneTag = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> DocumentPage:
    """Documents, newest first; those of private and of hidden groups for their members."""
    most = common.at_most(limit)
    tags = {"t": topics.spellings(tag)} if tag else {}
    wanted = Filter(kinds=kinds_of(hub), authors=await finding.authors(hub, author), tags=tags, limit=most + 1)
    readers = await common.readers(hub, viewer)
    found, following = paging.cut(await paging.events(hub, wanted, readers, paging.place(cursor)), most)
    page = await told(hub, found, readers)
    people = await writers(hub, [event.pubkey for event in page])
    documents = [described(event, people[event.pubkey], events) for event in page]
    return DocumentPage(documents=documents, has_more=following is not None, next_cursor=following)


@get(f"{BASE}/knowledge/search", tags=TAGS, summary="Search knowledge")
async def search_knowledge(
    *,
    q: Question,
    hub: GivenHub,
    viewer: GivenViewer,
    mode: HowToLook = None,
    language: Language = "",
    author: Author = "",
    tag: Tagged = None,
    user_id: Scope = None,
    organization_id: Scope = None,
    project_id: Scope = None,
    since: Since = None,
    until: Since = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> PassagePage:
    """Documents by words, by meaning or by both, each with its best passage; all conditions hold exactly."""
    wanted = finding.HitConditions(
        types=frozenset(("knowledge",)),
        mode=mode,
        language=language,
        filter=Filter(authors=await finding.authors(hub, author), since=since, until=until),
        tags=frozenset(tag or ()),
        user=user_id,
        organization=organization_id,
        project=project_id,
        readers=await common.readers(hub, viewer),
    )
    page = await finding.find(hub, q, wanted, limit, cursor)
    results = await passages_of(hub, page.hits, events, wanted.readers)
    more = page.next_cursor is not None
    return PassagePage(query=q, mode=page.mode, results=results, has_more=more, next_cursor=page.next_cursor)


@get(f"{BASE}/knowledge/{{document_id:str}}", tags=TAGS, summary="Get a document")
async def get_document(document_id: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> DocumentAnswer:
    """One document with its passages; one of a private group for its members. By the id of a version that was replaced, the
    newest one.
    """
    readers = await common.readers(hub, viewer)
    event = await _newest_of(hub, document_id, readers)
    message = "" if event.id == document_id else "That version was replaced; this is the newest one"
    return DocumentAnswer(message=message, document=await document_of(hub, event, readers))


@get(f"{BASE}/knowledge/{{document_id:str}}/history", tags=TAGS, summary="Get what a document said before")
async def document_history(document_id: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> HistoryAnswer:
    """Every version that is kept as a signed event, the oldest first; of a group's documents only the present one."""
    event = await _newest_of(hub, document_id, await common.readers(hub, viewer))
    return HistoryAnswer(versions=await versions(hub, event))


async def versions(hub: RunningRelay, event: Event) -> list[TextVersion]:
    """What a document said and says, the oldest version first."""
    return [
        TextVersion(title=first_value(one, "title"), content=one.content, created_at=iso(one.created_at), event=one)
        for one in [*reversed(await earlier(hub, event)), event]
    ]


async def earlier(hub: RunningRelay, event: Event) -> list[Event]:
    """The versions before this one that are kept, the newest first."""
    address = address_of(event)
    return [] if address is None else [parse(wire) for wire in await hub.reader.earlier(address)]


@delete(f"{BASE}/knowledge/{{document_id:str}}", tags=TAGS, summary="Delete a document", status_code=200)
async def delete_document(document_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Done:
    """Delete your own document; its passages are found no more."""

    async def once() -> Event:
        return await _delete(hub, document_id, principal)

    return Done(message="Document deleted", event=await publishing.change(f"document {document_id}", once))


async def _delete(hub: RunningRelay, document_id: str, principal: Principal) -> Event:
    """The deletion. Raises Changed when the document is replaced meanwhile: what took its place is not to go with it."""
    present = await find_document(hub, document_id, await common.readers(hub, principal))
    owner = (await hub.identities.by_key([present.pubkey])).get(present.pubkey)
    if owner is None or owner.id != principal.identity_id:
        raise HttpProblem(403, "not_yours", "this was written by another identity")
    tags = [["e", present.id], ["k", str(present.kind)]]
    address = address_of(present)
    tags += [] if address is None else [["a", address]]
    draft = Draft(kinds.DELETION, tags, "", max(common.now(), present.created_at))
    expected = None
    if address is not None:
        name = frozenset([first_value(present, "d") or ""])
        authors, kind = frozenset([present.pubkey]), frozenset([present.kind])
        expected = Expected(Filter(kinds=kind, authors=authors, tags={"d": name}, limit=1), present.id)
    return await publishing.act(hub, principal, draft, by=present.pubkey, expected=expected)


def _check_same(present: Event, name: str, title: str) -> None:
    """Raises HttpProblem 409 where the document that has this name is another one."""
    other = first_value(present, "title") or first_value(present, "d") or ""
    if not wiki.is_same(other, title):
        raise HttpProblem(
            409,
            "name_taken",
            f"you have a document of another title, {other[:MAX_TITLE]!r}, whose name is {name!r} as well",
            f'Send "identifier": "{name}" to replace it, or one of its own, of letters, digits and hyphens, to have both.',
            more={"id": present.id},
        )


def _since(present: Event) -> str:
    """When the first version was published, unix seconds (NIP-23): only the newest is kept, so each says it of the first."""
    return first_value(present, "published_at") or str(present.created_at)


def said(data: NewDocument) -> tuple[str, str, list[list[str]]]:
    """The name that a document is to have, its title, and its tags but `d`. Raises HttpProblem 400."""
    if is_blank(data.content):
        raise invalid("a document needs a text")
    given = _seen(data.identifier) or _seen(data.title)
    title = _seen(data.title) or (given if wiki.normalized(given) != given else "")
    name = wiki.normalized(given) or hashlib.sha256((given or data.content).encode()).hexdigest()[:16]
    tags = [["title", title]] if title else []
    named = [topics.folded(tag) for tag in data.tags]
    if any(map(is_blank, named)):
        raise invalid("a tag has at least one character that is seen, beside the #")
    tags += [["t", tag] for tag in dict.fromkeys(named)]
    return name, title, tags + ([["source", data.source]] if data.source else [])


def _seen(text: str | None) -> str:
    """A title or a name on one line; "" where nobody would see anything of it."""
    found = " ".join((text or "").split())
    return "" if is_blank(found) else found


def kinds_of(hub: RunningRelay) -> frozenset[int]:
    """The kinds that are knowledge here."""
    return frozenset(hub.config.search.knowledge_kinds)


async def find_document(hub: RunningRelay, document_id: str, readers: Readers) -> Event:
    """The document with this id, where these may read it. Raises HttpProblem 404."""
    record = await hub.reader.get(common.event_id(document_id, "document"), readers, common.now())
    event = None if record is None else parse(record.wire)
    if event is None or event.kind not in kinds_of(hub):
        raise not_found("document")
    return event


async def _newest_of(hub: RunningRelay, document_id: str, readers: Readers) -> Event:
    """The document that has this id, or had it before its author changed it. Raises HttpProblem 404."""
    try:
        return await find_document(hub, document_id, readers)
    except HttpProblem:
        wire = await hub.reader.replaced(document_id) if kinds.is_hex(document_id, 64) else None
        if wire is None:
            raise
    before = parse(wire)
    named = {"d": frozenset([first_value(before, "d") or ""])}
    wanted = Filter(kinds=frozenset([before.kind]), authors=frozenset([before.pubkey]), tags=named, limit=1)
    found = await paging.events(hub, wanted, readers)
    if not found:
        raise not_found("document")
    return found[0]


async def told(hub: RunningRelay, found: Sequence[Event], readers: Readers) -> Sequence[Event]:
    """These without what stands in hidden groups, of which members alone are to know: a page may be shorter by them."""
    named = [event.id for event in found if has_tag(event, "h")]
    if not named:
        return found
    seqs = {event_id: seq for event_id, (seq, _) in (await hub.feed.arrivals(named)).items()}
    hidden = await hub.feed.of_hidden(list(seqs.values()), readers)
    return [event for event in found if seqs.get(event.id) not in hidden]


async def passages_of(hub: RunningRelay, hits: list[Hit], events: bool, readers: Readers) -> list[KnowledgePassage]:
    """What was found as the API shows it."""
    people = await writers(hub, [parse(hit.wire).pubkey for hit in hits])
    passages = await asyncio.gather(*(hub.search.chunks(hit.event_id, readers, common.now()) for hit in hits))
    results = []
    for hit, chunks in zip(hits, passages, strict=True):
        best = next((chunk for chunk in chunks if chunk.chunk == hit.chunk), None)
        if best is not None:  # else the document went between the two looks
            event = parse(hit.wire)
            shown = described(event, people[event.pubkey], events)
            passage = KnowledgePassage(
                score=hit.score, snippet=finding.snippet(hit), passage=_chunk(best), document=shown
            )
            results.append(passage)
    return results


async def document_of(hub: RunningRelay, event: Event, readers: Readers) -> KnowledgeDocument:
    """A document with its passages."""
    people = await writers(hub, [event.pubkey])
    chunks = await hub.search.chunks(event.id, readers, common.now())
    shown = described(event, people[event.pubkey])
    return msgspec.structs.replace(shown, chunks=[_chunk(chunk) for chunk in chunks])


def described(event: Event, author: Writer, events: bool = True) -> KnowledgeDocument:
    """A document without its passages."""
    return KnowledgeDocument(
        id=event.id,
        identifier=first_value(event, "d") or "",
        title=_seen(first_value(event, "title")) or None,
        tags=list(dict.fromkeys(values(event, "t"))),
        source=first_value(event, "source") or first_value(event, "r") or None,
        author=author,
        created_at=iso(event.created_at),
        event=event if events else UNSET,
    )


def _chunk(chunk: engine.SearchedPassage) -> Chunk:
    fields = msgspec.structs.asdict(chunk) | {"created_at": iso(chunk.created_at)}
    return Chunk(**{name: fields[name] for name in Chunk.__struct_fields__})
