"""`ban`, `allow`, `rules`: what the operator says of keys, kinds, addresses and events, while the relay runs or not.

It is what a client says over the management API (NIP-86), in the same table (storage.access), and holds beside `access.*` of the
settings.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec

from keys import encoding
from relay.commands.common import Complaint, Misuse, as_json, printable, run, say
from relay.commands.operating import WriteTarget, reading, writing
from relay.commands.settings import CommandSettings, with_settings
from relay.commands.shown import entry_id
from relay.config import Config
from relay.errors import Reject
from relay.protocol.filter import Filter, to_json
from relay.protocol.kinds import is_hex
from relay.protocol.words import counted
from relay.server.operator_rules import check, value_of
from relay.server.settings import TEXTS
from storage.access import (
    MOST_CHANGES,
    AccessLookups,
    AccessRule,
    LiftRule,
    LoggedChange,
    NoteRemoval,
    RuleChange,
    RuleSubject,
    SetRule,
    SetText,
)
from storage.base import PUBLIC
from storage.errors import StorageError

LOGGED: Final = 100  # changes that are printed, the last
REMOVED_AT_ONCE: Final = 1000  # events, between which a running relay serves others


class NamedRule(msgspec.Struct, frozen=True):
    """A line of `tidings rules --json`. `origin` is command, client (then `by` is a key), or settings."""

    subject: str
    value: str
    allowed: bool
    reason: str
    origin: str
    by: str
    at: int


class RuleDone(msgspec.Struct, frozen=True):
    """What `tidings ban … --json` and the like print, a line for each. `done` is banned, allowed, lifted, unchanged
    (it is so already) or unsaid (there was nothing to lift)."""

    subject: str
    value: str
    done: str
    removed: int = 0


def _what(verb: Callable[..., None]) -> Callable[..., None]:
    """The arguments of the verbs that say something."""
    verb = as_json(with_settings(verb))
    verb = click.option("--reason", metavar="TEXT", default="", help="Why, for whoever reads the list later.")(verb)
    verb = click.option(
        "--event", "is_event", is_flag=True, help="WHAT are events, by id as `tidings reports` prints it."
    )(verb)
    return click.argument("what", nargs=-1, required=True, metavar="WHAT…")(verb)


@click.command()
@click.option("--remove", is_flag=True, help="Also remove what is stored of the banned keys, for good.")
@_what
def ban(
    settings: CommandSettings, *, what: tuple[str, ...], reason: str, is_event: bool, remove: bool, as_json: bool
) -> None:
    """Refuse keys, kinds, addresses or events from now on.

    WHAT is a key (npub1…, nprofile1… or hex), @NAME for all keys of an identity here, an address or a network (203.0.113.7,
    2001:db8::/32), kind:NUMBER, or an event (note1…, nevent1…, or hex with --event), which is removed. A banned key may still
    delete what it wrote. Clients at a banned address are disconnected. It holds at once where the relay runs.

    \b
    Examples:
      tidings ban npub1… --reason "sells followers"
      tidings ban @spammer --remove
      tidings ban 203.0.113.0/24 kind:1063
      tidings ban note1…
    """
    config = settings.load()
    subjects = _subjects(config, what, is_event)
    if remove and not any(subject is RuleSubject.KEY for subject, _ in subjects):
        raise Misuse("--remove is for keys; an event that is banned is removed in any case")
    _change(config, [SetRule(subject, value, False, reason) for subject, value in subjects], as_json, remove=remove)


@click.command()
@_what
def unban(settings: CommandSettings, what: tuple[str, ...], reason: str, is_event: bool, as_json: bool) -> None:
    """Refuse keys, kinds, addresses or events no more.

    WHAT as in `tidings ban`. An event may come again; nobody asks for it.

    \b
    Examples:
      tidings unban npub1…
      tidings unban 203.0.113.0/24
    """
    config = settings.load()
    subjects = _subjects(config, what, is_event)
    _change(config, [LiftRule(subject, value, False, reason) for subject, value in subjects], as_json)


@click.command()
@_what
def allow(settings: CommandSettings, what: tuple[str, ...], reason: str, is_event: bool, as_json: bool) -> None:
    """Take keys or kinds, or leave a reported event alone.

    WHAT as in `tidings ban`. Only listed keys are taken where access.allowed_keys lists any or access.only_allowed is set, only
    listed kinds where access.allowed_kinds lists any. What was banned is banned no more. What was reported of an allowed event
    until now counts as looked at.

    \b
    Examples:
      tidings allow npub1…
      tidings allow kind:30023
      tidings allow note1…
    """
    config = settings.load()
    subjects = _subjects(config, what, is_event)
    if any(subject is RuleSubject.ADDRESS for subject, _ in subjects):
        raise Misuse("an address is banned or not; `tidings unban` takes a ban back")
    _change(config, [SetRule(subject, value, True, reason) for subject, value in subjects], as_json)


@click.command()
@_what
def unallow(settings: CommandSettings, what: tuple[str, ...], reason: str, is_event: bool, as_json: bool) -> None:
    """Take what `tidings allow` said back.

    \b
    Examples:
      tidings unallow npub1…
    """
    config = settings.load()
    subjects = _subjects(config, what, is_event)
    _change(config, [LiftRule(subject, value, True, reason) for subject, value in subjects], as_json)


@click.command()
@click.option("--log", "log", is_flag=True, help=f"Print the last {LOGGED} changes instead, the latest first.")
@click.option("--reset", type=click.Choice(TEXTS), help="Have what the settings say, in place of what a client said.")
@as_json
@with_settings
def rules(settings: CommandSettings, log: bool, reset: str | None, as_json: bool) -> None:
    """Print what is banned and allowed on this relay.

    By commands, by clients of the management API (NIP-86) and by `access.*` of the settings; and the relay's name, description
    and icon where a client has changed them.

    \b
    Examples:
      tidings rules
      tidings rules --log
      tidings rules --reset relay.name
    """
    config = settings.load()
    if reset is not None:
        with writing(config) as target:
            [done] = target.change_rules(SetText(reset, None))
        say(f"{reset} is what the settings say" + ("" if done else " already"))
        return
    if log:
        for change in run(_logged(config)):
            click.echo(msgspec.json.encode(change) if as_json else _log_line(change))
        return
    said, texts = run(_said(config))
    shown = [*_of_settings(config), *map(_named, said)]
    for rule in shown:
        click.echo(msgspec.json.encode(rule) if as_json else _line(rule))
    for setting, text in texts.items():
        if as_json:
            click.echo(msgspec.json.encode({"setting": setting, "text": text}))
        else:
            click.echo(printable(f"{setting} is {text!r}, in place of what the settings say"))
    if not shown and not texts:
        say("nothing is banned and nothing is listed; `tidings ban --help` says how")


def _subjects(config: Config, what: tuple[str, ...], is_event: bool) -> list[tuple[RuleSubject, str]]:
    """What the arguments name. Raises Misuse, Complaint."""
    found: list[tuple[RuleSubject, str]] = []
    given = list(map(_plain, what))
    events_here = set() if is_event else run(_events_among(config, given))
    for text in given:
        try:
            if text.startswith("@") and not is_event:
                found += _keys_of(config, text[1:])
            elif text.lower() in events_here:
                raise Misuse(f"{text} is the id of an event here; --event says that it is meant")
            else:
                found.append(_subject(text, is_event))
        except (Reject, ValueError) as error:
            raise Misuse(f"{text}: {error.message if isinstance(error, Reject) else error}") from None
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    """An argument as it is meant: pasted with blanks, as a link (NIP-21), or in capitals as bech32 may be."""
    text = text.strip()
    if text[:6].lower() == "nostr:":
        text = text[6:]
    return text.lower() if text.isupper() else text


def _subject(text: str, is_event: bool) -> tuple[RuleSubject, str]:
    """Raises Reject, ValueError."""
    if is_event:
        return RuleSubject.EVENT, entry_id(text)
    if text.startswith("npub1"):
        return RuleSubject.KEY, encoding.decode("npub", text)
    if text.startswith("note1"):
        return RuleSubject.EVENT, encoding.decode("note", text)
    if text.startswith(("nprofile1", "nevent1")):
        pointer = encoding.decode_pointer(text)
        if isinstance(pointer, encoding.ProfilePointer):
            return RuleSubject.KEY, pointer.pubkey
        assert isinstance(pointer, encoding.EventPointer)
        return RuleSubject.EVENT, pointer.id
    if text.startswith("nsec1"):
        raise ValueError("this is a secret key, and nobody else should know it; the public one begins with npub1")
    if text.startswith("kind:"):
        return RuleSubject.KIND, value_of(RuleSubject.KIND, text.removeprefix("kind:"))
    if is_hex(text.lower(), 64):
        return RuleSubject.KEY, text.lower()
    try:
        return RuleSubject.ADDRESS, value_of(RuleSubject.ADDRESS, text)
    except Reject:
        raise ValueError(
            "no key (npub1…), event (note1…), address (203.0.113.7), kind (kind:1) or name (@name)"
        ) from None


async def _events_among(config: Config, given: list[str]) -> set[str]:
    """Those that could be keys and are ids of events that are stored, pasted in place of one."""
    hexes = [text.lower() for text in given if is_hex(text.lower(), 64)]
    if hexes:
        with contextlib.suppress(StorageError):
            async with reading(config) as database:
                now = int(time.time())
                return {text for text in hexes if await database.get(text, PUBLIC, now) is not None}
    return set()


def _keys_of(config: Config, name: str) -> list[tuple[RuleSubject, str]]:
    """All keys of an identity. Raises Complaint."""

    async def look() -> list[str]:
        async with reading(config) as database:
            identity = await database.ask(lambda tables: tables.identity_named(name))
            if identity is None:
                raise Complaint(f"nobody here is called {name}")
            return [key.pubkey for key in await database.ask(lambda tables: tables.keys(identity.id))]

    return [(RuleSubject.KEY, key) for key in run(look())]


def _change(config: Config, changes: Sequence[SetRule | LiftRule], as_json: bool, *, remove: bool = False) -> None:
    """Carry them out, and say what was done; none of them where one makes no sense. Raises Complaint, Reject."""
    try:
        for change in changes:
            check(change, config, "")
    except Reject as refusal:
        raise Complaint(refusal.message) from None
    Path(config.server.data).mkdir(mode=0o700, parents=True, exist_ok=True)
    with writing(config) as target:
        done: list[bool] = []
        for start in range(0, len(changes), MOST_CHANGES):
            done += target.change_rules(*changes[start : start + MOST_CHANGES])
        for change, is_done in zip(changes, done, strict=True):
            removed = _removed(target, change.value) if remove and change.subject is RuleSubject.KEY else 0
            unchanged = "unsaid" if isinstance(change, LiftRule) else "unchanged"
            told = RuleDone(change.subject.value, change.value, _done(change) if is_done else unchanged, removed)
            if as_json:
                click.echo(msgspec.json.encode(told))
            else:
                gone_too = f"; {counted(removed, 'event')} removed" if remove else ""
                say(f"{change.subject.value} {change.value}: {_SAID[told.done]}{gone_too}")


def _removed(target: WriteTarget, key: str) -> int:
    """What is stored of a key goes; how many events."""
    wanted, removed = Filter(authors=frozenset([key])), 0
    while gone := target.remove(wanted, REMOVED_AT_ONCE):  # what was under way when the ban came may come in between
        removed += gone
    if removed:
        target.change_rules(NoteRemoval(to_json(wanted).decode(), removed))
    return removed


_SAID: Final = {
    "banned": "banned",
    "allowed": "allowed",
    "lifted": "nothing is said of it any more",
    "unchanged": "nothing to change; that is so already",
    "unsaid": "nothing of that was said; `tidings rules` prints what is",
}


def _done(change: RuleChange) -> str:
    if isinstance(change, SetRule):
        return "allowed" if change.allowed else "banned"
    return "lifted"


async def _said(config: Config) -> tuple[list[AccessRule], dict[str, str]]:
    """The rules, and the texts in place of settings."""
    async with reading(config) as database:
        subjects = [(subject, allowed) for subject in RuleSubject for allowed in (False, True)]
        found = [await database.ask(partial(_rules_of, *one)) for one in subjects]
        return [rule for rules in found for rule in rules], (
            await database.ask(lambda tables: tables.operator_rules())
        ).texts


def _rules_of(subject: RuleSubject, allowed: bool, tables: AccessLookups) -> list[AccessRule]:
    return tables.access_rules(subject, allowed)


async def _logged(config: Config) -> list[LoggedChange]:
    async with reading(config) as database:
        return await database.ask(lambda tables: tables.logged_changes(LOGGED))


def _of_settings(config: Config) -> list[NamedRule]:
    """What the settings say."""
    access = config.access
    return [
        NamedRule(subject.value, str(value), allowed, "", "settings", "", 0)
        for subject, allowed, values in (
            (RuleSubject.KEY, False, access.denied_keys),
            (RuleSubject.KEY, True, access.allowed_keys),
            (RuleSubject.KIND, False, access.denied_kinds),
            (RuleSubject.KIND, True, access.allowed_kinds),
            (RuleSubject.ADDRESS, False, access.denied_addresses),
        )
        for value in values
    ]


def _named(rule: AccessRule) -> NamedRule:
    origin = "client" if rule.by else "command"
    return NamedRule(rule.subject.value, rule.value, rule.allowed, rule.reason, origin, rule.by, rule.at)


def _line(rule: NamedRule) -> str:
    when = time.strftime("%Y-%m-%d", time.localtime(rule.at)) if rule.at else "by the settings"
    who = f" by {rule.by}" if rule.by else ""
    why = f": {rule.reason}" if rule.reason else ""
    return printable(f"{'allowed' if rule.allowed else 'banned'} {rule.subject} {rule.value}  {when}{who}{why}")


def _log_line(change: LoggedChange) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(change.at))
    who = f" by {change.by}" if change.by else " by a command"
    why = f": {change.reason}" if change.reason else ""
    return printable(f"{when}  {change.done} {change.subject} {change.value}{who}{why}")
