"""What the verbs share: errors in one line, filters as arguments, and how something is printed.

It loads nothing of the server and of storage, which verbs that only ask a hub do without (`operating` has what others share).
What may come from strangers is never printed to a terminal as it came.
"""

import asyncio
import codecs
import contextlib
import errno
import math
import signal
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click
import msgspec
from click.exceptions import Abort, Exit, NoArgsIsHelpError

from relay.errors import Reject
from relay.protocol import filter as filters
from relay.protocol.filter import Filter
from relay.setting_parts import ConfigError

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
        except (click.ClickException, Abort, Exit):
            raise
        except ConfigError as error:
            raise Misuse(str(error)) from None
        except UnicodeEncodeError as error:
            if error.encoding != "utf-8":
                raise
            raise Misuse("a text that was given is not valid UTF-8") from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read us has left: click ends quietly
            place = f"{error.filename}: " if error.filename else ""
            raise Complaint(f"{place}{error.strerror or error}") from None
        except Exception as error:
            if not _is_refusal(error):
                raise
            raise Complaint(str(error)) from None


def _is_refusal(error: Exception) -> bool:
    """Whether that is what the relay or its database says no with."""
    from relay.server.control_messages import ControlError
    from storage.errors import StorageError

    return isinstance(error, StorageError | ControlError | Reject)


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


@contextlib.contextmanager
def naming(file: Path | str) -> Iterator[None]:
    """While this file is written: an error names it, as a full disk's does not by itself."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno != errno.EPIPE:
            error.filename = str(file)
        raise


def filter_argument(value: str) -> Filter:
    """A NIP-01 filter given as an argument: JSON, or @FILE that holds it. Raises click.BadParameter."""
    try:
        text = Path(value[1:]).read_bytes().removeprefix(codecs.BOM_UTF8) if value.startswith("@") else value.encode()
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
