"""Which rule decides, and by what: compared with rules that are gone through one after another, kind by kind."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.retention import DAY, NEVER, Retention, RetentionRule, horizons, is_looser, never_within, why_never
from tests.factories import NOW, keypair

PUBKEYS = [keypair(n).pubkey for n in range(1, 4)]
KINDS = [0, 1, 5, 7, 9, 11, 62, 1010, 1111, 9007, 10002, 30023, 39000]

_ranges = st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)).map(lambda pair: (min(pair), max(pair)))
_rules = st.builds(
    RetentionRule,
    kinds=st.lists(_ranges, min_size=1, max_size=2).map(tuple),
    days=st.sampled_from([0.5, 1, 2, 3]),
    authors=st.lists(st.sampled_from(PUBKEYS), max_size=2, unique=True).map(lambda some: tuple(sorted(some))),
    keep=st.sampled_from(["", "", "identities", "members"]),
)
_lists = st.lists(_rules, max_size=4)


def event(kind: int, pubkey: str, created_at: int, *tags: list[str]) -> Event:
    return Event("0" * 64, pubkey, created_at, kind, list(tags), "", "0" * 128)


_events = st.builds(
    event,
    st.sampled_from(KINDS),
    st.sampled_from(PUBKEYS),
    st.integers(0, 8).flatmap(lambda halves: st.sampled_from([NOW - halves * DAY // 2 + step for step in (-1, 0, 1)])),
    st.sampled_from([["h", "room"], ["t", "x"]]),
)


def ages(rules: list[RetentionRule], kind: int, pubkey: str) -> tuple[float, str] | None:
    """The days of the first rule that names it, and whom it keeps; None for good."""
    for rule in rules:
        numbers = {number for first, last in rule.kinds for number in range(first, last + 1)}
        if kind in numbers and (rule.authors == () or pubkey in rule.authors):
            return rule.days, rule.keep
    return None


def is_past(rules: list[RetentionRule], one: Event) -> bool:
    """Whether no rule that has a say keeps it, but by `keep`."""
    edited = [9] if any(tag[0] == "h" for tag in one.tags) else [11, 1111]
    of = edited if one.kind == kinds.EDIT else [one.kind]
    if any(why_never(kind) for kind in of):
        return False
    found = [ages(rules, kind, one.pubkey) for kind in of]
    return all(age is not None and NOW - one.created_at > age[0] * DAY for age in found)


@given(_lists, _events)
def test_the_first_rule_that_names_an_event_decides(rules: list[RetentionRule], one: Event) -> None:
    found = Retention(rules).ended(one, NOW)
    assert bool(found) is is_past(rules, one)
    if one.kind != kinds.EDIT:
        assert [(rule.days, rule.keep) for rule in found] == ([ages(rules, one.kind, one.pubkey)] if found else [])


@given(_lists, st.sampled_from(KINDS), st.sampled_from(PUBKEYS), st.integers(0, 5 * DAY).map(lambda age: NOW - age))
def test_nothing_before_the_horizon_is_kept(rules: list[RetentionRule], kind: int, pubkey: str, at: int) -> None:
    retention = Retention(rules)
    horizon = retention.horizon(kind, NOW)
    assert horizons(retention, [kind], NOW) == ({kind: horizon} if horizon else {})
    if at < horizon:
        found = retention.ended(event(kind, pubkey, at), NOW)
        assert found
        assert not any(rule.keep for rule in found)


def test_the_horizon_is_that_of_who_may_keep_it_for_longest() -> None:
    some, kept = RetentionRule(((1, 1),), 3, (PUBKEYS[0],)), RetentionRule(((1, 1),), 9, (PUBKEYS[0],), "members")
    anybody, later = RetentionRule(((1, 7),), 1), RetentionRule(((1, 1),), 5)
    assert Retention([some, anybody, later]).horizon(1, NOW) == NOW - 3 * DAY
    assert Retention([anybody, some]).horizon(1, NOW) == NOW - DAY
    assert [Retention([some]).horizon(1, NOW), Retention([kept, anybody]).horizon(1, NOW)] == [0, 0]
    assert Retention([anybody]).horizon(1, DAY - 1) == 0


@given(_lists, _lists, st.sampled_from(KINDS), st.sampled_from(PUBKEYS), st.integers(0, 5 * DAY))
def test_rules_that_are_not_looser_keep_nothing_more(
    new: list[RetentionRule], old: list[RetentionRule], kind: int, pubkey: str, age: int
) -> None:
    one = event(kind, pubkey, NOW - age)
    for some in (new, [msgspec.structs.replace(rule, days=rule.days / 2) for rule in old]):
        if not is_looser(some, old) and Retention(old).ended(one, NOW):
            assert Retention(some).ended(one, NOW)
    assert not is_looser(old, old)
    assert not is_looser(new, [])


@pytest.mark.parametrize(
    "kind",
    [0, 3, 5, 62, 1010, 8000, 8001, 9000, 9007, 9022, 10000, 13534, 19999, 20000, 28934, 28936, 33534, 39000, 39005],
)
def test_what_others_depend_on_is_kept_for_good(kind: int) -> None:
    assert why_never(kind)
    assert never_within(kind, kind) == (kind, why_never(kind))
    everything = Retention([RetentionRule(((0, kinds.MAX_KIND),), 1)])
    assert everything.deciding(kind, PUBKEYS[0]) is None


@given(st.integers(0, kinds.MAX_KIND), st.integers(0, 3000))
def test_a_range_names_what_is_in_it(first: int, length: int) -> None:
    last = min(first + length, kinds.MAX_KIND)
    never = [kind for kind in range(first, last + 1) if why_never(kind)]
    found = never_within(first, last)
    assert found == ((never[0], why_never(never[0])) if never else None)


def test_the_reasons_are_sentences_about_kinds_that_do_not_overlap() -> None:
    assert all(one[1] < following[0] for one, following in pairwise(NEVER))
