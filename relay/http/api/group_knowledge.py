"""Knowledge of an organization or a project (kind 30818 with `h`): written and found by its members, with app tokens."""

from typing import Final

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from relay.http.api import acting, common, finding, knowledge, paging
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.finding import HowToLook, Language, Question
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.knowledge import DocumentAnswer, DocumentPage, NewDocument, PassagePage, Tagged
from relay.http.api.shapes import Done
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import not_found
from relay.protocol import kinds
from relay.protocol.event import Draft, Event, first_value
from relay.protocol.filter import Filter
from relay.server.identities.users import Caller

PLACES: Final = ("organizations", "projects")
# Characters of the group's id in the name of a document, so that one in another group has another name.
SUFFIX: Final = 8


def _paths(end: str) -> list[str]:
    return [f"{BASE}/{place}/{{group_id:str}}/knowledge{end}" for place in PLACES]


@post(_paths(""), tags=["knowledge"], summary="Add a document of a group", middleware=[idempotent_for_users])
async def add_group_document(
    group_id: FromPath[str], data: JSONBody[NewDocument], caller: GivenCaller, hub: GivenHub
) -> DocumentAnswer:
    """Keep a document for those who are in it; what you have there under the same name is replaced."""
    there = await _access(hub, caller, group_id)
    name, _, tags = knowledge.said(data)
    tags = [["d", f"{name}-{group_id[:SUFFIX]}"], ["h", group_id], *tags]
    draft = Draft(kinds.WIKI, tags, data.content, common.now())
    event = await acting.replace(hub, caller, draft, there.readers)
    document = await knowledge.document_of(hub, event, (await _access(hub, caller, group_id)).readers)
    return DocumentAnswer(message="Document kept", document=document)


@get(_paths(""), tags=["knowledge"], summary="List documents of a group")
async def list_group_documents(
    *,
    group_id: FromPath[str],
    caller: GivenCaller,
    hub: GivenHub,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> DocumentPage:
    """Documents, newest first."""
    there, most = await _access(hub, caller, group_id), common.at_most(limit)
    wanted = Filter(kinds=knowledge.kinds_of(hub), tags={"h": frozenset([group_id])}, limit=most + 1)
    page, following = paging.cut(await paging.events(hub, wanted, there.readers, paging.place(cursor)), most)
    people = await writers(hub, [event.pubkey for event in page])
    documents = [knowledge.described(event, people[event.pubkey], events) for event in page]
    return DocumentPage(documents=documents, has_more=following is not None, next_cursor=following)


@get(_paths("/search"), tags=["knowledge"], summary="Search the knowledge of a group")
async def search_group_knowledge(
    *,
    group_id: FromPath[str],
    q: Question,
    caller: GivenCaller,
    hub: GivenHub,
    mode: HowToLook = None,
    language: Language = "",
    tag: Tagged = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> PassagePage:
    """Documents by words, by meaning or by both, each with its best passage."""
    there = await _access(hub, caller, group_id)
    is_organization = there.group.type == "organization"
    wanted = finding.HitConditions(
        types=frozenset(("knowledge",)),
        mode=mode,
        language=language,
        tags=frozenset(tag or ()),
        organization=group_id if is_organization else None,
        project=None if is_organization else group_id,
        readers=there.readers,
    )
    page = await finding.find(hub, q, wanted, limit, cursor)
    results = await knowledge.passages_of(hub, page.hits, events, there.readers)
    more = page.next_cursor is not None
    return PassagePage(query=q, mode=page.mode, results=results, has_more=more, next_cursor=page.next_cursor)


@get(_paths("/{document_id:str}"), tags=["knowledge"], summary="Get a document of a group")
async def get_group_document(
    group_id: FromPath[str], document_id: FromPath[str], caller: GivenCaller, hub: GivenHub
) -> DocumentAnswer:
    """One document with its passages."""
    there = await _access(hub, caller, group_id)
    event = await _find(hub, there, document_id)
    return DocumentAnswer(document=await knowledge.document_of(hub, event, there.readers))


@delete(_paths("/{document_id:str}"), tags=["knowledge"], summary="Delete a document of a group", status_code=200)
async def delete_group_document(
    group_id: FromPath[str], document_id: FromPath[str], caller: GivenCaller, hub: GivenHub
) -> Done:
    """Delete your own document (5), or anybody's where your role allows that (9005)."""
    there = await _access(hub, caller, group_id)
    event = await acting.remove(hub, caller, there, await _find(hub, there, document_id))
    return Done(message="Document deleted", event=event)


async def _access(hub: RunningRelay, caller: Caller, group_id: str) -> acting.GroupAccess:
    """Raises HttpProblem 403 or 404, also for a thread."""
    there = await acting.access(hub, caller, group_id, "group")
    if there.group.type == "thread":
        raise not_found("group")
    return there


async def _find(hub: RunningRelay, there: acting.GroupAccess, document_id: str) -> Event:
    event = await knowledge.find_document(hub, document_id, there.readers)
    if first_value(event, "h") != there.group.id:
        raise not_found("document")
    return event
