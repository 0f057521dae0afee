"""Clients of a front whose operator has a write policy plugin."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from relay.config import Config
from relay.protocol.admission import Door
from relay.protocol.event import wire
from relay.roles import metrics
from relay.server.events.write_policy import write_policy
from relay.write_policy_settings import WritePolicySettings
from storage.base import Incoming, Status
from tests.factories import NOW, keypair, make_event
from tests.server.conftest import Relay
from tests.server.events.write_policy.plugins import JUDGE, MUTE, keeping
from tests.server.fakes import PATIENCE, Client, MemoryLog

GOOD, BAD, HIDDEN = make_event(content="good"), make_event(content="bad"), make_event(content="hidden")


def with_plugin(command: str, **given: Any) -> Config:
    return Config(write_policy=WritePolicySettings(plugin=command, **given))


async def test_what_is_refused_is_not_stored_and_told_to_nobody_whether_its_author_knows_or_not(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log, with_plugin(JUDGE))
    reader, author = Client(hub), Client(hub)
    reader.send("REQ", "all", {})
    assert (await reader.next())[0] == "EOSE"
    for event in (BAD, HIDDEN, make_event(kind=20001, content="bad"), GOOD):
        author.publish(event)
    answers = {answer[1]: answer[2:] for answer in await author.gather(4)}
    assert answers[BAD.id] == [False, "blocked: bad"]
    assert answers[HIDDEN.id] == [True, ""]
    assert answers[GOOD.id] == [True, ""]
    assert (await reader.next())[2]["id"] == GOOD.id
    assert reader.pending() == []
    assert sum(metrics.of("stored", hub.ingest.numbers)) == log.last_seq() == 1
    assert sum(metrics.of("refused", hub.ingest.numbers)) == 2
    assert (hub.health().plugin_rejected, hub.health().plugin_shadow_rejected, hub.health().plugin_accepted) == (
        2,
        1,
        1,
    )


async def test_while_it_does_not_answer_questions_and_deletions_go_on(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_policy, "END", 0.1)
    hub = relay(config=with_plugin(MUTE))
    author, other = Client(hub), Client(hub)
    author.publish(GOOD)
    author.send("COUNT", "c", {})
    assert await author.next() == ["COUNT", "c", {"count": 0}]
    deletion = make_event(2, kind=5, tags=[["e", "0" * 64]])
    other.publish(deletion)
    assert await other.next() == ["OK", deletion.id, True, ""]
    assert author.pending() == []
    await asyncio.wait_for(hub.close(), PATIENCE)
    assert (await author.next())[3] == "error: this relay is shutting down"


async def test_a_plugin_is_told_where_clients_are_and_which_key_they_have_proven(relay: Relay, tmp_path: Path) -> None:
    hub = relay(config=with_plugin(keeping(tmp_path / "asked")))
    client = Client(hub, "2001:db8::17")
    client.publish(GOOD)
    await client.next()
    client.ask_for_challenge()
    tags = [["relay", "ws://relay.example/"], ["challenge", client.challenge]]
    proof = make_event(2, kind=22242, tags=tags, created_at=int(time.time()))
    client.send_bytes(b'["AUTH",' + wire(proof) + b"]")
    await client.next()
    client.publish(BAD)
    await client.next()
    first, second = map(json.loads, (tmp_path / "asked").read_text().splitlines())
    assert (first["sourceType"], first["sourceInfo"], first.get("authed")) == ("IP6", "2001:db8::17", None)
    assert (second["sourceInfo"], second["authed"]) == ("2001:db8::17", keypair(2).pubkey)


async def test_who_is_refused_until_they_prove_a_key_is_challenged(relay: Relay) -> None:
    hub = relay(config=with_plugin(JUDGE.replace("blocked: bad", "auth-required: who are you?")))
    client = Client(hub)
    client.publish(BAD)
    assert [message[0] for message in await client.gather(2)] == ["AUTH", "OK"]
    assert client.messages[-1][2:] == [False, "auth-required: who are you?"]


async def test_peers_and_operators_are_told_what_strangers_are_not(relay: Relay, tmp_path: Path) -> None:
    hub = relay(config=with_plugin(keeping(tmp_path / "asked")))
    batch = [
        Incoming(event, wire(event), door, NOW, origin=origin)
        for event, door, origin in [
            (HIDDEN, Door.IMPORT, None),
            (GOOD, Door.PEER, "wss://peer.example"),
            (make_event(kind=62, tags=[["relay", "ALL_RELAYS"]]), Door.IMPORT, None),
        ]
    ]
    outcomes = await hub.publisher.submit(batch)
    assert [outcome.status for outcome in outcomes] == [Status.REFUSED, Status.STORED, Status.STORED]
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert [(one["sourceType"], one["sourceInfo"]) for one in asked] == [("Import", ""), ("Sync", "wss://peer.example")]


async def test_a_batch_is_asked_about_whole_however_many_others_wait(relay: Relay) -> None:
    hub = relay(config=with_plugin(JUDGE))
    events = [make_event(content=str(number)) for number in range(150)]
    outcomes = await hub.publisher.submit([Incoming(one, wire(one), Door.IMPORT, NOW) for one in events])
    assert {outcome.status for outcome in outcomes} == {Status.STORED}
    assert hub.ingest.pending == 0


async def test_health_says_that_it_does_not_run(relay: Relay) -> None:
    hub = relay(config=with_plugin("exit 7"))
    client = Client(hub)
    client.publish(GOOD)
    assert (await client.next())[3].startswith("error: the write policy of this relay cannot be asked")
    told = hub.health()
    assert (told.status, told.problem, told.takes_events) == (
        "degraded",
        "the write policy plugin failed: it ended with status 7",
        True,
    )
    assert told.roles[0].problem == "the write policy plugin of the front failed; the log says why"
    assert told.plugin_failed == 1


async def test_the_end_waits_for_what_is_being_decided_and_not_for_ever(relay: Relay) -> None:
    hub = relay(config=with_plugin(JUDGE))
    client = Client(hub)
    for event in (GOOD, BAD):
        client.publish(event)
    await asyncio.wait_for(hub.close(), PATIENCE)
    assert sorted(message[3] for message in client.pending()) == ["", "blocked: bad"]
