"""nostr-tools (JavaScript) as a client, where node is installed."""

import subprocess

from tests.e2e.conftest import JS
from tests.e2e.harness import Server

STEPS = ["publish and find", "live", "count", "auth", "delete", "forged", "sync"]


def test_nostr_tools_publishes_subscribes_authenticates_counts_deletes_and_syncs(relay: Server, node: str) -> None:
    done = subprocess.run(
        [node, "client.mjs", relay.url], cwd=JS, capture_output=True, timeout=120, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split("\n")[:-1] == [f"ok {step}" for step in STEPS]
