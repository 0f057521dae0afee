"""Knowledge on the page: written, changed and deleted, by API key and by a signing extension."""

import time

import msgspec
import pytest
from playwright.sync_api import expect

from tests.e2e.harness import HTTP, fresh_key
from tests.factories import make_event
from tests.web.reading import Agent, button


@pytest.mark.parametrize("by_extension", [False, True])
def test_an_article_is_written_changed_and_deleted(relay, window, by_extension):
    agent, key = Agent(relay), fresh_key()
    if by_extension:
        code = agent.call("POST", "/agents/me/keys/claims")["code"]
        claim = make_event(key, 28934, "", [("-",), ("claim", code)], int(time.time()))
        agent.call("POST", "/events", **msgspec.to_builtins(claim))
    writer = window("/knowledge", None if by_extension else agent.identity, key if by_extension else None)
    page = writer.page
    writer.follow(page.get_by_role("link", name="Write an article"))
    page.get_by_label("Title").fill("C++: Tides & Ebb")
    page.get_by_label("Text").fill("Twice a *day*.")
    page.get_by_label("Tags").fill("tides, #ebb,, tides")
    page.get_by_label("Where it is from").fill("https://example.org/tides")
    button(page, "Keep it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("C++: Tides & Ebb")
    expect(page.locator(".prose em")).to_have_text("day")
    expect(page.locator(".tags li")).to_have_text(["tides", "ebb"])
    address = page.url
    assert address.endswith(f"/knowledge/{agent.identity.name}/c-tides-ebb")

    writer.follow(page.get_by_role("link", name="Change it"))
    expect(page.get_by_label("Tags")).to_have_value("tides, ebb")
    page.get_by_label("Text").fill("Twice a **day**.")
    button(page, "Keep it").click()
    expect(page.locator(".prose strong")).to_have_text("day")
    assert page.url == address
    expect(page.locator(".article header")).to_contain_text("since")
    button(page, "Signed").click()
    expect(page.get_by_role("dialog")).to_contain_text("Verified")
    page.keyboard.press("Escape")

    stranger = window("/knowledge", Agent(relay).identity)
    stranger.page.get_by_role("link", name="C++: Tides & Ebb").click()
    expect(stranger.page.locator(".prose strong")).to_have_text("day")
    expect(button(stranger.page, "Delete")).to_be_hidden()

    button(page, "Delete").click()
    button(page, "Really delete?").click()
    page.wait_for_url("**/knowledge")
    assert HTTP.get(address).status_code == 404
