"""The command `tidings`: the list of its verbs.

Exit codes: 0 done, 1 refused or problems found, 2 used or configured wrongly.
"""

from typing import Final

import click

import relay
from relay.commands import (
    account_news,
    bound_keys,
    feed,
    import_export,
    key_tools,
    maintenance,
    master_secret,
    mcp_server,
    peers,
    publish,
    scan,
    search,
    serving,
    sync,
    webhooks,
)
from relay.commands.common import Verbs

VERBS: Final[tuple[click.Command, ...]] = (
    serving.serve,
    serving.show_config,
    import_export.import_events,
    import_export.export_events,
    scan.scan,
    scan.count,
    scan.delete,
    maintenance.info,
    maintenance.check,
    maintenance.backup,
    maintenance.compact,
    maintenance.rebuild,
    key_tools.key,
    master_secret.keys,
    publish.event,
    publish.req,
    sync.sync,
    sync.mirror,
    sync.stream,
    peers.show_peers,
    peers.peer,
    *feed.VERBS,
    *account_news.VERBS,
    webhooks.webhook,
    *search.VERBS,
    mcp_server.mcp,
)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(relay.__version__, prog_name="tidings")
def main() -> None:
    """Tidings: a Nostr relay that is also a hub of signed events.

    Verbs that read or write a database take --data DIR and work whether the relay runs on it or not. `tidings VERB --help`
    shows examples. Exit codes: 0 done, 1 refused or problems found, 2 used or configured wrongly.
    """


for _verb in VERBS:
    main.add_command(_verb)
for _verb in bound_keys.VERBS:
    master_secret.keys.add_command(_verb)
