"""The browser of these tests, which goes on where the tools around it do not.

Now and then, on a busy machine, a context that is closed while its page talks to the test is never reported closed, and whoever
waits for that waits for ever: one run of all tests came to no end so. The test has said by then all that it has to say. So
Chromium is killed where closing takes too long, and the next context begins another one.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Error, Playwright

CLOSED_WITHIN: Final = 30.0  # seconds
# What Chromium does for each window of its own accord, and nobody sees here: two pages for an address bar, which load longer than
# most of ours (0.8 s of a core together), and a process for a page that may come.
UNSEEN: Final = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess")
# Of several lists the last counts: these are in the one that Playwright 1.65 gives.
AS_PLAYWRIGHT: Final = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=" + ",".join((*UNSEEN, *AS_PLAYWRIGHT)),
]


class Chromium:
    """One browser at a time, begun anew where it had to be killed."""

    def __init__(self, playwright: Playwright, path: str) -> None:
        self._playwright = playwright
        self._path = path
        self._browser, self._pid = self._launch()

    def _launch(self) -> tuple[Browser, int]:
        browser = self._playwright.chromium.launch(executable_path=self._path, args=ARGUMENTS)
        session = browser.new_browser_cdp_session()
        running = session.send("SystemInfo.getProcessInfo")["processInfo"]
        session.detach()
        return browser, next(one["id"] for one in running if one["type"] == "browser")

    def new_context(self, **options: Any) -> BrowserContext:
        """As Browser.new_context."""
        if not self._browser.is_connected():
            self._browser, self._pid = self._launch()
        return self._browser.new_context(**options)

    def end(self, context: BrowserContext) -> None:
        """Close one of its contexts."""
        self._ended(context.close)

    def close(self) -> None:
        """Close it."""
        self._ended(self._browser.close)

    def _ended(self, close: Callable[[], None]) -> None:
        if not self._browser.is_connected():
            return  # it was killed, with all of its contexts
        late = threading.Timer(CLOSED_WITHIN, os.kill, (self._pid, signal.SIGKILL))
        late.start()
        try:
            close()
        except Error:
            if self._browser.is_connected():
                raise
        finally:
            late.cancel()
