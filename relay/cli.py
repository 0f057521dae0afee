"""The command `tidings`: the list of its verbs.

Exit codes: 0 done, 1 refused or problems found, 2 used or configured wrongly.
"""

from typing import Final

import click

import relay
from relay.commands import (
    account_news,
    accounts,
    bound_keys,
    completion,
    entries,
    feed,
    groups,
    import_export,
    key_tools,
    lists,
    maintenance,
    master_secret,
    mcp_server,
    peers,
    people,
    publish,
    reports,
    scan,
    search,
    serving,
    sync,
    webhooks,
)
from relay.commands.common import Verbs

SECTIONS: Final[dict[str, tuple[click.Command, ...]]] = {
    "Run a relay": (serving.serve, serving.show_config),
    "Its database": (
        import_export.import_events,
        import_export.export_events,
        scan.scan,
        scan.count,
        scan.delete,
        reports.show_reports,
        maintenance.info,
        maintenance.check,
        maintenance.backup,
        maintenance.compact,
        maintenance.rebuild,
    ),
    "Other relays": (sync.sync, sync.mirror, sync.stream, peers.show_peers, peers.peer),
    "Keys and events": (key_tools.key, master_secret.keys, publish.event, publish.req),
    "Take part in a hub": (*feed.VERBS, *entries.VERBS, groups.group, *search.VERBS),
    "You on a hub": (*people.VERBS, *account_news.VERBS, *lists.VERBS, accounts.account, webhooks.webhook),
    "Models and shells": (mcp_server.mcp, completion.completion),
}


class Tidings(Verbs):
    """All verbs; the help shows them by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        longest = max(len(name) for name in self.commands)
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                room = formatter.width - 6 - longest
                rows = [((verb.name or "").ljust(longest), verb.get_short_help_str(room)) for verb in verbs]
                formatter.write_dl(rows)


@click.group(cls=Tidings, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(relay.__version__, prog_name="tidings")
def main() -> None:
    """Tidings: a Nostr relay that is also a hub of signed events.

    Verbs that read or write a database take --data DIR and work whether the relay runs on it or not. `tidings VERB --help`
    shows examples. Exit codes: 0 done, 1 refused or problems found, 2 used or configured wrongly.
    """


for _verb in (verb for verbs in SECTIONS.values() for verb in verbs):
    main.add_command(_verb)
for _verb in bound_keys.VERBS:
    master_secret.keys.add_command(_verb)
groups.group.add_command(lists.group_reports)
