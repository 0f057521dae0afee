"""The first start on a terminal asks what the place is called and for; every other start goes on by itself."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay import loading
from relay.setting_parts import ConfigError
from tests.e2e.harness import HTTP, PATIENCE, ROOT, environment


class Terminal:
    """`tidings serve` in the foreground of a terminal."""

    def __init__(self, data: Path, *more: str) -> None:
        self._side, self._there = pty.openpty()
        serve = [sys.executable, "-m", "relay", "serve", "--listen", "127.0.0.1:0", "--data", str(data), *more]
        # The leader of a session gets the terminal that it opens.
        command = ["sh", "-c", 'tty="$0"; exec "$@" < "$tty" > "$tty" 2>&1', os.ttyname(self._there), *serve]
        self.process = subprocess.Popen(command, start_new_session=True, cwd=ROOT, env=environment())
        self.seen = ""

    def expect(self, words: str) -> None:
        until = time.monotonic() + 4 * PATIENCE
        while words not in self.seen:
            assert select.select([self._side], [], [], max(0, until - time.monotonic()))[0], self.seen
            self.seen += os.read(self._side, 4096).decode()

    def type(self, line: str) -> None:
        os.write(self._side, f"{line}\n".encode())

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._side)
        os.close(self._there)


@contextmanager
def started(data: Path, *more: str) -> Iterator[Terminal]:
    terminal = Terminal(data, *more)
    try:
        yield terminal
        terminal.end()
    finally:
        terminal.close()


def page(terminal: Terminal) -> str:
    terminal.expect("Ctrl-C")
    url = re.search(r"page +(http\S+)", terminal.seen)
    assert url is not None
    return HTTP.get(url[1], headers={"accept": "text/html"}).text


def test_what_the_first_start_is_told_stands_on_the_page_and_is_not_asked_again(tmp_path):
    with started(tmp_path / "data") as terminal:
        terminal.expect("called? [Tidings]")
        terminal.type('The "Quay"')
        terminal.expect("in a sentence?")
        terminal.type("Talk of tides \x07and boats.")
        assert "Talk of tides \N{REPLACEMENT CHARACTER}and boats.<" in page(terminal)
    with started(tmp_path / "data") as terminal:
        assert "This is The &#34;Quay&#34;" in page(terminal)
        assert "called?" not in terminal.seen
    with started(tmp_path / "data", "--set", "relay.name=Pier") as terminal:
        assert "This is Pier" in page(terminal)


def test_nothing_is_asked_where_a_setting_says_it_and_enter_leaves_it_open(tmp_path):
    with started(tmp_path / "one", "--set", "relay.description=Boats") as terminal:
        assert "This is Tidings" in page(terminal)
        assert "called?" not in terminal.seen
    with started(tmp_path / "two") as terminal:
        terminal.expect("called?")
        terminal.type("")
        terminal.expect("in a sentence?")
        terminal.type("")
        assert "This is Tidings" in page(terminal)
    assert not (tmp_path / "two" / loading.KEPT).exists()


def test_the_settings_of_the_data_directory_count_least(tmp_path):
    data = {"server.data": str(tmp_path)}
    (tmp_path / loading.KEPT).write_text('[relay]\nname = "Kept"\ndescription = "Kept"\n')
    file = tmp_path / "own.toml"
    file.write_text('[relay]\nname = "Own"\n')
    found = loading.load(file, {}, data)
    assert (found.relay.name, found.relay.description) == ("Own", "Kept")


def test_the_data_directory_does_not_say_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / loading.KEPT).write_text('[server]\ndata = "./other"\n')
    with pytest.raises(ConfigError, match="cannot stand in the data directory"):
        loading.load(None, {}, {})
