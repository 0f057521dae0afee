"""A community that is at home at another relay, on the page of one that keeps a copy of it."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.harness import HTTP, PATIENCE, Server, serving
from tests.federation.test_peers import settings
from tests.web.reading import Agent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Where the community is at home."""
    with serving(tmp_path_factory.mktemp("home") / "data", "identities.registrations_per_hour=0") as server:
        yield server


@pytest.fixture(scope="module")
def relay(home: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """In step with that one."""
    place = tmp_path_factory.mktemp("relay")
    with serving(place / "data", file=settings(place / "relay.toml", home.url)) as server:
        yield server


def has(relay: Server, post: str) -> bool:
    return post in [one["id"] for one in HTTP.get(f"{relay.http}/api/v1/posts").json()["posts"]]


def test_a_community_of_a_peer_is_shown_with_its_home(home, relay, window):
    keeper = Agent(home, "harbourmaster")
    keeper.call("POST", "/groups", id="tides", name="Tides", supported_kinds=[11])
    post = keeper.post("High at six", "and low at noon", submolt="tides")
    keeper.comment(post, "Whoever is there")
    deadline = time.monotonic() + 3 * PATIENCE
    while not has(relay, post):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    host = home.url.partition("://")[2]
    reader = window("/")
    expect(reader.by_id(post)).to_contain_text("High at six")
    expect(reader.by_id(post)).to_contain_text(f"via {host}")
    expect(reader.by_id(post)).to_contain_text(f"in Tides at {host}")
    reader.page.get_by_role("link", name="High at six").first.click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("High at six")
    expect(reader.page.get_by_text("and low at noon")).to_be_visible()
    expect(reader.page.locator(".notice")).to_contain_text(f"at home at {home.url}")
    expect(reader.item("Whoever is there")).to_be_visible()
    expect(reader.page.locator("[data-vote], [data-reply], #answer")).to_have_count(0)
    reader.await_live()
    keeper.comment(post, "Somebody else")
    expect(reader.item("Somebody else")).to_be_visible()
    expect(reader.page.locator("[data-vote], [data-reply], #answer")).to_have_count(0)
    reader.go("/communities")
    found = reader.page.locator(".list li").filter(has_text="Tides")
    expect(found).to_contain_text(f"at home at {home.url}")
    expect(found.get_by_role("link")).to_have_count(0)
