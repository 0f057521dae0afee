"""The index of live filters gives what asking every filter gives."""

import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.protocol import matcher, search
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from relay.protocol.matcher import Matcher
from tests.factories import make_event
from tests.protocol import strategies

FILTERS = strategies.filters() | strategies.searches()
STEPS = st.lists(st.tuples(st.integers(0, 5), st.none() | st.lists(FILTERS, max_size=3)), max_size=12)


@settings(max_examples=400)
@given(steps=STEPS, events=st.lists(strategies.events(), min_size=1, max_size=5))
def test_finds_exactly_the_subscriptions_with_a_filter_that_matches(
    steps: list[tuple[int, list[Filter] | None]], events: list[Event]
) -> None:
    index: Matcher[int] = Matcher()
    model: dict[int, list[Filter]] = {}
    for subscription, filters in steps:
        if filters is None:
            index.remove(subscription)
            model.pop(subscription, None)
        else:
            index.add(subscription, filters)
            model[subscription] = filters
    for event in events:
        expected = [name for name, filters in model.items() if any(matches(each, event) for each in filters)]
        assert sorted(index.match(event)) == sorted(expected)


def test_each_field_of_a_filter_counts_beside_any_others() -> None:
    event = make_event(tags=[["e", "1" * 64], ["t", "x"]], content="low water", created_at=1000)
    fields: dict[str, tuple[object, object]] = {  # what matches it, and what does not
        "ids": (frozenset([event.id]), frozenset(["2" * 64])),
        "authors": (frozenset([event.pubkey]), frozenset(["2" * 64])),
        "kinds": (frozenset([1]), frozenset([7])),
        "e": (frozenset(["1" * 64]), frozenset(["2" * 64])),
        "t": (frozenset(["x", "y"]), frozenset(["y"])),
        "since": (1000, 1001),
        "until": (1000, 999),
        "search": ("water", "ebb"),
    }

    def found(chosen: tuple[str, ...], wrong: str) -> bool:
        given = {name: fields[name][name == wrong] for name in chosen}
        tags = {name: given.pop(name) for name in ("e", "t") if name in given}
        wanted = Filter(**given, tags=tags)  # type: ignore[arg-type]
        index: Matcher[str] = Matcher()
        index.add("a", [wanted])
        assert (index.match(event) == ["a"]) is matches(wanted, event)
        return matches(wanted, event)

    for size in range(len(fields) + 1):
        for chosen in itertools.combinations(fields, size):
            assert found(chosen, "")
            assert not any(found(chosen, wrong) for wrong in chosen)


@given(steps=STEPS)
def test_removing_every_subscription_leaves_nothing_behind(steps: list[tuple[int, list[Filter] | None]]) -> None:
    index: Matcher[int] = Matcher()
    for subscription, filters in steps:
        index.add(subscription, filters or [])
    for subscription in range(6):
        index.remove(subscription)
    assert len(index) == 0
    assert not any(getattr(index, name) for name in vars(index))


def test_a_subscription_is_found_once_when_several_of_its_filters_match() -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter(), Filter(kinds=frozenset([1])), Filter(tags={"t": frozenset("xy")})])
    assert index.match(make_event(tags=[["t", "x"], ["t", "y"]])) == ["a"]


def test_adding_again_replaces_the_earlier_filters() -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter(kinds=frozenset([1]))])
    index.add("a", [Filter(kinds=frozenset([2]))])
    assert index.match(make_event(kind=1)) == []
    assert index.match(make_event(kind=2)) == ["a"]
    assert len(index) == 1


def test_removing_what_was_never_added_changes_nothing() -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter()])
    index.remove("b")
    assert index.match(make_event()) == ["a"]


def test_filters_that_differ_in_their_limit_alone_are_kept_once_and_both_answered() -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter(limit=0)])
    index.add("b", [Filter(limit=9)])
    assert sorted(index.match(make_event())) == ["a", "b"]


def test_a_filter_of_more_values_than_the_index_takes_is_answered_all_the_same() -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter(kinds=frozenset(range(1, matcher.MAX_KEYS + 2)))])
    assert index.match(make_event(kind=1)) == ["a"]
    assert index.match(make_event(kind=0)) == []


def test_a_search_by_beginnings_only_is_answered_too() -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter(search="tid*")])
    assert index.match(make_event(content="Tides")) == ["a"]
    assert index.match(make_event(content="the sand")) == []


MANY = ["".join(letters) for letters in itertools.product(string.ascii_lowercase, repeat=3)][:2000]


def test_words_are_prepared_once_an_event_however_many_search(monkeypatch: pytest.MonkeyPatch) -> None:
    index: Matcher[int] = Matcher()
    for number in range(100):
        index.add(number, [Filter(search=f"zz{ending}*") for ending in MANY[number * 20 : number * 20 + 20]])
    prepared, compared = [], []
    words, found = search.words, search.found
    monkeypatch.setattr(search, "words", lambda *given: prepared.append(given) or words(*given))
    monkeypatch.setattr(search, "found", lambda *given: compared.append(given) or found(*given))
    assert index.match(make_event(content=" ".join(f"yy{one} {one}zz" for one in MANY))) == []
    assert (len(prepared), len(compared)) == (2, 0)  # title and text; no filter is asked
    assert index.match(make_event(content=f"the zz{MANY[50]}x and zz{MANY[55]}")) == [2]
    assert (len(prepared), len(compared)) == (4, 2)


def test_no_words_are_prepared_for_events_of_kinds_that_nobody_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    index: Matcher[str] = Matcher()
    index.add("a", [Filter(search="tide", kinds=frozenset([1, 11]))])
    index.add("b", [Filter(kinds=frozenset([7]))])
    monkeypatch.setattr(matcher, "SearchedText", None)
    assert index.match(make_event(kind=7, content="tide")) == ["b"]
    monkeypatch.undo()
    assert index.match(make_event(kind=11, content="tide")) == ["a"]


@pytest.mark.parametrize("number", [3, 300])
def test_beginnings_are_found_where_they_are_fewer_than_the_words_and_where_they_are_more(number: int) -> None:
    index: Matcher[str] = Matcher()
    for one in MANY[:number]:
        index.add(one, [Filter(search=f"{one}*")])
    text = " ".join(f"{one}word" for one in MANY[2:40])
    assert sorted(index.match(make_event(content=text))) == [one for one in MANY[:number] if one in MANY[2:40]]
