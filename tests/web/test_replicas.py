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


def await_answer(relay: Server, path: str, awaited: str) -> None:
    """Ask the relay until what it answers has this text."""
    deadline = time.monotonic() + 3 * PATIENCE
    while awaited not in HTTP.get(f"{relay.http}/api/v1{path}").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_community_of_a_peer_is_shown_with_its_home(home, relay, window):
    keeper = Agent(home, "harbourmaster")
    keeper.call("POST", "/groups", id="tides", name="Tides", supported_kinds=[11])
    post = keeper.post("High at six", "and low at noon", submolt="tides")
    keeper.comment(post, "Whoever is there")
    await_answer(relay, "/posts", post)
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


def test_a_room_of_a_peer_is_read_live_and_not_written_in(home, relay, window):
    pilot = Agent(home, "pilot")
    pilot.call("POST", "/groups", id="bar", name="Harbour bar")
    pilot.call("POST", "/groups/bar/messages", content="Slack water at six")
    await_answer(relay, "/groups", "Harbour bar")
    reader = window("/chat")
    expect(reader.page.locator(".list li").filter(has_text="Harbour bar")).to_contain_text(f"at home at {home.url}")
    reader.page.get_by_role("link", name="Harbour bar").click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Harbour bar")
    expect(reader.page.locator("#elsewhere")).to_contain_text(f"at home at {home.url}")
    expect(reader.page.locator("#messages")).to_contain_text("Slack water at six", timeout=3 * PATIENCE * 1000)
    reader.await_live()
    pilot.call("POST", "/groups/bar/messages", content="Flood since seven")
    expect(reader.page.locator("#messages")).to_contain_text("Flood since seven", timeout=3 * PATIENCE * 1000)
    expect(reader.page.locator("#messages .message").last).to_contain_text("pilot (npub1")
    expect(reader.page.locator("#say")).to_be_hidden()
    expect(reader.page.get_by_role("button", name="Join")).to_have_count(0)  # one joins where it is at home
    expect(reader.page.get_by_role("button", name="Reply")).to_have_count(0)
