"""The sets that are compared: one for all who compare the same, made once, and always with what was acknowledged."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.server.comparisons import compared_sets
from relay.server.events.follow import Applied
from storage.commands import RemoveMatching
from tests.factories import NOW, keypair, make_event
from tests.server.conftest import Relay
from tests.server.fakes import Client, MemoryLog, settle

BEGIN = "6100000200"  # "I have nothing; what do you have?"


class CountedLog(MemoryLog):
    """Counts how often a set is read, and keeps whatever expires until it is swept."""

    made = 0

    async def items(self, *asked: Any) -> Any:
        self.made += 1
        return await super().items(*asked)


@pytest.fixture(autouse=True)
def small_sets_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared_sets, "WORTH_KEEPING", 1)


async def told(client: Client, wanted: dict[str, Any]) -> set[str]:
    """The ids in the relay's set, by a comparison of its own."""
    client.send("NEG-OPEN", "n", wanted, BEGIN)
    answer = await client.next()
    client.send("NEG-CLOSE", "n")
    assert answer[:2] == ["NEG-MSG", "n"], answer
    data = bytes.fromhex(answer[2])[5:]  # behind: version, a bound at the end of time, the mode, how many
    return {data[at : at + 32].hex() for at in range(0, len(data) // 32 * 32, 32)}


async def stored(client: Client, *events: Event) -> None:
    for event in events:
        client.publish(event)
    assert all(answer[2] for answer in await client.gather(len(events)))


def notes(count: int, **fields: Any) -> list[Event]:
    return [make_event(content=f"{number}", **fields) for number in range(count)]


async def test_a_set_is_made_once_and_follows_the_log(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    client, other = Client(hub), Client(hub)
    some = notes(5)
    await stored(client, *some[:3])
    assert await told(client, {}) == {event.id for event in some[:3]}
    await stored(client, *some[3:])
    assert await told(other, {}) == {event.id for event in some}
    await hub.ingest.execute(RemoveMatching(Filter(ids=frozenset([some[0].id])), 9))
    assert await told(client, {}) == {event.id for event in some[1:]}
    assert log.made == 1


async def test_where_the_log_was_not_heard_a_set_is_read_once_it_is(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    sets, asked = hub.sets, []  # type: ignore[attr-defined]

    def hear(wanted: bool) -> bool:
        asked.append(wanted)
        asyncio.get_running_loop().call_soon(sets.applied, Applied([], anew=True))
        return wanted

    sets._hear = hear
    client = Client(hub)
    await stored(client, *notes(3))
    for _ in range(2):
        assert len(await told(client, {})) == 3
    assert (log.made, asked) == (1, [True])
    sets._clock = lambda: float("inf")
    sets._tidy()
    assert asked == [True, False]


async def test_a_set_is_made_anew_where_commits_were_missed(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    client = Client(hub)
    some = notes(3)
    await stored(client, *some)
    await told(client, {})
    log.rows = log.rows[1:]
    hub.log.behind()
    assert await told(client, {}) == {event.id for event in some[1:]}
    assert log.made == 2


async def test_sets_of_other_filters_and_readers_are_others(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    client = Client(hub)
    note, article = make_event(), make_event(kind=30023, tags=[["d", ""]])
    await stored(client, note)
    assert await told(client, {"kinds": [1]}) == {note.id}
    assert await told(client, {"kinds": [30023]}) == set()
    await stored(client, article)
    assert await told(client, {"kinds": [1]}) == {note.id}
    assert await told(client, {"kinds": [30023]}) == {article.id}


async def test_a_set_takes_in_what_comes_for_its_readers_alone(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    member, nobody, note = Client(hub), Client(hub), make_event()
    for group in ("room", "other"):
        log.put_group(group, private=True)
    log.put_member(keypair(2).pubkey, "room")
    await stored(nobody, note)
    member.ask_for_challenge()
    tags = [["relay", member.connection.url], ["challenge", member.challenge]]
    member.send("AUTH", msgspec.to_builtins(make_event(2, 22242, tags=tags, created_at=int(time.time()))))
    assert (await member.next())[2]
    for client in (member, nobody):
        assert await told(client, {}) == {note.id}
    said = [make_event(kind=9, tags=[["h", group]]) for group in ("room", "other")]
    await stored(nobody, *said)
    assert await told(member, {}) == {note.id, said[0].id}
    assert await told(nobody, {}) == {note.id}
    assert log.made == 2


async def test_those_who_compare_the_same_at_once_share_a_set_while_it_is_made(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    clients = [Client(hub) for _ in range(5)]
    await stored(clients[0], *notes(3))
    log.reading.clear()
    for client in clients:
        client.send("NEG-OPEN", "n", {}, BEGIN)
    await settle()
    late = make_event(content="late")
    await stored(clients[0], late)
    log.reading.set()
    for client in clients:
        assert late.id in (await client.next())[2]
    assert log.made == 1
    assert hub.sets.held == 4  # type: ignore[attr-defined]


async def test_what_has_expired_is_in_no_set(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    log = CountedLog()
    hub = relay(log)
    client = Client(hub)
    now = NOW
    monkeypatch.setattr(compared_sets.time, "time", lambda: now)
    kept, short = make_event(content="kept"), make_event(tags=[["expiration", f"{NOW + 4_000_000_000}"]])
    await stored(client, kept, short)
    assert await told(client, {}) == {kept.id, short.id}
    now = NOW + 4_000_000_000
    assert await told(client, {}) == {kept.id}
    assert log.made == 1


async def test_the_newest_so_many_are_made_again_when_one_comes(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    client = Client(hub)
    older, newer = make_event(created_at=NOW - 5), make_event(created_at=NOW)
    await stored(client, older)
    wanted = {"limit": 1}
    client.send("NEG-OPEN", "before", wanted, BEGIN)
    assert older.id in (await client.next())[2]
    await stored(client, newer)
    assert await told(client, wanted) == {newer.id}
    client.send("NEG-MSG", "before", BEGIN)
    assert older.id in (await client.next())[2]  # it goes on with what it had


async def test_a_change_of_who_may_read_a_groups_events_makes_them_new(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    client = Client(hub)
    log.put_group("room")
    said = make_event(kind=9, tags=[["h", "room"]])
    await stored(client, said, make_event(content="other"))
    assert said.id in await told(client, {})
    log.put_group("room", private=True)
    await stored(client, make_event(content="another"))
    assert said.id not in await told(client, {})


async def test_a_set_that_nobody_has_asked_for_is_let_go(relay: Relay) -> None:
    log = CountedLog()
    hub = relay(log)
    now = 0.0
    sets = hub.sets  # type: ignore[attr-defined]
    sets._clock = lambda: now
    client = Client(hub)
    await stored(client, *notes(3))
    await told(client, {})
    now = compared_sets.KEPT - 1
    sets._tidy()
    assert sets.held == 3
    now += 1
    sets._tidy()
    assert sets.held == 0


async def test_many_changes_are_taken_in_while_nobody_compares(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared_sets, "MOST_NOTED", 2)
    log = CountedLog()
    hub = relay(log)
    client = Client(hub)
    some = notes(9)
    await stored(client, *some[:1])
    await told(client, {})
    await stored(client, *some[1:])
    assert await told(client, {}) == {event.id for event in some}
    assert log.made == 1
