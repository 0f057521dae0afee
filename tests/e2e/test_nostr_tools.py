"""nostr-tools (JavaScript) as a client, where node is installed."""

import shutil
import subprocess

import pytest

from tests.e2e.harness import ROOT, Server

JS = ROOT / "tests" / "js"
STEPS = ["publish and find", "live", "count", "auth", "delete", "forged"]


@pytest.fixture(scope="module")
def node() -> str:
    """The node to run with, its packages installed as locked."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("node and npm are not installed")
    if not (JS / "node_modules" / "nostr-tools").is_dir():
        install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=JS, capture_output=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install nostr-tools: {done.stderr.decode()[-300:]}")
    return found


def test_nostr_tools_publishes_subscribes_authenticates_counts_and_deletes(relay: Server, node: str) -> None:
    done = subprocess.run(
        [node, "client.mjs", relay.url], cwd=JS, capture_output=True, timeout=60, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split("\n")[:-1] == [f"ok {step}" for step in STEPS]
