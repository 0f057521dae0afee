"""What connections may read of groups (NIP-29): who asks, who listens, who comes and who goes while both go on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from relay.config import Config
from relay.errors import Prefix, Reject
from relay.protocol.event import Event
from relay.protocol.negentropy import ItemSet, Reconciliation
from relay.roles.messages import Behind
from relay.server.events import follow
from relay.server.hub import Hub
from relay.server.reading import memberships, private_groups, queries
from storage.commands import CountRows
from storage.errors import StorageError
from tests.factories import Keypair, keypair, make_event
from tests.server.conftest import Relay
from tests.server.fakes import PATIENCE, Client, MemoryLog, WrittenHub, settle

ALICE, BOB, CAROL = (keypair(number) for number in (1, 2, 3))
PRIVATE, OTHER, OPEN = "harbour", "lighthouse", "market"


class Place:
    """A hub over a log with two private groups and an open one; Alice is a member of the first."""

    def __init__(self, relay: Relay, log: MemoryLog | None = None) -> None:
        self.log = log or MemoryLog()
        self.log.put_group(PRIVATE, private=True)
        self.log.put_group(OTHER, private=True)
        self.log.put_group(OPEN)
        self.log.put_member(ALICE.pubkey, PRIVATE)
        self.hub = relay(self.log)

    async def write(self) -> None:
        """Commit what was put."""
        await self.hub.ingest.execute(CountRows())

    async def say(self, content: str = "", group: str = PRIVATE, **fields: Any) -> Event:
        """A message in a group, committed."""
        fields.setdefault("tags", [["h", group]])
        event = make_event(CAROL, kind=fields.pop("kind", 9), content=content, **fields)
        writer = Client(self.hub)
        writer.publish(event)
        assert (await writer.next())[2] is True
        return event

    def leave(self, pubkey: str = ALICE.pubkey, group: str = PRIVATE, standing: str = "left") -> None:
        self.log.put_member(pubkey, group, standing)


@pytest.fixture
async def place(relay: Relay) -> Place:
    return Place(relay)


async def known(hub: Hub, *keys: Keypair) -> Client:
    """A client that has proven these keys."""
    client = Client(hub)
    if keys:
        client.ask_for_challenge()
    for key in keys:
        await prove(client, key)
    return client


async def prove(client: Client, key: Keypair) -> None:
    event = proof(client, key)
    client.send("AUTH", msgspec.to_builtins(event))
    assert await client.next() == ["OK", event.id, True, ""]


def proof(client: Client, key: Keypair) -> Event:
    tags = [["relay", client.connection.url], ["challenge", client.challenge]]
    return make_event(key, kind=22242, tags=tags, created_at=int(time.time()))


async def ask(client: Client, *filters: dict[str, Any], name: str = "s", verb: str = "REQ") -> list[Any]:
    """The answer up to its end: contents of events, then the message that ends it without its name."""
    client.send(verb, name, *filters)
    found: list[Any] = []
    while True:
        message = await client.next()
        if message[0] == "AUTH":
            continue
        if message[0] == "EVENT":
            found.append(message[2]["content"])
        else:
            return [*found, (message[0], *message[2:])]


async def completed(client: Client) -> None:
    """Returns when the relay knows of which groups the client's keys are members."""
    async with asyncio.timeout(PATIENCE):
        while not client.connection.session.complete:  # noqa: ASYNC110
            await asyncio.sleep(0)


def in_group(*groups: str, **more: Any) -> dict[str, Any]:
    return {"kinds": [9], "#h": list(groups or (PRIVATE,)), **more}


# questions


async def test_a_member_reads_what_a_private_group_holds_and_others_do_not(place: Place) -> None:
    await place.say("mine")
    await place.say("public", OPEN)
    alice, bob, nobody = [await known(place.hub, *keys) for keys in ((ALICE,), (BOB,), ())]
    assert await ask(alice, {"kinds": [9]}) == ["mine", "public", ("EOSE",)]
    assert await ask(alice, in_group()) == ["mine", ("EOSE",)]
    assert await ask(alice, in_group(PRIVATE, OPEN)) == ["mine", "public", ("EOSE",)]
    for other in (bob, nobody):
        assert await ask(other, {"kinds": [9]}) == ["public", ("EOSE",)]
        assert await ask(other, in_group(OPEN)) == ["public", ("EOSE",)]
    assert await ask(alice, {"kinds": [9]}, verb="COUNT") == [("COUNT", {"count": 2})]
    assert await ask(bob, {"kinds": [9]}, verb="COUNT") == [("COUNT", {"count": 1})]


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
async def test_who_names_a_private_group_is_asked_for_a_key_and_then_refused(place: Place, verb: str) -> None:
    client = Client(place.hub)
    client.send(verb, "s", {"kinds": [1]}, in_group(OPEN, PRIVATE))
    challenge, closed = await client.gather(2)
    assert challenge[0] == "AUTH"
    assert closed[:2] == ["CLOSED", "s"]
    assert closed[2].startswith(f"auth-required: the group {PRIVATE} ")
    await prove(client, BOB)
    [(kind, reason)] = await ask(client, in_group(OPEN, PRIVATE), verb=verb)
    assert kind == "CLOSED"
    assert reason.startswith(f"restricted: the group {PRIVATE} ")
    await prove(client, ALICE)
    assert (await ask(client, in_group(OPEN, PRIVATE), verb=verb))[-1][0] in ("EOSE", "COUNT")
    assert not any(client.connection.session.subscriptions) or verb == "REQ"


async def test_a_group_that_is_not_here_is_like_any_other_tag(place: Place) -> None:
    await place.say("about it", "elsewhere")
    assert await ask(Client(place.hub), in_group("elsewhere")) == ["about it", ("EOSE",)]


async def test_anybody_may_ask_how_they_stand_to_a_group(place: Place) -> None:
    await place.say("welcome", kind=9000, tags=[["h", PRIVATE], ["p", BOB.pubkey]])
    await place.say("farewell", kind=9001, tags=[["h", PRIVATE], ["p", BOB.pubkey]])
    bob = await known(place.hub, BOB)
    own = {"kinds": [9000, 9001], "#h": [PRIVATE], "#p": [BOB.pubkey]}
    assert sorted((await ask(bob, own))[:2]) == ["farewell", "welcome"]
    assert await ask(bob, {"kinds": [9021], "#h": [PRIVATE], "authors": [BOB.pubkey]}) == [("EOSE",)]
    for other in (own | {"#p": [ALICE.pubkey]}, own | {"kinds": [9000, 9]}, {"kinds": [9021], "#h": [PRIVATE]}):
        assert (await ask(bob, other))[0][0] == "CLOSED"
    assert (await ask(Client(place.hub), own))[0][1].startswith("auth-required: ")


def about(*group_ids: str, kinds: tuple[int, ...] = (39000, 39002)) -> dict[str, Any]:
    return {"kinds": list(kinds), "#d": list(group_ids)}


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
async def test_who_could_be_told_more_of_a_group_is_challenged_before_the_answer(place: Place, verb: str) -> None:
    place.log.put_group("hidden", hidden=True)
    for secret in (PRIVATE, "hidden", "none"):
        client = Client(place.hub)
        client.send(verb, "s", about(OPEN, secret))
        challenge, answer = await client.gather(2)
        assert (challenge[0], answer[0]) == ("AUTH", "EOSE" if verb == "REQ" else "COUNT")
        await prove(client, BOB)
        client.send(verb, "s", about(OPEN, secret))
        assert (await client.next())[0] == answer[0]
    client = Client(place.hub)
    for asked in (about(OPEN), about(PRIVATE, kinds=(30023,)), {"kinds": [39000, 39002]}):
        client.send(verb, "s", asked)
        assert (await client.next())[0] == answer[0]


async def test_who_asks_only_who_is_in_a_group_is_asked_for_a_key_unless_that_is_public(place: Place) -> None:
    place.log.put_group("hidden", hidden=True)
    refusals = set()
    for secret in (PRIVATE, "hidden", "none"):
        client = Client(place.hub)
        client.send("REQ", "s", about(secret, kinds=(39002,)))
        challenge, (kind, _, reason) = await client.gather(2)
        assert (challenge[0], kind) == ("AUTH", "CLOSED")
        refusals.add(reason)
        await prove(client, BOB)
        assert await ask(client, about(secret, kinds=(39002,))) == [("EOSE",)]
    (reason,) = refusals
    assert reason.startswith("auth-required: ")
    assert await ask(Client(place.hub), about(OPEN, kinds=(39002,))) == [("EOSE",)]


async def test_a_comparison_is_refused_and_answered_as_a_question_is(place: Place) -> None:
    event = await place.say("mine")
    initial = Reconciliation(ItemSet([])).begin().hex()
    client = Client(place.hub)
    client.send("NEG-OPEN", "n", in_group(), initial)
    challenge, refused = await client.gather(2)
    assert (challenge[0], refused[:2]) == ("AUTH", ["NEG-ERR", "n"])
    assert refused[2].startswith("auth-required: ")
    await prove(client, BOB)
    client.send("NEG-OPEN", "n", in_group(), initial)
    assert (await client.next())[2].startswith("restricted: ")
    client.send("NEG-OPEN", "n", {"kinds": [9]}, initial)
    assert event.id not in (await client.next())[2]
    await prove(client, ALICE)
    client.send("NEG-OPEN", "n", in_group(), initial)
    assert event.id in (await client.next())[2]


async def test_many_groups_are_looked_up_beside_the_loop(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_groups, "TRIED", 2)
    names = [f"none {number}" for number in range(5)]
    assert (await ask(Client(place.hub), in_group(*names, PRIVATE)))[0][0] == "CLOSED"
    assert await ask(Client(place.hub), in_group(*names)) == [("EOSE",)]


async def test_few_groups_are_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_groups, "MOST_KEPT", 1)
    for _ in range(2):
        assert (await ask(Client(place.hub), in_group(PRIVATE)))[0][0] == "CLOSED"
        assert (await ask(Client(place.hub), in_group(OTHER)))[0][0] == "CLOSED"
        assert (await ask(Client(place.hub), in_group(OPEN)))[0][0] == "EOSE"


async def test_what_cannot_be_looked_up_is_an_error_and_no_refusal(place: Place) -> None:
    alice, other = await known(place.hub, ALICE), Client(place.hub)
    place.log.failure = StorageError("the disk is away")
    for client in (alice, other):
        assert await ask(client, in_group(OTHER)) == [("CLOSED", "error: the disk is away")]


# live


async def test_who_joins_reads_from_then_on_what_is_open_and_who_leaves_reads_nothing_more(place: Place) -> None:
    bob = await known(place.hub, BOB)
    assert await ask(bob, {"kinds": [9]}) == [("EOSE",)]
    await place.say("before")
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.say("with the commit that made him a member")
    await place.say("between")
    place.leave(BOB.pubkey)
    await place.say("with the commit that took him out")
    await place.say("after")
    told = [message[2]["content"] for message in bob.pending()]
    assert told == ["with the commit that made him a member", "between"]


async def test_every_connection_of_a_key_is_told_and_one_that_is_gone_is_forgotten(place: Place) -> None:
    clients = [await known(place.hub, BOB) for _ in range(3)]
    for client in clients:
        await ask(client, {"kinds": [9]})
    clients[0].wire.close()
    await asyncio.sleep(0)
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.say("to both")
    assert [[one[2]["content"] for one in client.pending()] for client in clients[1:]] == [["to both"], ["to both"]]
    for client in clients[1:]:
        client.wire.close()
    await asyncio.sleep(0)
    assert not len(place.hub.access._memberships)


async def test_one_of_several_keys_is_enough(place: Place) -> None:
    client = await known(place.hub, BOB, ALICE)
    await ask(client, {"kinds": [9]})
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.say("two are members")
    place.leave(ALICE.pubkey)
    await place.say("one is")
    place.leave(BOB.pubkey)
    await place.say("none is")
    assert [one[2]["content"] for one in client.pending()] == ["two are members", "one is"]


async def test_whoever_asks_for_invite_codes_alone_is_asked_who_they_are(place: Place) -> None:
    stranger, alice = await known(place.hub), await known(place.hub, ALICE)
    for group in (OPEN, PRIVATE, "nowhere"):
        found = await ask(stranger, {"kinds": [9009], "#h": [group]})
        assert found[-1][0] == "CLOSED"
        assert "auth-required: invite codes" in found[-1][1]
    assert (await ask(stranger, {"kinds": [9009], "#h": [OPEN]}, {"kinds": [9]}))[-1][0] == "EOSE"
    assert (await ask(alice, {"kinds": [9009], "#h": [OPEN]}))[-1][0] == "EOSE"


async def test_what_is_for_those_who_moderate_comes_to_those_who_do(place: Place) -> None:
    alice = await known(place.hub, ALICE)
    await ask(alice, {"kinds": [9009]})
    await place.say("a member", kind=9009)
    place.log.put_member(ALICE.pubkey, PRIVATE, "member", "moderator")
    await place.say("a moderator", kind=9009)
    place.log.put_member(ALICE.pubkey, PRIVATE, "member")
    await place.say("a member again", kind=9009)
    assert [one[2]["content"] for one in alice.pending()] == ["a moderator"]


async def test_who_is_removed_hears_of_it_before_what_named_the_group_is_closed(place: Place) -> None:
    alice, bob = await known(place.hub, ALICE), await known(place.hub, BOB)
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.write()
    for client in (alice, bob):
        await ask(client, {"#h": [PRIVATE]}, name="named")
        await ask(client, {"#h": [PRIVATE, OPEN]}, name="two")
        await ask(client, {"kinds": [9]}, {"#h": [PRIVATE]}, name="broad")
    place.leave(standing="removed")
    await place.say("you are out", kind=9001, tags=[["h", PRIVATE], ["p", ALICE.pubkey]])
    told = alice.pending()
    assert sorted(one[1] for one in told[:3]) == ["broad", "named", "two"]
    assert {one[0] for one in told[:3]} == {"EVENT"}
    assert told[3][:2] == ["CLOSED", "named"]
    assert told[3][2].startswith("restricted: ")
    assert len(told) == 4
    assert sorted(alice.connection.session.subscriptions) == ["broad", "two"]
    assert sorted(one[:2] for one in bob.pending()) == [["EVENT", name] for name in ("broad", "named", "two")]


async def test_a_key_that_asked_to_vanish_hears_nothing_more_of_any_group(place: Place) -> None:
    """Its places in groups say something else until it was taken out of each."""
    alice, bob = await known(place.hub, ALICE), await known(place.hub, BOB)
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.write()
    for client in (alice, bob):
        await ask(client, {"kinds": [9]}, in_group(), name="broad")
    place.log.written.changes.append(("vanishing", ALICE.pubkey))
    await place.say("without alice")
    assert alice.pending() == []
    assert [one[:2] for one in bob.pending()] == [["EVENT", "broad"]]


async def test_who_leaves_hears_nothing_more_and_hears_on_when_they_come_back(place: Place) -> None:
    await place.write()
    alice = await known(place.hub, ALICE)
    await ask(alice, in_group())
    place.leave()
    await place.say("while they are away")
    assert alice.pending() == []
    place.log.put_member(ALICE.pubkey, PRIVATE)
    await place.say("welcome back")
    assert [one[2]["content"] for one in alice.pending()] == ["welcome back"]


async def test_who_loses_what_they_may_read_again_and_again_gets_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await known(place.hub, ALICE)
    query = place.log.query

    async def changing(*given: Any, **more: Any) -> Any:
        for standing in ("member", "left"):
            place.log.put_member(ALICE.pubkey, PRIVATE, standing)
            await place.write()
        return await query(*given, **more)

    monkeypatch.setattr(place.log, "query", changing)
    [(kind, reason)] = await ask(alice, {"kinds": [9]})
    assert kind == "CLOSED"
    assert reason.startswith("error: ")


async def test_a_group_that_becomes_private_is_closed_to_those_who_are_no_members(place: Place) -> None:
    alice, nobody = await known(place.hub, ALICE), Client(place.hub)
    place.log.put_member(ALICE.pubkey, OPEN)
    for client in (alice, nobody):
        await ask(client, in_group(OPEN), name="named")
        await ask(client, {"kinds": [9]}, name="broad")
    place.log.put_group(OPEN, private=True)
    await place.say("among us", OPEN)
    assert sorted(one[1] for one in alice.pending()) == ["broad", "named"]
    challenge, closed = nobody.pending()
    assert (challenge[0], closed[:2]) == ("AUTH", ["CLOSED", "named"])
    assert closed[2].startswith("auth-required: ")
    assert (await ask(nobody, in_group(OPEN)))[0][0] == "CLOSED"
    place.log.put_group(OPEN, private=False)
    await place.say("for all", OPEN)
    assert [one[2]["content"] for one in nobody.pending()] == ["for all"]
    assert sorted((await ask(nobody, in_group(OPEN)))[:2]) == ["among us", "for all"]


async def test_a_question_for_an_invite_is_answered_as_such_while_its_group_becomes_private(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = asyncio.Event()

    async def invite(*_: object) -> None:
        await decided.wait()
        raise Reject(Prefix.RESTRICTED, "you may not")

    monkeypatch.setattr(place.hub.shared.queries, "_invite", invite)
    bob = await known(place.hub, BOB)
    bob.send("REQ", "s", {"kinds": [28935], "#h": [OPEN]})
    await settle()
    place.log.put_group(OPEN, private=True)
    await place.write()
    decided.set()
    assert await bob.next() == ["CLOSED", "s", "restricted: you may not"]


@pytest.mark.parametrize("group", [PRIVATE, OPEN])
async def test_that_a_group_has_ended_is_told_to_its_members_who_then_are_none(place: Place, group: str) -> None:
    place.log.put_member(BOB.pubkey, group)
    bob = await known(place.hub, BOB)
    await ask(bob, {"kinds": [9, 9008]})
    place.log.put_group(group, ended=True)
    await place.say("the end", group, kind=9008)
    assert [one[2]["content"] for one in bob.pending()] == ["the end"]
    assert bob.connection.session.readers == {BOB.pubkey}


# what is being sent


async def test_what_was_held_back_is_not_sent_to_who_left_meanwhile(place: Place) -> None:
    alice = await known(place.hub, ALICE)
    place.log.reading.clear()
    alice.send("REQ", "s", {"kinds": [9, 20009], "limit": 0})
    await place.say("held")
    await place.say("passing", kind=20009)
    await place.say("public", OPEN)
    await place.say("public and passing", OPEN, kind=20009)
    place.leave()
    await place.write()
    await place.say("later", OPEN)
    place.log.reading.set()
    assert await alice.next() == ["EOSE", "s"]
    told = [one[2]["content"] for one in await alice.gather(3)]
    assert sorted(told) == ["later", "public", "public and passing"]
    await place.say("live", OPEN)
    assert (await alice.next())[2]["content"] == "live"


async def test_what_was_held_back_is_not_sent_when_its_group_became_private(place: Place) -> None:
    nobody = Client(place.hub)
    place.log.reading.clear()
    nobody.send("REQ", "s", {"kinds": [9], "limit": 0})
    await place.say("held", OPEN)
    place.log.put_group(OPEN, private=True)
    await place.write()
    await place.say("public", "elsewhere")
    place.log.reading.set()
    assert await nobody.next() == ["EOSE", "s"]
    assert (await nobody.next())[2]["content"] == "public"
    assert nobody.pending() == []


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("quick", [False, True])
async def test_the_rest_of_an_answer_is_not_sent_to_who_left_meanwhile(
    relay: Relay, named: bool, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PART", 1)
    place = Place(relay, MemoryLog(first_part=1, quick=quick))
    for number in range(4):
        await place.say(f"{number} {'x' * 70_000}", created_at=1000 - number)
        await place.say(f"public {number}", OPEN, created_at=900 - number)
    alice = await known(place.hub, ALICE)
    alice.wire.stalled = True
    alice.send("REQ", "s", in_group() if named else {"kinds": [9]})
    await alice.until(lambda: not alice.connection.writable)
    await settle()  # what was begun before that is done
    assert alice.pending()[0][2]["content"].startswith("0")
    place.leave()
    await place.write()
    alice.wire.stalled = False
    alice.wire.drain()
    if named:
        closed = await alice.next()
        assert closed[:2] == ["CLOSED", "s"]
        assert closed[2].startswith("restricted: ")
    else:
        *told, end = await alice.gather(5)
        assert [one[2]["content"] for one in told] == [f"public {number}" for number in range(4)]
        assert end == ["EOSE", "s"]


async def test_an_answer_that_was_looked_up_before_who_asked_left_is_looked_up_again(place: Place) -> None:
    await place.say("private")
    await place.say("public", OPEN)
    alice = await known(place.hub, ALICE)
    place.log.reading.clear()
    query, asked = place.log.query, asyncio.Event()

    async def slow(filters: Any, readers: Any, now: int, *more: Any) -> Any:
        asked.set()
        found = place.log._found(filters, readers, *more)
        await place.log.reading.wait()
        return found

    place.log.query = slow  # type: ignore[assignment, method-assign]
    alice.send("REQ", "s", {"kinds": [9]})
    await asyncio.wait_for(asked.wait(), PATIENCE)
    place.leave()
    await place.write()
    place.log.query = query  # type: ignore[method-assign]
    place.log.reading.set()
    told, end = await alice.gather(2)
    assert (told[2]["content"], end) == ("public", ["EOSE", "s"])


async def test_a_comparison_ends_when_who_compares_leaves(place: Place) -> None:
    await place.say("mine")
    alice = await known(place.hub, ALICE)
    alice.send("NEG-OPEN", "n", {"kinds": [9]}, Reconciliation(ItemSet([])).begin().hex())
    assert (await alice.next())[0] == "NEG-MSG"
    place.leave()
    await place.write()
    ended = await alice.next()
    assert ended[:2] == ["NEG-ERR", "n"]
    assert ended[2].startswith("closed: ")


# where looking up takes its time


async def test_a_key_is_proven_once_its_groups_are_known_and_questions_do_not_wait_for_that(place: Place) -> None:
    await place.say("mine")
    place.log.looks = False
    place.log.reading.clear()
    alice = Client(place.hub)
    alice.ask_for_challenge()
    event = proof(alice, ALICE)
    alice.send("AUTH", msgspec.to_builtins(event))
    alice.send("REQ", "s", in_group())
    assert alice.pending() == []
    place.log.reading.set()
    told = await alice.gather(3)
    assert ["OK", event.id, True, ""] in told
    assert [one[0] for one in told if one[0] != "OK"] == ["EVENT", "EOSE"]
    await place.say("live")
    assert (await alice.next())[2]["content"] == "live"


async def test_what_changes_while_a_key_is_looked_up_is_not_missed(place: Place) -> None:
    place.log.looks = False
    bob = Client(place.hub)
    bob.ask_for_challenge()
    asked, go_on = asyncio.Event(), asyncio.Event()
    look = place.log.ask_here

    async def slow(work: Callable[[Any], Any]) -> Any:
        found = look(work)
        asked.set()
        await go_on.wait()
        return found

    place.log.ask = slow  # type: ignore[assignment, method-assign]
    event = proof(bob, BOB)
    bob.send("AUTH", msgspec.to_builtins(event))
    await asyncio.wait_for(asked.wait(), PATIENCE)
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.write()
    go_on.set()
    assert await bob.next() == ["OK", event.id, True, ""]
    assert f"g:{PRIVATE}" in bob.connection.session.readers


BROKEN = [
    (StorageError("the disk is away"), "error: the disk is away"),
    (RuntimeError("secret"), "error: internal error (RuntimeError)"),
]


@pytest.mark.parametrize(("failure", "told"), BROKEN)
async def test_a_key_whose_groups_cannot_be_read_is_told_so_and_they_are_read_later(
    place: Place, monkeypatch: pytest.MonkeyPatch, failure: Exception, told: str
) -> None:
    monkeypatch.setattr(memberships, "AGAIN", 0)
    place.log.looks = False
    alice = Client(place.hub)
    alice.ask_for_challenge()
    place.log.failure = failure
    event = proof(alice, ALICE)
    alice.send("AUTH", msgspec.to_builtins(event))
    assert await alice.next() == ["OK", event.id, False, told]
    place.log.failure = None
    await completed(alice)
    assert f"g:{PRIVATE}" in alice.connection.session.readers


@pytest.mark.parametrize("failure", [failure for failure, _ in BROKEN])
async def test_a_change_that_cannot_be_read_shuts_and_is_read_later(
    place: Place, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    monkeypatch.setattr(memberships, "AGAIN", 0)
    await place.write()
    bob = await known(place.hub, BOB)
    look = place.log.ask_here

    def fails(_work: Callable[[Any], Any]) -> Any:
        place.log.ask_here = look  # type: ignore[method-assign]
        raise failure

    place.log.ask_here = fails  # type: ignore[assignment, method-assign]
    place.log.put_member(BOB.pubkey, PRIVATE)
    await place.write()
    await completed(bob)
    assert f"g:{PRIVATE}" in bob.connection.session.readers


async def test_after_commits_were_missed_everything_is_looked_up_before_what_came_is_delivered(place: Place) -> None:
    alice, bob = await known(place.hub, ALICE), await known(place.hub, BOB)
    for client in (alice, bob):
        await ask(client, {"kinds": [9]}, name="broad")
    await ask(alice, in_group(), name="named")
    place.log.tables.members.clear()
    place.log.put_member(BOB.pubkey, PRIVATE)
    place.log.written.changes.clear()
    place.hub.log.behind(Behind())
    await place.say("to Bob")
    assert (await bob.next())[2]["content"] == "to Bob"
    closed = await alice.next()
    assert closed[:2] == ["CLOSED", "named"]
    assert alice.pending() == []


async def test_a_database_that_fails_when_everything_is_looked_up_is_asked_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "_AGAIN", 0)
    bob = await known(place.hub, BOB)
    await ask(bob, {"kinds": [9]}, name="broad")
    await place.write()
    place.log.put_member(BOB.pubkey, PRIVATE)
    place.log.written.changes.clear()
    place.log.failure = StorageError("the disk is away")
    place.hub.log.behind(Behind())
    await asyncio.sleep(0)
    place.log.failure = None
    await place.say("to Bob")
    assert (await bob.next())[2]["content"] == "to Bob"


# fronts


@pytest.fixture
async def fronts() -> AsyncIterator[tuple[MemoryLog, WrittenHub, WrittenHub]]:
    log = MemoryLog()
    log.put_group(PRIVATE, private=True)
    first = WrittenHub(log, Config(), "ws://relay.example/", fronts=2)
    other = WrittenHub(log, Config(), "ws://relay.example/", beside=first)
    yield log, first, other
    await other.close()
    await first.close()


async def test_what_history_held_comes_once_where_its_commit_is_heard_of_later(
    fronts: tuple[MemoryLog, WrittenHub, WrittenHub],
) -> None:
    _, first, other = fronts
    writer, reader = Client(first), Client(other)
    assert await ask(reader, {"limit": 0}) == [("EOSE",)]
    heard, kept = other.ingest.link._committed, list[Any]()
    other.ingest.link._committed = kept.append
    writer.publish(make_event(CAROL, content="first"))
    await writer.next()
    assert await ask(reader, {}, name="both") == ["first", ("EOSE",)]
    other.ingest.link._committed = heard
    for commit in kept:
        heard(commit)
    writer.publish(make_event(CAROL, content="second"))
    found = [(one[1], one[2]["content"]) for one in await reader.gather(3)]
    assert sorted(found) == [("both", "second"), ("s", "first"), ("s", "second")]
    await settle()
    assert reader.pending() == []


async def test_what_was_answered_at_one_front_holds_at_another_that_has_not_heard_of_it(
    fronts: tuple[MemoryLog, WrittenHub, WrittenHub],
) -> None:
    log, first, other = fronts
    writer, broad = Client(first), {"kinds": [9]}
    writer.publish(make_event(CAROL, kind=9, content="within", tags=[["h", PRIVATE]]))
    await writer.next()
    bob = await known(other, BOB)
    assert (await ask(bob, in_group()))[0][0] == "CLOSED"
    assert await ask(bob, broad) == [("EOSE",)]
    heard = other.ingest.link._committed
    kept: list[Any] = []
    other.ingest.link._committed = kept.append
    log.put_member(BOB.pubkey, PRIVATE)
    log.put_group(OPEN)
    await first.ingest.execute(CountRows())
    assert await ask(bob, broad) == await ask(bob, in_group()) == ["within", ("EOSE",)]
    assert (await ask(bob, in_group(), verb="COUNT"))[0][0] == "COUNT"
    log.put_group(OPEN, private=True)
    log.put_member(BOB.pubkey, PRIVATE, "removed")
    await first.ingest.execute(CountRows())
    assert await ask(bob, broad) == [("EOSE",)]
    assert (await ask(bob, in_group()))[0][0] == "CLOSED"
    assert (await ask(Client(other), in_group(OPEN)))[0][0] == "CLOSED"
    other.ingest.link._committed = heard
    for commit in kept:
        heard(commit)
    assert bob.connection.session.readers == {BOB.pubkey}
