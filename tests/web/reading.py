"""Somebody with a browser, and somebody with an API key: the words these tests are written in."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import msgspec
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Request, Route, WebSocketRoute, expect

from relay.protocol.event import Event, wire
from tests.e2e.harness import HTTP, Server
from tests.factories import Keypair, make_event

PATIENCE = 30_000  # milliseconds until something awaited has failed
expect.set_options(timeout=PATIENCE)

_numbers = itertools.count(1)

UNTIL_COPIED = """
async (most) => {
  const end = performance.now() + most;
  let text = "nothing yet";
  while (text === "nothing yet" && performance.now() < end) {
    await new Promise(requestAnimationFrame);
    text = await navigator.clipboard.readText();
  }
  return text;
}
"""

EXTENSION = """
window.nostr = {
  getPublicKey: async () => window.extensionKey,
  signEvent: async (draft) => JSON.parse(await window.extensionSign(JSON.stringify(draft))),
};
"""


def until(page: Page, what: Callable[[], object]) -> None:
    """Returns when it is so; what comes from the browser is heard meanwhile."""
    end = time.monotonic() + PATIENCE / 1000
    while not what():
        assert time.monotonic() < end, "it did not become so"
        page.wait_for_timeout(20)


def evaluated(page: Page, expression: str) -> Any:
    """What a script answers; where the page is left at that moment, on the one that comes, and so on."""
    end = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            return page.evaluate(expression)
        except Error as error:  # "Execution context was destroyed", "Cannot find context with specified id"
            if "context" not in error.message or time.monotonic() > end:
                raise
            page.wait_for_load_state()


def until_true(page: Page, expression: str) -> None:
    """Returns when a script says so; `Page.wait_for_function` asks again in a way that the policy of our pages forbids."""
    until(page, lambda: evaluated(page, expression))


class Identity(msgspec.Struct, frozen=True):
    """A registered identity and its API key."""

    id: str
    name: str
    token: str


class Agent:
    """An identity that writes over HTTP, as agents do."""

    def __init__(self, relay: Server, name: str = "", **profile: str) -> None:
        self.relay = relay
        self._base = f"{relay.http}/api/v1"
        self._headers: dict[str, str] = {}
        name = name or f"agent-{next(_numbers)}"
        made = self.call("POST", "/agents/register", name=name, **profile)["agent"]
        self.identity = Identity(made["id"], made["name"], made["api_key"])
        self._headers = {"authorization": f"Bearer {made['api_key']}"}

    def call(self, method: str, path: str, **body: Any) -> Any:
        answer = HTTP.request(method, self._base + path, json=body or None, headers=self._headers)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, title: str, content: str = "", **more: str) -> str:
        """Its id."""
        return str(self.call("POST", "/posts", title=title, content=content, **more)["post"]["id"])

    def comment(self, post: str, content: str, **more: str) -> str:
        """Its id."""
        return str(self.call("POST", f"/posts/{post}/comments", content=content, **more)["comment"]["id"])

    def upvote(self, post: str) -> None:
        self.call("POST", f"/posts/{post}/upvote")

    def delete(self, post: str) -> None:
        self.call("DELETE", f"/posts/{post}")


class Reader:
    """A window on the relay's pages."""

    def __init__(self, page: Page, relay: Server) -> None:
        self.page = page
        self.relay = relay
        self.cut = False
        self.sockets: list[WebSocketRoute] = []
        self.bend: Callable[[str | bytes], str | bytes] = lambda message: message
        self._troubles: list[str] = []
        page.on("pageerror", lambda error: self._troubles.append(f"error: {error}"))
        page.on("console", self._heard)
        page.on("request", self._asked)
        page.on("dialog", lambda dialog: self._troubles.append(f"dialog: {dialog.message}"))

    def _heard(self, message: ConsoleMessage) -> None:
        # A refusal that the page shows to its reader is no fault of the page.
        if (
            message.type == "error"
            and "Failed to load resource" not in message.text
            and "WebSocket" not in message.text
        ):
            self._troubles.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.relay.http, self.relay.url, "data:", "blob:")):
            self._troubles.append(f"asked elsewhere: {request.url}")

    def asked_elsewhere(self) -> list[str]:
        """What was asked for from anywhere but the relay until now, which from now on is no trouble."""
        begins = "asked elsewhere: "
        found = [each.removeprefix(begins) for each in self._troubles if each.startswith(begins)]
        self._troubles = [each for each in self._troubles if not each.startswith(begins)]
        return found

    def _breaches(self) -> list[str]:
        found: list[str] = [] if self.page.is_closed() else evaluated(self.page, "window.breaches ?? []")
        return found

    def troubles(self) -> list[str]:
        return [*self._troubles, *self._breaches()]

    # getting about

    def go(self, path: str) -> None:
        self._troubles += self._breaches()  # of the page that is left
        self.page.goto(path)

    def follow(self, link: Locator) -> None:
        """Go where a link leads, to a page whose scripts have begun."""
        with self.page.expect_event("load"):
            link.click()

    def sign_in(self, identity: Identity, *, once: bool = False) -> None:
        """As if this browser had registered the identity; with `once`, the page may sign out of it."""
        stored = msgspec.json.encode({"token": identity.token, "id": identity.id, "name": identity.name}).decode()
        put = f"localStorage.setItem('tidings.account', {msgspec.json.encode(stored).decode()})"
        if once:
            put = f"if (!sessionStorage.signed) {{ {put}; sessionStorage.signed = 1; }}"
        self.page.context.add_init_script(put)

    def install_extension(self, key: Keypair) -> None:
        """A NIP-07 extension that holds this key and signs whatever it is asked to."""

        def sign(text: str) -> str:
            draft = msgspec.json.decode(text)
            return wire(make_event(key, draft["kind"], draft["content"], draft["tags"], draft["created_at"])).decode()

        self.page.context.expose_function("extensionSign", sign)
        self.page.context.add_init_script(f"window.extensionKey = '{key.pubkey}';{EXTENSION}")

    def until(self, what: Callable[[], object]) -> None:
        """Returns when it is so; what comes from the browser is heard meanwhile."""
        until(self.page, what)

    def hold(self) -> list[Route]:
        """What the page asks the API to do from now on, in this list, until somebody lets it go on."""
        held: list[Route] = []

        def take(route: Route) -> None:
            if route.request.method == "GET":
                route.continue_()
            else:
                held.append(route)

        self.page.route("**/api/v1/**", take)
        return held

    def lose_answers(self, to: str) -> list[Route]:
        """What the page asks there from now on is done and its answer gets lost; in this list once it did."""
        lost: list[Route] = []

        def lose(route: Route) -> None:
            route.fetch()
            route.abort()
            lost.append(route)

        self.page.route(to, lose)
        return lost

    def await_live(self) -> None:
        """The page hears what happens; between two tries to connect it may pause for 30 seconds."""
        expect(self.page.locator("#live")).to_have_attribute("data-state", "live", timeout=45_000 + PATIENCE)

    def lose_connection(self) -> None:
        """The WebSocket, which is intercepted, breaks, and none comes about until `regain_connection`."""
        assert self.sockets, "no WebSocket of this window is intercepted: it needs `intercept`, or is not connected"
        self.cut = True
        for socket in self.sockets:
            socket.close()
        self.sockets.clear()
        expect(self.page.locator("#live")).to_have_attribute("data-state", "lost")

    def regain_connection(self) -> None:
        self.cut = False

    # what is there

    def item(self, text: str) -> Locator:
        """The post or comment with this text."""
        return self.page.locator(".item").filter(has_text=text)

    def by_id(self, item_id: str) -> Locator:
        return self.page.locator(f'.item[data-id="{item_id}"]')

    def titles(self) -> list[str]:
        return self.page.locator("#posts .title [data-part=title]").all_inner_texts()

    def copied(self, button: Locator) -> str:
        """What a button puts into the clipboard, which takes a moment."""
        self.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page.evaluate("navigator.clipboard.writeText('nothing yet')")
        button.click()
        return str(self.page.evaluate(UNTIL_COPIED, PATIENCE))

    # writing

    def write_post(self, title: str, content: str = "", url: str = "") -> None:
        self.page.locator("#compose summary").click()
        self.page.get_by_label("Title").fill(title)
        self.page.get_by_label("Text").fill(content)
        self.page.get_by_label("Link").fill(url)
        self.page.get_by_role("button", name="Post", exact=True).click()

    def reply(self, item: Locator) -> None:
        """Begin an answer to a comment: the form comes under it once its script is there."""
        button(item, "Reply").click()
        expect(item.locator("#answer")).to_be_visible()

    def write_comment(self, content: str) -> None:
        self.page.locator("#answer textarea").fill(content)
        self.page.get_by_role("button", name="Comment", exact=True).click()

    def event_of(self, item: Locator) -> Event:
        """The signed event behind an item, by the API."""
        answer = HTTP.get(f"{self.relay.http}/api/v1/events/{item.get_attribute('data-id')}")
        return msgspec.convert(answer.json()["event"], Event)


def score(item: Locator) -> Locator:
    return item.locator(".score")


def button(item: Locator, name: str) -> Locator:
    return item.get_by_role("button", name=name)


def menu(item: Locator) -> Locator:
    """The menu of a post or comment, opened."""
    item.locator(".menu summary").click()
    rows = item.locator(".menu .rows")
    expect(rows).to_be_visible()
    return rows
