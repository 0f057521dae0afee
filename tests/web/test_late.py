"""What comes in another order than usual: answers, scripts and pages that are late take nothing from whoever went on meanwhile."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.web.reading import Agent, Reader, button, menu, until_true
from tests.web.test_project import Worker


@pytest.fixture(scope="module")
def ann(relay):
    return Agent(relay, "ann-lately")


class Held(list[Route]):
    """What was asked for, until somebody lets it go on."""

    is_over = False

    def let_go(self) -> None:
        """These, and from now on all."""
        self.is_over = True
        for route in self:
            route.continue_()


def held(page: Page, path: str | re.Pattern[str], method: str = "GET", **options: Any) -> Held:
    """What is asked for there from now on."""
    some = Held()

    def take(route: Route) -> None:
        if route.request.method == method and not some.is_over:
            some.append(route)
        else:
            route.fallback()

    page.route(path, take, **options)
    return some


def later(route: Route) -> Callable[[], None]:
    """Asks the relay now, and gives the answer when it is called."""
    answer = route.fetch()
    return lambda: route.fulfill(response=answer)


def listen(reader: Reader) -> list[str]:
    """What comes over the WebSocket from now on."""
    heard: list[str] = []

    def take(message: str | bytes) -> str | bytes:
        heard.append(str(message))
        return message

    reader.bend = take
    return heard


def settled(page: Page) -> None:
    """What the page was given has been seen to."""
    page.evaluate("fetch('/health').then((answer) => answer.text()).then(() => new Promise(requestAnimationFrame))")


def test_the_community_of_a_draft_is_chosen_once_it_is_there_although_its_writer_went_on(relay, window, ann):
    ann.call("POST", "/groups", id="late-tides", name="Late tides")
    writer = window("/write", ann.identity)
    where, title = writer.page.get_by_label("Where"), writer.page.get_by_label("Title")
    where.select_option(label="Late tides")
    title.fill("Low water")
    expect(button(writer.page.locator("#write"), "Discard the draft")).to_be_visible()
    groups = held(writer.page, "**/groups?mine=*")
    writer.page.reload()
    expect(title).to_have_value("Low water")
    title.press("End")
    title.type(" at noon")
    writer.go("/docs")  # the draft is kept as it is
    groups.clear()
    writer.go("/write")
    expect(title).to_have_value("Low water at noon")
    title.press("End")
    title.type(".")
    button(writer.page.locator("#write"), "Post").click()
    writer.until(lambda: groups)
    groups[0].continue_()
    expect(writer.page).to_have_url(re.compile("/post/[0-9a-f]{64}$"))
    assert ann.call("GET", f"/posts/{writer.page.url[-64:]}")["post"]["submolt"]["name"] == "late-tides"


def test_a_form_that_is_sent_before_its_script_has_come_is_sent_then(relay, window, ann):
    writer = window("/docs", ann.identity)
    script = held(writer.page, re.compile(r"/write\.js"))
    writer.page.goto("/write", wait_until="commit")
    writer.page.get_by_label("Title").fill("Sent early")
    expect(writer.page.locator("html.scripted")).to_be_attached()  # what hears of it is there
    button(writer.page.locator("#write"), "Post").click()
    writer.until(lambda: script)
    script[0].continue_()
    expect(writer.page).to_have_url(re.compile("/post/[0-9a-f]{64}$"))
    expect(writer.item("Sent early")).to_be_visible()


def test_what_was_typed_before_the_script_came_stays_and_is_kept(relay, window, ann):
    writer = window("/communities/new", ann.identity)
    name, about = writer.page.get_by_label("Name"), writer.page.get_by_label("About")
    name.fill("Pilots")
    about.fill("For pilots")
    until_true(writer.page, "Object.keys(localStorage).some((name) => name.includes('draft.founding'))")
    script = held(writer.page, re.compile(r"/founding\.js"))
    writer.page.goto("/communities/new", wait_until="commit")
    name.fill("Divers")
    writer.until(lambda: script)
    script.let_go()
    expect(about).to_have_value("For pilots")
    expect(name).to_have_value("Divers")
    until_true(
        writer.page,
        "Object.entries(localStorage).some(([name, kept]) => name.includes('draft.founding') && kept.includes('Divers'))",
    )


def test_what_is_found_after_the_search_was_put_away_is_not_shown(relay, window):
    reader = window("/docs")
    found = held(reader.page, "**/found?*")
    reader.page.get_by_role("searchbox").fill("tide")
    reader.until(lambda: found)
    reader.page.locator("header").first.click(position={"x": 1, "y": 1})
    with reader.page.expect_response("**/found?*"):
        found.let_go()
    settled(reader.page)
    expect(reader.page.locator("#found")).to_be_hidden()


def test_an_earlier_part_of_ones_own_page_does_not_take_the_place_of_a_later_one(relay, window, ann):
    other = Agent(relay)
    other.comment(ann.post("Told late"), "An answer")
    reader = window("/notifications", ann.identity)
    tabs = reader.page.locator(".tabs")
    expect(reader.page.get_by_text("An answer")).to_be_visible()
    votes = held(reader.page, "**/notifications?type=votes")
    tabs.get_by_role("link", name="Votes").click()
    reader.until(lambda: votes)
    tabs.get_by_role("link", name="Answers").click()
    expect(tabs.locator("[aria-current]")).to_have_text("Answers")
    with reader.page.expect_response("**/notifications?type=votes"):
        votes[0].continue_()
    settled(reader.page)
    expect(tabs.locator("[aria-current]")).to_have_text("Answers")
    expect(reader.page.get_by_text("An answer")).to_be_visible()


def test_what_was_read_stays_so_whatever_page_and_number_come_late(relay, window):
    ann, other = Agent(relay), Agent(relay)
    post = ann.post("Read late")
    reader = window("/notifications", ann.identity)
    bell, every = reader.page.locator("#bell-count"), reader.page.get_by_role("button", name="Mark all as read")
    rows, new = reader.page.locator(".happening"), reader.page.locator(".happening.new")
    other.comment(post, "First")
    expect(new).to_have_count(1)
    pages = held(reader.page, re.compile(r"\d/notifications$"), times=1)
    other.comment(post, "Second")
    reader.until(lambda: pages)
    before = later(pages[0])
    every.click()
    expect(bell).to_have_text("")
    before()
    expect(rows).to_have_count(2)
    expect(new).to_have_count(0)
    expect(every).to_be_hidden()

    for number in ("1", "2"):
        other.comment(post, f"More: {number}")
        expect(bell).to_have_text(number)
    marks = held(reader.page, "**/notifications/read-all", "POST", times=1)
    every.click()
    reader.until(lambda: marks)
    none = later(marks[0])
    other.comment(post, "One more")  # all was read by then, but the answer is not here yet
    expect(bell).to_have_text("1")
    none()
    expect(rows).to_have_count(5)
    expect(new).to_have_count(1)
    expect(bell).to_have_text("1")


def test_what_the_bell_was_told_before_all_was_read_is_not_told_after_it(relay, window):
    ann, other = Agent(relay), Agent(relay)
    post = ann.post("Counted late")
    reader = window("/health", ann.identity)  # without scripts
    streams = held(reader.page, "**/stream/notifications")
    other.comment(post, "First")
    reader.go("/notifications")
    bell, every = reader.page.locator("#bell-count"), reader.page.get_by_role("button", name="Mark all as read")
    marks = held(reader.page, "**/notifications/read-all", "POST")
    every.click()
    reader.until(lambda: marks and streams)
    answer = marks[0].fetch()
    other.comment(post, "Second")
    marks[0].fulfill(json=answer.json() | {"unread_count": 1})  # it was there as the relay counted
    expect(bell).to_have_text("1")
    told = 'event: unread\ndata: {"unread_count":7}\n\n'
    with reader.page.expect_response("**/notifications/unread"):
        streams[0].fulfill(body=told, content_type="text/event-stream")
    settled(reader.page)
    expect(bell).to_have_text("1")


def test_more_that_is_asked_for_twice_comes_once_and_without_what_is_gone_meanwhile(relay, window):
    ann = Agent(relay)
    posts = [ann.post(f"One of many {number}") for number in range(27)]
    for post in posts:
        ann.call("POST", "/saved", id=post)
    reader = window("/saved", ann.identity, intercept=True)
    more, rows = reader.page.locator("#more"), reader.page.locator("[data-saved-id]")
    expect(rows).to_have_count(25)
    pages = held(reader.page, "**/saved?*")
    more.click()
    more.click()
    reader.until(lambda: pages)
    settled(reader.page)
    pages.let_go()
    expect(more).to_have_count(0)
    assert rows.count() == 27

    pages = held(reader.page, f"**/u/{ann.identity.name}?*")
    heard = listen(reader)
    reader.go(f"/u/{ann.identity.name}")
    reader.await_live()
    more.click()
    reader.until(lambda: pages)
    before = later(pages[0])
    ann.delete(posts[0])
    reader.until(lambda: any('"kind":5,' in message for message in heard))
    before()
    expect(reader.by_id(posts[1])).to_be_visible()
    expect(reader.by_id(posts[0])).to_have_count(0)


def test_how_one_stood_before_joining_says_nothing_after_it(relay, window, ann):
    ann.call("POST", "/groups", id="late-crew", name="Late crew")
    reader = window("/c/late-crew", Agent(relay).identity)
    join = reader.page.locator("#membership button")
    expect(join).to_be_visible()
    asked = held(reader.page, "**/api/v1/groups/late-crew", times=1)
    reader.page.evaluate("dispatchEvent(new Event('who'))")  # as when something more is known of the reader
    reader.until(lambda: asked)
    before = later(asked[0])
    join.click()
    with reader.page.expect_response("**/api/v1/groups/late-crew"):
        expect(join).to_have_text("Leave")
    before()
    settled(reader.page)
    expect(join).to_have_text("Leave")


def test_what_is_saved_while_its_menu_is_opened_again_stays_saved(relay, window, ann):
    post = ann.post("Saved lately")
    reader = window(f"/post/{post}", Agent(relay).identity)
    item = reader.by_id(post)
    saving = held(reader.page, "**/saved", "POST")
    until_true(reader.page, "sessionStorage.getItem('tidings.muted.read')")
    with reader.page.expect_response("**/muted"):
        save = menu(item).locator("[data-save]")
    save.click()
    reader.until(lambda: saving)
    muted = held(reader.page, "**/muted")  # the last that is asked of how one stands to it
    menu(item)
    reader.until(lambda: muted)
    standing = later(muted[0])
    saving[0].continue_()
    expect(reader.page.locator("#toast")).to_contain_text("Saved.")
    standing()
    settled(reader.page)
    expect(save).to_have_text("Remove from saved")


def test_whom_one_muted_before_the_list_came_stays_muted(relay, window, ann):
    post = ann.post("By one who is muted at once")
    reader = window("/docs", Agent(relay).identity)
    lists = held(reader.page, "**/muted", times=1)
    reader.go("/?sort=new")
    item = reader.by_id(post)
    reader.until(lambda: lists)
    before = later(lists[0])
    menu(item).get_by_role("button", name=f"Mute {ann.identity.name}").click()
    expect(reader.page.locator("#toast")).to_contain_text("You muted")
    before()
    settled(reader.page)
    reader.go("/?sort=new")
    expect(item).to_contain_text("is muted.")

    other = Agent(relay)
    post = other.post("By one who is muted as the page is left")
    reader.go("/?sort=new")
    lost = reader.lose_answers("**/mute")
    menu(reader.by_id(post)).get_by_role("button", name=f"Mute {other.identity.name}").click()
    reader.until(lambda: lost)
    expect(reader.page.get_by_text("cannot be reached")).to_be_visible()
    reader.go("/?sort=new")
    expect(reader.by_id(post)).to_contain_text("is muted.")


def test_an_edit_that_is_asked_for_twice_is_one(relay, window, ann):
    post = ann.post("Edited twice", "Once")
    writer = window(f"/post/{post}", ann.identity)
    forms = held(writer.page, f"**/edit/{post}")
    for _ in range(2):
        menu(writer.by_id(post)).get_by_role("button", name="Edit").click()
    writer.until(lambda: len(forms) == 2)
    forms.let_go()
    expect(writer.page.locator("form.edit")).to_be_visible()
    settled(writer.page)
    expect(writer.page.locator("form.edit")).to_have_count(1)


def test_who_types_on_keeps_the_field_when_a_preview_or_a_quote_comes_late(relay, window, ann):
    post = ann.post("Quoted late", "Words to quote")
    comment = ann.comment(post, "A comment to quote")
    writer = window(f"/post/{post}", ann.identity)
    form = writer.page.locator("#answer")
    field = form.locator("textarea")
    field.fill("One")
    expect(button(form, "Discard the draft")).to_be_visible()
    previews = held(writer.page, "**/preview", "POST")
    button(form, "Preview").click()
    writer.until(lambda: previews)
    field.press("End")
    field.type(" two")
    with writer.page.expect_response("**/preview"):
        previews[0].continue_()
    settled(writer.page)
    expect(field).to_be_focused()

    sources = held(writer.page, f"**/comments/{comment}")
    menu(writer.by_id(comment)).get_by_role("button", name="Reply with a quote").click()
    writer.until(lambda: sources)
    field.press("End")
    field.type(" three")
    with writer.page.expect_response(f"**/comments/{comment}"):
        sources[0].continue_()
    settled(writer.page)
    field.type(" four")
    expect(field).to_have_value("One two three four")


def test_a_report_that_is_done_late_closes_no_other(relay, window, ann):
    posts = [ann.post("Reported first"), ann.post("Reported second")]
    reader = window("/?sort=new", Agent(relay).identity)
    reports = held(reader.page, "**/reports", "POST")
    dialog = reader.page.get_by_role("dialog")

    def begin(post: str) -> None:
        menu(reader.by_id(post)).get_by_role("button", name="Report").click()
        dialog.get_by_label("Spam").check()

    begin(posts[0])
    button(dialog, "Report").click()
    reader.until(lambda: reports)
    reader.page.keyboard.press("Escape")
    begin(posts[1])
    dialog.get_by_label("More about it").fill("Half a sentence")
    reports[0].continue_()
    expect(reader.page.locator("#toast")).to_contain_text("Reported.")
    expect(dialog.get_by_label("More about it")).to_have_value("Half a sentence")
    expect(dialog).to_be_visible()


def test_a_list_of_keys_that_was_asked_for_before_does_not_come_back(relay, window):
    ann = Agent(relay)
    for name in ("one", "two"):
        ann.call("POST", "/agents/me/tokens", name=name)
    reader = window("/account", ann.identity)
    rows = reader.page.locator("#token-list li")
    expect(rows).to_have_count(3)
    lists = held(reader.page, "**/agents/me/tokens", times=1)
    button(rows.filter(has_text="one ·"), "Revoke").click()
    reader.until(lambda: lists)
    before = later(lists[0])
    button(rows.filter(has_text="two ·"), "Revoke").click()
    expect(rows).to_have_count(1)
    before()
    settled(reader.page)
    expect(rows).to_have_count(1)


def test_the_colours_that_were_chosen_last_are_those_of_the_next_page(relay, window):
    reader = window("/docs")
    asked = held(reader.page, "**/theme", "POST", times=1)
    button(reader.page.locator("#themes"), "Dark").click()
    reader.until(lambda: asked)
    button(reader.page.locator("#themes"), "Light").click()
    settled(reader.page)
    with reader.page.expect_request(lambda request: "light" in (request.post_data or "")):
        asked[0].continue_()
    reader.go("/docs")
    expect(reader.page.locator("html")).to_have_attribute("data-theme", "light")


def test_the_history_of_a_post_is_alive_from_the_start(relay, window, ann):
    post = ann.post("Proven early", "First")
    ann.call("PATCH", f"/posts/{post}", content="Second")
    reader = window("/docs")
    script = held(reader.page, re.compile(r"/history\.js"))
    reader.page.goto(f"/post/{post}/history", wait_until="commit")
    version = reader.page.locator(".version").first
    expect(reader.page.locator("html.scripted")).to_be_attached()  # what hears of it is there
    button(version, "proof").click()
    version.get_by_text("The whole text of this version").click()
    expect(version.locator(".prose")).to_be_visible()
    reader.until(lambda: script)
    script[0].continue_()
    expect(reader.page.get_by_role("dialog")).to_contain_text("Verified by this browser")


def test_a_vote_counts_more_than_what_was_asked_before_it(relay, window, ann):
    post = ann.post("Voted on late")
    other = Agent(relay)
    other.upvote(post)
    reader = window("/docs", other.identity, intercept=True)
    kept: list[str | bytes] = []
    reader.bend = lambda message: (
        (kept.append(message), '["NOTICE",""]')[1] if re.match(r'\["(EVENT|EOSE)","q', str(message)) else message
    )
    reader.go(f"/post/{post}")
    reader.until(lambda: any('"EOSE","q0"' in str(message) for message in kept))
    down = button(reader.by_id(post), "Downvote this post")
    with reader.page.expect_response("**/downvote"):
        down.click()
    expect(reader.by_id(post).locator(".score")).to_have_text("-1")
    for message in kept:
        if '"q0"' in str(message):
            reader.sockets[-1].send(message)
    settled(reader.page)
    expect(down).to_have_attribute("aria-pressed", "true")


def say(agent: Agent, group: str, text: str) -> str:
    return str(agent.call("POST", f"/groups/{group}/messages", content=text)["message"]["id"])


def test_what_is_deleted_or_edited_while_it_is_drawn_is_shown_as_it_is(relay, window, ann):
    ann.call("POST", "/groups", id="late-drawn", name="Drawn late")
    reader = window("/chat/late-drawn", Agent(relay).identity, intercept=True)
    reader.await_live()
    heard = listen(reader)
    drawn = held(reader.page, "**/chat-pieces", "POST")
    texts = [say(ann, "late-drawn", text) for text in ("Rude words", "Low water at noon")]
    reader.until(lambda: any(texts[1] in message for message in heard))
    reader.until(lambda: drawn)
    ann.call("DELETE", f"/groups/late-drawn/messages/{texts[0]}")
    ann.call("PATCH", f"/groups/late-drawn/messages/{texts[1]}", content="Low water at one")
    reader.until(lambda: all(any(f'"kind":{kind},' in message for message in heard) for kind in (5, 1010)))
    settled(reader.page)
    drawn.let_go()
    expect(reader.page.locator(".message .prose")).to_have_text(["Low water at one"])


def test_what_came_while_a_room_caught_up_stays_and_the_newest_count_too(relay, window, ann):
    mate = Agent(relay)
    ann.call("POST", "/groups", id="late-cabin", name="Late cabin", private=True)
    ann.call("POST", "/groups/late-cabin/members", agent=mate.identity.name)
    first = say(ann, "late-cabin", "Before")
    reader = window("/docs", mate.identity)
    pages: list[Route] = []
    reader.page.route(
        "**/messages?limit=50", lambda route: (pages.append(route), len(pages) == 1 and route.continue_())
    )
    reader.go("/chat/late-cabin")
    reader.until(lambda: len(pages) == 2)  # what was said since the first one was read
    before = later(pages[1])
    say(ann, "late-cabin", "Meanwhile")
    expect(reader.page.locator(".message", has_text="Meanwhile")).to_be_visible()
    before()
    settled(reader.page)
    expect(reader.page.locator(".message .prose")).to_have_text(["Before", "Meanwhile"])

    counts = held(reader.page, f"**/messages/{first}?events=false", times=1)
    ann.call("POST", f"/groups/late-cabin/messages/{first}/reactions", content="+")
    reader.until(lambda: counts)
    one = later(counts[0])
    mate.call("POST", f"/groups/late-cabin/messages/{first}/reactions", content="+")
    chip = reader.page.locator(".message .reaction")
    expect(chip).to_have_text("👍 2")
    one()
    settled(reader.page)
    expect(chip).to_have_text("👍 2")


def test_older_ones_that_do_not_come_are_asked_for_once_and_again_when_somebody_presses(relay, window, ann):
    ann.call("POST", "/groups", id="late-older", name="Late older", private=True)
    for number in range(51):
        say(ann, "late-older", f"number {number}.")
    for number in range(26):
        ann.post(f"Older {number}")
    reader = window("/docs", ann.identity)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, json={"message": "the harbour is closed"})

    for path, link, rows, more in (
        ("/chat/late-older", "#older", ".message", "**/messages?limit=50&cursor=*"),
        (f"/u/{ann.identity.name}", "#more", "li.item", f"**/u/{ann.identity.name}?*"),
    ):
        reader.go(path)
        reader.await_live()
        before = reader.page.locator(rows).count()
        asked.clear()
        reader.page.route(more, refuse)
        reader.page.locator(link).scroll_into_view_if_needed()
        expect(reader.page.locator(link)).to_have_text("That did not work. Try again")
        for _ in range(3):
            settled(reader.page)
        assert len(asked) == 1
        reader.page.unroute(more, refuse)
        reader.page.locator(link).click()
        expect(reader.page.locator(rows)).not_to_have_count(before)
        expect(reader.page.locator(link)).to_be_hidden()


def test_who_joins_before_the_room_has_refused_them_is_let_in(relay, window, ann):
    ann.call("POST", "/groups", id="late-door", name="Late door", private=True)
    say(ann, "late-door", "Come in")
    reader = window("/docs", Agent(relay).identity)
    refused = held(reader.page, "**/groups/late-door/messages?*", times=1)
    reader.go("/chat/late-door?code=sesame")
    join = reader.page.locator("#membership button")
    reader.until(lambda: refused)
    no = later(refused[0])
    with reader.page.expect_response("**/api/v1/groups/late-door"):
        join.click()
    settled(reader.page)
    no()
    expect(reader.page.locator(".message", has_text="Come in")).to_be_visible()


def test_what_was_typed_in_a_room_before_its_drafts_came_is_kept_with_them(relay, window, ann):
    ann.call("POST", "/groups", id="late-words", name="Late words")
    writer = window("/chat/late-words", ann.identity)
    writer.await_live()
    field = writer.page.get_by_label("Your message")
    field.fill("Half a message")
    writer.go("/docs")
    script = held(writer.page, re.compile(r"/drafts\.js"))
    writer.page.goto("/chat/late-words", wait_until="commit")
    field.fill("and more")
    writer.until(lambda: script)
    script.let_go()
    expect(field).to_have_value("Half a message\n\nand more")
    writer.go("/docs")
    writer.go("/chat/late-words")
    expect(field).to_have_value("Half a message\n\nand more")


def test_who_puts_the_sheet_away_before_their_name_has_come_is_told_of_its_key(relay, window):
    reader = window("/docs")
    names = held(reader.page, "**/agents/register", "POST")
    reader.page.locator("#account").click()
    dialog = reader.page.get_by_role("dialog")
    dialog.locator("#join-name").fill("late-heron")
    dialog.locator("#join-name").press("Enter")
    reader.until(lambda: names)
    reader.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    names.let_go()
    expect(reader.page.locator("#account")).to_have_text("late-heron")
    expect(reader.page.locator("[data-later]")).to_be_visible()


def test_a_project_shows_what_was_read_last(relay, window):
    worker = Worker(relay)
    there = worker.project(public=True)
    issue = worker.issue(there, "It leaks")
    address = f"/project/{there}/issue/{issue}"
    reader = window(address)
    comments = reader.page.locator("[data-live=comments]")
    readings = held(reader.page, f"**{address}", times=1)
    worker.call("POST", f"/issues/{issue}/comments", content="Where?")
    reader.until(lambda: readings)
    before = later(readings[0])
    worker.call("POST", f"/issues/{issue}/comments", content="At the bow")
    expect(comments).to_contain_text("At the bow")
    before()
    settled(reader.page)
    expect(comments).to_contain_text("At the bow")


def test_a_script_that_comes_in_another_version_knows_who_reads(relay, window, ann):
    """As when the relay was started anew while a page of it is open."""
    reader = window("/docs", ann.identity)
    expect(reader.page.locator("#account")).to_have_text(ann.identity.name)
    other = "import('/static/me.js?v=0123456789abcdef')"
    assert reader.page.evaluate(f"{other}.then(({{ me }}) => me.token)") == ann.identity.token
    reader.page.evaluate(f"{other}.then(({{ signOut }}) => signOut())")
    assert (
        reader.page.evaluate(other.replace("0123456789abcdef", "fedcba9876543210") + ".then(({ me }) => me.token)")
        == ""
    )
