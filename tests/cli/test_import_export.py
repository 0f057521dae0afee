"""`import` and `export` with a database: round trips, resuming, reports, and a relay that is running."""

import gzip
import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from relay.commands import operating, transfer
from relay.commands.operating import Direct
from relay.protocol import event as events
from relay.protocol.event import Event
from storage.errors import Locked, StorageError
from tests.cli.conftest import Tidings
from tests.factories import NOW, make_event
from tests.server.events.write_policy.plugins import keeping
from tests.storage.groups.world import OWN, World

EVENTS = [
    make_event(number % 4, kind=(1, 7, 1059)[number % 3], content=f"event {number}", tags=[["p", f"{number:064x}"]])
    for number in range(200)
]
WIRES = [events.wire(event) for event in EVENTS]
TEXT = b"".join(wire + b"\n" for wire in WIRES)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 200 good events."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(TEXT)
    return path


@pytest.fixture
def full(tidings: Tidings, data: Path, file: Path) -> Path:
    """A data directory that holds these events."""
    assert tidings("import", file, "--data", data).exit_code == 0
    return data


def summary(stdout: str) -> dict[str, int]:
    """The numbers of `import --json`."""
    found = json.loads(stdout)
    return {name: found[name] for name in ("lines", "stored", "duplicates", "refused")}


def test_what_is_imported_is_exported_again(tidings: Tidings, data: Path, file: Path) -> None:
    imported = tidings("import", file, "--data", data, "--json")
    assert imported.exit_code == 0
    assert summary(imported.stdout) == {"lines": 200, "stored": 200, "duplicates": 0, "refused": 0}
    exported = tidings("export", "--data", data)
    assert exported.stdout_bytes == TEXT


def test_the_operators_plugin_is_asked_about_what_is_imported(tidings: Tidings, data: Path, tmp_path: Path) -> None:
    bad = make_event(content="bad")
    plugin = ("--set", f"write_policy.plugin={keeping(tmp_path / 'asked')}")
    text = events.wire(bad) + b"\n" + b"\n".join(WIRES[:100]) + b"\n"
    imported = tidings("import", "--data", data, "--json", *plugin, stdin=text)
    assert summary(imported.stdout) == {"lines": 101, "stored": 100, "duplicates": 0, "refused": 1}
    assert json.loads(imported.stdout)["reasons"] == {"blocked: bad": 1}
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert {(one["sourceType"], one["sourceInfo"]) for one in asked} == {("Import", "")}
    assert len(asked) == 101
    broken = ("--set", "write_policy.plugin=exit 1")
    imported = tidings("import", "--data", data, "--json", *broken, stdin=events.wire(bad) + b"\n")
    assert summary(imported.stdout)["refused"] == 1


def test_what_is_of_another_relays_groups_is_told(tidings: Tidings, data: Path, tmp_path: Path) -> None:
    some = [make_event(1, 9, "secret", [["h", "room"]], 1_700_000_000), make_event(1, 1, "note", [], 1_700_000_000)]
    file = tmp_path / "groups.jsonl"
    file.write_bytes(b"".join(events.wire(event) + b"\n" for event in some))
    imported = tidings("import", file, "--data", data)
    assert "1 of them are of groups that another relay's key began" in imported.stderr
    assert json.loads(tidings("import", file, "--data", data, "--json", "--restart").stdout)["for_operator"] == 0


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_export_and_import_round_trip_through_any_kind_of_file(
    tidings: Tidings, tmp_path: Path, file: Path, ending: str
) -> None:
    first, second, between = tmp_path / "first", tmp_path / "second", tmp_path / f"between.{ending}"
    tidings("import", file, "--data", first)
    assert tidings("export", between, "--data", first).exit_code == 0
    assert summary(tidings("import", between, "--data", second, "--json").stdout)["stored"] == 200
    assert tidings("export", "--data", second).stdout_bytes == TEXT
    assert stat.S_IMODE(between.stat().st_mode) == 0o600


def test_files_are_unpacked_by_their_names(tidings: Tidings, tmp_path: Path, data: Path) -> None:
    packed, tight = tmp_path / "a.gz", tmp_path / "b.zst"
    packed.write_bytes(gzip.compress(TEXT[: len(WIRES[0]) + 1]))
    tight.write_bytes(zstandard.ZstdCompressor().compress(TEXT))
    result = tidings("import", packed, tight, "--data", data, "--json")
    assert summary(result.stdout) == {"lines": 201, "stored": 200, "duplicates": 1, "refused": 0}


@pytest.mark.parametrize("args", [[], ["-"]])
def test_stdin_is_read_when_no_file_is_named(tidings: Tidings, data: Path, args: list[str]) -> None:
    result = tidings("import", *args, "--data", data, "--json", stdin=TEXT)
    assert summary(result.stdout)["stored"] == 200


def test_an_import_again_is_harmless(tidings: Tidings, data: Path, file: Path) -> None:
    tidings("import", file, "--data", data)
    again = tidings("import", file, "--data", data, "--json")
    assert again.exit_code == 0
    assert summary(again.stdout) == {"lines": 200, "stored": 0, "duplicates": 200, "refused": 0}


def test_an_older_export_again_is_no_fault(tidings: Tidings, data: Path, tmp_path: Path) -> None:
    def lines(name: str, *some: Event) -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(events.wire(event) + b"\n" for event in some))
        return path

    deleted = make_event(1, 11, "deleted", [["title", "Deleted"]])
    gone = make_event(3)
    edit = make_event(1, 1010, "edited", [["e", deleted.id]])
    article = make_event(1, 30023, "old", [["d", "a"]])
    profile = make_event(1, 0, "{}")
    expired = make_event(1, tags=[["expiration", "1000"]])
    older = lines("older", deleted, gone, edit, article, profile, expired)
    changes = (
        make_event(1, 5, tags=[["e", deleted.id], ["a", f"30023:{article.pubkey}:a"]], created_at=NOW + 1),
        make_event(1, 0, '{"name":"x"}', created_at=NOW + 1),
        make_event(3, 62, tags=[["relay", "ALL_RELAYS"]], created_at=NOW + 1),
    )
    assert tidings("import", older, lines("changes", *changes), "--data", data).exit_code == 0
    again = tidings("import", older, "--data", data, "--report", tmp_path / "report")
    assert (
        "6 lines: 0 stored, 0 already here, 0 ephemeral (passed on, not stored), 6 outdated, 0 refused" in again.stderr
    )
    assert again.exit_code == 0
    assert (tmp_path / "report").read_bytes() == b""
    worse = tidings("import", older, lines("worse", make_event(1, kind=22242)), "--data", data, "--json")
    assert (json.loads(worse.stdout)["outdated"], json.loads(worse.stdout)["refused"], worse.exit_code) == (6, 1, 1)


def test_refused_lines_are_told_and_reported_and_the_rest_is_stored(
    tidings: Tidings, tmp_path: Path, data: Path
) -> None:
    forged = WIRES[1].replace(b"event 1", b"event X")
    proof = events.wire(make_event(1, kind=22242))
    file, report = tmp_path / "mixed.jsonl", tmp_path / "report.jsonl"
    file.write_bytes(b"\n".join([WIRES[0], b"garbage \x1b[2J", forged, proof, WIRES[2]]) + b"\n")
    result = tidings("import", file, "--data", data, "--report", report)
    assert result.exit_code == 1
    assert "5 lines: 2 stored" in result.stderr
    assert "id is not the hash" in result.stderr
    assert "\x1b" not in result.stderr
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert {row["line"]: row["id"] for row in rows} == {2: None, 3: None, 4: events.parse(proof).id}
    assert all(row["reason"] for row in rows)


def test_the_relays_own_rules_apply(tidings: Tidings, data: Path, file: Path) -> None:
    result = tidings("import", file, "--data", data, "--json", "--set", "access.denied_kinds=7")
    refused = sum(event.kind == 7 for event in EVENTS)
    assert summary(result.stdout) == {"lines": 200, "stored": 200 - refused, "duplicates": 0, "refused": refused}


def test_a_damaged_file_gives_what_it_holds_and_code_1(tidings: Tidings, tmp_path: Path, data: Path) -> None:
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(gzip.compress(TEXT)[:-100])
    result = tidings("import", file, "--data", data, "--json")
    assert result.exit_code == 1
    assert "cut.jsonl.gz" in result.stderr
    assert 0 < summary(result.stdout)["stored"] < 200


def test_a_missing_file_is_named(tidings: Tidings, tmp_path: Path, data: Path) -> None:
    result = tidings("import", tmp_path / "missing.jsonl", "--data", data)
    assert result.exit_code == 1
    assert "missing.jsonl: No such file" in result.stderr


class Interrupted(Direct):
    """Dies after some batches, as a process that is killed between two of them."""

    left = 0

    def submit(self, batch: list[events.Event]) -> list[operating.Outcome]:  # type: ignore[override]
        if Interrupted.left == 0:
            raise KeyboardInterrupt
        Interrupted.left -= 1
        return super().submit(batch)


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_an_interrupted_import_goes_on_where_it_was(
    tidings: Tidings, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    tidings("import", "-", "--data", tmp_path / "other", stdin=TEXT)
    file = tmp_path / f"copy.{ending}"
    tidings("export", file, "--data", tmp_path / "other")
    monkeypatch.setattr(transfer, "BATCH_EVENTS", 1)
    monkeypatch.setattr(transfer, "JOB_LINES", 10)
    with monkeypatch.context() as patch:
        patch.setattr(operating, "Direct", Interrupted)
        Interrupted.left = 7
        broken = tidings("import", file, "--data", data)
    assert broken.exit_code == 1
    assert "70 lines" in broken.stderr or "80 lines" in broken.stderr
    assert "goes on from here" in broken.stderr
    resumed = tidings("import", file, "--data", data, "--json")
    assert "going on after line 70" in resumed.stderr
    assert summary(resumed.stdout) == {"lines": 130, "stored": 130, "duplicates": 0, "refused": 0}
    assert tidings("export", "--data", data).stdout_bytes == TEXT
    finished = tidings("import", file, "--data", data, "--json")
    assert summary(finished.stdout)["duplicates"] == 200


class Failing(Direct):
    """Takes one batch, then its disk is full."""

    taken = 0

    def submit(self, batch: list[events.Event]) -> list[operating.Outcome]:  # type: ignore[override]
        if Failing.taken:
            raise StorageError("the disk is full; free some space")
        Failing.taken += 1
        return super().submit(batch)


def test_an_import_that_fails_tells_what_is_in_and_how_to_go_on(
    tidings: Tidings, data: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "BATCH_EVENTS", 1)
    monkeypatch.setattr(transfer, "JOB_LINES", 100)
    monkeypatch.setattr(operating, "Direct", Failing)
    failed = tidings("import", file, "--data", data)
    assert failed.exit_code == 1
    assert failed.stderr.splitlines() == [
        "200 lines: 100 stored, 0 already here, 0 ephemeral (passed on, not stored), 0 outdated, 0 refused",
        "the same command goes on from here",
        "tidings: the disk is full; free some space",
    ]


def test_a_byte_order_mark_before_the_first_line_is_nothing(tidings: Tidings, data: Path, tmp_path: Path) -> None:
    file, wanted = tmp_path / "events.jsonl", tmp_path / "filter.json"
    file.write_bytes(b"\xef\xbb\xbf" + TEXT.replace(b"\n", b"\r\n"))
    wanted.write_bytes(b'\xef\xbb\xbf{"kinds": [7]}')
    imported = tidings("import", file, "--data", data, "--json")
    assert summary(imported.stdout) == {"lines": 200, "stored": 200, "duplicates": 0, "refused": 0}
    assert tidings("count", f"@{wanted}", "--data", data).stdout == "67\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
@pytest.mark.parametrize("verb", ["export", "import"])
def test_a_file_on_a_full_disk_is_named(tidings: Tidings, full: Path, verb: str) -> None:
    arguments = ("export", "/dev/full", "--overwrite") if verb == "export" else ("import", "--report", "/dev/full")
    result = tidings(*arguments, "--data", full, stdin=b"no event\n")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "tidings: /dev/full: No space left on device"


def test_restart_begins_at_the_start(tidings: Tidings, data: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "BATCH_EVENTS", 1)
    with monkeypatch.context() as patch:
        patch.setattr(operating, "Direct", Interrupted)
        Interrupted.left = 2
        tidings("import", file, "--data", data)
    result = tidings("import", file, "--data", data, "--json", "--restart")
    assert summary(result.stdout) == {"lines": 200, "stored": 72, "duplicates": 128, "refused": 0}


KILLED = """
import os, signal, sys
from relay.cli import main
from relay.commands import operating, transfer
transfer.BATCH_EVENTS = transfer.JOB_LINES = 10
left = 5
class Dying(operating.Direct):
    def submit(self, batch):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return super().submit(batch)
operating.Direct = Dying
main(sys.argv[1:])
"""


def test_an_import_killed_without_warning_goes_on_where_it_was(tidings: Tidings, data: Path, file: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, "import", file, "--data", data], check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = tidings("import", file, "--data", data, "--json")
    assert "going on after line 50" in resumed.stderr
    assert summary(resumed.stdout) == {"lines": 150, "stored": 150, "duplicates": 0, "refused": 0}
    assert tidings("export", "--data", data).stdout_bytes == TEXT


def test_export_takes_a_filter_and_a_start(tidings: Tidings, full: Path) -> None:
    reactions = tidings("export", "--data", full, "--filter", '{"kinds":[7]}')
    assert reactions.stdout_bytes.splitlines() == [
        wire for wire, event in zip(WIRES, EVENTS, strict=True) if event.kind == 7
    ]
    later = tidings("export", "--data", full, "--after", 150)
    assert later.stdout_bytes.splitlines() == WIRES[150:]
    assert "--after 200" in later.stderr


def test_export_does_not_overwrite_unless_told(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("precious\n")
    refused = tidings("export", target, "--data", full)
    assert refused.exit_code == 1
    assert target.read_text() == "precious\n"
    assert tidings("export", target, "--data", full, "--overwrite").exit_code == 0
    assert target.read_bytes() == TEXT


@pytest.mark.parametrize("kept", [0, 1, len(WIRES[0]), len(WIRES[0]) + 1, len(TEXT) // 2, len(TEXT) - 1, len(TEXT)])
def test_export_resumes_after_the_last_whole_event(tidings: Tidings, tmp_path: Path, full: Path, kept: int) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(TEXT[:kept])
    assert tidings("export", target, "--data", full, "--resume").exit_code == 0
    assert target.read_bytes() == TEXT


def test_export_resumes_after_events_that_have_been_deleted(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(b"".join(wire + b"\n" for wire in WIRES[:100]))
    tidings("delete", json.dumps({"ids": [event.id for event in EVENTS[95:105]]}), "--yes", "--data", full)
    assert tidings("export", target, "--data", full, "--resume").exit_code == 0
    assert target.read_bytes().splitlines() == WIRES[:100] + WIRES[105:]


@pytest.mark.parametrize("content", [b"no event\n", events.wire(make_event(9)) + b"\n"])
def test_export_does_not_resume_a_file_that_is_no_export_of_this_database(
    tidings: Tidings, tmp_path: Path, full: Path, content: bytes
) -> None:
    target = tmp_path / "out.jsonl"
    target.write_bytes(content)
    result = tidings("export", target, "--data", full, "--resume")
    assert result.exit_code == 1
    assert "is no export" in result.stderr or "none of the events that the file ends with" in result.stderr
    assert target.read_bytes() == content


@pytest.mark.parametrize("args", [["-", "--resume"], ["x.gz", "--resume"], ["x", "--resume", "--overwrite"]])
def test_export_tells_what_cannot_be_resumed(tidings: Tidings, full: Path, args: list[str]) -> None:
    assert tidings("export", *args, "--data", full).exit_code == 2


def test_a_reader_that_leaves_early_is_met_with_silence(tidings: Tidings, full: Path) -> None:
    command = [sys.executable, "-m", "relay", "export", "--data", str(full)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_database_in_use_by_something_without_a_socket_is_told(
    tidings: Tidings, data: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(settings: object) -> None:
        raise Locked("process 1 writes this database; stop it first")

    monkeypatch.setattr("relay.opening.open_writer", locked)
    monkeypatch.setattr("relay.commands.operating.STARTING", 0.0)
    result = tidings("import", file, "--data", data)
    assert result.exit_code == 1
    assert result.stderr == "tidings: process 1 writes this database; stop it first\n"


def test_an_import_makes_private_groups_again_by_the_relays_own_key(
    tidings: Tidings, tmp_path: Path, data: Path
) -> None:
    """Without a relay that runs; what they hold is for nobody else afterwards."""
    world = World(tmp_path / "first")
    world.begin(1, ["private"])
    secret = world.say(1, 9, text="secret")
    wires = world.writer.connection.execute("SELECT wire FROM events ORDER BY seq").fetchall()
    world.writer.close()
    file = tmp_path / "groups.jsonl"
    file.write_bytes(b"".join(wire + b"\n" for (wire,) in wires))
    tidings("import", file, "--data", data, TIDINGS_IDENTITIES_RELAY_KEY=OWN.secret.hex())
    again = World(data)
    audience = again.writer.connection.execute("SELECT audience FROM events WHERE id = ?", (bytes.fromhex(secret.id),))
    assert audience.fetchone() != (None,)
    assert again.group().private
    again.writer.close()
