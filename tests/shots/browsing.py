"""A browser for every page: one window that goes from page to page, in one theme and one size at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import msgspec
from playwright.sync_api import Browser, Page, sync_playwright

from tests.shots.pages import PageRow
from tests.shots.world import World
from tests.web.chromium import ARGUMENTS, Chromium
from tests.web.reading import until_true

Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
SIZES: Final = {1280: 900, 768: 1024, 390: 844}  # width and height of a window

# Nothing was loaded for a while. The bell's stream, which has no end, does not count.
AT_REST: Final = """document.readyState === "complete" && performance.now() - Math.max(
  0, ...performance.getEntriesByType("resource").map((one) => one.responseEnd)) > 500"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for the block. Raises RuntimeError where none is installed."""
    path = shutil.which("chromium")
    if path is None:
        raise RuntimeError("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def window(
    browser: Browser | Chromium, base: str, *, theme: Theme, width: int, world: World, signed_in: bool, **options: Any
) -> Iterator[Page]:
    """A window of a browser of its own, where somebody is signed in or nobody is."""
    context = browser.new_context(
        base_url=base,
        color_scheme=theme,
        viewport={"width": width, "height": SIZES.get(width, 800)},
        reduced_motion="reduce",
        has_touch=width < 700,
        is_mobile=width < 700,
        **options,
    )
    context.set_default_timeout(30_000)
    if signed_in:
        who = world.reader
        stored = msgspec.json.encode({"token": who.token, "id": who.id, "name": who.name}).decode()
        context.add_init_script(f"localStorage.setItem('tidings.account', {msgspec.json.encode(stored).decode()})")
    yield context.new_page()
    context.close()


def visit(page: Page, row: PageRow, world: World) -> None:
    """Go there and wait until its scripts have come to rest."""
    page.goto(row.at(world))
    until_true(page, AT_REST)
