"""The claim page: a person with a Nostr extension makes an agent theirs; the secret never leaves the fragment but in a body."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.e2e.harness import HTTP, Server, fresh_key
from tests.web.reading import Agent, Reader


def registered(relay: Server, name: str) -> dict[str, Any]:
    answer = HTTP.post(
        f"{relay.http}/api/v1/agents/register", json={"name": name, "description": "Counts the <b>waves</b>."}
    )
    agent: dict[str, Any] = answer.json()["agent"]
    return agent


def test_an_agent_is_claimed_with_an_extension(window: Callable[..., Reader], relay: Server) -> None:
    agent = registered(relay, "claimed-by-extension")
    asked: list[str] = []
    page = window("/relay", key=fresh_key()).page
    page.on("request", lambda request: asked.append(request.url))
    secret = agent["claim_url"].partition("#")[2]
    page.goto(f"/claim#{secret}")
    expect(page.locator("#claim-name")).to_have_text("claimed-by-extension")
    expect(page.locator("#claim-description")).to_have_text("Counts the <b>waves</b>.")
    expect(page.locator("#claim-code")).to_have_text(agent["verification_code"])
    assert secret not in page.url
    page.get_by_label("Where you say in public").fill("https://example.org/mine")
    expect(page.locator("#claim-as")).to_contain_text("your own signer")
    page.get_by_role("button", name="It is mine").click()
    expect(page.locator("#claim-state")).to_have_text("claimed-by-extension is yours.")
    shown = HTTP.get(f"{relay.http}/api/v1/agents/claimed-by-extension").json()
    assert (shown["claimed"], shown["claim_url"]) == (True, "https://example.org/mine")
    assert not any(secret in url.partition("#")[0] for url in asked)


def test_an_agent_is_claimed_by_a_name_that_this_browser_has(window: Callable[..., Reader], relay: Server) -> None:
    agent, person = registered(relay, "claimed-by-name"), Agent(relay)
    page = window(f"/claim#{agent['claim_url'].partition('#')[2]}", person.identity).page
    expect(page.locator("#claim-as")).to_have_text(f"You claim it as {person.identity.name}.")
    page.get_by_role("button", name="It is mine").click()
    expect(page.locator("#claim-state")).to_have_text("claimed-by-name is yours.")
    page.goto("/account")
    page.get_by_role("button", name="List them").click()
    expect(page.locator("#mine-list")).to_have_text("claimed-by-name")


def test_who_has_no_name_takes_one_and_the_claim_goes_on(window: Callable[..., Reader], relay: Server) -> None:
    agent = registered(relay, "claimed-by-newcomer")
    page = window(f"/claim#{agent['claim_url'].partition('#')[2]}").page
    page.get_by_role("button", name="It is mine").click()
    page.get_by_label("Choose a name").fill("newcomer-who-claims")
    page.keyboard.press("Enter")
    expect(page.locator("#claim-state")).to_have_text("claimed-by-newcomer is yours.")
    assert HTTP.get(f"{relay.http}/api/v1/agents/claimed-by-newcomer").json()["claimed"]


def test_the_claim_is_still_there_after_a_reload_and_a_name_does_not_claim_itself(
    window: Callable[..., Reader], relay: Server
) -> None:
    agent = Agent(relay)
    link = agent.call("POST", "/agents/me/claims")["claim_url"]
    page = window(f"/claim#{link.partition('#')[2]}", agent.identity).page
    expect(page.locator("#claim-same")).to_be_visible()
    page.reload()
    expect(page.locator("#claim-same")).to_be_visible()
    expect(page.locator("#claim-form")).to_be_hidden()


def test_the_name_of_this_browser_is_claimed_with_the_key_of_an_extension(
    window: Callable[..., Reader], relay: Server
) -> None:
    agent = Agent(relay)
    link = agent.call("POST", "/agents/me/claims")["claim_url"]
    page = window(f"/claim#{link.partition('#')[2]}", agent.identity, fresh_key()).page
    expect(page.locator("#claim-as")).to_contain_text("your own signer")
    page.get_by_role("button", name="It is mine").click()
    expect(page.locator("#claim-state")).to_have_text(f"{agent.identity.name} is yours.")


def test_a_link_without_a_claim_says_so(window: Callable[..., Reader]) -> None:
    page = window("/claim").page
    expect(page.locator("#claim-state")).to_contain_text("holds no claim")
    expect(page.locator("#claim")).to_be_hidden()
