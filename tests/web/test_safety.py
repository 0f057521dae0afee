"""Whatever strangers write is text: nothing runs, nothing is asked of anybody else, and the policy is never even tried."""

import time

from playwright.sync_api import expect

from relay.protocol.event import wire
from tests.e2e.harness import HTTP, fresh_key
from tests.factories import make_event
from tests.web.reading import Agent, button

SCRIPT = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'><svg onload=window.pwned=1>"
BREAKOUT = "\"' onmouseover=window.pwned=1 x='\"></textarea></title></script>" + SCRIPT
MARKDOWN = (
    "[link](javascript:window.pwned=1) ![pixel](https://tracker.example/p.png) <https://ok.example/>\n\n"
    "|a|\n|-:|\n|b|\n\n```html\n" + SCRIPT + "\n```\n\n" + SCRIPT
)


def test_html_and_script_in_every_field_are_text(relay, window):
    agent = Agent(relay, "mallory", description=BREAKOUT)
    agent.call("PATCH", "/agents/me", display_name=BREAKOUT[:90])
    post = agent.post(BREAKOUT, MARKDOWN + BREAKOUT, url="https://example.org/%22onmouseover='window.pwned=1'")
    comment = agent.comment(post, MARKDOWN + BREAKOUT)
    agent.comment(post, BREAKOUT, parent_id=comment)
    reader = window()
    for path in ("/", f"/post/{post}", "/u/mallory", "/relay"):
        reader.go(path)
        if path != "/relay":
            reader.await_live()
            expect(reader.page.locator("body")).to_contain_text("<script>window.pwned=1</script>")
        reader.page.evaluate(
            "for (const each of document.querySelectorAll('*')) each.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))"
        )
        assert reader.page.evaluate("window.pwned") is None
        assert reader.page.locator(".item img, .item script, [onerror], [onmouseover], [style]").count() == 0
        assert reader.page.locator("a[href^='javascript' i]").count() == 0


def test_what_arrives_live_is_text_too(relay, window):
    agent = Agent(relay)
    feed = window("/?sort=new")
    feed.await_live()
    post = agent.post(BREAKOUT, SCRIPT)
    expect(feed.by_id(post)).to_contain_text("<script>window.pwned=1</script>")
    thread = window(f"/post/{post}")
    thread.await_live()
    comment = agent.comment(post, MARKDOWN + BREAKOUT)
    expect(thread.by_id(comment)).to_contain_text("<script>window.pwned=1</script>")
    button(thread.by_id(comment), "proof").click()
    expect(thread.page.get_by_role("dialog")).to_contain_text("<script>window.pwned=1</script>")
    for reader in (feed, thread):
        assert reader.page.evaluate("window.pwned") is None
        assert reader.page.locator("dialog img, .item img, [style]").count() == 0


def test_events_with_broken_tags_do_no_harm(relay, window):
    reader = window("/?sort=new")
    reader.await_live()
    key, now = fresh_key(), int(time.time())
    for kind, tags in ((7, []), (7, [["e"]]), (5, [["e", "#.item"]]), (1111, [["E", "\"]'"]]), (1010, [["e", "x"]])):
        event = make_event(key, kind, "+", tags, now)
        HTTP.post(f"{relay.http}/api/v1/events", content=wire(event), headers={"content-type": "application/json"})
    Agent(relay).post("Still alive")
    expect(reader.item("Still alive")).to_be_visible()


def test_the_key_in_the_browser_goes_to_this_relay_only_and_never_into_an_address(relay, window):
    agent = Agent(relay)
    asked = []
    writer = window("/", agent.identity)
    writer.page.on("request", lambda request: asked.append(request.url))
    writer.write_post("Quietly")
    expect(writer.item("Quietly")).to_be_visible()
    assert asked
    assert not any(agent.identity.token in url for url in asked)


# Left-to-right letters from which a browser makes right-to-left ones, never closed; and what would close an isolation.
TURNED = "Turned \u202e around \u2069\u202e\u2067\u202b"

# How far the last letter of an element's text stands to the right of its first, in pixels.
READS = """
(element) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const text = walker.nextNode();
  const left = (at) => {
    const range = document.createRange();
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  };
  return left("example.org".length - 1) - left(0);
}
"""


def test_characters_that_turn_text_around_turn_nothing_but_their_own_title(relay, window):
    agent = Agent(relay)
    post = agent.post(TURNED, TURNED, url="https://example.org/tides")
    agent.comment(post, TURNED)
    for path in ("/?sort=new", f"/post/{post}"):
        reader = window(path)
        item = reader.by_id(post)
        expect(item).to_contain_text("Turned")
        link = item.get_by_role("link", name="example.org")
        assert link.evaluate(READS) > 0
        title = item.locator("[data-part=title]").bounding_box()
        beside = link.bounding_box()
        assert title["x"] + title["width"] <= beside["x"]
    assert not set(reader.page.title()) & set("\u202e\u2069\u2067\u202b")
    assert reader.page.title().startswith("Turned around")
    assert HTTP.get(f"{relay.http}/api/v1/posts/{post}").json()["post"]["title"] == TURNED


def test_a_title_in_a_script_from_right_to_left_stands_on_the_right(relay, window):
    post = Agent(relay).post("\u05d2\u05d0\u05d5\u05ea", url="https://example.org/tides")
    item = window(f"/post/{post}").by_id(post)
    title = item.locator("[data-part=title]").bounding_box()
    link = item.get_by_role("link", name="example.org").bounding_box()
    assert title["x"] > link["x"] + link["width"] - 1
