"""What holds for every page: readable by everybody (axe-core), no wider than the narrowest screen, still while it loads.

All pages of `tests.shots` are looked at once in each of three windows, and what was seen is what the tests ask for. Each window has
the time of a test.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
import pytest
from playwright.sync_api import Route

from relay.http.routes import ROUTES
from tests.e2e.harness import serving
from tests.e2e.node import JS, packages
from tests.shots.browsing import Theme, window
from tests.shots.pages import NO_PAGES, PAGES
from tests.shots.world import SETTINGS, World, build
from tests.web.chromium import Chromium
from tests.web.reading import until_true

NARROWEST: Final = 320
TABLET: Final = 768
WIDE: Final = 1280
PHONE: Final = 390
# Everything by daylight; by night and on a narrow screen what differs there.
RULES: Final[dict[tuple[Theme, int], dict[str, list[str]]]] = {
    ("light", WIDE): {},
    ("dark", TABLET): {"runOnly": ["color-contrast"]},
    ("light", NARROWEST): {"runOnly": ["color-contrast", "target-size", "scrollable-region-focusable"]},
}
# What is shifted less than MOVES (a part of the window, of what the browser reports) is what rounding gives.
MOVES: Final = 0.003
# What has come is drawn.
DRAWN: Final = "new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(seen))))"
SHIFTS: Final = """
window.shifted = [];
const html = (node) => node?.cloneNode?.(false).outerHTML ?? node?.nodeName;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    window.shifted.push([one.value, one.sources.map((each) => html(each.node)).join(" ")]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
# What the page is called is shown: some are shown whole by their scripts.
TITLED: Final = """[...document.querySelectorAll("h1")].some((each) => each.checkVisibility())"""
# Its scripts have come.
BEGUN: Final = """document.querySelector("html.scripted") && [...document.scripts].every(
  ({ src }) => !src || performance.getEntriesByName(src).length)"""
# What only a key opens is there: nothing is awaited any more.
COME: Final = f"""!document.querySelector("[aria-busy=true], #mine #asks") && {TITLED}"""
LOOK: Final = """async ([rules, width, MOVES]) => {
  const found = await axe.run(document, rules);
  const wide = document.documentElement.scrollWidth > width
    ? [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > width + 1)
        .slice(0, 3).map((e) => e.cloneNode(false).outerHTML)
    : [];
  const unfocused = [...document.querySelectorAll("a[href], button, input, textarea, select, summary, [tabindex='0']")]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled && e.type !== "hidden")
    .filter((e) => {
      e.focus({ focusVisible: true, preventScroll: true });
      const marked = [e, e.closest("li")].some((one) => one && getComputedStyle(one).outlineStyle === "solid");
      return document.activeElement === e && !marked;
    }).slice(0, 3).map((e) => e.cloneNode(false).outerHTML);
  return {
    axe: found.violations.flatMap((rule) => rule.nodes.map(
      (node) => `${rule.id}: ${node.target.join(" ")} ${node.failureSummary.split("\\n")[1] ?? ""}`)).slice(0, 10),
    wide: wide.length || document.documentElement.scrollWidth <= width ? wide : ["something"],
    unfocused,
    shifted: window.shifted.filter(([value]) => value >= MOVES).map(([value, what]) => `${value.toFixed(4)} ${what}`),
  };
}"""


class Looked(msgspec.Struct, frozen=True):
    """What is wrong with a page in one window: texts that say where, none where all is well."""

    axe: list[str]
    wide: list[str]
    unfocused: list[str]
    shifted: list[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, World]]:
    """Where the small world is served, and the world."""
    with serving(tmp_path_factory.mktemp("world") / "data", *SETTINGS) as relay:
        yield relay.http, build(relay)


@pytest.fixture(scope="module", params=RULES, ids=lambda view: f"{view[0]}-{view[1]}")
def looked(request: pytest.FixtureRequest, world: tuple[str, World], browser: Chromium) -> dict[str, Looked]:
    """Every page in one window, by name, theme and width."""
    packages()
    axe = (JS / "node_modules" / "axe-core" / "axe.min.js").read_text()
    base, there = world
    theme, width = request.param
    found: dict[str, Looked] = {}
    for signed_in in (False, True):
        with window(browser, base, theme=theme, width=width, world=there, signed_in=signed_in, bypass_csp=True) as page:
            if signed_in:  # who has a name was here before, and is not asked to choose one
                page.context.add_cookies([{"name": "first", "value": "over", "url": base}])
            page.add_init_script(SHIFTS)
            page.add_init_script(axe)
            for row in (row for row in PAGES if row.signed_in == signed_in):
                page.goto(row.at(there))
                until_true(page, f"{BEGUN} && {COME if signed_in else TITLED}")
                seen = page.evaluate(LOOK, [RULES[theme, width], width, MOVES])
                found[f"{row.name}, {theme}, {width}"] = msgspec.convert(seen, Looked)
    return found


def test_nothing_moves_when_the_scripts_come_late(world: tuple[str, World], browser: Chromium) -> None:
    """On a phone, after the page is drawn: even what rounding gives is little here."""
    base, there = world
    wrong = []
    with window(browser, base, theme="light", width=PHONE, world=there, signed_in=False, bypass_csp=True) as page:
        page.context.add_cookies([{"name": "first", "value": "over", "url": base}])
        page.add_init_script(SHIFTS)
        held: list[Route] = []
        drawn = False

        def hold(route: Route) -> None:
            route.continue_() if drawn else held.append(route)

        page.route("**/*.js*", hold)
        for row in PAGES:
            if row.signed_in:
                continue
            drawn = False
            page.goto(row.at(there), wait_until="commit")
            until_true(page, "document.readyState !== 'loading'")
            page.evaluate(DRAWN)
            drawn = True
            while held:
                held.pop().continue_()
            until_true(page, BEGUN)
            page.evaluate(DRAWN)
            moved = page.evaluate("window.shifted.filter(([value]) => value >= 0.001)")
            wrong += [f"{row.name}: {value:.4f} {what}" for value, what in moved]
    assert not wrong, "\n".join(["", *wrong])


def test_every_page_has_a_row() -> None:
    paths = {path for route in ROUTES if "GET" in route.http_methods for path in route.paths}
    files = tuple(path for path in paths if re.search(r"\.\w+$|^/\.well-known/", path))
    pages = {path for path in paths - NO_PAGES - set(files) if not path.startswith("/api/v1/")} | {"/api/v1/docs"}
    assert pages - {row.route for row in PAGES} == set(), "add a row to tests/shots/pages.py for each of these"


def check(looked: dict[str, Looked], what: str) -> None:
    """Nothing is wrong in this respect; else each thing that is has a line."""
    wrong = [f"{name}: {each}" for name, one in looked.items() for each in getattr(one, what)]
    assert not wrong, "\n".join(["", *wrong])


def test_everybody_can_use_every_page(looked: dict[str, Looked]) -> None:
    check(looked, "axe")


def test_no_page_is_wider_than_the_narrowest_screen(looked: dict[str, Looked]) -> None:
    check(looked, "wide")


def test_what_has_the_keyboard_is_marked_on_every_page(looked: dict[str, Looked]) -> None:
    check(looked, "unfocused")


def test_nothing_moves_while_a_page_loads(looked: dict[str, Looked]) -> None:
    come_later = ("rooms,", "community,")  # what only a key opens is not there at once
    check({name: one for name, one in looked.items() if not name.startswith(come_later)}, "shifted")
