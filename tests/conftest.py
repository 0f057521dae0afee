"""What holds for every test.

Property tests draw the same examples in every run, so that a red run speaks of the change and not of the dice; look for
new ones with `HYPOTHESIS_PROFILE=explore make test`. No example is too slow: machines are shared.
"""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """What a command that was run in this process logs ends with its test: the next one would find its lines among its own."""
    relay = logging.getLogger("tidings")
    level = relay.level
    yield
    relay.setLevel(level)
