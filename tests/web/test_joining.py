"""Signing up and in where it is needed: an action without a name opens a small sheet, and goes through when there is one."""

import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.harness import HTTP, Server, fresh_key
from tests.e2e.node import JS, packages
from tests.web.reading import Agent, Reader, button, score


def sheet(reader: Reader) -> Locator:
    """The sheet, once it is open."""
    place = reader.page.get_by_role("dialog")
    expect(place).to_be_visible()
    return place


def choose(reader: Reader, name: str) -> None:
    sheet(reader).get_by_label("Choose a name").fill(name)
    reader.page.keyboard.press("Enter")


def upvote(reader: Reader, post: str) -> None:
    button(reader.by_id(post), "Upvote this post").click()


def test_a_vote_asks_for_a_name_and_then_goes_through(relay, window):
    post = Agent(relay).post("Votes wanted")
    visitor, other = window(f"/post/{post}"), window(f"/post/{post}")
    other.await_live()
    upvote(visitor, post)
    expect(sheet(visitor).get_by_label("Choose a name")).to_be_focused()
    expect(score(visitor.by_id(post))).to_have_text("0")
    choose(visitor, "general")
    expect(sheet(visitor).locator("[data-join=register] .trouble")).to_contain_text("reserved")
    choose(visitor, "voter")
    expect(score(other.by_id(post))).to_have_text("1")
    expect(button(visitor.by_id(post), "Upvote this post")).to_have_attribute("aria-pressed", "true")
    expect(visitor.page.locator("#account")).to_have_text("voter")
    token = visitor.copied(visitor.page.get_by_role("button", name="Copy the key"))
    expect(visitor.page.locator(".welcome")).to_have_count(0)
    assert HTTP.get(f"{relay.http}/api/v1/me", headers={"authorization": f"Bearer {token}"}).json()["name"] == "voter"


def test_who_took_a_name_to_write_a_post_is_told_as_whom_they_write(relay, window):
    visitor = window("/write")
    choose(visitor, "whoever-writes")
    expect(visitor.page.locator("#write .as")).to_have_text("as whoever-writes")


def test_putting_the_sheet_away_leaves_everything_as_it_was(relay, window):
    post = Agent(relay).post("Not voted on")
    visitor = window(f"/post/{post}")
    upvote(visitor, post)
    sheet(visitor)
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    expect(score(visitor.by_id(post))).to_have_text("0")
    expect(button(visitor.by_id(post), "Upvote this post")).to_be_focused()
    assert visitor.page.evaluate("localStorage.getItem('tidings.account')") is None


def test_a_comment_waits_for_an_api_key_that_one_has(relay, window):
    post, agent = Agent(relay).post("Talk to me"), Agent(relay)
    visitor = window(f"/post/{post}")
    visitor.write_comment("I was here before")
    place = sheet(visitor)
    place.get_by_text("I have a name here already").click()
    place.get_by_label("Its API key").fill("tdi_" + "0" * 64)
    place.get_by_role("button", name="Use it in this browser").click()
    expect(place.locator("[data-join=enter] .trouble")).to_contain_text("unknown")
    place.get_by_label("Its API key").fill(agent.identity.token)
    place.get_by_role("button", name="Use it in this browser").click()
    expect(visitor.item("I was here before")).to_contain_text(agent.identity.name)


def test_the_key_of_an_extension_gets_a_name_and_signs_the_vote(relay, window):
    post, key = Agent(relay).post("Extensions welcome"), fresh_key()
    visitor, other = window(f"/post/{post}", key=key), window(f"/post/{post}")
    other.await_live()
    upvote(visitor, post)
    expect(sheet(visitor)).to_contain_text("Your key needs a name here")
    choose(visitor, "by-extension")
    expect(score(other.by_id(post))).to_have_text("1")
    votes = HTTP.get(f"{relay.http}/api/v1/agents/by-extension").json()
    assert votes["pubkey"] == key.pubkey
    # On another computer, the extension alone brings the name back.
    again = window("/", key=key)
    again.page.get_by_role("link", name="Sign in").click()
    sheet(again).get_by_text("I have a Nostr key in a browser extension").click()
    sheet(again).get_by_role("button", name="Use my extension").click()
    expect(again.page.locator("#account")).to_have_text("by-extension")
    again.await_live()  # what was to be signed for that is signed


class Signer:
    """A remote signer in a process of its own."""

    def __init__(self, node: str, relay: Server) -> None:
        self.key = fresh_key()
        command = [node, "signer.mjs", relay.url, self.key.secret.hex()]
        self.process = subprocess.Popen(command, cwd=JS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.link = self._line()

    def tell(self, words: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        assert self._line() == "done"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def signer(relay: Server) -> Iterator[Signer]:
    made = Signer(packages(), relay)
    yield made
    made.end()


def test_a_remote_signer_answers_the_link_of_the_sheet_and_signs(relay, window, signer):
    post = Agent(relay).post("Signed from afar")
    visitor, other = window(f"/post/{post}"), window(f"/post/{post}")
    other.await_live()
    upvote(visitor, post)
    sheet(visitor).get_by_text("I have a Nostr key in an app elsewhere").click()
    link = sheet(visitor).locator("#join-link")
    expect(link).to_contain_text("nostrconnect://")
    signer.tell(link.inner_text())
    expect(sheet(visitor).get_by_text("Your own key signs what you write")).to_be_visible()
    choose(visitor, "from-afar")
    expect(score(other.by_id(post))).to_have_text("1")
    visitor.go("/?sort=new")  # the channel is found again by another page
    visitor.write_post("Written from afar")
    assert visitor.event_of(visitor.item("Written from afar")).pubkey == signer.key.pubkey
    signer.tell("refuse")
    button(visitor.by_id(post), "Upvote this post").click()
    expect(visitor.by_id(post).get_by_role("alert")).to_contain_text("Your signer says")
    expect(score(visitor.by_id(post))).to_have_text("1")


def test_no_link_is_shown_that_a_signer_would_answer_in_vain(relay, window):
    visitor = window("/account", intercept=True)
    visitor.cut = True
    visitor.page.get_by_text("I have a Nostr key in an app elsewhere").click()
    expect(visitor.page.locator("[data-join=remote] .trouble")).to_contain_text("The connection was lost")
    expect(visitor.page.locator("#join-link")).to_have_text("…")


def test_the_link_that_a_signer_made_must_name_this_relay(relay, window, signer):
    visitor = window("/account")
    visitor.page.get_by_text("I have a Nostr key in an app elsewhere").click()
    field = visitor.page.get_by_label("Or paste the link")
    use = visitor.page.get_by_role("button", name="Use this signer")
    trouble = visitor.page.locator("[data-join=remote] .trouble")
    for wrong, told in (
        ("bunker://nonsense", "no link of a remote signer"),
        (re.sub("relay=.*", "relay=wss%3A%2F%2Felsewhere.example", signer.link), "wss://elsewhere.example"),
    ):
        field.fill(wrong)
        use.click()
        expect(trouble).to_contain_text(told)
    field.fill(signer.link)
    use.click()
    expect(visitor.page.get_by_text("Your own key signs what you write")).to_be_visible()
    visitor.page.get_by_label("Choose a name").fill("by-bunker")
    visitor.page.get_by_role("button", name="Begin").click()
    expect(visitor.page.locator("#signs")).to_have_text("Your remote signer signs what you write here.")


def test_a_remote_signer_takes_over_from_the_key_that_is_kept_here(relay, window, signer):
    agent = Agent(relay)
    owner = window("/account", agent.identity)
    page = owner.page
    page.get_by_role("button", name="Bind a remote signer").click()
    link = page.get_by_role("dialog", name="Bind a remote signer").locator("pre")
    expect(link).to_contain_text("nostrconnect://")
    signer.tell(link.inner_text())
    expect(page.locator("#signs")).to_have_text("Your remote signer signs what you write here.")
    page.locator("#key-list").get_by_role("button", name="Give up").click()
    dialog = page.get_by_role("dialog", name="Give this key up")
    expect(dialog.locator(".warn")).to_have_count(0)  # another key signs already
    dialog.get_by_role("button", name="Retire it").click()
    expect(page.locator("#key-list")).to_contain_text("it signs deletions only")
    owner.go("/?sort=new")
    owner.write_post("After the kept key")
    assert owner.event_of(owner.item("After the kept key")).pubkey == signer.key.pubkey


def test_who_presses_twice_before_the_sheet_is_there_is_asked_once(relay, window):
    post = Agent(relay).post("Pressed twice")
    reader, held = window(f"/post/{post}"), []
    reader.await_live()
    reader.page.route("**/sheet", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    vote = reader.by_id(post).locator("[data-vote=up]")
    vote.dispatch_event("click")
    reader.until(lambda: held)
    vote.dispatch_event("click")
    reader.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert len(held) == 1
    held[0].continue_()
    expect(reader.page.get_by_label("Choose a name")).to_be_visible()
