"""What leaves the log and stays away: NIP-09, NIP-40 and NIP-62, seen from outside."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.e2e.harness import Server, client, fresh_key, now, serving
from tests.factories import make_event


async def test_a_deletion_removes_its_authors_event_and_refuses_it_from_then_on(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key)
    deletion = make_event(key, 5, tags=[["e", event.id], ["k", "1"]])
    async with client(relay) as alice:
        await alice.store(event, deletion)
        assert await alice.stored({"authors": [key.pubkey]}) == [deletion.id]
        assert await alice.count({"ids": [event.id]}) == {"count": 0}
        assert (await alice.refused(event)).startswith("blocked: ")


async def test_a_deletion_by_another_key_removes_nothing(relay: Server) -> None:
    author, other = fresh_key(), fresh_key()
    event = make_event(author)
    page = make_event(author, 30023, tags=[["d", "page"]])
    address = f"30023:{author.pubkey}:page"
    async with client(relay) as alice:
        await alice.store(event, page, make_event(other, 5, tags=[["e", event.id], ["e", page.id], ["a", address]]))
        assert set(await alice.stored({"authors": [author.pubkey]})) == {event.id, page.id}


async def test_a_deletion_that_comes_first_works_for_the_author_only(relay: Server) -> None:
    author, other = fresh_key(), fresh_key()
    one, two = make_event(author, content="1"), make_event(author, content="2")
    async with client(relay) as alice:
        await alice.store(make_event(author, 5, tags=[["e", one.id]]), make_event(other, 5, tags=[["e", two.id]]))
        assert (await alice.refused(one)).startswith("blocked: ")
        await alice.store(two)


@pytest.mark.parametrize(("kind", "d"), [(30023, "page"), (30023, ""), (0, ""), (10002, "")])
async def test_an_address_is_deleted_up_to_the_requests_time(relay: Server, kind: int, d: str) -> None:
    key = fresh_key()
    tags = [["d", d]] if d else []
    old, same, new = [make_event(key, kind, str(time), tags, time) for time in (1000, 1001, 1002)]
    deletion = make_event(key, 5, tags=[["a", f"{kind}:{key.pubkey}:{d}"]], created_at=1001)
    async with client(relay) as alice:
        await alice.store(same, deletion)
        assert await alice.stored({"authors": [key.pubkey], "kinds": [kind]}) == []
        assert (await alice.refused(old)).partition(":")[0] in ("blocked", "invalid")
        assert (await alice.refused(same)).partition(":")[0] in ("blocked", "invalid")
        await alice.store(new)


async def test_a_deletion_of_addresses_alone_is_not_one_of_everything(relay: Server) -> None:
    key = fresh_key()
    note = make_event(key)
    deletion = make_event(key, 5, tags=[["a", f"30023:{key.pubkey}:page"]])
    empty = make_event(key, 5)
    junk = make_event(key, 5, tags=[["e"], ["a"], ["e", ""], ["e", "abc"], ["a", "1"], ["a", f"x:{key.pubkey}:"]])
    async with client(relay) as alice:
        await alice.store(note, deletion, empty, junk)
        assert len(await alice.stored({"authors": [key.pubkey]})) == 4


async def test_a_deletion_cannot_be_deleted(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key)
    deletion = make_event(key, 5, tags=[["e", event.id]])
    undo = make_event(key, 5, tags=[["e", deletion.id]])
    async with client(relay) as alice:
        await alice.store(event, deletion, undo)
        assert set(await alice.stored({"authors": [key.pubkey]})) == {deletion.id, undo.id}
        await alice.refused(event)


async def test_a_live_subscription_gets_the_deletion(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key)
    async with client(relay) as alice, client(relay) as writer:
        await writer.store(event)
        await alice.request({"authors": [key.pubkey], "kinds": [5]})
        await writer.store(make_event(key, 5, tags=[["e", event.id]]))
        assert (await alice.next())[2]["kind"] == 5


async def test_the_recipient_may_delete_a_gift_wrap(relay: Server) -> None:
    wrapper, reader, stranger = fresh_key(), fresh_key(), fresh_key()
    wrap = make_event(wrapper, 1059, tags=[["p", reader.pubkey]])
    async with client(relay) as alice:
        await alice.authenticate(reader)
        await alice.store(wrap, make_event(stranger, 5, tags=[["e", wrap.id]]))
        assert await alice.stored({"kinds": [1059]}) == [wrap.id]
        await alice.store(make_event(reader, 5, tags=[["e", wrap.id]]))
        assert await alice.stored({"kinds": [1059]}) == []
        assert (await alice.refused(wrap)).startswith("blocked: ")


async def test_what_has_expired_is_refused(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice:
        for value in ("1", str(now() - 1), "0"):
            event = make_event(key, tags=[["expiration", value]])
            assert (await alice.refused(event)).startswith("invalid: ")


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e10", "9.9", "9" * 40, "١"])
async def test_an_expiration_that_is_no_number_is_refused(relay: Server, value: str) -> None:
    async with client(relay) as alice:
        event = make_event(fresh_key(), tags=[["expiration", value]])
        assert (await alice.refused(event)).startswith("invalid: ")


async def test_a_far_expiration_is_compared_as_a_number(relay: Server) -> None:
    event = make_event(fresh_key(), tags=[["expiration", "10000000000"]])  # a string below "1700000000"
    async with client(relay) as alice:
        await alice.store(event)
        assert await alice.stored({"ids": [event.id]}) == [event.id]


@pytest.fixture(scope="module")
def unswept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A relay whose sweeper never comes."""
    with serving(tmp_path_factory.mktemp("unswept") / "data", "storage.sweep_interval=0") as server:
        yield server


async def test_an_expired_event_is_not_served_though_the_sweeper_has_not_come(unswept: Server) -> None:
    key = fresh_key()
    filters: list[dict[str, object]] = [
        {"authors": [key.pubkey], "kinds": [1]},
        {"#t": ["x"]},
        {"kinds": [1]},
        {"authors": [key.pubkey]},
        {},
    ]
    async with client(unswept) as alice:
        for within in (2, 8, 32):  # seconds; a busy machine may need more than the first for all that is asked in them
            expires = int(time.time()) + within
            event = make_event(key, tags=[["expiration", str(expires)], ["t", "x"]])
            told = await alice.publish(event)
            found = [await alice.stored(wanted) for wanted in ({"ids": [event.id]}, *filters)]
            if time.time() < expires:
                break
        assert told[2] is True
        assert found == [[event.id]] * 6
        filters.append({"ids": [event.id]})
        await asyncio.sleep(expires - time.time() + 0.01)  # the relay's clock is ours: nothing else can be waited for
        for wanted in filters:
            assert await alice.stored(wanted) == []
            assert (await alice.count(wanted))["count"] == 0


async def test_a_key_that_vanishes_takes_everything_along_up_to_then(relay: Server) -> None:
    key, friend = fresh_key(), fresh_key()
    note = make_event(key, created_at=1000)
    deletion = make_event(key, 5, tags=[["e", "0" * 64]], created_at=1000)
    profile = make_event(key, 0, created_at=1000)
    later = make_event(key, content="later", created_at=1002)
    early = make_event(key, content="never seen", created_at=999)
    answer = make_event(friend, tags=[["p", key.pubkey]], created_at=1000)
    vanish = make_event(key, 62, tags=[["relay", relay.url]], created_at=1001)
    async with client(relay) as alice:
        await alice.store(note, deletion, profile, answer, later, vanish)
        found = set(await alice.stored({"authors": [key.pubkey]}))
        assert found - {vanish.id} == {later.id}
        assert await alice.stored({"authors": [friend.pubkey]}) == [answer.id]
        for event in (note, deletion, profile, early):
            assert (await alice.refused(event)).startswith("blocked: ")
        await alice.store(make_event(key, content="a new life", created_at=1002))


async def test_gift_wraps_to_a_vanished_key_go_and_new_mail_is_welcome(relay: Server) -> None:
    key, wrapper = fresh_key(), fresh_key()
    old = make_event(wrapper, 1059, "old", [["p", key.pubkey]], created_at=1000)
    recent = make_event(wrapper, 1059, "recent", [["p", key.pubkey]], created_at=900)
    vanish = make_event(key, 62, tags=[["relay", "ALL_RELAYS"]], created_at=1001)
    async with client(relay) as alice:
        await alice.authenticate(key)
        await alice.store(old, vanish)
        assert await alice.stored({"kinds": [1059]}) == []
        assert (await alice.refused(old)).startswith("blocked: ")
        await alice.store(recent)
        assert await alice.stored({"kinds": [1059]}) == [recent.id]


async def test_a_request_to_vanish_from_another_relay_is_not_ours(relay: Server) -> None:
    key = fresh_key()
    note = make_event(key)
    async with client(relay) as alice:
        await alice.store(note)
        for tags in ([["relay", "wss://elsewhere.example"]], [], [["relay"]], [["relay", "all_relays"]]):
            assert (await alice.refused(make_event(key, 62, tags=tags))).startswith("invalid: ")
        assert await alice.stored({"authors": [key.pubkey]}) == [note.id]


async def test_a_request_to_vanish_cannot_be_deleted(relay: Server) -> None:
    key = fresh_key()
    note = make_event(key, created_at=1000)
    vanish = make_event(key, 62, tags=[["relay", "ALL_RELAYS"]], created_at=1001)
    async with client(relay) as alice:
        await alice.store(note, vanish, make_event(key, 5, tags=[["e", vanish.id]], created_at=1002))
        assert (await alice.refused(note)).startswith("blocked: ")
