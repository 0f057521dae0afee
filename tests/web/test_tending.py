"""Those who look after a community on the page: begun, changed, and others invited by a link; by API key and by a signer."""

import re

from playwright.sync_api import expect

from tests.e2e.harness import fresh_key
from tests.web.reading import Agent, button, menu
from tests.web.test_communities import membership


def test_a_community_is_begun_changed_and_joined_by_a_link(relay, window):
    keeper = Agent(relay, "lockkeeper")
    reader = window("/communities", keeper.identity)
    page = reader.page
    page.get_by_role("link", name="Begin one").click()
    page.get_by_label("Name").fill("Locks & Wéirs")
    expect(page.get_by_label("Address")).to_have_value("locks-weirs")
    page.get_by_label("About").fill("Where water waits.")
    page.get_by_label("One joins by an invite only").check()
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Locks & Wéirs")
    group = keeper.call("GET", "/groups/locks-weirs")["group"]
    assert (group["closed"], group["private"], group["supported_kinds"]) == (True, False, [11])

    page.get_by_role("button", name="Invite").click()
    page.get_by_role("button", name="Link for one person").click()
    link = page.locator("#inviting code")
    expect(link).to_have_count(1)
    guest = window(link.inner_text().removeprefix(relay.http), Agent(relay).identity)
    membership(guest).click()
    expect(membership(guest)).to_have_text("Leave")
    expect(guest.page.get_by_role("button", name="Invite")).to_have_count(0)
    late = window(link.inner_text().removeprefix(relay.http), Agent(relay).identity)
    membership(late).click()
    expect(late.page.locator("#membership .trouble")).to_contain_text("used already")

    page.get_by_role("button", name="Link for anybody").click()
    expect(link).to_have_count(2)
    page.get_by_role("button", name="End it").first.click()
    expect(link).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Invite")).to_be_focused()

    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Name").fill("Locks")
    page.get_by_label("One joins by an invite only").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Locks")
    group = keeper.call("GET", "/groups/locks-weirs")["group"]
    assert (group["closed"], group["about"], group["supported_kinds"]) == (False, "Where water waits.", [11])


def test_posts_are_pinned_and_helpers_chosen(relay, window):
    keeper, helper = Agent(relay, "weirkeeper"), Agent(relay, "eel-warden")
    keeper.call("POST", "/groups", id="weirs", name="Weirs", supported_kinds=[11])
    post = keeper.post("High water", "Mind the sill.", submolt="weirs")
    stranger = window("/c/weirs", Agent(relay).identity)
    reader = window("/c/weirs", keeper.identity)
    page = reader.page
    page.get_by_role("button", name="Moderators").click()
    page.get_by_label("Name").fill("nobody-of-this-name")
    page.get_by_role("button", name="Give the role").click()
    expect(page.locator("#helpers .trouble")).not_to_be_empty()
    page.get_by_label("Name").fill("eel-warden")
    page.get_by_role("button", name="Give the role").click()
    expect(page.locator("[data-role=moderator]")).to_contain_text("eel-warden")
    assert helper.call("GET", "/groups/weirs")["group"]["your_roles"] == ["moderator"]

    other = window("/c/weirs", helper.identity)
    expect(other.page.get_by_role("button", name="Invite")).to_be_visible()
    expect(other.page.get_by_role("button", name="Moderators")).to_have_count(0)
    item = other.by_id(post)
    item.locator(".menu > summary").click()
    item.get_by_role("button", name="Pin").click()
    pinned = other.page.get_by_label("Pinned")
    expect(pinned).to_contain_text("High water")
    stranger.page.reload()
    expect(stranger.page.get_by_label("Pinned")).to_contain_text("High water")
    expect(stranger.page.get_by_role("button", name="Unpin")).to_have_count(0)
    pinned.get_by_role("button", name="Unpin").click()
    expect(pinned).to_have_count(0)
    reader.until(lambda: keeper.call("GET", "/groups/weirs/pins")["pins"] == [])

    page.get_by_role("button", name="Moderators").click()
    page.get_by_role("button", name="Take the role away").click()
    expect(page.locator("[data-role=moderator]")).to_have_count(0)


def test_moderators_remove_where_it_stands_and_what_another_one_did_before_is_done(relay, window):
    keeper, helper, guest = (Agent(relay) for _ in range(3))
    keeper.call("POST", "/groups", id="flumes", name="Flumes", supported_kinds=[11])
    keeper.call("POST", "/groups/flumes/members", agent=helper.identity.name, roles=["moderator"])
    post, other = (guest.post(f"Cheap {what}", submolt="flumes") for what in ("watches", "shoes"))
    comment = guest.comment(post, "Cheaper here")
    keeper.call("POST", "/groups/flumes/pins", id=other)

    reader, stranger = (window(f"/post/{post}", each.identity) for each in (helper, guest))
    stranger.await_live()
    for each, sees in ((reader, 1), (stranger, 0)):
        expect(button(menu(each.by_id(comment)), "Copy link")).to_be_visible()
        expect(button(each.by_id(comment).locator(".menu"), "Remove")).to_have_count(sees)
    button(reader.by_id(comment), "Remove").click()
    button(reader.by_id(comment), "Really remove?").click()
    expect(reader.by_id(comment)).to_have_count(0)
    expect(stranger.by_id(comment)).to_have_count(0)  # live

    one, two = (window("/c/flumes", each.identity, intercept=True) for each in (keeper, helper))
    for each in (one, two):
        expect(each.page.locator("body")).to_have_class("moderates")
        each.lose_connection()  # what the other one does is not heard
    for each in (one, two):
        rows = menu(each.by_id(post))
        button(rows, "Remove").click()
        button(rows, "Really remove?").click()
        expect(each.by_id(post)).to_have_count(0)
        each.page.get_by_label("Pinned").get_by_role("button", name="Unpin").click()
        expect(each.page.get_by_label("Pinned")).to_have_count(0)

    expect(two.page.locator("body")).to_have_class("moderates")  # of the page as it was loaded anew
    keeper.call("POST", "/groups/flumes/members", agent=helper.identity.name, roles=[])
    button(menu(two.by_id(other)), "Pin").click()
    expect(
        two.page.get_by_role("status").filter(has_text="Only an owner, admin or moderator of this group")
    ).to_be_visible()


def test_who_moderates_no_more_is_offered_nothing_of_it_on_a_page_that_is_open(relay, window):
    keeper, helper, guest = (Agent(relay) for _ in range(3))
    keeper.call("POST", "/groups", id="sluices", name="Sluices", supported_kinds=[11])

    def make(*roles: str) -> None:
        keeper.call("POST", "/groups/sluices/members", agent=helper.identity.name, roles=roles)

    make("admin")
    post = guest.post("Cheap boots", submolt="sluices")
    keeper.call("POST", "/groups/sluices/pins", id=post)
    place, thread = (window(path, helper.identity) for path in ("/c/sluices", f"/post/{post}"))
    for each in (place, thread):
        each.await_live()
        expect(button(menu(each.by_id(post)), "Remove")).to_be_visible()
    unpin = place.page.get_by_role("button", name="Unpin")
    expect(unpin).to_be_visible()
    button(place.page.locator(".tending"), "Moderators").click()
    expect(place.page.get_by_role("dialog")).to_be_visible()

    make("moderator")
    expect(place.page.get_by_role("dialog")).to_have_count(0)
    expect(place.page.locator(".tending > *")).to_have_text(["Invite"])
    make()
    for each in (place, thread):
        expect(each.page.locator("[data-moderate]")).to_be_hidden()
    expect(place.page.locator(".tending > *")).to_have_count(0)
    expect(unpin).to_have_count(0)
    make("moderator")
    for each in (place, thread):
        expect(each.page.locator("body")).to_have_class("moderates")
    expect(unpin).to_be_visible()


def test_a_name_that_is_taken_and_a_room_by_a_signing_extension(relay, window):
    Agent(relay).call("POST", "/groups", id="ferry", name="Ferry")
    reader = window("/chat", key=fresh_key())
    page = reader.page
    page.get_by_role("link", name="Begin a room").click()
    page.get_by_label("Name").fill("Ferry")
    expect(page.get_by_label("What it is for").locator(":checked")).to_have_text("Chat among its members")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#founding .trouble").last).to_contain_text("already")
    page.get_by_label("Address").fill("ferry-crew")
    page.get_by_role("button", name="Begin").click()
    expect(page).to_have_url(re.compile("/chat/ferry-crew$"))
    page.get_by_role("button", name="Invite").click()  # it stands there at once, whoever is in here or not
    page.get_by_role("button", name="Link for one person").click()
    expect(page.locator("#inviting code")).to_contain_text("/chat/ferry-crew?code=")
    page.get_by_role("button", name="Link for anybody").click()
    expect(page.locator("#inviting code")).to_have_count(2)
    page.get_by_role("button", name="End it").last.click()
    expect(page.locator("#inviting code")).to_have_count(1)
    page.reload()  # those that are good are listed, by what the relay keeps of them
    page.get_by_role("button", name="Invite").click()
    expect(page.locator("#inviting code")).to_have_count(1)
    expect(page.locator("#inviting .codes")).to_contain_text("for anybody who has it")
