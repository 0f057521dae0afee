import json

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from relay.protocol.event import wire
from tests.e2e.harness import Server, check_ok, client, fresh_key
from tests.factories import make_event


async def test_an_event_is_acknowledged_and_found_again(relay: Server) -> None:
    event = make_event(fresh_key(), content="hello", tags=[["t", "x"]])
    async with client(relay) as alice:
        assert await alice.publish(event) == ["OK", event.id, True, ""]
        found, end = await alice.request({"ids": [event.id]})
        assert found == [json.loads(wire(event))]
        assert end == ["EOSE", "s"]


async def test_a_duplicate_is_accepted_as_one(relay: Server) -> None:
    event = make_event(fresh_key())
    async with client(relay) as alice:
        await alice.store(event)
        answer = await alice.publish(event)
        assert answer[2] is True
        assert answer[3].startswith("duplicate: ")


async def test_refuses_wrong_ids_and_signatures(relay: Server) -> None:
    event = make_event(fresh_key(), content="as signed")
    async with client(relay) as alice:
        assert (await alice.refused(msgspec.structs.replace(event, content="changed"))).startswith("invalid: ")
        assert (await alice.refused(msgspec.structs.replace(event, sig="0" * 128))).startswith("invalid: ")
        assert (await alice.refused(msgspec.structs.replace(event, pubkey=fresh_key().pubkey))).startswith("invalid: ")
        assert await alice.stored({"ids": [event.id]}) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", 1.5),
        ("created_at", True),
        ("created_at", "1"),
        ("created_at", -1),
        ("created_at", 10**30),
        ("created_at", None),
        ("kind", 65536),
        ("kind", -1),
        ("kind", False),
        ("tags", [[]]),
        ("tags", [["t", 1]]),
        ("tags", [["t", None]]),
        ("tags", {}),
        ("content", None),
        ("pubkey", "A" * 64),
        ("pubkey", "a" * 63),
        ("sig", "f" * 127),
    ],
)
async def test_refuses_wrong_types_by_name_with_the_events_id(relay: Server, field: str, value: object) -> None:
    fields = json.loads(wire(make_event(fresh_key())))
    async with client(relay) as alice:
        await alice.send("EVENT", fields | {field: value})
        answer = await alice.next()
        check_ok(answer, fields["id"])
        assert answer[2] is False
        assert field in answer[3]


@pytest.mark.parametrize("identifier", ["", "A" * 64, "0" * 63, "0" * 64 + "\n", 7, None, "x" * 64])
@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
async def test_an_event_with_a_wrong_id_or_none_is_answered_all_the_same(
    relay: Server, verb: str, identifier: object
) -> None:
    fields = json.loads(wire(make_event(fresh_key())))
    async with client(relay) as alice:
        await alice.send(verb, fields | {"id": identifier})
        answer = await alice.next()
        check_ok(answer, identifier if identifier is not None else "")
        assert answer[2] is False
        await alice.send(verb, {name: value for name, value in fields.items() if name != "id"})
        assert (await alice.next())[:3] == ["OK", "", False]


async def test_duplicate_keys_and_unknown_fields_do_not_survive(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key, content="the real content")
    text = wire(event).decode()
    dirty = text[:-1] + f', "content" : {json.dumps(event.content)}, "evil": true, "unsigned": [1, 2] }}'
    async with client(relay) as reader, client(relay) as writer:
        await reader.request({"authors": [key.pubkey]})
        await writer.raw(f' [ "EVENT" , {dirty} ] ')
        assert await writer.next() == ["OK", event.id, True, ""]
        live = await reader.connection.recv()
        await writer.send("REQ", "s", {"ids": [event.id]})
        stored = await writer.connection.recv()
    assert live == stored == f'["EVENT","s",{text}]'


async def test_of_a_doubled_field_the_verified_one_is_what_counts(relay: Server) -> None:
    event = make_event(fresh_key(), content="signed")
    text = wire(event).decode()
    async with client(relay) as alice:
        await alice.raw(f'["EVENT",{text[:-1]},"content":"forged"}}]')
        answer = await alice.next()
        check_ok(answer, event.id)
        assert answer[2] is False


@pytest.mark.parametrize(
    "content",
    [
        '\n"\\\r\t\b\f',
        "\u0000\u0001\u001f\u007f",
        "é 漢 🦜 \u2028\u2029",
        "\ufffe\uffff\U0010ffff",
        "</script>",
    ],
)
async def test_every_character_survives(relay: Server, content: str) -> None:
    event = make_event(fresh_key(), content=content)
    async with client(relay) as alice:
        await alice.store(event)
        found, _ = await alice.request({"ids": [event.id]})
        assert found[0]["content"] == content


async def test_an_older_version_of_a_replaceable_event_is_refused(relay: Server) -> None:
    key = fresh_key()
    for kind, tags in ((0, []), (3, []), (10002, []), (30023, [["d", "page"]])):
        old, new = [make_event(key, kind, str(time), tags, 1000 + time) for time in (1, 2)]
        async with client(relay) as alice:
            await alice.store(new)
            assert (await alice.refused(old)).partition(":")[0] in ("invalid", "blocked", "duplicate")
            assert await alice.stored({"kinds": [kind], "authors": [key.pubkey]}) == [new.id]


async def test_a_newer_version_replaces_an_older_one(relay: Server) -> None:
    key = fresh_key()
    old, new = [make_event(key, 0, str(time), created_at=1000 + time) for time in (1, 2)]
    async with client(relay) as alice:
        await alice.store(old, new)
        assert await alice.stored({"authors": [key.pubkey]}) == [new.id]
        assert await alice.stored({"ids": [old.id]}) == []


async def test_of_versions_of_one_second_the_lowest_id_stays(relay: Server) -> None:
    key = fresh_key()
    low, middle, high = sorted((make_event(key, 0, str(n)) for n in range(3)), key=lambda event: event.id)
    async with client(relay) as alice:
        await alice.store(middle)
        await alice.refused(high)
        await alice.store(low)
        assert await alice.stored({"authors": [key.pubkey]}) == [low.id]


async def test_addressable_events_are_told_apart_by_their_first_d_tag(relay: Server) -> None:
    key = fresh_key()
    events = [
        make_event(key, 30000, "none", []),
        make_event(key, 30000, "a", [["d", "a"], ["d", "b"]]),
        make_event(key, 30000, "b", [["d", "b"]]),
    ]
    empty = make_event(key, 30000, "empty", [["d", ""]], created_at=events[0].created_at + 1)
    async with client(relay) as alice:
        await alice.store(*events)
        assert len(await alice.stored({"authors": [key.pubkey]})) == 3
        await alice.store(empty)
        assert set(await alice.stored({"authors": [key.pubkey]})) == {empty.id, events[1].id, events[2].id}


async def test_results_are_newest_first_and_of_equals_the_lowest_id_first(relay: Server) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(n), created_at=1000 + n // 4) for n in range(12)]
    expected = [event.id for event in sorted(events, key=lambda event: (-event.created_at, event.id))]
    async with client(relay) as alice:
        await alice.store(*events)
        assert await alice.stored({"authors": [key.pubkey]}) == expected
        for limit in (0, 1, 2, 3, 4, 5, 11, 12, 13):
            assert await alice.stored({"authors": [key.pubkey], "limit": limit}) == expected[:limit]
        assert await alice.stored({"ids": expected, "limit": 3}) == expected[:3]
        assert await alice.stored({"authors": [key.pubkey], "kinds": [1, 2], "limit": 3}) == expected[:3]


async def test_each_filter_has_its_own_limit(relay: Server) -> None:
    one, two = fresh_key(), fresh_key()
    mine = [make_event(one, content=str(n), created_at=1000 + n) for n in range(3)]
    yours = [make_event(two, content=str(n), created_at=1000 + n) for n in range(3)]
    async with client(relay) as alice:
        await alice.store(*mine, *yours)
        found = await alice.stored({"authors": [one.pubkey], "limit": 1}, {"authors": [two.pubkey], "limit": 2})
        assert set(found) == {mine[2].id, yours[2].id, yours[1].id}


async def test_since_and_until_are_inclusive(relay: Server) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(n), created_at=1000 + n) for n in range(5)]
    async with client(relay) as alice:
        await alice.store(*events)
        found = await alice.stored({"authors": [key.pubkey], "since": 1001, "until": 1003})
        assert found == [events[n].id for n in (3, 2, 1)]
        assert await alice.stored({"authors": [key.pubkey], "since": 1002, "until": 1002}) == [events[2].id]
        assert await alice.stored({"authors": [key.pubkey], "since": 1003, "until": 1002}) == []


@pytest.mark.parametrize("field", ["ids", "authors", "kinds", "#t", "#e"])
async def test_an_empty_list_matches_nothing_neither_stored_nor_live(relay: Server, field: str) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as writer:
        await writer.store(make_event(key, tags=[["t", "x"]]))
        found, end = await alice.request({"authors": [key.pubkey], field: []})
        assert (found, end[0]) == ([], "EOSE")
        await writer.store(make_event(key, tags=[["t", "x"]], content="live"))
        assert await alice.quiet()
        assert await alice.count({"authors": [key.pubkey], field: []}) == {"count": 0}


async def test_several_matching_filters_deliver_an_event_once(relay: Server) -> None:
    key = fresh_key()
    first, second = [make_event(key, content=str(n)) for n in range(2)]
    filters = [{"authors": [key.pubkey]}, {"ids": [first.id, second.id]}, {"kinds": [1], "authors": [key.pubkey]}]
    async with client(relay) as alice, client(relay) as writer:
        await writer.store(first)
        found, _ = await alice.request(*filters)
        assert [event["id"] for event in found] == [first.id]
        await writer.store(second)
        assert (await alice.next())[2]["id"] == second.id
        assert await alice.quiet()


async def test_limit_zero_gives_no_history_and_then_live_events(relay: Server) -> None:
    key = fresh_key()
    old, new = [make_event(key, content=str(n)) for n in range(2)]
    async with client(relay) as alice, client(relay) as writer:
        await writer.store(old)
        found, end = await alice.request({"authors": [key.pubkey], "limit": 0})
        assert (found, end[0]) == ([], "EOSE")
        await writer.store(new)
        assert await alice.next() == ["EVENT", "s", json.loads(wire(new))]


async def test_the_limit_does_not_bound_what_is_live(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as writer:
        await alice.request({"authors": [key.pubkey], "limit": 1})
        await writer.store(*[make_event(key, content=str(n)) for n in range(5)])
        assert len(await alice.gather(5)) == 5


async def test_the_same_subscription_id_replaces(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as writer:
        await alice.request({"authors": [key.pubkey], "kinds": [1]}, name="same")
        await alice.request({"authors": [key.pubkey], "kinds": [7]}, name="same")
        await writer.store(make_event(key, 1), make_event(key, 7))
        assert (await alice.next())[2]["kind"] == 7
        assert await alice.quiet()


async def test_subscription_ids_belong_to_their_connection(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as bob, client(relay) as writer:
        await alice.request({"authors": [key.pubkey]})
        await bob.request({"authors": [key.pubkey]})
        await bob.send("CLOSE", "s")
        assert await bob.quiet()
        await writer.store(make_event(key))
        assert (await alice.next())[0] == "EVENT"
        assert await bob.quiet()


async def test_a_refused_request_ends_the_subscription_whose_id_it_took(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as writer:
        await alice.request({"authors": [key.pubkey]})
        assert (await alice.request({"authors": ["x"]}))[1][0] == "CLOSED"
        await writer.store(make_event(key))
        assert await alice.quiet()


async def test_close_has_no_answer_and_ends_delivery(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as writer:
        await alice.request({"authors": [key.pubkey]})
        await alice.send("CLOSE", "s")
        await alice.send("CLOSE", "never opened")
        assert await alice.quiet()
        await writer.store(make_event(key))
        assert await alice.quiet()


@pytest.mark.parametrize("name", ["x", "x" * 64, "漢" * 64, ' "\\\n', "\u0000"])
async def test_subscription_ids_of_1_to_64_characters_are_taken_as_they_are(relay: Server, name: str) -> None:
    async with client(relay) as alice:
        assert (await alice.request({"ids": []}, name=name))[1][:2] == ["EOSE", name]


@pytest.mark.parametrize("name", ["", "x" * 65, 7, None, ["x"]])
async def test_other_subscription_ids_are_refused_by_that_name(relay: Server, name: object) -> None:
    async with client(relay) as alice:
        for verb, answer in (("REQ", "CLOSED"), ("COUNT", "CLOSED"), ("NEG-OPEN", "NEG-ERR")):
            await alice.send(verb, name, {})
            told = await alice.next()
            assert told[:2] == [answer, name] if isinstance(name, str | int) else told[0] == "NOTICE"


@pytest.mark.parametrize(
    "wanted",
    [
        {"ids": ["abc"]},
        {"authors": ["A" * 64]},
        {"#e": ["x"]},
        {"#p": ["0" * 63]},
        {"kinds": ["1"]},
        {"kinds": [1.0]},
        {"kinds": [True]},
        {"kinds": [65536]},
        {"since": "now"},
        {"since": 1.5},
        {"until": 10**30},
        {"limit": -1},
        {"limit": True},
        {"ids": None},
        {"#t": [1]},
        {"unheard": 1},
        {"#tt": ["x"]},
        [],
        "filter",
        None,
    ],
)
@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
async def test_a_filter_that_is_wrong_is_closed_with_the_reason(relay: Server, wanted: object, verb: str) -> None:
    async with client(relay) as alice:
        await alice.send(verb, "s", wanted)
        answer = await alice.next()
        assert answer[:2] == ["CLOSED", "s"]
        assert answer[2].partition(": ")[0] in ("invalid", "unsupported")


async def test_letters_of_both_cases_are_indexed_by_their_first_value(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key, tags=[["t", "first", "second"], ["T", "upper"], ["long", "x"], ["k"]])
    mine = {"authors": [key.pubkey]}
    async with client(relay) as alice:
        await alice.store(event)
        assert await alice.stored(mine | {"#t": ["first"]}) == [event.id]
        assert await alice.stored(mine | {"#t": ["second"]}) == []
        assert await alice.stored(mine | {"#T": ["upper"]}) == [event.id]
        assert await alice.stored(mine | {"#T": ["first"]}) == []
        assert await alice.stored(mine | {"#t": ["first", "other"], "#T": ["upper"]}) == [event.id]
        assert await alice.stored(mine | {"#t": ["first"], "#T": ["other"]}) == []
        assert await alice.stored(mine | {"#k": [""]}) == []


async def test_who_brings_many_versions_that_are_old_or_expired_is_answered_and_not_cut_off(relay: Server) -> None:
    """What two relays differ in is mostly such: who synchronized them was taken for one that sends rubbish."""
    key = fresh_key()
    late = [make_event(key, 0, created_at=1000 + n) for n in range(150)]
    late += [make_event(key, content=str(n), tags=[["expiration", "1000"]]) for n in range(150)]
    async with client(relay) as alice:
        await alice.store(make_event(key, 0, created_at=2000))
        for event in late:
            await alice.post(event)
        answers = await alice.gather(len(late))
        assert {(answer[1], answer[2]) for answer in answers} == {(event.id, False) for event in late}
        assert await alice.quiet()


async def test_ephemeral_events_are_sent_and_never_stored(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key, 20001)
    async with client(relay) as alice, client(relay) as writer:
        await alice.request({"authors": [key.pubkey]})
        await writer.store(event)
        assert (await alice.next())[2]["id"] == event.id
        assert await writer.stored({"authors": [key.pubkey]}) == []
        assert await writer.count({"ids": [event.id]}) == {"count": 0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{}",
        "[]",
        "null",
        '["SHOUT","x"]',
        '["event",{}]',
        '["REQ"]',
        '["CLOSE"]',
        '["EVENT"]',
        '["EVENT",7]',
        '["AUTH"]',
        '["AUTH","challenge"]',
        "[[]]",
        "[1,2,3]",
        '["REQ"',
        '["CLOSE","s",NaN]',
        '["CLOSE","s"] trailing',
        "\ufeff[]",
    ],
)
async def test_what_is_no_message_gets_a_notice(relay: Server, text: str) -> None:
    async with client(relay) as alice:
        await alice.raw(text)
        assert (await alice.next())[0] == "NOTICE"


async def test_a_request_without_a_filter_is_closed(relay: Server) -> None:
    async with client(relay) as alice:
        await alice.send("REQ", "s")
        assert (await alice.next())[:2] == ["CLOSED", "s"]


@pytest.mark.parametrize("path", ["/", "", "/?query=1"])
async def test_the_relay_is_at_the_root(relay: Server, path: str) -> None:
    event = make_event(fresh_key())
    async with client(relay.url + path) as alice:
        await alice.store(event)
        assert await alice.stored({"ids": [event.id]}) == [event.id]


@pytest.mark.parametrize("path", ["/some/path", "/a/b/c/", "/relay", "/api/v1/events"])
async def test_elsewhere_there_is_no_relay(relay: Server, path: str) -> None:
    with pytest.raises(InvalidStatus, match="404"):
        async with client(relay.url + path):
            pass


@pytest.mark.parametrize("text", ['["REQ","s"', '["COUNT","s",{"limit":NaN}]', '["REQ","s",{"#t":["\\ud800"]}]'])
async def test_what_is_no_json_is_refused_by_the_name_that_can_be_read(relay: Server, text: str) -> None:
    async with client(relay) as alice:
        await alice.raw(text)
        assert (await alice.next())[:2] == ["CLOSED", "s"]


async def test_kind_65535_and_time_zero_are_ordinary(relay: Server) -> None:
    event = make_event(fresh_key(), 65535, created_at=0)
    async with client(relay) as alice:
        await alice.store(event)
        assert await alice.stored({"kinds": [65535], "until": 0}) == [event.id]


async def test_kinds_that_are_stored_and_nothing_more(relay: Server) -> None:
    key = fresh_key()
    events = [make_event(key, kind) for kind in (2, 6, 8, 1063, 1984, 9735, 30023, 10002)]
    async with client(relay) as alice:
        await alice.store(*events)
        assert set(await alice.stored({"authors": [key.pubkey]})) == {event.id for event in events}
