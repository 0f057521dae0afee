"""All peers of a running relay: those of the settings' file and those that a command added, started, changed and ended.

A change touches only the peers that it is about. How far each is, is noted in the database about a second after it changed, for all
together; what a relay that is killed did since is done again, which the peer answers with `duplicate:`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Set
from typing import Any, Final, Protocol

import msgspec

from keys import encoding
from relay.client.signer import Key, Signer
from relay.federation.addresses import by_url, normal_or_empty
from relay.federation.door import PeerDoor, PeerQuota
from relay.federation.follow import Watched, followed
from relay.federation.peer import Pauses, PeerRunner
from relay.federation.peer_memory import PastEvents, PeerMemory
from relay.federation.progress import PeerRecord
from relay.federation.rules import PeerRules
from relay.federation.session_parts import PeerParts
from relay.peer_settings import PeerSettings
from relay.protocol import kinds
from relay.protocol.event import values
from relay.roles.page import SharedPage
from relay.server.events.follow import Applied
from relay.server.events.ingest import Ingest
from relay.server.events.publishing import Publisher
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks
from storage.base import Logged, Reader
from storage.commands import Command
from storage.errors import StorageError
from storage.peers import KnowPeers, KnowsPeers, NotePeers, PeerRow, RemovePeer

GATHERED: Final = 5.0  # seconds in which further relay lists are gathered before relays are joined
RESTS: Final = 20.0  # times as long as that took to find out, it is not found out again
REJOINED: Final = 60.0  # seconds that lie between two sessions with a relay that is asked for other people each time
LOST: Final = 4 * 3600.0  # seconds in which a relay at which nobody answered for long is joined after the others
MOST_LEFT: Final = 1000  # relays that are joined no more of which it is remembered how far they were
NOTED: Final = 1.0  # seconds between a change and its note
STEADY: Final = 60.0  # seconds between two notes that peers are in step, where nothing else is to be noted
CHANGED: Final = "peers"  # the kind of primary row that says which peers there are

log = logging.getLogger("tidings.peers")

_settings: Final = msgspec.json.Decoder(PeerSettings).decode


class PeerStore(Reader, KnowsPeers, Protocol):
    """A reader of the log that also knows the peers."""


class FederatedRelay(msgspec.Struct, frozen=True):
    """The relay that stays in step: where it reads, and the way in. `signer` has its own key.

    On the `page`, the peers are counted with what the role of this number counts. `hear` is told whether events of the log are
    wanted at all: there may be no peer.
    """

    settings: Settings
    store: PeerStore
    ingest: Ingest
    publisher: Publisher
    execute: Callable[[Command[Any]], Awaitable[Any]]
    signer: Signer
    faults: Faults
    page: SharedPage
    role: int
    hear: Callable[[bool], object] = lambda _events: None


class _Source:
    """relay.federation.session_parts.LogSource."""

    def __init__(self, relay: FederatedRelay) -> None:
        self._relay = relay

    @property
    def upto(self) -> int:
        """The highest committed seq."""
        return self._relay.ingest.last_seq

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """As storage.base.Reader.follow."""
        return await self._relay.store.follow(after, upto, most)


class PeerManager:
    """Made on the running loop. `open` starts it, `close` ends it; `applied` is to follow the log."""

    def __init__(self, relay: FederatedRelay) -> None:
        self._relay = relay
        self._runners: dict[str, PeerRunner] = {}
        self._records: dict[str, PeerRecord] = {}
        self._quotas: dict[str, PeerQuota] = {}
        self._past = PastEvents()
        self._watched = Watched()
        self._joined: Set[str] = frozenset()  # because of who is followed
        self._lost: dict[str, float] = {}  # those of them at which nobody answers, and until when that counts
        self._rest = 0.0  # seconds before it is looked again who is followed
        self._rejoined_at = -REJOINED
        self._noticed = asyncio.Event()
        self._look = asyncio.Event()
        self._look.set()
        self._looked = asyncio.Event()
        self._tasks = Tasks(relay.faults)
        self._timer: asyncio.TimerHandle | None = None
        self._steady: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Begin with the peers there are."""
        self._tasks.repeat(self._keep, "the peers")
        self._tasks.repeat(self._note_changes, "the notes of peers")
        await self._looked.wait()

    def applied(self, applied: Applied) -> None:
        """A commit of this relay's log."""
        if applied.anew or any(kind == CHANGED for kind, _ in applied.changes):
            self._look.set()
        elif self._relay.settings.config.federation.follow and self._watched.is_moved(
            (live.event for live in applied.events), applied.changes
        ):
            self._look_later()
        if applied.events or applied.anew:
            added = [live.event for live in applied.events if live.event.kind == kinds.MEMBER_ADDED]
            bound = {pubkey for event in added for pubkey in values(event, "p")}
            for runner in self._runners.values():
                if bound:
                    runner.parts.memory.bind(bound)
                runner.commit(applied.events)

    def _look_later(self) -> None:
        """A list changed, or somebody is at home here: other relays may have to be joined, or asked for other people."""
        if self._timer is None:
            wait = max(GATHERED, self._rest, self._rejoined_at + REJOINED - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._look_now)

    def _look_now(self) -> None:
        self._timer = None
        self._look.set()

    def _still_lost(self) -> Set[str]:
        """The relays that are to be joined after the others. When that is over for the first of them, it is looked again."""
        now = time.monotonic()
        reached = {url for url, runner in self._runners.items() if not runner.is_lost}
        self._lost = {url: until for url, until in self._lost.items() if until > now and url not in reached}
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._lost:
            wait = min(self._lost.values()) - now
            self._retry = asyncio.get_running_loop().call_later(wait, self._look.set)
        return self._lost.keys()

    def _note_lost(self) -> None:
        """A relay at which nobody answers keeps no other from being joined."""
        runners = ((url, self._runners.get(url)) for url in self._joined - self._lost.keys())
        if lost := [url for url, runner in runners if runner is not None and runner.is_lost]:
            self._lost |= dict.fromkeys(lost, time.monotonic() + LOST)
            self._look_later()

    def reconfigured(self) -> None:
        """The settings in force have changed."""
        self._look.set()

    async def close(self) -> None:
        """End all sessions and note how far they came. Idempotent."""
        for timer in (self._timer, self._steady, self._retry):
            if timer is not None:
                timer.cancel()
        await self._tasks.close()
        runners, self._runners = self._runners, {}
        await asyncio.gather(*(runner.close("stopped") for runner in runners.values()))
        try:
            await self._note()
            for runner in runners.values():
                await runner.parts.memory.save()
        except StorageError as error:
            log.warning("how far the peers are could not be noted: %s", error)

    # which peers there are

    async def _keep(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self._apply()
            except StorageError as error:
                log.error("the peers could not be looked up: %s", error)
                await asyncio.sleep(NOTED)
                self._look.set()
            except Exception:
                self._look.set()  # it begins again, and looks at what it was to look at
                raise
            finally:
                self._looked.set()

    async def _apply(self) -> None:
        """Start, change and end what differs from what is wanted."""
        listed = by_url(self._relay.settings.config.peers)
        known = {row.url: row for row in await self._relay.store.peers.all()}
        settings = self._relay.settings
        own_url = normal_or_empty(settings.relay_url)
        added = {url for url, row in known.items() if row.settings}
        follow = settings.config.federation.follow
        self._watched = Watched.of(follow)
        self._relay.hear(bool(self._runners or follow))  # before the lists are read: what comes after that is heard
        begun = time.monotonic()
        joined = await followed(settings.config.federation, self._relay.store, own_url, self._still_lost())
        self._rest = RESTS * (time.monotonic() - begun)
        joined = {url: one for url, one in joined.items() if url not in added and url not in listed}
        self._joined = joined.keys()
        listed |= joined
        if missing := [url for url in listed if url not in known]:
            await self._relay.execute(KnowPeers(missing))
            known |= {row.url: row for row in await self._relay.store.peers.all()}
        wanted = _wanted(listed, known)
        pauses: dict[str, Pauses] = {}
        rules = PeerRules.of(settings.config)
        ended = {url: one for url, one in self._runners.items() if _begins_anew(one, wanted.get(url), rules)}
        for url in ended:
            del self._runners[url]
        paused = {url for url, row in known.items() if row.paused}
        await asyncio.gather(*(one.close("paused" if url in paused else "stopped") for url, one in ended.items()))
        for url in ended.keys() & joined.keys() & wanted.keys():  # nobody asked for another try now
            pauses[url] = ended[url].pauses
            self._rejoined_at = time.monotonic()
        for runner in self._runners.values():
            if runner.rules != rules:
                runner.keep_to(rules)
        for url in self._surplus(known, wanted):
            await self._relay.execute(RemovePeer(url))
            del known[url]
        for url in [url for url in self._records if url not in known]:
            del self._records[url]
            self._quotas.pop(url, None)
        for url, row in known.items():
            record = self._records.setdefault(url, PeerRecord(row, self._noticed.set, self._note_steady))
            self._quota(url).configure(self._relay.settings.config.federation.events_per_hour)
            if url in wanted and url not in self._runners:
                self._start(url, wanted[url], record, pauses.get(url))
                await asyncio.sleep(0)  # each takes up to 10 ms where many people are asked for
            elif url not in wanted:
                record.tell(state="paused" if row.paused else "stopped")
        self._relay.hear(bool(self._runners or follow))

    def _surplus(self, known: dict[str, PeerRow], wanted: dict[str, PeerSettings]) -> list[str]:
        """The relays to forget, the longest left first: whom people name in their lists is for them to say, and no end of it."""
        left = {url: self._records.get(url, row).status.since for url, row in known.items() if url not in wanted}
        left = {url: since for url, since in left.items() if not known[url].settings and not known[url].paused}
        return sorted(left, key=left.__getitem__)[: max(0, len(left) - MOST_LEFT)]

    def _quota(self, url: str) -> PeerQuota:
        return self._quotas.setdefault(url, PeerQuota())

    def _known_as(self, key: str, url: str) -> str:
        """Who other than the peer at this URL speaks by a key."""
        if key and key == self._relay.signer.pubkey:
            return "this relay"
        records = self._records.items()
        return next((other for other, one in records if key and other != url and one.place.home_key == key), "")

    def _start(self, url: str, settings: PeerSettings, record: PeerRecord, pauses: Pauses | None) -> None:
        relay = self._relay
        if url == normal_or_empty(relay.settings.relay_url):
            record.tell(state="stopped", last_error="this is this relay itself", last_error_at=int(time.time()))
            return
        door = PeerDoor(url, relay.store, relay.ingest, relay.publisher, self._quota(url))
        door.policy = settings.policy
        memory = PeerMemory(url, relay.store.peers, relay.execute, self._past)
        parts = PeerParts(
            record, memory, door, _Source(relay), self._quota(url).rest, lambda key: self._known_as(key, url)
        )
        signer = Key(_secret(settings.key)) if settings.key else relay.signer
        runner = PeerRunner(
            settings,
            parts,
            signer,
            lambda: relay.settings.config.federation,
            relay.faults,
            rules=PeerRules.of(relay.settings.config),
        )
        if pauses is not None:
            runner.pauses = pauses
        record.tell(direction=settings.direction)
        self._runners[url] = runner
        runner.start()

    # notes

    async def _note_changes(self) -> None:
        while True:
            await self._noticed.wait()
            await asyncio.sleep(NOTED)
            self._noticed.clear()
            try:
                await self._note()
            except StorageError as error:
                log.warning("how far the peers are could not be noted: %s", error)
                self._noticed.set()
            except Exception:
                self._noticed.set()
                raise

    def _note_steady(self) -> None:
        """Only time has passed for a peer: that is noted of all together, and seldom."""
        if self._steady is None:
            self._steady = asyncio.get_running_loop().call_later(STEADY, self._note_now)

    def _note_now(self) -> None:
        self._steady = None
        self._noticed.set()

    async def _note(self) -> None:
        self._note_lost()
        running = [runner.parts.record for runner in self._runners.values()]
        in_step = [record for record in running if record.status.state == "in step"]
        unfinished = sum(not record.place.walked_at for record in in_step)
        self._relay.page.store(
            self._relay.role, peers=len(running), peers_in_step=len(in_step), peers_comparing=unfinished
        )
        due = [(record, noted) for record in self._records.values() if (noted := record.due()) is not None]
        if due:
            await self._relay.execute(NotePeers([noted for _, noted in due]))
        for record, noted in due:
            record.noted(noted)


def _begins_anew(runner: PeerRunner, wanted: PeerSettings | None, rules: PeerRules) -> bool:
    """Whether the peer is to be met anew, or no more: its own settings are others, or something may be taken now that was not."""
    return wanted != runner.settings or (runner.settings.direction != "up" and rules.take_more_than(runner.rules))


def _wanted(listed: dict[str, PeerSettings], known: dict[str, PeerRow]) -> dict[str, PeerSettings]:
    """The peers to be in step with, by URL: the file's settings hold where both name one; none that is paused."""
    added = {}
    for url, row in known.items():
        if row.settings:
            try:
                added[url] = _settings(row.settings)
            except msgspec.DecodeError as error:
                log.error("the settings of %s make no sense: %s", url, error)
    return {url: one for url, one in (added | listed).items() if not (url in known and known[url].paused)}


def _secret(text: str) -> bytes:
    return bytes.fromhex(text if kinds.is_hex(text, 64) else encoding.decode("nsec", text))
