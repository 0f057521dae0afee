"""Which verbs the command has, in the order of its help: for each its module here, its name in that, and its line of help.

A run loads the module of its verb alone: all of them together take twice as long as most verbs. A test compares this with the
modules.
"""

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Final, NamedTuple

import click


class VerbEntry(NamedTuple):
    """Where a verb is, and what the help says of it."""

    module: str
    attribute: str
    help: str


SECTIONS: Final[dict[str, dict[str, VerbEntry]]] = {
    "Run a relay": {
        "serve": VerbEntry("serving", "serve", "Run the relay until SIGTERM or Ctrl-C."),
        "config": VerbEntry("serving", "show_config", "Print the settings in force."),
    },
    "Its database": {
        "import": VerbEntry("import_export", "import_events", "Take in events from JSON lines."),
        "export": VerbEntry("import_export", "export_events", "Write the stored events as JSON lines."),
        "scan": VerbEntry("scan", "scan", "Print stored events by filter."),
        "count": VerbEntry("scan", "count", "Count stored events by filter."),
        "delete": VerbEntry("scan", "delete", "Remove stored events by filter."),
        "reports": VerbEntry("reports", "show_reports", "Print what is reported on this relay and still here."),
        "ban": VerbEntry("access", "ban", "Refuse keys, kinds, addresses or events from now on."),
        "unban": VerbEntry("access", "unban", "Refuse keys, kinds, addresses or events no more."),
        "allow": VerbEntry("access", "allow", "Take keys or kinds, or leave a reported event alone."),
        "unallow": VerbEntry("access", "unallow", "Take what `tidings allow` said back."),
        "rules": VerbEntry("access", "rules", "Print what is banned and allowed on this relay."),
        "info": VerbEntry("maintenance", "info", "Print figures about the database."),
        "check": VerbEntry("maintenance", "check", "Compare the database with itself."),
        "backup": VerbEntry("maintenance", "backup", "Write a copy of the database."),
        "compact": VerbEntry("maintenance", "compact", "Give free space back."),
        "rebuild": VerbEntry("maintenance", "rebuild", "Make the derived tables anew from the log."),
    },
    "Other relays": {
        "sync": VerbEntry("sync", "sync", "Bring this relay and the one at URL in step, once."),
        "mirror": VerbEntry("sync", "mirror", "Get everything that the relay at URL has."),
        "stream": VerbEntry("sync", "stream", "Pass on what happens from now on."),
        "peers": VerbEntry("peers", "show_peers", "Print the relays that this one stays in step with."),
        "peer": VerbEntry("peers", "peer", "Add, remove and pause peers while the relay runs or not."),
    },
    "Keys and events": {
        "key": VerbEntry("key_tools", "key", "Make and convert keys (NIP-19)."),
        "keys": VerbEntry("master_secret", "keys", "Your identity's keys; for operators, those held for others."),
        "event": VerbEntry("publish", "event", "Make, sign and publish an event."),
        "req": VerbEntry("publish", "req", "Ask a relay for events."),
    },
    "Take part in a hub": {
        "register": VerbEntry("feed", "register", "Get an API key: an identity on a hub."),
        "post": VerbEntry("feed", "post", "Write a post."),
        "comment": VerbEntry("feed", "comment", "Comment on a post."),
        "vote": VerbEntry("feed", "vote", "Vote on a post or a comment."),
        "feed": VerbEntry("feed", "feed", "Read a hub's feed."),
        "show": VerbEntry("entries", "show", "Read a post, a comment or a document, with what answers it."),
        "edit": VerbEntry("entries", "edit", "Change a post or a comment of yours."),
        "history": VerbEntry("entries", "history", "Read each version of a post, comment or document."),
        "remove": VerbEntry("entries", "remove", "Delete a post, a comment or a document of yours, for good."),
        "group": VerbEntry("groups", "group", "Take part in the groups of a hub."),
        "search": VerbEntry("search", "search", "Find what was written on a hub."),
        "knowledge": VerbEntry("search", "knowledge", "Give a hub documents to know."),
    },
    "You on a hub": {
        "me": VerbEntry("people", "me", "Print who you are on a hub, or change what is shown of you."),
        "profile": VerbEntry("people", "profile", "Print who somebody is on a hub."),
        "follow": VerbEntry("people", "follow", "Follow somebody."),
        "unfollow": VerbEntry("people", "unfollow", "Follow somebody no more."),
        "notifications": VerbEntry("account_news", "notifications", "Read your notifications."),
        "heartbeat": VerbEntry("account_news", "heartbeat", "Read what is new for you since the last time."),
        "save": VerbEntry("lists", "save", "Save a post, a comment or a document for later."),
        "unsave": VerbEntry("lists", "unsave", "Save something no more."),
        "saved": VerbEntry("lists", "saved", "Print what you saved, what you saved last first."),
        "mute": VerbEntry("lists", "mute", "Mute somebody, or a word."),
        "unmute": VerbEntry("lists", "unmute", "Mute somebody, or a word, no more."),
        "muted": VerbEntry("lists", "muted", "Print whom and what you muted."),
        "report": VerbEntry("lists", "report", "Report something, or somebody."),
        "account": VerbEntry("accounts", "account", "Look after saved accounts."),
        "webhook": VerbEntry("webhooks", "webhook", "Be told by a hub what is new for you."),
    },
    "Models and shells": {
        "mcp": VerbEntry("mcp_server", "mcp", "Give a model the hub as tools (MCP)."),
        "completion": VerbEntry("completion", "completion", "Print what a shell needs to complete verbs and options."),
    },
}


class LoadedVerbs(MutableMapping[str, click.Command]):
    """The verbs by name, each loaded when it is asked for."""

    def __init__(self) -> None:
        self._verbs: dict[str, VerbEntry | click.Command] = {
            name: entry for verbs in SECTIONS.values() for name, entry in verbs.items()
        }

    def __getitem__(self, name: str) -> click.Command:
        verb = self._verbs[name]
        if isinstance(verb, VerbEntry):
            verb = self._verbs[name] = getattr(import_module(f"relay.commands.{verb.module}"), verb.attribute)
        return verb

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._verbs[name] = command

    def __delitem__(self, name: str) -> None:
        del self._verbs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._verbs)

    def __len__(self) -> int:
        return len(self._verbs)
