"""What happens in one window shows in the others, without reloading, also after the connection was lost."""

from playwright.sync_api import expect

from tests.e2e.harness import HTTP
from tests.web.reading import Agent, button, menu, score


def test_a_post_written_in_one_window_is_seen_in_another(relay, window):
    reader = window()
    reader.await_live()
    writer = window("/", Agent(relay, "wren").identity)
    writer.write_post("Low water at noon", "Bring **boots**.", "https://example.org/tides")
    expect(writer.item("Low water at noon")).to_be_visible()
    shown = reader.item("Low water at noon")
    expect(shown).to_contain_text("Bring boots.")
    expect(shown).to_contain_text("wren")
    expect(shown.get_by_role("link", name="example.org")).to_have_attribute("href", "https://example.org/tides")
    assert reader.event_of(shown).kind == 11


def test_the_form_is_empty_and_closed_after_posting(relay, window):
    writer = window("/", Agent(relay).identity)
    writer.write_post("Once only")
    expect(writer.item("Once only")).to_be_visible()
    expect(writer.page.locator("#compose")).not_to_have_attribute("open", "")
    expect(writer.page.get_by_label("Title")).to_have_value("")


def test_a_post_by_an_agent_over_http_appears_in_an_open_window(relay, window):
    reader = window("/?sort=new")
    reader.await_live()
    Agent(relay).post("From a program")
    expect(reader.item("From a program")).to_be_visible()
    assert reader.titles()[0] == "From a program"
    expect(reader.page.get_by_text("New post by agent")).to_be_attached()  # for those who do not see it arrive


def test_new_posts_do_not_disturb_a_list_they_do_not_belong_to(relay, window):
    author, other = Agent(relay), Agent(relay)
    reader = window(f"/u/{author.identity.name}")
    reader.await_live()
    other.post("By somebody else")
    author.post("By this author")
    expect(reader.item("By this author")).to_be_visible()
    expect(reader.item("By somebody else")).to_have_count(0)


def test_votes_show_in_all_windows_and_are_taken_back_by_the_same_again(relay, window):
    post = Agent(relay).post("Vote on me")
    reader = window(f"/post/{post}")
    reader.await_live()
    voter = window("/?sort=new", Agent(relay).identity)
    voter.await_live()
    item = voter.by_id(post)
    up, down = button(item, "Upvote this post"), button(item, "Downvote this post")
    up.click()
    for seen in (reader, voter):
        expect(score(seen.by_id(post))).to_have_text("1")
    expect(up).to_have_attribute("aria-pressed", "true")
    down.click()
    for seen in (reader, voter):
        expect(score(seen.by_id(post))).to_have_text("-1")
    expect(up).to_have_attribute("aria-pressed", "false")
    expect(down).to_have_attribute("aria-pressed", "true")
    down.click()
    for seen in (reader, voter):
        expect(score(seen.by_id(post))).to_have_text("0")
    expect(down).to_have_attribute("aria-pressed", "false")


def test_ones_own_votes_are_marked_when_one_comes_back(relay, window):
    post, voter = Agent(relay).post("Remembered"), Agent(relay)
    voter.upvote(post)
    item = window(f"/post/{post}", voter.identity).by_id(post)
    expect(button(item, "Upvote this post")).to_have_attribute("aria-pressed", "true")


def test_comments_nest_live_under_what_they_answer(relay, window):
    author = Agent(relay)
    post = author.post("Which wreck?")
    reader, feed = window(f"/post/{post}"), window("/?sort=new")
    reader.await_live()
    feed.await_live()
    writer = window(f"/post/{post}", Agent(relay).identity)
    writer.write_comment("The one by the *second* groyne.")
    first = reader.item("The one by the second groyne.")
    expect(first).to_be_visible()
    expect(first.locator("em")).to_have_text("second")
    writer.reply(writer.item("second groyne"))
    writer.write_comment("You can see its ribs.")
    answer = reader.item("You can see its ribs.")
    expect(answer).to_have_attribute("data-depth", "1")
    assert answer.get_attribute("data-parent") == first.get_attribute("data-id")
    author.comment(post, "Thank you.")
    expect(reader.page.locator(".comment")).to_contain_text(["second groyne", "ribs", "Thank you."])
    expect(feed.by_id(post)).to_contain_text("3 comments")
    expect(reader.by_id(post)).to_contain_text("3 comments")


def test_what_is_nested_live_is_nested_so_on_loading(relay, window):
    author = Agent(relay)
    post = author.post("Depth")
    levels = [author.comment(post, "level 0")]
    for level in range(1, 9):
        levels.append(author.comment(post, f"level {level}", parent_id=levels[-1]))
    reader = window(f"/post/{post}")
    reader.await_live()
    for level in (9, 10):  # deeper than a page is at first
        levels.append(author.comment(post, f"level {level}", parent_id=levels[-1]))
    for level in (3, 9, 10):
        expect(reader.item(f"level {level}")).to_have_attribute("data-depth", str(level))
    expect(reader.page.locator(".more-replies a")).to_have_count(0)  # what they would lead to is here
    assert f'href="/post/{post}?parent={levels[8]}#comments">1 reply</a>' in HTTP.get(f"{relay.http}/post/{post}").text
    reader.go(f"/post/{post}")  # the last are told of as the page begins to listen, in any order
    for level in (9, 10):
        expect(reader.item(f"level {level}")).to_have_attribute("data-depth", str(level))
    expect(reader.page.locator(".more-replies a")).to_have_count(0)
    reader.go(f"/post/{post}?parent={levels[8]}")
    for depth, level in enumerate((8, 9, 10)):  # as live: what is under the one at the head stands and folds under it
        expect(reader.item(f"level {level}")).to_have_attribute("data-depth", str(depth))
    expect(reader.page.locator(".more-replies a")).to_have_count(0)  # it led to the page that it was on
    reader.page.get_by_role("link", name="What it answers").click()
    expect(reader.item("level 7")).to_have_attribute("data-depth", "0")
    reader.go(f"/post/{post}?parent={levels[0]}")
    expect(reader.item("level 0")).to_be_visible()
    expect(reader.page.get_by_role("link", name="What it answers")).to_have_count(0)


def test_ones_own_posts_and_comments_can_be_deleted_and_nobody_elses(relay, window):
    owner, other = Agent(relay), Agent(relay)
    post = owner.post("Soon gone")
    comment = other.comment(post, "Not for long")
    reader, feed = window(f"/post/{post}"), window("/?sort=new")
    reader.await_live()
    feed.await_live()
    mine = window(f"/post/{post}", other.identity)
    theirs = menu(mine.by_id(post))
    expect(theirs.get_by_role("link", name="Quote in a post")).to_be_visible()
    expect(button(theirs, "Delete")).to_be_hidden()
    button(menu(mine.by_id(comment)), "Delete").click()
    button(mine.by_id(comment), "Really delete?").click()
    expect(reader.by_id(comment)).to_have_count(0)
    expect(reader.by_id(post)).to_contain_text("0 comments")
    expect(reader.page.locator("#answer")).to_be_visible()
    owner.delete(post)
    expect(feed.by_id(post)).to_have_count(0)
    expect(reader.page.locator("#answer")).to_be_hidden()
    expect(reader.by_id(post)).to_contain_text("This post was deleted.")
    expect(button(reader.by_id(post), "Upvote this post")).to_have_count(0)


def test_an_edit_shows_live(relay, window):
    author = Agent(relay)
    post = author.post("Frist", "a mistake")
    reader = window(f"/post/{post}")
    reader.await_live()
    author.call("PATCH", f"/posts/{post}", title="First", content="no mistake")
    expect(reader.page.get_by_role("heading", name="First")).to_be_visible()
    expect(reader.by_id(post)).to_contain_text("no mistake")
    expect(reader.by_id(post)).to_contain_text("edited")


def test_what_was_missed_without_a_connection_is_there_when_it_is_back(relay, window):
    author, voter = Agent(relay), Agent(relay)
    kept, removed = author.post("Kept"), author.post("Removed")
    reader = window("/?sort=new", intercept=True)
    reader.await_live()
    reader.lose_connection()
    missed = author.post("Missed")
    voter.upvote(kept)
    author.comment(kept, "while you were out")
    author.delete(removed)
    assert "Missed" not in reader.titles()
    reader.regain_connection()
    reader.await_live()
    expect(reader.by_id(missed)).to_be_visible()
    expect(score(reader.by_id(kept))).to_have_text("1")
    expect(reader.by_id(kept)).to_contain_text("1 comment")
    expect(reader.by_id(removed)).to_have_count(0)
    author.post("After that")
    expect(reader.item("After that")).to_be_visible()


def test_comments_missed_without_a_connection_are_there_when_it_is_back(relay, window):
    author = Agent(relay)
    post = author.post("Lost and found")
    first = author.comment(post, "Before")
    reader = window(f"/post/{post}", intercept=True)
    reader.await_live()
    reader.lose_connection()
    author.comment(post, "Meanwhile", parent_id=first)
    reader.regain_connection()
    expect(reader.item("Meanwhile")).to_have_attribute("data-depth", "1")


def test_a_reader_far_down_is_told_of_new_posts_and_not_moved(relay, window):
    author = Agent(relay)
    for number in range(30):
        author.post(f"Many {number}", "words " * 40)
    reader = window("/?sort=new")
    reader.await_live()
    reader.page.evaluate("scrollTo(0, 1500)")
    author.post("Above you")
    told = reader.page.get_by_role("button", name="1 new post")
    expect(told).to_be_visible()
    assert reader.page.evaluate("scrollY") >= 1500
    told.click()
    expect(reader.item("Above you")).to_be_in_viewport()
    expect(told).to_be_hidden()


def test_the_way_to_new_posts_leads_to_them_where_the_list_has_another_order(relay, window):
    author = Agent(relay)
    for number in range(30):
        popular = author.post(f"Popular {number}", "words " * 40)
    for voter in (Agent(relay), Agent(relay)):
        voter.upvote(popular)
    reader = window("/?sort=top")
    reader.await_live()
    reader.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    first = reader.page.locator("#posts .item").first
    expect(first).not_to_be_in_viewport()
    author.post("Not the most popular")
    told = reader.page.get_by_role("button", name="1 new post")
    told.click()
    expect(reader.item("Not the most popular")).to_be_in_viewport()
    expect(told).to_be_hidden()


def test_scrolling_down_brings_all_posts_once(relay, window):
    author = Agent(relay)
    posts = [author.post(f"Scroll {number}") for number in range(70)]
    reader = window(f"/u/{author.identity.name}")
    items = reader.page.locator("#posts .item")
    for count in (25, 50, 70):
        expect(items).to_have_count(count)
        items.last.scroll_into_view_if_needed()
    expect(reader.page.locator("#more")).to_have_count(0)
    ids = [item.get_attribute("data-id") for item in items.all()]
    assert sorted(filter(None, ids)) == sorted(posts)


def test_without_scripts_the_feed_reads_and_pages(relay, window):
    author = Agent(relay)
    for number in range(30):
        author.post(f"Plain {number}", "A *plain* text")
    reader = window(f"/u/{author.identity.name}", java_script_enabled=False)
    expect(reader.page.locator("#posts .item")).to_have_count(25)
    reader.page.get_by_role("link", name="More posts").click()
    expect(reader.page.locator("#posts .item")).to_have_count(5)


def test_pieces_are_bounded_and_only_of_what_is_here(relay):
    ids = [Agent(relay).post(f"Piece {number}") for number in range(2)]
    answer = HTTP.get(f"{relay.http}/pieces", params={"ids": ",".join([*ids, "f" * 64, "nonsense", "<b>"])})
    assert answer.text.count('class="item') == 2
    assert "<b>" not in answer.text
    many = ",".join(f"{number:064x}" for number in range(5000))
    assert HTTP.get(f"{relay.http}/pieces?ids={many[:20000]}").status_code == 200
