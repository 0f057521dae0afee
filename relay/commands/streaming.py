"""What `stream` does: a live session with another relay in the foreground, without a place in the database."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from relay.client import Key
from relay.commands.common import printable, say
from relay.commands.operating import Database, WriteTarget, reading, writing
from relay.commands.syncing import CommandEvents, signer_of
from relay.config import Config
from relay.federation.peer import PeerRunner
from relay.federation.peer_memory import PeerMemory
from relay.federation.progress import PeerRecord
from relay.federation.session_parts import PeerParts
from relay.peer_settings import Federation, PeerSettings
from relay.protocol import filter as filters
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.server.supervision import Faults, ended
from storage.base import Logged, Outcome
from storage.commands import Command
from storage.peers import PeerPlace, PeerRow, PeerStatus

LOOKED: Final = 0.2  # seconds between two looks at what the log took in
TOLD: Final = 10.0  # seconds between two lines about how it goes
WAITING: Final = 500  # events handed in and not yet written
_END: Final = 2**62  # above every seq
_ONLY_LIVE: Final = Federation(walk_interval=0, walk_pause=10 * 365 * 86_400)


class StreamedEvents(CommandEvents):
    """relay.federation.session_parts.WayIn from the command line: what is handed in is written together as it comes."""

    def __init__(self, database: Database, target: WriteTarget, peer: str) -> None:
        super().__init__(database, target, peer)
        self.home: str | None = None
        self._waiting: asyncio.Queue[tuple[Event, Callable[[Event, Outcome], None]]] = asyncio.Queue(WAITING)

    async def hand_in(self, event: Event, answer: Callable[[Event, Outcome], None]) -> None:
        """As WayIn.hand_in."""
        await self._waiting.put((event, answer))

    async def write(self) -> None:
        """Write what is handed in, until cancelled. Raises ControlError, StorageError."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            outcomes = await self.take([event for event, _ in batch])
            for (event, answer), outcome in zip(batch, outcomes, strict=True):
                answer(event, outcome)


class PolledLog:
    """relay.federation.session_parts.LogSource over a database that somebody else writes."""

    def __init__(self, database: Database, last_seq: int) -> None:
        self.upto = last_seq
        self._database = database

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """As storage.base.Reader.follow."""
        return await self._database.follow(after, upto, most)

    async def look(self, grown: Callable[[], None]) -> None:
        """Look for more, until cancelled. Raises StorageError."""
        while True:
            await asyncio.sleep(LOOKED)
            while found := await self._database.follow(self.upto, _END, WAITING):
                self.upto = found[-1].seq
                grown()


class NoPeers:
    """storage.peers.Peers of a session that remembers nothing."""

    async def all(self) -> list[PeerRow]:
        """None."""
        return []

    async def refused(self, *_: object) -> list[bytes]:
        """None."""
        return []


async def _forgotten(_command: Command[Any]) -> None:
    """What a session would write down."""


async def streamed(config: Config, url: str, wanted: Filter, direction: str, secret_file: str | None) -> None:
    """Until cancelled. Raises ConfigError, StorageError, ControlError."""
    settings = msgspec.convert(
        {
            "url": url,
            "direction": direction,
            "filters": [msgspec.json.decode(filters.to_json(wanted))],
            "backfill": False,
            "allow_private": True,
            "policy": {"groups": False},
        },
        PeerSettings,
    )
    with writing(config) as target:
        async with reading(config) as database:
            log = PolledLog(database, (await database.info()).last_seq)
            door = StreamedEvents(database, target, url)
            record = PeerRecord(PeerRow(url, "", False, PeerPlace(), PeerStatus()), lambda: None)
            parts = PeerParts(record, PeerMemory(url, NoPeers(), _forgotten), door, log)
            signer = signer_of(config, secret_file) or Key.generate()
            runner = PeerRunner(settings, parts, signer, lambda: _ONLY_LIVE, Faults())
            runner.start()
            work = (door.write(), log.look(lambda: runner.commit([])), _tell(record))
            tasks = [asyncio.create_task(one) for one in work]
            try:
                (failed, *_), _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                failed.result()
            finally:
                await ended(tasks)
                await runner.close("stopped")


async def _tell(record: PeerRecord) -> None:
    """A line whenever the state changes, now and then while something moves, and at the end where the last one is out of date."""
    told, at = ("", 0), 0.0
    try:
        while True:
            now = _reached(record)
            if now[0] != told[0] or (now != told and time.monotonic() - at > TOLD):
                _say_figures(record)
                told, at = now, time.monotonic()
            await asyncio.sleep(LOOKED)
    finally:
        if _reached(record) != told:
            _say_figures(record)


def _reached(record: PeerRecord) -> tuple[str, int]:
    status = record.current()
    return status.state, status.received + status.sent


def _say_figures(record: PeerRecord) -> None:
    status = record.current()
    why = f" ({printable(status.last_error)})" if status.state == "waiting" else ""
    say(
        f"{record.url} {status.state}{why}: "
        f"got {status.received:,} ({status.stored:,} stored, {status.refused:,} refused), "
        f"sent {status.sent:,} ({status.taken:,} taken, {status.rejected:,} refused)"
    )
