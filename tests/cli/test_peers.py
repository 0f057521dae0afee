"""`tidings peers` and `tidings peer …` while no relay runs."""

from pathlib import Path

from tests.cli.conftest import Tidings

URL = "wss://relay.example"


def test_a_peer_that_was_never_reached_is_told_as_such(tidings: Tidings, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert tidings("peer", "add", URL, *data).exit_code == 0
    told = tidings("peers", *data).stdout.splitlines()
    assert told[:2] == [
        f"{URL}  both  connecting",
        "    in step never, last event never, 0 wait to be sent",
    ]
