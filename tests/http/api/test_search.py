"""`/search` over a real relay."""

import time

import msgspec
import pytest

from keys.encoding import encode
from tests.factories import make_event
from tests.http.api.conftest import Api

NOW = 1_700_000_000


async def ids(api: Api, query: str) -> list[str]:
    return [result["id"] for result in (await api.get(f"search?{query}"))["results"]]


async def test_finds_a_post_by_its_words_with_what_the_feed_knows_of_it(alice: Api) -> None:
    post = await alice.post("Low water at noon", content="The tide is out, the harbour is dry.")
    await alice.post("Bread", content="Flour and salt.")
    found = await alice.get("search?q=harbour&mode=words")
    (result,) = found["results"]
    assert (found["success"], found["query"], found["type"], found["mode"]) == (True, "harbour", "all", "words")
    assert (found["count"], found["has_more"], found["next_cursor"]) == (1, False, None)
    assert (result["id"], result["type"], result["post_id"]) == (post["id"], "post", post["id"])
    assert (result["title"], result["content"]) == ("Low water at noon", "The tide is out, the harbour is dry.")
    assert result["author"]["name"] == "alice"
    assert (result["upvotes"], result["event"]["id"]) == (0, post["id"])
    assert result["score"] == result["similarity"]


async def test_the_snippet_marks_the_words(alice: Api) -> None:
    await alice.post("Tides", content="First the flood. Then the Harbour is dry.")
    (result,) = (await alice.get("search?q=harbour&mode=words"))["results"]
    text = result["snippet"]["text"]
    assert [text[start:end].lower() for start, end in result["snippet"]["marks"]] == ["harbour"]


async def test_a_comment_tells_its_post(alice: Api) -> None:
    post = await alice.post("Tides", content="Out.")
    comment = await alice.comment(post, "Bring wellingtons.")
    (result,) = (await alice.get("search?q=wellingtons&mode=words"))["results"]
    assert (result["id"], result["type"], result["post_id"]) == (comment["id"], "comment", post["id"])
    assert result["post"] == {"id": post["id"], "title": "Tides"}


async def test_only_the_wanted_type_is_found(alice: Api) -> None:
    post = await alice.post("Wellingtons", content="Needed.")
    comment = await alice.comment(post, "Wellingtons, really?")
    kept = await alice.told("POST", "knowledge", {"content": "Wellingtons are boots."}, 201)
    document = kept["document"]["id"]
    for kind, expected in [
        ("posts", {post["id"]}),
        ("comments", {comment["id"]}),
        ("knowledge", {document}),
        ("all", {post["id"], comment["id"], document}),
    ]:
        assert set(await ids(alice, f"q=wellingtons&mode=words&type={kind}")) == expected, kind


async def test_a_note_is_not_found_unless_the_operator_lists_notes(alice: Api) -> None:
    await alice.told("POST", "events", msgspec.structs.asdict(make_event(content="wellingtons", created_at=NOW)), 201)
    post = await alice.post("Tides", content="Bring wellingtons.")
    assert await ids(alice, "q=wellingtons&mode=words") == [post["id"]]


async def test_a_note_is_found_as_an_event_where_notes_are_listed(start) -> None:  # type: ignore[no-untyped-def]
    alice = Api(await start(search={"kinds": [1, 11]}))
    note = make_event(content="wellingtons", created_at=NOW)
    await alice.told("POST", "events", msgspec.structs.asdict(note), 201)
    (result,) = (await alice.get("search?q=wellingtons&mode=words"))["results"]
    assert (result["type"], result["author"], result["upvotes"]) == (
        "event",
        {"id": None, "name": None, "display_name": None, "pubkey": note.pubkey},
        None,
    )


async def test_what_is_deleted_is_not_found_and_an_edit_is_found_by_its_new_words(alice: Api) -> None:
    gone, edited = await alice.post("One", content="marmalade"), await alice.post("Two", content="marmalade")
    await alice.told("DELETE", f"posts/{gone['id']}")
    assert await ids(alice, "q=marmalade&mode=words") == [edited["id"]]
    await alice.told("PATCH", f"posts/{edited['id']}", {"content": "honey"})
    assert await ids(alice, "q=marmalade&mode=words") == []
    assert await ids(alice, "q=honey&mode=words") == [edited["id"]]


async def test_pages_join_up(alice: Api) -> None:
    posts = {(await alice.post(f"Tide {number}", content="tide " * (number + 1)))["id"] for number in range(7)}
    page = await alice.get("search?q=tide&mode=words&limit=3")
    seen = [result["id"] for result in page["results"]]
    while page["has_more"]:
        page = await alice.get(f"search?q=tide&mode=words&limit=3&cursor={page['next_cursor']}")
        seen += [result["id"] for result in page["results"]]
    assert len(seen) == 7
    assert set(seen) == posts


async def test_a_further_page_shows_nothing_that_came_after_the_first(alice: Api) -> None:
    posts = {(await alice.post(f"Tide {number}"))["id"] for number in range(4)}
    page = await alice.get("search?q=tide&mode=words&limit=2")
    await alice.post("Tide tide tide")
    page = await alice.get(f"search?q=tide&mode=words&limit=2&cursor={page['next_cursor']}")
    assert {result["id"] for result in page["results"]} <= posts
    assert page["has_more"] is False


async def test_extensions_in_the_question_are_honoured_and_parameters_come_before_them(alice: Api) -> None:
    await alice.post("Tides", content="harbour")
    assert (await alice.get("search?q=harbour mode:words nsfw:true"))["mode"] == "words"
    assert (await alice.get("search?q=harbour mode:words&mode=hybrid"))["mode"] == "hybrid"


@pytest.mark.parametrize("query", ["", "q=", "q=%20%20", f"q={'x' * 1001}", "q=a&type=x", "q=a&mode=x", "q=a&limit=0"])
async def test_a_question_that_cannot_be_used_is_refused(api: Api, query: str) -> None:
    assert await api.refused(400, "GET", f"search?{query}")


@pytest.mark.parametrize("cursor", ["x", "1", "-1-1", "1-99999", "1-2-3"])
async def test_a_cursor_that_is_none_is_refused(api: Api, cursor: str) -> None:
    assert await api.refused(400, "GET", f"search?q=a&cursor={cursor}") == "invalid"


@pytest.mark.parametrize("question", ["!?", "*", '"', "%00", "{", "mode:words", "nsfw:true"])
async def test_a_question_without_a_word_is_refused_and_says_so(api: Api, question: str) -> None:
    told = await api.told("GET", f"search?q={question}", status=400)
    assert "needs a word, a number or an emoji" in told["message"]


async def test_a_pair_with_a_colon_is_searched_for(alice: Api) -> None:
    post = await alice.post("Log", content="It said error: timeout after a minute.")
    await alice.post("Tides", content="No error.")
    assert await ids(alice, "q=error:timeout&mode=words") == [post["id"]]
    assert await ids(alice, "q=error:timeout minute&mode=words") == [post["id"]]


async def test_an_emoji_is_found(alice: Api) -> None:
    post = await alice.post("Party 🎉", content="Today.")
    assert await ids(alice, "q=🎉&mode=words") == [post["id"]]


async def test_a_profile_is_found_by_its_names_and_shows_its_text(api: Api) -> None:
    content = (
        '{"name":"sandpiper","display_name":"Sand Piper","about":"Wades at low tide.","picture":"https://x.example/p"}'
    )
    made = make_event(kind=0, content=content, created_at=NOW)
    await api.told("POST", "events", msgspec.structs.asdict(made), 201)
    for question in ("sandpiper", "piper", "wades", "sandp*"):
        (result,) = (await api.get(f"search?q={question}&mode=words"))["results"]
        assert (result["id"], result["type"], result["title"]) == (made.id, "event", "sandpiper · Sand Piper")
        assert result["content"] == "Wades at low tide."
    assert await ids(api, "q=picture&mode=words") == []


@pytest.mark.parametrize("question", ["%F0%9F%8C%8A", "NEAR(", "a OR", "{x", "title:x", "日本", "-x"])
async def test_any_characters_may_be_asked_for(api: Api, question: str) -> None:
    assert (await api.get(f"search?q={question}"))["results"] == []


async def test_searching_counts_against_the_rate(start) -> None:  # type: ignore[no-untyped-def]
    relay = Api(await start(rates={"requests": 6, "burst": 10}))
    await relay.get("search?q=a")
    assert await relay.refused(429, "GET", "search?q=a") == "rate_limited"


async def test_where_reading_needs_a_token_searching_does(start) -> None:  # type: ignore[no-untyped-def]
    relay = Api(await start(access={"auth_to_read": True}))
    assert await relay.refused(401, "GET", "search?q=a") == "auth_required"
    assert await relay.refused(401, "GET", "knowledge") == "auth_required"


async def bound(api: Api, key: int) -> None:
    """Have the identity write with this key too."""
    code = (await api.told("POST", "agents/me/keys/claims", None, 201))["code"]
    claim = make_event(key, 28934, "", [("-",), ("claim", code)], int(time.time()))
    await api.told("POST", "events", msgspec.structs.asdict(claim), 201)


async def test_an_author_and_a_time_hold_exactly_and_the_newest_come_first(alice: Api) -> None:
    bob = await alice.registered("bob")
    await bound(bob, 7)
    old = [make_event(7, 11, "Wellingtons.", [("title", f"Boots {day}")], NOW + day * 86_400) for day in (0, 2, 1)]
    for event in old:
        await alice.told("POST", "events", msgspec.structs.asdict(event), 201)
    await alice.post("Wellingtons, wellingtons", content="Wellingtons!")
    by_bob = [old[1].id, old[2].id, old[0].id]
    for author in ("bob", "@Bob", old[0].pubkey, encode("npub", old[0].pubkey)):
        assert await ids(alice, f"q=wellingtons&sort=new&author={author}") == by_bob
    assert await ids(alice, f"q=wellingtons&author=bob&since={NOW + 1}&until={NOW + 86_400}") == [old[2].id]
    assert await ids(alice, f"q=wellingtons&sort=new&until={NOW + 5 * 86_400}") == by_bob
    assert await ids(alice, f"q=wellingtons&author=bob&time=hour&since={NOW}") == []
    for author in ("nobody", "npub1x", "x" * 64):
        assert await alice.refused(404, "GET", f"search?q=wellingtons&author={author}") == "agent_not_found"


async def test_the_newest_are_paged_and_looked_for_by_words_unless_said_otherwise(alice: Api) -> None:
    posts = [await alice.post(f"Wellingtons {number}", content="Boots.") for number in range(5)]
    await alice.post("Rubber boots", content="For wet feet.")
    first = await alice.get("search?q=wellingtons&sort=new&limit=3")
    second = await alice.get(f"search?q=wellingtons&sort=new&limit=3&cursor={first['next_cursor']}")
    assert (first["mode"], second["has_more"]) == ("words", False)
    found = [result["id"] for result in first["results"] + second["results"]]
    assert sorted(found) == sorted(post["id"] for post in posts)
    assert (await alice.get("search?q=wellingtons&sort=new&mode=hybrid"))["mode"] == "hybrid"


async def test_messages_of_ones_own_groups_are_found_by_their_members(alice: Api, api: Api) -> None:
    await alice.told("POST", "groups", {"id": "crew", "name": "Crew", "private": True}, 201)
    said = await alice.told("POST", "groups/crew/messages", {"content": "Wellingtons at ten."}, 201)
    assert await ids(alice, "q=wellingtons&type=messages&mode=words") == [said["message"]["id"]]
    for stranger in (api, await alice.registered("bob")):
        assert await ids(stranger, "q=wellingtons&type=messages&mode=words") == []
