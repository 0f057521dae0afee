"""How the page feels: its colours, its keys, its first words, and quiet where the relay is slow or away."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.harness import Server, free_port, serving
from tests.web.reading import Agent, Reader, button, menu, score, until_true


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_colours_that_one_chose_stay_with_and_without_scripts(relay, window):
    for scripts in (True, False):
        page = window("/", java_script_enabled=scripts, color_scheme="light").page
        light = ground(page)
        page.get_by_role("button", name="Dark", exact=True).click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        dark = ground(page)
        assert dark != light
        page.goto("/relay")
        assert ground(page) == dark
        page.get_by_role("button", name="System", exact=True).click()
        expect(page.locator("html")).not_to_have_attribute("data-theme", re.compile("."))
        assert ground(page) == light


def test_what_this_place_is_stands_at_the_top_until_it_is_put_away(relay, window):
    for scripts in (True, False):
        page = window("/", first=True, java_script_enabled=scripts).page
        expect(page.locator(".first-visit")).to_contain_text("This is Tidings")
        page.get_by_role("button", name="I know, thanks").click()
        expect(page.locator(".first-visit")).to_have_count(0)
        if scripts:  # the browser puts a script's cookie away in its own time, and opens an address meanwhile
            until_true(page, "() => document.cookie.includes('first=over')")
        page.goto("/")
        expect(page.locator(".first-visit")).to_have_count(0)


def test_who_has_a_name_is_not_told_what_this_place_is(relay, window):
    """From the next page on: nothing moves on one that is there already."""
    page = window("/", Agent(relay).identity, first=True).page
    until_true(page, "() => document.cookie.includes('first=over')")
    page.reload()
    expect(page.locator(".first-visit")).to_have_count(0)


def test_what_is_typed_right_after_the_slash_is_what_to_look_for(relay, window):
    page = window("/").page
    page.route("**/keys.js*", lambda route: route.abort())  # however long the keys take to come
    page.keyboard.type("/knots")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("knots")


def test_a_journey_by_keys_alone(relay, window):
    first, second = (Agent(relay).post(f"{what} by keys") for what in ("Read", "Opened"))
    reader = window("/?sort=new", Agent(relay).identity)
    reader.await_live()
    page, keys = reader.page, reader.page.keyboard
    keys.press("j")
    expect(reader.by_id(second)).to_be_focused()
    keys.press("j")
    expect(reader.by_id(first)).to_be_focused()
    keys.press("u")
    expect(button(reader.by_id(first), "Upvote this post")).to_have_attribute("aria-pressed", "true")
    keys.press("k")
    expect(reader.by_id(second)).to_be_focused()
    keys.press("o")
    page.wait_for_url(f"**/post/{second}")
    reader.await_live()
    keys.press("c")
    expect(page.locator("#answer textarea")).to_be_focused()
    keys.type("jumping guns")  # is text now
    keys.press("Control+Enter")
    expect(reader.item("jumping guns")).to_be_visible()
    page.locator("#content").focus()
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Go to the communities")
    keys.press("Escape")
    keys.press("/")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.locator("#content").focus()
    keys.press("g")
    keys.press("c")
    page.wait_for_url("**/communities")
    keys.press("?")
    page.get_by_label("Use these keys in this browser").uncheck()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keys.press("n")
    keys.press("?")
    page.get_by_label("Use these keys in this browser").check()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("/communities$"))
    keys.press("n")
    page.wait_for_url("**/write*")


def test_what_comes_late_leaves_the_keyboard_where_its_owner_went(relay, window):
    agent = Agent(relay)
    post = agent.post("Going on")
    reader = window(f"/post/{post}", agent.identity)
    reader.await_live()
    page, search = reader.page, reader.page.get_by_role("searchbox", name="Search")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.evaluate(
        """() => new Promise((closed) => {
          const dialog = document.querySelector("dialog[open]");
          dialog.addEventListener("close", closed);
          dialog.close();
          document.getElementById("find-q").focus(); // before anybody is told that it is closed
        })"""
    )
    expect(search).to_be_focused()

    answers = reader.hold()
    page.locator("#answer textarea").fill("said meanwhile")
    page.locator("#answer textarea").press("Control+Enter")
    reader.until(lambda: answers)
    search.focus()
    answers.pop().continue_()
    expect(reader.item("said meanwhile")).to_be_visible()
    expect(search).to_be_focused()

    item = reader.item("said meanwhile")
    button(menu(item), "Edit").click()
    item.get_by_label("Text").fill("changed meanwhile")
    button(item, "Save").click()
    reader.until(lambda: answers)
    search.focus()
    answers.pop().continue_()
    expect(item.get_by_label("Text")).to_have_count(0)
    expect(search).to_be_focused()


@pytest.mark.parametrize("path", ["/write", "/communities/new", "/write/knowledge"])
def test_who_writes_before_all_is_known_of_them_stays_in_their_field(relay, window, path):
    agent = Agent(relay)
    writer = window("/health", agent.identity)  # which asks for nothing
    page = writer.page
    answers: list[Route] = []
    page.route("**/agents/me/keys", lambda route: answers.append(route))  # noqa: PLW0108, it must be a function
    page.goto(path)
    field = page.locator("main form textarea")
    field.focus()
    writer.until(lambda: answers)
    answers.pop().continue_()
    expect(page.locator("main form .as")).to_have_text(f"as {agent.identity.name}")
    expect(field).to_be_focused()


def test_a_vote_shows_before_the_relay_answers_and_is_put_back_with_words(relay, window):
    post = Agent(relay).post("Slow waters")
    reader = window(f"/post/{post}", Agent(relay).identity)
    reader.await_live()
    routes = []
    reader.page.route("**/upvote", lambda route: routes.append(route))  # noqa: PLW0108, it must be a function; is not answered
    item = reader.by_id(post)
    button(item, "Upvote this post").click()
    expect(score(item)).to_have_text("1")
    expect(button(item, "Upvote this post")).to_have_attribute("aria-pressed", "true")
    reader.until(lambda: routes)
    routes[0].fulfill(status=503, json={"message": "the harbour is closed"})
    expect(item.get_by_role("alert")).to_have_text("The harbour is closed.")
    expect(score(item)).to_have_text("0")
    expect(button(item, "Upvote this post")).to_have_attribute("aria-pressed", "false")
    assert len(routes) == 1


def test_the_feed_needs_few_fonts(relay, window):
    """Each family, weight, style and size is looked for apart, and a first paint waits for it."""
    Agent(relay).post("In few letters", "Some text.", url="https://example.org/letters")
    fonts = window("/", first=True).page.evaluate(
        """() => [...new Set([...document.querySelectorAll("body *")]
          .filter((e) => [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
          .map((e) => getComputedStyle(e))
          .map(({ fontFamily, fontWeight, fontStyle, fontSize }) => [fontFamily, fontWeight, fontStyle, fontSize].join(" ")))]"""
    )
    assert len(fonts) <= 12, fonts


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A relay that the test itself may end."""
    server = Server(tmp_path / "data", "identities.registrations_per_hour=0", port=free_port())
    yield server
    if server.process.poll() is None:
        server.stop()


def test_while_the_relay_is_away_the_page_stays_quiet(mortal, browser, tmp_path):
    agent = Agent(mortal)
    post = agent.post("Still here")
    context = browser.new_context(base_url=mortal.http)
    reader = Reader(context.new_page(), mortal)
    reader.sign_in(agent.identity)
    reader.go("/?sort=new")
    reader.await_live()
    assert mortal.stop() == 0
    expect(reader.page.locator("#live")).to_have_attribute("data-state", "lost")
    item = reader.by_id(post)
    button(item, "Upvote this post").click()
    expect(item.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(score(item)).to_have_text("0")
    with serving(tmp_path / "data", "identities.registrations_per_hour=0", port=mortal.port):
        reader.await_live()
        button(item, "Upvote this post").click()
        expect(score(item)).to_have_text("1")
        expect(item.get_by_role("alert")).to_have_count(0)
        assert reader.troubles() == []
        browser.end(context)


def test_what_a_page_loads_by_itself_may_fail_to_come(relay, window):
    reader = window("/relay", Agent(relay).identity)
    missed = []

    def miss(route):
        missed.append(route.request.url)
        route.abort()

    reader.page.route(re.compile(r"/bell\.js"), miss)
    reader.go("/?sort=new")
    reader.await_live()
    reader.until(lambda: missed)
    reader.page.wait_for_timeout(100)  # whatever is said of it comes now; that nothing is said ends this test


def test_a_page_that_waits_for_its_next_try_connects_at_once_when_the_network_is_back(relay, window):
    reader = window(intercept=True)
    reader.await_live()
    reader.page.clock.install()  # time does not pass by itself: only the word of the browser can bring it back
    reader.page.clock.pause_at(4_000_000_000)
    reader.lose_connection()
    reader.regain_connection()
    reader.page.evaluate("dispatchEvent(new Event('online'))")
    reader.await_live()


def test_who_asks_for_what_cannot_be_fetched_is_told_so(relay, window):
    agent = Agent(relay)
    reader = window(f"/post/{agent.post('Far away')}", agent.identity)
    held = []
    reader.page.route(re.compile(r"/writing\.js"), lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    reader.page.route(re.compile(r"/away\.js"), lambda route: route.abort())
    reader.await_live()
    form = reader.page.locator("#answer")
    reader.write_comment("Is it there?")
    expect(form).to_have_attribute("aria-busy", "true")
    reader.until(lambda: held)
    for route in held:
        route.abort()
    expect(form.locator(".trouble")).to_contain_text("cannot be reached just now")
    expect(form).not_to_have_attribute("aria-busy", "true")
    button(menu(reader.item("Far away").first), "Hide").click()
    expect(reader.item("Far away").first.locator(".body > .trouble")).to_contain_text("cannot be reached just now")


TEXT = "Words.\n\n```\nsome code\n```\n\n![A picture](https://pictures.example/a.png)"
ASKED = [  # script, page, what is pressed (or typed), and what is there then
    ("menu", "/post/{post}", ".item .menu > summary", ".item .menu .rows"),
    ("copy", "/post/{post}", "[data-copy-code]", "[data-copy-code]:text('Copied')"),
    ("picture", "/post/{post}", "a.picture", ".picture-frame"),
    ("keys", "/relay", "?", "#keys-dialog[open]"),
    ("proof", "/post/{post}/history", "[data-proof]", "#proof[open]"),
    ("proof", "/knowledge/{name}/tides", "[data-proof]", "#proof[open]"),
    ("preview", "/write", "[data-preview]", "[data-preview][aria-pressed=true]"),
    ("lists", "/saved", "[data-unsave]", "#mine:not([aria-busy]):not(:has([data-saved-id]))"),
    ("agree", "/account", "#leave", "#agree[open]"),
    ("versions", "/chat/room-{name}", "a.edited", ".message .versions"),
]


def test_what_is_asked_for_and_does_not_come_is_told_and_done_at_the_next_press(relay, window):
    agent = Agent(relay)
    name = agent.identity.name
    post = agent.post("With all of it", TEXT)
    agent.call("PATCH", f"/posts/{post}", content=f"{TEXT}\n\nEdited")
    agent.call("POST", "/saved", id=post)
    agent.call("POST", "/knowledge", identifier="tides", title="Tides", content="Twice a day.")
    agent.call("POST", "/groups", id=f"room-{name}", name="Room", private=True)
    message = agent.call("POST", f"/groups/room-{name}/messages", content="First")["message"]["id"]
    agent.call("PATCH", f"/groups/room-{name}/messages/{message}", content="Second")
    reader = window("/docs")
    page = reader.page
    known = {"token": agent.identity.token, "id": agent.identity.id, "name": name}
    page.evaluate("(known) => localStorage.setItem('tidings.account', JSON.stringify(known))", known)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.context.route("**/picture?**", lambda route: route.abort())
    page.evaluate("(id) => localStorage.setItem(`tidings.@${id}.draft.x`, '{}')", agent.identity.id)
    for script, path, asks, there in ASKED:
        page.route(re.compile(rf"/{script}\.js"), lambda route: route.abort())
        reader.go(path.format(name=name, post=post))
        ask = partial(page.keyboard.press, asks) if len(asks) == 1 else page.locator(asks).first.click
        ask()
        told = page.locator("#toast, .trouble").filter(has_text="cannot be reached just now")
        expect(told.first, script).to_be_visible()
        page.unroute_all()
        ask()
        expect(page.locator(there).first, script).to_be_visible()


def test_what_is_pressed_where_the_script_that_sees_to_it_never_comes_is_told(relay, window):
    agent = Agent(relay)
    post = agent.post("Pressed in vain")
    reader = window("/docs", agent.identity)
    reader.page.route(re.compile(r"/items\.js"), lambda route: route.abort())
    reader.go(f"/post/{post}")
    told = reader.page.get_by_role("status").filter(has_text="A part of this page did not come")
    expect(told).to_be_visible()
    up = button(reader.by_id(post), "Upvote this post")
    up.click()
    expect(up).not_to_have_attribute("data-early", "")
    reader.page.unroute_all()
    reader.go(f"/post/{post}")
    up.click()
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(told).to_have_count(0)


def test_what_is_pressed_before_its_script_has_come_is_done_then(relay, window):
    agent, other = Agent(relay), Agent(relay)
    post = agent.post("Pressed early")
    other.comment(post, "So is this")
    reader = window("/relay", other.identity)
    held = []
    reader.page.route(re.compile(r"/feed\.js"), lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    reader.page.goto(f"/post/{post}", wait_until="commit")
    expect(reader.page.locator("html.scripted")).to_be_attached()  # what hears of it is there
    up = button(reader.by_id(post), "Upvote this post")
    up.click()
    expect(up).to_have_attribute("data-early", "")
    button(reader.item("So is this").last, "Reply").click()
    reader.until(lambda: held)
    for route in held:
        route.continue_()
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(score(reader.by_id(post))).to_have_text("1")
    expect(up).not_to_have_attribute("data-early", "")
    expect(reader.item("So is this").last.locator("#answer")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "ask", "script"),
    [
        ("/u/{name}", "Edit profile", "self"),
        ("/account", "Bind a remote signer", "remote"),
        ("/c/{name}", "Invite", "governing"),
        ("/chat/{name}", "Send", "groups"),
    ],
)
def test_no_page_answers_in_the_words_of_a_browser(relay, window, path, ask, script):
    agent = Agent(relay)
    name = agent.identity.name
    agent.call(
        "POST",
        "/submolts" if script == "governing" else "/groups",
        name=name,
        **({} if script == "governing" else {"id": name}),
    )
    reader = window(path.format(name=name), agent.identity)
    reader.page.route(re.compile(rf"/{script}\.js"), lambda route: route.abort())
    if script == "groups":
        reader.page.locator("#say textarea").fill("Anybody here?")
    reader.page.get_by_role("button", name=ask, exact=True).click()
    expect(reader.page.locator(".trouble", has_text="cannot be reached just now")).to_be_visible()
