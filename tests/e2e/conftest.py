"""One relay with default settings for each module that asks for it."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Server, serving


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("relay") / "data") as server:
        yield server
