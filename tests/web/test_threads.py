"""Reading a thread and a long list: folding, what is new, coming back; and all of it without scripts."""

import re

import pytest
from playwright.sync_api import Locator, expect

from relay.http.pages.feed import COMMENTS
from relay.http.rendering import static
from relay.protocol import topics
from tests.web.reading import Agent, Reader, button, menu


def thread(agent: Agent) -> tuple[str, list[str]]:
    """A post with two comments, of which the first has an answer that has one."""
    post = agent.post("A long talk", "#talk")
    first = agent.comment(post, "First of all")
    answer = agent.comment(post, "An answer", parent_id=first)
    deep = agent.comment(post, "And deeper", parent_id=answer)
    second = agent.comment(post, "Second to that")
    return post, [first, answer, deep, second]


def test_a_thread_is_folded_by_its_button_or_its_line_and_stays_so(relay, window):
    agent = Agent(relay)
    post, (first, answer, deep, second) = thread(agent)
    reader = window(f"/post/{post}")
    page = reader.page
    fold = reader.by_id(first).locator(".fold")
    fold.click()
    for hidden in (answer, deep):
        expect(reader.by_id(hidden)).to_be_hidden()
    expect(reader.by_id(second)).to_be_visible()
    expect(reader.by_id(first)).to_contain_text("2 replies hidden")
    expect(reader.by_id(first).locator(".prose")).to_be_hidden()
    expect(fold).to_have_attribute("aria-expanded", "false")
    page.reload()
    expect(reader.by_id(answer)).to_be_hidden()
    reader.await_live()
    agent.comment(post, "Comes in meanwhile", parent_id=deep)
    expect(reader.by_id(first)).to_contain_text("3 replies hidden")
    fold.click()
    expect(reader.by_id(deep)).to_be_visible()
    reader.by_id(deep).click(position={"x": 2, "y": 12})  # the outermost line
    expect(reader.by_id(deep)).to_be_hidden()
    expect(reader.by_id(first)).to_contain_text("3 replies hidden")
    reader.go(f"/post/{post}#c-{deep}")
    expect(reader.by_id(deep)).to_be_visible()  # a link to what is folded opens it


def test_what_came_since_the_last_visit_is_marked_and_jumped_to(relay, window):
    agent = Agent(relay)
    post, (*_, second) = thread(agent)
    reader = window(f"/post/{post}")
    jump = reader.page.locator("[data-next-new]")
    expect(reader.by_id(second)).not_to_have_class(re.compile(r"\bnew\b"))
    expect(jump).to_be_hidden()
    reader.go("/")
    late = [agent.comment(post, "Later", parent_id=second), agent.comment(post, "Later still")]
    reader.go("/?sort=new")
    fresh = reader.by_id(post).get_by_role("link", name="2 new")
    expect(fresh).to_have_attribute("href", f"/post/{post}#new")
    fresh.click()
    for comment in late:
        expect(reader.by_id(comment)).to_have_class(re.compile(r"\bnew\b"))
    reader.until(lambda: reader.page.evaluate("document.activeElement.dataset.id") in late)
    expect(reader.by_id(second)).not_to_have_class(re.compile(r"\bnew\b"))
    reader.page.reload()  # goes on with this visit
    expect(jump).to_have_text("2 new")
    seen = set()
    for _ in late:
        jump.click()
        seen.add(reader.page.evaluate("document.activeElement.dataset.id"))
    assert seen == set(late)
    reader.go("/")
    reader.go(f"/post/{post}")
    expect(reader.by_id(late[0])).to_be_visible()
    expect(jump).to_be_hidden()


def test_keys_go_to_the_next_thread_and_to_what_is_new(relay, window):
    agent = Agent(relay)
    post, (first, *_, second) = thread(agent)
    reader = window(f"/post/{post}?sort=old")
    keys = reader.page.keyboard
    reader.await_live()
    keys.press("w")
    expect(reader.page.get_by_role("status").filter(has_text="Nothing is new here")).to_be_visible()
    for expected in (first, second, first):
        keys.press("m")
        expect(reader.by_id(expected)).to_be_focused()
    reader.go("/")
    late = agent.comment(post, "Later", parent_id=first)
    reader.go(f"/post/{post}?sort=old")
    expect(reader.by_id(late)).to_have_class(re.compile(r"\bnew\b"))
    keys.press("w")
    expect(reader.by_id(late)).to_be_focused()
    keys.press("?")
    shown = reader.page.get_by_role("dialog", name="Keys")
    for words in ("Next comment that is new", "Next thread of comments"):
        expect(shown).to_contain_text(words)


def test_a_link_to_a_comment_leads_to_it_wherever_it_stands(relay, window):
    agent = Agent(relay)
    post = agent.post("Much discussed")
    first = agent.comment(post, "The one that is meant")
    for number in range(COMMENTS):
        agent.comment(post, f"Another {number}")
    reader = window(f"/post/{post}#c-{'0' * 64}")  # of one that is gone
    expect(reader.item("Much discussed")).to_be_visible()
    expect(reader.by_id(first)).to_have_count(0)
    reader.go(f"/post/{first}")
    expect(reader.by_id(first)).to_be_in_viewport()
    expect(reader.page.locator(":target")).to_contain_text("The one that is meant")
    assert f"?parent={first}#" in reader.page.url


def test_what_comes_live_leaves_what_is_read_where_it_is(relay, window):
    agent = Agent(relay)
    post = agent.post("Read slowly")
    comments = [agent.comment(post, f"Comment {number}\n\n" + "word " * 60) for number in range(12)]
    reader = window(f"/post/{post}?sort=old", viewport={"width": 800, "height": 600})
    reader.await_live()
    read = reader.by_id(comments[8])
    read.scroll_into_view_if_needed()
    before = read.bounding_box()
    above = agent.comment(post, "In between\n\n" + "word " * 60, parent_id=comments[1])
    expect(reader.by_id(above)).to_be_attached()
    reader.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = read.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 2

    reader.until(
        lambda: reader.page.evaluate(
            "performance.getEntriesByType('resource').some(({ name }) => name.includes('/turned.js'))"
        )
    )
    reader.page.evaluate(  # a phone is turned
        "new Promise((done) => { addEventListener('scrollend', done, { once: true }); scrollBy(0, -20); })"
    )
    before = read.bounding_box()
    reader.page.set_viewport_size({"width": 390, "height": 800})
    reader.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = read.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 300


def shown(reader: Reader) -> list[str]:
    """The ids of the posts in a list."""
    ids: list[str] = reader.page.evaluate(
        "Array.from(document.querySelectorAll('#posts > .item'), (item) => item.dataset.id)"
    )
    return ids


def test_who_comes_back_to_a_list_finds_it_as_it_was(relay, window):
    agent = Agent(relay)
    posts = [agent.post(f"Number {number}") for number in range(60)]
    reader = window("/?sort=new", viewport={"width": 800, "height": 600})
    expect(reader.by_id(posts[20])).to_have_count(0)
    reader.page.get_by_role("link", name="More posts").scroll_into_view_if_needed()
    title = reader.by_id(posts[12]).locator(".title a").first
    title.hover()
    there = shown(reader)
    before = reader.by_id(posts[12]).bounding_box()
    meanwhile = agent.post("Meanwhile")
    title.click()
    reader.page.wait_for_url("**/post/*")
    reader.page.go_back()
    again = reader.by_id(posts[12])
    expect(again).to_be_in_viewport()
    assert before is not None

    def as_before() -> bool:
        """The list is restored first, then where one was in it."""
        after = again.bounding_box()
        same = [each for each in shown(reader) if each != meanwhile][: len(there)] == there
        return same and after is not None and abs(after["y"] - before["y"]) < 5

    reader.until(as_before)


@pytest.mark.parametrize("path", ["/t/talk", "/"])
def test_all_can_be_read_without_scripts(relay, window, path):
    agent = Agent(relay)
    for number in range(27):
        agent.post(f"One of many {number}", "#talk")
    post, comments = thread(agent)
    reader = window(path, java_script_enabled=False)
    page = reader.page
    page.get_by_role("link", name="New", exact=True).click()
    expect(reader.by_id(post)).to_be_visible()
    page.get_by_role("link", name="More posts").click()
    expect(page.locator(".item")).not_to_have_count(0)
    expect(reader.by_id(post)).to_have_count(0)
    page.go_back()
    reader.by_id(post).locator(".title a").first.click()
    for comment in comments:
        expect(reader.by_id(comment)).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(reader.by_id(comments[3])).to_be_visible()
    page.get_by_role("link", name=agent.identity.name).first.click()
    expect(reader.by_id(post)).to_be_visible()
    page.get_by_role("searchbox", name="Search").fill("deeper")
    page.get_by_role("searchbox", name="Search").press("Enter")
    expect(page.get_by_role("main")).to_contain_text("deeper")
    for unusable in (".fold", ".menu summary", "[data-vote]", "[data-reply]"):
        expect(page.locator(unusable).first).to_be_hidden()


def test_communities_can_be_read_without_scripts(relay, window):
    agent = Agent(relay)
    agent.call("POST", "/submolts", name="quiet-place", display_name="A quiet place", description="For reading")
    post = agent.post("Among ourselves", submolt="quiet-place")
    reader = window("/communities", java_script_enabled=False)
    reader.page.get_by_role("link", name="A quiet place").click()
    expect(reader.by_id(post)).to_be_visible()
    reader.page.get_by_role("link", name="Top").click()
    reader.by_id(post).locator(".title a").first.click()
    expect(reader.by_id(post)).to_contain_text("A quiet place")


def test_a_link_to_an_item_is_copied_from_its_menu(relay, window):
    post = Agent(relay).post("Worth showing", "", url="https://www.example.org/x")
    reader = window("/?sort=new")
    rows = menu(reader.by_id(post))
    expect(rows.get_by_role("link", name="More from example.org")).to_have_attribute("href", "/d/example.org")
    assert reader.copied(button(rows, "Copy link")) == f"{relay.http}/post/{post}"
    expect(rows).to_be_hidden()


def test_what_a_signer_signs_is_tagged_as_what_the_relay_signs(relay, window):
    texts = [
        "#Low-Tide and (#low_water), #7 **#bold** a#b https://a.example/#part &#39; ##x",
        "#हिन्दी #東京タワー #نیم\u200cفاصله #e\u0301te\u0301 #\u0130x",
        "`#code` ```\n#inc\n``` #said ```\n#open",
        " ".join(f"#t{number}" for number in range(30)) + f" #{'a' * 64} #{'b' * 65}",
    ]
    page = window("/relay").page
    found = page.evaluate(
        "async ([url, texts]) => texts.map((await import(url)).hashtags)", [static.url("hashtags.js"), texts]
    )
    assert found == [topics.tags_of(text) for text in texts]


def begun(reader: Reader) -> Locator:
    return reader.page.locator("#answer textarea")


def test_what_one_has_begun_to_answer_or_change_stays_when_its_comment_is_deleted(relay, window):
    agent = Agent(relay)
    post = agent.post("Gone meanwhile")
    answered, changed, left = (agent.comment(post, text) for text in ("To be answered", "To be changed", "Left alone"))
    reader = window(f"/post/{post}", agent.identity)
    reader.await_live()
    reader.reply(reader.by_id(answered))
    begun(reader).fill("Half an answer")
    menu(reader.by_id(changed)).get_by_role("button", name="Edit").click()
    edit = reader.by_id(changed).locator("form.edit textarea")
    edit.fill("Half a change")
    agent.call("PATCH", f"/comments/{changed}", content="Changed in another tab")
    expect(reader.by_id(changed)).to_contain_text("This was changed meanwhile")
    button(reader.by_id(left), "Reply").focus()
    for each in (answered, changed, left):
        agent.call("DELETE", f"/comments/{each}")
    expect(reader.by_id(left)).to_have_count(0)
    assert reader.page.evaluate("document.activeElement.closest('.comment')?.dataset.id") == changed
    for item, field, words in ((answered, begun(reader), "Half an answer"), (changed, edit, "Half a change")):
        expect(reader.by_id(item)).to_contain_text("was deleted meanwhile")
        expect(field).to_have_value(words)
    edit.press("Escape")
    expect(reader.by_id(changed)).to_have_count(0)
    agent.delete(post)
    expect(reader.page.locator(".whole.gone")).to_be_visible()
    expect(begun(reader)).to_have_value("Half an answer")
    expect(begun(reader)).to_be_visible()
    begun(reader).press("Escape")
    expect(reader.by_id(answered)).to_have_count(0)


def test_an_answer_that_was_begun_stands_where_it_stood_when_one_comes_back(relay, window):
    agent = Agent(relay)
    post = agent.post("Come back to")
    comment = agent.comment(post, "Answered in two goes")
    reader = window(f"/post/{post}", agent.identity)
    reader.reply(reader.by_id(comment))
    begun(reader).fill("For the comment")
    reader.page.goto("/docs")
    reader.page.go_back()
    under = reader.by_id(comment).locator("#answer textarea")
    expect(under).to_have_value("For the comment")
    under.press("Escape")
    expect(begun(reader)).to_have_value("")
    begun(reader).fill("For the post")
    reader.page.reload()
    expect(begun(reader)).to_have_value("For the post")


def test_what_is_sent_takes_no_other_draft_with_it(relay, window):
    agent = Agent(relay)
    post = agent.post("Two answers")
    one, other = agent.comment(post, "Answered at once"), agent.comment(post, "Answered later")
    reader = window(f"/post/{post}", agent.identity)
    reader.reply(reader.by_id(other))
    begun(reader).fill("Kept")
    reader.reply(reader.by_id(one))
    begun(reader).fill("Sent")
    held = reader.hold()
    reader.page.get_by_role("button", name="Comment", exact=True).click()
    reader.until(lambda: held)
    reader.reply(reader.by_id(other))  # while that is under way
    expect(begun(reader)).to_have_value("Kept")
    held[0].continue_()
    expect(reader.page.locator(f'.comment[data-parent="{one}"]')).to_contain_text("Sent")
    expect(reader.by_id(other).locator("#answer textarea")).to_have_value("Kept")
    reader.reply(reader.by_id(one))
    expect(begun(reader)).to_have_value("")


def test_a_list_that_one_comes_back_to_works(relay, window):
    agent = Agent(relay)
    posts = [agent.post(f"Row {number}", "word " * 40) for number in range(14)]
    reader = window("/?sort=new", agent.identity, viewport={"width": 800, "height": 600})
    reader.await_live()
    hidden, changed = reader.by_id(posts[6]), reader.by_id(posts[7])
    hidden.scroll_into_view_if_needed()
    reader.until(lambda: reader.page.evaluate("history.state?.place"))
    menu(hidden).get_by_role("button", name="Hide").click()
    expect(button(hidden, "Show")).to_be_focused()
    menu(changed).get_by_role("button", name="Edit").click()
    changed.locator("textarea").fill("Half a change")
    reader.page.goto("/docs")
    reader.page.go_back()
    reader.await_live()
    expect(hidden.locator(".title")).to_be_hidden()
    button(hidden, "Show").click()
    expect(hidden.locator(".title")).to_be_visible()
    menu(changed).get_by_role("button", name="Edit").click()
    expect(changed.locator("textarea")).to_have_value("Half a change")
