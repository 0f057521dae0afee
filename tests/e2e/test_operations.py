"""The life of a relay: settings that change, limits by address, stopping, a full disk, and what stops the start."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode

from tests.e2e.harness import PATIENCE, ROOT, TIDINGS, Client, Server, client, command, environment, fresh_key, serving
from tests.factories import make_event


async def _until_refused(alice: Client, prefix: str) -> None:
    """Publish until the answer has this prefix: how a client notices that settings have changed."""

    async def attempt() -> None:
        while not str((await alice.publish(make_event(fresh_key())))[3]).startswith(prefix):
            pass

    await asyncio.wait_for(attempt(), PATIENCE)


async def test_a_hangup_takes_new_settings_and_keeps_the_old_where_they_are_wrong(tmp_path: Path) -> None:
    file = tmp_path / "tidings.toml"
    file.write_text("[limits]\nmax_content_length = 10\n")
    with serving(tmp_path / "data", file=file, program=TIDINGS) as server:
        async with client(server) as alice:
            assert (await alice.refused(make_event(content="x" * 11))).startswith("invalid: ")
            file.write_text("[access]\nallowed_kinds = [7]\n")
            server.reload()
            await _until_refused(alice, "blocked: ")
            await alice.store(make_event(kind=7, content="x" * 11))
            file.write_text("[access]\nallowed_kinds = [\n")
            server.reload()
            await asyncio.to_thread(_until_logged, server, "not reloaded")
            assert (await alice.refused(make_event())).startswith("blocked: ")


@pytest.mark.parametrize("processes", ["on", "off"])
def test_a_hangup_while_the_relay_starts_is_heeded_when_it_is_up(tmp_path: Path, processes: str) -> None:
    file, plain = tmp_path / "tidings.toml", tmp_path / "plain.toml"
    os.mkfifo(file)
    plain.write_text("[limits]\nmax_content_length = 10\n")
    arguments = ["serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--config", str(file)]
    command = [*TIDINGS, *arguments, "--set", f"server.processes={processes}"]
    log = tmp_path / "log"
    with log.open("wb") as err, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=err) as process:
        try:
            with file.open("w") as first:  # it reads its settings now
                process.send_signal(signal.SIGHUP)
                plain.replace(file)
                first.write("[limits]\n")
            deadline = time.monotonic() + PATIENCE
            while " reloaded" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("processes", ["on", "off"])
def test_ends_well_where_the_data_directory_cannot_be_changed_any_more(tmp_path: Path, processes: str) -> None:
    data = tmp_path / "data"
    with serving(data, f"server.processes={processes}"):
        data.rename(tmp_path / "aside")
        data.write_text("a file, in which no socket can be removed")


def _until_logged(server: Server, text: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in server.log():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.01)


async def test_connections_and_messages_of_an_address_are_limited_behind_a_proxy(tmp_path: Path) -> None:
    with serving(
        tmp_path / "data",
        "server.trusted_proxies=127.0.0.0/8",
        "rates.connections_per_address=2",
        "rates.messages_per_address=0.01",
        "rates.burst=300",
    ) as server:

        def from_address(address: str) -> contextlib.AbstractAsyncContextManager[Client]:
            return client(server, additional_headers={"X-Forwarded-For": address})

        async with from_address("6.6.6.6, 198.51.100.1") as one, from_address("198.51.100.1") as two:
            with pytest.raises(InvalidStatus, match="429"):
                async with from_address("7.7.7.7, 198.51.100.1"):
                    pass
            for each in (one, two, one):  # three messages a burst
                assert (await each.request({"ids": []}))[1][0] == "EOSE"
            assert (await two.request({"ids": []}))[1][2].startswith("rate-limited: ")
            assert (await one.refused(make_event())).startswith("rate-limited: ")
            async with from_address("198.51.100.2") as other:
                await other.store(make_event())
        async with from_address("198.51.100.1") as again:
            assert isinstance(await again.count({}), str)


async def test_events_of_a_key_are_limited_wherever_they_come_from(tmp_path: Path) -> None:
    key = fresh_key()
    with serving(tmp_path / "data", "rates.events_per_key=60", "rates.burst=3") as server:
        async with client(server) as one, client(server) as two:
            await one.store(make_event(key, content="1"), make_event(key, content="2"))
            await two.store(make_event(key, content="3"))
            assert (await two.refused(make_event(key, content="4"))).startswith("rate-limited: ")
            await two.store(make_event(fresh_key()))


async def test_the_connections_of_a_relay_are_limited(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "server.max_connections=1") as server:
        async with client(server):
            with pytest.raises(InvalidStatus, match="429"):
                async with client(server):
                    pass


async def test_a_stop_answers_what_is_queued_and_hangs_up(tmp_path: Path) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(number)) for number in range(2000)]
    # Whoever takes longer than this is cut off, as on a busy machine.
    with serving(tmp_path / "data", "server.drain_timeout=60", program=TIDINGS) as server:
        async with client(server) as idle, client(server) as writer:
            await idle.request({"ids": []}, name="open")

            async def send() -> None:
                with contextlib.suppress(Exception):
                    for event in events:
                        await writer.post(event)

            sending = asyncio.create_task(send())
            acknowledged = {(await writer.next())[1]}
            server.terminate()
            answers = [json.loads(message) for message in await _all(writer)]
            await sending
            assert all(answer[0] == "OK" and answer[2] for answer in answers)
            acknowledged |= {answer[1] for answer in answers}
            assert await _all(idle) == []  # a CLOSED would end its subscription for good
        assert await asyncio.to_thread(server.ended) == 0
    with serving(tmp_path / "data") as server:
        async with client(server) as reader:
            assert acknowledged <= set(await reader.stored({"authors": [key.pubkey], "limit": 5000}))


async def _all(alice: Client) -> list[Any]:
    """Messages until the relay hangs up."""
    messages = []
    while True:
        try:
            messages.append(await alice.connection.recv())
        except ConnectionClosed:
            assert alice.connection.close_code == CloseCode.ABNORMAL_CLOSURE  # it sent none
            return messages


async def test_a_stop_does_not_wait_for_a_client_that_keeps_sending(tmp_path: Path) -> None:
    event = make_event()
    with serving(tmp_path / "data", "server.drain_timeout=3") as server:
        async with client(server) as writer, client(server) as deaf:
            await writer.store(event)

            async def flood(alice: Client) -> None:
                with contextlib.suppress(Exception):
                    while True:
                        await alice.post(event)
                        await asyncio.sleep(0)  # sending alone would leave the others no turn

            async def drink(alice: Client) -> None:
                with contextlib.suppress(Exception):
                    while True:
                        await alice.next()

            tasks = [asyncio.create_task(work) for work in (flood(writer), drink(writer), flood(deaf))]
            await deaf.next()
            server.terminate()
            assert await asyncio.wait_for(asyncio.to_thread(server.ended), PATIENCE) == 0
            await asyncio.gather(*tasks)


async def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path / "data", program=TIDINGS) as server:
        async with client(server) as alice:
            server.terminate()
            server.process.send_signal(signal.SIGINT)
            assert await alice.closed() == CloseCode.ABNORMAL_CLOSURE
        assert await asyncio.to_thread(server.ended) == 0


async def test_a_full_disk_is_answered_with_an_error_and_the_relay_recovers(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        async with client(server) as alice:
            kept = make_event(content="before")
            await alice.store(kept)
            size = max(file.stat().st_size for file in (tmp_path / "data").glob("tidings.sqlite*"))
            unlimited = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            for pid in server.processes():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
            big = [make_event(content=f"{number} " + "x" * 50_000) for number in range(40)]
            answers = [await alice.publish(event) for event in big]
            refused = [answer for answer in answers if not answer[2]]
            assert refused
            assert all(answer[3].startswith("error: ") for answer in refused)
            assert await alice.stored({"ids": [kept.id]}) == [kept.id]
            for pid in server.processes():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
            await alice.store(*[event for event, answer in zip(big, answers, strict=True) if not answer[2]])
            assert set(await alice.stored({"ids": [event.id for event in big]})) == {event.id for event in big}


FEW_FILES = ("bash", "-c", 'ulimit -Sn 256; exec "$@"', "bash", sys.executable, "-m", "relay")


def test_a_relay_may_open_as_many_files_as_the_system_lets_it(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(tmp_path / "data", program=FEW_FILES) as server:
        for pid in server.processes():
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (most, most)


def _leave_room_for(files: int, server: Server) -> None:
    """None of the relay's processes may open more than about this many files more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for pid in server.processes():
        highest = max(int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + files, most))


async def _connect(server: Server, others: contextlib.AsyncExitStack, number: int) -> None:
    for _ in range(number):
        await others.enter_async_context(client(server))


async def test_where_no_more_files_may_be_open_who_comes_is_told_and_who_is_there_stays(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        async with client(server) as alice:
            _leave_room_for(3, server)
            async with contextlib.AsyncExitStack() as others:
                with pytest.raises(InvalidStatus) as told:
                    await _connect(server, others, 50)
                assert told.value.response.status_code == 503
                assert b"no room for more connections" in told.value.response.body
                await alice.store(make_event())
            await _connected(server)
        assert server.log().count("each connection is a file") == 1


async def _connected(server: Server) -> None:
    """Until somebody is let in again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            async with client(server) as newcomer:
                await newcomer.store(make_event(content="there is room again"))
                return
        except InvalidStatus:
            assert time.monotonic() < deadline


def _refusal(*arguments: str, data: Path | None = None) -> str:
    """The one line with which a start is refused."""
    done = command("serve", "--listen", "127.0.0.1:0", *arguments, data=data)
    assert done.returncode in (1, 2)
    lines = done.stderr.decode().strip().splitlines()
    assert len(lines) == 1, lines
    assert done.stdout == b""
    return lines[0]


@pytest.mark.parametrize("processes", ["on", "off"])
def test_certificates_that_cannot_be_read_stop_the_start_with_what_names_them(tmp_path: Path, processes: str) -> None:
    start = [*TIDINGS, "serve", "--listen", "127.0.0.1:0", "--data", "data", "--set", f"server.processes={processes}"]
    env = environment() | {"SSL_CERT_FILE": "/no/such/file.pem", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(start, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tidings: SSL_CERT_FILE is '/no/such/file.pem', where no certificates can be read")
    assert done.stderr.count("\n") == 1


def test_a_second_writer_of_one_directory_does_not_start(tmp_path: Path) -> None:
    with serving(tmp_path / "data"):
        assert str(tmp_path / "data") in _refusal(data=tmp_path / "data")


def test_a_corrupt_database_stops_the_start(tmp_path: Path) -> None:
    with serving(tmp_path / "data"):
        pass
    files = [file for file in (tmp_path / "data").iterdir() if file.is_file()]
    [database] = [file for file in files if file.read_bytes()[:6] == b"SQLite"]
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    assert _refusal(data=tmp_path / "data")
    database.write_bytes(b"not a database at all" * 1000)
    assert _refusal(data=tmp_path / "data")


@pytest.mark.parametrize("verb", [["info"], ["check"], ["count", "{}"]])
def test_a_verb_on_what_is_no_database_says_so_in_one_line(tmp_path: Path, verb: list[str]) -> None:
    (tmp_path / "tidings.sqlite").write_bytes(b"no database at all" * 1000)
    ended = command(*verb, data=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"tidings: the file is no SQLite database;")
    assert ended.stderr.count(b"\n") == 1, ended.stderr


def test_a_data_directory_that_is_a_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    assert "data" in _refusal(data=tmp_path / "data")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("limits.max_filters=none", "limits.max_filters"),
        ("limits.max_filters=0", "limits.max_filters"),
        ("limits.unheard=1", "limits.unheard"),
        ("limits.max_limit=1", "limits.default_limit"),
        ("server.trusted_proxies=everyone", "server.trusted_proxies"),
        ("relay.url=http://x", "relay.url"),
        ("access.denied_keys=npub1", "access.denied_keys"),
    ],
)
def test_a_bad_setting_stops_the_start_by_its_name(tmp_path: Path, setting: str, named: str) -> None:
    assert named in _refusal("--set", setting, data=tmp_path / "data")


@pytest.mark.parametrize("text", ["[limits]\nunheard = 1\n", "not toml", "name = 1\n", "[limits]\nmax_limit = 'x'\n"])
def test_a_bad_file_stops_the_start_by_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tidings.toml"
    file.write_text(text)
    assert "tidings.toml" in _refusal("--config", str(file), data=tmp_path / "data")


def test_a_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with serving(tmp_path / "one") as server:
        done = command("serve", "--listen", f"127.0.0.1:{server.port}", data=tmp_path / "two")
    assert done.returncode in (1, 2)
    assert str(server.port) in done.stderr.decode()
