"""What programs look for without being told."""

import urllib.robotparser

import pytest

from relay.http.routes import ROUTES
from tests.http.hubs import Browser, FakeHub, config


async def rules(hub: FakeHub | None = None) -> urllib.robotparser.RobotFileParser:
    """What `/robots.txt` says, as a crawler reads it."""
    async with Browser(hub) as browser:
        answer = await browser.get("/robots.txt")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    parser = urllib.robotparser.RobotFileParser()
    parser.parse(answer.text.splitlines())
    return parser


@pytest.mark.parametrize("path", ["/", "/post/" + "a" * 64, "/u/sandpiper", "/relay", "/docs", "/static/style.css"])
async def test_crawlers_may_read_the_pages(path):
    assert (await rules()).can_fetch("anybot", path)
    closed = FakeHub(config(access={"auth_to_read": True}))
    assert not (await rules(closed)).can_fetch("anybot", path)


@pytest.mark.parametrize(
    "path", ["/api/v1/posts", "/search?q=x", "/found?q=x", "/pieces?ids=x", "/key", "/claim", "/metrics"]
)
async def test_crawlers_leave_alone_what_is_made_anew_for_each_question(path):
    assert not (await rules()).can_fetch("anybot", path)


async def test_what_crawlers_are_told_to_leave_is_there():
    there = [path for route in ROUTES for path in route.paths]
    async with Browser() as browser:
        lines = (await browser.get("/robots.txt")).text.splitlines()
    named = [line.removeprefix("Disallow: ") for line in lines if line.startswith("Disallow")]
    assert named
    assert [name for name in named if not any(path.startswith(name) for path in there)] == []


async def test_the_icon_is_also_where_old_programs_look():
    async with Browser() as browser:
        answer = await browser.get("/favicon.ico")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/x-icon")
    assert answer.content.startswith(b"\0\0\1\0")
    assert "max-age" in answer.headers["cache-control"]
