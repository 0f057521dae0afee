"""`/knowledge` over a real relay."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from handlers import table
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from storage.base import Incoming
from storage.sqlite import backend
from tests.http.api.conftest import Api, Start

LONG = "\n\n".join(f"Paragraph {number}. " + "The tide comes in and the tide goes out. " * 10 for number in range(12))


async def add(api: Api, content: str, **fields: Any) -> Any:
    return (await api.told("POST", "knowledge", {"content": content, **fields}, 201))["document"]


async def test_a_document_goes_in_and_its_passages_come_out(alice: Api) -> None:
    document = await add(alice, LONG, title="Tide tables", tags=["tides", "sea", "tides"], source="tides.md")
    assert (document["identifier"], document["title"], document["tags"]) == (
        "tide-tables",
        "Tide tables",
        ["tides", "sea"],
    )
    assert (document["source"], document["author"]["name"]) == ("tides.md", "alice")
    chunks = document["chunks"]
    assert [chunk["chunk"] for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) > 1
    assert all(chunk["content"] and chunk["title"] == "Tide tables" for chunk in chunks)
    assert [n for n in range(12) if not any(f"Paragraph {n}." in chunk["content"] for chunk in chunks)] == []
    event = document["event"]
    assert (event["kind"], event["content"]) == (30818, LONG)
    assert (await alice.get(f"knowledge/{document['id']}"))["document"] == document


async def test_the_same_name_again_replaces_the_document(alice: Api) -> None:
    first = await add(alice, "The old harbour.", title="Harbour")
    second = await add(alice, "The new quay.", title="harbour")
    assert second["id"] != first["id"]
    found = await alice.get("knowledge/search?q=old&mode=words")
    assert found["results"] == []
    found = await alice.get("knowledge/search?q=quay&mode=words")
    assert [result["document"]["id"] for result in found["results"]] == [second["id"]]


async def test_the_id_of_a_version_that_was_replaced_leads_to_the_newest(alice: Api, api: Api) -> None:
    ids = [(await add(alice, text, title="Harbour"))["id"] for text in ("One.", "Two.", "Three.")]
    for document_id in ids:
        told = await api.get(f"knowledge/{document_id}")
        assert (told["document"]["id"], told["document"]["event"]["content"]) == (ids[-1], "Three.")
        assert ("newest" in told["message"]) == (document_id != ids[-1])
        history = await api.get(f"knowledge/{document_id}/history")
        assert [one["content"] for one in history["versions"]] == ["One.", "Two.", "Three."]
    assert await alice.refused(404, "DELETE", f"knowledge/{ids[0]}") == "document_not_found"
    await alice.told("DELETE", f"knowledge/{ids[-1]}")
    for document_id in ids:
        assert await api.refused(404, "GET", f"knowledge/{document_id}") == "document_not_found"


async def test_documents_written_within_a_second_are_listed_in_that_order(alice: Api) -> None:
    for number in range(6):
        await add(alice, "The tide.", identifier=f"page-{number}")
    found = await alice.get("knowledge")
    assert [one["identifier"] for one in found["documents"]] == [f"page-{number}" for number in reversed(range(6))]


async def test_what_a_document_said_before_is_kept_until_it_is_deleted(alice: Api) -> None:
    for text in ("The old harbour.", "The new quay.", "The newest quay."):
        document = await add(alice, text, title="Harbour")
    told = await alice.get(f"knowledge/{document['id']}/history")
    texts = ["The old harbour.", "The new quay.", "The newest quay."]
    assert [version["content"] for version in told["versions"]] == texts
    assert [version["event"]["content"] for version in told["versions"]] == texts
    assert {version["title"] for version in told["versions"]} == {"Harbour"}
    await alice.told("DELETE", f"knowledge/{document['id']}", None, 200)
    assert await alice.refused(404, "GET", f"knowledge/{document['id']}/history") == "document_not_found"


async def test_titles_that_have_one_name_do_not_replace_each_other(alice: Api) -> None:
    first = await add(alice, "Pointers.", title="C")
    for fields in (
        {"title": "C++"},
        {"title": "C#"},
        {"identifier": "C++"},
        {"identifier": "c#", "title": "Sharp"},
        {"title": "c!"},
    ):
        told = await alice.told("POST", "knowledge", {"content": "Classes.", **fields}, 409)
        assert (told["code"], told["id"]) == ("name_taken", first["id"])
        assert '"identifier": "c"' in told["hint"]
    own = await add(alice, "Classes.", title="C++", identifier="c-plus-plus")
    assert (own["identifier"], own["title"]) == ("c-plus-plus", "C++")
    again = await add(alice, "Pointers and more.", title="c")
    other = await add(alice, "Classes and more.", title="C++", identifier="c")
    assert [document["id"] for document in (await alice.get("knowledge"))["documents"]] == [other["id"], own["id"]]
    assert again["identifier"] == other["identifier"] == "c"


async def test_a_name_that_is_no_tag_is_kept_as_the_title(alice: Api) -> None:
    first = await add(alice, "The sky.", identifier="What's Up?")
    assert (first["identifier"], first["title"]) == ("whats-up", "What's Up?")
    second = await add(alice, "The ceiling.", identifier="what's up?")
    assert [document["id"] for document in (await alice.get("knowledge"))["documents"]] == [second["id"]]


async def test_a_title_is_the_same_composed_and_decomposed(alice: Api) -> None:
    composed, decomposed = "Ёлка café", unicodedata.normalize("NFD", "Ёлка café")
    assert composed != decomposed
    first = await add(alice, "One.", title=composed)
    second = await add(alice, "Two.", title=decomposed)
    assert first["identifier"] == second["identifier"] == "ёлка-café"
    assert [document["id"] for document in (await alice.get("knowledge"))["documents"]] == [second["id"]]


async def test_titles_of_signs_alone_have_names_of_their_own(alice: Api) -> None:
    first, other = await add(alice, "One.", title="++"), await add(alice, "One.", title="🎉")
    again = await add(alice, "Two.", title="++")
    assert first["identifier"] == again["identifier"] != other["identifier"]


async def test_documents_of_two_authors_may_have_the_same_name(alice: Api, bob: Api) -> None:
    await add(alice, "One view.", identifier="harbour")
    await add(bob, "Another view.", identifier="harbour")
    assert len((await alice.get("knowledge"))["documents"]) == 2
    (document,) = (await alice.get("knowledge?author=bob"))["documents"]
    assert (document["author"]["name"], "chunks" in document) == ("bob", False)


async def test_a_document_without_a_title_is_named_after_its_text(alice: Api) -> None:
    one, same = await add(alice, "No name."), await add(alice, "No name.")
    assert one["identifier"] == same["identifier"]
    assert one["title"] is None
    assert len((await alice.get("knowledge"))["documents"]) == 1


async def test_a_list_pages_newest_first_also_within_one_second(alice: Api) -> None:
    added = [(await add(alice, f"Text {number}.", tags=["x"] if number % 2 else []))["id"] for number in range(9)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await alice.get(f"knowledge?limit=2&cursor={cursor}")
        seen += [document["id"] for document in page["documents"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(added)
    times = [(await alice.get(f"knowledge/{each}"))["document"]["created_at"] for each in seen]
    assert times == sorted(times, reverse=True)
    assert len((await alice.get("knowledge?tag=x"))["documents"]) == 4


async def test_a_list_goes_on_however_many_are_of_one_second(start: Start, tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, table.meaning("ws://relay.example"), synchronous="normal")
    written = [
        Event(f"{number:016x}{number:048x}", "a" * 64, 1_700_000_000, 30818, [["d", str(number)]], "x", "0" * 128)
        for number in range(4200)
    ]
    writer.write([Incoming(event, wire(event), Door.IMPORT, 1_700_000_000) for event in written], 1_700_000_000)
    writer.close()
    api = Api(await start(rates={"requests": 10_000, "burst": 10_000}))
    seen: list[str] = []
    page: Any = {"has_more": True, "next_cursor": ""}
    while page["has_more"]:
        page = await api.get(f"knowledge?limit=100&cursor={page['next_cursor']}")
        seen += [document["id"] for document in page["documents"]]
    assert seen == [event.id for event in written]


@pytest.mark.parametrize("cursor", ["x", "1", "1700000000-4000", "1-" + "g" * 64, "-1-" + "0" * 64])
async def test_a_cursor_of_another_list_is_refused(api: Api, cursor: str) -> None:
    assert await api.refused(400, "GET", f"knowledge?cursor={cursor}") == "invalid"


async def test_a_search_gives_the_best_passage_of_each_document(alice: Api) -> None:
    text = LONG + "\n\nBring wellingtons to the harbour."
    document = await add(alice, text, title="Advice")
    found = await alice.get("knowledge/search?q=wellingtons&mode=words")
    (result,) = found["results"]
    assert result["document"]["id"] == document["id"]
    assert result["passage"] == document["chunks"][-1]
    assert "wellingtons" in result["passage"]["content"]
    marked = [result["snippet"]["text"][start:end] for start, end in result["snippet"]["marks"]]
    assert marked == ["wellingtons"]


async def test_a_search_is_narrowed_by_tags_author_and_time(alice: Api, bob: Api) -> None:
    one = await add(alice, "Wellingtons for the mud.", tags=["boots", "mud"])
    two = await add(bob, "Wellingtons for the rain.", tags=["boots"])
    await alice.post("Wellingtons", content="Not knowledge.")

    async def ids(query: str) -> set[str]:
        found = await alice.get(f"knowledge/search?q=wellingtons&mode=words{query}")
        return {result["document"]["id"] for result in found["results"]}

    assert await ids("") == {one["id"], two["id"]}
    assert await ids("&tag=boots&tag=mud") == {one["id"]}
    assert await ids("&author=bob") == {two["id"]}
    assert await ids(f"&author={one['event']['pubkey']}") == {one["id"]}
    assert await ids("&until=1000") == set()
    assert await ids("&since=1000") == {one["id"], two["id"]}
    assert await ids("&organization_id=none") == set()


async def test_tags_are_kept_and_found_in_lower_case(alice: Api, api: Api) -> None:
    document = await add(alice, "Wellingtons.", tags=["#Boots", "boots", " Rubber  Boots", "ÜBER"])
    assert document["tags"] == ["boots", "rubber boots", "über"]
    for tag in ("boots", "Boots", "%23BOOTS", "Rubber%20boots", "%C3%9Cber"):
        assert [one["id"] for one in (await api.get(f"knowledge?tag={tag}"))["documents"]] == [document["id"]]
        found = await api.get(f"knowledge/search?q=wellingtons&mode=words&tag={tag}")
        assert [one["document"]["id"] for one in found["results"]] == [document["id"]]


async def test_a_title_that_nobody_sees_is_none(alice: Api) -> None:
    for title in ("\u200b", "\u2800", "\u3164", "\u00a0"):
        document = await add(alice, f"Of {ord(title)}.", title=title)
        assert document["title"] is None
        assert len(document["identifier"]) == 16


async def test_a_deleted_document_is_gone_from_everywhere(alice: Api) -> None:
    document = await add(alice, "Wellingtons.")
    told = await alice.told("DELETE", f"knowledge/{document['id']}")
    assert told["event"]["kind"] == 5
    assert await alice.refused(404, "GET", f"knowledge/{document['id']}") == "document_not_found"
    assert (await alice.get("knowledge/search?q=wellingtons"))["results"] == []
    assert (await alice.get("knowledge"))["documents"] == []


async def test_nobody_deletes_the_document_of_another(alice: Api, bob: Api) -> None:
    document = await add(alice, "Mine.")
    assert await bob.refused(403, "DELETE", f"knowledge/{document['id']}") == "not_yours"


async def test_a_post_is_no_document(alice: Api) -> None:
    post = await alice.post()
    assert await alice.refused(404, "GET", f"knowledge/{post['id']}") == "document_not_found"
    assert await alice.refused(404, "DELETE", f"knowledge/{post['id']}") == "document_not_found"


async def test_adding_needs_a_token(api: Api) -> None:
    assert await api.refused(401, "POST", "knowledge", {"content": "x"}) == "auth_required"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": ""},
        {"content": " \n"},
        {"content": "x", "tags": [""]},
        {"content": "x", "tags": ["# "]},
        {"content": "x", "tags": ["\u200b"]},
        {"content": "x", "title": "x" * 301},
        {"content": "x", "tags": ["t"] * 51},
        {"content": 1},
    ],
)
async def test_a_document_that_cannot_be_kept_is_refused(alice: Api, body: Any) -> None:
    assert await alice.refused(400, "POST", "knowledge", body)


async def test_a_text_beyond_the_limits_is_refused_and_says_so(alice: Api) -> None:
    long = await alice.told("POST", "knowledge", {"content": "x" * 100_001}, 400)
    assert "100000" in long["message"].replace(",", "")
    await alice.refused(413, "POST", "knowledge", {"content": "x" * 10_000_000})


async def test_the_same_request_again_with_its_key_is_done_once(alice: Api) -> None:
    body = {"content": "Wellingtons."}
    first = await alice.told("POST", "knowledge", body, 201, Idempotency_Key="k")
    assert await alice.told("POST", "knowledge", body, 201, Idempotency_Key="k") == first
