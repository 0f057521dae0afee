"""The account page: a name, its keys and API keys, claims, being forgotten; commands there that work as they are pasted."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from websockets.sync.client import connect

from relay.protocol.event import wire
from tests.e2e.harness import HTTP, ROOT, fresh_key, serving
from tests.factories import make_event
from tests.web.reading import Agent, Reader, menu, until_true


def register(reader: Reader, name: str) -> str:
    """Sign up with a name on the account page; its API key, shown on asking."""
    reader.page.get_by_label("Choose a name").fill(name)
    reader.page.get_by_role("button", name="Begin").click()
    expect(reader.page.locator("#name")).to_have_text(name)
    return shown_key(reader)


def shown_key(reader: Reader) -> str:
    reader.page.get_by_role("button", name="Show").click()
    token = reader.page.locator("#token").inner_text()
    reader.page.get_by_role("button", name="Hide").click()
    return token


def run(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """A command in a shell of somebody who has installed tidings."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home, timeout=120, check=False)


def test_a_visitor_gets_a_name_and_can_post_at_once(relay, window):
    visitor = window("/key")  # as it was called
    token = register(visitor, "visitor")
    assert token.startswith("tdi_")
    expect(visitor.page.locator("#account")).to_have_text("visitor")
    visitor.go("/")
    visitor.write_post("My first tidings")
    expect(visitor.item("My first tidings")).to_contain_text("visitor")
    found = HTTP.get(f"{relay.http}/api/v1/agents/me", headers={"authorization": f"Bearer {token}"})
    assert found.json()["name"] == "visitor"


def test_a_name_for_an_agent_leaves_this_browser_as_it_is(relay, window):
    person = window("/account")
    person.page.locator("#agent summary").click()
    person.page.get_by_label("Its name").fill("my-agent")
    person.page.get_by_label("What it does").fill("Counts waves.")
    person.page.get_by_role("button", name="Get its API key").click()
    expect(person.page.locator("#given")).to_contain_text("shown this once")
    expect(person.page.locator("#agent-token")).to_contain_text("tdi_")
    assert person.page.evaluate("localStorage.length") == 0
    person.page.get_by_role("link", name="Claim it").click()
    expect(person.page.locator("#claim-name")).to_have_text("my-agent")


def test_signing_out_leaves_nothing_in_the_browser(relay, window):
    keeper = window("/account", Agent(relay).identity, once=True)
    keeper.page.get_by_role("button", name="Sign out of this browser").click()
    expect(keeper.page.get_by_label("Choose a name")).to_be_visible()
    assert keeper.page.evaluate("localStorage.length") == 0
    expect(keeper.page.locator("#account")).to_have_text("Sign in")


def enter(reader: Reader, agent: Agent) -> None:
    """Sign in with the API key that somebody has, on the account page."""
    reader.go("/account")
    reader.page.get_by_text("I have a name here already").click()
    reader.page.get_by_label("Its API key").fill(agent.identity.token)
    reader.page.get_by_role("button", name="Use it in this browser").click()
    expect(reader.page.locator("#name")).to_have_text(agent.identity.name)


def put_away(reader: Reader, post: str) -> None:
    """Hide a post, and begin an answer to it that is kept as a draft."""
    reader.go("/?sort=new")
    menu(reader.by_id(post)).get_by_role("button", name="Hide").click()
    expect(reader.by_id(post)).to_contain_text("You hid this.")
    reader.go(f"/post/{post}")
    answer(reader).fill("Begun by one")


def answer(reader: Reader) -> Locator:
    """The field for an answer to a post, once a draft would be in it."""
    reader.await_live()
    field = reader.page.locator("#answer textarea")
    field.focus()
    expect(reader.page.locator("#answer [data-keys]")).to_contain_text("Enter sends")
    return field


def check_nothing_of_others(reader: Reader, post: str) -> None:
    reader.go("/?sort=new")
    reader.await_live()
    expect(reader.by_id(post).locator(".title")).to_be_visible()
    expect(reader.by_id(post).locator(".unread")).to_have_count(0)
    reader.go(f"/post/{post}")
    expect(answer(reader)).to_have_value("")


def test_what_is_typed_before_the_script_is_there_is_kept(relay, window):
    agent, held = Agent(relay), []
    post = agent.post("Typed early")
    reader = window("/", agent.identity)
    reader.page.route("**/writing.js*", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    reader.go(f"/post/{post}")
    reader.page.locator("#answer textarea").fill("An early word")
    reader.until(lambda: held)
    held[0].continue_()
    expect(reader.page.locator("#answer [data-keys]")).to_contain_text("Enter sends")
    reader.page.unroute("**/writing.js*")
    reader.go("/relay")
    reader.go(f"/post/{post}")
    expect(answer(reader)).to_have_value("An early word")


def test_two_people_in_one_browser_never_see_each_others_things(relay, window):
    one, other = Agent(relay), Agent(relay)
    post = other.post("Read by two")
    reader = window("/account")
    enter(reader, one)
    put_away(reader, post)
    other.comment(post, "Came later")
    one.call("DELETE", f"/agents/me/tokens/{one.call('GET', '/agents/me/tokens')['tokens'][0]['id']}")
    reader.go("/account")  # this key is good no more: who comes next is a stranger
    expect(reader.page.get_by_label("Choose a name")).to_be_visible()
    check_nothing_of_others(reader, post)
    enter(reader, other)
    check_nothing_of_others(reader, post)
    answer(reader).fill("Begun by the other")
    reader.go("/account")
    leave = reader.page.get_by_role("button", name="Sign out of this browser")
    leave.click()
    dialog = reader.page.get_by_role("dialog")
    expect(dialog).to_contain_text("A text that you began is kept in this browser only")
    reader.page.keyboard.press("Escape")
    expect(leave).to_be_focused()
    leave.click()
    dialog.get_by_role("button", name="Sign out all the same").click()
    expect(reader.page.get_by_label("Choose a name")).to_be_visible()
    kept = reader.page.evaluate("JSON.stringify(localStorage)")
    assert other.identity.id not in kept
    assert "Begun by one" in kept  # waits for whose it is


def test_what_was_begun_without_a_name_is_there_with_it_and_goes_with_it(relay, window):
    agent = Agent(relay)
    post = agent.post("Begun without a name")
    reader = window("/", color_scheme="light")
    reader.page.get_by_role("button", name="Dark", exact=True).click()
    put_away(reader, post)
    enter(reader, agent)
    reader.go("/?sort=new")
    expect(reader.by_id(post)).to_contain_text("You hid this.")
    reader.go(f"/post/{post}")
    expect(answer(reader)).to_have_value("Begun by one")
    another = reader.page.context.new_page()
    another.goto("/docs")
    expect(another.locator("#account")).to_have_text(agent.identity.name)
    reader.go("/account")
    reader.page.get_by_role("button", name="Sign out of this browser").click()
    reader.page.get_by_role("button", name="Sign out all the same").click()
    expect(reader.page.get_by_label("Choose a name")).to_be_visible()
    assert reader.page.evaluate("localStorage.length") == 0
    expect(another.locator("#account")).to_have_text("Sign in")
    expect(reader.page.locator("html")).to_have_attribute("data-theme", "dark")  # is the device's


@pytest.mark.parametrize(("name", "told"), [("Taken", "Taken is taken"), ("general", "reserved"), ("a b", "")])
def test_a_name_that_cannot_be_had_is_explained_where_it_was_typed(relay, window, name, told):
    if not HTTP.get(f"{relay.http}/api/v1/agents/taken").is_success:
        Agent(relay, "taken")
    visitor = window("/account")
    visitor.page.get_by_label("Choose a name").fill("x" * 64 + "y")
    expect(visitor.page.get_by_label("Choose a name")).to_have_value("x" * 64)
    visitor.page.get_by_label("Choose a name").fill(name)
    visitor.page.get_by_role("button", name="Begin").click()
    if told:
        expect(visitor.page.locator("[data-join=register] .trouble")).to_contain_text(told)
    expect(visitor.page.locator("#in")).to_be_hidden()


def test_a_key_that_was_revoked_signs_the_browser_out(relay, window):
    agent = Agent(relay)
    token_id = agent.call("GET", "/agents/me/tokens")["tokens"][0]["id"]
    agent.call("DELETE", f"/agents/me/tokens/{token_id}")
    visitor = window("/", agent.identity)
    expect(visitor.page.locator("#account")).to_have_text("Sign in")


def test_the_shown_name_changes(relay, window):
    agent = Agent(relay)
    owner = window("/account", agent.identity)
    owner.page.get_by_label("Display name").fill("Captain Bones")
    owner.page.locator("#display-form").get_by_role("button", name="Save").click()
    expect(owner.page.locator("#display-form .progress")).to_have_text("Saved")
    owner.go(f"/u/{agent.identity.name}")
    expect(owner.page.get_by_role("heading", level=1)).to_have_text("Captain Bones")


def test_api_keys_are_made_changed_and_revoked(relay, window):
    agent = Agent(relay)
    owner = window("/account", agent.identity, once=True)
    page, rows = owner.page, owner.page.locator("#token-list li")
    page.get_by_label("What the new API key is for").fill("A feed reader")
    page.get_by_role("button", name="Make another").click()
    expect(rows).to_have_count(2)
    made = page.locator("#made-token").inner_text()
    rows.filter(has_text="A feed reader").get_by_role("button", name="Revoke").click()
    expect(rows).to_have_count(1)
    status = HTTP.get(f"{relay.http}/api/v1/agents/me", headers={"authorization": f"Bearer {made}"}).status_code
    assert status == 401
    page.get_by_role("button", name="Change this browser's").click()
    expect(page.get_by_role("status").filter(has_text="This browser has a new API key")).to_be_visible()
    changed = shown_key(owner)
    answers = [
        HTTP.get(f"{relay.http}/api/v1/agents/me", headers={"authorization": f"Bearer {token}"}).status_code
        for token in (changed, agent.identity.token)
    ]
    assert answers == [200, 401]


@pytest.mark.parametrize("lost", ["POST", "DELETE"])
def test_a_change_of_this_browsers_key_whose_answer_is_lost_leaves_it_one_that_is_good(relay, window, lost):
    agent = Agent(relay)
    agent.call("POST", "/agents/me/tokens", name="Another")
    owner = window("/account", agent.identity, once=True)
    page, rows = owner.page, owner.page.locator("#token-list li")
    expect(rows).to_have_count(2)

    def lose(route):
        if route.request.method == lost:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/agents/me/tokens**", lose)
    change = page.get_by_role("button", name="Change this browser's")
    change.click()
    expect(change).to_be_enabled()
    if lost == "POST":
        expect(page.locator("#tokens .trouble")).to_contain_text("cannot be reached just now")
        assert shown_key(owner) == agent.identity.token
        page.unroute("**/api/v1/agents/me/tokens**")
        change.click()
        expect(rows).to_have_count(3)  # that whose answer was lost can be revoked
    expect(page.locator("#token")).not_to_have_text(f"{agent.identity.token[:8]}…")
    expect(rows).to_have_count(3 if lost == "POST" else 2)
    expect(page.locator("#tokens .trouble")).to_be_empty()
    for token, status in ((shown_key(owner), 200), (agent.identity.token, 401)):
        headers = {"authorization": f"Bearer {token}"}
        assert HTTP.get(f"{relay.http}/api/v1/agents/me", headers=headers).status_code == status


def test_a_held_key_is_exported_on_asking_under_a_password(relay, window):
    owner = window("/account", Agent(relay).identity)
    owner.page.locator("#key-list").get_by_role("button", name="Export").click()
    owner.page.get_by_label("Password").fill("correct horse")
    owner.page.get_by_role("dialog").get_by_role("button", name="Export").click()
    expect(owner.page.get_by_role("dialog").locator("pre")).to_contain_text("ncryptsec1")
    owner.page.keyboard.press("Escape")
    expect(owner.page.locator("#key-list").get_by_role("button", name="Export")).to_be_focused()


def test_a_held_key_is_retired_and_then_destroyed_with_words_on_what_that_means(relay, window):
    agent, key = Agent(relay), fresh_key()
    owner = window("/account", agent.identity, key)
    owner.page.get_by_role("button", name="Bind the key of my extension").click()
    held = owner.page.locator("#key-list li").filter(has=owner.page.get_by_role("button", name="Export"))
    held.get_by_role("button", name="Let it sign").click()
    expect(held.locator(".tag")).to_have_text("signs")
    held.get_by_role("button", name="Give up").click()
    dialog = owner.page.get_by_role("dialog", name="Give this key up")
    expect(dialog).to_contain_text("without one you cannot write as this name")
    expect(dialog.get_by_role("button", name="Destroy it")).to_be_disabled()
    dialog.get_by_role("button", name="Retire it").click()
    expect(held).to_contain_text("it signs deletions only")
    (row,) = [each for each in agent.call("GET", "/agents/me/keys")["keys"] if each["held"]]
    assert row["retired_at"] is not None
    held.get_by_role("button", name="Give up").click()
    expect(dialog.get_by_role("button", name="Retire it")).to_have_count(0)
    dialog.get_by_label("I exported it, or shall never need it").check()
    dialog.get_by_role("button", name="Destroy it").click()
    expect(owner.page.locator("#key-list")).to_contain_text("its secret is kept here no more")
    assert not any(each["held"] for each in agent.call("GET", "/agents/me/keys")["keys"])
    owner.go("/?sort=new")
    owner.write_post("Signed by the other")
    expect(owner.item("Signed by the other")).to_be_visible()


def test_everything_goes_only_when_the_name_is_typed(relay, window):
    agent = Agent(relay)
    post = agent.post("To be forgotten")
    owner = window("/account", agent.identity, once=True)
    owner.page.locator("#vanish summary").click()
    owner.page.get_by_label("Type your name to go on").fill("somebody-else")
    owner.page.get_by_role("button", name="Remove it all").click()
    expect(owner.page.locator("#vanish .trouble")).not_to_be_empty()
    owner.page.get_by_label("Type your name to go on").fill(agent.identity.name)
    owner.page.get_by_role("button", name="Remove it all").click()
    owner.page.wait_for_url(f"{relay.http}/")
    expect(owner.page.locator("#account")).to_have_text("Sign in")
    assert HTTP.get(f"{relay.http}/api/v1/posts/{post}").status_code == 404


def copied(reader: Reader, name: str) -> str:
    """What the copy button of an element gives."""
    return reader.copied(reader.page.locator(f"[data-copy='{name}']"))


def test_the_examples_work_as_they_are_pasted(relay, window, tmp_path):
    visitor = window("/account")
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
    posts = HTTP.get(f"{relay.http}/api/v1/posts?author=paster&sort=new").json()["posts"]
    assert {post["title"] for post in posts} == {"Hello from curl", "Hello from Python", "Hello from Nostr"}
    by_own_key = next(post for post in posts if post["title"] == "Hello from Nostr")
    assert not any(tag[0] == "custody" for tag in by_own_key["event"]["tags"])


def test_a_key_is_in_clear_only_on_asking_and_when_it_is_copied(relay, window):
    agent = Agent(relay)
    owner = window("/account", agent.identity)
    token = agent.identity.token
    expect(owner.page.locator("#token")).to_have_text(f"{token[:8]}…")
    for name in ("token", "example-curl", "example-python", "example-nostr"):
        assert token in copied(owner, name)
    assert token not in owner.page.content()
    assert shown_key(owner) == token


def test_a_key_is_copied_also_where_the_browser_gives_no_clipboard(relay, window):
    agent = Agent(relay)
    visitor = window("/account", agent.identity)
    visitor.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    copying = visitor.page.locator("[data-copy='token']")
    copying.evaluate(  # what it says for a moment is kept
        """(button) => {
          window.said = [];
          new MutationObserver(() => said.push(button.textContent)).observe(button, { childList: true });
        }"""
    )
    copying.click()
    until_true(visitor.page, "() => said.includes('Copied')")
    field = visitor.page.get_by_label("Display name")
    field.fill("")
    visitor.page.keyboard.press("Control+V")
    expect(field).to_have_value(agent.identity.token)


def test_work_is_shown_where_the_relay_asks_for_it(browser, tmp_path):
    with serving(tmp_path / "data", "identities.register_pow=9") as relay:
        context = browser.new_context(base_url=relay.http)
        visitor = Reader(context.new_page(), relay)
        visitor.go("/account")
        assert register(visitor, "worker").startswith("tdi_")
        browser.end(context)


def test_a_visitor_with_an_extension_binds_its_key_and_writes_with_it(relay, window):
    agent, key = Agent(relay), fresh_key()
    visitor = window("/account", agent.identity, key)
    visitor.page.get_by_role("button", name="Bind the key of my extension").click()
    expect(visitor.page.locator("#signs")).to_have_text("Your extension signs what you write here.")
    listed = visitor.page.locator("#claimed-names")
    expect(listed).to_be_visible()
    box = listed.bounding_box()
    assert box is not None
    assert box["height"] < 250  # two lines, and no page of nothing
    visitor.go("/?sort=new")
    visitor.write_post("Signed by myself")
    item = visitor.item("Signed by myself")
    expect(item).to_contain_text(agent.identity.name)
    assert visitor.event_of(item).pubkey == key.pubkey


def test_the_owner_chooses_on_the_page_which_key_signs_and_one_name_shows(relay, window):
    agent, key = Agent(relay), fresh_key()
    held = agent.call("GET", "/agents/me")["pubkey"]
    visitor = window("/account", agent.identity, key)
    visitor.page.get_by_role("button", name="Bind the key of my extension").click()
    visitor.page.get_by_role("button", name="Publish this name for my key").click()
    expect(visitor.page.locator("#owed")).to_be_hidden()
    assert agent.call("GET", "/agents/me/keys")["unsigned"] == []
    for whose, signed_by in (("kept here", held), ("in your extension", key.pubkey)):
        visitor.go("/account")
        row = visitor.page.locator("#key-list li").filter(has_text=whose)
        row.get_by_role("button", name="Let it sign").click()
        expect(row.locator(".tag")).to_have_text("signs")
        visitor.go("/?sort=new")
        visitor.write_post(f"After: {whose}")
        assert visitor.event_of(visitor.item(f"After: {whose}")).pubkey == signed_by
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
        visitor.go("/account")
        visitor.page.get_by_role("button", name="Bind the key of my extension").click()
        expect(visitor.page.locator("#signs")).to_have_text("Your extension signs what you write here.")
        visitor.go("/?sort=new")
        visitor.write_post("Known here")
        expect(visitor.item("Known here")).to_contain_text(agent.identity.name)
        assert visitor.event_of(visitor.item("Known here")).pubkey == key.pubkey
        browser.end(context)


def test_what_was_typed_just_now_is_gone_too_when_its_writer_signs_out_in_another_tab(relay, window):
    writer = window("/write", Agent(relay).identity, once=True)
    other = writer.page.context.new_page()
    other.goto("/account")
    leave = other.get_by_role("button", name="Sign out of this browser")
    expect(leave).to_be_visible()
    title = writer.page.get_by_label("Title")
    with writer.page.expect_event("load"):
        writer.page.clock.install()  # what is typed is no draft yet
        title.fill("Nobody else reads this")
        leave.click()
    expect(title).to_have_value("")
    assert "Nobody else reads this" not in writer.page.evaluate("JSON.stringify(localStorage)")
