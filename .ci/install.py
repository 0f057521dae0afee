"""Install what a lock file names, and say how far it is: `python .ci/install.py requirements.lock`, run by the venv's own Python.

Whatever has to be compiled (`COMPILED`) is compiled while everything else is downloaded, so that the first start takes as
long as the slower of the two. Hashes are required of both.
"""

import importlib.metadata
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

COMPILED = ("hnswlib",)  # there are no wheels of it
FIRST = (
    "  About 80 MB to download and 330 MB on disk, once. hnswlib has no wheels and is compiled meanwhile: that is most of\n"
    "  the time, half a minute on a quick machine, up to three on a slow one."
)
QUIET = ("--quiet", "--disable-pip-version-check", "--no-input")
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?:.*\\\n)?(?:^\s+--hash=.*\n)*", re.MULTILINE)
COLLECTING = re.compile(r"^Collecting ([A-Za-z0-9._-]+)==(\S+)")
SIZE = re.compile(r"^  (?:Downloading|Using cached) \S+ \((.*)\)")
KEPT = 40  # lines of pip's that are shown when it fails


def missing(lock: str) -> dict[str, str]:
    """The entries of a lock file that are not installed, by name."""
    found = {}
    for entry in ENTRY.finditer(lock):
        try:
            present = importlib.metadata.version(entry[1])
        except importlib.metadata.PackageNotFoundError:
            present = ""
        if present != entry[2]:
            found[entry[1].lower()] = entry[0]
    return found


class Pip:
    """One run of pip; its lines come into a queue, `None` at its end."""

    def __init__(self, lines: "queue.Queue[tuple[Pip, str | None]]", *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        self.last: list[str] = []
        self._lines = lines
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self.process:  # its pipe is closed at the end, and its exit code is there
            for line in self.process.stdout or ():
                self.last = [*self.last[1 - KEPT :], line]
                self._lines.put((self, line.rstrip()))
        self._lines.put((self, None))


class Screen:
    """One line that changes on a terminal; elsewhere a line now and then."""

    def __init__(self, pause: float = 10.0) -> None:
        self._terminal = sys.stderr.isatty()
        self._pause = pause  # seconds between lines where nobody sees one change
        self._said = time.monotonic()

    def show(self, text: str) -> None:
        if self._terminal:
            print(f"\r\x1b[K  {text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._said >= self._pause:
            self.say(f"  {text}")

    def say(self, text: str) -> None:
        self._said = time.monotonic()
        print(("\r\x1b[K" if self._terminal else "") + text, file=sys.stderr, flush=True)


class Count:
    """How far a run of pip is, from what it prints."""

    def __init__(self, total: int) -> None:
        self.text = "starting"
        self._total = total
        self._done = 0
        self._name = ""

    def hear(self, line: str) -> None:
        if collecting := COLLECTING.match(line):
            self._done += 1
            self._name = f"{collecting[1]} {collecting[2]}"
            self.text = f"downloading {self._done} of {self._total}: {self._name}"
        elif size := SIZE.match(line):
            self.text = f"downloading {self._done} of {self._total}: {self._name} ({size[1]})"
        elif line.startswith("Installing collected packages"):
            self.text = f"unpacking {self._total} packages"
        elif line.startswith("WARNING: Retrying"):
            self.text = "the package index does not answer; trying again"


def install(wanted: dict[str, str], screen: Screen, scratch: Path) -> int:
    """Install these entries of a lock file; pip's exit code."""
    compiled = [entry for name, entry in wanted.items() if name in COMPILED]
    rest = [entry for name, entry in wanted.items() if name not in COMPILED]
    lines: queue.Queue[tuple[Pip, str | None]] = queue.Queue()
    count = Count(len(rest))
    began = time.monotonic()
    running = {
        Pip(lines, *verb, "--no-deps", "--require-hashes", "-r", written(scratch / f"{name}.txt", entries)): name
        for name, entries, verb in (("rest", rest, ["install"]), ("compiled", compiled, ["wheel", "-w", str(scratch)]))
        if entries
    }
    try:
        while running:
            pip, line = next_line(lines)
            name = running[pip] if pip is not None else ""
            if pip is not None and line is None:
                del running[pip]
                if pip.process.returncode:
                    screen.say("".join(pip.last))
                    return pip.process.returncode
                if name == "compiled":
                    screen.say(f"  {' '.join(COMPILED)}: compiled")
            elif name == "rest" and line:
                count.hear(line)
            parts = {"rest": count.text, "compiled": f"compiling {' '.join(COMPILED)}"}
            doing = [words for each, words in parts.items() if each in running.values()]
            if doing:
                screen.show(f"{' · '.join(doing)} · {time.monotonic() - began:.0f} s")
    finally:
        for each in running:
            each.process.terminate()
    wheels = [str(wheel) for wheel in scratch.glob("*.whl")]
    return subprocess.call([sys.executable, "-m", "pip", *QUIET, "install", "--no-deps", *wheels]) if wheels else 0


def written(file: Path, entries: list[str]) -> str:
    """The file's name, after these entries were written to it."""
    file.write_text("".join(entries), encoding="utf-8")
    return str(file)


def next_line(lines: "queue.Queue[tuple[Pip, str | None]]") -> tuple[Pip | None, str | None]:
    """The next line and whose it is; nobody's after a second without one."""
    try:
        return lines.get(timeout=1)
    except queue.Empty:
        return None, None


def main(file: str) -> int:
    wanted = missing(Path(file).read_text(encoding="utf-8"))
    if not wanted:
        return 0
    screen = Screen()
    screen.say(f"Setting up {Path(sys.prefix).name}: {len(wanted)} packages of {file}.")
    if any(name in wanted for name in COMPILED):
        screen.say(FIRST)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        code = install(wanted, screen, Path(scratch))
    screen.say(f"  {'failed' if code else 'done'} after {time.monotonic() - began:.0f} s")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\n  stopped; what was downloaded is kept, and the same command goes on")
