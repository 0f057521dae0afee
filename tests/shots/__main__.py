"""`make shots`: a relay in a temporary directory, the small world in it, and a picture of every page.

Each page in both themes and three sizes, `shots/<page>.<theme>.<width>.png`. Arguments are the names of pages; none means all.
"""

import sys
import tempfile
from pathlib import Path

from tests.e2e.harness import serving
from tests.shots.browsing import SIZES, THEMES, chromium, visit, window
from tests.shots.pages import PAGES
from tests.shots.world import SETTINGS, build

TO = Path(__file__).parents[2] / "shots"


def main(names: list[str]) -> None:
    """Make the pictures of these pages, of all when there are no names."""
    unknown = set(names) - {row.name for row in PAGES}
    if unknown:
        raise SystemExit(
            f"no such page: {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in PAGES)}"
        )
    rows = [row for row in PAGES if not names or row.name in names]
    TO.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tidings-shots-") as scratch,
        serving(Path(scratch) / "data", *SETTINGS) as relay,
        chromium() as browser,
    ):
        world = build(relay)
        for theme in THEMES:
            for width in SIZES:
                for signed_in in (False, True):
                    with window(
                        browser, relay.http, theme=theme, width=width, world=world, signed_in=signed_in
                    ) as page:
                        for row in (row for row in rows if row.signed_in == signed_in):
                            visit(page, row, world)
                            page.screenshot(path=TO / f"{row.name}.{theme}.{width}.png", full_page=True)
                print(f"{theme}, {width} pixels wide")
    print(f"{len(rows) * len(THEMES) * len(SIZES)} pictures in {TO}")


if __name__ == "__main__":
    main(sys.argv[1:])
