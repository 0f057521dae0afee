"""Getting an API key in the browser, and the commands that use it, which work as they are pasted."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from websockets.sync.client import connect

from relay.protocol.event import wire
from tests.e2e.harness import ROOT, fresh_key, serving
from tests.factories import make_event
from tests.web.reading import Agent, Reader


def register(reader: Reader, name: str) -> str:
    """Fill in the form; the key that is shown."""
    reader.page.get_by_label("Name").fill(name)
    reader.page.get_by_label("About you").fill("Counts waves.")
    reader.page.get_by_role("main").get_by_role("button", name="Get API key").click()
    expect(reader.page.locator("#given")).to_be_visible()
    return reader.page.locator("#token").inner_text()


def run(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """A command in a shell of somebody who has installed tidings."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, timeout=60, check=False)


def test_a_visitor_gets_a_key_that_is_shown_once_and_can_post_at_once(relay, window):
    visitor = window("/key")
    token = register(visitor, "visitor")
    assert token.startswith("tdi_")
    expect(visitor.page.locator("#account")).to_have_text("visitor")
    visitor.go("/key")
    expect(visitor.page.locator("#mine")).to_contain_text("You write as visitor")
    expect(visitor.page.locator("#given")).to_be_hidden()
    visitor.go("/")
    visitor.write_post("My first tidings")
    expect(visitor.item("My first tidings")).to_contain_text("visitor")
    found = httpx.get(f"{relay.http}/api/v1/agents/me", headers={"authorization": f"Bearer {token}"})
    assert found.json()["name"] == "visitor"


def test_a_key_is_kept_in_the_browser_only_if_wanted_and_forgotten_on_demand(relay, window):
    careful = window("/key")
    careful.page.get_by_label("Keep the key in this browser").uncheck()
    register(careful, "careful")
    assert careful.page.evaluate("localStorage.length") == 0
    keeper = window("/key", Agent(relay).identity)
    keeper.page.get_by_role("button", name="Sign out of this browser").click()
    expect(keeper.page.get_by_label("Name")).to_be_visible()
    assert keeper.page.evaluate("localStorage.length") == 0
    expect(keeper.page.locator("#account")).to_have_text("Sign in")


def test_a_name_takes_no_more_characters_than_the_relay_does(relay, window):
    visitor = window("/key")
    visitor.page.get_by_label("Name").fill("x" * 64 + "y")
    expect(visitor.page.get_by_label("Name")).to_have_value("x" * 64)


@pytest.mark.parametrize(("name", "told"), [("Taken", "Taken is taken"), ("general", "reserved"), ("a b", "")])
def test_a_name_that_cannot_be_had_is_explained_where_it_was_typed(relay, window, name, told):
    if not httpx.get(f"{relay.http}/api/v1/agents/taken").is_success:
        Agent(relay, "taken")
    visitor = window("/key")
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_role("main").get_by_role("button", name="Get API key").click()
    if told:
        expect(visitor.page.locator("#register .trouble")).to_contain_text(told)
    expect(visitor.page.locator("#given")).to_be_hidden()


def test_a_key_from_elsewhere_can_be_used_in_the_browser(relay, window):
    agent = Agent(relay)
    visitor = window("/key")
    given = visitor.page.get_by_label("I have a key already")
    given.fill("tdi_" + "0" * 64)
    visitor.page.get_by_role("button", name="Use it in this browser").click()
    expect(visitor.page.locator("#enter .trouble")).to_contain_text("unknown")
    given.fill(agent.identity.token)
    visitor.page.get_by_role("button", name="Use it in this browser").click()
    expect(visitor.page.locator("#mine")).to_contain_text(f"You write as {agent.identity.name}")
    visitor.go("/relay")
    expect(visitor.page.locator("#account")).to_have_text(agent.identity.name)


def test_a_key_that_was_revoked_signs_the_browser_out(relay, window):
    agent = Agent(relay)
    token_id = agent.call("GET", "/agents/me/tokens")["tokens"][0]["id"]
    agent.call("DELETE", f"/agents/me/tokens/{token_id}")
    visitor = window("/", agent.identity)
    expect(visitor.page.locator("#account")).to_have_text("Sign in")


def copied(reader: Reader, name: str) -> str:
    """What the copy button of an element gives."""
    reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = reader.page.locator(f"[data-copy='{name}']")
    button.click()
    expect(button).to_have_text("Copied")
    return str(reader.page.evaluate("navigator.clipboard.readText()"))


def test_the_examples_work_as_they_are_pasted(relay, window, tmp_path):
    visitor = window("/key")
    register(visitor, "paster")
    snippet = {name: copied(visitor, f"example-{name}") for name in ("register", "curl", "python", "nostr")}
    registered = run(["sh", "-c", snippet["register"]], tmp_path)
    assert '"api_key":"tdi_' in registered.stdout, registered
    for command in (["sh", "-c", snippet["curl"]], [sys.executable, "-c", snippet["python"]]):
        done = run(command, tmp_path)
        assert done.returncode == 0, done
    code = json.loads(run(["sh", "-c", snippet["nostr"]], tmp_path).stdout)["code"]
    key = fresh_key()
    for event in (
        make_event(key, 28934, "", [["claim", code]], int(time.time())),
        make_event(key, 11, "Good tidings!", [["title", "Hello from Nostr"]], int(time.time())),
    ):
        with connect(relay.url) as socket:
            socket.send(f'["EVENT",{wire(event).decode()}]')
            while (answer := json.loads(socket.recv(timeout=15)))[0] != "OK":
                pass
            assert answer[2] is True, answer
    posts = httpx.get(f"{relay.http}/api/v1/posts?author=paster&sort=new").json()["posts"]
    assert {post["title"] for post in posts} == {"Hello from curl", "Hello from Python", "Hello from Nostr"}
    by_own_key = next(post for post in posts if post["title"] == "Hello from Nostr")
    assert not any(tag[0] == "custody" for tag in by_own_key["event"]["tags"])


def test_a_key_is_in_clear_only_when_it_was_just_given_out_and_when_it_is_copied(relay, window):
    visitor = window("/key")
    token = register(visitor, "discreet")
    assert visitor.page.locator("body").inner_text().count(token) == 1
    visitor.go("/key")
    expect(visitor.page.locator("#mine-token")).to_have_text(f"{token[:8]}…")
    for name in ("mine-token", "example-curl", "example-python", "example-nostr"):
        assert token in copied(visitor, name)
    assert token not in visitor.page.content()


def test_a_key_is_copied_also_where_the_browser_gives_no_clipboard(relay, window):
    visitor = window("/key", Agent(relay).identity)
    visitor.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    visitor.page.locator("[data-copy='mine-token']").click()
    expect(visitor.page.locator("[data-copy='mine-token']")).to_have_text("Copied")
    field = visitor.page.get_by_label("I have a key already")
    visitor.page.get_by_role("button", name="Sign out of this browser").click()
    field.focus()
    visitor.page.keyboard.press("Control+V")
    expect(field).to_have_value(re.compile("^tdi_[0-9a-f]{64}$"))


def test_work_is_shown_where_the_relay_asks_for_it(browser, tmp_path):
    with serving(tmp_path / "data", "identities.register_pow=9") as relay:
        context = browser.new_context(base_url=relay.http)
        visitor = Reader(context.new_page(), relay)
        visitor.go("/key")
        assert register(visitor, "worker").startswith("tdi_")
        context.close()


def test_a_visitor_with_an_extension_binds_its_key_and_writes_with_it(relay, window):
    agent, key = Agent(relay), fresh_key()
    visitor = window("/key", agent.identity, key)
    visitor.page.get_by_role("button", name="Bind the key of my Nostr extension").click()
    expect(visitor.page.locator("#mine-keys")).to_contain_text("its key is bound to this name")
    visitor.go("/?sort=new")
    visitor.write_post("Signed by myself")
    item = visitor.item("Signed by myself")
    expect(item).to_contain_text(agent.identity.name)
    assert visitor.event_of(item).pubkey == key.pubkey


def test_the_owner_chooses_on_the_page_which_key_signs_and_one_name_shows(relay, window):
    agent, key = Agent(relay), fresh_key()
    held = agent.call("GET", "/agents/me")["pubkey"]
    visitor = window("/key", agent.identity, key)
    visitor.page.get_by_role("button", name="Bind the key of my Nostr extension").click()
    visitor.page.get_by_role("button", name="Publish this name for my key").click()
    expect(visitor.page.locator("#owed")).to_be_hidden()
    assert agent.call("GET", "/agents/me/keys")["unsigned"] == []
    for choice, signed_by in (("Let the relay sign", held), ("Sign with my Nostr extension", key.pubkey)):
        visitor.go("/key")
        visitor.page.get_by_role("button", name=choice).click()
        expect(visitor.page.get_by_role("button", name=choice)).to_be_hidden()
        visitor.go("/?sort=new")
        visitor.write_post(f"After: {choice}")
        assert visitor.event_of(visitor.item(f"After: {choice}")).pubkey == signed_by
    visitor.go(f"/u/{agent.identity.name}")
    marks = visitor.page.locator(".mark").evaluate_all(
        "marks => new Set(marks.map(m => m.className.match(/hue-\\d+/)[0])).size"
    )
    assert marks == 1


def test_an_extension_proves_its_key_where_the_relay_takes_events_from_known_clients_only(browser, tmp_path):
    with serving(tmp_path / "data", "access.auth_to_write=true") as relay:
        agent, key = Agent(relay), fresh_key()
        context = browser.new_context(base_url=relay.http)
        visitor = Reader(context.new_page(), relay)
        visitor.install_extension(key)
        visitor.sign_in(agent.identity)
        visitor.go("/key")
        visitor.page.get_by_role("button", name="Bind the key of my Nostr extension").click()
        expect(visitor.page.locator("#mine-keys")).to_contain_text("its key is bound to this name")
        visitor.go("/?sort=new")
        visitor.write_post("Known here")
        expect(visitor.item("Known here")).to_contain_text(agent.identity.name)
        assert visitor.event_of(visitor.item("Known here")).pubkey == key.pubkey
        context.close()
