"""What holds for every test.

The files of tests that start relays or browsers come first, and those that only calculate fill up what is left: workers end at the
same time then, and a directory's browser is started once.

Property tests draw the same examples in every run, so that a red run speaks of the change and not of the dice; look for
new ones with `HYPOTHESIS_PROFILE=explore make test`. No example is too slow: machines are shared.
"""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import settings

FIRST: Final = (
    "e2e",
    "federation",
    "web",
    "examples",
    "client",
    "mcp",
    "cli",
)  # directories of tests that start programs

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# A shell that begins the tests in the background has them ignore Ctrl-C, and so would every command that they start and end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        directory = item.nodeid.split("/")[1]
        return FIRST.index(directory) if directory in FIRST else len(FIRST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """What a command that was run in this process logs ends with its test: the next one would find its lines among its own."""
    relay = logging.getLogger("tidings")
    level = relay.level
    yield
    relay.setLevel(level)
