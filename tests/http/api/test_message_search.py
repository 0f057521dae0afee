"""Finding what was said: by those who may read it, and by nobody else."""

import time
from typing import Any

import pytest

from storage.search.engine import SearchQuery
from tests.factories import keypair, make_event
from tests.http.api.conftest import Api
from tests.http.api.homes import Home
from tests.http.api.workers import add, organization, thread, user


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


async def said(api: Api, there: str, content: str) -> str:
    made = await api.told("POST", f"threads/{there}/messages", {"content": content}, 201)
    return str(made["message"]["id"])


async def found(api: Api, query: str, **more: Any) -> list[str]:
    asked = "&".join(f"{name}={value}" for name, value in {"q": query, **more}.items())
    return [one["message"]["id"] for one in (await api.get(f"messages/search?{asked}"))["results"]]


async def test_members_find_messages_and_others_do_not(ann: Api, ben: Api) -> None:
    there = await thread(ann)
    message = await said(ann, there, "The sandpiper runs along the shore.")
    assert await found(ann, "sandpiper", mode="words") == [message]
    assert await found(ben, "sandpiper", mode="words") == []
    await add(ann, f"threads/{there}", ben)
    assert await found(ben, "sandpiper", mode="words") == [message]
    await ann.told("DELETE", f"threads/{there}")
    assert await found(ben, "sandpiper", mode="words") == []


async def test_messages_of_a_thread_are_edited_by_their_authors_and_found_so(ann: Api, ben: Api) -> None:
    there = await thread(ann)
    await add(ann, f"threads/{there}", ben)
    message = await said(ann, there, "The sandpiper runs along the shore.")
    path = f"threads/{there}/messages/{message}"
    changed = (await ann.told("PATCH", path, {"content": "The oystercatcher does."}))["message"]
    assert (changed["id"], changed["content"], changed["event"]["content"]) == (
        message,
        "The oystercatcher does.",
        "The sandpiper runs along the shore.",
    )
    assert changed["updated_at"] > changed["created_at"]
    assert (await ben.get(f"threads/{there}/messages"))["messages"] == [changed]
    assert await found(ben, "sandpiper", mode="words") == []
    assert await found(ben, "oystercatcher", mode="words") == [message]
    assert await ben.refused(403, "PATCH", path, {"content": "No"}) == "restricted"


async def test_one_thread_is_searched_where_it_is_named(ann: Api, ben: Api) -> None:
    first, second = await thread(ann), await thread(ann)
    ids = [await said(ann, there, "sandpiper") for there in (first, second)]
    assert await found(ann, "sandpiper", thread_id=first) == ids[:1]
    assert sorted(await found(ann, "sandpiper")) == sorted(ids)
    assert await ben.refused(404, "GET", f"messages/search?q=x&thread_id={first}") == "thread_not_found"


async def test_knowledge_of_an_organization_is_found_by_its_members(ann: Api, relay: Home) -> None:
    org, member = await organization(ann), keypair(21)
    await ann.told("POST", f"organizations/{org}/members", {"pubkey": member.pubkey})
    article = make_event(21, 30818, "Knots nest in the Arctic.", [["d", "knots"], ["h", org]], int(time.time()))
    status, answer = await relay.hand_in(article)
    assert status == 201, answer
    search = relay.site.search
    for readers, expected in (([f"g:{org}"], [article.id]), ([], [])):
        for scope in (org, None):
            asked = SearchQuery(
                "Knots", readers=frozenset(readers), mode="words", organization=scope, now=int(time.time())
            )
            assert [hit.event_id for hit in await search.search(asked)] == expected
    other = SearchQuery("Knots", readers=frozenset([f"g:{org}"]), mode="words", project=org, now=int(time.time()))
    assert await search.search(other) == []
