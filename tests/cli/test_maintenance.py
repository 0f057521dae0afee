"""`info`, `check`, `backup`, `compact`, `rebuild`, on a database and through a relay that answers."""

import asyncio
import itertools
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from relay.protocol import event as events
from relay.protocol.words import counted
from relay.server.control import Control
from storage.base import Outcome, Status
from storage.errors import StorageError
from storage.sqlite.files import committed
from storage.sqlite.files.database_file import Lock
from tests.cli.conftest import Tidings
from tests.factories import NOW, make_event
from tests.server.test_control import INFO, Remembering

EVENTS = [make_event(1, kind=0, content='{"name":"alice"}')] + [
    make_event(2, content=f"event {number}", created_at=NOW + number) for number in range(20)
]
TEXT = b"".join(events.wire(event) + b"\n" for event in EVENTS)


@pytest.fixture
def full(tidings: Tidings, data: Path) -> Path:
    """A data directory that holds these events."""
    assert tidings("import", "--data", data, stdin=TEXT).exit_code == 0
    return data


@contextmanager
def running(data: Path) -> Iterator[Remembering]:
    """A relay's control socket in `data`, on a loop of its own, with a service that notes what it is asked."""
    data.mkdir(exist_ok=True)
    ready = threading.Event()
    stop: list[asyncio.Event] = []
    loop = asyncio.new_event_loop()
    service = Remembering()

    async def serve() -> None:
        control = Control(service)
        await control.start(data)
        stop.append(asyncio.Event())
        ready.set()
        await stop[0].wait()
        await control.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join()
        loop.close()


def test_info_tells_what_is_stored(tidings: Tidings, full: Path) -> None:
    figures = json.loads(tidings("info", "--json", "--data", full).stdout)
    assert (figures["events"], figures["last_seq"], figures["authors"]) == (21, 21, 2)
    assert (figures["oldest"], figures["newest"], figures["kinds"]) == (NOW, NOW + 19, [[1, 20], [0, 1]])
    assert figures["running"] is False
    text = tidings("info", "--data", full).stdout
    assert "stopped" in text
    assert "2023-11-14 22:13:20 UTC" in text


def test_info_of_an_event_from_beyond_the_calendar(tidings: Tidings, data: Path) -> None:
    far = make_event(1, created_at=events.MAX_TIMESTAMP)
    tidings("import", "--data", data, "--set", "limits.created_at_future=0", stdin=events.wire(far))
    result = tidings("info", "--data", data)
    assert result.exit_code == 0
    assert f"{events.MAX_TIMESTAMP:,}" in result.stdout


def test_check_finds_nothing_wrong_with_a_sound_database(tidings: Tidings, full: Path) -> None:
    result = tidings("check", "--data", full)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no problem found" in result.stderr


def test_check_for_a_script_says_so_when_nothing_is_wrong(tidings: Tidings, full: Path) -> None:
    result = tidings("check", "--json", "--data", full)
    assert (result.exit_code, result.stdout) == (0, '{"problems":0}\n')


def test_check_names_every_problem_and_ends_with_code_1(tidings: Tidings, full: Path) -> None:
    forged = events.wire(EVENTS[3]).replace(b"event 2", b"event X")
    with sqlite3.connect(full / "tidings.sqlite") as connection:
        connection.execute("UPDATE events SET wire = ? WHERE seq = 4", (forged,))
    connection.close()
    result = tidings("check", "--json", "--data", full)
    assert result.exit_code == 1
    *problems, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert last == {"problems": len(problems)}
    assert {problem["seq"] for problem in problems} == {4}
    assert f"{counted(len(problems), 'problem')} found" in result.stderr


def test_a_backup_is_a_database_with_everything_in_it(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    copy = tmp_path / "copy" / "tidings.sqlite"
    copy.parent.mkdir()
    assert tidings("backup", copy, "--data", full).exit_code == 0
    assert tidings("export", "--data", copy.parent).stdout_bytes == TEXT


def test_a_backup_overwrites_nothing(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    copy.write_text("precious")
    result = tidings("backup", copy, "--data", full)
    assert result.exit_code == 1
    assert "copy.sqlite" in result.stderr
    assert copy.read_text() == "precious"


def test_a_copy_that_fails_leaves_nothing(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    (tmp_path / "copy.sqlite.part").write_text("another's")
    result = tidings("backup", tmp_path / "copy.sqlite", "--data", full)
    assert result.exit_code == 1
    assert "copy.sqlite.part is there: another copy is being made, or was broken off" in result.stderr
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("copy")] == ["copy.sqlite.part"]


def test_a_copy_into_a_directory_that_is_not_there_is_told(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    target = tmp_path / "nowhere" / "copy.sqlite"
    wanted = "name a file in a directory that is there and may be written"
    failed = tidings("backup", target, "--data", full)
    assert failed.stderr == f"tidings: {target} cannot be made: No such file or directory; {wanted}\n"


def test_of_copies_in_a_directory_the_newest_stay(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    other = ["secrets.toml", "tidings-before-the-move.sqlite", "tidings-2020-01-01T000000Z.sqlite.part"]
    for name in (*other, "tidings-2020-01-01T000000Z.sqlite", "tidings-2020-01-02T000000Z.sqlite"):
        (copies / name).write_text("x")
    (copies / "tidings-2019-01-01T000000Z.sqlite").mkdir()
    (copies / "tidings-2019-01-02T000000Z.sqlite.part").write_text("broken off long ago")
    os.utime(copies / "tidings-2019-01-02T000000Z.sqlite.part", (0, 0))
    other.append("tidings-2019-01-01T000000Z.sqlite")
    told = json.loads(tidings("backup", copies, "--keep", "2", "--json", "--data", full).stdout)
    made = Path(told["file"])
    assert told["removed"] == 2
    assert {file.name for file in copies.iterdir()} == {*other, "tidings-2020-01-02T000000Z.sqlite", made.name}
    assert made.stat().st_size == told["bytes"]
    assert made.stat().st_mode & 0o077 == 0


def test_only_a_directory_has_copies_to_keep(tidings: Tidings, tmp_path: Path, full: Path) -> None:
    result = tidings("backup", tmp_path / "new.sqlite", "--keep", "2", "--data", full)
    assert result.exit_code == 2
    assert "--keep needs a directory" in result.stderr


def test_what_was_deleted_is_gone_from_the_files_after_compact(tidings: Tidings, data: Path) -> None:
    secret = make_event(1, content="a word that must not stay")
    tidings("import", "--data", data, stdin=events.wire(secret))
    tidings("delete", "{}", "--yes", "--data", data)
    assert tidings("compact", "--data", data).exit_code == 0
    held = b"".join(file.read_bytes() for file in data.iterdir() if file.is_file())
    assert b"must not stay" not in held


def test_rebuild_tells_how_many_rows_there_are(tidings: Tidings, full: Path) -> None:
    result = tidings("rebuild", "--data", full)
    assert result.exit_code == 0
    assert int(result.stderr.removeprefix("rebuilt; rows: ")) >= 1


# through a running relay


def test_verbs_go_through_the_relay_that_is_running(tidings: Tidings, tmp_path: Path, data: Path) -> None:
    with running(data) as service:
        info = tidings("info", "--json", "--data", data)
        compact = tidings("compact", "--data", data)
        rebuild = tidings("rebuild", "--data", data)
    assert [result.exit_code for result in (info, compact, rebuild)] == [0, 0, 0]
    assert service.asked == [("info",), ("compact",), ("rebuild",)]
    assert json.loads(info.stdout)["running"] is True
    assert json.loads(info.stdout)["events"] == INFO.events
    assert rebuild.stderr == "rebuilt; rows: 7\n"
    assert not (data / "tidings.sqlite").exists()


def test_import_hands_its_events_to_the_relay_that_is_running(tidings: Tidings, data: Path) -> None:
    with running(data) as service:
        service.answers = [Outcome(Status.STORED, 1)] * 20 + [Outcome(Status.DUPLICATE)]
        result = tidings("import", "--json", "--data", data, stdin=TEXT)
    assert result.exit_code == 0
    assert (json.loads(result.stdout)["stored"], json.loads(result.stdout)["duplicates"]) == (20, 1)
    assert [item.event for item in service.batch] == EVENTS


def test_a_failure_in_the_relay_is_told(tidings: Tidings, data: Path) -> None:
    with running(data) as service:
        service.failure = StorageError("the disk is full; make room")
        result = tidings("compact", "--data", data)
    assert (result.exit_code, result.stderr) == (1, "tidings: the disk is full; make room\n")


def test_check_tells_what_is_missing_of_the_log_until_that_is_accepted(tidings: Tidings, full: Path) -> None:
    assert tidings("check", "--data", full).exit_code == 0
    committed.write(full, 25)
    for _ in range(2):
        told = tidings("check", "--data", full)
        assert told.exit_code == 1
        assert "events 22 to 25 of the log are missing" in told.stdout
        assert "--accept-loss" in told.stdout
    accepted = tidings("check", "--accept-loss", "--data", full)
    assert accepted.exit_code == 0
    assert "events 22 to 25 are gone; the next one is 26" in accepted.stderr
    assert tidings("check", "--data", full).exit_code == 0
    assert "nothing is missing" in tidings("check", "--accept-loss", "--data", full).stderr
    event = make_event(3, content="the next")
    assert tidings("import", "--data", full, stdin=events.wire(event)).exit_code == 0
    assert "26" in tidings("info", "--data", full).stdout


def test_a_loss_is_not_accepted_under_a_running_relay(tidings: Tidings, full: Path) -> None:
    lock = Lock(full)
    try:
        told = tidings("check", "--accept-loss", "--data", full)
    finally:
        lock.release()
    assert told.exit_code != 0
    assert "stop it" in told.stderr


def test_a_command_waits_for_a_relay_that_is_starting(
    tidings: Tidings, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the data directory and does not answer yet."""
    with ExitStack() as stack:
        stack.callback(Lock(data).release)
        begun: list[Remembering] = []
        monkeypatch.setattr("time.sleep", lambda _: begun.append(stack.enter_context(running(data))))
        result = tidings("compact", "--data", data)
    assert (result.exit_code, result.stderr) == (0, "compacted\n"), result.output
    assert len(begun) == 1


def test_and_for_one_that_is_stopping(tidings: Tidings, full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Lock(full)
    monkeypatch.setattr("time.sleep", lambda _: lock.release())
    assert tidings("compact", "--data", full).exit_code == 0


def test_but_not_for_ever(tidings: Tidings, full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(0.0, 10.0)
    monkeypatch.setattr(
        "relay.commands.operating.time", SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _: None)
    )
    lock = Lock(full)
    result = tidings("compact", "--data", full)
    lock.release()
    assert result.exit_code == 1
    waiting, failed = result.stderr.splitlines()
    assert "waiting" in waiting
    assert failed.startswith(f"tidings: process {os.getpid()} writes the data directory")
