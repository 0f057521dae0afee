"""A relay that asks its readers who they are: a member reads and writes on its pages, a stranger is asked in plain words."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.harness import Server, serving
from tests.web.reading import Agent, button, menu, score


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = ("access.auth_to_read=true", "identities.registrations_per_hour=0")
    with serving(tmp_path_factory.mktemp("closed") / "data", *settings) as server:
        yield server


def test_a_member_signs_in_reads_and_writes_and_leaves_as_a_stranger(relay, window):
    keeper, member = Agent(relay, "keeper"), Agent(relay, "member")
    post = keeper.post("Low water at noon", "For us alone")
    keeper.call("POST", "/groups", id="pier", name="On the pier")
    member.call("POST", "/groups/pier/join")
    keeper.call("POST", "/groups/pier/messages", content="Said before")
    reader = window("/")
    page = reader.page
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    expect(page.get_by_text("Low water at noon")).to_have_count(0)
    page.locator("#who-are-you").get_by_role("link", name="Sign in").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("I have a name here already").click()
    dialog.get_by_label("Its API key").fill(member.identity.token)
    dialog.get_by_role("button", name="Use it in this browser").click()
    expect(reader.by_id(post)).to_be_visible()
    reader.await_live()
    late = keeper.post("Comes in meanwhile")
    expect(reader.by_id(late)).to_be_visible()
    with page.expect_response("**/upvote"):
        button(reader.by_id(post), "Upvote this post").click()
    keeper.upvote(post)
    expect(score(reader.by_id(post))).to_have_text("2")
    reader.by_id(post).locator(".title a").first.click()
    expect(button(reader.by_id(post), "Upvote this post")).to_have_attribute("aria-pressed", "true")
    reader.await_live()
    reader.write_comment("Read by a member")
    expect(reader.item("Read by a member")).to_be_visible()
    keeper.comment(post, "Answered live")
    expect(reader.item("Answered live")).to_be_visible()

    page.get_by_role("link", name="Chat", exact=True).click()
    page.get_by_label("Your rooms").get_by_role("link", name="On the pier").click()
    expect(page.get_by_text("Said before")).to_be_visible()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    page.get_by_label("Your message").fill("Written by a member")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".message").filter(has_text="Written by a member")).to_contain_text("member")
    keeper.call("POST", "/groups/pier/messages", content="Heard at once")
    expect(page.locator(".message").filter(has_text="Heard at once")).to_contain_text("keeper")

    reader.go("/account")
    page.get_by_role("button", name="Sign out of this browser").click()
    expect(page.get_by_label("Choose a name")).to_be_visible()
    reader.go("/")
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()


def test_who_gets_a_name_is_told_of_its_key_before_they_go_on(relay, window):
    Agent(relay).post("For those who have a name")
    reader = window("/", first=True)
    page = reader.page
    expect(page.locator(".first-visit")).to_contain_text("To read and join in, you need a name.")
    page.locator("#who-are-you").get_by_role("link", name="Sign in").click()
    page.get_by_role("dialog").get_by_label("Choose a name").fill("newcomer")
    page.keyboard.press("Enter")
    page.locator(".welcome").get_by_role("button", name="Later").click()
    page.get_by_role("link", name="Go on").click()
    expect(reader.item("For those who have a name")).to_be_visible()


def test_the_pages_of_ones_own_and_what_moderates_work_for_a_member(relay, window):
    keeper, writer = Agent(relay), Agent(relay)
    keeper.call("POST", "/groups", id="locks", name="Locks", supported_kinds=[11])
    post, pinned = (writer.post(title, submolt="locks") for title in ("Cheap watches", "Mind the sill"))
    keeper.call("POST", "/saved", id=post)
    keeper.call("POST", "/reports", reason="spam", event_id=post)
    reader = window("/", keeper.identity)
    page = reader.page
    expect(reader.by_id(post)).to_be_visible()
    reader.go(f"/post/{post}")
    button(reader.by_id(post), "Signed: see the proof").click()
    expect(page.get_by_role("dialog")).to_contain_text("Verified by this browser")
    reader.go("/saved")
    button(page.locator("[data-saved-id]"), "Remove").click()
    expect(page.locator("[data-saved-id]")).to_have_count(0)
    reader.go("/reports?group=locks")
    button(page.locator(".reported"), "Remove it").click()
    button(page.locator(".reported"), "Really remove it?").click()
    expect(page.get_by_text("Nothing is reported.")).to_be_visible()
    reader.go("/c/locks")
    button(menu(reader.by_id(pinned)), "Pin").click()
    expect(page.get_by_label("Pinned")).to_contain_text("Mind the sill")


def test_what_is_pressed_on_ones_own_page_before_its_script_has_come_is_done_then(relay, window):
    keeper = Agent(relay)
    post = keeper.post("Kept for later")
    keeper.call("POST", "/saved", id=post)
    reader = window("/", keeper.identity)
    page, held = reader.page, []
    page.route(re.compile(r"/kept\.js"), lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    page.goto("/saved", wait_until="commit")
    expect(page.locator("html.scripted")).to_be_attached()  # what hears of it is there
    button(page.locator("[data-saved-id]"), "Remove").click()
    expect(button(page.locator("[data-saved-id]"), "Remove")).to_have_attribute("data-early", "")
    reader.until(lambda: held)
    for route in held:
        route.continue_()
    expect(page.locator("[data-saved-id]")).to_have_count(0)
    page.reload()
    expect(page.locator("main .empty")).to_contain_text("Nothing saved yet")


def test_a_stranger_finds_no_trace_of_what_is_there(relay, window):
    keeper = Agent(relay, "warden")
    post = keeper.post("Not for strangers")
    reader = window("/")
    for path in (f"/post/{post}", "/u/warden", "/c/tides", "/knowledge/tides"):
        reader.go(path)
        expect(reader.page.locator("#who-are-you")).to_contain_text("or it is for people who have a name here")
        assert "Not for strangers" not in reader.page.content()
    reader.go("/chat/pier")
    expect(reader.page.locator("#gate")).to_contain_text("This room is for its members.")


def test_a_key_that_is_good_no_more_is_forgotten_and_asked_for_again(relay, window):
    agent = Agent(relay)
    agent.post("Was read once")
    reader = window("/", agent.identity, once=True)
    expect(reader.item("Was read once")).to_be_visible()
    token = agent.call("GET", "/agents/me/tokens")["tokens"][0]["id"]
    agent.call("DELETE", f"/agents/me/tokens/{token}")
    reader.go("/")
    expect(reader.page.get_by_role("heading", name="Who are you?")).to_be_visible()
    expect(reader.page.locator("#account")).to_have_text("Sign in")
    assert reader.page.evaluate("document.cookie").find("reader=") == -1
