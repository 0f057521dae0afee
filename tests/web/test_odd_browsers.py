"""Browsers whose storage keeps nothing, one that is never idle, a hand that clicks twice, and what Firefox and Safari do."""

import re

import pytest
from playwright.sync_api import expect

from tests.web.reading import Agent, button, menu, score, until_true

SWITCHED_OFF = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });
"""
FULL = 'Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };'
# It is never idle: only what says how long it may wait is done at all, and then at once.
NEVER_IDLE = """
window.requestIdleCallback = (then, { timeout } = {}) => timeout && setTimeout(then, 0);
"""
# As in Safari, where a click gives the keyboard to fields only, and takes it from where it was.
NO_FOCUS = """
addEventListener("mousedown", (press) => {
  if (!press.target.closest("button, summary, a")) return;
  press.preventDefault();
  document.activeElement.blur();
}, true);
"""
# As in Safari, which forgets them after a week.
NO_COOKIES = 'Object.defineProperty(document, "cookie", { get: () => "", set() {} });'
COPY_IS_HERE = (
    """performance.getEntriesByType("resource").some(({ name }) => new URL(name).pathname === "/static/copy.js")"""
)
COME_BACK = """dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))"""
# As Firefox and WebKit come to it by themselves, in a page of English: Arabic in its lists would stand at the left.
LEFT = """
const given = new CSSStyleSheet();
given.replaceSync("@layer browser { li { text-align: left; } }");
document.adoptedStyleSheets = [given];
"""
storages = pytest.mark.parametrize("storage", [SWITCHED_OFF, FULL], ids=["switched off", "full"])


@storages
def test_no_name_is_made_where_the_browser_would_lose_it(window, storage):
    reader = window("/")
    reader.page.context.add_init_script(storage)
    reader.go("/")
    reader.page.locator("#account").click()
    reader.page.locator("#join-name").fill("gone-with-the-page")
    reader.page.get_by_role("button", name="Begin").click()
    expect(reader.page.locator("dialog .trouble").first).to_contain_text("This browser keeps nothing for this page")
    expect(reader.page.locator("#account")).to_have_text("Sign in")


@storages
def test_a_thread_folds_where_nothing_of_it_is_remembered(relay, window, storage):
    agent = Agent(relay)
    post = agent.post("Folds all the same")
    first = agent.comment(post, "Folded")
    agent.comment(post, "Under it", parent_id=first)
    reader = window("/")
    reader.page.context.add_init_script(storage)
    reader.go(f"/post/{post}")
    reader.by_id(first).locator("[data-fold]").click()
    expect(reader.item("Under it")).to_be_hidden()
    reader.follow(reader.page.get_by_role("link", name="Feed").first)


def test_what_waits_until_the_browser_is_idle_does_not_wait_for_ever(relay, window):
    agent = Agent(relay)
    agent.post("Never idle")
    reader = window("/docs", agent.identity)
    reader.page.context.add_init_script(NEVER_IDLE)
    with reader.page.expect_request(re.compile("/posting[.][^/]*js")):  # what one writes needs
        reader.go("/")
    expect(reader.page.locator("#bell")).to_be_visible()


def test_a_draft_stays_where_storage_is_full_as_a_name_is_taken(relay, window):
    page = window("/").page
    page.evaluate(
        """() => {
          const fields = { title: "Begun without a name", content: "x".repeat(2000), url: "" };
          localStorage.setItem("tidings.draft.post:", JSON.stringify({ fields, at: Date.now() }));
          for (let n = 0, size = 1 << 20; size > 64; n++) {
            try { localStorage.setItem(`other${n}`, "x".repeat(size)); } catch { size >>= 1; }
          }
          localStorage.setItem("other0", localStorage.getItem("other0").slice(1000)); // less than the draft takes
        }"""
    )
    page.locator("#account").click()
    page.locator("#join-name").fill("full-of-it")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#account")).to_have_text("full-of-it")
    expect(page.locator("dialog[open]")).to_have_count(0)
    drafts = page.evaluate("Object.entries(localStorage).filter(([name]) => name.includes('.draft.'))")
    assert [("@" in name, "Begun without a name" in value) for name, value in drafts] == [(True, True)]


def test_a_double_click_is_one_click(relay, window):
    post = Agent(relay).post("Clicked twice")
    reader = window("/?sort=new", Agent(relay).identity)
    up = button(reader.by_id(post), "Upvote this post")
    up.dblclick()
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(score(reader.by_id(post))).to_have_text("1")
    up.click()
    expect(score(reader.by_id(post))).to_have_text("0")


def test_two_quick_clicks_on_next_go_to_the_second_thread(relay, window):
    agent = Agent(relay)
    post = agent.post("A long talk")
    for word in ("one", "two", "three"):
        agent.comment(post, f"Comment {word} " + "and more. " * 80)
    reader = window(f"/post/{post}?sort=old", agent.identity)
    reader.page.locator("#jumps [data-next]").dblclick()
    expect(reader.item("Comment two")).to_be_focused()


def test_who_signs_in_and_out_in_another_tab_does_so_in_this_one(relay, window):
    agent, other = Agent(relay), Agent(relay)
    post = agent.post("In two tabs")
    reader = window(f"/post/{post}")
    here, there = reader.page, reader.page.context.new_page()
    account = here.locator("#account")
    there.goto("/account")
    for name, each in enumerate((agent, other)):
        stored = {"token": each.identity.token, "id": each.identity.id, "name": each.identity.name}
        there.evaluate("(stored) => localStorage.setItem('tidings.account', JSON.stringify(stored))", stored)
        expect(account).to_have_text(each.identity.name)
        reader.write_comment(f"Comment {name}")
        expect(reader.item(f"Comment {name}").locator(".author").first).to_contain_text(each.identity.name)
    there.evaluate("localStorage.clear()")
    expect(account).to_have_text("Sign in")
    there.close()


def test_a_key_that_is_not_good_any_more_is_told_as_that_and_the_text_stays(relay, window):
    agent = Agent(relay)
    reader = window(f"/post/{agent.post('Kept text')}", agent.identity, once=True)
    expect(reader.page.locator("#account")).to_have_text(agent.identity.name)
    ended = {"success": False, "message": "this token has expired", "hint": "Send a token that is still good."}
    reader.page.route("**/api/v1/posts/*/comments", lambda route: route.fulfill(status=401, json=ended))
    reader.write_comment("Not lost")
    expect(reader.page.locator("#answer .trouble")).to_have_text("Your key is not good any more. Sign in again.")
    expect(reader.page.locator("#answer textarea")).to_have_value("Not lost")
    expect(reader.page.locator("#account")).to_have_text("Sign in")


def test_whose_key_was_revoked_elsewhere_is_told_on_the_next_page(relay, window):
    agent = Agent(relay)
    reader = window("/saved", agent.identity, once=True)
    expect(reader.page.get_by_text("Nothing saved yet.")).to_be_visible()
    agent.call("POST", "/agents/me/tokens/rotate")
    reader.go("/saved")
    told = reader.page.get_by_role("status").filter(has_text="Your key is not good any more. Sign in again.")
    expect(told).to_be_visible()
    expect(reader.page.locator("#account")).to_have_text("Sign in")


def test_what_is_not_pressed_twice_asks_anew_where_a_click_gives_no_focus(relay, window):
    agent = Agent(relay)
    post = agent.post("Pressed twice")
    reader = window("/", agent.identity)
    reader.page.context.add_init_script(NO_FOCUS)
    reader.go(f"/post/{post}")
    item = reader.by_id(post)
    button(menu(item), "Delete").click()
    expect(button(item, "Really delete?")).to_be_visible()
    reader.page.locator("#content").click(position={"x": 5, "y": 5})
    expect(item.locator(".menu .rows")).to_be_hidden()
    rows = menu(item)
    expect(button(rows, "Really delete?")).to_have_count(0)
    reader.page.keyboard.press("Escape")  # the keyboard is where the menu was opened
    expect(rows).to_be_hidden()
    button(menu(item), "Delete").click()
    button(item, "Really delete?").click()
    expect(reader.page.get_by_text("This post was deleted.")).to_be_visible()


def test_what_copies_is_there_before_it_is_asked_to(relay, window):
    """Safari lets nobody copy who has awaited a script since the click."""
    post = Agent(relay).post("To copy", "```\nprint()\n```")
    reader = window(f"/post/{post}")
    reader.page.locator(".code pre").hover()
    until_true(reader.page, COPY_IS_HERE)
    reader.go("/?sort=new")
    rows = menu(reader.by_id(post))
    until_true(reader.page, COPY_IS_HERE)
    assert reader.copied(button(rows, "Copy link")) == f"{relay.http}/post/{post}"


def test_a_key_that_ends_a_composition_is_not_for_the_page(relay, window):
    agent = Agent(relay)
    agent.call("POST", "/groups", id="kana", name="Kana")
    reader = window("/chat/kana", agent.identity)
    reader.page.get_by_role("button", name="Leave").wait_for()
    field = reader.page.locator("#say textarea")
    field.fill("にほんご")
    field.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "bubbles": True, "cancelable": True})
    expect(field).to_have_value("にほんご")
    field.press("Enter")
    expect(reader.page.locator(".message")).to_have_count(1)
    expect(field).to_have_value("")


def test_a_page_that_comes_back_as_it_was_left_knows_who_reads_it_now(relay, window):
    agent = Agent(relay)
    page = window("/relay").page
    stored = {"token": agent.identity.token, "id": agent.identity.id, "name": agent.identity.name}
    page.evaluate("(stored) => localStorage.setItem('tidings.account', JSON.stringify(stored))", stored)
    page.evaluate("document.cookie = 'theme=dark; path=/'")
    page.evaluate(COME_BACK)
    expect(page.locator("#account")).to_have_text(agent.identity.name)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.evaluate("localStorage.clear()")
    with page.expect_event("load"):  # nothing of who was here stays
        page.evaluate(COME_BACK)
    expect(page.locator("#account")).to_have_text("Sign in")


def test_a_list_that_comes_back_as_it_was_left_is_where_one_was(relay, window):
    agent = Agent(relay)
    for number in range(12):
        agent.post(f"Far down {number}", "And more. " * 80)
    page = window("/?sort=new").page
    with page.expect_response(re.compile("/place[.]")):
        page.mouse.wheel(0, 400)
    until_true(page, "history.state?.place")
    before = page.evaluate("scrollY")
    assert before > 0
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })); scrollTo(0, 0)")
    page.evaluate(COME_BACK)
    assert page.evaluate("scrollY") == before


def test_what_is_chosen_stays_where_cookies_of_scripts_do_not(window):
    reader = window("/", first=True)
    page = reader.page
    page.context.add_init_script(NO_COOKIES)
    reader.go("/")
    with page.expect_response("**/theme"):
        page.get_by_role("button", name="Dark").click()
    with page.expect_response("**/first-visit"):
        page.locator("#first button").click()
    reader.go("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#first")).to_have_count(0)


def test_lines_of_a_list_begin_where_their_own_direction_does(relay, window):
    Agent(relay).post("لماذا يتأخر المد")
    page = window("/?sort=new").page
    page.evaluate(LEFT)
    assert page.evaluate("getComputedStyle(document.querySelector('li.item')).textAlign") == "start"


def test_what_was_posted_is_not_in_the_form_for_who_comes_back(relay, window):
    page = window("/write", Agent(relay).identity).page
    page.locator(".as", has_text="as ").wait_for()
    page.get_by_label("Title").fill("Posted once")
    page.get_by_label("Text").fill("And not again")
    page.get_by_role("button", name="Post", exact=True).click()
    page.wait_for_url("**/post/*")
    page.go_back()
    until_true(page, "document.querySelector('html.scripted')")
    page.locator(".as", has_text="as ").wait_for()
    expect(page.get_by_label("Text")).to_have_value("")


def test_a_script_that_did_not_come_is_had_where_a_browser_asks_no_second_time(relay, window):
    """Firefox remembers for as long as the page is there that an address gave none."""
    reader = window(f"/post/{Agent(relay).post('Away for a moment')}", Agent(relay).identity)
    reader.page.route(re.compile("/writing[.][^&]*$"), lambda route: route.abort())
    reader.page.locator("#answer textarea").fill("Sent after all")
    reader.page.get_by_role("button", name="Comment", exact=True).click()
    reader.page.get_by_role("button", name="Comment", exact=True).click()
    expect(reader.item("Sent after all")).to_be_visible()
    expect(reader.item("Sent after all")).to_have_count(1)
