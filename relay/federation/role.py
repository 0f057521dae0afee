"""The peers role: federation as a process of its own, which follows the log and has a pipeline for what peers bring.

It has the sets that are compared by negentropy, too, and answers for all fronts: they are held once, and no front's loop or
interpreter is taken for them. Who may read what stays with the front, which names the readers; see
`relay.server.comparisons.compared_sets`.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial

from relay.client.signer import Key
from relay.config import Config
from relay.federation.manager import FederatedRelay, PeerManager, PeerStore
from relay.roles import signals
from relay.roles.page import ALIVE_INTERVAL, SharedPage
from relay.roles.supervisor import SupervisorPipes
from relay.server.comparisons.compared_sets import ComparedSets
from relay.server.comparisons.comparison_server import ComparisonServer
from relay.server.events import policies
from relay.server.events.ingest import Ingest
from relay.server.events.link import keep
from relay.server.events.publishing import Publisher
from relay.server.events.write_policy.write_policy import WritePolicy
from relay.server.live_rules import LiveRules
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks


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
    listener: socket.socket,
) -> int:
    """Run the peers role until END; its exit status. Raises ConfigError and StorageError where it cannot start.

    `role` is its number on the page, `reader` opens the database, `unlock` gives the relay's secret key, `reload` the settings
    after SIGHUP, `writer_path` is where the writer listens, `listener` where fronts ask.
    """
    page.begin(role)
    faults = Faults()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(faults.handle)
    stop = signals.asked_to_end(loop, pipes.end)
    async with contextlib.AsyncExitStack() as stack:
        store = await reader()
        stack.push_async_callback(store.close)
        signer = Key(await unlock(store))
        policy = _policy(settings, faults, signer.pubkey)
        ingest = _pipeline(settings, page, role, store, faults, policy=policy)
        tasks = Tasks(faults)
        stack.push_async_callback(tasks.close)
        tasks.repeat(partial(keep, ingest.link, writer_path), "the link to the writer")
        stack.push_async_callback(ingest.close)
        hearing = Hearing(ingest.hear)
        sets = ComparedSets(store, ingest.log, faults, hear=partial(hearing.want, "comparisons"))
        stack.push_async_callback(sets.close)
        server = ComparisonServer(sets)
        stack.callback(server.close)
        publisher = Publisher(ingest, settings, signer.pubkey)
        hear = partial(hearing.want, "peers")
        relay = FederatedRelay(settings, store, ingest, publisher, ingest.execute, signer, faults, page, role, hear)
        manager = PeerManager(relay)
        stack.push_async_callback(manager.close)
        rules = LiveRules(settings, store, ingest.execute, faults, told=manager.reconfigured)
        stack.push_async_callback(rules.close)
        await rules.look()
        for follower in (rules.applied, manager.applied, sets.applied):
            ingest.log.add(follower)
        tasks.repeat(partial(server.listen, listener), "the socket of the peers role")
        tasks.repeat(partial(_say_alive, page, role, faults, ingest, server, policy=policy), "the signs of life")

        def reconfigure() -> None:
            settings.read(reload(settings.file))
            policy.configure()
            manager.reconfigured()

        loop.add_signal_handler(signal.SIGHUP, reconfigure)
        pipes.ready()
        await manager.open()
        await stop.wait()
    return 0


def _policy(settings: Settings, faults: Faults, own: str) -> WritePolicy:
    """The operator's write policy, whose plugin is started when a peer brings something."""
    policy = WritePolicy(settings, faults, own=own, capacity=settings.config.storage.queue, is_eager=False)
    policy.configure()
    return policy


def _pipeline(
    settings: Settings, page: SharedPage, role: int, store: PeerStore, faults: Faults, *, policy: WritePolicy
) -> Ingest:
    """The way of what peers bring. Keys have no rate here: each peer has its quota."""
    return Ingest(
        role,
        page,
        store,
        settings.config.storage.queue,
        faults,
        flush=lambda: None,
        pace=lambda event: policies.banned(event, settings.config),
        policy=policy,
    )


class Hearing:
    """Whether this process follows the log: `hear` is told when the first wants it, and when nobody does any more."""

    def __init__(self, hear: Callable[[bool], None]) -> None:
        self._hear = hear
        self._wanting: set[str] = set()
        self._hears = True

    def want(self, who: str, wanted: bool) -> bool:
        """Somebody wants it, or not; whether it has just begun, so that a commit that is `anew` follows."""
        if wanted:
            self._wanting.add(who)
        else:
            self._wanting.discard(who)
        if self._hears == bool(self._wanting):
            return False
        self._hears = not self._hears
        self._hear(self._hears)
        return self._hears


async def _say_alive(
    page: SharedPage, role: int, faults: Faults, ingest: Ingest, server: ComparisonServer, *, policy: WritePolicy
) -> None:
    """Have the page say that this role works, and whether something failed in it, and the fronts hear of it."""
    while True:
        server.say_alive()
        page.say_alive(role)
        page.store(
            role,
            applied=ingest.log.number,
            waiting=ingest.pending,
            **faults.figures(),
            **policy.figures(),
        )
        page.measure(role, ingest.numbers)
        await asyncio.sleep(ALIVE_INTERVAL)
