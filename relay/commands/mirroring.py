"""What `mirror` does: everything of another relay, however often the connection breaks, and from there on when it runs again."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from relay.commands.common import naming, printable, say
from relay.commands.syncing import INTERRUPTED, SyncSummary, synchronized
from relay.config import Config
from relay.federation.peer import Pauses
from relay.federation.peer_memory import MOST_REFUSED
from relay.federation.sync import Direction, SyncPlan
from relay.federation.transfers import SyncCounts
from relay.federation.verdicts import TEMPORARY
from relay.federation.windows import FAR, WindowDifference
from relay.protocol import filter as filters
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.retention import Retention
from relay.retention_settings import rules_of
from storage.base import Outcome, Status

MOST_FAILURES: Final = 8  # in a row that brought nothing
OVERLAP: Final = 3600  # seconds before the beginning that are looked at once more at the end


class MirrorMark(msgspec.Struct, frozen=True):
    """How far a mirror has come: everything later than `until` is here. `begun` is when its first run did, in unix seconds."""

    url: str
    filter: str
    begun: int
    until: int | None = None


class MirrorMarks:
    """Where the marks of unfinished mirrors are kept: in the data directory, since they speak about its database."""

    def __init__(self, data: Path, url: str, wanted: Filter) -> None:
        self._directory = data / "mirrors"
        self._new = MirrorMark(url, filters.to_json(wanted).decode(), int(time.time()))
        name = hashlib.sha256(f"{url} {self._new.filter}".encode()).hexdigest()[:32]
        self._file = self._directory / f"{name}.json"

    def find(self) -> MirrorMark:
        """How far it came, a new mark where it was not begun or was finished."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=MirrorMark)
        except (FileNotFoundError, msgspec.DecodeError):
            return self._new

    def save(self, mark: MirrorMark) -> None:
        """Remember it; a crash leaves this mark or the one before."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        with naming(fresh):
            fresh.write_bytes(msgspec.json.encode(mark))
        fresh.replace(self._file)

    def forget(self) -> None:
        """The mirror is finished."""
        self._file.unlink(missing_ok=True)


async def mirrored(config: Config, url: str, wanted: Filter, secret_file: str | None) -> SyncSummary:
    """Get everything; what happened in all runs of this command. Raises ConfigError, StorageError."""
    marks = MirrorMarks(Path(config.server.data), url, wanted)
    mark = marks.find()
    if mark.until is not None:
        say(f"going on with what is older than {time.strftime('%Y-%m-%d %H:%M', time.gmtime(mark.until))}")

    def done(difference: WindowDifference) -> None:
        nonlocal mark
        if difference.since > 0:
            mark = msgspec.structs.replace(mark, until=difference.since - 1)
            marks.save(mark)

    passed: dict[str, None] = {}  # what came in vain, the latest: it is not counted twice

    def received(event: Event, outcome: Outcome) -> None:
        if outcome.status is Status.DUPLICATE or (
            outcome.refusal is not None and outcome.refusal.prefix not in TEMPORARY
        ):
            passed[event.id] = None
            if len(passed) > MOST_REFUSED:
                del passed[next(iter(passed))]

    retention = Retention(rules_of(config.retention))
    plan = SyncPlan(wanted, Direction.DOWN, reads_first=True, skip_down=passed.__contains__, retention=retention)
    total = await _all(
        lambda: msgspec.structs.replace(plan, until=FAR if mark.until is None else mark.until, done=done),
        config,
        url,
        secret_file,
        received,
    )
    if total.error is None:
        since = max(0, mark.begun - OVERLAP)
        last = await _all(
            lambda: msgspec.structs.replace(plan, since=since, reads_first=False), config, url, secret_file, received
        )
        total = _added(total, last)
    if total.error is None:
        marks.forget()
    return total


async def _all(
    plan: Callable[[], SyncPlan],
    config: Config,
    url: str,
    secret_file: str | None,
    received: Callable[[Event, Outcome], None],
) -> SyncSummary:
    """Run a plan to its end, again where it breaks off."""
    pauses, failures = Pauses(random.random), 0
    total: SyncSummary | None = None
    while True:
        summary = await synchronized(config, url, plan(), secret_file, received)
        total = summary if total is None else _added(total, summary)
        if summary.error is None or summary.error == INTERRUPTED:
            return total
        if summary.counts.stored:
            pauses.reset()
            failures = 0
        failures += 1
        if failures >= MOST_FAILURES:
            return total
        pause = pauses.next()
        say(f"{printable(summary.error)}; again in {pause:.0f} s")
        try:
            await asyncio.sleep(pause)
        except asyncio.CancelledError:
            return msgspec.structs.replace(total, error=INTERRUPTED)


def _added(one: SyncSummary, other: SyncSummary) -> SyncSummary:
    """Both together, as complete as the later."""
    counts = SyncCounts()
    for name in SyncCounts.__struct_fields__:
        first, second = getattr(one.counts, name), getattr(other.counts, name)
        if isinstance(first, dict):
            setattr(counts, name, {key: first.get(key, 0) + second.get(key, 0) for key in first | second})
        else:
            setattr(counts, name, first + second)
    return msgspec.structs.replace(
        other,
        unseen=one.unseen + other.unseen,
        have=one.have + other.have,
        need=one.need + other.need,
        seconds=one.seconds + other.seconds,
        counts=counts,
    )
