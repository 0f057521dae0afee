"""Writing on the page: drafts, preview, shortcuts, edits with their history, quotes."""

import re

from playwright.sync_api import expect

from tests.web.reading import Agent, button, menu, score

CHART = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="5"/>'


def test_a_post_is_begun_kept_looked_at_and_sent(relay, window):
    author = Agent(relay)
    writer = window("/write", author.identity)
    text = writer.page.get_by_label("Text")
    writer.page.get_by_label("Title").fill("x" * 298)
    expect(writer.page.get_by_text("2 characters left for the title")).to_be_visible()
    writer.page.get_by_label("Title").fill("Low water")
    text.fill("The tide")
    text.press("Control+a")
    text.press("Control+b")
    expect(text).to_have_value("**The tide**")
    text.evaluate(
        """(field) => {
          const paste = (words) => {
            const data = new DataTransfer();
            data.setData("text/plain", words);
            field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true, bubbles: true }));
          };
          paste("https://example.org/tides");
          field.setSelectionRange(field.value.length, field.value.length);
          paste("https://example.org/chart.png");
        }"""
    )
    wanted = "**[The tide](https://example.org/tides)**![](https://example.org/chart.png)"
    expect(text).to_have_value(wanted)
    expect(writer.page.get_by_role("button", name="Discard the draft")).to_be_visible()
    writer.page.reload()  # the draft is kept when the page goes
    expect(text).to_have_value(wanted)
    expect(writer.page.get_by_label("Title")).to_have_value("Low water")
    button(writer.page.locator("#write"), "Preview").click()
    preview = writer.page.locator(".preview")
    expect(preview.locator("strong a")).to_have_text("The tide")
    expect(preview.locator(".picture")).to_contain_text("example.org")
    button(writer.page.locator("#write"), "Write on").click()
    text.press("Control+Enter")
    expect(writer.page).to_have_url(re.compile("/post/[0-9a-f]{64}$"))
    expect(writer.item("Low water")).to_contain_text("The tide")
    writer.go("/write")
    expect(text).to_have_value("")


def test_what_is_begun_can_be_discarded_although_the_communities_come_later(relay, window):
    writer = window("/account", Agent(relay).identity)
    held = []
    writer.page.route("**/groups?mine=*", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    writer.go("/write")
    writer.until(lambda: held)
    writer.page.clock.pause_at(4_000_000_000)  # what is typed is no draft yet
    writer.page.get_by_label("Title").fill("Low water")
    discard = button(writer.page.locator("#write"), "Discard the draft")
    expect(discard).to_be_visible()
    held[0].fulfill(json={"groups": [{"id": "tides", "name": "Tides"}]})
    expect(writer.page.get_by_role("option", name="Tides")).to_be_attached()
    expect(discard).to_be_visible()
    discard.click()
    expect(writer.page.get_by_label("Title")).to_have_value("")
    expect(discard).to_be_hidden()


def test_what_was_typed_before_the_script_came_can_be_discarded(relay, window):
    writer = window("/account", Agent(relay).identity)
    held = []
    writer.page.route(re.compile(r"/write\.js"), lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    writer.page.goto("/write", wait_until="commit")
    writer.page.get_by_label("Title").fill("Low water")
    writer.until(lambda: held)
    held[0].continue_()
    button(writer.page.locator("#write"), "Discard the draft").click()
    expect(writer.page.get_by_label("Title")).to_have_value("")


def test_a_post_is_sent_once_although_its_keys_are_pressed_twice(relay, window):
    writer = window("/write", Agent(relay).identity)
    held = writer.hold()
    writer.page.get_by_label("Title").fill("Said once")
    text = writer.page.get_by_label("Text")
    text.press("Control+Enter")
    writer.until(lambda: held)
    text.press("Control+Enter")
    held[0].continue_()
    writer.page.wait_for_url("**/post/*")
    assert [route.request.url.partition("/api/v1")[2] for route in held] == ["/posts"]


def test_what_is_refused_stays_written(relay, window):
    writer = window("/write", Agent(relay).identity)
    writer.page.get_by_label("Title").fill("A title")
    writer.page.get_by_label("Text").fill("Long said")
    writer.page.route("**/api/v1/posts", lambda route: route.abort())
    button(writer.page.locator("#write"), "Post").click()
    expect(writer.page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(writer.page.get_by_label("Text")).to_have_value("Long said")


def test_a_comment_is_edited_in_its_place_and_its_history_is_signed(relay, window):
    author = Agent(relay)
    post = author.post("Tides")
    comment = author.comment(post, "First\n\nsame")
    reader = window(f"/post/{post}")
    reader.await_live()
    writer = window(f"/post/{post}", author.identity)
    item = writer.by_id(comment)
    button(menu(item), "Edit").click()
    field = item.get_by_label("Text")
    expect(field).to_have_value("First\n\nsame")
    field.fill("Second\n\nsame")
    button(item, "Save").click()
    for seen in (writer, reader):
        expect(seen.by_id(comment)).to_contain_text("Second")
    writer.page.reload()  # as it was saved before its draft was kept, none is kept when the page goes
    assert writer.page.evaluate("Object.keys(localStorage).filter((name) => name.includes('draft.'))") == []
    reader.by_id(comment).get_by_role("link", name="edited").click()
    expect(reader.page.locator("del")).to_have_text("First")
    expect(reader.page.locator("ins")).to_have_text("Second")
    reader.page.get_by_role("button", name="proof").first.click()
    expect(reader.page.get_by_role("dialog")).to_contain_text("Verified by this browser")
    expect(reader.page.get_by_role("dialog")).to_contain_text('"kind": 1010')


def test_a_tag_that_is_edited_out_of_a_post_leaves_it_at_once(relay, window):
    agent = Agent(relay)
    post = agent.post("Hunts by night", "An #owll and #mice.")
    reader = window(f"/post/{post}", agent.identity)
    item, tags = reader.by_id(post), reader.page.get_by_role("list", name="Tags").get_by_role("listitem")
    expect(tags).to_have_text(["owll", "mice"])
    menu(item).get_by_role("button", name="Edit").click()
    item.get_by_label("Text").fill("An #owl and #mice.")
    item.get_by_role("button", name="Save").click()
    expect(tags).to_have_text(["owl", "mice"])
    reader.go("/t/owll")
    expect(reader.by_id(post)).to_have_count(0)
    reader.go("/t/owl")
    expect(reader.by_id(post)).to_be_visible()


def test_what_is_quoted_stands_before_the_answer_and_in_a_post_as_a_card(relay, window):
    author = Agent(relay)
    post = author.post("Tides", "The *moon*\ndoes it.")
    writer = window(f"/post/{post}", Agent(relay).identity)
    writer.await_live()
    button(menu(writer.by_id(post)), "Reply with a quote").click()
    field = writer.page.locator("#answer textarea")
    expect(field).to_have_value("> The *moon*\n> does it.\n\n")
    field.press_sequentially("Does it?")
    writer.page.get_by_role("button", name="Comment", exact=True).click()
    expect(writer.page.locator(".comment blockquote em")).to_have_text("moon")
    writer.follow(menu(writer.by_id(post)).get_by_role("link", name="Quote in a post"))
    writer.page.get_by_label("Title").fill("Quoting")
    writer.page.get_by_label("Title").press("Control+Enter")
    expect(writer.page).to_have_url(re.compile("/post/(?!" + post + ")[0-9a-f]{64}$"))
    card = writer.page.locator(".quote-card")
    expect(card).to_contain_text("Tides")
    expect(card).to_have_attribute("href", f"/post/{post}")
    assert ["q", post] in [tag[:2] for tag in writer.event_of(writer.item("Quoting")).tags]


def test_a_picture_from_elsewhere_is_loaded_when_it_is_asked_for(relay, window):
    address = "https://pictures.example/chart.svg"
    post = Agent(relay).post("A chart", f"![The heights]({address})")
    reader = window()
    reader.page.route(
        "https://pictures.example/**", lambda route: route.fulfill(body=CHART, content_type="image/svg+xml")
    )
    reader.go(f"/post/{post}")
    reader.await_live()
    reader.page.locator("a.picture").click()
    frame = reader.page.frame_locator(".picture-frame")
    expect(frame.get_by_role("img", name="The heights")).to_be_visible()
    assert frame.locator("img").evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") == 7
    assert reader.asked_elsewhere() == [address]  # and nothing before the click


def test_a_picture_that_was_opened_stays_until_its_post_says_something_else(relay, window):
    agent = Agent(relay)
    post = agent.post("A chart", "![The heights](https://pictures.example/chart.svg)")
    reader = window()
    reader.page.context.route("**/picture?**", lambda route: route.abort())
    reader.go(f"/post/{post}")
    reader.await_live()
    reader.page.locator("a.picture").click()
    frame = reader.page.locator(".picture-frame")
    expect(frame).to_be_visible()
    agent.comment(post, "High ones")
    Agent(relay).upvote(post)
    expect(score(reader.by_id(post))).to_have_text("1")
    expect(reader.item("High ones").last).to_be_visible()
    expect(frame).to_be_visible()
    agent.call("PATCH", f"/posts/{post}", content="Fewer words")
    expect(reader.by_id(post).locator(".prose")).to_have_text("Fewer words")
    expect(frame).to_have_count(0)


def test_a_picture_that_does_not_come_says_so_with_its_words_and_a_link(relay, window):
    address = "https://pictures.example/gone.png"
    post = Agent(relay).post("A chart", f"![The heights]({address})")
    reader = window()
    reader.page.route("https://pictures.example/**", lambda route: route.abort())
    reader.go(f"/post/{post}")
    reader.await_live()
    reader.page.locator("a.picture").click()
    frame = reader.page.frame_locator(".picture-frame")
    picture = frame.get_by_role("img", name="The heights")

    def words() -> str:
        return str(picture.evaluate("(image) => getComputedStyle(image, '::after').content"))

    reader.until(lambda: "could not be loaded" in words())  # its style may come after the picture has failed
    assert "pictures.example" in words()
    assert picture.evaluate("(image) => image.offsetHeight") > 30  # what it says has its line beneath the words
    expect(frame.get_by_role("link")).to_have_attribute("href", address)
    assert reader.asked_elsewhere() == [address]


def test_what_is_sent_before_the_script_is_there_stays_where_it_is(window):
    reader = window("/write", java_script_enabled=False)
    reader.page.get_by_label("Title").fill("Too early")
    reader.page.get_by_label("Text").fill("A secret thought")
    reader.page.get_by_role("button", name="Post", exact=True).click()
    reader.page.get_by_label("Title").press("Enter")
    reader.page.screenshot()  # the browser has drawn what came of it
    assert reader.page.url == f"{reader.relay.http}/write"
    expect(reader.page.get_by_label("Text")).to_have_value("A secret thought")


def test_the_keyboard_and_what_is_selected_stay_in_a_text_that_changes_beside_them(relay, window):
    agent = Agent(relay)
    post = agent.post("Changed", "Selected words\n\n[A link](https://example.org) of the first version")
    reader = window(f"/post/{post}")
    reader.await_live()
    text = reader.by_id(post).locator(".prose")
    text.locator("a").focus()
    reader.page.evaluate("getSelection().selectAllChildren(document.querySelector('.whole .prose p'))")
    agent.call(
        "PATCH", f"/posts/{post}", content="Selected words\n\n[A link](https://example.org) of the second version"
    )
    expect(text).to_contain_text("second version")
    expect(text.locator("a")).to_be_focused()
    assert reader.page.evaluate("String(getSelection())") == "Selected words"


HIDE = """() => {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_draft_is_kept_when_the_page_is_put_aside_and_when_another_tab_sends_its_own(relay, window):
    writer = window("/write", Agent(relay).identity)
    other = writer.page.context.new_page()
    other.goto("/write")
    other.get_by_label("Title").fill("Of the other tab")
    other.evaluate(HIDE)  # no other word comes before a browser freezes or ends a page
    assert "Of the other tab" in other.evaluate("JSON.stringify(localStorage)")
    writer.page.get_by_label("Title").fill("Of this tab")
    writer.page.get_by_role("button", name="Post", exact=True).click()
    writer.page.wait_for_url("**/post/*")
    assert "Of the other tab" not in other.evaluate("JSON.stringify(localStorage)")
    other.reload()
    expect(other.get_by_label("Title")).to_have_value("Of the other tab")
    assert "Of the other tab" in other.evaluate("JSON.stringify(localStorage)")


def test_what_was_sent_is_not_sent_again_where_its_answer_got_lost(relay, window):
    agent = Agent(relay)
    post = agent.post("Answered once")
    writer = window(f"/post/{post}", agent.identity)
    writer.await_live()
    lost = writer.lose_answers("**/comments")
    writer.write_comment("Said once")
    writer.until(lambda: lost)
    expect(writer.page.locator("#answer textarea")).to_have_value("")
    expect(writer.item("Said once").last).to_be_visible()
    assert len(agent.call("GET", f"/posts/{post}/comments")["comments"]) == 1


def test_a_list_shows_what_was_answered_last(relay, window):
    agent = Agent(relay)
    post = agent.post("The first title")
    reader, held = window("/?sort=new"), []
    reader.await_live()

    def hold(route):
        held.append((route, route.fetch()))

    reader.page.route("**/pieces?*", hold, times=1)
    agent.call("PATCH", f"/posts/{post}", title="The second title", content="")
    reader.until(lambda: held)
    agent.call("PATCH", f"/posts/{post}", title="The third title", content="")
    expect(reader.by_id(post)).to_contain_text("The third title")
    route, answer = held[0]
    with reader.page.expect_event("requestfinished"):
        route.fulfill(response=answer)
    reader.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(reader.by_id(post)).to_contain_text("The third title")


def test_where_a_post_is_to_stand_is_kept_with_its_draft(relay, window):
    agent = Agent(relay)
    agent.call("POST", "/groups", id="harbourside", name="Harbourside", supported_kinds=[11])
    writer = window("/write", agent.identity)
    where = writer.page.get_by_label("Where")
    where.select_option("Harbourside")
    writer.page.get_by_label("Title").fill("Half a post")
    writer.go("/docs")
    writer.go("/write")
    expect(writer.page.get_by_label("Title")).to_have_value("Half a post")
    expect(where).to_have_value("harbourside")
