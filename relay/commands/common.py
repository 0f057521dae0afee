"""What the verbs share: settings, errors in one line, filters as arguments, and the two ways to a database.

A verb that writes goes through the running relay's control socket when one answers, and otherwise opens the database
itself, taking the lock. What may come from strangers is never printed to a terminal as it came.
"""

import asyncio
import errno
import functools
import math
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol, TypeVar, cast

import click
import msgspec
from click.exceptions import NoArgsIsHelpError

from keys.vault import VaultError, relay_pubkey
from relay import loading
from relay.commands import control_client
from relay.config import Config
from relay.errors import Reject
from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.server import policies
from relay.server.control_messages import ControlError
from relay.setting_parts import ConfigError
from storage.base import Incoming, LogWriter, Outcome, Reader, Status, StorageError
from storage.commands import Command, Compact, CountRows, Rebuild, RemoveMatching
from storage.peers import KnowsPeers, PeerChange
from storage.tools import Tools

T = TypeVar("T")
MOST_SEQ: Final = 2**63 - 1  # no event has a higher number in the log


class Complaint(click.ClickException):
    """A failure in one line on stderr; exit code 1: refused, or problems found."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"tidings: {' '.join(printable(self.message).split())}", file=file, err=file is None)


class Misuse(Complaint):
    """A Complaint about how the command is used or configured; exit code 2."""

    exit_code = 2


class FiniteRange(click.FloatRange):
    """A number within bounds; `nan`, which is within all of them, and `inf` are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        return found if math.isfinite(found) else self.fail(f"{value!r} is no number of this kind.", param, ctx)


class Verbs(click.Group):
    """A group whose verbs may raise the domain's errors; they end as a Complaint. Its help keeps the order of the verbs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise _misuse(ctx, error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise _misuse(ctx, error) from None
        except ConfigError as error:
            raise Misuse(str(error)) from None
        except UnicodeEncodeError as error:
            if error.encoding != "utf-8":
                raise
            raise Misuse("a text that was given is not valid UTF-8") from None
        except (StorageError, ControlError, Reject) as error:
            raise Complaint(str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read us has left: click ends quietly
            place = f"{error.filename}: " if error.filename else ""
            raise Complaint(f"{place}{error.strerror or error}") from None


def _misuse(ctx: click.Context, error: click.UsageError) -> Misuse:
    """What is wrong with how a verb was called, on one line."""
    verb = f"tidings {ctx.invoked_subcommand}" if error.ctx is None else error.ctx.command_path
    said = " ".join(error.format_message().split())  # click puts choices on lines of their own
    return Misuse(f"{said} (see `{verb} --help`)")


def printable(text: str) -> str:
    """The text with control characters replaced, so that a stranger's words cannot drive a terminal."""
    return "".join(char if char.isprintable() or char == " " else "\N{REPLACEMENT CHARACTER}" for char in text)


def say(text: str) -> None:
    """A line for a person, on stderr, where it does not mix with data."""
    click.echo(text, err=True)


def done(words: str, as_json: bool, **facts: str | int) -> None:
    """What a verb did that prints no data: a line on stderr for a person, or with --json an object on stdout."""
    if as_json:
        click.echo(msgspec.json.encode({"message": words, **facts}))
    else:
        say(printable(words))


@dataclass(frozen=True)
class CommandSettings:
    """Where the settings of this run come from."""

    file: Path | None
    flags: dict[str, str]

    def load(self) -> Config:
        """The effective settings. Raises ConfigError."""
        return loading.load(self.file, os.environ, self.flags)


def with_settings(verb: Callable[..., T]) -> Callable[..., T]:
    """Give a verb --config, --data and --set; it gets them as the argument `settings`."""

    @click.option("--config", "config_file", metavar="FILE", envvar="TIDINGS_CONFIG", help="TOML file of settings.")
    @click.option("--data", metavar="DIR", help="Data directory (server.data).")
    @click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Any setting; may be repeated.")
    @functools.wraps(verb)
    def command(
        *args: Any,
        config_file: str | None,
        data: str | None,
        pairs: tuple[str, ...],
        listen: str | None = None,
        **kwargs: Any,
    ) -> T:
        flags = _flags(pairs)
        given = {"server.data": data, "server.listen": listen}
        flags |= {name: text for name, text in given.items() if text is not None}
        return verb(
            *args, settings=CommandSettings(None if config_file is None else Path(config_file), flags), **kwargs
        )

    return command


def _flags(pairs: Sequence[str]) -> dict[str, str]:
    flags: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--set takes NAME=VALUE, not {pair!r}")
        flags[name.strip()] = text
    return flags


def filter_argument(value: str) -> Filter:
    """A NIP-01 filter given as an argument: JSON, or @FILE that holds it. Raises click.BadParameter."""
    try:
        text = Path(value[1:]).read_bytes() if value.startswith("@") else value.encode()
        return filters.parse_json(text)
    except OSError as error:
        raise click.BadParameter(f"{value[1:]}: {error.strerror}") from None
    except UnicodeEncodeError:
        raise click.BadParameter("the filter is not valid UTF-8") from None
    except Reject as error:
        hint = "" if value.lstrip()[:1] in ("{", "@") else """; a filter is JSON such as {"ids":["…"]}, or @FILE"""
        raise click.BadParameter(f"{error}{hint}") from None


def compared_filter(value: str) -> Filter:
    """As `filter_argument`, for what two relays compare. Raises click.BadParameter."""
    wanted = filter_argument(value)
    try:
        filters.check_comparable(wanted)
    except Reject as error:
        raise click.BadParameter(str(error)) from None
    return wanted


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Database(Reader, Tools, KnowsPeers, Protocol):
    """What reads a database from the command line."""


@dataclass(frozen=True)
class Backends:
    """How to open a database that no relay serves right now."""

    writer: Callable[[Config], LogWriter]
    reader: Callable[[Config], Awaitable[Database]]


def _backends() -> Backends:
    """Those given to the command as its context object, else those of the application."""
    given = click.get_current_context().find_object(Backends)
    if given is not None:
        return given
    from relay import app

    return Backends(app.open_keyed_writer, app.open_reader)


@asynccontextmanager
async def reading(settings: Config) -> AsyncIterator[Database]:
    """The database, opened beside whoever writes it."""
    database = await _backends().reader(settings)
    try:
        yield database
    finally:
        await database.close()


class WriteTarget(Protocol):
    """What writes: the running relay or this process."""

    def submit(self, batch: Sequence[Event], door: Door = Door.IMPORT, origin: str | None = None) -> list[Outcome]:
        """Write verified events, at most `control_messages.MAX_BATCH`; one Outcome each, in order, once they are durable.

        They come by this door, IMPORT or PEER; `origin` is the peer that they came by.
        """

    def remove(self, wanted: Filter, limit: int) -> int:
        """As storage.commands.RemoveMatching."""

    def change_peer(self, change: PeerChange) -> bool:
        """Carry it out; whether there was something to change."""

    def compact(self) -> None:
        """As storage.commands.Compact."""

    def rebuild(self) -> int:
        """As storage.commands.Rebuild, all of it; how many derived rows there are then."""

    def close(self) -> None:
        """Let go. Idempotent."""


class Direct:
    """A WriteTarget over a writer of this process's own, with the policies that a running relay applies."""

    def __init__(self, writer: LogWriter, settings: Config, relay: str = "") -> None:
        self._writer = writer
        self._settings = settings
        self._relay = relay
        self._writing = (
            threading.Lock()
        )  # events are written on another thread, and whoever is interrupted closes meanwhile

    def close(self) -> None:
        """Let go of the database, once nothing is being written. Idempotent."""
        with self._writing:
            self._writer.close()

    def remove(self, wanted: Filter, limit: int) -> int:
        """As WriteTarget.remove."""
        return self._writer.execute(RemoveMatching(wanted, limit), int(time.time()))

    def change_peer(self, change: PeerChange) -> bool:
        """As WriteTarget.change_peer."""
        return self._writer.execute(cast(Command[bool | None], change), int(time.time())) is not False

    def compact(self) -> None:
        """As WriteTarget.compact."""
        self._writer.execute(Compact(), int(time.time()))

    def rebuild(self) -> int:
        """As WriteTarget.rebuild."""
        part: Rebuild | None = Rebuild()
        while part is not None:
            part = self._writer.execute(part, int(time.time())).following
        return self._writer.execute(CountRows(), int(time.time()))

    def submit(self, batch: Sequence[Event], door: Door = Door.IMPORT, origin: str | None = None) -> list[Outcome]:
        """As WriteTarget.submit."""
        now = int(time.time())
        sender = policies.Sender(door, relay=self._relay)
        refusals = [policies.refuse(one, sender, self._settings, now) for one in batch]
        accepted = [
            Incoming(one, events.wire(one), door, now, origin=origin)
            for one, refusal in zip(batch, refusals, strict=True)
            if refusal is None
        ]
        with self._writing:
            stored = iter(self._writer.write(accepted, now))
        return [next(stored) if refusal is None else Outcome(Status.REFUSED, refusal=refusal) for refusal in refusals]


@contextmanager
def writing(settings: Config) -> Iterator[WriteTarget]:
    """Whoever can write: the relay running on the data directory, else the database itself. Raises Locked."""
    data = Path(settings.server.data)
    target: WriteTarget | None = control_client.connect(data)
    if target is None:
        try:
            relay = relay_pubkey(data, settings.identities.relay_key)
        except VaultError as error:
            raise ConfigError(str(error)) from None
        target = Direct(_backends().writer(settings), settings, relay)
    try:
        yield target
    finally:
        target.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's asynchronous part."""
    return asyncio.run(work)


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """As `run`, and SIGTERM cancels the work as Ctrl-C does; a second one ends the process at once. Raises KeyboardInterrupt."""

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop() -> None:
            loop.remove_signal_handler(signal.SIGTERM)
            task.cancel()

        loop.add_signal_handler(signal.SIGTERM, stop)
        return await work

    try:
        return run(stoppable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def is_terminal() -> bool:
    """Whether a person watches stderr."""
    return sys.stderr.isatty()


def output() -> IO[bytes]:
    """Stdout for data."""
    return sys.stdout.buffer
