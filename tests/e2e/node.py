"""Node, and the packages of tests/js: libraries that nobody here wrote."""

import fcntl
import json
import shutil
import subprocess
from typing import Final

import pytest

from tests.e2e.harness import ROOT

JS: Final = ROOT / "tests" / "js"


def packages() -> str:
    """The node to run with, the packages installed as locked; skips the test where that cannot be."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("node and npm are not installed")
    wanted = json.loads((JS / "package.json").read_text())["devDependencies"]
    with (JS / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # tests run in several processes
        done_before = (JS / "node_modules" / ".package-lock.json").is_file()  # npm writes it last
        if not done_before or not all((JS / "node_modules" / name).is_dir() for name in wanted):
            install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            done = subprocess.run(install, cwd=JS, capture_output=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"npm could not install the libraries: {done.stderr.decode()[-300:]}")
    return found
