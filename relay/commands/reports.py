"""`reports`: what people say is not fit to be on this relay (NIP-56), for its operator, from the database."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

import click
import msgspec

from relay.commands.common import as_json, printable, run, say
from relay.commands.operating import Database, reading
from relay.commands.settings import CommandSettings, with_settings
from relay.commands.shown import shown
from relay.protocol import kinds, reports
from relay.protocol.event import Event, first_value, parse
from relay.protocol.filter import Filter
from relay.protocol.reports import ReportEvent
from relay.protocol.words import counted
from storage.access import AccessLookups, RuleSubject

LOOKED: Final = 1000  # reports, the newest
EXCERPT: Final = 100  # characters of a text
NAMES: Final = {kinds.POST: "post", kinds.COMMENT: "comment", kinds.CHAT: "message", kinds.WIKI: "document"}


class ReportedEvent(msgspec.Struct, frozen=True):
    """What is reported, an event or (None) a person, with all reports of it; people by name, or by key where they have none."""

    event: Event | None
    author: str
    reasons: dict[str, int]
    reports: list[tuple[str, str, str]]  # who, the reason, what they say


@click.command("reports")
@click.option("--limit", type=click.IntRange(1, LOOKED), metavar="N", default=25, help="How many at most; 25.")
@as_json
@with_settings
def show_reports(settings: CommandSettings, limit: int, as_json: bool) -> None:
    """Print what is reported on this relay and still here.

    Of the newest 1,000 reports, those in private groups too; what was reported last comes first. --json prints one reported thing a
    line. To remove one: `tidings ban` with its id, to leave it alone: `tidings allow`; either takes short ids, with --event.
    Of a reported person `tidings ban @name` and `tidings allow @name` say the same.

    \b
    Examples:
      tidings reports
      tidings reports --json | jq -r .event.id
      tidings ban --event <id> --reason spam
    """
    found = run(_reported(settings, limit))
    for one in found:
        click.echo(msgspec.json.encode(one) if as_json else _lines(one))
    if not found:
        say("nothing is reported")


async def _reported(settings: CommandSettings, limit: int) -> list[ReportedEvent]:
    config = settings.load()
    async with reading(config) as database:
        newest: deque[Event] = deque(maxlen=LOOKED)
        received: dict[str, int] = {}
        async for record in database.scan(Filter(kinds=frozenset([kinds.REPORT]))):
            newest.append(parse(record.wire))
            received[newest[-1].id] = record.received_at
        looked_at, banned = await database.ask(_decided)
        banned |= frozenset(config.access.denied_keys)
        about = reports.by_target(reversed(newest))
        about = reports.without(about, looked_at, received, banned | await _vanished(database, about))
        ids = [told[0].report.event_id for told in about.values() if told[0].report.event_id is not None]
        targets = {}
        if ids:
            async for record in database.scan(Filter(ids=frozenset(ids))):
                event = parse(record.wire)
                targets[event.id] = event
        rows = []
        for told in about.values():
            event_id = told[0].report.event_id
            target = targets.get(event_id or "")
            if event_id is None or target is not None:
                rows.append((target, target.pubkey if target is not None else told[0].report.pubkey, told))
        names = await _names(
            database, [key for _, key, told in rows for key in (key, *(one.event.pubkey for one in told))]
        )
        return [
            ReportedEvent(
                target,
                names.get(key, key),
                reports.reasons(told),
                [
                    (
                        names.get(one.event.pubkey, one.event.pubkey),
                        one.report.reason,
                        one.event.content[: reports.MAX_SAID],
                    )
                    for one in told
                ],
            )
            for target, key, told in rows[:limit]
        ]


async def _vanished(database: Database, about: Mapping[str, list[ReportEvent]]) -> frozenset[str]:
    """The keys of people who are reported and vanished since."""
    keys = frozenset(reports.people(about))
    if not keys:
        return keys
    wanted = Filter(kinds=frozenset([kinds.VANISH]), authors=keys)
    return reports.vanished(about, [parse(record.wire) async for record in database.scan(wanted)])


def _decided(tables: AccessLookups) -> tuple[dict[str, int], frozenset[str]]:
    """When events and people were allowed last, by id or key; and the keys that are banned."""
    allowed = [rule for one in (RuleSubject.EVENT, RuleSubject.KEY) for rule in tables.access_rules(one, True)]
    banned = tables.access_rules(RuleSubject.KEY, False)
    return {rule.value: rule.at for rule in allowed}, frozenset(rule.value for rule in banned)


async def _names(database: Database, keys: Iterable[str]) -> dict[str, str]:
    asked = list(dict.fromkeys(keys))
    people = await database.ask(lambda tables: tables.identities_of_keys(asked))
    return {key: identity.name for key, identity in people.items()}


def _lines(one: ReportedEvent) -> str:
    if one.event is None:
        what = f"{one.author}, as somebody"
    else:
        what = f"{NAMES.get(one.event.kind, 'event')} {shown(one.event.id)}  by {one.author}"
    why = ", ".join(f"{reason} {count}" for reason, count in one.reasons.items())
    lines = [f"{counted(len(one.reports), 'report')} ({why})  {what}"]
    if one.event is not None:
        text = " ".join(f"{first_value(one.event, 'title') or ''} {one.event.content}".split())
        lines += [f"  {text[:EXCERPT]}"] if text else []
    lines += [
        f"  {who}: {reason}{': ' if said.split() else ''}{' '.join(said.split())}" for who, reason, said in one.reports
    ]
    return "\n".join(map(printable, lines))
