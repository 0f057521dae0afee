"""Facts: asked for until nothing is missing, and never guessed."""

from collections.abc import Iterable

import pytest

from relay.protocol.event import address_of
from relay.protocol.facts import ROUNDS, Facts, Need, Target, gather, target_of
from tests.factories import keypair, make_event


def test_what_was_found_may_lead_to_further_needs() -> None:
    facts = Facts()
    asked: list[list[Need]] = []

    def needs() -> Iterable[Need]:
        yield "events", "a"
        if "a" in facts.events:
            yield "keys", "b"

    def look_up(missing: list[Need]) -> None:
        asked.append(missing)
        for family, key in missing:
            getattr(facts, family)[key] = None

    gather(needs, facts, look_up)
    assert asked == [[("events", "a")], [("keys", "b")]]


@pytest.mark.parametrize(("number", "is_too_many"), [(ROUNDS, False), (ROUNDS + 1, True)])
def test_needs_come_to_an_end_within_the_rounds(number: int, is_too_many: bool) -> None:
    facts = Facts()

    def needs() -> Iterable[Need]:
        return [("events", str(n)) for n in range(min(len(facts.events) + 1, number))]

    def look_up(missing: list[Need]) -> None:
        facts.events.update((key, None) for _, key in missing)

    if is_too_many:
        with pytest.raises(RuntimeError, match="more than 3 rounds"):
            gather(needs, facts, look_up)
    else:
        gather(needs, facts, look_up)


def test_an_absent_fact_was_looked_up_and_one_that_nobody_asked_for_is_an_error() -> None:
    facts = Facts(keys={"a": None})
    assert facts.identity_of("a") is None
    with pytest.raises(KeyError):
        facts.identity_of("b")


def test_facts_of_one_transaction_are_no_other_s() -> None:
    Facts().events["x"] = None
    assert Facts().events == {}


def test_a_target_is_the_event_without_its_text() -> None:
    article = make_event(1, 30023, "long", [["d", "x"], ["p", keypair(2).pubkey]])
    assert target_of(article) == Target(article.pubkey, 30023, article.created_at, address_of(article))
    wrap = make_event(1, 1059, "sealed", [["p", keypair(2).pubkey]])
    assert target_of(wrap) == Target(wrap.pubkey, 1059, wrap.created_at, None, (keypair(2).pubkey,))
