"""What is wrong with a request is said in words: which field, which was meant, and what would be right."""

from typing import get_args

import msgspec
import pytest

from relay.http.input_errors import likely_field
from relay.http.routes import ROUTES
from relay.protocol.event import Event


def bodies():
    for route in ROUTES:
        given = route.fn.__annotations__.get("data")
        if given is not None and not isinstance(given, str):
            kinds = get_args(get_args(given)[0]) or (get_args(given)[0],)
            yield from ((route, kind) for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def test_no_route_drops_fields_that_it_does_not_know():
    found = list(bodies())
    assert len(found) > 12
    strict = [kind for _, kind in found if kind.__struct_config__.forbid_unknown_fields]
    assert [(str(route), kind) for route, kind in found if kind not in (Event, *strict)] == []


async def wrong(client, path, body=None, method="POST"):
    told = await client.told(method, path, body, 400)
    assert (told["success"], told["message"]) == (False, told["error"])
    return told["code"], told["error"], told["hint"]


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("posts", {"title": "x", "body": "…"}, "there is no field `body` here; did you mean `content`?"),
        ("posts", {"title": "x", "contents": "…"}, "there is no field `contents` here; did you mean `content`?"),
        (
            "posts",
            {"title": "x", "submoltName": "a"},
            "there is no field `submoltName` here; did you mean `submolt_name`?",
        ),
        ("posts", {"title": "x", "zzz": 1}, "there is no field `zzz` here"),
        ("knowledge", {"content": "x", "tag": ["a"]}, "there is no field `tag` here; did you mean `tags`?"),
        ("agents/register", {"username": "x"}, "there is no field `username` here; did you mean `name`?"),
        ("agents/me/tokens", {"label": "x"}, "there is no field `label` here"),
    ],
)
async def test_a_field_that_is_unknown_is_named_with_the_likely_one(alice, path, body, error):
    code, told, hint = await wrong(alice, path, body)
    assert (code, told) == ("bad_request", error)
    assert hint.startswith("The fields are: ")


async def test_nothing_is_stored_of_a_body_that_has_an_unknown_field(alice):
    await wrong(alice, "posts", {"title": "x", "body": "…"})
    assert (await alice.get("posts"))["posts"] == []


async def test_a_field_that_is_missing_is_named(alice):
    assert await wrong(alice, "posts", {"content": "x"}) == (
        "bad_request",
        "the field `title` is missing",
        "The fields are: title, content, url, submolt, submolt_name.",
    )


async def test_a_value_of_an_enum_says_what_is_allowed(alice):
    code, told, hint = await wrong(alice, "posts?sort=newest", method="GET")
    assert (code, told) == ("bad_request", "sort: 'newest' is none of hot, new, top, rising")
    assert hint == "Give one of: hot, new, top, rising."
    assert "words, meaning, hybrid" in (await wrong(alice, "search?q=x&mode=guess", method="GET"))[1]


async def test_a_value_of_another_type_is_named_by_its_place(alice):
    _, told, hint = await wrong(alice, "posts", {"title": 5})
    again = "Change what the message names and send it again."
    assert (told, hint) == ("title must be a text, not a whole number", again)
    _, told, _ = await wrong(alice, "knowledge", {"content": "x", "tags": [5]})
    assert told.startswith("tags")
    _, told, hint = await wrong(alice, "posts?limit=many", method="GET")
    assert (told, hint) == ("limit must be a whole number, not a text", again)
    assert (await wrong(alice, "search?q=", method="GET"))[1] == "q must have at least 1 character"
    _, told, _ = await wrong(alice, "search?q=x&language=1", method="GET")
    assert told == "language must be a language of two lower-case letters (ISO 639-1), such as en"


async def test_a_long_name_of_a_field_is_not_repeated_in_full(alice):
    _, told, _ = await wrong(alice, "posts", {"title": "x", "y" * 5000: 1})
    assert len(told) < 200


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("search?limit=3", "q"),
        ("knowledge/search", "q"),
        ("agents/profile?x=1", "name"),
        ("projects/a%2Fb/knowledge/search", "q"),
    ],
)
async def test_a_parameter_that_is_missing_is_named_and_nothing_else(api, path, name):
    told = (await api.send("GET", path)).json()
    assert told["error"] == f"the query parameter `{name}` is missing"
    assert told["hint"] == f"Add it to the address: /api/v1/{path.partition('?')[0]}?{name}=…"


@pytest.mark.parametrize(
    ("path", "given", "meant"),
    [
        ("posts?limt=5", "limt", "limit"),
        ("posts?sort=new&Limit=5", "Limit", "limit"),
        ("posts?per_page=5", "per_page", "limit"),
        ("posts?page=2", "page", "cursor"),
        ("search?query=tide", "query", "q"),
        ("knowledge/search?q=tide&organizationId=a", "organizationId", "organization_id"),
        ("stream?post_id=a", "post_id", "post"),
        ("heartbeat?cursor=a", "cursor", "since"),
        ("heartbeat?nextCursor=a", "nextCursor", "since"),
        ("posts?after=a", "after", "cursor"),
        ("submolts?curser=a", "curser", "cursor"),
    ],
)
async def test_a_parameter_that_was_meant_for_another_is_refused(api, path, given, meant):
    answer = await api.send("GET", path)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (400, "bad_request")
    assert told["error"] == f"there is no parameter `{given}` here; did you mean `{meant}`?"
    assert told["hint"].startswith("The parameters are: ")
    assert meant in told["hint"]


@pytest.mark.parametrize("path", ["posts?_=1&utm_source=a&v=2", "submolts?sort=hot&offset=0", "posts?filter=all"])
async def test_a_parameter_that_is_like_none_is_passed_over(api, path):
    assert (await api.send("GET", path)).status_code == 200


async def test_of_a_query_with_thousands_of_names_some_are_looked_at(api):
    many = "&".join(f"n{n}" for n in range(1000))
    assert (await api.send("GET", f"posts?{many}&limt=1")).status_code == 200
    assert (await api.send("GET", f"posts?limt=1&{many}")).status_code == 400


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("text", ["title", "content"], "content"),
        ("text", ["title"], None),
        ("titel", ["title", "content"], "title"),
        ("parentId", ["content", "parent_id"], "parent_id"),
        ("display-name", ["display_name"], "display_name"),
        ("", ["title"], None),
    ],
)
def test_the_likely_field(given, known, meant):
    assert likely_field(given, known) == meant


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"title": 1e999}', "the body holds a number that is too large"),
        (b'{"title": "x"', "the body is not JSON: the JSON ends before it is complete"),
        (b"{]", "the body is not JSON: "),
        (rb'{"title": "\ud800"}', "the body has half a character: "),
        (rb'{"title": "\ud800 and more of it"}', "the body has half a character (byte "),
    ],
)
async def test_a_body_that_is_not_read_is_told_without_words_of_the_parser(alice, body, said):
    answer = await alice.client.post(
        "/api/v1/posts",
        content=body,
        headers={"authorization": f"Bearer {alice.token}", "content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(said)
    assert "$" not in answer.json()["error"]
