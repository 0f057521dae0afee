"""The command `tidings`: the list of its verbs.

Exit codes: 0 done, 1 refused or problems found, 2 used or configured wrongly.
"""

import io
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

import relay
from relay.commands.common import Verbs
from relay.commands.table import SECTIONS, LoadedVerbs


class Tidings(Verbs):
    """All verbs; the help shows them by what they are for. A run loads what it needs (`relay.commands.table`)."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a verb. What is read and written is UTF-8, as events are, whatever the locale says."""
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            # What is UTF-8 already is left alone: of what was read in part, as in the tests' process, it cannot be changed.
            if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
                stream.reconfigure(encoding="utf-8", errors=stream.errors)
        return super().main(*args, **extra)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        longest = max(len(name) for name in self.commands)
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                room = formatter.width - 6 - longest
                lines = {name: click.Command(name, help=verb.help) for name, verb in verbs.items()}
                formatter.write_dl(
                    [(name.ljust(longest), line.get_short_help_str(room)) for name, line in lines.items()]
                )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that begin so, from the table, so that none is loaded; then the options."""
        entries = [(name, verb) for verbs in SECTIONS.values() for name, verb in verbs.items()]
        found = [CompletionItem(name, help=verb.help) for name, verb in entries if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=Tidings,
    commands=LoadedVerbs(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(relay.__version__, prog_name="tidings")
def main() -> None:
    """Tidings: a Nostr relay that is also a hub of signed events.

    Verbs that read or write a database take --data DIR and work whether the relay runs on it or not. `tidings VERB --help`
    shows examples. Exit codes: 0 done, 1 refused or problems found, 2 used or configured wrongly.
    """
