"""Three relays, each in step with the two others, through a history that nobody wished for: they end with the same."""

import asyncio
import json
import random
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from relay.protocol.event import Event
from tests.e2e.harness import Server, client, fresh_key, now
from tests.factories import Keypair, make_event
from tests.federation.test_peers import until

HOUR = 3600
SETTINGS = """
[server]
processes = "off"
[limits]
created_at_future = 7200
[identities]
unbound = "provision"
[federation]
walk_pause = 0
"""
PEER = '[[peers]]\nurl = "{url}"\ndirection = "{direction}"\nallow_private = true\n'
KINDS = [0, 1, 5, 7, 11, 1111, 10002]


class History:
    """Events by a few keys whose clocks are up to an hour off: posts, comments, votes, profiles, deletions of some of it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.keys = [fresh_key() for _ in range(4)]
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
        posts = [event for event in self.events if event.kind == 11]
        kind = self.chance.choice([0, 1, 1, 5, 7, 11, 11, 1111, 1111, 10002])
        if kind == 5 and mine:
            gone = self.chance.choice(mine)
            tags = [["e", gone.id], ["k", str(gone.kind)]]
            return make_event(key, 5, tags=tags, created_at=max(made, gone.created_at))
        if kind in (7, 1111) and posts:
            return self._answer(key, kind, self.chance.choice(posts), number, made)
        if kind in (0, 10002):
            return make_event(key, kind, json.dumps({"name": f"n{number}"}) if kind == 0 else "", created_at=made)
        return make_event(key, 11 if kind != 1 else 1, f"text {number}", [["title", f"title {number}"]], made)

    def _answer(self, key: Keypair, kind: int, post: Event, number: int, made: int) -> Event:
        e, k, p = post.id, str(post.kind), post.pubkey
        if kind == 7:
            return make_event(key, 7, "+", [["e", e], ["k", k], ["p", p]], made)
        tags = [["E", e], ["K", k], ["P", p], ["e", e], ["k", k], ["p", p]]
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
    with urllib.request.urlopen(f"{server.http}/api/v1/posts?sort=new&limit=100", timeout=10) as answer:
        posts = json.loads(answer.read())["posts"]
    return sorted((post["id"], post["title"], post["comment_count"]) for post in posts)


@pytest.mark.parametrize("seed", [1, 2])
async def test_relays_that_follow_each_other_end_with_the_same_events_and_rows(tmp_path: Path, seed: int) -> None:
    history = History(seed)
    chance = history.chance
    ports: list[int] = []
    servers: list[Server | None] = [None, None, None]

    def start(at: int) -> Server:
        peers = "".join(
            PEER.format(url=f"ws://127.0.0.1:{port}", direction=chance.choice(["down", "both"]))
            for number, port in enumerate(ports)
            if number != at
        )
        file = tmp_path / f"{at}.toml"
        file.write_text(SETTINGS + peers)
        server = servers[at] = Server(tmp_path / f"relay{at}", file=file, port=ports[at])
        return server

    for at in range(3):  # to be given ports, which they keep
        first = Server(tmp_path / f"relay{at}", "server.processes=off")
        ports.append(first.port)
        first.stop()
    try:
        for at in range(3):
            start(at)
        for _ in range(6):
            down = chance.randrange(3)
            if servers[down] is not None and chance.random() < 0.6:
                servers[down].kill()  # type: ignore[union-attr]
                servers[down] = None
            up = [server for server in servers if server is not None]
            events = history.next(12)
            again = chance.sample(history.events, min(5, len(history.events)))
            for server in up:
                mine = [event for event in events if chance.random() < 0.5] + again
                chance.shuffle(mine)
                await publish(server, mine)
            missing = [event for event in events if chance.random() < 0.5]
            await publish(chance.choice(up), missing)
            for at in range(3):
                if servers[at] is None and chance.random() < 0.7:
                    start(at)
        for at in range(3):
            if servers[at] is None:
                start(at)
        running = [server for server in servers if server is not None]

        async def agree() -> bool:
            found = [await live(server) for server in running]
            rows = [await asyncio.to_thread(feed, server) for server in running]
            return found[0] == found[1] == found[2] and rows[0] == rows[1] == rows[2]

        await until(agree)
        assert await live(running[0])
        assert feed(running[0])
    finally:
        for server in servers:
            if server is not None:
                server.kill()
