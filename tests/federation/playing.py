"""Relays that are in step with each other, through a history that nobody wished for; see test_histories."""

import asyncio
import json
import random
import urllib.request
from pathlib import Path
from typing import Any

from relay.protocol.event import Event, first_value
from tests.e2e.harness import PATIENCE, Server, client, free_port, fresh_key, now
from tests.factories import Keypair, make_event
from tests.federation.test_peers import until

HOUR = 3600
SETTINGS = """
[server]
processes = "off"
[limits]
created_at_future = 10800
[identities]
unbound = "provision"
votes = "all"
[federation]
walk_pause = 0
"""
PEER = '[[peers]]\nurl = "{url}"\ndirection = "{direction}"\nallow_private = true\n'
KINDS = [0, 1, 5, 7, 11, 1111, 10002]


class History:
    """Events by a few keys whose clocks are up to an hour off: posts, comments, votes, profiles, deletions of some of it.

    Two of the keys only answer others. Some comments do not say on what kind of event they are (`K`), or say it wrongly.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.keys = [fresh_key() for _ in range(6)]
        self.skews = [self.chance.randint(-HOUR, HOUR) for _ in self.keys]
        self.start = now()
        self.events: list[Event] = []

    def next(self, count: int) -> list[Event]:
        some = [self._next() for _ in range(count)]
        self.events += some
        return some

    def _next(self) -> Event:
        at = self.chance.randrange(len(self.keys))
        key, number = self.keys[at], len(self.events) + self.chance.randrange(10**6)
        made = self.start + self.skews[at] + self.chance.randint(-600, 600)
        mine = [event for event in self.events if event.pubkey == key.pubkey and event.kind in (1, 11, 1111, 7)]
        answered = [event for event in self.events if event.kind in (11, 1111)]
        kind = self.chance.choice([0, 1, 1, 5, 7, 11, 11, 1111, 1111, 10002] if at < 4 or not answered else [7, 1111])
        if kind == 5 and mine:
            gone = self.chance.choice(mine)
            tags = [["e", gone.id], ["k", str(gone.kind)]]
            return make_event(key, 5, tags=tags, created_at=max(made, gone.created_at))
        if kind in (7, 1111) and answered:
            return self._answer(key, kind, self.chance.choice(answered), number, made)
        if kind in (0, 10002):
            return make_event(key, kind, json.dumps({"name": f"n{number}"}) if kind == 0 else "", created_at=made)
        return make_event(key, 11 if kind != 1 else 1, f"text {number}", [["title", f"title {number}"]], made)

    def _answer(self, key: Keypair, kind: int, above: Event, number: int, made: int) -> Event:
        tags = [["e", above.id], ["k", str(above.kind)], ["p", above.pubkey]]
        if kind == 7:
            return make_event(key, 7, "+", tags, made)
        root = above.id if above.kind == 11 else first_value(above, "E")
        post = next(event for event in self.events if event.id == root)
        says = self.chance.choice([["K", "11"], ["K", "11"], ["K", "11"], ["K", "30023"], ["K"], ["k", "1"]])
        tags = [["E", post.id], says, ["P", post.pubkey], *tags]
        return make_event(key, 1111, f"comment {number}", tags, made)


async def publish(server: Server, events: list[Event]) -> None:
    """Hand these in, in any order and some of them twice; what is deleted already may be refused."""
    async with client(server) as writing:
        for event in events:
            await writing.publish(event)


async def live(server: Server) -> set[str]:
    async with client(server) as asking:
        return set(await asking.stored({"kinds": KINDS, "limit": 5000}))


def feed(server: Server) -> list[tuple[Any, ...]]:
    """The posts as everybody reads them: what does not depend on where somebody is at home."""
    with urllib.request.urlopen(f"{server.http}/api/v1/posts?sort=new&limit=100", timeout=PATIENCE) as answer:
        posts = json.loads(answer.read())["posts"]
    return sorted((post["id"], post["title"], post["comment_count"], post["upvotes"]) for post in posts)


class Loopback:
    """Relays on one machine, which nothing comes between."""

    def __init__(self, count: int) -> None:
        self.ports = [free_port() for _ in range(count)]

    def start(self, at: int, data: Path, file: Path, _skew: int) -> Server:
        """Relay number `at`, over this directory and these settings."""
        return Server(data, file=file, port=self.ports[at])

    def url(self, of: int, _seen_from: int) -> str:
        """Where one relay finds another."""
        return f"ws://127.0.0.1:{self.ports[of]}"

    def cut(self, one: int, other: int) -> None:
        """Nothing comes from one relay to the other any more, and neither is told."""

    def heal(self) -> None:
        """Everything comes through again."""


class Play:
    """`count` relays, each in step with all others, that are cut off from one another, killed and started again.

    `one_sided`: only the first has the others as its peers; to them it is a client like any.
    """

    def __init__(self, directory: Path, seed: int, count: int, network: Loopback, *, one_sided: bool = False) -> None:
        self.history = History(seed)
        self.chance = self.history.chance
        self.directory = directory
        self.count = count
        self.network = network
        self.one_sided = one_sided
        self.skews = [self.chance.choice([-HOUR // 2, 0, HOUR // 2]) for _ in range(count)]
        self.servers: list[Server | None] = [None] * count

    async def run(self) -> None:
        """Returns when all have the same. Raises AssertionError where that does not come to be."""
        try:
            await self._start_all()
            for _ in range(5):
                await self._act()
            self.network.heal()
            await self._start_all()
            await until(self._agree)
            assert await live(self._running[0])
            assert feed(self._running[0])
        finally:
            for server in self._running:
                server.kill()

    @property
    def _running(self) -> list[Server]:
        return [server for server in self.servers if server is not None]

    async def _start_all(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(self._start, at) for at in range(self.count) if not self.servers[at]))

    def _start(self, at: int) -> None:
        others = [] if self.one_sided and at else [other for other in range(self.count) if other != at]
        peers = [PEER.format(url=self.network.url(of, at), direction=self._direction(at, of)) for of in others]
        file = self.directory / f"{at}.toml"
        file.write_text(SETTINGS + "".join(peers))
        self.servers[at] = self.network.start(at, self.directory / f"relay{at}", file, self.skews[at])

    def _direction(self, at: int, of: int) -> str:
        return "both" if self.one_sided or (at + of) % 2 else "down"

    async def _act(self) -> None:
        """Cut or kill something, have events come here and there, in any order and twice, and mend some of it."""
        chance = self.chance
        one, other = chance.sample(range(self.count), 2)
        if chance.random() < 0.7:
            self.network.cut(one, other)
        down = chance.randrange(self.count)
        killed = self.servers[down]
        if len(self._running) > 1 and killed is not None and chance.random() < 0.5:
            killed.kill()
            self.servers[down] = None
        events = self.history.next(12)
        again = chance.sample(self.history.events, min(5, len(self.history.events)))
        for server in self._running:
            mine = [event for event in events if chance.random() < 0.5] + again
            chance.shuffle(mine)
            await publish(server, mine)
        missing = [event for event in events if chance.random() < 0.5]
        await publish(chance.choice(self._running), missing)
        if chance.random() < 0.5:
            self.network.heal()
        if chance.random() < 0.7:
            await self._start_all()

    async def _agree(self) -> bool:
        found = [await live(server) for server in self._running]
        rows = [await asyncio.to_thread(feed, server) for server in self._running]
        return all(one == found[0] for one in found) and all(one == rows[0] for one in rows)
