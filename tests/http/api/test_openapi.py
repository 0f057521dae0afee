"""The API described: complete, with examples, and without anything from elsewhere."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest
from litestar.handlers import HTTPRouteHandler

import relay.http
from relay.http.api.shapes import Body
from relay.http.routes import ROUTES
from tests.http.api.homes import BASE
from tests.http.hubs import Browser

DOCS = Path(__file__).parents[3] / "docs"
DESCRIBED = sorted(
    {
        (path.replace(":str}", "}"), method)
        for route in ROUTES
        for path in route.paths
        for method in route.http_methods
        if path.startswith(BASE) and path not in (f"{BASE}/openapi.json", f"{BASE}/docs") and method != "OPTIONS"
    }
)


@pytest.fixture(scope="module")
def document():
    import asyncio

    async def ask():
        async with Browser() as browser:
            answer = await browser.get(f"{BASE}/openapi.json")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
        return answer.json()

    return asyncio.run(ask())


def operations(document):
    for path, found in document["paths"].items():
        for method, operation in found.items():
            yield path, method.upper(), operation


def test_every_route_is_described_and_nothing_else(document):
    assert document["openapi"].startswith("3.1")
    assert sorted((path, method) for path, method, _ in operations(document)) == DESCRIBED


def test_paths_stand_in_one_order_in_every_process(document):
    at = list(document["paths"])
    for route in ROUTES:
        same = [path for path in at if path.replace("}", ":str}") in route.paths]
        assert same == sorted(same)


def test_every_handler_is_a_route():
    names = [found.name for found in pkgutil.walk_packages(relay.http.__path__, "relay.http.")]
    handlers = {
        each
        for name in names
        for each in vars(importlib.import_module(name)).values()
        if isinstance(each, HTTPRouteHandler)
    }
    assert [each.fn.__qualname__ for each in handlers - set(ROUTES)] == []


def test_every_operation_says_what_it_does_and_shows_its_bodies(document):
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert len(operation["tags"]) == 1, where
        success = next(iter(operation["responses"].values()))
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for message in [*bodies, success]:
            assert all("example" in content for content in message["content"].values()), where
        assert operation["responses"]["4XX"] == {"$ref": "#/components/responses/Failure"}, where


def test_every_reference_leads_somewhere(document):
    for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(document)):
        assert name in document["components"][kind]


def test_a_body_with_a_field_more_breaks_the_description_as_it_breaks_the_request(document):
    def shapes(schema):
        for each in schema.get("oneOf", [schema]):
            name = each.get("$ref", "").rpartition("/")[2]
            if name:
                yield name, document["components"]["schemas"][name]

    bodies = dict(
        found
        for _, _, operation in operations(document)
        if "requestBody" in operation
        for content in operation["requestBody"]["content"].values()
        for found in shapes(content["schema"])
    )
    assert len(bodies) > 10
    assert {name for name, schema in bodies.items() if schema.get("additionalProperties") is not False} <= {"Event"}


def test_what_an_answer_always_holds_is_said_and_a_body_may_leave_out_what_has_a_default(document):
    schemas = document["components"]["schemas"]
    bodies = {body.__name__ for body in Body.__subclasses__()}
    for name, schema in schemas.items():
        preset = {field for field, found in schema.get("properties", {}).items() if "default" in found}
        assert preset & set(schema.get("required", [])) == (set() if name in bodies else preset), name
    assert schemas["NewAgent"]["required"] == ["name"]
    assert {"success", "posts", "has_more"} <= set(schemas["PostPage"]["required"])


@pytest.mark.parametrize(
    ("name", "field", "shortest", "longest"), [("NewPost", "title", 1, 300), ("NewComment", "content", 1, None)]
)
def test_says_how_long_a_text_may_be_as_the_relay_takes_it(document, name, field, shortest, longest):
    body = document["components"]["schemas"][name]
    assert body["additionalProperties"] is False
    text = body["properties"][field]
    assert (text["minLength"], text.get("maxLength")) == (shortest, longest)


@pytest.mark.parametrize("key", ["", "two words", "é", "\x7f", "a" * 256])
def test_the_description_knows_what_an_idempotency_key_is(document, key):
    found = [
        parameter["schema"]["pattern"]
        for _, _, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    ]
    assert len(set(found)) == 1
    assert re.search(found[0], "6c1f4a52")
    assert not re.search(found[0], key)


@pytest.mark.parametrize("path", ["/agents/me/tokens", "/agents/me/tokens/rotate", "/tokens"])
def test_an_example_of_a_tokens_end_lies_ahead(document, path):
    example = document["paths"][BASE + path]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert example["expires_at"] > "2090"


def test_a_failure_is_described_as_it_is_sent(document):
    example = document["components"]["responses"]["Failure"]["content"]["application/json"]["example"]
    assert set(example) == {"success", "error", "code", "message", "hint"}
    assert set(document["components"]["schemas"]["Failure"]["properties"]) == set(example)


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/posts", "post", [{"token": []}, {"key": []}]),
        ("/posts", "get", [{}, {"token": []}, {"key": []}]),
        ("/stream", "get", [{}, {"token": []}, {"key": []}]),
        ("/users/me", "get", [{"app": []}]),
        ("/agents/register", "post", []),
    ],
)
def test_says_whose_token_a_route_takes(document, path, method, security):
    assert document["paths"][f"{BASE}{path}"][method]["security"] == security


def test_says_which_routes_take_an_idempotency_key(document):
    taking = {
        (path.removeprefix(BASE), method)
        for path, method, operation in operations(document)
        if "Idempotency-Key" in [parameter["name"] for parameter in operation.get("parameters", [])]
    }
    assert ("/posts", "POST") in taking
    assert not [path for path, _ in taking if "token" in path or "key" in path or "register" in path]


def test_says_where_a_body_may_be_left_out(document):
    bodies = {path.removeprefix(BASE): operation.get("requestBody", {}) for path, _, operation in operations(document)}
    assert bodies["/agents/register"]["required"] is True
    assert bodies["/agents/me/tokens/rotate"]["required"] is False


async def test_examples_of_what_is_sent_are_accepted(api, alice, document):
    sent = document["paths"][f"{BASE}/posts"]["post"]["requestBody"]["content"]["application/json"]["example"]
    answered = (await alice.told("POST", "posts", sent, 201))["post"]
    example = document["paths"][f"{BASE}/posts"]["post"]["responses"]["201"]["content"]["application/json"]["example"]
    assert set(answered) == set(example["post"])
    event = document["components"]["schemas"]["Event"]["examples"][0]
    assert await api.refused(403, "POST", "events", event) == "restricted"  # sound, but by nobody's key


async def test_the_page_shows_every_route_and_asks_nobody_else():
    async with Browser() as browser:
        answer = await browser.get(f"{BASE}/docs", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    missing = [path for path, method in DESCRIBED if f"{method} {path}</code>" not in answer.text]
    assert missing == []
    assert re.findall(r'(?:src|href)="(?!/|#)([^"]*)"', answer.text) == []
    assert re.findall(r"<script(?![^>]* src=)", answer.text) == []


def test_every_route_is_in_the_documentation():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    missing = []
    for path, _ in DESCRIBED:
        short = re.sub(r"\{\w+\}", "{}", path.removeprefix(BASE))
        if short not in re.sub(r"\{\w+\}", "{}", text):
            missing.append(path)
    assert missing == []


def test_every_parameter_says_what_it_is(document):
    missing = [
        (method, path, parameter["name"])
        for path, method, operation in operations(document)
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert missing == []


def test_operations_have_names_that_a_person_would_give(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){0,4}", name)] == []


def test_the_document_says_where_the_relay_is(document):
    assert document["servers"] == [{"url": "http://relay.example:7447", "description": "Tidings"}]


def test_no_property_is_named_as_generators_name_their_own_variables(document):
    """A property `d` was assigned to the variable that the rest of the answer was still to be taken from."""
    schemas = document["components"]["schemas"]
    taken = {"d", "cls", "self", "src_dict", "field_dict"}
    assert [name for name, schema in schemas.items() if taken & set(schema.get("properties", {}))] == []
