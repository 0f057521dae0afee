"""Random histories of groups, people and open subscriptions, against a slow obvious model of who may read what when."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import Config
from storage.commands import CountRows
from tests.factories import keypair, make_event
from tests.server.fakes import PATIENCE, Client, MemoryLog, make_hub
from tests.server.reading.test_read_access import known

PEOPLE = (keypair(1), keypair(2), None)
WRITER = keypair(9)
GROUPS = ("harbour", "market")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(GROUPS)),
        st.tuples(
            st.just("put"),
            st.sampled_from((0, 1)),
            st.sampled_from(GROUPS),
            st.sampled_from(("member", "left", "removed")),
        ),
        st.tuples(st.just("private"), st.sampled_from(GROUPS), st.booleans()),
        st.tuples(st.just("open"), st.sampled_from((0, 1, 2))),
        st.tuples(st.just("hold")),
        st.tuples(st.just("open and hold"), st.sampled_from((0, 1, 2))),
        st.tuples(st.just("go on")),
        st.tuples(st.just("miss")),
    ),
    min_size=5,
    max_size=25,
)


class World:
    """The model, beside the hub that it is compared with; a step is committed before the next."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.hub = make_hub(self.log, Config())
        self.private = dict.fromkeys(GROUPS, False)
        self.members: set[tuple[str, str]] = set()
        self.said: list[tuple[str, str]] = []  # event id and group
        self.held = False
        self.clients: list[Client] = []
        self.open: list[dict[str, Any]] = []  # one subscription of each client, from when it opened on

    async def begin(self) -> None:
        for group in GROUPS:
            self.log.put_group(group)
        await self.hub.ingest.execute(CountRows())
        self.clients = [await known(self.hub, *([key] if key else [])) for key in PEOPLE]
        self.open = [{"name": "", "may": set(), "must": set(), "pending": False} for _ in PEOPLE]
        await self.step("private", GROUPS[0], True)
        await self.step("put", 0, GROUPS[0], "member")
        for person in range(len(PEOPLE)):
            await self.step("open", person)
        await self.go_on()

    def reads(self, person: int, group: str) -> bool:
        key = PEOPLE[person]
        return not self.private[group] or (key is not None and (key.pubkey, group) in self.members)

    def readable(self, person: int) -> set[str]:
        return {event_id for event_id, group in self.said if self.reads(person, group)}

    async def step(self, verb: str, *given: Any) -> None:
        match verb:
            case "say":
                await self.say(given[0])
            case "put":
                key = PEOPLE[given[0]]
                assert key is not None
                self.log.put_member(key.pubkey, *given[1:])
                (self.members.add if given[2] == "member" else self.members.discard)((key.pubkey, given[1]))
            case "private":
                self.private[given[0]] = given[1]
                self.log.put_group(given[0], private=given[1])
            case "open":
                self.ask(given[0])
            case "hold" | "open and hold":
                self.held = True
                self.log.reading.clear()
                for person in given:
                    self.ask(person)
            case "miss":
                self.log.written.changes.clear()  # of the steps before, which have been told
                await self.hub.ingest.execute(CountRows())
        if verb in ("put", "private"):
            await self.hub.ingest.execute(CountRows())
        for person, one in enumerate(self.open):
            if one[
                "pending"
            ]:  # nothing is sent yet: what may be is what may be read then, what must be could be all the time
                one["may"] = self.readable(person)
                one["must"] &= one["may"]
        if verb == "go on":
            await self.go_on()

    async def say(self, group: str) -> None:
        event = make_event(WRITER, 9, content=str(len(self.said)), tags=[["h", group]])
        client = Client(self.hub)
        client.publish(event)
        assert (await client.next())[2] is True
        self.said.append((event.id, group))
        for person, one in enumerate(self.open):
            if one["name"] and self.reads(person, group):
                one["may"].add(event.id)
                one["must"].add(event.id)

    def ask(self, person: int) -> None:
        one = self.open[person]
        if one["pending"]:
            return
        self.check(person)
        one["name"] = f"s{len(one['name'])}{one['name']}"[:60]
        one["may"] = self.readable(person)
        one["must"] = self.readable(person)
        one["pending"] = True
        self.clients[person].send("REQ", one["name"], {"kinds": [9]})

    async def go_on(self) -> None:
        self.held = False
        self.log.reading.set()
        for person, one in enumerate(self.open):
            if one["pending"]:
                await self.ended(person, one)

    async def ended(self, person: int, one: dict[str, Any]) -> None:
        client = self.clients[person]
        mark = ["EOSE", one["name"]]
        await asyncio.wait_for(client.until(lambda: mark in client.messages), PATIENCE)
        for _ in range(20):  # what was held back comes after it, some of it from the log again
            await asyncio.sleep(0)
        one["pending"] = False

    def check(self, person: int) -> None:
        """What a client was sent since it asked."""
        one = self.open[person]
        told = [message for message in self.clients[person].pending() if message[0] == "EVENT"]
        ids = [message[2]["id"] for message in told if message[1] == one["name"]]
        assert len(ids) == len(set(ids))
        assert one["must"] <= set(ids) <= one["may"]


async def live(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    try:
        await world.begin()
        for step in steps:
            if step[0] == "open" and not world.held:
                await world.step(*step)
                await world.go_on()
            else:
                await world.step(*step)
        await world.go_on()
        for person in range(len(PEOPLE)):
            world.check(person)
    finally:
        world.log.reading.set()
        await world.hub.close()


@settings(max_examples=250, deadline=None)
@given(STEPS)
def test_nobody_is_sent_what_they_may_not_read_then_and_everybody_what_they_may(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(live(steps))
