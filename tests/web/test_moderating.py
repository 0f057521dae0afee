"""What is reported on the whole place, before the one who runs it: removed, left, and who wrote it banned."""

import time

import pytest
from playwright.sync_api import expect

from tests.e2e.harness import HTTP, serving
from tests.web.reading import PATIENCE, Agent, button, menu


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """A relay whose settings can be changed."""
    place = tmp_path_factory.mktemp("moderated")
    file = place / "tidings.toml"
    file.write_text("[identities]\nregistrations_per_hour = 0\n")
    with serving(place / "data", file=file) as server:
        server.settings = file
        yield server


@pytest.fixture
def operator(relay):
    """Who runs the place, with a name in it."""
    owner = Agent(relay)
    pubkey = owner.call("GET", "/agents/me")["agent"]["pubkey"]
    relay.settings.write_text(f'[identities]\nregistrations_per_hour = 0\n[access]\noperators = ["{pubkey}"]\n')
    relay.reload()
    return owner


@pytest.fixture
def alice(relay):
    return Agent(relay)


@pytest.fixture
def bob(relay):
    return Agent(relay)


def status(agent, method, path, **body):
    """What a request is answered with."""
    return HTTP.request(
        method, f"{agent.relay.http}/api/v1{path}", json=body or None, headers=agent._headers
    ).status_code


def opened(window, operator):
    """The page of what is reported, once the relay knows who its operator is."""
    reader = window("/reports", operator.identity)

    def is_theirs():
        reader.go("/reports")
        expect(reader.page.locator("#mine h1")).to_have_text("Reported")
        expect(reader.page.locator("#mine .asks, #mine .empty, #mine .reported").first).to_be_visible()
        expect(reader.page.locator("#mine[aria-busy]")).to_have_count(0)
        return reader.page.get_by_text("This is for those who look after").count() == 0

    reader.until(is_theirs)
    return reader


def test_who_runs_the_place_removes_leaves_and_bans(window, operator, alice, bob):
    removed, left = bob.post("Cheap watches"), bob.post("Dear watches")
    for post in (removed, left):
        alice.call("POST", "/reports", reason="spam", event_id=post)
    reader = opened(window, operator)
    rows = reader.page.locator(".reported > li")
    expect(rows).to_have_count(2)
    cheap, dear = (rows.filter(has_text=words) for words in ("Cheap watches", "Dear watches"))

    button(dear, "Leave it").click()
    expect(rows).to_have_count(1)
    assert bob.call("GET", f"/posts/{left}")["post"]["id"] == left

    button(cheap, "Ban who wrote it").click()
    button(cheap, "Really ban them?").click()
    again = button(cheap, "Let them write again")
    expect(again).to_have_attribute("aria-pressed", "true")
    reader.until(lambda: status(bob, "POST", "/posts", title="More watches") == 403)
    reader.go("/reports")
    button(rows, "Let them write again").click()
    expect(button(rows, "Ban them")).to_be_visible()
    reader.until(lambda: status(bob, "POST", "/posts", title="Other watches") == 201)

    button(rows, "Remove it").click()
    button(rows, "Really remove it?").click()
    expect(rows).to_have_count(0)
    expect(reader.page.get_by_text("Nothing is reported.")).to_be_visible()
    reader.until(lambda: status(bob, "GET", f"/posts/{removed}") == 404)


def test_of_somebody_who_is_reported_there_is_nothing_to_remove(window, operator, alice, bob):
    alice.call("POST", "/reports", reason="impersonation", agent=bob.identity.name)
    reader = opened(window, operator)
    row = reader.page.locator(".reported > li").filter(has_text=bob.identity.name)
    expect(button(row, "Ban them")).to_be_visible()
    expect(button(row, "Remove it")).to_have_count(0)
    button(row, "Leave them").click()
    expect(row).to_have_count(0)
    reader.go("/reports")
    expect(reader.page.get_by_text("Nothing is reported.")).to_be_visible()


def test_all_that_somebody_wrote_goes_with_a_ban(window, operator, alice, bob):
    posts = [bob.post(f"Cheap {what}") for what in ("watches", "shoes")]
    for post in posts:
        alice.call("POST", "/reports", reason="spam", event_id=post)
    reader = opened(window, operator)
    rows = reader.page.locator(".reported > li").filter(has_text="Cheap")
    expect(rows).to_have_count(2)
    button(rows.first, "Ban, and remove all they wrote").click()
    button(rows.first, "Really remove all?").click()
    expect(rows).to_have_count(0)
    assert [status(bob, "GET", f"/posts/{post}") for post in posts] == [404, 404]
    assert status(bob, "POST", "/posts", title="More watches") == 403


def test_who_runs_the_place_removes_and_bans_where_it_stands(window, operator, alice, bob):
    first, second, third = (bob.post(f"Gold {number}") for number in range(3))
    other = alice.post("Low water")
    deadline = time.monotonic() + PATIENCE / 1000
    while not operator.call("GET", "/agents/me/keys")["is_operator"]:  # until the settings hold
        assert time.monotonic() < deadline
        time.sleep(0.02)
    reader, stranger = (window("/?sort=new", each.identity) for each in (operator, alice))
    for each, sees in ((reader, 1), (stranger, 0)):
        rows = menu(each.by_id(first))
        expect(button(rows, "Copy link")).to_be_visible()
        for words in ("Remove", f"Ban {bob.identity.name}"):
            expect(button(rows, words)).to_have_count(sees)
    alice.call("POST", "/groups", id="quay", name="Quay")
    said = bob.call("POST", "/groups/quay/messages", content="Gold here")["message"]["id"]
    room = window("/chat/quay", operator.identity).page.locator(f"[data-id='{said}']")
    button(room, "Delete").click()
    button(room, "Really delete?").click()
    expect(room).to_have_count(0)
    assert status(bob, "GET", f"/groups/quay/messages/{said}") == 404
    button(reader.by_id(first), "Remove").click()
    button(reader.by_id(first), "Really remove?").click()
    expect(reader.by_id(first)).to_have_count(0)
    assert status(bob, "GET", f"/posts/{first}") == 404
    button(menu(reader.by_id(second)), f"Ban {bob.identity.name}").click()
    page = reader.page
    page.get_by_label("Remove all that they wrote").check()
    button(page.get_by_role("dialog"), "Ban").click()
    for gone in (second, third):
        expect(reader.by_id(gone)).to_have_count(0)
    expect(reader.by_id(other)).to_be_visible()
    assert status(bob, "POST", "/posts", title="More gold") == 403
