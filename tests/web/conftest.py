"""A browser, a relay, and readers in front of the relay's pages. Skipped where no Chromium is installed.

Every page is watched: a script error, a breach of the content security policy or a request to anywhere but the relay fails
the test that made it.
"""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import WebSocketRoute, sync_playwright

from tests.e2e.harness import Server, serving
from tests.web.chromium import Chromium
from tests.web.reading import PATIENCE, Reader

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")  # the first takes a quarter less CPU
# Breaches of the policy are counted by the page itself, whatever the console shows.
WATCH = """
window.breaches = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.breaches.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Chromium]:
    """One Chromium for all of these tests."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        chromium = Chromium(playwright, CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay for each module; registrations are not limited."""
    with serving(tmp_path_factory.mktemp("relay") / "data", "identities.registrations_per_hour=0") as server:
        yield server


@pytest.fixture
def window(browser: Chromium, relay: Server) -> Iterator[Callable[..., Reader]]:
    """Opens windows, each of a browser of its own: `window("/path", identity)`; what went wrong in them fails the test.

    With `intercept` their WebSockets can be cut, and what comes over them can be changed (`Reader`).
    """
    readers: list[Reader] = []

    def open_window(
        path: str = "/",
        identity: Any = None,
        key: Any = None,
        *,
        once: bool = False,
        first: bool = False,
        intercept: bool = False,
        **options: Any,
    ) -> Reader:
        context = browser.new_context(base_url=relay.http, **options)
        if not first:  # who has been here before
            context.add_cookies([{"name": "first", "value": "over", "url": relay.http}])
        context.set_default_timeout(PATIENCE)
        reader = Reader(context.new_page(), relay)
        readers.append(reader)
        if options.get("java_script_enabled", True):
            context.add_init_script(WATCH)
        if key is not None:
            reader.install_extension(key)
        if intercept:
            context.route_web_socket("**", lambda route: _intercept(reader, route))
        if identity is not None:
            reader.sign_in(identity, once=once)
        reader.go(path)
        return reader

    yield open_window
    troubles = [reader.troubles() for reader in readers]
    for reader in readers:
        browser.end(reader.page.context)
    assert troubles == [[] for _ in readers]


def _intercept(reader: Reader, route: WebSocketRoute) -> None:
    """The page's WebSocket goes through here."""
    if reader.cut:
        route.close()
        return
    server = route.connect_to_server()
    reader.sockets.append(route)
    server.on_message(lambda message: route.send(reader.bend(message)))
