"""Everybody can use it: by keyboard, on a phone, in light and dark."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.web.reading import Agent, button, menu, score, until_true

PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 4


def focused(page: Page) -> str:
    """What the keyboard is on, as it is announced."""
    return str(page.evaluate("(e => e.getAttribute('aria-label') ?? e.textContent.trim())(document.activeElement)"))


def press(page: Page, key: str, until: str) -> None:
    """Press a key until the focus is on what is called so."""
    for _ in range(80):
        page.keyboard.press(key)
        if re.search(until, focused(page)):
            return
    raise AssertionError(f"the keyboard does not reach {until}")


def test_the_first_tab_skips_to_the_content(relay, window):
    page = window().page
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page) == "Hot"


def test_posting_voting_and_answering_need_no_mouse(relay, window):
    writer = window("/?sort=new", Agent(relay).identity)
    writer.await_live()
    page = writer.page
    press(page, "Tab", "^Write a post$")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title")).to_be_focused()
    page.keyboard.type("Typed")
    page.keyboard.press("Tab")
    page.keyboard.type("All of it")
    page.keyboard.press("Control+Enter")
    item = writer.item("Typed")
    expect(item).to_be_visible()
    press(page, "Shift+Tab", "^Upvote this post$")
    page.keyboard.press("Enter")
    expect(score(item)).to_have_text("1")
    press(page, "Tab", "^Typed$")
    page.keyboard.press("Enter")
    page.wait_for_url("**/post/*")
    writer.await_live()
    page.locator("#answer textarea").focus()
    page.keyboard.type("An answer")
    page.keyboard.press("Control+Enter")
    expect(writer.item("An answer")).to_be_visible()
    press(page, "Tab", "^Reply$")
    page.keyboard.press("Enter")
    expect(page.locator("#answer textarea")).to_be_focused()
    page.keyboard.press("Escape")
    assert focused(page) == "Reply"


def test_a_dialog_takes_the_keyboard_and_gives_it_back(relay, window):
    post = Agent(relay).post("Asked about")
    reader = window(f"/post/{post}")
    menu = reader.by_id(post).locator(".menu summary")
    menu.focus()
    reader.page.keyboard.press("Enter")
    expect(reader.by_id(post).locator(".menu .rows")).to_be_visible()
    for key in ("ArrowUp", "ArrowDown", "ArrowUp"):
        reader.page.keyboard.press(key)
    assert focused(reader.page) == "Copy link"
    reader.page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    opener = button(reader.by_id(post), "Signed: see the proof")
    opener.focus()
    reader.page.keyboard.press("Enter")
    expect(reader.page.get_by_role("dialog")).to_contain_text("Verified")
    reader.page.keyboard.press("Escape")
    expect(reader.page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_menu_closes_by_escape_and_by_whatever_is_done_elsewhere(relay, window):
    agent = Agent(relay)
    for number in range(2):
        agent.post(f"With a menu {number}")
    reader = window("/?sort=new")
    # An open menu covers what is below it.
    other, first = reader.page.locator(".item").evaluate_all(
        "(items) => items.slice(0, 2).map((one) => one.dataset.id)"
    )
    rows = menu(reader.by_id(first))
    reader.page.keyboard.press("Escape")
    expect(rows).to_be_hidden()
    expect(reader.by_id(first).locator(".menu summary")).to_be_focused()
    for elsewhere in (lambda: menu(reader.by_id(other)), lambda: reader.page.mouse.click(5, 300)):
        rows = menu(reader.by_id(first))
        expect(rows).to_be_visible()
        elsewhere()
        expect(rows).to_be_hidden()
        reader.page.keyboard.press("Escape")  # the other one


def test_every_control_has_a_name_and_a_visible_focus(relay, window):
    Agent(relay).post("For the looks")
    reader = window()
    page = reader.page
    for path in ("/", "/account", "/relay", "/claim", "/docs", "/communities", "/chat"):
        reader.go(path)
        nameless = page.evaluate(
            """() => Array.from(document.querySelectorAll("a, button, input, textarea, summary"))
            .filter((e) => e.checkVisibility() && !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim()))
            .map((e) => e.outerHTML)"""
        )
        assert nameless == [], path
        for _ in range(6):
            page.keyboard.press("Tab")
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", (
                path,
                focused(page),
            )


def test_on_a_phone_nothing_is_wider_than_the_screen(relay, window):
    agent = Agent(relay, "a-name-that-is-as-long-as-the-relay-allows-names-to-be-64-chars")
    post = agent.post(
        LONG, f"{LONG}\n\n```\n{LONG}\n```\n\n|{LONG}|b|\n|-|-|\n|c|d|", url=f"https://example.org/{LONG}"
    )
    parent = agent.comment(post, LONG)
    for level in range(9):
        parent = agent.comment(post, f"{level} {LONG}", parent_id=parent)
    reader = window("/?sort=new", agent.identity, **PHONE)
    page = reader.page
    for path in ("/?sort=new", f"/post/{post}", f"/u/{agent.identity.name}", "/account", "/relay", "/claim"):
        reader.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_on_a_phone_a_copy_button_covers_no_text_and_no_number_is_broken(relay, window):
    page = window("/relay", **PHONE).page
    gaps = page.evaluate(
        """Array.from(document.querySelectorAll(".snippet"), (e) => e.querySelector("code").getBoundingClientRect().top
        - e.querySelector("button").getBoundingClientRect().bottom)"""
    )
    assert gaps
    assert min(gaps) >= 0
    lines = page.evaluate(
        """Array.from(document.querySelectorAll(".limits dd")).filter((e) => /^[0-9,]+$/.test(e.textContent)).map((e) => {
          const text = document.createRange();
          text.selectNodeContents(e);
          return text.getClientRects().length;
        })"""
    )
    assert set(lines) == {1}


def test_on_a_phone_one_can_vote_and_answer_with_a_thumb(relay, window):
    post = Agent(relay).post("By thumb")
    reader = window(f"/post/{post}", Agent(relay).identity, **PHONE)
    up = button(reader.by_id(post), "Upvote this post")
    box = up.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 32
    up.tap()
    expect(score(reader.by_id(post))).to_have_text("1")
    reader.write_comment("Typed on glass")
    expect(reader.item("Typed on glass")).to_be_visible()


def test_on_a_phone_a_menu_ends_above_the_bar_at_the_foot(relay, window):
    author = Agent(relay)
    for number in range(6):
        author.post(f"Number {number}", "words " * 20)
    page = window(f"/u/{author.identity.name}", **PHONE).page
    for item in page.locator(".item.post").all():
        item.locator(".menu summary").tap()
        expect(item.get_by_role("button", name="Copy link")).to_be_visible()
        until_true(
            page,
            """() => document.querySelector(".menu[open] .rows").getBoundingClientRect().bottom
              <= document.querySelector(".bar nav").getBoundingClientRect().top""",
        )
        page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_the_bar_is_one_row_and_the_places_are_under_the_thumb(relay, window, width):
    phone = {**PHONE, "viewport": {"width": width, "height": 700}}
    agent = Agent(relay)
    agent.call("POST", "/groups", id=f"below-{width}", name="Below")
    page = window("/communities", agent.identity, **phone).page
    expect(page.locator("#bell")).to_be_visible()
    bar, foot = page.locator(".bar .inner"), page.get_by_role("navigation", name="Site")
    box, below = bar.bounding_box(), foot.bounding_box()
    assert box is not None
    assert below is not None
    assert box["height"] <= 56
    assert below["y"] + below["height"] == 700
    for name in ("Feed", "Communities", "Chat", "Knowledge"):
        place = foot.get_by_role("link", name=name).bounding_box()
        assert place is not None
        assert min(place["width"], place["height"]) >= 44, name
    assert (
        page.evaluate(
            """() => {
          const boxes = Array.from(document.querySelectorAll(".bar :is(.brand, nav a, .find, #bell, .button, #account)"),
            (e) => [e.textContent.trim(), e.getBoundingClientRect()]);
          return boxes.flatMap(([name, a], at) => boxes.slice(at + 1).filter(([, b]) =>
            a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
            .map(([other]) => `${name} and ${other}`));
        }"""
        )
        == []
    )
    expect(foot.get_by_role("link", name="Communities")).to_have_attribute("aria-current", "page")
    search = page.get_by_role("searchbox", name="Search")
    search.tap()
    wide = search.bounding_box()
    assert wide is not None
    assert wide["width"] > width * 0.8
    search.press("Tab")
    foot.get_by_role("link", name="Chat").tap()
    page.wait_for_url("**/chat")
    page.goto(f"/chat/below-{width}")
    send, below = page.get_by_role("button", name="Send").bounding_box(), foot.bounding_box()
    assert send is not None
    assert below is not None
    assert send["y"] + send["height"] <= below["y"]
    page.get_by_role("link", name="Write", exact=True).tap()
    page.wait_for_url("**/write")


def test_the_search_box_gives_way_before_the_name_of_the_place_does(relay, window):
    page = window("/", Agent(relay).identity, viewport={"width": 1280, "height": 700}).page
    expect(page.locator("#bell")).to_be_visible()
    brand = page.locator(".brand bdi")
    brand.evaluate("(name) => { name.textContent = 'The Harbour Room'; }")
    assert brand.evaluate("(name) => name.scrollWidth - name.clientWidth") == 0


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (c) => c.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return rgb(colour);
    }
  };
  return Array.from(document.querySelectorAll("main *, .bar *"))
    .filter((e) => Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.data.trim()) && e.checkVisibility())
    .map((e) => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), e.textContent.trim().slice(0, 40)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(relay, window, scheme):
    agent = Agent(relay)
    post = agent.post("Contrast", "`code` [link](https://e.example) text\n\n> quote")
    agent.comment(post, "And a comment")
    room = f"contrast-{scheme}"
    agent.call("POST", "/groups", id=room, name="Contrast", about="Light and dark")
    agent.post("In there", submolt=room)
    said = agent.call("POST", f"/groups/{room}/messages", content="Said `so`")["message"]["id"]
    agent.call("POST", f"/groups/{room}/messages", content="Answered", reply_to=said)
    agent.call("POST", f"/groups/{room}/messages/{said}/reactions", content="+")
    grounds = set()
    rooms = ("/communities", f"/c/{room}", "/chat", f"/chat/{room}")
    reader = window(color_scheme=scheme, reduced_motion="reduce")
    page = reader.page
    for path in ("/", f"/post/{post}", f"/u/{agent.identity.name}", "/account", "/relay", *rooms):
        reader.go(path)
        assert page.evaluate(CONTRAST) == []
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == {"rgb(251, 248, 242)" if scheme == "light" else "rgb(21, 23, 26)"}
