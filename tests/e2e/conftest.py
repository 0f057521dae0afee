"""One relay with default settings for each module that asks for it, and node with the packages of tests/js."""

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.harness import ROOT, Server, serving

JS: Final = ROOT / "tests" / "js"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("relay") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def node() -> str:
    """The node to run with, its packages installed as locked."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("node and npm are not installed")
    wanted = json.loads((JS / "package.json").read_text())["devDependencies"]
    with (JS / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests run in several processes
        if not all((JS / "node_modules" / name).is_dir() for name in wanted):
            install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(install, cwd=JS, capture_output=True, timeout=180, check=False)
            if done.returncode:
                pytest.skip(f"npm could not install the libraries: {done.stderr.decode()[-300:]}")
    return found
