"""What the verbs about other relays do: the database on one side, a connection on the other."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from keys import schnorr
from keys.vault import VaultError, relay_secret
from relay.client import Key, Signer
from relay.client.errors import ClientError
from relay.commands.key_tools import find_secret
from relay.commands.operating import Database, WriteTarget, reading, writing
from relay.commands.progress import Meter
from relay.config import Config
from relay.federation.connection import PeerConnection
from relay.federation.home import own_key
from relay.federation.local_events import PublicEvents
from relay.federation.sync import SyncFound, Synchronization, SyncPlan
from relay.federation.transfers import Downloads, SyncCounts, Uploads
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.setting_parts import ConfigError
from storage.base import Outcome, Status

BATCH: Final = 500  # events written in one transaction
INTERRUPTED: Final = "interrupted; the same command goes on from here"


class CommandEvents(PublicEvents):
    """relay.federation.local_events.LocalEvents from the command line: read beside whoever writes, written through it."""

    def __init__(self, database: Database, target: WriteTarget | None, peer: str) -> None:
        """`target` may be None where nothing is taken."""
        super().__init__(database)
        self._target = target
        self._peer = peer
        self._writes = asyncio.Lock()

    async def take(self, events: Sequence[Event]) -> list[Outcome]:
        """As LocalEvents.take. What is being written is written, and told, before an interruption goes on."""
        async with self._writes:  # one at a time, which is all the back-pressure there is
            writing = asyncio.ensure_future(asyncio.to_thread(self._take, events))
            try:
                return await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait((writing,))
                if (task := asyncio.current_task()) is not None:
                    task.cancel()  # wherever it waits next
                return writing.result()

    def _take(self, events: Sequence[Event]) -> list[Outcome]:
        faults = [schnorr.fault(event) for event in events]
        sound = [event for event, fault in zip(events, faults, strict=True) if fault is None]
        assert self._target is not None
        stored: list[Outcome] = []
        for start in range(0, len(sound), BATCH):
            stored += self._target.submit(sound[start : start + BATCH], Door.PEER, self._peer)
        outcomes = iter(stored)
        return [next(outcomes) if fault is None else Outcome(Status.REFUSED, refusal=fault) for fault in faults]


class SyncSummary(msgspec.Struct, frozen=True):
    """What `tidings sync --json` prints. `have` and `need` are how many events only one side had.

    `unseen`: seconds of which the other, which does not compare, has more events than it gives at once: some could not be seen.
    """

    url: str
    direction: str
    complete: bool
    compares: bool
    unseen: int
    have: int
    need: int
    seconds: float
    error: str | None
    counts: SyncCounts


async def synchronized(
    config: Config,
    url: str,
    plan: SyncPlan,
    secret_file: str | None,
    received: Callable[[Event, Outcome], None] = lambda _event, _outcome: None,
) -> SyncSummary:
    """Do it; what happened, also where it broke off, was interrupted (INTERRUPTED) or could not begin.

    `received` is told what became of each event that came. Raises ConfigError, StorageError.
    """
    counts, found, error = SyncCounts(), SyncFound(), None
    begun = time.monotonic()
    try:
        await _synchronize(config, url, plan, secret_file, received, counts=counts, found=found)
    except ClientError as failure:
        error = str(failure)
    except asyncio.CancelledError:
        error = INTERRUPTED
    return SyncSummary(
        url,
        plan.direction.value,
        error is None,
        found.compares,
        found.lost,
        found.have,
        found.need,
        time.monotonic() - begun,
        error,
        counts,
    )


async def _synchronize(
    config: Config,
    url: str,
    plan: SyncPlan,
    secret_file: str | None,
    received: Callable[[Event, Outcome], None],
    *,
    counts: SyncCounts,
    found: SyncFound,
) -> None:
    """Do it; `counts` and `found` tell how far it is. Raises ClientError, ConfigError, StorageError."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(writing(config)) if plan.direction.is_down and not plan.dry else None
        signer = signer_of(config, secret_file)
        async with reading(config) as database:
            connection = await PeerConnection.open(url, signer, allow_private=True)
            try:
                local = CommandEvents(database, target, url)
                meter = stack.enter_context(Meter(url, 0, "events"))

                def moved(*_: object) -> None:
                    done = counts.received + counts.taken + counts.known + counts.rejected
                    meter.update(done, done, found.need + found.have)

                def came(event: Event, outcome: Outcome) -> None:
                    moved()
                    received(event, outcome)

                home = await own_key(url, allow_private=True)
                downloads = Downloads(connection, local, counts, received=came, home=None if home != "" else home)
                uploads = Uploads(connection, counts, moved)
                await Synchronization(connection, local, plan, downloads, uploads, found=found).run()
            finally:
                await connection.close()


def signer_of(config: Config, secret_file: str | None) -> Signer | None:
    """Who proves who asks: the key in the file, else the relay's own, if there is one yet. Raises ConfigError."""
    if secret_file is not None:
        return Key(find_secret(secret_file))
    try:
        own = relay_secret(Path(config.server.data), config.identities.relay_key)
    except VaultError as error:
        raise ConfigError(str(error)) from None
    return None if own is None else Key(own)
