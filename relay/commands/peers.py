"""`peers` and `peer`: which relays this one stays in step with, and how it goes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from relay.commands import control_client
from relay.commands.common import Complaint, Misuse, Verbs, as_json, compared_filter, printable, run, say
from relay.commands.operating import reading, writing
from relay.commands.settings import CommandSettings, with_settings
from relay.config import Config
from relay.peer_settings import PeerSettings
from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.filter import Filter
from storage.errors import StorageError
from storage.peers import AddPeer, PausePeer, PeerRow, RemovePeer

if TYPE_CHECKING:
    from storage.peers import PeerChange

_FILE, _COMMAND, _FOLLOW, _NOWHERE = "file", "command", "follow", ""
_SAID: Final = {
    "added": "{url} is a peer now; `tidings peers` tells how it goes",
    "changed": "{url} is a peer with other settings now",
    "paused": "{url} is left alone until `tidings peer resume {url}`",
    "resumed": "{url} is a peer again; what was missed is got and sent",
    "removed": "{url} is no peer any more, and how far it was is forgotten",
    "unchanged": "{url}: nothing to change; that is so already",
}


class ShownPeer(msgspec.Struct, frozen=True):
    """A line of `tidings peers --json`. `origin` is where its settings stand: file, command, or nowhere any more;
    follow where it is joined because of whom this relay follows.
    """

    url: str
    origin: str
    direction: str
    paused: bool
    status: dict[str, Any]
    place: dict[str, Any]


class PeerChanged(msgspec.Struct, frozen=True):
    """What `tidings peer … --json` prints. `done` is one of the names in `_SAID`."""

    url: str
    done: str


@click.command("peers")
@as_json
@with_settings
def show_peers(settings: CommandSettings, as_json: bool) -> None:
    """Print the relays that this one stays in step with.

    Of each: its state and since when, how many events wait to be sent (lag), whether everything was compared with it, what was
    received and sent and became of it, and the last error. Relays that were peers once come last, in a line each. Figures are a
    second or two old. Works while the relay runs, and after.

    \b
    Examples:
      tidings peers
      tidings peers --json
    """
    config = settings.load()
    rows = run(_rows(config))
    shown = [_shown(row, config) for row in rows]
    if as_json:
        for one in shown:
            click.echo(msgspec.json.encode(one))
        return
    if not shown:
        say("no peers; `tidings peer add URL` adds one, [[peers]] in the settings' file does too")
    for one, row in sorted(zip(shown, rows, strict=True), key=lambda pair: _was_once(*pair)):
        for line in _lines(one, row):
            click.echo(line)


async def _rows(config: Config) -> list[PeerRow]:
    """The peers. Of a relay that was killed, how it went was noted while it ran: it is in step with nobody now."""
    async with reading(config) as database:
        rows = await database.peers.all()
    if control_client.is_running(Path(config.server.data)):
        return rows
    return [_at_rest(row) if row.paused or _goes_on(row) else row for row in rows]


def _goes_on(row: PeerRow) -> bool:
    """Whether that is what was noted last."""
    return bool(row.status.since) and row.status.state != "stopped"


def _at_rest(row: PeerRow) -> PeerRow:
    """As it is while no relay runs; where another state was noted last, since when is not known."""
    state = "paused" if row.paused else "stopped"
    if row.status.state == state:
        return row
    at_rest = msgspec.structs.replace(row.status, state=state, since=0, comparing=False)
    return msgspec.structs.replace(row, status=at_rest)


def _shown(row: PeerRow, config: Config) -> ShownPeer:
    from relay.federation.addresses import by_url

    chosen = by_url(config.peers).get(row.url)
    is_joined = bool(config.federation.follow) and row.status.state != "stopped"
    origin = _FILE if chosen is not None else _COMMAND if row.settings else _FOLLOW if is_joined else _NOWHERE
    if chosen is None and row.settings:
        chosen = msgspec.json.decode(row.settings, type=PeerSettings)
    direction = row.status.direction if chosen is None else chosen.direction
    status, place = msgspec.to_builtins(row.status), msgspec.to_builtins(row.place)
    return ShownPeer(row.url, origin, direction, row.paused, status, place)


def _lines(shown: ShownPeer, row: PeerRow) -> list[str]:
    status = row.status
    if _was_once(shown, row):
        return [f"{shown.url}  no peer now, in step {_ago(status.in_step_at)}"]
    how = "" if status.compares else ", read page by page"
    if shown.origin == _FOLLOW:
        how += ", joined by follow"
    since = f" for {_span(status.since)}" if status.since else ""
    lines = [
        f"{shown.url}  {shown.direction or 'no settings'}  {status.state}{since}{how}",
        f"    in step {_ago(status.in_step_at)}, last event {_ago(status.last_event_at)}, {status.lag:,} wait to be sent",
        f"    {_compared(row)}",
        f"    got {status.received:,}: {status.stored:,} stored, {status.duplicates:,} already here, {status.refused:,} refused, "
        f"{status.not_given:,} claimed but not given",
        f"    sent {status.sent:,}: {status.taken:,} taken, {status.known:,} already there, {status.rejected:,} refused",
    ]
    for what, reasons in (
        ("refused here", status.refused_because),
        ("refused there", status.rejected_because),
        ("put off there", status.delayed_because),
    ):
        lines += [f"    {what}: {number:,} × {printable(reason)}" for reason, number in reasons.items()]
    if status.unseen:
        lines.append(
            f"    {status.unseen:,} seconds of which it has more events than it gives at once: some could not be compared"
        )
    if status.wasted:
        lines.append(f"    {status.wasted:,} messages that should not have come")
    if status.misbehaved:
        lines.append(f"    misbehaved {_ago(status.misbehaved_at)}: {printable(status.misbehaved)}")
    if status.groups.startswith("not taken"):
        lines.append(f"    its groups are {printable(status.groups)}")
    if status.last_error:
        lines.append(f"    {_ago(status.last_error_at)}: {printable(status.last_error)}")
    return lines


def _was_once(shown: ShownPeer, row: PeerRow) -> bool:
    """Whether it is nobody's peer: one that was joined by follow, or whose settings were taken out of the file."""
    return shown.origin == _NOWHERE and row.status.state == "stopped"


def _compared(row: PeerRow) -> str:
    """How far everything is compared, whatever state there is with what is new."""
    done_at = row.place.walked_at
    if row.status.comparing:
        return f"everything is being compared {f'again, last {_ago(done_at)}' if done_at else 'for the first time'}"
    return f"everything was compared {_ago(done_at)}" if done_at else "not everything has been compared yet"


_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def _ago(moment: int) -> str:
    return f"{_span(moment)} ago" if moment else "never"


def _span(moment: int) -> str:
    seconds = max(0, int(time.time()) - moment)
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"


@click.group(cls=Verbs)
def peer() -> None:
    """Add, remove and pause peers while the relay runs or not."""


@peer.command()
@click.argument("url")
@click.option("--dir", "direction", type=click.Choice(["down", "up", "both"]), default="both", help="Which way; both.")
@click.option(
    "--filter",
    "wanted",
    type=compared_filter,
    multiple=True,
    metavar="FILTER",
    help="Only events matching this; may be repeated.",
)
@click.option(
    "--since",
    type=click.IntRange(0, events.MAX_TIMESTAMP),
    default=0,
    metavar="SECONDS",
    help="Nothing older (unix seconds).",
)
@click.option("--no-backfill", is_flag=True, help="Nothing that was there before the first contact.")
@click.option("--allow-private", is_flag=True, help="It may be at an address that is not of the public Internet.")
@as_json
@with_settings
def add(*, settings: CommandSettings, url: str, wanted: tuple[Filter, ...], as_json: bool, **given: Any) -> None:
    """Stay in step with the relay at URL from now on.

    A running relay begins at once. What a peer's `key` or `policy` is to be stands in the settings' file, in [[peers]].

    \b
    Examples:
      tidings peer add wss://relay.example
      tidings peer add wss://relay.example --dir down --filter '{"kinds":[0,1,7]}'
    """
    from relay.commands.client import complaining
    from relay.federation.addresses import is_private, normal

    with complaining(url):
        place = normal(url)
    config = settings.load()
    if _is_listed(place, config):
        raise Misuse(f"{place} stands in {settings.file}; change it there")
    chosen = PeerSettings(
        url=place,
        direction=given["direction"],
        filters=[msgspec.json.decode(filters.to_json(one)) for one in wanted] or [{}],
        since=given["since"],
        backfill=not given["no_backfill"],
        allow_private=given["allow_private"],
    )
    text = msgspec.json.encode(chosen).decode()
    before = _row(config, place)
    done = "added" if before is None or not before.settings else "unchanged" if before.settings == text else "changed"
    _change(config, AddPeer(place, text), done, as_json)
    if is_private(place) and not chosen.allow_private:
        say(f"{place} is at a private address and is left alone; say it again with --allow-private")


@peer.command()
@click.argument("url")
@as_json
@with_settings
def remove(settings: CommandSettings, url: str, as_json: bool) -> None:
    """Stay in step with a relay no more, and forget how far that was.

    \b
    Examples:
      tidings peer remove wss://relay.example
    """
    config = settings.load()
    row = _known(config, url)
    if _is_listed(row.url, config):
        raise Misuse(f"{url} stands in {settings.file}; take it out there and send the relay SIGHUP")
    if not row.settings and row.status.state != "stopped":
        raise Misuse(
            f"{url} was not added by a command: take it out of the running relay's settings ([[peers]], federation.follow) and "
            "send it SIGHUP"
        )
    _change(config, RemovePeer(row.url), "removed", as_json)


@peer.command()
@click.argument("url")
@as_json
@with_settings
def pause(settings: CommandSettings, url: str, as_json: bool) -> None:
    """Leave a peer alone until `tidings peer resume`.

    \b
    Examples:
      tidings peer pause wss://relay.example
    """
    config = settings.load()
    row = _known(config, url)
    _change(config, PausePeer(row.url, paused=True), "unchanged" if row.paused else "paused", as_json)


@peer.command()
@click.argument("url")
@as_json
@with_settings
def resume(settings: CommandSettings, url: str, as_json: bool) -> None:
    """Go on with a peer that was paused; what was missed meanwhile is got and sent.

    \b
    Examples:
      tidings peer resume wss://relay.example
    """
    config = settings.load()
    row = _known(config, url)
    _change(config, PausePeer(row.url, paused=False), "resumed" if row.paused else "unchanged", as_json)


def _is_listed(url: str, config: Config) -> bool:
    from relay.federation.addresses import by_url

    return url in by_url(config.peers)


def _row(config: Config, url: str) -> PeerRow | None:
    """The peer's row, where there is one, and a database."""
    try:
        return next((row for row in run(_rows(config)) if row.url == url), None)
    except StorageError:  # there is none yet; what else is wrong, who writes is told
        return None


def _known(config: Config, url: str) -> PeerRow:
    """The peer's row. Raises Complaint for one that is no peer."""
    from relay.commands.client import complaining
    from relay.federation.addresses import normal

    with complaining(url):
        place = normal(url)
    row = next((row for row in run(_rows(config)) if row.url == place), None)
    if row is None:
        raise Complaint(f"{place} is no peer; `tidings peers` lists them")
    return row


def _change(config: Config, change: "PeerChange", done: str, as_json: bool) -> None:
    """Carry it out, and say what was done."""
    Path(config.server.data).mkdir(mode=0o700, parents=True, exist_ok=True)
    with writing(config) as target:
        target.change_peer(change)
    if as_json:
        click.echo(msgspec.json.encode(PeerChanged(change.url, done)))
    else:
        say(_SAID[done].format(url=change.url))
