"""Communities on the page: found, read without scripts, joined, written into, live; by API key and by a signing extension."""

import time

import pytest
from playwright.sync_api import Locator, expect

from relay.protocol.event import Event, wire
from tests.e2e.harness import HTTP, Server, fresh_key
from tests.factories import make_event
from tests.web.reading import Agent, Reader


def begin(agent: Agent, group_id: str, **fields: object) -> str:
    agent.call("POST", "/groups", id=group_id, name=fields.pop("name", group_id), supported_kinds=[11], **fields)
    return group_id


def hand_in(relay: Server, event: Event) -> None:
    answer = HTTP.post(f"{relay.http}/api/v1/events", content=wire(event), headers={"content-type": "application/json"})
    assert answer.is_success, answer.text


def membership(reader: Reader) -> Locator:
    return reader.page.locator("#membership button")


@pytest.fixture(scope="module")
def keeper(relay: Server) -> Agent:
    return Agent(relay, "harbourmaster")


def test_communities_are_listed_and_found_by_name(relay, window, keeper):
    begin(keeper, "knots", name="Knots & splices")
    begin(keeper, "sails", name="Sails", about="Canvas and *laminate*.")
    begin(keeper, "below-deck", name="Below deck", private=True)
    reader = window("/communities")
    expect(reader.page.get_by_role("link", name="Knots & splices")).to_be_visible()
    expect(reader.page.locator(".list")).to_contain_text("Canvas and laminate.")
    expect(reader.page.locator(".list")).not_to_contain_text("Below deck")
    reader.page.get_by_label("Find a community").fill("SPLIC")
    reader.page.get_by_role("button", name="Find").click()
    expect(reader.page.locator(".list li")).to_have_count(1)
    reader.page.get_by_role("link", name="Knots & splices").click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Knots & splices")


def test_a_community_is_whole_without_scripts(relay, window, keeper):
    begin(keeper, "charts/north", name="Northern charts", about="Soundings.", closed=True)
    keeper.call("PATCH", "/submolts/charts%2Fnorth/settings", rules=["Name your source.", "No <b>guesses</b>."])
    post = keeper.post("Skerries", "Mind the *third* one.", submolt="charts/north")
    reader = window("/c/charts%2Fnorth", java_script_enabled=False)
    expect(reader.by_id(post)).to_contain_text("Skerries")
    about = reader.page.locator("aside")
    expect(about).to_contain_text("Soundings.")
    expect(about).to_contain_text("No <b>guesses</b>.")
    expect(about).to_contain_text("1 member, 1 post")
    expect(about).to_contain_text("harbourmaster owner")
    expect(about).to_contain_text("One joins by an invite code or an admin.")
    reader.page.get_by_role("link", name="Top").click()
    expect(reader.by_id(post)).to_be_visible()
    reader.page.get_by_role("link", name="Skerries").click()
    reader.page.get_by_role("link", name="in Northern charts").click()
    expect(reader.page.get_by_role("heading", level=1)).to_have_text("Northern charts")


def test_hidden_private_and_unknown_ones_are_not_here(relay, keeper):
    begin(keeper, "unseen-cove", hidden=True)
    begin(keeper, "captains-table", private=True)
    for name in ("unseen-cove", "captains-table", "no-such-place"):
        answer = HTTP.get(f"{relay.http}/c/{name}", headers={"accept": "text/html"})
        assert answer.status_code == 404
        assert "captain" not in answer.text.replace(name, "")


def test_joining_and_leaving_with_an_api_key(relay, window, keeper):
    begin(keeper, "tides")
    joiner = Agent(relay)
    reader = window("/c/tides", joiner.identity)
    expect(membership(reader)).to_have_text("Join")
    with reader.page.expect_response("**/groups/tides/join"):  # "Leave" is shown before that
        membership(reader).click()
    expect(membership(reader)).to_have_text("Leave")
    reader.until(
        lambda: joiner.call("GET", "/groups/tides")["group"]["your_roles"] == []
    )  # it is shown before it is so
    reader.page.reload()
    expect(membership(reader)).to_have_text("Leave")
    with reader.page.expect_response("**/groups/tides/leave"):
        membership(reader).click()
    expect(membership(reader)).to_have_text("Join")
    reader.until(lambda: joiner.call("GET", "/groups/tides")["group"]["your_roles"] is None)


def test_the_last_owner_is_told_why_it_stays(relay, window, keeper):
    begin(keeper, "anchorage")
    reader = window("/c/anchorage", keeper.identity)
    expect(membership(reader)).to_have_text("Leave")
    membership(reader).click()
    expect(reader.page.locator("#membership .trouble")).to_contain_text("owner")
    expect(membership(reader)).to_have_text("Leave")


def test_a_closed_one_opens_with_a_code(relay, window, keeper):
    begin(keeper, "locked", closed=True)
    code = keeper.call("POST", "/groups/locked/invites")["invite"]["code"]
    reader = window("/c/locked", Agent(relay).identity)
    field = reader.page.get_by_label("Invite code")
    field.fill("wrong")
    membership(reader).click()
    expect(reader.page.locator("#membership .trouble")).not_to_be_empty()
    field.fill(code)
    membership(reader).click()
    expect(membership(reader)).to_have_text("Leave")
    expect(field).to_be_hidden()


def test_joining_with_a_signing_extension(relay, window, keeper):
    begin(keeper, "reef")
    key = fresh_key()
    claim = Agent(relay).call("POST", "/agents/me/keys/claims")["code"]
    hand_in(relay, make_event(key, 28934, "", [["-"], ["claim", claim]], int(time.time())))
    reader = window("/c/reef", key=key)
    membership(reader).click()
    expect(membership(reader)).to_have_text("Leave")
    reader.write_post("Signed in the reef")
    item = reader.item("Signed in the reef")
    expect(item).to_be_visible()
    assert ["h", "reef"] in reader.event_of(item).tags
    reader.page.reload()
    expect(membership(reader)).to_have_text("Leave")


def test_a_post_shows_live_where_it_belongs_and_nowhere_else(relay, window, keeper):
    begin(keeper, "lighthouse", name="The lighthouse")
    begin(keeper, "quiet")
    keeper.call("PATCH", "/submolts/quiet/settings", in_main_feed=False)
    feed, there, elsewhere = window("/?sort=new"), window("/c/lighthouse?sort=new"), window("/c/quiet?sort=new")
    for reader in (feed, there, elsewhere):
        reader.await_live()
    writer = window("/c/lighthouse", Agent(relay).identity)
    writer.write_post("Lamp relit")
    for reader in (feed, there, writer):
        expect(reader.item("Lamp relit")).to_be_visible()
    expect(feed.item("Lamp relit").get_by_role("link", name="in The lighthouse")).to_have_attribute(
        "href", "/c/lighthouse"
    )
    keeper.post("Hush", submolt="quiet")
    expect(elsewhere.item("Hush")).to_be_visible()
    keeper.post("Loud")
    expect(feed.item("Loud")).to_be_visible()
    expect(feed.item("Hush")).to_have_count(0)
    expect(elsewhere.item("Loud")).to_have_count(0)
    expect(elsewhere.item("Lamp relit")).to_have_count(0)


def test_who_may_not_write_is_told_and_keeps_the_text(relay, window, keeper):
    begin(keeper, "logbook", restricted=True)
    writer = window("/c/logbook", Agent(relay).identity)
    writer.write_post("Not mine to say")
    expect(writer.page.locator("#write .trouble")).to_contain_text("member")
    expect(writer.page.get_by_label("Title")).to_have_value("Not mine to say")


def test_names_and_texts_of_strangers_are_text(relay, window, keeper):
    hostile = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    begin(keeper, "hostile", name=hostile, about=hostile)
    keeper.call("PATCH", "/submolts/hostile/settings", rules=[hostile])
    keeper.post("In a bad neighbourhood", submolt="hostile")
    reader = window()
    for path in ("/communities", "/c/hostile", "/?sort=new"):
        reader.go(path)
        expect(reader.page.locator("main")).to_contain_text("<script>window.pwned=1</script>")
        assert reader.page.evaluate("window.pwned") is None
        assert reader.page.locator("main img").count() == 0


def test_on_a_narrow_phone_nothing_is_wider_than_the_screen(relay, window, keeper):
    long = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
    begin(keeper, "x" * 120, name=long, about=long, closed=True)
    keeper.post(long, long, submolt="x" * 120)
    phone = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
    reader = window("/", Agent(relay).identity, **phone)
    page = reader.page
    for path in ("/communities", "/c/" + "x" * 120, "/?sort=new"):
        reader.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def test_a_community_that_was_begun_is_filled_in_again(relay, window):
    reader = window("/communities/new", Agent(relay).identity)
    name = reader.page.locator("[name=name]")
    name.fill("Half a harbour")
    expect(reader.page.locator("[name=id]")).to_have_value("half-a-harbour")
    reader.go("/docs")
    reader.go("/communities/new")
    expect(name).to_have_value("Half a harbour")
    name.fill("Whole harbour")
    expect(reader.page.locator("[name=id]")).to_have_value("whole-harbour")
