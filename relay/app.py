"""The only place where concrete parts meet: which storage, which handlers, which doors.

`serve` runs a relay until it is told to stop. `core` is the same relay without a port, for commands that write while no server
runs. Everything else knows the parts by their interfaces.
"""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol, TypeVar, cast

import msgspec

from handlers import table
from keys.vault import Vault
from relay import __version__, greeting, opening, service_manager, starting
from relay.config import Config
from relay.loading import reload
from relay.protocol.event import Event
from relay.roles import signals
from relay.roles.inside import WriterThread
from relay.roles.page import MANY, SharedPage
from relay.roles.search import SearchService
from relay.search_settings import Search
from relay.server import control
from relay.server.comparisons.compared_sets import ComparedSets
from relay.server.comparisons.remote_comparing import RemoteComparing
from relay.server.connection import listener
from relay.server.events import policies
from relay.server.hub import Hub
from relay.server.identities.identities import Identities
from relay.server.limits.addresses import AddressSet
from relay.server.limits.replay_guard import ReplayGuard
from relay.server.reading.remote_search import RemoteSearch
from relay.server.settings import Settings
from relay.server.supervision import Faults
from relay.setting_parts import ConfigError
from storage.access import RuleChange, SetText
from storage.base import Reader
from storage.command_codec import decode as decode_command
from storage.commands import Command
from storage.errors import StorageError
from storage.feed import Feed
from storage.peers import PeerChange, Peers
from storage.search.engine import Progress
from storage.sqlite.tools import SqliteStore
from storage.tools import Info, Tools

SOFTWARE = "https://github.com/tidings-relay/tidings"
PROTOCOL_NIPS = (1, 5, 11, 42, 45, 50, 67, 77, 86, 98)  # what relay.protocol and relay.http do themselves
NIPS = tuple(sorted({*PROTOCOL_NIPS, *table.NIPS, *(nip for row in policies.POLICIES for nip in row.nips)}))
# Seconds; the writer takes the interpreter back after every SQLite step and must not queue for it.
SWITCH_INTERVAL = 0.001

COLLECT = (50_000, 20, 50)  # events make many short-lived lists and no cycles: look for cycles seldom

ROLE_PATIENCE = 2.0  # seconds that a front waits at its start for the search role, and for the one that compares

T = TypeVar("T")

log = logging.getLogger("tidings")


class Store(Reader, Tools, Protocol):
    """A reader that is also the feed and the operator's tools, as the SQLite backend gives it."""

    @property
    def feed(self) -> Feed:
        """Posts and comments."""

    @property
    def peers(self) -> Peers:
        """Relays to stay in step with."""


def adopted(search: Search, model: Search) -> Search:
    """The settings `search` with the model that `model` names."""
    fields = {
        name: getattr(model, name) for name in Search.__struct_fields__ if name.startswith(("embedder", "endpoint_"))
    }
    return msgspec.structs.replace(search, **fields)


class Site:
    """One running relay as HTTP and the control socket see it."""

    version = __version__
    software = SOFTWARE
    nips = NIPS

    def __init__(self, hub: Hub, store: Store, engine: SearchService) -> None:
        self.hub = hub
        self.identities = hub.identities
        self.self_pubkey: str | None = hub.identities.self_pubkey
        self.publish = hub.publisher.publish
        self.follow = hub.follow
        self.readers_of = hub.access.readers_of_identity
        self.rooms = hub.rooms
        self.rules = hub.rules
        self.rotate_master = hub.identities.signing.rotate
        self.reader = store
        self.feed = store.feed
        self.peers = store.peers
        self.submit = hub.publisher.submit
        self.remove = hub.remove
        self.search = hub.search
        self.engine = engine
        self.health = hub.health
        self.measured = hub.measured
        self.numbers = hub.ingest.numbers
        self.faults = hub.faults
        self.streams = hub.gate.streams
        self.lasting = hub.lasting
        self.answers = hub.ingest.link
        self.fronts = hub.page.fronts

    @property
    def config(self) -> Config:
        """The effective settings, as of now."""
        return self.hub.config

    @property
    def last_seq(self) -> int:
        """The number of the last event that is committed, as of now."""
        return self.hub.ingest.last_seq

    @property
    def is_draining(self) -> bool:
        """Whether the relay is shutting down, as of now."""
        return self.hub.gate.draining

    @property
    def blocked(self) -> AddressSet:
        """The addresses whose clients are refused, as of now."""
        return self.hub.gate.blocked

    async def introduce(self) -> None:
        """At the start: say who the relay is, and see that the keys it holds say what they should."""
        with contextlib.suppress(StorageError):  # a full disk, say: reading goes on, `/health` tells of it
            await self.identities.profiles.introduce_relay()
            await self.identities.profiles.resume()

    async def compact(self) -> None:
        """As `storage.commands.Compact`; removed vectors leave their files too."""
        await self.engine.purge()
        await self.hub.compact()

    async def reembed(self, settings: Search, progress: Progress) -> int:
        """Go over to the model that these settings name, while serving; how many vectors were made."""
        made = await self.engine.reembed(settings, progress)
        file = self.hub.settings.file
        self.hub.configure(msgspec.structs.replace(file, search=adopted(file.search, settings)))
        return made

    async def rebuild(self) -> int:
        """As `storage.commands.Rebuild`; the vectors are made again."""
        rows = await self.hub.rebuild()
        self.engine.wake()
        return rows

    async def change_peer(self, change: PeerChange) -> bool:
        """Carry out a change of which peers there are; whether there was something to change."""
        return await self.hub.ingest.execute(cast(Command[bool | None], change)) is not False

    async def change_rules(self, *changes: RuleChange) -> list[bool]:
        """Carry out what the operator says; whether there was something to change, of each. Raises StorageError and Reject."""
        done = await self.rules.change(changes)
        if any(isinstance(change, SetText) for change in changes):
            await self.identities.profiles.introduce_relay()
        return done

    async def info(self) -> Info:
        """As `storage.tools.Tools.info`."""
        return await self.reader.info()


def addresses(config: Config) -> int:
    """How many different addresses a front has room for: of WebSockets, HTTP and streams; the limit may be raised later."""
    return max(MANY, 2 * config.server.max_connections)


def make_hub(
    settings: Settings, page: SharedPage, store: SqliteStore, secrets: Vault, *, faults: Faults, role: int = 0
) -> Hub:
    """A hub with its identities; its link to the writer and its search are the caller's to give."""
    hub = Hub(settings, page, store, secrets.pubkey, faults=faults, role=role)
    hub.identities = Identities(
        secrets,
        log=store,
        tables=store,
        ingest=hub.ingest,
        publisher=hub.publisher,
        settings=settings,
        checks=hub.checks,
        replay_guard=ReplayGuard(page, role),
        faults=faults,
    )
    return hub


@contextlib.asynccontextmanager
async def core(config: Config, url: str = "") -> AsyncIterator[Site]:
    """A relay without a port: pipeline, policies and storage. Raises StorageError, Locked when a server is running."""
    from relay.search import LocalSearch  # its packages are large: a front that asks another process never loads them

    writer = await asyncio.to_thread(opening.open_writer, config, url)
    try:
        secrets = await asyncio.to_thread(opening.prepare_writer, config, writer)
        page = SharedPage(("front", "writer"), fronts=1, addresses=addresses(config))
        store = await opening.open_reader(config, page=page)
        try:
            faults = Faults()
            asyncio.get_running_loop().set_exception_handler(faults.handle)
            thread = WriterThread(writer, page, decode_command, faults.report)
            hub = make_hub(Settings(config, opening.relay_url(config, url)), page, store, secrets, faults=faults)
            await hub.connect(thread.connect())
            thread.start()
            await hub.rules.look()
            sets = ComparedSets(store, hub.log, faults)
            hub.follow(sets.applied)
            hub.comparisons.answering = sets.front()
            try:
                await hub.identities.list_members()
                engine = LocalSearch(config, store, hub.ingest.execute)
                hub.search = engine
                try:
                    yield Site(hub, store, engine)
                finally:
                    await engine.close()
                    await hub.identities.close()
            finally:
                await hub.close()
                await sets.close()
                await asyncio.to_thread(thread.close)
        finally:
            await store.close()
    finally:
        await asyncio.to_thread(writer.close)


@contextlib.asynccontextmanager
async def searching(hub: Hub, store: SqliteStore, path: str) -> AsyncIterator[Site]:
    """The site of a front, which asks the search role at `path`."""
    engine = RemoteSearch(path, hub.faults)
    hub.search = engine
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ROLE_PATIENCE):
                await engine.present()  # else it is away, and whoever asks is told so
        yield Site(hub, store, engine)
    finally:
        await engine.close()


async def comparing(hub: Hub, path: str) -> None:
    """Have comparisons of a front answered by the role at `path`, for as long as the hub is there."""
    hub.comparisons.answering = remote = RemoteComparing(path, hub.faults)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ROLE_PATIENCE):
            await remote.present()


@contextlib.asynccontextmanager
async def federating(site: "Site") -> AsyncIterator[Callable[[], None]]:
    """Stay in step with peers for as long as this lasts; gives what is to be called when the settings were replaced."""
    from relay.federation.manager import FederatedRelay, PeerManager

    hub = site.hub
    store, ingest = cast(SqliteStore, site.reader), hub.ingest
    signer = OwnSigner(hub.identities)
    manager = PeerManager(
        FederatedRelay(
            hub.settings, store, ingest, hub.publisher, ingest.execute, signer, hub.faults, hub.page, hub.role
        )
    )
    hub.follow(manager.applied)
    hub.rules.told.append(manager.reconfigured)
    await manager.open()
    try:
        yield manager.reconfigured
    finally:
        await manager.close()


class OwnSigner:
    """relay.client.signer.Signer of the relay's own key."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    @property
    def pubkey(self) -> str:
        """The relay's own."""
        return self._identities.signing.pubkey

    async def sign(self, kind: int, content: str, tags: list[list[str]], created_at: int) -> Event:
        """As Signer.sign."""
        return self._identities.signing.by_relay(kind, tags, content, created_at)


@contextlib.asynccontextmanager
async def embedding(site: Site) -> AsyncIterator[None]:
    """Search by meaning for as long as this lasts: the index is loaded, and vectors are made. Raises ModelMismatch."""
    from relay.search import LocalSearch

    assert isinstance(site.engine, LocalSearch)
    await site.engine.open()
    site.engine.work(site.hub.follow)
    try:
        yield
    finally:
        await site.engine.rest()


async def serve(
    config: Config,
    sock: socket.socket,
    ready: Callable[[str], None] | None = None,
    load: Callable[[], Config] | None = None,
) -> None:
    """Run a relay on `sock` until SIGTERM or SIGINT; SIGHUP takes `load`'s settings as far as they can change.

    `ready` is given what to tell a person once it is up. Raises ConfigError and StorageError before that.
    """
    from relay.http import app as http  # commands that open no port need not load it
    from relay.http.deliveries import delivering
    from relay.http.link_previews import previewing

    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        async with (
            core(config, starting.url_of(sock, "ws")) as site,
            embedding(site),
            delivering(site),
            previewing(site, site.hub.ingest.execute),
            federating(site) as peers_reconfigured,
        ):

            def end() -> None:
                service_manager.tell(service_manager.ENDING)
                stop(server, site.hub)

            def reread() -> None:
                reconfigure(site.hub, load)
                peers_reconfigured()

            gc.collect()
            gc.freeze()  # what is here now stays: the collector need not look at it again
            gc.set_threshold(*COLLECT)
            server = listener.make(site.hub.shared, http.build(site))
            running = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                running.add_signal_handler(number, end)
            running.add_signal_handler(signal.SIGHUP, reread)
            signals.heed_hangup()
            await site.introduce()
            url = starting.url_of(sock, "http")  # the server closes the socket when it stops
            commands = control.Control(site)
            await commands.start(Path(config.server.data))
            try:
                serving = asyncio.create_task(server.serve(sockets=[sock]))
                if ready is not None:
                    ready(greeting.text(config, url))
                service_manager.tell(service_manager.UP)
                await serving
            finally:
                await commands.close()
            log.info("stopped")
    finally:
        sock.close()


def stop(server: listener.Listener, hub: Hub) -> None:
    """Begin the end: take nothing more, finish what was sent."""
    log.info("stopping")
    server.stop()
    hub.begin_drain()


def reconfigure(hub: Hub, load: Callable[[], Config] | None) -> None:
    """Read the settings again and put in force what can change while running."""
    if load is None:
        return
    try:
        config, kept = reload(hub.settings.file, load())
    except ConfigError as error:
        log.error("not reloaded: %s", error)
        return
    hub.configure(config)
    hub.identities.reconfigured()
    log.info("reloaded%s", f"; these need a restart: {', '.join(kept)}" if kept else "")
    for setting in hub.settings.said.texts:
        log.info(
            "%s is what a client said (NIP-86); `tidings rules --reset %s` has what the settings say", setting, setting
        )
