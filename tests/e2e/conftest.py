"""One relay with default settings for each module that asks for it, and node with the packages of tests/js."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Server, serving
from tests.e2e.node import JS, packages

__all__ = ["JS"]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("relay") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def node() -> str:
    """The node to run with, its packages installed as locked."""
    return packages()
