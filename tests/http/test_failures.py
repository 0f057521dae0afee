"""Failures: one shape for programs, one page for people, and never a stack trace."""

import ast
import logging
from pathlib import Path

import msgspec
import pytest
from litestar import get, post
from litestar.exceptions import HTTPException, InternalServerException
from litestar.params import JSONBody

from relay import http
from relay.http.problems import STATUSES
from relay.http.routes import ROUTES
from tests.http.hubs import Browser, FakeHub, config

SECRET = "hunter2 at /var/lib/secret"


class Body(msgspec.Struct):
    number: int


@post("/api/body")
async def take(data: JSONBody[Body]) -> int:
    return data.number


@get("/api/broken")
async def broken() -> None:
    raise ZeroDivisionError(SECRET)


@get("/api/internal")
async def internal() -> None:
    raise InternalServerException(detail=SECRET)


@get("/api/slow-down")
async def slow_down() -> None:
    raise HTTPException(status_code=429, detail="too many", headers={"retry-after": "7"})


EXTRA = (*ROUTES, take, broken, internal, slow_down)


async def send(body: bytes, **settings: dict) -> tuple[int, dict]:
    async with Browser(FakeHub(config(**settings)), EXTRA) as browser:
        answer = await browser.post("/api/body", content=body, headers={"content-type": "application/json"})
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("path", "accept"), [("/api/nothing", "text/html"), ("/api", "*/*"), ("/nothing", "application/json")]
)
async def test_a_program_gets_json_where_there_is_nothing(path, accept):
    async with Browser() as browser:
        answer = await browser.get(path, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    told = answer.json()
    assert (told["success"], told["code"]) == (False, "not_found")
    assert told["message"]
    assert "/docs" in told["hint"]


@pytest.mark.parametrize("path", ["/nothing", "/apiary", "/docs/nothing", "/%3Cscript%3Ealert(1)%3C/script%3E", "/%ff"])
async def test_a_person_gets_a_page_where_there_is_nothing(path):
    async with Browser() as browser:
        answer = await browser.get(path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "Not Found" in answer.text
    assert "alert(1)" not in answer.text


async def test_a_wrong_method_names_the_right_one():
    async with Browser() as browser:
        answer = await browser.post("/health", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


async def test_takes_a_body_that_is_right():
    assert await send(b'{"number": 5}') == (201, 5)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"number": "\xff"}', "UTF-8"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
        (b'{"number": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", ""),
        (b'{"number": 1', "not JSON"),
        (b'{"number": "x"}', "number"),
        (b"{}", "number"),
        (b"", "a body of JSON"),
        (b"\x00", "not JSON"),
    ],
)
async def test_a_body_that_is_wrong_is_the_clients_fault_and_named(body, reason):
    status, told = await send(body)
    assert (status, told["code"], told["success"]) == (400, "bad_request", False)
    assert reason in told["message"]


async def test_a_body_may_not_be_larger_than_a_message():
    status, told = await send(b'{"number": 1, "padding": "' + b"x" * 2000 + b'"}', limits={"max_message_bytes": 1024})
    assert (status, told["code"]) == (413, "request_entity_too_large")
    assert "larger than this relay takes: 1,024 bytes" in told["message"]


@pytest.mark.parametrize("path", ["/api/broken", "/api/internal"])
async def test_a_fault_of_the_relay_is_logged_and_not_shown(path, caplog):
    async with Browser(routes=EXTRA) as browser:
        with caplog.at_level(logging.ERROR):
            answer = await browser.get(path)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert f"GET {path!r} failed" in caplog.text


async def test_a_fault_of_the_relay_is_told_by_health():
    hub = FakeHub()
    async with Browser(hub, routes=EXTRA) as browser:
        await browser.get("/api/slow-down")
        assert hub.faults.problem() is None
        await browser.get("/api/broken")
    assert "an HTTP request failed (ZeroDivisionError)" in (hub.faults.problem() or "")


async def test_keeps_the_headers_that_belong_to_a_refusal():
    async with Browser(routes=EXTRA) as browser:
        answer = await browser.get("/api/slow-down")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["message"]) == (429, "7", "too many")


async def test_a_client_that_leaves_within_its_body_is_no_fault_of_the_relay(caplog):
    parts = iter([{"type": "http.request", "body": b'{"num', "more_body": True}, {"type": "http.disconnect"}])
    statuses = []

    async def receive():
        return next(parts)

    async def send(message):
        statuses.append(message.get("status"))

    async with Browser(FakeHub(config()), EXTRA) as browser:
        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/api/body", "query_string": b"", "headers": headers}
        await browser._transport.app(scope | {"client": None, "server": ("relay", 80), "scheme": "http"}, receive, send)
    assert statuses[0] == 400
    assert not caplog.records


def test_every_word_that_a_route_answers_with_is_one_of_those_that_are_told() -> None:
    told = {(row.status, code) for row in STATUSES for code in row.codes}
    given = set()
    for file in Path(http.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "not_found" and isinstance(node.args[0], ast.Constant):
                given.add((404, f"{node.args[0].value}_not_found"))
            if node.func.id == "HttpProblem":
                status, code = node.args[:2]
                if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                    given.add((status.value, code.value))
    assert len(given) > 10
    assert given - told == set()
