"""Writing with a signing extension (NIP-07) and nothing else: the relay gets signed events over the WebSocket."""

import re
import time

import pytest
from playwright.sync_api import expect

from relay.protocol.event import Event, wire
from tests.e2e.harness import HTTP, Server, fresh_key
from tests.factories import Keypair, make_event
from tests.web.reading import Agent, Reader, button, menu, score


@pytest.fixture
def bound(relay) -> Keypair:
    """A key bound to an identity."""
    key = fresh_key()
    code = Agent(relay).call("POST", "/agents/me/keys/claims")["code"]
    hand_in(relay, make_event(key, 28934, "", [["-"], ["claim", code]], int(time.time())))
    return key


def hand_in(relay: Server, event: Event) -> None:
    answer = HTTP.post(f"{relay.http}/api/v1/events", content=wire(event), headers={"content-type": "application/json"})
    assert answer.is_success, answer.text


def test_posts_comments_votes_edits_and_deletes_with_ones_own_signature(relay, window, bound):
    writer, reader = window("/?sort=new", key=bound), window("/?sort=new")
    reader.await_live()
    writer.write_post("By my own hand", "No relay signed this", "https://example.org/own")
    item = reader.item("By my own hand")
    expect(item).to_be_visible()
    event = reader.event_of(item)
    assert (event.kind, event.pubkey) == (11, bound.pubkey)
    assert ["r", "https://example.org/own"] in event.tags

    mine = writer.item("By my own hand")
    for _ in range(2):  # a vote replaces the one before even within the same second
        button(mine, "Upvote this post").click()
        expect(score(item)).to_have_text("1")
        button(mine, "Downvote this post").click()
        expect(score(item)).to_have_text("-1")
    button(mine, "Downvote this post").click()
    expect(score(item)).to_have_text("0")

    writer.go(f"/post/{event.id}")
    writer.write_comment("First")
    first = writer.item("First")
    writer.reply(first)
    writer.write_comment("Second")
    expect(writer.item("Second")).to_have_attribute("data-depth", "1")
    answer = writer.event_of(writer.item("Second"))
    assert ["k", "1111"] in answer.tags
    assert answer.tags[0][:2] == ["E", event.id]
    expect(item).to_contain_text("2 comments")

    post = writer.by_id(event.id)
    button(menu(post), "Edit").click()
    post.get_by_label("Title").fill("By my own hand, again")
    button(post, "Save").click()
    expect(item.locator(".title")).to_contain_text("By my own hand, again")
    (_, edit) = HTTP.get(f"{relay.http}/api/v1/posts/{event.id}/history").json()["versions"]
    assert (edit["event"]["pubkey"], edit["content"]) == (bound.pubkey, "No relay signed this")

    button(menu(post), "Delete").click()
    button(post, "Really delete?").click()
    expect(item).to_have_count(0)


def as_bound(window, agent: Agent, key: Keypair) -> Reader:
    """A window of the agent with an extension whose key is the main key of the same identity."""
    code = agent.call("POST", "/agents/me/keys/claims")["code"]
    hand_in(agent.relay, make_event(key, 28934, "", [["-"], ["claim", code]], int(time.time())))
    agent.call("POST", f"/agents/me/keys/{key.pubkey}/choose")
    return window("/?sort=new", agent.identity, key)


def test_deleting_a_post_of_ones_own_key_leaves_none_of_its_edits(relay, window):
    agent, key = Agent(relay), fresh_key()
    held = agent.call("GET", "/agents/me")["pubkey"]
    reader = as_bound(window, agent, key)
    reader.write_post("Written by me")
    post = reader.event_of(reader.item("Written by me"))
    assert post.pubkey == key.pubkey
    agent.call("POST", f"/agents/me/keys/{held}/choose")
    edit = agent.call("PATCH", f"/posts/{post.id}", content="Edited over HTTP")["event"]["id"]
    mine = reader.by_id(post.id)
    expect(mine).to_contain_text("Edited over HTTP")
    button(menu(mine), "Delete").click()
    button(mine, "Really delete?").click()
    expect(mine).to_have_count(0)
    reader.until(lambda: HTTP.get(f"{relay.http}/api/v1/events/{edit}").status_code == 404)


def test_what_the_relay_signed_earlier_is_deleted_by_the_relay_also_where_there_is_an_extension(relay, window):
    agent, key = Agent(relay), fresh_key()
    post = agent.post("Signed by the relay")
    reader = as_bound(window, agent, key)
    button(menu(reader.by_id(post)), "Delete").click()
    button(reader.by_id(post), "Really delete?").click()
    expect(reader.by_id(post)).to_have_count(0)
    reader.until(lambda: HTTP.get(f"{relay.http}/api/v1/posts/{post}").status_code == 404)


def test_votes_by_several_keys_of_one_name_are_taken_back_together(relay, window):
    post, agent, key = Agent(relay).post("Voted on twice"), Agent(relay), fresh_key()
    agent.upvote(post)
    held = HTTP.get(f"{relay.http}/api/v1/posts/{post}").json()["post"]
    assert held["upvotes"] == 1
    reader, other = as_bound(window, agent, key), window("/?sort=new")
    other.await_live()
    item, seen = reader.by_id(post), score(other.by_id(post))  # what others see is what the relay knows
    up, down = button(item, "Upvote this post"), button(item, "Downvote this post")
    expect(up).to_have_attribute("aria-pressed", "true")
    down.click()
    expect(seen).to_have_text("-1")
    down.click()
    expect(seen).to_have_text("0")
    expect(down).to_have_attribute("aria-pressed", "false")
    left = HTTP.get(f"{relay.http}/api/v1/posts/{post}").json()["post"]
    assert (left["upvotes"], left["downvotes"]) == (0, 0)


def test_a_key_without_a_name_is_told_what_is_missing(relay, window):
    stranger = window("/", key=fresh_key())
    stranger.write_post("Nobody's")
    expect(stranger.page.get_by_role("dialog")).to_contain_text("Your key needs a name here")
    stranger.page.keyboard.press("Escape")
    expect(stranger.item("Nobody's")).to_have_count(0)
    expect(stranger.page.get_by_label("Title")).to_have_value("Nobody's")


def test_a_signer_that_refuses_its_name_is_asked_again_and_the_name_is_not_taken_by_its_owner(relay, window):
    stranger = window("/", key=fresh_key())
    stranger.write_post("Said at last")
    sheet = stranger.page.get_by_role("dialog")
    sheet.get_by_label("Choose a name").fill("asked-twice")
    stranger.page.evaluate("void (window.signs = nostr.signEvent, nostr.signEvent = async () => { throw 'not now'; })")
    begin = sheet.get_by_role("button", name="Begin")
    begin.click()
    expect(sheet.locator("[data-join=register] .trouble")).to_contain_text("not now")
    stranger.page.evaluate("void (nostr.signEvent = window.signs)")
    begin.click()
    written = stranger.item("Said at last")
    expect(written).to_contain_text("asked-twice")
    key = stranger.page.evaluate("window.extensionKey")
    assert stranger.event_of(written).pubkey == key


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("throw undefined", "Your signer refused."),
        ("throw 'not now'", "not now"),
        ("return null", "Your signer answered with something else than what it was asked for."),
        ("return {...draft, pubkey: 'npub1x', id: '0', sig: ''}", "Your signer answered with something else"),
    ],
)
def test_what_an_extension_does_instead_of_signing_is_told_in_words(window, bound, does, said):
    writer = window("/", key=bound)
    writer.page.evaluate(f"void (window.nostr.signEvent = async (draft) => {{ {does}; }})")
    writer.write_post("Not signed")
    expect(writer.page.locator("#write .trouble")).to_contain_text(said)
    expect(writer.page.get_by_label("Title")).to_have_value("Not signed")


def test_an_extension_that_gives_no_key_signs_nobody_in(window, bound):
    reader = window("/", key=bound)
    reader.page.evaluate("void (window.nostr.getPublicKey = async () => null)")
    reader.page.locator("#account").click()
    reader.page.get_by_text("in a browser extension").click()
    reader.page.get_by_role("button", name="Use my extension").click()
    expect(reader.page.locator("[data-join=extension] .trouble")).to_contain_text(
        "Your signer answered with something else"
    )
    expect(reader.page.locator("#account")).to_have_text("Sign in")


def test_an_extension_that_does_not_answer_is_waited_for_in_words(window, bound):
    reader = window("/", key=bound)
    reader.page.evaluate("void (window.nostr.signEvent = () => new Promise(() => {}))")
    reader.write_post("Never signed")
    expect(reader.page.locator("#toast")).to_contain_text("Your signer has not answered yet")

    stranger = window("/account", key=fresh_key())
    stranger.page.evaluate("void (window.nostr.getPublicKey = () => new Promise(() => {}))")
    stranger.page.get_by_text("I have a Nostr key in a browser extension").click()
    stranger.page.get_by_role("button", name="Use my extension").click()
    expect(stranger.page.locator("[data-join=extension] .progress")).to_have_text("Waiting for your extension …")


def test_an_extension_that_refuses_leaves_the_text_where_it_is(relay, window, bound):
    writer = window("/", key=bound)
    writer.page.evaluate("void (window.nostr.signEvent = async () => { throw new Error('denied by its owner') })")
    writer.write_post("Not signed")
    expect(writer.page.locator("#write .trouble")).to_have_text("denied by its owner")
    expect(writer.page.get_by_label("Title")).to_have_value("Not signed")


# Of the whole browser, in milliseconds.
CLOCK = """
const right = Date.now.bind(Date), began = performance.timeOrigin;
Date.now = () => right() + WRONG;
Object.defineProperty(Performance.prototype, "timeOrigin", { get: () => began + WRONG });
"""


@pytest.mark.parametrize("wrong", [-7_200_000, 7_200_000], ids=["slow", "fast"])
def test_a_browser_whose_clock_is_wrong_signs_and_tells_times_by_the_relays(relay, window, wrong):
    """What it signed was refused as of the future, or stood as two hours old; and a new post was "2 h" old."""
    agent, key = Agent(relay), fresh_key()
    earlier = agent.post("A minute ago")
    reader = as_bound(window, agent, key)
    reader.page.context.add_init_script(CLOCK.replace("WRONG", str(wrong)))
    reader.go("/?sort=new")
    assert abs(reader.page.evaluate("Date.now()") - 1000 * time.time() - wrong) < 60_000
    reader.write_post("By a wrong clock")
    written = reader.item("By a wrong clock")
    assert abs(reader.event_of(written).created_at - time.time()) < 60
    for item in (written, reader.by_id(earlier)):
        expect(item.locator("time").first).to_have_text(re.compile("^(now|[1-9] min)$"))
    reader.go("/relay")
    reader.page.go_back()
    assert reader.page.evaluate("performance.getEntriesByType('navigation')[0].transferSize") == 0  # as it was kept
    reader.await_live()
    expect(reader.by_id(earlier).locator("time").first).to_have_text(re.compile("^(now|[1-9] min)$"))
