"""Moving events in and out as JSON lines: reading with bounds, checking in parallel, counting what is refused.

A malformed line is counted and never stops an import. Work in flight is bounded: a few batches of lines are being checked
while one batch is written.
"""

import codecs
import gzip
import hashlib
import io
import os
import re
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final, Self

import msgspec
import zstandard

from keys import schnorr
from relay.commands.common import naming
from relay.commands.operating import WriteTarget
from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol.event import Event
from relay.protocol.groups.belonging import FOR_OPERATOR
from relay.protocol.outdated import is_outdated
from storage.base import Outcome, Status

MAX_LINE: Final = 1024 * 1024  # bytes
JOB_LINES: Final = 64  # lines checked in one go: enough to be worth a hop to another thread
JOB_BYTES: Final = 256 * 1024
BATCH_EVENTS: Final = 512  # events written in one transaction
BATCH_BYTES: Final = 2 * 1024 * 1024
MAX_REASONS: Final = 50  # kinds of refusal told apart
EXAMPLES: Final = 3
MAX_WINDOW: Final = 2**27  # bytes of memory a zstd frame may ask for
_OTHER: Final = "other reasons"
_PARTICULAR: Final = re.compile(r"[0-9a-f]{64}|[0-9]{9,}")  # ids and times, by which reasons of one kind differ
_DAMAGE: Final = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)


class Lines(msgspec.Struct, frozen=True):
    """Some consecutive lines; None stands for one longer than MAX_LINE.

    `first` is the number of the first, `end` the offset after the last and `size` what they hold, in bytes.
    """

    first: int
    lines: list[bytes | None]
    end: int
    size: int


class Mark(msgspec.Struct, frozen=True):
    """How far the import of a file has come; `offset` counts bytes of the uncompressed text."""

    path: str
    size: int
    modified: int
    offset: int
    lines: int

    @classmethod
    def of(cls, path: Path, offset: int = 0, lines: int = 0) -> Self:
        """The mark of a file as it is now. Raises OSError."""
        status = path.stat()
        return cls(str(path.resolve()), status.st_size, status.st_mtime_ns, offset, lines)


class EventFile:
    """A file of JSON lines, compressed or not by its name (.gz, .zst).

    `raw` tells how far reading has come. `damage` is set when the file turns out to be cut off or corrupt: the lines
    before that are still given.
    """

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self.raw = raw
        self.damage: str | None = None
        self._is_plain = False
        if name.endswith(".gz"):
            self._stream: IO[bytes] | gzip.GzipFile | io.BufferedReader = gzip.GzipFile(fileobj=raw)
        elif name.endswith(".zst"):
            self._stream = io.BufferedReader(_Zstd(raw))
        else:
            self._stream = raw
            self._is_plain = True

    def lines(self, offset: int, number: int) -> Iterator[Lines]:
        """The lines from `offset` (bytes of uncompressed text) on, the first of them being line `number` + 1."""
        self._skip(offset)
        first = number + 1
        lines: list[bytes | None] = []
        size = 0
        while line := self._read(MAX_LINE + 1):
            offset += len(line)
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                offset += self._drop_rest()
                lines.append(None)
            else:
                lines.append(line if offset > len(line) else line.removeprefix(codecs.BOM_UTF8))
                size += len(line)
            if len(lines) >= JOB_LINES or size >= JOB_BYTES:
                yield Lines(first, lines, offset, size)
                first += len(lines)
                lines, size = [], 0
        if lines:
            yield Lines(first, lines, offset, size)

    def _read(self, limit: int) -> bytes:
        try:
            return self._stream.readline(limit)
        except _DAMAGE as error:
            self.damage = str(error) or "the compressed data is corrupt"
            return b""

    def _drop_rest(self) -> int:
        """Read to the end of the line without keeping it; how many bytes that were."""
        dropped = 0
        while piece := self._read(MAX_LINE):
            dropped += len(piece)
            if piece.endswith(b"\n"):
                break
        return dropped

    def _skip(self, offset: int) -> None:
        if self._is_plain and offset:
            self._stream.seek(offset)
            return
        while offset > 0 and (piece := self._read(min(offset, MAX_LINE))):
            offset -= len(piece)


class _Zstd(io.RawIOBase):
    """The text of a zstd file of any number of frames. Raises EOFError when the last frame is cut off.

    Reads in pieces so small that none can unpack to more than some 30 MB: a block of 4 bytes unpacks to 128 KiB at
    most.
    """

    _PIECE: Final = 1024

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__()
        self._raw = raw
        self._frame = _frame()
        self._is_begun = False
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if not self._packed:
                self._packed = self._raw.read(self._PIECE)
                if not self._packed:
                    if self._is_begun:
                        raise EOFError("the zstd data is cut off")
                    return 0
            self._ready = memoryview(self._frame.decompress(self._packed))
            self._is_begun = not self._frame.eof
            self._packed = b""
            if self._frame.eof:
                self._packed = self._frame.unused_data
                self._frame = _frame()
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def _frame() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()


def check_line(line: bytes | None) -> Event | Reject | None:
    """The verified event in a line, what is wrong with it, or None for a blank line."""
    if line is None:
        return Reject(Prefix.INVALID, f"the line is longer than {MAX_LINE} bytes")
    if line.isspace():
        return None
    try:
        event = events.parse(line)
    except Reject as refusal:
        return refusal
    return schnorr.fault(event) or event


Verdict = Event | Reject | None


def checked(groups: Iterable[Lines], workers: int) -> Generator[tuple[Lines, list[Verdict]], None, None]:
    """Each group with a verdict a line, in order, checked on `workers` threads; at most twice as many groups wait."""
    waiting: deque[tuple[Lines, Future[list[Verdict]]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="check")
    try:
        for group in groups:
            waiting.append((group, pool.submit(_check_group, group)))
            if len(waiting) > 2 * workers:
                done, verdicts = waiting.popleft()
                yield done, verdicts.result()
        while waiting:
            done, verdicts = waiting.popleft()
            yield done, verdicts.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _check_group(group: Lines) -> list[Verdict]:
    return [check_line(line) for line in group.lines]


class RefusedLine(msgspec.Struct, frozen=True):
    """A line that was not taken: one line of the report file."""

    file: str
    line: int
    reason: str
    id: str | None
    text: str


class Tally(msgspec.Struct):
    """What became of the lines. `reasons` counts refusals by their message without ids and times, `examples` has the first few.

    `outdated`: not taken, since a newer version is here, or since they were deleted, removed, have expired or are past
    their days: no refusals.
    `for_operator`: stored, of groups that are not this relay's, so that nobody but the operator reads them.
    """

    lines: int = 0
    stored: int = 0
    ephemeral: int = 0
    duplicates: int = 0
    refused: int = 0
    reasons: dict[str, int] = {}
    examples: dict[str, list[RefusedLine]] = {}
    for_operator: int = 0
    outdated: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count one event that was not refused."""
        match outcome.status:
            case Status.STORED:
                self.stored += 1
                self.for_operator += outcome.message == FOR_OPERATOR
            case Status.EPHEMERAL:
                self.ephemeral += 1
            case Status.DUPLICATE:
                self.duplicates += 1
            case Status.REFUSED:
                raise AssertionError("a refusal is counted with its line")

    def refuse(self, refused: RefusedLine) -> None:
        """Count one line that was refused; reasons beyond MAX_REASONS go together."""
        self.refused += 1
        reason = _PARTICULAR.sub("…", refused.reason)
        reason = _OTHER if reason not in self.reasons and len(self.reasons) >= MAX_REASONS else reason
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(refused)


class Importer:
    """Takes checked lines of one file after another, writes them in batches and keeps the tally.

    `on_refusal` is called for each refused line.
    """

    def __init__(self, target: WriteTarget, tally: Tally, on_refusal: Callable[[RefusedLine], None]) -> None:
        self._target = target
        self._tally = tally
        self._on_refusal = on_refusal

    def run(self, name: str, groups: Iterable[tuple[Lines, list[Verdict]]], on_batch: Callable[[Lines], None]) -> None:
        """Import one file's lines; `on_batch` gets the last lines covered each time a batch is durable."""
        batch: list[tuple[int, bytes, Event]] = []
        size = 0
        last: Lines | None = None
        for group, verdicts in groups:
            self._tally.lines += len(verdicts)
            for number, (line, verdict) in enumerate(zip(group.lines, verdicts, strict=True), group.first):
                if isinstance(verdict, Reject):
                    self._refuse(name, number, line, None, verdict)
                elif verdict is not None:
                    batch.append((number, line or b"", verdict))
            size += group.size
            last = group
            if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
                self._write(name, batch)
                on_batch(group)
                batch, size = [], 0
        self._write(name, batch)
        if last is not None:
            on_batch(last)

    def _write(self, name: str, batch: list[tuple[int, bytes, Event]]) -> None:
        if not batch:
            return
        outcomes = self._target.submit([event for _, _, event in batch])
        for (number, line, event), outcome in zip(batch, outcomes, strict=True):
            if outcome.refusal is not None and is_outdated(outcome.refusal):
                self._tally.outdated += 1
            elif outcome.refusal is not None:
                self._refuse(name, number, line, event.id, outcome.refusal)
            else:
                self._tally.count(outcome)

    def _refuse(self, name: str, number: int, line: bytes | None, event_id: str | None, why: Reject) -> None:
        text = (line or b"")[:200].decode(errors="replace").rstrip("\n")
        refused = RefusedLine(name, number, str(why), event_id, text)
        self._tally.refuse(refused)
        self._on_refusal(refused)


class Marks:
    """Where the marks of unfinished imports are kept: in the data directory, since they speak about its database."""

    def __init__(self, data: Path) -> None:
        self._directory = data / "imports"

    def _file(self, path: str) -> Path:
        return self._directory / f"{hashlib.sha256(path.encode(errors='surrogateescape')).hexdigest()[:32]}.json"

    def find(self, path: Path) -> Mark | None:
        """How far the import of this file came; None when it was not begun, was finished or the file has changed since."""
        start = Mark.of(path)
        try:
            mark = msgspec.json.decode(self._file(start.path).read_bytes(), type=Mark)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        same = (mark.path, mark.size, mark.modified) == (start.path, start.size, start.modified)
        return mark if same else None

    def save(self, mark: Mark) -> None:
        """Remember how far an import has come; a crash leaves this mark or the one before."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        file = self._file(mark.path)
        fresh = file.with_suffix(".new")
        with naming(fresh):
            fresh.write_bytes(msgspec.json.encode(mark))
        fresh.replace(file)

    def forget(self, mark: Mark) -> None:
        """The import is finished."""
        self._file(mark.path).unlink(missing_ok=True)


def workers() -> int:
    """Threads that check signatures: one a core, as checking releases the GIL."""
    return os.cpu_count() or 1
