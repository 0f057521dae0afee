"""`scan`, `count`, `delete`: the operator's view of the log by filter, private events included."""

import heapq
from collections.abc import AsyncIterator, Iterable
from typing import Final

import click
import msgspec

from relay.commands.common import Misuse, as_json, filter_argument, output, run, say
from relay.commands.operating import Database, reading, writing
from relay.commands.progress import Meter
from relay.commands.settings import CommandSettings, with_settings
from relay.protocol import event as events
from relay.protocol.filter import Filter, to_json
from relay.protocol.words import counted
from storage.access import NoteRemoval
from storage.base import StoredEvent

MAX_NEWEST: Final = 100_000  # the largest limit, as that many events are held in memory
DELETE_STEP: Final = 1000  # events removed in one go, between which a running relay serves others

_filter = click.argument("wanted", type=filter_argument, metavar="FILTER")


@click.command()
@_filter
@click.option("--meta", is_flag=True, help="Wrap each event with its log number, door and time of arrival.")
@with_settings
def scan(settings: CommandSettings, wanted: Filter, meta: bool) -> None:
    """Print stored events by filter.

    Prints what matches FILTER as JSON lines, private events too. FILTER is NIP-01 JSON, or @FILE. With a limit:
    that many newest, newest first. Without: all, in the order of the log.

    \b
    Examples:
      tidings scan '{"kinds":[1],"limit":10}'
      tidings scan '{"#t":["nostr"]}' | jq -r .content
      tidings scan --meta '{}'
    """
    if (wanted.limit or 0) > MAX_NEWEST:
        raise Misuse(f"a limit may be {MAX_NEWEST} at most; without one, all matching events are given")
    run(_scan(settings, wanted, meta))


async def _scan(settings: CommandSettings, wanted: Filter, meta: bool) -> None:
    stream = output()
    async with reading(settings.load()) as database:
        if wanted.limit is None:
            async for record in database.scan(wanted):
                stream.write(_line(record, meta))
        else:
            for record in await _newest(database.scan(wanted), wanted.limit):
                stream.write(_line(record, meta))
    stream.flush()


async def _newest(records: AsyncIterator[StoredEvent], limit: int) -> Iterable[StoredEvent]:
    """The `limit` newest events, newest first, of equals the lowest id first (NIP-01)."""
    kept: list[tuple[int, int, int, StoredEvent]] = []
    async for record in records:
        event = events.parse(record.wire)
        entry = (event.created_at, -int(event.id, 16), record.seq, record)
        if len(kept) < limit:
            heapq.heappush(kept, entry)
        elif kept:
            heapq.heappushpop(kept, entry)
    return [entry[3] for entry in sorted(kept, reverse=True)]


def _line(record: StoredEvent, meta: bool) -> bytes:
    if not meta:
        return record.wire + b"\n"
    about = {"seq": record.seq, "door": record.door.name.lower(), "received_at": record.received_at}
    return msgspec.json.encode(about | {"event": msgspec.Raw(record.wire)}) + b"\n"


@click.command()
@_filter
@as_json
@with_settings
def count(settings: CommandSettings, wanted: Filter, as_json: bool) -> None:
    """Count stored events by filter.

    Private ones too; a limit in FILTER is not used.

    \b
    Examples:
      tidings count '{}'
      tidings count '{"kinds":[7],"since":1700000000}'
    """
    total = run(_count(settings, wanted))
    click.echo(msgspec.json.encode({"count": total}) if as_json else total)


async def _count(settings: CommandSettings, wanted: Filter) -> int:
    async with reading(settings.load()) as database:
        return await _total(database, wanted)


async def _total(database: Database, wanted: Filter) -> int:
    total = 0
    async for _ in database.scan(wanted):
        total += 1
    return total


@click.command()
@_filter
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say how many events would go.")
@as_json
@with_settings
def delete(settings: CommandSettings, wanted: Filter, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Remove stored events by filter.

    Removes what matches FILTER, private events too, and refuses it from now on. Shows how many there are and asks
    first. No more are removed than were shown, and no more than the filter's limit. What was removed is gone from
    the files after `tidings compact`. What you wrote on a hub yourself is deleted by `tidings remove ID`.

    \b
    Examples:
      tidings delete '{"authors":["<64 hex digits>"]}'
      tidings delete --dry-run '{"until":1600000000}'
      tidings delete --yes @spam.json
    """
    if wanted.search is not None:
        raise Misuse("a search finds what is near, which is too vague to delete by; delete by ids")
    total = run(_count(settings, wanted))
    planned = total if wanted.limit is None else min(total, wanted.limit)
    matches = f"{counted(total, 'stored event')} {'matches' if total == 1 else 'match'}"
    say(matches + ("" if planned == total else f"; {planned:,} may go (limit)"))
    if planned and not dry_run:
        if not yes:
            click.confirm(f"Remove {counted(planned, 'event')} for good?", abort=True, err=True)
        removed = _remove(settings, wanted, planned)
    else:
        removed = 0
    click.echo(
        msgspec.json.encode({"matched": total, "removed": removed})
        if as_json
        else f"{counted(removed, 'event')} removed"
    )


def _remove(settings: CommandSettings, wanted: Filter, planned: int) -> int:
    removed = 0
    with writing(settings.load()) as target, Meter("delete", planned, "events") as meter:
        try:
            while removed < planned:
                step = min(DELETE_STEP, planned - removed)
                gone = target.remove(wanted, step)
                removed += gone
                meter.update(removed, removed)
                if not gone:
                    break
        finally:
            if removed:
                target.change_rules(NoteRemoval(to_json(wanted).decode(), removed))
    return removed
