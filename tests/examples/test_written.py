"""Every example of README and docs does what it says, as it is written, in the order in which a newcomer meets it.

A page's shell commands run one after the other in one shell, all pages against one fresh relay: the one that README's
`make run` starts. Only what `REPLACED` names is changed. A command that goes on until it is stopped is left alone once it has
said something. Other blocks are read by what reads them: JSON, settings.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from relay.loading import load
from tests.e2e.harness import ROOT, environment, free_port

PAGES = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "api",
            "identities",
            "groups",
            "cli",
            "client",
            "agents",
            "feed",
            "search",
            "control-plane",
            "federation",
            "operating",
            "benchmarks",
            "measured",
        )
    ),
)
SHELL = ("sh", "console")
SHOWN = ("", "ini", "nginx", "caddy", "caddyfile")  # for the eye, or tried where the program is that reads them
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
ENDLESS = re.compile(r"^make run$|tidings serve|--follow|curl -sN|examples/(watch|agent|answers)\.py")
REPLACED = {"git clone <this repository> tidings && cd tidings": ":"}  # the tests are in a clone already
FAILED = re.compile(r'"success":false|"results":\[\]|nothing was found|Traceback')
PATIENCE = 150  # seconds that a page may take, less than a test may; each command that waits has 60 of them
# What a page is run by: `run NUMBER COMMAND` in the page's own shell, so that its variables stay.
RUNNER = """
run() { eval "$2" > "$OUT/$1" 2>&1 < /dev/null; echo $? > "$OUT/$1.code"; }
start() {
  eval "exec $2" > "$OUT/$1" 2>&1 < /dev/null &
  for _ in $(seq 600); do
    if ! kill -0 $!; then wait $!; echo $? > "$OUT/$1.code"; return; fi
    if [ -s "$OUT/$1" ] && grep -q "$3" "$OUT/$1"; then echo 0 > "$OUT/$1.code"; return; fi
    sleep 0.1
  done
}
"""


class Command(NamedTuple):
    """A command of a page, and the line that it is on."""

    line: int
    text: str


def blocks(page: str) -> Iterator[tuple[int, str, str]]:
    """The line, the language and the text of each block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start()) + 2, found["language"], textwrap.dedent(found["text"])


def commands(line: int, language: str, text: str) -> Iterator[Command]:
    """The commands of a block; one that goes on in the next line is one."""
    if language == "python":
        yield Command(line, f"python -c {quoted(text)}")
        return
    held, start = "", line
    for number, each in enumerate(text.splitlines(), line):
        start = start if held else number
        held += each.removeprefix("$ ") if language == "console" else each
        if held.endswith(("\\", "|")):
            held += "\n"
        elif held.strip():
            yield Command(start, REPLACED.get(held, held))
            held = ""


def quoted(text: str) -> str:
    """As one word of the shell."""
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone with a finished `.venv`, so that `make run` only runs."""
    tree = tmp_path / "tidings"
    (tree / ".venv").mkdir(parents=True)
    for name in ("Makefile", "README.md", "docs", "examples", "pyproject.toml", "requirements.lock", ".ci"):
        (tree / name).symlink_to(ROOT / name)
    (tree / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (tree / ".venv" / ".ready").touch()
    return tree


class Shell:
    """Runs pages in a folder. The ports of the docs are changed to free ones: a relay may be running beside the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in ("7447", "7448")}
        self.home = folder.parent / "home"
        self.home.mkdir()
        self.running: list[subprocess.Popen[bytes]] = []

    def script(self, all_commands: list[Command], is_readme: bool) -> str:
        """A page as a script."""
        lines = [RUNNER, "" if is_readme else ". .venv/bin/activate"]
        for number, command in enumerate(all_commands):
            text = command.text
            for port, free in self.ports.items():
                text = text.replace(port, free)
            ends = not ENDLESS.search(text)
            said = "Ctrl-C stops" if re.search("make run|serve", text) else "."
            lines.append(f"run {number} {quoted(text)}" if ends else f"start {number} {quoted(text)} {quoted(said)}")
        return "\n".join([*lines, "touch $OUT/done", "read _"])

    def run(self, page: str, all_commands: list[Command]) -> list[str]:
        """What went wrong, in a line or more each. What the page started goes on."""
        out = self.folder.parent / page.replace("/", "-")
        out.mkdir()
        values = {"HOME": str(self.home), "OUT": str(out), "LISTEN": f"127.0.0.1:{self.ports['7447']}"}
        program = subprocess.Popen(
            ["bash", "-c", self.script(all_commands, page == "README.md")],
            cwd=self.folder,
            env={name: value for name, value in environment().items() if name != "VIRTUAL_ENV"} | values,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.running.append(program)
        with contextlib.suppress(subprocess.TimeoutExpired):
            wait_for(program, out / "done")
        return [
            trouble for number, each in enumerate(all_commands) for trouble in troubles(page, each, out / str(number))
        ]

    def stop(self) -> None:
        """End everything that was started."""
        for program in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGTERM)
            program.communicate()


def wait_for(program: subprocess.Popen[bytes], file: Path) -> None:
    """Until the page is through."""
    for _ in range(PATIENCE * 10):
        if file.exists():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(0.1)
            return


def troubles(page: str, command: Command, output: Path) -> Iterator[str]:
    code = output.with_suffix(".code")
    status = code.read_text().strip() if code.exists() else "none: it did not come to an end, or said nothing"
    said = output.read_text(errors="replace") if output.exists() else ""
    if status != "0" or FAILED.search(said):
        yield f"{page}:{command.line}: {command.text[:200]}\n  exit code {status}\n{textwrap.indent(said[-1500:], '  ')}"


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq", "make"))), reason="bash, curl, jq or make is missing"
)
def test_every_example_runs_as_it_is_written(folder: Path) -> None:
    shell = Shell(folder)
    found: list[str] = []
    try:
        for page in PAGES:
            run = [
                command
                for line, language, text in blocks(page)
                if language in (*SHELL, "python")
                for command in commands(line, language, text)
            ]
            found += shell.run(page, run) if run else []
    finally:
        shell.stop()
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_every_other_block_is_what_it_says(page: str, tmp_path: Path) -> None:
    for line, language, text in blocks(page):
        if language == "json":
            json.loads(text)
        elif language == "toml":
            file = tmp_path / f"{line}.toml"
            file.write_text(text, encoding="utf-8")
            load(file, {}, {})
        else:
            assert language in (*SHELL, *SHOWN, "python"), f"{page}:{line}: who reads {language}?"


def test_no_page_with_examples_is_left_out() -> None:
    with_blocks = {
        str(file.relative_to(ROOT))
        for file in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
        if "```" in file.read_text()
    }
    assert with_blocks <= set(PAGES), "add the page to PAGES"
