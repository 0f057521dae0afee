import json

import pytest

from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol import session as sessions
from relay.protocol.event import wire
from relay.protocol.messages import Publish
from relay.protocol.session import (
    Authenticate,
    Cancel,
    CountRequest,
    Open,
    Refuse,
    RefuseComparison,
    Rules,
    Session,
    Size,
)
from tests.factories import keypair, make_event

RULES = Rules(max_subscriptions=2, max_filters=3, max_filter_values=1000, auth_to_read=False)
ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey


def ask(session: Session, *parts: object, rules: Rules = RULES) -> sessions.Effect:
    return session.receive(json.dumps(parts).encode(), rules)


def refusal(effect: sessions.Effect) -> list[object]:
    answer = effect.reply if isinstance(effect, Refuse | RefuseComparison) else effect
    assert isinstance(answer, bytes)
    decoded: list[object] = json.loads(answer)
    return decoded


def authenticated(*keys: str) -> Session:
    session = Session("challenge")
    for key in keys:
        session.authenticated(key)
    return session


def test_an_event_is_published() -> None:
    event = make_event()
    assert Session("c").receive(b'["EVENT",' + wire(event) + b"]", RULES) == Publish(event)


def test_a_request_opens_a_subscription() -> None:
    effect = ask(Session("c"), "REQ", "s", {"kinds": [1]}, {"limit": 0})
    assert isinstance(effect, Open)
    assert effect.subscription == "s"
    assert [wanted.limit for wanted in effect.filters] == [None, 0]


def test_a_count_is_a_tally_and_takes_no_room_among_subscriptions() -> None:
    session = Session("c")
    session.subscriptions = {"a": object(), "b": object()}
    assert isinstance(ask(session, "COUNT", "a", {"kinds": [1]}), CountRequest)


def test_close_cancels_and_has_no_answer() -> None:
    assert ask(Session("c"), "CLOSE", "unheard of") == Cancel("unheard of")


def test_an_auth_message_is_to_be_checked() -> None:
    proof = make_event(kind=22242)
    effect = Session("c").receive(b'["AUTH",' + wire(proof) + b"]", RULES)
    assert effect == Authenticate(proof)


def test_keys_accumulate() -> None:
    session = authenticated(ALICE)
    session.authenticated(BOB)
    session.authenticated(ALICE)
    assert session.keys == {ALICE, BOB}


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
def test_reading_needs_authentication_where_the_relay_says_so(verb: str) -> None:
    rules = Rules(2, 3, 1000, auth_to_read=True)
    answer = refusal(ask(Session("c"), verb, "s", {"kinds": [1]}, rules=rules))
    assert answer[:2] == ["CLOSED", "s"]
    assert str(answer[2]).startswith("auth-required: ")
    assert isinstance(ask(authenticated(ALICE), verb, "s", {"kinds": [1]}, rules=rules), Open | CountRequest)


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
def test_takes_as_many_filters_as_the_limit_and_no_more(verb: str) -> None:
    assert isinstance(ask(Session("c"), verb, "s", *[{}] * 3), Open | CountRequest)
    answer = refusal(ask(Session("c"), verb, "s", *[{}] * 4))
    assert answer[:2] == ["CLOSED", "s"]
    assert str(answer[2]).startswith("invalid: ")


def test_a_subscription_too_many_is_closed_but_an_open_one_may_be_replaced() -> None:
    session = Session("c")
    session.subscriptions = {"a": object(), "b": object()}
    answer = refusal(ask(session, "REQ", "c", {}))
    assert answer[:2] == ["CLOSED", "c"]
    assert str(answer[2]).startswith("rate-limited: ")  # "restricted" would tell clients that the relay is not for them
    assert isinstance(ask(session, "REQ", "b", {}), Open)


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
@pytest.mark.parametrize("kind", [4, 1059, 21059])
def test_private_kinds_need_authentication(verb: str, kind: int) -> None:
    answer = refusal(ask(Session("c"), verb, "s", {"kinds": [kind], "#p": [ALICE]}))
    assert answer[:2] == ["CLOSED", "s"]
    assert str(answer[2]).startswith("auth-required: ")


@pytest.mark.parametrize(
    ("wanted", "closed", "prefix", "challenged"),
    [
        ({}, True, "auth-required", True),
        ({}, False, None, False),
        ({"kinds": [4]}, False, "auth-required", True),
        ({"kinds": [4, 1059, 21059]}, False, "auth-required", True),
        ({"kinds": [1, 1059]}, False, None, True),
        ({"search": "x"}, False, "unsupported", False),
        ({"#t": [str(n) for n in range(1001)]}, False, "rate-limited", False),
    ],
)
def test_a_comparison_needs_what_a_request_needs(
    wanted: dict[str, object], closed: bool, prefix: str | None, challenged: bool
) -> None:
    rules = Rules(2, 3, 1000, auth_to_read=closed, max_compared=10)
    session = Session("c")
    effect = ask(session, "NEG-OPEN", "n", wanted, "6100000200", rules=rules)
    assert isinstance(effect, RefuseComparison) is (prefix is not None)
    if prefix is not None:
        answer = refusal(effect)
        assert answer[:2] == ["NEG-ERR", "n"]
        assert str(answer[2]).startswith(f"{prefix}: ")
    assert session.challenge_due is challenged


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
@pytest.mark.parametrize("wanted", [{"kinds": [1059]}, {"kinds": [4]}, {"kinds": [4], "authors": [BOB]}])
def test_the_private_messages_of_others_are_restricted(verb: str, wanted: dict[str, object]) -> None:
    answer = refusal(ask(authenticated(ALICE), verb, "s", {**wanted, "#p": [BOB]}))
    assert str(answer[2]).startswith("restricted: ")


@pytest.mark.parametrize(
    "wanted",
    [
        {"kinds": [1059]},
        {"kinds": [1059], "#p": [ALICE]},
        {"kinds": [1059], "#p": [BOB, ALICE]},
        {"kinds": [4], "authors": [ALICE], "#p": [BOB]},
        {"kinds": [4, 1059], "#p": [ALICE]},
    ],
)
def test_own_private_messages_may_be_asked_for(wanted: dict[str, object]) -> None:
    assert isinstance(ask(authenticated(ALICE), "REQ", "s", wanted), Open)


def test_the_author_of_a_gift_wrap_is_no_reader_of_it() -> None:
    answer = refusal(ask(authenticated(ALICE), "REQ", "s", {"kinds": [1059], "authors": [ALICE], "#p": [BOB]}))
    assert str(answer[2]).startswith("restricted: ")


@pytest.mark.parametrize("wanted", [{}, {"kinds": [1, 1059]}, {"kinds": []}, {"authors": [BOB]}])
def test_a_filter_that_is_not_about_private_kinds_alone_is_open_to_all(wanted: dict[str, object]) -> None:
    assert isinstance(ask(Session("c"), "REQ", "s", wanted), Open)


def test_one_private_filter_among_others_refuses_the_whole_request() -> None:
    answer = refusal(ask(Session("c"), "REQ", "s", {"kinds": [1]}, {"kinds": [4]}))
    assert str(answer[2]).startswith("auth-required: ")


@pytest.mark.parametrize("wanted", [{"ids": ["x"]}, {"unheard": 1}, {"kinds": [1059]}, 7])
def test_a_refused_request_ends_the_subscription_of_its_id(wanted: object) -> None:
    effect = ask(Session("c"), "REQ", "s", wanted)
    assert isinstance(effect, Refuse)
    assert effect.subscription == "s"
    assert refusal(effect)[:2] == ["CLOSED", "s"]
    assert isinstance(ask(Session("c"), "COUNT", "s", wanted), bytes)


def test_a_request_that_is_no_json_ends_the_subscription_of_its_id() -> None:
    effect = Session("c").receive(b'["REQ","s",{"search":"\\ud800"}]', RULES)
    assert isinstance(effect, Refuse)
    assert effect.subscription == "s"
    assert isinstance(Session("c").receive(b'["COUNT","s",{"search":"\\ud800"}]', RULES), bytes)


@pytest.mark.parametrize("verb", ["NEG-OPEN", "NEG-MSG"])
def test_a_comparison_ends_by_a_message_of_it_that_is_no_json(verb: str) -> None:
    effect = Session("c").receive(f'["{verb}","s",{{"kinds":[1],}},"61"]'.encode(), RULES)
    assert isinstance(effect, RefuseComparison)
    assert effect.subscription == "s"
    assert refusal(effect)[:2] == ["NEG-ERR", "s"]


def test_what_cannot_be_acted_on_is_answered() -> None:
    assert refusal(ask(Session("c"), "SHOUT", "hello"))[0] == "NOTICE"


def test_a_refused_effect_is_answered_in_its_own_form() -> None:
    event, reason = make_event(), Reject(Prefix.RATE_LIMITED, "slow down")
    text = "rate-limited: slow down"
    assert refusal(sessions.refusal_of(Publish(event), reason) or b"") == ["OK", event.id, False, text]
    assert refusal(sessions.refusal_of(Authenticate(event), reason) or b"") == ["OK", event.id, False, text]
    assert refusal(sessions.refusal_of(Open("s", (), Size(0)), reason) or b"") == ["CLOSED", "s", text]
    assert refusal(sessions.refusal_of(CountRequest("s", (), None), reason) or b"") == ["CLOSED", "s", text]
    assert sessions.refusal_of(Cancel("s"), reason) is None
    assert refusal(sessions.refusal_of(messages.notice("invalid: what"), reason) or b"") == ["NOTICE", text]
    named = messages.ok("ab", False, "invalid: what")
    assert sessions.refusal_of(named, reason) == named  # its sender waits for that name


@pytest.mark.parametrize(("verb", "reply"), [("REQ", "CLOSED"), ("COUNT", "CLOSED"), ("NEG-OPEN", "NEG-ERR")])
def test_what_holds_far_too_many_values_is_refused_by_its_name_before_it_is_decoded(verb: str, reply: str) -> None:
    most = RULES.max_filter_values + RULES.max_filters * 1000
    written = f'["{verb}","s",{{"kinds":[%s1]}}]'
    answer = refusal(Session("c").receive((written % ("1," * (most - 1))[:-2] + "x").encode(), RULES))
    assert str(answer[2]).startswith("invalid: the message must be")  # as many as that are looked at
    answer = refusal(Session("c").receive((written % ("1," * most) + "x").encode(), RULES))
    assert answer[:2] == [reply, "s"]
    assert str(answer[2]).startswith("rate-limited: the open filters")


def test_a_long_event_may_hold_any_number_of_commas() -> None:
    event = make_event(content="," * 100_000)
    assert Session("c").receive(b'["EVENT",' + wire(event) + b"]", RULES) == Publish(event)


class TestChallenge:
    """A client is challenged when something needs its key."""

    def test_it_is_not_due_to_a_client_that_asks_for_what_is_public(self) -> None:
        session = Session("c")
        for parts in (["REQ", "s", {"kinds": [1]}], ["REQ", "s", {}], ["COUNT", "s", {"#p": [ALICE]}], ["CLOSE", "s"]):
            ask(session, *parts)
        assert not session.challenge_due

    @pytest.mark.parametrize("verb", ["REQ", "COUNT"])
    @pytest.mark.parametrize("kinds", [[4], [1059], [1, 21059]])
    def test_a_filter_that_names_private_kinds_needs_one(self, verb: str, kinds: list[int]) -> None:
        session = Session("c")
        ask(session, verb, "s", {"kinds": [7]}, {"kinds": kinds})
        assert session.challenge_due

    @pytest.mark.parametrize("verb", ["REQ", "COUNT"])
    def test_reading_where_it_needs_a_key_needs_one(self, verb: str) -> None:
        session = Session("c")
        ask(session, verb, "s", {}, rules=Rules(2, 3, 1000, auth_to_read=True))
        assert session.challenge_due

    def test_a_proof_without_one_needs_one(self) -> None:
        session = Session("c")
        session.receive(b'["AUTH",' + wire(make_event(kind=22242)) + b"]", RULES)
        assert session.challenge_due

    def test_it_is_given_once(self) -> None:
        session = Session("c")
        session.need_challenge()
        assert json.loads(session.give_challenge()) == ["AUTH", "c"]
        ask(session, "REQ", "s", {"kinds": [4]})
        assert not session.challenge_due


def test_a_search_is_of_the_kinds_that_are_searched() -> None:
    rules = Rules(2, 4, 1000, auth_to_read=False, searched=frozenset([1, 11]))
    effect = ask(
        Session("c"), "REQ", "s", {"search": "x"}, {"search": "x", "kinds": [1, 7]}, {"kinds": [7]}, rules=rules
    )
    assert isinstance(effect, Open)
    assert [wanted.kinds for wanted in effect.filters] == [frozenset([1, 11]), frozenset([1]), frozenset([7])]


def test_a_count_that_searches_takes_one_filter() -> None:
    assert isinstance(ask(Session("c"), "COUNT", "s", {"search": "x"}), CountRequest)
    for other in ({}, {"kinds": [4], "#p": [ALICE]}):
        answer = refusal(ask(authenticated(ALICE), "COUNT", "s", {"search": "x"}, other))
        assert str(answer[2]).startswith("unsupported: ")


def test_the_open_searches_of_a_connection_are_for_so_many_words_and_those_that_end_make_room() -> None:
    rules = Rules(100, 30, 20_000, auth_to_read=False, searched=frozenset([1]))
    session = Session("c")
    filters = [{"search": " ".join(f"w{number}x{word}*" for word in range(20))} for number in range(25)]
    opened = ask(session, "REQ", "a", *filters, rules=rules)
    assert isinstance(opened, Open)
    session.opened(opened, object())
    assert isinstance(ask(session, "REQ", "a", *filters, rules=rules), Open)
    answer = refusal(ask(session, "REQ", "b", {"search": "one"}, rules=rules))
    assert answer[0] == "CLOSED"
    assert answer[2].startswith("rate-limited: ")
    assert isinstance(ask(session, "REQ", "b", {"kinds": [1]}, rules=rules), Open)
    assert isinstance(ask(session, "COUNT", "b", {"search": "one"}, rules=rules), CountRequest)
    session.cancel("a")
    assert isinstance(ask(session, "REQ", "b", {"search": "one"}, rules=rules), Open)
    for wanted in (filters, [{"kinds": [1]}]):  # what takes the place of a search makes room as well
        replaced = ask(session, "REQ", "a", *wanted, rules=rules)
        assert isinstance(replaced, Open)
        session.opened(replaced, object())
    assert isinstance(ask(session, "REQ", "b", {"search": "one"}, rules=rules), Open)


def test_the_words_of_a_search_count_among_the_values_of_a_connection() -> None:
    rules = Rules(2, 3, 5, auth_to_read=False)
    assert isinstance(ask(Session("c"), "REQ", "s", {"search": "one two three four five"}, rules=rules), Open)
    assert isinstance(ask(Session("c"), "REQ", "s", {"search": "one two three four five six"}, rules=rules), Refuse)


def test_values_are_counted_however_often_subscriptions_are_replaced_and_closed() -> None:
    rules = Rules(max_subscriptions=9, max_filters=3, max_filter_values=10, auth_to_read=False)
    session = Session("c")
    for _ in range(30):
        for name, number in (("a", 6), ("b", 4), ("a", 2), ("b", 8)):
            effect = ask(session, "REQ", name, {"kinds": list(range(number))}, rules=rules)
            assert isinstance(effect, Open)
            session.opened(effect, object())
        assert refusal(ask(session, "REQ", "c", {"kinds": [1]}, rules=rules))[:2] == ["CLOSED", "c"]
        for name in ("a", "b", "a"):
            session.cancel(name)
    assert isinstance(ask(session, "REQ", "c", {"kinds": list(range(10))}, rules=rules), Open)
    assert isinstance(ask(session, "REQ", "c", {"kinds": list(range(11))}, rules=rules), Refuse)
