"""The peers role: federation as a process of its own, which follows the log and has a pipeline for what peers bring."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from relay.client.signer import Key
from relay.config import Config
from relay.federation.manager import FederatedRelay, PeerManager, PeerStore
from relay.roles.page import FAULTY, SharedPage
from relay.roles.supervisor import SupervisorPipes
from relay.server.ingest import Ingest
from relay.server.link import keep
from relay.server.publishing import Publisher
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks

ALIVE_INTERVAL: Final = 1.0  # seconds between two signs of life


async def run_role(
    settings: Settings,
    page: SharedPage,
    role: int,
    pipes: SupervisorPipes,
    *,
    reader: Callable[[], Awaitable[PeerStore]],
    unlock: Callable[[PeerStore], Awaitable[bytes]],
    reload: Callable[[Config], Config],
    writer_path: str,
) -> int:
    """Run the peers role until SIGTERM; its exit status. Raises ConfigError and StorageError where it cannot start.

    `role` is its number on the page, `reader` opens the database, `unlock` gives the relay's secret key, `reload` the settings
    after SIGHUP, `writer_path` is where the writer listens.
    """
    page.begin(role)
    faults = Faults()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(faults.handle)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(pipes.end, os._exit, 1)  # the supervisor is gone
    async with contextlib.AsyncExitStack() as stack:
        store = await reader()
        stack.push_async_callback(store.close)
        signer = Key(await unlock(store))
        ingest = Ingest(role, page, store, settings.config.storage.queue, faults, flush=lambda: None)
        tasks = Tasks(faults)
        stack.push_async_callback(tasks.close)
        tasks.repeat(partial(keep, ingest.link, writer_path), "the link to the writer")
        stack.push_async_callback(ingest.close)
        publisher = Publisher(ingest, settings, signer.pubkey)
        manager = PeerManager(
            FederatedRelay(settings, store, ingest, publisher, ingest.execute, signer, faults, page, role, ingest.hear)
        )
        stack.push_async_callback(manager.close)
        ingest.log.add(manager.applied)
        tasks.repeat(partial(_say_alive, page, role, faults, ingest), "the signs of life")

        def reconfigure() -> None:
            settings.config = reload(settings.config)
            manager.reconfigured()

        loop.add_signal_handler(signal.SIGHUP, reconfigure)
        pipes.ready()
        await manager.open()
        await stop.wait()
    return 0


async def _say_alive(page: SharedPage, role: int, faults: Faults, ingest: Ingest) -> None:
    """Have the page say that this role works, and whether something failed in it."""
    while True:
        page.say_alive(role)
        page.store(
            role,
            faults=faults.count,
            degraded=FAULTY if faults.problem() else 0,
            applied=ingest.log.number,
            waiting=ingest.pending,
            stored=ingest.stored,
            refused=ingest.refused,
        )
        await asyncio.sleep(ALIVE_INTERVAL)
