"""`import` and `export`: events in and out as JSON lines."""

import contextlib
import gzip
import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec
import zstandard

from relay.commands import transfer
from relay.commands.common import (
    MOST_SEQ,
    Complaint,
    Misuse,
    as_json,
    filter_argument,
    is_terminal,
    naming,
    output,
    printable,
    run,
    say,
)
from relay.commands.operating import Database, reading, writing
from relay.commands.settings import CommandSettings, with_settings
from relay.commands.transfer import EventFile, Importer, Mark, Marks, RefusedLine, Tally
from relay.errors import Reject
from relay.protocol import event as events
from relay.protocol.filter import Filter
from relay.protocol.words import counted

STDIN: Final = "-"
_TAIL_LINES: Final = 1000  # lines at the end of an export in which one event must still be in the log
_TAIL_BLOCK: Final = 64 * 1024


@click.command("import")
@click.argument("files", nargs=-1, metavar="[FILE|-]...")
@click.option(
    "--restart", is_flag=True, help="Begin each file at its start, even if an earlier import stopped inside it."
)
@click.option("--report", metavar="FILE", help="Write every refused line with its reason to FILE, as JSON lines.")
@as_json
@with_settings
def import_events(
    settings: CommandSettings, files: tuple[str, ...], restart: bool, report: str | None, as_json: bool
) -> None:
    """Take in events from JSON lines.

    FILES hold one event a line and may be compressed (.gz, .zst); - or nothing means stdin. Ids and signatures are
    checked on all cores, the relay's own rules apply, and a line that is refused never stops the rest. While a
    relay runs on the data directory the events go through it and reach its subscribers. A file whose import was
    interrupted goes on where it was.

    Exit code 1 when any line was refused. Events that are here already are fine, and so is what is outdated: a newer
    version is here, or it was deleted by who wrote or moderates it, has expired, or is
    older than this relay keeps such events.

    \b
    Examples:
      tidings import events.jsonl
      tidings import backup.jsonl.zst --report refused.jsonl
      zcat events.gz | tidings import -
    """
    config = settings.load()
    tally = Tally()
    damaged: list[str] = []
    try:
        with writing(config) as target, _report(report) as on_refusal:
            marks = Marks(Path(config.server.data))
            importer = Importer(target, tally, on_refusal)
            for name in files or (STDIN,):
                damage = _import_file(name, importer, tally, marks, restart)
                if damage is not None:
                    damaged.append(f"{name}: {damage}; the lines before that are in")
    except KeyboardInterrupt:
        _summary(tally, as_json)
        raise Complaint("interrupted; the same command goes on from here") from None
    except Exception:
        if tally.lines:  # what is in by now is in for good
            _summary(tally, as_json)
            say("the same command goes on from here")
        raise
    _summary(tally, as_json)
    if damaged:
        raise Complaint("; ".join(damaged))
    if tally.refused:
        raise SystemExit(1)


def _import_file(name: str, importer: Importer, tally: Tally, marks: Marks, restart: bool) -> str | None:
    """Import one file or stdin; what is wrong with the file as a whole, if anything."""
    from relay.commands.progress import Meter

    path = None if name == STDIN else Path(name)
    source = EventFile(sys.stdin.buffer if path is None else path.open("rb"), name)
    mark = Mark.of(path) if path is not None and path.is_file() else None  # a pipe cannot be gone back into
    total = None if mark is None else mark.size
    if path is not None and mark is not None and not restart and (found := marks.find(path)) is not None:
        mark = found
        say(f"{name}: going on after line {mark.lines}")
    offset, lines = (mark.offset, mark.lines) if mark is not None else (0, 0)
    with source.raw if path is not None else contextlib.nullcontext(), Meter(name, total, "lines") as meter:

        def on_batch(last: transfer.Lines) -> None:
            if mark is not None:
                end = last.first + len(last.lines) - 1
                marks.save(msgspec.structs.replace(mark, offset=last.end, lines=end))
            meter.update(0 if total is None else source.raw.tell(), tally.lines)

        with contextlib.closing(transfer.checked(source.lines(offset, lines), transfer.workers())) as groups:
            importer.run(name, groups, on_batch)
    if mark is not None and source.damage is None:
        marks.forget(mark)
    return source.damage


@contextlib.contextmanager
def _report(file: str | None) -> Iterator[Callable[[RefusedLine], None]]:
    """What is called for each refused line; the report file, if any, is appended to, so that a resumed import adds to it."""
    if file is None:
        yield lambda _: None
        return
    stream = Path(file).open("ab", buffering=0)  # noqa: SIM115, closed below, and its errors name it

    def write(refused: RefusedLine) -> None:
        with naming(file):
            stream.write(msgspec.json.encode(refused) + b"\n")

    with stream:
        yield write


def _summary(tally: Tally, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(tally))
        return
    say(
        f"{counted(tally.lines, 'line')}: {tally.stored:,} stored, {tally.duplicates:,} already here, "
        f"{tally.ephemeral:,} ephemeral (passed on, not stored), {tally.outdated:,} outdated, "
        f"{tally.refused:,} refused"
    )
    if tally.outdated:
        say(
            "  outdated: a newer version is here, or they were deleted by who wrote or moderates, have expired, or are too old"
        )
    if tally.for_operator:
        say(
            f"  {tally.for_operator:,} of them are of groups that another relay's key began: nobody but the operator reads them "
            "here. To make these groups again, import with that relay's key (identities.relay_key) into a new directory"
        )
    for reason, number in sorted(tally.reasons.items(), key=lambda item: -item[1]):
        say(f"  {number:,} × {printable(reason)}")
        for refused in tally.examples[reason]:
            shown = refused.id or refused.text[:60]
            say(f"      {refused.file} line {refused.line}: {printable(shown)}")


@click.command("export")
@click.argument("file", default="-", metavar="[FILE|-]")
@click.option(
    "--filter",
    "wanted",
    type=filter_argument,
    metavar="FILTER",
    help="Only events matching this filter (JSON, or @FILE).",
)
@click.option(
    "--after",
    type=click.IntRange(0, MOST_SEQ),
    default=0,
    metavar="SEQ",
    help="Only events with a log number above this.",
)
@click.option("--resume", is_flag=True, help="Go on after the last event in FILE, which must not be compressed.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@with_settings
def export_events(*, settings: CommandSettings, after: int, wanted: Filter | None, **where: Any) -> None:
    """Write the stored events as JSON lines.

    All of them, private ones too, in the order of the log. FILE is compressed by its name (.gz, .zst) and readable
    by you alone; - or nothing means stdout. The last line on stderr names the last log number, for --after next
    time. A filter's limit is not used. Works while the relay runs.

    \b
    Examples:
      tidings export > events.jsonl
      tidings export events.jsonl.zst
      tidings export notes.jsonl --filter '{"kinds":[1]}'
      tidings export events.jsonl --resume
    """
    target = ImportTarget(**where)
    if target.resume and (target.is_stdout or target.file.endswith((".gz", ".zst"))):
        raise Misuse("--resume needs a FILE that is not compressed; for others use --after")
    if target.resume and target.overwrite:
        raise Misuse("--resume and --overwrite exclude each other")
    run(_export(settings, target, wanted, after))


@dataclass(frozen=True)
class ImportTarget:
    """Where an export goes and what may be there already."""

    file: str
    resume: bool
    overwrite: bool

    @property
    def is_stdout(self) -> bool:
        """Whether it is not a file."""
        return self.file == "-"

    @contextlib.contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The stream to write to. A new file is readable by its owner alone, since it holds private events."""
        if self.is_stdout:
            yield output()
            return
        mode = os.O_APPEND if self.resume else os.O_TRUNC if self.overwrite else os.O_EXCL
        try:
            descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT | mode, 0o600)
        except FileExistsError:
            message = f"{self.file} exists; --overwrite replaces it, --resume goes on after its last event"
            raise Complaint(message) from None
        with naming(self.file), os.fdopen(descriptor, "wb") as raw:
            with _compressed(raw, self.file) as stream:
                yield stream
            raw.flush()
            os.fsync(raw.fileno())


async def _export(settings: CommandSettings, target: ImportTarget, wanted: Filter | None, after: int) -> None:
    from relay.commands.progress import Meter

    count = 0
    async with reading(settings.load()) as database:
        total = (await database.info()).last_seq if is_terminal() else None
        if target.resume and (ids := _last_ids(target.file)):
            after = max(after, await _resume_point(ids, database))
        last = after
        with target.opened() as stream, Meter(target.file, total, "events") as meter:
            async for record in database.scan(wanted, after):
                stream.write(record.wire + b"\n")
                count, last = count + 1, record.seq
                if count % 1000 == 0:
                    meter.update(last, count)
            stream.flush()
    say(f"{counted(count, 'event')}; --after {last} goes on from here")


def _compressed(raw: IO[bytes], name: str) -> contextlib.AbstractContextManager[Any]:
    if name.endswith(".gz"):
        return gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6)
    if name.endswith(".zst"):
        return io.BufferedWriter(zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False), 1024 * 1024)
    return contextlib.nullcontext(raw)


def _last_ids(file: str) -> list[str]:
    """The ids of the last events in a file, none when there is no such file; cuts a half-written last line off."""
    if not Path(file).exists():
        return []
    with Path(file).open("r+b") as stream:
        lines, end = _last_lines(stream, _TAIL_LINES)
        stream.truncate(end)
    try:
        return [events.parse(line).id for line in lines]
    except Reject as refusal:
        raise Complaint(f"{file} is no export: a line near its end is no event ({refusal.message})") from None


async def _resume_point(ids: list[str], database: Database) -> int:
    """The highest log number among these events. Exports follow the log, so whatever comes after it is not in the file."""
    found = [record.seq async for record in database.scan(Filter(ids=frozenset(ids)))]
    if not found:
        raise Complaint("this database has none of the events that the file ends with; use --after or --overwrite")
    return max(found)


def _last_lines(stream: IO[bytes], number: int) -> tuple[list[bytes], int]:
    """The last complete lines, at most `number` of them, and the offset after them."""
    position = stream.seek(0, os.SEEK_END)
    data = b""
    while position > 0 and data.count(b"\n") <= number:
        step = min(_TAIL_BLOCK, position)
        position -= step
        stream.seek(position)
        data = stream.read(step) + data
    complete = data.rfind(b"\n") + 1
    end = position + complete
    whole = data[:complete].split(b"\n")[:-1]
    return (whole if position == 0 else whole[1:])[-number:], end
