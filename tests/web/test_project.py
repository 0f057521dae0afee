"""A project on the page: its issues as a list and a board, its repositories; private ones by app token or signing extension."""

import base64
import hashlib
import re
import time
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from playwright.sync_api import expect

from relay.protocol.event import wire
from tests.e2e.harness import HTTP, Server, fresh_key
from tests.factories import Keypair, make_event
from tests.web.reading import button

# A drag that came to nothing, and then something else, from another program perhaps, that is dropped on the board.
DROPPED_LATER = """[
  [".board .issue", "dragstart"], [".board .issue", "dragend"], ["[data-status=open]", "drop"],
].map(([place, name]) => {
  const drag = new DragEvent(name, { bubbles: true, cancelable: true });
  return document.querySelector(place).dispatchEvent(drag);
}).at(-1)"""


class Worker:
    """A user of the control plane, with an app token."""

    def __init__(self, relay: Server) -> None:
        self._base = f"{relay.http}/api/v1"
        self.key: Keypair = fresh_key()
        body = msgspec.json.encode({"name": "work"})
        digest = hashlib.sha256(body).hexdigest()
        tags = [["u", f"{self._base}/tokens"], ["method", "POST"], ["payload", digest]]
        proof = base64.b64encode(wire(make_event(self.key, 27235, "", tags, int(time.time())))).decode()
        headers = {"authorization": f"Nostr {proof}", "content-type": "application/json"}
        made = HTTP.post(f"{self._base}/tokens", content=body, headers=headers)
        assert made.is_success, made.text
        self.token = str(made.json()["api_key"])

    def call(self, method: str, path: str, **body: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}"}
        answer = HTTP.request(method, self._base + path, json=body or None, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def project(self, **fields: Any) -> str:
        return str(
            self.call("POST", "/projects", **{"name": "Tide tables", "issue_prefix": "TIDE", **fields})["project"]["id"]
        )

    def issue(self, project: str, title: str, **fields: Any) -> str:
        return str(self.call("POST", "/issues", project_id=project, title=title, **fields)["issue"]["id"])


@pytest.fixture(scope="module")
def ann(relay: Server) -> Worker:
    return Worker(relay)


def test_a_public_project_is_whole_without_scripts(relay, window, ann):
    there = ann.project(public=True, description="High and low water.")
    ann.issue(there, "It leaks", description="At *high* water.", label_ids=["bug"], priority_id="high")
    done = ann.issue(there, "Paint the mark")
    ann.call("PATCH", f"/issues/{done}", status_id="closed")
    made = ann.call("POST", "/repos", name="tables", url="https://github.com/sea/tables", default_branch="main")
    ann.call("PUT", f"/projects/{there}/repos/{quote(made['repo']['id'], safe='')}")
    reader = window(f"/project/{there}", java_script_enabled=False)
    page = reader.page
    expect(page.get_by_role("heading", level=1)).to_have_text("Tide tables")
    first = page.locator(".issue").filter(has_text="It leaks")
    expect(first).to_contain_text("TIDE-1")
    expect(first).to_contain_text("bug")
    first.locator("summary").click()
    expect(first.locator("em")).to_have_text("high")
    expect(page.locator("main")).to_contain_text("sea")
    expect(page.get_by_role("link", name="tables")).to_have_attribute("href", "https://github.com/sea/tables")
    page.get_by_role("link", name="Closed", exact=True).click()
    expect(page.locator(".issue")).to_have_count(1)
    expect(page.locator(".issue")).to_contain_text("Paint the mark")
    page.get_by_role("link", name="Board").click()
    columns = page.locator(".board section")
    expect(columns).to_have_count(4)
    expect(columns.filter(has=page.get_by_role("heading", name="Open"))).to_contain_text("It leaks")
    expect(columns.filter(has=page.get_by_role("heading", name="Closed"))).to_contain_text("Paint the mark")


def test_who_is_no_member_of_a_public_project_is_offered_to_change_own_issues_only(relay, ann):
    there, ben = ann.project(public=True), Worker(relay)
    hers, his = ann.issue(there, "It leaks"), ben.issue(there, "It drips")
    for who, changed in ((ann, {hers, his}), (ben, {his}), (Worker(relay), set())):
        headers = {"accept": "text/html", "authorization": f"Bearer {who.token}"}
        board = HTTP.get(f"{relay.http}/project/{there}?view=board", headers=headers).text
        assert {one for one in (hers, his) if f'data-key="up-{one}"' in board} == changed
        assert board.count("draggable=true") == len(changed)
        for one in (hers, his):
            page = HTTP.get(f"{relay.http}/project/{there}/issue/{one}", headers=headers).text
            assert ("Change it" in page, "Say it" in page, "New issue" in board) == (one in changed, True, True)


def test_a_private_project_looks_as_one_that_is_not_here(relay, ann):
    there = ann.project(name="Smugglers")
    ann.issue(there, "Hide the barrels")
    headers = {"accept": "text/html"}
    private, none = (HTTP.get(f"{relay.http}/project/{each}", headers=headers) for each in (there, "0" * 32))
    assert private.status_code == none.status_code == 404
    private_page, no_page = (re.sub(r'data-now="\d+"', "", answer.text) for answer in (private, none))
    assert private_page.replace(there, "0" * 32) == no_page
    opened = HTTP.get(f"{relay.http}/project/{there}", headers={**headers, "authorization": f"Bearer {ann.token}"})
    assert "Hide the barrels" in opened.text
    assert "no-store" in opened.headers["cache-control"]
    stranger = HTTP.get(
        f"{relay.http}/project/{there}", headers={**headers, "authorization": f"Bearer {Worker(relay).token}"}
    )
    assert stranger.status_code == 404
    assert "Smugglers" not in stranger.text


def test_an_app_token_opens_a_private_project_for_this_tab(relay, window, ann):
    there = ann.project(name="Inner harbour")
    ann.issue(there, "Dredge it")
    reader = window(f"/project/{there}")
    page = reader.page
    expect(page.get_by_role("heading", level=1)).to_have_text("A project")
    page.get_by_label("App token").fill("tda_" + "0" * 64)
    button(page.locator("#open"), "Open").click()
    expect(page.locator("#open .trouble")).to_contain_text("no app token")
    page.get_by_label("App token").fill(ann.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Inner harbour")
    expect(page.locator(".issue")).to_contain_text("Dredge it")
    page.get_by_role("link", name="Board").click()
    expect(page.locator(".board .issue")).to_contain_text("Dredge it")
    expect(page).to_have_url(f"{relay.http}/project/{there}?view=board")
    page.reload()
    expect(page.locator(".board .issue")).to_contain_text("Dredge it")
    page.get_by_role("link", name="All", exact=True).click()
    expect(page).to_have_url(f"{relay.http}/project/{there}?status=all")
    page.go_back()
    expect(page.locator(".board .issue")).to_contain_text("Dredge it")


def test_what_was_read_anew_of_another_view_is_not_put_in_its_place(relay, window, ann):
    there = ann.project(name="Upper harbour")
    page = window(f"/project/{there}").page
    page.get_by_label("App token").fill(ann.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Upper harbour")
    held = []
    page.route(f"{relay.http}/project/{there}", lambda route: held.append(route))  # noqa: PLW0108, its signature is looked at
    with page.expect_request(f"{relay.http}/project/{there}"):
        ann.issue(there, "Dredge it")
    page.get_by_role("link", name="Board").click()
    expect(page).to_have_url(f"{relay.http}/project/{there}?view=board")
    with page.expect_response(lambda response: response.url.endswith("?view=board")):
        for route in held:
            route.continue_()
    expect(page.locator(".board .issue")).to_contain_text("Dredge it")


def test_a_signing_extension_opens_a_private_project(relay, window, ann):
    there = ann.project(name="Outer harbour")
    page = window(f"/project/{there}", key=ann.key).page
    button(page.locator("#open"), "Use my Nostr extension").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Outer harbour")
    page.get_by_role("link", name="Board").click()
    expect(page.locator(".board section")).to_have_count(4)


def test_texts_of_strangers_are_text_and_fit_a_narrow_phone(relay, window, ann):
    hostile = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    long = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
    there = ann.project(public=True, name=long, description=hostile)
    ann.issue(there, hostile, description=hostile, label_ids=[hostile[:40]])
    ann.issue(there, long, label_ids=[long[:40]])
    phone = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
    reader = window(**phone)
    page = reader.page
    for path in ("", "?view=board"):
        reader.go(f"/project/{there}{path}")
        expect(page.locator("main")).to_contain_text("<script>window.pwned=1</script>")
        assert page.evaluate("window.pwned") is None
        assert page.locator("main img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path


def move(page, name: str, where: str) -> None:
    """Press a button of an issue on the board, with the keyboard."""
    control = page.get_by_role("button", name=f"Move {name} {where}", exact=True)
    control.focus()
    page.keyboard.press("Enter")


def in_column(page, title: str):
    return page.locator(".board section").filter(has=page.get_by_role("heading", name=title)).locator(".issue .what")


def test_a_picture_that_was_opened_in_an_issue_stays_while_others_write(relay, window, ann):
    there = ann.project(public=True)
    issue = ann.issue(there, "It leaks", description="![The hull](https://pictures.example/hull.png)")
    page = window(f"/project/{there}/issue/{issue}").page
    page.context.route("**/picture?**", lambda route: route.abort())
    page.locator("a.picture").click()
    frame = page.locator("iframe.picture-frame")
    ann.call("POST", f"/issues/{issue}/comments", content="Where?")
    expect(page.locator("[data-live=comments]")).to_contain_text("Where?")
    expect(frame).to_be_visible()
    ann.call("PATCH", f"/issues/{issue}", description="It is mended")
    expect(page.locator("article .prose")).to_have_text("It is mended")
    expect(frame).to_have_count(0)


def test_the_keyboard_and_what_is_selected_stay_while_others_write(relay, window, ann):
    there = ann.project(public=True)
    issue = ann.issue(there, "It leaks", description="Words and [a link](https://example.org)")
    page = window(f"/project/{there}/issue/{issue}").page
    page.locator("article .prose a").focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('article .prose'))")
    ann.call("POST", f"/issues/{issue}/comments", content="Where?")
    expect(page.locator("[data-live=comments]")).to_contain_text("Where?")
    expect(page.locator("article .prose a")).to_be_focused()
    assert page.evaluate("String(getSelection())") == "Words and a link"

    page.goto(f"/project/{there}?view=board")
    opened = page.locator(f'.issue[data-id="{issue}"]')
    opened.locator("summary").click()
    opened.get_by_role("link", name="Comments").focus()
    ann.issue(there, "Another one")
    ann.call("PATCH", f"/issues/{issue}", status_id="closed")
    expect(in_column(page, "Closed")).to_have_text("It leaks")
    expect(page.locator(".board")).to_contain_text("Another one")
    expect(opened.get_by_role("link", name="Comments")).to_be_focused()
    expect(opened.locator("em, .prose")).to_be_visible()


@pytest.mark.parametrize("public", [False, True])
def test_issues_are_written_changed_commented_on_and_moved_before_everybody_s_eyes(relay, window, ann, public):
    there = ann.project(public=public, name="Live harbour")
    ben = Worker(relay)
    ben.call("GET", "/users/me")
    who = ben.call("POST", "/projects", name="His own")["project"]["user_id"]
    ann.call("POST", f"/projects/{there}/members", user_id=who)
    ann.issue(there, "Dredge it")
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    other = window(f"/project/{there}?view=board", **({} if public else {"key": ben.key}), **phone).page
    if not public:
        button(other.locator("#open"), "Use my Nostr extension").click()
    expect(in_column(other, "Open")).to_have_text(["Dredge it"])
    expect(other.locator(".tabs").get_by_role("link", name="Board")).to_be_in_viewport(ratio=1)
    page = window(f"/project/{there}").page
    if public:
        page.get_by_text("Sign in to write here").click()
    page.get_by_label("App token").fill(ann.token)
    page.keyboard.press("Enter")
    page.get_by_text("New issue").click()
    page.get_by_label("Title").fill("It leaks")
    page.get_by_label("Description").fill("At *high* water.")
    page.get_by_label("Labels").fill("bug, keel, bug")
    page.get_by_label("Priority").select_option("high")
    page.get_by_role("button", name="Write it").click()
    expect(page.locator(".issue").filter(has_text="It leaks")).to_contain_text("keel")
    expect(in_column(other, "Open")).to_have_text(["Dredge it", "It leaks"])

    page.get_by_role("link", name="Board").click()
    move(page, "TIDE-2", "up")
    expect(in_column(page, "Open")).to_have_text(["It leaks", "Dredge it"])
    expect(in_column(other, "Open")).to_have_text(["It leaks", "Dredge it"])
    expect(page.get_by_role("button", name="Move TIDE-2 up", exact=True)).to_be_focused()
    move(page, "TIDE-1", "to the column after")
    expect(in_column(page, "Draft")).to_have_text(["Dredge it"])
    expect(in_column(other, "Draft")).to_have_text(["Dredge it"])
    page.locator(".board .issue").filter(has_text="Dredge it").drag_to(page.locator("[data-status=closed]"))
    expect(in_column(page, "Closed")).to_have_text(["Dredge it"])
    assert page.evaluate(DROPPED_LATER)  # nothing came of it
    assert other.evaluate("document.documentElement.scrollWidth") <= 390

    other.locator(".issue").filter(has_text="It leaks").get_by_role("link", name="Comments").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("It leaks")
    page.locator(".issue").filter(has_text="It leaks").get_by_role("link", name="Comments").click()
    page.get_by_text("Change it").click()
    page.get_by_label("Status").select_option("resolved")
    ann.call("POST", f"/issues/{page.locator('#project').get_attribute('data-issue')}/comments", content="An *aside*")
    expect(page.locator("[data-live=comments] em")).to_have_text("aside")
    expect(page.get_by_label("Status")).to_have_value("resolved")  # what is begun stays while others write
    page.get_by_label("Assigned to").select_option(who)
    page.get_by_label("Labels").fill("hull")
    page.get_by_role("button", name="Save").click()
    for shown in (page, other):
        expect(shown.locator("article .meta")).to_contain_text("resolved")
        expect(shown.locator("article .meta")).to_contain_text("hull")
        expect(shown.locator("article .meta")).to_contain_text("assigned")
    page.get_by_label("Your comment").fill("The pump *works* again.")
    page.get_by_role("button", name="Say it").click()
    for shown in (page, other):
        expect(shown.locator("[data-live=comments] em").filter(has_text="works")).to_be_visible()
    if not public:
        other.get_by_label("Your comment").fill("So it does.")
        other.get_by_role("button", name="Say it").tap()
        expect(page.locator("[data-live=comments] li")).to_have_count(3)


def test_what_was_begun_in_a_project_is_there_again_in_this_tab(relay, window, ann):
    there = ann.project()
    issue = ann.issue(there, "It leaks")
    page = window(f"/project/{there}/issue/{issue}").page
    page.get_by_label("App token").fill(ann.token)
    page.get_by_role("button", name="Open").click()
    comment = page.get_by_label("Your comment")
    comment.fill("Half a comment")
    page.get_by_text("Change it").click()
    page.get_by_label("Priority").select_option("high")
    page.get_by_role("link", name="All issues").click()
    expect(page.get_by_text("New issue")).to_be_visible()
    page.go_back()
    expect(comment).to_have_value("Half a comment")
    page.reload()
    expect(comment).to_have_value("Half a comment")
    expect(page.get_by_label("Priority")).to_have_value("high")
    page.get_by_role("button", name="Say it").click()
    expect(page.locator("[data-live=comments]")).to_contain_text("Half a comment")
    page.reload()
    expect(page.locator("[data-live=comments]")).to_contain_text("Half a comment")
    expect(comment).to_have_value("")
