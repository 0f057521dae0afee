"""A page that comes in two parts, as over a slow network: what is drawn of the first does not move when the second comes."""

import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.web.reading import PATIENCE, until_true
from tests.web.test_every_page import SHIFTS

MOVES = 0.001  # a part of the window; less is what rounding gives
WIDTHS = (1280, 768, 390)
# The page is sent as far as one of these, and the rest later: places within the bar, and within the foot.
CUTS = ('<form id="find"', '<div class="mine">', '<a class="button"', '<a href="/api/v1/docs">', 'value="light"')
STYLED = "performance.getEntriesByType('resource').some(({ name }) => name.includes('style.css'))"
# Waits until the browser has drawn what it has; where it waits for the rest, it draws nothing and reports no frame: hence 150 ms.
DRAWN = "new Promise((seen) => { requestAnimationFrame(() => requestAnimationFrame(seen)); setTimeout(seen, 150); })"


@pytest.fixture
def halting(relay) -> Iterator[Callable[[str], tuple[str, threading.Event]]]:
    """Call it with the text before which the feed's page is cut: its address, and the event after which the rest is sent."""
    cuts: dict[str, tuple[str, threading.Event]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # the browser went on to another page
                self.answer()

        def answer(self) -> None:
            with urllib.request.urlopen(relay.http + self.path) as answer:
                body, kind = answer.read(), answer.headers["Content-Type"]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            if self.path not in cuts:
                self.wfile.write(body)
                return
            cut, rest = cuts[self.path]
            at = body.index(cut.encode())
            self.wfile.write(body[:at])
            self.wfile.flush()
            rest.wait(PATIENCE / 1000)
            self.wfile.write(body[at:])

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def cut_at(cut: str) -> tuple[str, threading.Event]:
        path = f"/?cut={len(cuts)}"
        cuts[path] = (cut, threading.Event())
        return f"http://127.0.0.1:{server.server_port}{path}", cuts[path][1]

    yield cut_at
    for _, rest in cuts.values():
        rest.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_drawn_does_not_move_when_the_rest_comes(browser, halting, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    context.add_init_script(SHIFTS)
    page = context.new_page()
    moved = {}
    for cut in CUTS:
        address, rest = halting(cut)
        context.add_cookies([{"name": "first", "value": "over", "url": address}])
        page.goto(address, wait_until="commit")
        until_true(page, STYLED)
        page.evaluate(DRAWN)
        rest.set()
        page.wait_for_load_state("load")
        page.evaluate(DRAWN)
        moved[cut] = page.evaluate("(most) => window.shifted.filter(([value]) => value >= most)", MOVES)
    browser.end(context)
    assert moved == {cut: [] for cut in CUTS}
