"""`info`, `check`, `backup`, `compact`, `rebuild`: looking after a database."""

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from handlers.rows import PROJECTIONS
from relay.commands import control_client
from relay.commands.common import Misuse, as_json, done, printable, run, say
from relay.commands.operating import reading, writing
from relay.commands.progress import waiting
from relay.commands.settings import CommandSettings, with_settings
from relay.config import Config
from relay.protocol.words import counted
from storage.tools import Info

COPY: Final = "tidings-"  # how copies in a directory of them are named, before their time
BROKEN_OFF: Final = 3600  # seconds in which nothing was written to a copy that is not whole
COPIES: Final = f"{COPY}[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9][0-9][0-9][0-9][0-9]Z.sqlite"


@click.command()
@as_json
@with_settings
def info(settings: CommandSettings, as_json: bool) -> None:
    """Print figures about the database.

    \b
    Examples:
      tidings info
      tidings info --json --data /var/lib/tidings
    """
    config = settings.load()
    client = control_client.connect(Path(config.server.data))
    if client is not None:
        with closing(client):
            figures = client.info()
    else:
        figures = run(_info(config))
    if as_json:
        click.echo(msgspec.json.encode(msgspec.structs.asdict(figures) | {"running": client is not None}))
        return
    for name, value in _rows(figures, client is not None):
        click.echo(f"{name:16}{value}")


async def _info(config: Config) -> Info:
    async with reading(config) as database:
        return await database.info()


def _rows(figures: Info, is_running: bool) -> list[tuple[str, str]]:
    kinds = ", ".join(f"{kind}: {number:,}" for kind, number in figures.kinds)
    return [
        ("relay", "running" if is_running else "stopped"),
        ("events", f"{figures.events:,}"),
        ("log number", f"{figures.last_seq:,}"),
        ("authors", f"{figures.authors:,}"),
        ("oldest", _date(figures.oldest)),
        ("newest", _date(figures.newest)),
        ("kinds", kinds or "none"),
        ("expiring", f"{figures.expiring:,}"),
        ("tombstones", f"{figures.tombstones:,}"),
        ("database", f"{counted(figures.database_bytes, 'byte')}, write-ahead log {figures.wal_bytes:,}"),
        ("schema", str(figures.schema_version)),
    ]


def _date(seconds: int | None) -> str:
    if seconds is None:
        return "none"
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds:,}"  # an event may name a time that no calendar has


@click.command()
@click.option("--quick", is_flag=True, help="Do not check signatures again.")
@click.option(
    "--accept-loss", is_flag=True, help="Take the log as it is where events are missing; the relay is stopped."
)
@as_json
@with_settings
def check(settings: CommandSettings, quick: bool, accept_loss: bool, as_json: bool) -> None:
    """Compare the database with itself.

    Checks the file, ids, signatures, index rows and projections, and that the log does not end before what was
    acknowledged. Exit code 1 when there is a problem. Works while the relay runs. --json prints a problem a line, and in
    the last line how many there are.

    \b
    Examples:
      tidings check
      tidings check --quick --json
      tidings check --accept-loss
    """
    if accept_loss:
        _accept_loss(settings.load())
    problems = run(_check(settings.load(), not quick, as_json))
    say(f"{counted(problems, 'problem')} found" if problems else "no problem found")
    if as_json:
        click.echo(msgspec.json.encode({"problems": problems}))
    if problems:
        raise SystemExit(1)


def _accept_loss(config: Config) -> None:
    """Raises Locked while a relay runs."""
    from relay import opening

    writer = opening.open_writer(config)
    try:
        accepted = writer.accept_loss()
    finally:
        writer.close()
    if accepted is None:
        say("nothing is missing")
    else:
        say(
            f"accepted: events {accepted.first} to {accepted.last} are gone; the next one is {accepted.last + 1} or above"
        )


async def _check(config: Config, verify: bool, as_json: bool) -> int:
    problems = 0
    async with reading(config) as database:
        with waiting("checking …"):
            async for problem in database.check(PROJECTIONS, verify):
                problems += 1
                where = f"event {problem.seq}: " if problem.seq else ""
                click.echo(msgspec.json.encode(problem) if as_json else where + printable(problem.message))
    return problems


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.IntRange(1), metavar="N", help="FILE is a directory: leave the N newest copies in it."
)
@as_json
@with_settings
def backup(settings: CommandSettings, file: Path, keep: int | None, as_json: bool) -> None:
    """Write a copy of the database.

    A consistent one, also while the relay runs; it is on the disk when this returns. FILE must not exist, or be a directory, in
    which the copy is named by its time. Not in it are the secrets (`secrets.toml`): keep a copy of that file too.

    \b
    Examples:
      tidings backup /backups/tidings-monday.sqlite
      tidings backup /backups --keep 14
    """
    if keep is not None and not file.is_dir():
        raise Misuse(f"--keep needs a directory; {file} is none")
    target = file / f"{COPY}{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.sqlite" if file.is_dir() else file
    with waiting("copying …"):
        written = run(_backup(settings.load(), target.absolute()))
    former = _older(file, keep) if keep else []
    for old in former:
        old.unlink(missing_ok=True)
    gone = f"; {counted(len(former), 'older one')} removed" if former else ""
    done(f"{counted(written, 'byte')} in {target}{gone}", as_json, bytes=written, file=str(target), removed=len(former))


def _older(directory: Path, keep: int) -> list[Path]:
    """Copies beside the `keep` newest, and what is left of copies that were broken off."""
    copies = sorted(copy for copy in directory.glob(COPIES) if copy.is_file())
    parts = [part for part in directory.glob(f"{COPIES}.part") if part.is_file()]
    return copies[:-keep] + [part for part in parts if time.time() - part.stat().st_mtime > BROKEN_OFF]


async def _backup(config: Config, file: Path) -> int:
    async with reading(config) as database:
        return await database.backup(file)


@click.command()
@as_json
@with_settings
def compact(settings: CommandSettings, as_json: bool) -> None:
    """Give free space back.

    What was deleted is gone from the files then. A running relay takes no events meanwhile.

    \b
    Examples:
      tidings compact
    """
    with writing(settings.load()) as target, waiting("compacting …"):
        target.compact()
    done("compacted", as_json)


@click.command()
@as_json
@with_settings
def rebuild(settings: CommandSettings, as_json: bool) -> None:
    """Make the derived tables anew from the log.

    A running relay goes on taking events meanwhile.

    \b
    Examples:
      tidings rebuild
    """
    with writing(settings.load()) as target, waiting("rebuilding …"):
        rows = target.rebuild()
    done(f"rebuilt; rows: {rows:,}", as_json, rows=rows)
