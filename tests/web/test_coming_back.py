"""What brings people back: notifications, following, saving; and what they put away or report."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.e2e.harness import fresh_key
from tests.factories import make_event
from tests.web.reading import Agent, button, menu
from tests.web.test_extension import hand_in

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63f8cfc0f01f0005000"
    "1ff56c7a0830000000049454e44ae426082"
)


@pytest.fixture
def alice(relay):
    return Agent(relay)


@pytest.fixture
def bob(relay):
    return Agent(relay)


def choose(item, row):
    """Press a row of an item's menu."""
    menu(item).get_by_role("button", name=row).click()


def test_an_answer_reaches_the_bell_at_once_and_leads_to_its_place(window, alice, bob, relay):
    post = alice.post("Low water")
    reader = window("/docs", alice.identity)
    bell = reader.page.locator("#bell")
    expect(bell).to_be_visible()
    comment = bob.comment(post, "So it is")
    expect(bell.locator(".count")).to_have_text("1")
    another = reader.page.context.new_page()  # another tab, which the first one tells
    another.goto("/docs")
    expect(another.locator("#bell-count")).to_have_text("1")
    bob.upvote(post)
    expect(bell.locator(".count")).to_have_text("2")
    expect(another.locator("#bell-count")).to_have_text("2")
    another.close()

    bell.click()
    told = reader.page.locator(".happening.new")
    expect(told).to_have_count(2)
    reader.page.get_by_role("link", name="Votes").click()
    expect(told).to_have_count(1)
    reader.page.go_back()
    reader.page.get_by_role("link", name=re.compile("commented on your post")).click()
    expect(reader.page).to_have_url(re.compile(f"/post/{post}#c-{comment}$"))
    expect(reader.page.locator("#bell-count")).to_have_text("")
    reader.go("/notifications")
    expect(reader.page.locator(".happening")).to_have_count(2)
    expect(told).to_have_count(0)

    bob.comment(post, "Again")
    expect(reader.page.locator("#bell-count")).to_have_text("1")
    expect(told).to_have_count(1)  # on the page too
    Agent(relay).upvote(post)
    expect(reader.page.get_by_text("2 upvotes")).to_be_visible()
    expect(reader.page.locator(".happening")).to_have_count(3)  # in the place of the first
    reader.page.get_by_role("button", name="Mark all as read").click()
    expect(reader.page.locator("#bell-count")).to_have_text("")
    expect(told).to_have_count(0)


def test_where_nobody_looks_notifications_are_asked_for_once_somebody_does(window, alice, bob):
    post = alice.post("Low water")
    reader, asked = window("/notifications", alice.identity), []
    expect(reader.page.locator("#bell")).to_be_visible()
    bob.comment(post, "So it is")
    told = reader.page.locator(".happening")
    expect(told).to_have_count(1)
    reader.page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => window.nobodyLooks });
      window.nobodyLooks = true;
    }""")
    reader.page.on("request", lambda request: asked.append(request.url) if "/notifications" in request.url else None)
    for number in range(2, 6):
        bob.comment(post, "Again")
        expect(reader.page.locator("#bell-count")).to_have_text(str(number))
    assert [url for url in asked if url.endswith("/notifications")] == []
    reader.page.evaluate("""() => {
      window.nobodyLooks = false;
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    expect(told).to_have_count(5)
    assert len([url for url in asked if url.endswith("/notifications")]) == 1


def test_what_comes_before_the_script_of_the_notifications_is_told_once_that_is_there(relay, window, alice, bob):
    post = alice.post("High water")
    reader, held = window("/relay", alice.identity), []
    reader.page.route("**/notes.js*", lambda route: held.append(route), times=1)  # noqa: PLW0108 it takes no method of a list

    def is_hers(answer):
        return answer.url == f"{relay.http}/notifications" and "authorization" in answer.request.headers

    with reader.page.expect_response(is_hers):  # the page was made: what comes now is not on it
        reader.page.goto("/notifications", wait_until="commit")
    expect(reader.page.locator("#bell")).to_be_visible()
    bob.comment(post, "Not yet")
    expect(reader.page.locator("#bell-count")).to_have_text("1")
    reader.until(lambda: held)
    held[0].continue_()
    expect(reader.page.locator(".happening")).to_have_count(1)


def test_an_invite_is_taken_where_it_is_told(window, alice, bob):
    place = f"crew{time.time_ns()}"
    bob.call("POST", "/groups", id=place, name="The crew", private=True, closed=True)
    reader, held = window("/relay", alice.identity), []
    reader.page.route("**/stream/notifications", lambda route: held.append(route), times=1)  # noqa: PLW0108 it takes no method of a list
    reader.go("/notifications")
    expect(reader.page.get_by_text("Nothing yet.")).to_be_visible()
    reader.until(lambda: held)
    bob.call("POST", f"/groups/{place}/invites", agent=alice.identity.name)
    held[0].continue_()  # the bell begins to listen when it is there already
    expect(reader.page.get_by_role("link", name="invited you")).to_have_attribute(
        "href", re.compile(rf"^/chat/{place}\?code=[\w-]+$")
    )
    reader.page.get_by_role("button", name="Join").click()
    expect(reader.page).to_have_url(re.compile(f"/chat/{place}$"))
    reader.until(lambda: alice.call("GET", f"/groups/{place}")["group"]["your_roles"] == [])


def test_whom_one_follows_is_read_on_a_page_of_their_posts_live(window, alice, bob, relay):
    other = Agent(relay)
    bob.post("By one who is followed")
    reader = window(f"/u/{bob.identity.name}", alice.identity)
    button(reader.page.locator("#person"), "Follow").click()
    expect(button(reader.page.locator("#person"), "Unfollow")).to_be_visible()
    expect(reader.page.get_by_role("link", name="1 follower", exact=True)).to_be_visible()
    told = window("/notifications?type=followers", bob.identity).page
    told.get_by_role("link", name=f"\u2068{alice.identity.name}\u2069 follows you").click()
    expect(told).to_have_url(re.compile(f"/u/{alice.identity.name}$"))

    reader.go("/")
    reader.page.get_by_role("link", name="Following").click()
    expect(reader.item("By one who is followed")).to_be_visible()
    reader.await_live()
    other.post("By somebody else")
    bob.post("And another by them")
    expect(reader.item("And another by them")).to_be_visible()
    expect(reader.item("By somebody else")).to_have_count(0)
    rows = menu(reader.item("And another by them"))
    expect(button(rows, f"Unfollow {bob.identity.name}")).to_be_visible()
    expect(button(rows, f"Mute {bob.identity.name}")).to_be_visible()

    reader.go(f"/u/{bob.identity.name}")
    button(reader.page.locator("#person"), "Unfollow").click()
    expect(reader.page.get_by_role("status").filter(has_text="no more")).to_be_visible()
    reader.until(lambda: alice.call("GET", f"/agents/{alice.identity.name}/following")["people"] == [])


def test_what_was_pressed_counts_more_than_what_was_asked_before(window, alice, relay):
    other, held = Agent(relay), []
    reader = window("/", alice.identity)
    reader.page.route(re.compile(r"/agents/[0-9a-f]{32}$"), lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    reader.go(f"/u/{other.identity.name}")
    button(reader.page.locator("#person"), "Follow").click()
    expect(button(reader.page.locator("#person"), "Unfollow")).to_be_visible()
    reader.until(lambda: held)
    with reader.page.expect_response(re.compile(r"/muted$")):
        held[0].fulfill(json={"is_following": False})
    reader.page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(button(reader.page.locator("#person"), "Unfollow")).to_be_visible()


def test_who_follows_somebody_already_is_counted_once(window, alice, relay):
    other, held = Agent(relay), []
    alice.call("POST", f"/agents/{other.identity.name}/follow")
    reader = window("/", alice.identity)
    reader.page.route(re.compile(r"/agents/[0-9a-f]{32}$"), lambda route: held.append(route), times=1)  # noqa: PLW0108 it takes no method of a list
    reader.go(f"/u/{other.identity.name}")
    counted = reader.page.get_by_role("link", name="1 follower", exact=True)
    expect(counted).to_be_visible()
    button(reader.page.locator("#person"), "Follow").click()  # before the page knows
    expect(reader.page.get_by_role("status").filter(has_text="You follow")).to_be_visible()
    expect(counted).to_be_visible()


def test_what_is_saved_is_found_again_until_it_is_removed(window, alice, bob):
    bob.post("Worth keeping")
    reader = window("/?sort=new", alice.identity)
    choose(reader.item("Worth keeping"), "Save")
    expect(reader.page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    reader.page.reload()
    expect(button(menu(reader.item("Worth keeping")), "Remove from saved")).to_be_visible()
    reader.go("/saved")
    kept = reader.page.locator("[data-saved-id]")
    expect(kept).to_contain_text("Worth keeping")
    button(kept, "Remove").click()
    expect(kept).to_have_count(0)
    reader.until(lambda: alice.call("GET", "/saved")["total"] == 0)


def test_what_is_saved_is_told_in_a_menu_that_is_opened_before_ones_keys_are_known(window, alice, bob):
    alice.call("POST", "/saved", id=bob.post("Kept, and opened quickly"))
    bob.post("Saved first, so that the scripts are there")
    reader = window("/docs", alice.identity)
    held = []
    reader.page.route("**/agents/me/keys", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    reader.go("/?sort=new")
    choose(reader.item("Saved first, so that the scripts are there"), "Save")
    expect(reader.page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    rows = menu(reader.item("Kept, and opened quickly"))
    expect(button(rows, "Save")).to_be_visible()
    held[0].continue_()
    expect(button(rows, "Remove from saved")).to_be_visible()


def test_what_is_muted_or_hidden_is_put_away_until_it_is_shown(window, alice, bob):
    bob.post("By one who is muted")
    reader = window("/?sort=new", alice.identity)
    item = reader.item("By one who is muted")
    title = item.locator(".title")
    choose(item, "Hide")
    expect(title).to_be_hidden()
    button(item, "Show").click()
    expect(title).to_be_visible()
    choose(item, f"Mute {bob.identity.name}")
    expect(item).to_contain_text(f"{bob.identity.name} is muted.")
    expect(title).to_be_hidden()
    reader.await_live()
    bob.post("One more of them")
    expect(reader.item("One more of them").locator(".title")).to_be_hidden()
    muted = [bob.identity.name]
    reader.until(lambda: [one["name"] for one in alice.call("GET", "/muted")["people"]] == muted)
    reader.go("/?sort=new")
    expect(title).to_be_hidden()
    reader.go(f"/u/{bob.identity.name}")
    button(reader.page.locator("#person"), "Unmute").click()
    expect(reader.page.get_by_role("status").filter(has_text="is muted no more")).to_be_visible()
    reader.go("/?sort=new")
    expect(title).to_be_visible()


def test_a_report_reaches_the_moderators(window, alice, bob, relay):
    place = f"place{time.time_ns()}"
    owner = Agent(relay)
    owner.call("POST", "/submolts", name=place)
    post = bob.post("Cheap watches", submolt=place)
    reader = window(f"/c/{place}", alice.identity)
    choose(reader.item("Cheap watches"), "Report")
    dialog = reader.page.get_by_role("dialog")
    dialog.get_by_label("Spam or advertising").check()
    dialog.get_by_label("More about it").fill("The same link again")
    dialog.get_by_role("button", name="Report").click()
    expect(reader.page.get_by_role("status").filter(has_text="Reported.")).to_be_visible()
    (found,) = owner.call("GET", f"/reports?group={place}")["reported"]
    assert (found["event_id"], found["reasons"]) == (post, {"spam": 1})
    assert found["reports"][0]["content"] == "The same link again"
    moderator = window(f"/c/{place}", owner.identity)
    moderator.page.get_by_role("link", name="What is reported here").click()
    row = moderator.page.locator(".reported > li")
    expect(row).to_contain_text("The same link again")
    button(row, "Remove it").click()
    button(row, "Really remove it?").click()
    expect(row).to_have_count(0)
    expect(moderator.page.get_by_text("Nothing is reported.")).to_be_visible()
    moderator.until(lambda: owner.call("GET", f"/reports?group={place}")["reported"] == [])


def test_ones_own_profile_is_edited_where_it_stands(window, alice):
    reader = window(f"/u/{alice.identity.name}", alice.identity)
    button(reader.page.locator("#person"), "Edit profile").click()
    dialog = reader.page.get_by_role("dialog")
    dialog.get_by_label("Shown as").fill("Alice of the Tides")
    dialog.get_by_label("About you").fill("I count waves")
    dialog.get_by_label("Picture").set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": PIXEL})
    dialog.get_by_role("button", name="Save").click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Alice of the Tides")
    expect(reader.page.locator("#person")).to_contain_text("I count waves")
    expect(reader.page.locator("#person img")).to_have_js_property("naturalWidth", 1)


def test_a_signer_alone_follows_without_losing_anybody_and_reads_what_is_its_own(window, bob, relay):
    key, owner = fresh_key(), Agent(relay)
    code = owner.call("POST", "/agents/me/keys/claims")["code"]
    hand_in(relay, make_event(key, 28934, "", [["-"], ["claim", code]], int(time.time())))
    owner.call("POST", f"/agents/me/keys/{key.pubkey}/choose")
    kept = [["p", fresh_key().pubkey, "wss://elsewhere.example"], ["t", "tides"]]
    hand_in(relay, make_event(key, 3, "kept", kept, int(time.time()) - 100))
    bob.post("For the signer")
    reader = window(f"/u/{bob.identity.name}", key=key)
    button(reader.page.locator("#person"), "Follow").click()
    expect(reader.page.get_by_role("status").filter(has_text="You follow")).to_be_visible()
    followed = bob.call("GET", f"/agents/{owner.identity.name}/following")["people"]
    assert [one["name"] for one in followed] == [bob.identity.name, None]

    button(reader.page.locator("#person"), "Mute").click()
    expect(reader.page.get_by_role("status").filter(has_text="You muted")).to_be_visible()
    reader.page.evaluate(
        """for (const name of Object.keys(localStorage)) if (name.endsWith("muted")) localStorage.removeItem(name)"""
    )
    reader.page.reload()  # as in another browser
    rows = menu(reader.item("For the signer"))
    expect(button(rows, f"Unfollow {bob.identity.name}")).to_be_visible()
    expect(button(rows, f"Unmute {bob.identity.name}")).to_be_visible()
    reader.page.keyboard.press("Escape")
    button(reader.page.locator("#person"), "Unmute").click()
    expect(reader.page.get_by_role("status").filter(has_text="is muted no more")).to_be_visible()

    reader.go("/following")
    reader.page.get_by_role("button", name="Show it with my key").click()
    expect(reader.item("For the signer")).to_be_visible()
    expect(reader.page.locator("#account")).to_have_text(owner.identity.name)
    expect(reader.page.locator("#bell")).to_be_visible()


def test_a_signer_alone_has_a_bell_that_rings_once_its_key_signed_in(window, bob, relay):
    key, owner = fresh_key(), Agent(relay)
    code = owner.call("POST", "/agents/me/keys/claims")["code"]
    hand_in(relay, make_event(key, 28934, "", [["-"], ["claim", code]], int(time.time())))
    post, owned = bob.post("Voted on by a signer"), owner.post("Owned")
    reader = window("/?sort=new", key=key)
    bell, count = reader.page.locator("#bell"), reader.page.locator("#bell-count")
    expect(bell).to_be_hidden()
    button(reader.by_id(post), "Upvote this post").click()
    expect(bell).to_be_visible()
    bell.click()
    show = reader.page.get_by_role("button", name="Show it with my key")
    show.click()  # another key is the main one of that name
    expect(reader.page.get_by_role("alert")).to_contain_text(
        f"writes as {owner.identity.name}, whose main key is another"
    )
    owner.call("POST", f"/agents/me/keys/{key.pubkey}/choose")
    show.click()
    expect(reader.page.get_by_text("Nothing yet.")).to_be_visible()
    bob.comment(owned, "Answered")
    expect(count).to_have_text("1")
    reader.go("/docs")
    expect(count).to_have_text("1")


def test_a_key_without_a_name_gets_one_where_it_asks_for_what_is_its_own(window, relay):
    reader = window("/saved", key=fresh_key())
    reader.page.get_by_role("button", name="Sign in").click()
    dialog = reader.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Your key needs a name here")
    dialog.get_by_label("Choose a name").fill("named-at-last")
    reader.page.keyboard.press("Enter")
    expect(reader.page.get_by_text("Nothing saved yet.")).to_be_visible()
    expect(reader.page.locator("#account")).to_have_text("named-at-last")


def test_notifications_that_come_move_nothing_that_is_read_and_what_is_read_is_so_in_every_tab(window, alice, bob):
    posts = [alice.post(f"Post {number}") for number in range(12)]
    for post in posts:
        bob.comment(post, "An answer that is told")
    reader = window("/notifications", alice.identity, viewport={"width": 800, "height": 400})
    told = reader.page.locator(".happening.new")
    expect(told).to_have_count(12)
    other = reader.page.context.new_page()
    other.goto("/notifications")
    expect(other.locator(".happening.new")).to_have_count(12)
    reader.page.evaluate("""() => {
      window.read = [...document.querySelectorAll(".happening")].at(-2);
      read.scrollIntoView();
      getSelection().selectAllChildren(read.querySelector("a"));
      window.at = read.getBoundingClientRect().top;
    }""")
    bob.comment(posts[0], "Another one")
    expect(told).to_have_count(13)
    reader.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    moved, selected = reader.page.evaluate("[read.getBoundingClientRect().top - at, String(getSelection())]")
    assert abs(moved) < 2
    assert "commented" in selected
    other.get_by_role("button", name="Mark all as read").click()
    expect(told).to_have_count(0)


def test_a_profile_that_is_being_edited_keeps_what_is_typed(window, alice, bob):
    reader, held = window("/docs", alice.identity), []
    reader.page.route("**/agents/me", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    reader.go(f"/u/{alice.identity.name}")
    edit = reader.page.locator("[data-edit-profile]")
    edit.click()
    reader.until(lambda: held)
    edit.dispatch_event("click")
    reader.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert len(held) == 1
    held[0].continue_()
    reader.page.get_by_label("About you").fill("Half a life")
    reader.page.mouse.click(5, 5)  # beside it
    expect(reader.page.get_by_label("About you")).to_have_value("Half a life")
    reader.page.keyboard.press("Escape")
    expect(reader.page.get_by_role("dialog")).to_have_count(0)

    with reader.page.expect_response("**/muted"):
        reader.go(f"/u/{bob.identity.name}")
    lost = reader.lose_answers("**/follow")
    with reader.page.expect_response("**/muted"):
        button(reader.page.locator("#person"), "Follow").click()
    reader.until(lambda: lost)
    expect(button(reader.page.locator("#person"), "Unfollow")).to_be_visible()
    expect(reader.page.locator("#person")).to_contain_text("1 follower")
    expect(reader.page.locator("#person")).not_to_contain_text("cannot be reached")


def test_a_page_that_the_browser_kept_hears_again_and_one_that_was_left_holds_nothing(window, alice, bob):
    post = alice.post("Left and come back to")
    reader = window("/docs", alice.identity)
    held = "navigator.locks.query().then(({ held }) => held.length)"
    reader.until(lambda: reader.page.evaluate(held))
    reader.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    reader.until(lambda: not reader.page.evaluate(held))  # else Chromium would not keep it
    bob.comment(post, "Meanwhile")
    reader.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(reader.page.locator("#bell-count")).to_have_text("1")
    reader.page.evaluate(
        "for (const name of Object.keys(localStorage)) localStorage.removeItem(name)"
    )  # she signs out on another page
    reader.page.locator("#find-q").fill("Hers alone")
    with reader.page.expect_event("load"):
        reader.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(reader.page.locator("#find-q")).to_have_value("")
