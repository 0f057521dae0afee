"""What holds for every path: NIP-11, CORS, HEAD and the headers that protect a browser."""

import pytest

from relay.http.nip11 import MEDIA_TYPE
from tests.http.hubs import Browser, FakeHub, config

ASKING = {"accept": MEDIA_TYPE}
PATHS = ["/", "/docs", "/health", "/static/style.css", "/nothing/here", "/api/v1/nothing"]


@pytest.mark.parametrize("path", ["/", "/some/other/path", "/docs", "/%ff%00"])
async def test_answers_nip11_on_every_path_when_asked_for_it(path):
    async with Browser() as browser:
        answer = await browser.get(path, headers=ASKING)
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)
    assert answer.json()["supported_nips"] == [1, 11, 42]


async def test_nip11_and_the_page_share_a_url_and_caches_are_told():
    async with Browser() as browser:
        page = await browser.get("/", headers={"accept": "text/html"})
        document = await browser.get("/", headers=ASKING)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in page.headers["vary"].split(", ")
    assert document.headers["vary"] == "Accept"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_nip11_carries_all_three_cors_headers(method):
    async with Browser() as browser:
        answer = await browser.request(method, "/", headers=ASKING)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "*, authorization"  # `*` does not cover it
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, OPTIONS"  # POST: NIP-86


async def test_answers_a_preflight_without_a_body():
    asked = {"origin": "https://client.example", "access-control-request-method": "GET"}
    async with Browser() as browser:
        answer = await browser.options("/any", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_nip11_follows_settings_that_are_reloaded():
    hub = FakeHub()
    async with Browser(hub) as browser:
        hub.config = config(limits={"max_subscriptions": 7})
        answer = await browser.get("/", headers=ASKING)
    assert answer.json()["limitation"]["max_subscriptions"] == 7


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accept", ["text/html", MEDIA_TYPE])
async def test_head_tells_what_get_would_without_the_body(path, accept):
    async with Browser() as browser:
        got = await browser.get(path, headers={"accept": accept})
        head = await browser.head(path, headers={"accept": accept})
    assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", "GET, HEAD, OPTIONS, POST"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/api/v1/posts", "GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_answered_with_those_it_takes(path, methods):
    async with Browser() as browser:
        refused = await browser.put(path)
        answers = [(await browser.request(one, path)).status_code for one in methods.split(", ")]
    assert (refused.status_code, refused.headers["allow"]) == (405, methods)
    assert 405 not in answers


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_protects_the_browser(path):
    async with Browser() as browser:
        headers = (await browser.get(path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert "server" not in headers
