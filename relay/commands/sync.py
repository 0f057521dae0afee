"""`sync`, `mirror` and `stream`: this relay and another, by hand."""

from typing import TYPE_CHECKING

import click
import msgspec

from relay.commands.common import Complaint, as_json, compared_filter, printable, run_until_stopped, say
from relay.commands.settings import CommandSettings, with_settings
from relay.protocol.filter import Filter
from relay.protocol.words import counted

if TYPE_CHECKING:
    from relay.commands.syncing import SyncSummary

_direction = click.option(
    "--dir",
    "direction",
    type=click.Choice(["down", "up", "both"]),
    default="both",
    help="down: get what is lacking here; up: send what is lacking there; both (default).",
)
_secret_file = click.option(
    "--secret-file",
    metavar="FILE",
    help="The key to prove where it asks for one (NIP-42), else the relay's own; -: stdin.",
)


@click.command()
@click.argument("url")
@click.argument("wanted", type=compared_filter, metavar="[FILTER]", default="{}")
@_direction
@click.option("--dry-run", "dry", is_flag=True, help="Only count what differs.")
@_secret_file
@as_json
@with_settings
def sync(
    *,
    settings: CommandSettings,
    url: str,
    wanted: Filter,
    direction: str,
    dry: bool,
    secret_file: str | None,
    as_json: bool,
) -> None:
    """Bring this relay and the one at URL in step, once.

    Both are compared by negentropy (NIP-77), or page by page where the other does not compare; then what one side lacks
    is got or sent. Only public events that match FILTER are looked at. What comes is checked by the rules for peers; what
    may not be passed on (NIP-70, NIP-62) is not sent. Works whether this relay runs or not; run it again to go on.

    Exit code 1 when the relay cannot be reached or breaks off, something was refused on either side, or Ctrl-C or SIGTERM ended
    it: what was done until then is told.

    \b
    Examples:
      tidings sync wss://relay.example
      tidings sync wss://relay.example '{"kinds":[0,3,10002]}' --dir down
      tidings sync ws://127.0.0.1:7448 --dry-run --json
    """
    from relay.commands.client import complaining
    from relay.commands.syncing import synchronized
    from relay.federation.addresses import normal
    from relay.federation.sync import Direction, SyncPlan
    from relay.protocol.retention import Retention
    from relay.retention_settings import rules_of

    with complaining(url):
        peer = normal(url)
    config = settings.load()
    plan = SyncPlan(wanted, Direction(direction), dry=dry, retention=Retention(rules_of(config.retention)))
    _end(run_until_stopped(synchronized(config, peer, plan, secret_file)), as_json, dry)


def _end(summary: "SyncSummary", as_json: bool, dry: bool = False) -> None:
    """Say how it ended, and end with an exit code."""
    if as_json:
        click.echo(msgspec.json.encode(summary))
    elif summary.error is None or summary.counts.received or summary.counts.sent:
        _tell(summary, dry)
    if summary.error is not None:
        raise Complaint(summary.error)
    if summary.counts.refused or summary.counts.rejected or summary.counts.not_given:
        raise SystemExit(1)


@click.command()
@click.argument("url")
@click.argument("wanted", type=compared_filter, metavar="[FILTER]", default="{}")
@_secret_file
@as_json
@with_settings
def mirror(*, settings: CommandSettings, url: str, wanted: Filter, secret_file: str | None, as_json: bool) -> None:
    """Get everything that the relay at URL has.

    All public events that match FILTER, the newest first. The connection may break: it is made again, and when the command is
    stopped, the next run goes on where it was. What came there meanwhile is got at the end. Works whether this relay runs or not.

    Exit code 1 when the relay could not be reached for long, something of it was refused here, or Ctrl-C or SIGTERM ended it:
    what was done until then is told.

    \b
    Examples:
      tidings mirror wss://relay.example
      tidings mirror wss://relay.example '{"kinds":[0,1,3,5,7]}' --data ./copy
    """
    from relay.commands.client import complaining
    from relay.commands.mirroring import mirrored
    from relay.federation.addresses import normal

    with complaining(url):
        peer = normal(url)
    _end(run_until_stopped(mirrored(settings.load(), peer, wanted, secret_file)), as_json)


@click.command()
@click.argument("url")
@click.argument("wanted", type=compared_filter, metavar="[FILTER]", default="{}")
@_direction
@_secret_file
@with_settings
def stream(*, settings: CommandSettings, url: str, wanted: Filter, direction: str, secret_file: str | None) -> None:
    """Pass on what happens from now on.

    It ends by Ctrl-C or SIGTERM, with exit code 0. New events that match FILTER are taken from the relay at URL, given
    to it, or both. The connection may break: what was missed, from an hour before on, is compared when it is back. For
    good, see [[peers]] and `tidings peer add`.

    \b
    Examples:
      tidings stream wss://relay.example --dir down
      tidings stream ws://127.0.0.1:7448 '{"kinds":[1]}'
    """
    from relay.commands.client import complaining
    from relay.commands.streaming import streamed
    from relay.federation.addresses import normal

    with complaining(url):
        peer = normal(url)
    try:
        run_until_stopped(streamed(settings.load(), peer, wanted, direction, secret_file))
    except KeyboardInterrupt:
        raise SystemExit(0) from None


def _tell(summary: "SyncSummary", dry: bool) -> None:
    how = "compared by negentropy" if summary.compares else "read page by page, as it does not compare"
    say(f"{summary.url}, {how}: {summary.need:,} only there, {summary.have:,} only here")
    if summary.unseen:
        seconds = counted(summary.unseen, "second")
        say(f"of {seconds} it has more events than it gives at once: some could not be compared")
    if dry:
        return
    counts = summary.counts
    rate = (counts.received + counts.sent) / max(summary.seconds, 0.001)
    say(
        f"got {counted(counts.received, 'event')}: {counts.stored:,} stored, {counts.duplicates:,} already here, "
        f"{counts.refused:,} refused; {counts.not_given:,} claimed but not given"
    )
    say(
        f"sent {counted(counts.sent, 'event')}: {counts.taken:,} taken, {counts.known:,} already there, "
        f"{counts.rejected:,} refused; {counts.withheld:,} may not be passed on"
    )
    if counts.of_groups:
        say(f"{counted(counts.of_groups, 'event')} of groups (NIP-29) not taken there: it is not their home")
    say(f"{summary.seconds:.1f} s, {rate:,.0f} events/s")
    for title, reasons in (
        ("refused here", counts.refusals),
        ("refused there", counts.rejections),
        ("put off there", counts.delays),
    ):
        for reason, number in sorted(reasons.items(), key=lambda item: -item[1]):
            say(f"  {title}: {number:,} × {printable(reason)}")
