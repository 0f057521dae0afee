"""A subscription over many connections, without sockets: nothing lost, nothing twice, the end of what is stored seen."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.client import messages
from relay.client.conversation import LIVE, PAGE, Conversation, EndOfStored, Memory, Step
from relay.client.messages import Eose, EventMessage
from relay.protocol import filter as filters
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from tests.factories import NOW, make_event

NOTES = Filter(kinds=frozenset({1}))


def asked(frames: tuple[bytes, ...]) -> list[list[Any]]:
    return [json.loads(frame) for frame in frames]


def note(number: int, at: int = NOW) -> Event:
    return make_event(1, content=str(number), created_at=at)


def live(conversation: Conversation, event: Event, now: float = NOW) -> Step:
    return conversation.receive(EventMessage(LIVE, event), now)


def started(*wanted: Filter, overlap: int = 10, complete: bool = True, events: tuple[Event, ...] = ()) -> Conversation:
    """A conversation whose first history has come to its end."""
    conversation = Conversation(wanted or (NOTES,), overlap)
    conversation.open()
    for event in events:
        assert live(conversation, event).item == event
    assert conversation.receive(Eose(LIVE, complete), NOW).item == EndOfStored(complete, resumed=False)
    return conversation


def test_the_filters_are_asked_for_as_they_are() -> None:
    wanted = (Filter(kinds=frozenset({1}), limit=5), Filter(ids=frozenset()))
    assert asked(Conversation(wanted).open()) == [["REQ", LIVE, {"kinds": [1], "limit": 5}, {"ids": []}]]


def test_a_known_event_is_not_given_again() -> None:
    conversation = started(events=(note(1),))
    assert live(conversation, note(1)) == Step()


def test_a_forged_event_is_complained_of_and_does_not_hide_the_true_one() -> None:
    conversation = started()
    step = live(conversation, msgspec.structs.replace(note(1), content="forged"))
    assert step.item is None
    assert step.fault is not None
    assert note(1).id in step.fault
    assert live(conversation, note(1)).item == note(1)


def test_an_event_of_another_subscription_is_passed_over() -> None:
    assert started().receive(EventMessage("another", note(1)), NOW) == Step()


def test_an_event_nobody_asked_for_is_complained_of() -> None:
    step = live(started(), make_event(1, kind=4))
    assert step.item is None
    assert step.fault is not None


def test_after_a_drop_the_live_part_comes_first_and_then_what_was_missed() -> None:
    conversation = started(events=(note(1),))
    assert asked(conversation.open()) == [
        ["REQ", LIVE, {"kinds": [1], "limit": 0}],
        ["REQ", PAGE, {"kinds": [1], "since": NOW - 10}],
    ]
    assert not conversation.caught_up
    assert conversation.receive(Eose(LIVE, None), NOW) == Step()
    step = conversation.receive(Eose(PAGE, True), NOW)
    assert step.item == EndOfStored(complete=True, resumed=True)
    assert asked(step.send) == [["CLOSE", PAGE]]
    assert conversation.caught_up


def test_a_drop_before_the_first_end_asks_for_the_whole_history_again_and_gives_the_rest() -> None:
    conversation = Conversation((NOTES,))
    first = conversation.open()
    assert live(conversation, note(2)).item == note(2)
    assert conversation.open() == first
    assert live(conversation, note(2)) == Step()
    assert live(conversation, note(1)).item == note(1)
    assert conversation.receive(Eose(LIVE, True), NOW).item == EndOfStored(complete=True, resumed=False)


def test_pages_go_back_until_the_relay_has_no_more() -> None:
    conversation = started(events=(note(0),))
    conversation.open()
    conversation.receive(Eose(LIVE, None), NOW)
    pages = [[note(9, NOW + 9), note(8, NOW + 8)], [note(8, NOW + 8), note(7, NOW + 7)], []]
    untils = []
    given_on = []
    step = Step()
    for page in pages:
        given_on += [conversation.receive(EventMessage(PAGE, event), NOW + 9).item for event in page]
        step = conversation.receive(Eose(PAGE, None), NOW + 9)
        untils += [message[2]["until"] for message in asked(step.send) if message[0] == "REQ"]
    assert [event.content for event in given_on if isinstance(event, Event)] == ["9", "8", "7"]
    assert untils == [NOW + 8, NOW + 7]
    assert step.item == EndOfStored(complete=True, resumed=True)


def test_a_second_that_fills_a_page_is_passed() -> None:
    conversation = started(events=(note(0),))
    conversation.open()
    untils = []
    for _ in range(2):
        conversation.receive(EventMessage(PAGE, note(5, NOW + 5)), NOW + 9)
        untils.append(asked(conversation.receive(Eose(PAGE, False), NOW + 9).send)[0][2]["until"])
    assert untils == [NOW + 5, NOW + 4]


def test_each_filter_is_caught_up_on_by_itself() -> None:
    other = Filter(tags={"t": frozenset({"x"})}, since=NOW + 5)
    conversation = started(NOTES, other, events=(note(0),))
    assert asked(conversation.open())[1] == ["REQ", PAGE, {"kinds": [1], "since": NOW - 10}]
    step = conversation.receive(Eose(PAGE, True), NOW)
    assert asked(step.send) == [["REQ", PAGE, {"#t": ["x"], "since": NOW + 5}]]


def test_a_filter_whose_time_is_over_is_not_caught_up_on() -> None:
    conversation = started(Filter(until=NOW - 100), events=())
    conversation.open()
    assert conversation.receive(Eose(LIVE, None), NOW).item == EndOfStored(complete=True, resumed=True)


@pytest.mark.parametrize("limit", [1, 2])
def test_what_the_limit_cut_off_is_not_given_after_a_drop(limit: int) -> None:
    given_first = tuple(note(number, NOW - number) for number in range(limit))
    conversation = started(msgspec.structs.replace(NOTES, limit=limit), complete=False, events=given_first)
    assert asked(conversation.open())[1][2] == {"kinds": [1], "since": NOW - limit + 1}


def test_who_wants_no_history_gets_none_after_a_drop() -> None:
    conversation = started(msgspec.structs.replace(NOTES, limit=0))
    assert asked(conversation.open())[1][2] == {"kinds": [1], "since": NOW}


def test_an_event_from_the_future_does_not_hide_what_is_missed_now() -> None:
    conversation = started()
    live(conversation, note(1, NOW + 900), now=NOW + 5)
    assert asked(conversation.open())[1][2]["since"] == NOW + 5 - 10


def test_a_clock_that_runs_ahead_does_not_hide_what_is_missed() -> None:
    conversation = started()
    live(conversation, note(1, NOW), now=NOW + 86400)
    assert asked(conversation.open())[1][2]["since"] == NOW - 10


def test_history_that_was_not_asked_for_is_passed_over() -> None:
    conversation = started(events=(note(1),))
    conversation.open()
    assert live(conversation, note(2, NOW - 3600)) == Step()
    conversation.receive(Eose(LIVE, None), NOW)
    assert live(conversation, note(2, NOW - 3600)).item == note(2, NOW - 3600)


def test_a_page_is_not_asked_from_before_what_is_remembered() -> None:
    conversation = Conversation((NOTES,), overlap=1000, memory=2)
    conversation.open()
    conversation.receive(Eose(LIVE, True), NOW)
    for number in range(4):
        live(conversation, note(number, NOW + number), now=NOW + 10)
    assert asked(conversation.open())[1][2]["since"] == NOW + 2


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 20))
def test_the_memory_knows_the_newest_and_says_from_when_on(times: list[int], size: int) -> None:
    memory = Memory(size)
    seen = [note(number, at) for number, at in enumerate(times)]
    for event in seen:
        memory.add(event)
    assert sum(event.id in memory for event in seen) == min(size, len(seen))
    assert all(event.id in memory for event in seen if event.created_at > memory.forgotten)


class Model:
    """A relay as it ought to be, with a cap on what it gives at once; it answers on a connection that may be cut."""

    def __init__(self, cap: int, hints: bool) -> None:
        self.stored: list[Event] = []
        self.live: dict[str, list[Filter]] = {}
        self._cap = cap
        self._hints = hints

    def hear(self, frame: bytes) -> list[messages.Word]:
        verb, name, *rest = json.loads(frame)
        if verb == "CLOSE":
            self.live.pop(name, None)
            return []
        self.live[name] = [filters.parse(one) for one in rest]
        out: dict[str, Event] = {}
        complete = True
        for one in self.live[name]:
            found = sorted((e for e in self.stored if matches(one, e)), key=lambda e: (-e.created_at, e.id))
            cap = min(self._cap, self._cap if one.limit is None else one.limit)
            while 0 < cap < len(found) and found[cap].created_at == found[cap - 1].created_at:
                cap += 1  # NIP-67: the second in which the limit falls is finished
            complete &= len(found) <= cap
            out |= {event.id: event for event in found[:cap]}
        return [*(EventMessage(name, event) for event in out.values()), Eose(name, complete if self._hints else None)]

    def take(self, event: Event) -> list[messages.Word]:
        self.stored.append(event)
        return [
            EventMessage(name, event)
            for name, wanted in self.live.items()
            if any(matches(one, event) for one in wanted)
        ]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(-5, 5), st.integers(1, 3)),
        st.tuples(st.just("read"), st.integers(1, 9), st.just(0)),
        st.tuples(st.just("drop"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 30), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 4), st.booleans(), st.integers(0, 6))
def test_whatever_happens_to_the_connection_every_event_is_given_once(
    steps: list[tuple[str, int, int]], cap: int, hints: bool, before: int
) -> None:
    """Events are up to five seconds off; connections are cut at any moment, with what was under way on them."""
    relay = Model(cap, hints)
    wanted = (Filter(kinds=frozenset({1, 2})), Filter(kinds=frozenset({2, 3})))
    now, number = NOW, 0
    for number in range(before):
        relay.take(make_event(1, kind=1, content=str(number), created_at=now - 100 - number))
    first = relay.stored[:cap]
    conversation = Conversation(wanted, overlap=10)
    given_on: list[Event] = []
    wire: list[messages.Word] = []

    def say(frames: tuple[bytes, ...]) -> None:
        for frame in frames:
            wire.extend(relay.hear(frame))

    def read(count: int) -> None:
        for _ in range(count):
            if wire:
                step = conversation.receive(wire.pop(0), now)
                assert step.fault is None
                given_on.extend([step.item] if isinstance(step.item, Event) else [])
                say(step.send)

    def reconnect() -> None:
        wire.clear()
        relay.live.clear()
        say(conversation.open())

    say(conversation.open())
    read(len(wire))
    for what, amount, kind in steps:
        if what == "publish":
            number += 1
            wire.extend(relay.take(make_event(1, kind=kind, content=str(number), created_at=now + amount)))
        elif what == "read":
            read(amount)
        elif what == "drop":
            reconnect()
        else:
            now += amount
    reconnect()
    while wire:
        read(1)
    ids = [event.id for event in given_on]
    assert len(ids) == len(set(ids))
    assert set(ids) == {event.id for event in [*first, *relay.stored[before:]]}
