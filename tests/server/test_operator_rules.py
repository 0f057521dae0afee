"""What the operator said, over the settings' file: what holds, what is refused, and how values are kept."""

from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Access, Config
from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.server.events import policies
from relay.server.limits import addresses
from relay.server.limits.addresses import AddressSet, client_address
from relay.server.operator_rules import check, value_of
from relay.server.settings import Settings, overlaid
from storage.access import LiftRule, OperatorRules, RuleSubject, SetRule, SetText
from tests.factories import keypair, make_event

KEYS = [keypair(number).pubkey for number in range(4)]
OWN, OPERATOR, RELAY = KEYS[0], KEYS[1], KEYS[2]

some_keys = st.lists(st.sampled_from(KEYS), unique=True)
some_kinds = st.lists(st.integers(0, 3), unique=True)


Rule = tuple[RuleSubject, object, bool]


def rules_of(*said: Rule, texts: dict[str, str] | None = None) -> OperatorRules:
    lists: tuple[dict[RuleSubject, str], dict[RuleSubject, str]] = ({}, {})
    for subject, value, allowed in said:
        lists[allowed][subject] = f"{lists[allowed].get(subject, '')} {value}".strip()
    return OperatorRules(*lists, texts or {})


said_rules = st.dictionaries(
    st.one_of(
        st.tuples(st.just(RuleSubject.KEY), st.sampled_from(KEYS)),
        st.tuples(st.just(RuleSubject.KIND), st.integers(0, 3)),
    ),
    st.booleans(),
)


@given(
    denied=some_keys,
    allowed=some_keys,
    only=st.booleans(),
    denied_kinds=some_kinds,
    allowed_kinds=some_kinds,
    said=said_rules,
)
def test_an_event_is_taken_where_neither_denies_it_and_one_of_the_two_lists_it(
    *,
    denied: list[str],
    allowed: list[str],
    only: bool,
    denied_kinds: list[int],
    allowed_kinds: list[int],
    said: dict[tuple[RuleSubject, Any], bool],
) -> None:
    file = Config(
        access=Access(
            denied_keys=denied,
            allowed_keys=allowed,
            only_allowed=only,
            denied_kinds=denied_kinds,
            allowed_kinds=allowed_kinds,
        )
    )
    rules = rules_of(*((subject, value, is_allowed) for (subject, value), is_allowed in said.items()))
    config = overlaid(file, rules)
    for number, key in enumerate(KEYS):
        for kind in range(4):
            of_key, of_kind = said.get((RuleSubject.KEY, key)), said.get((RuleSubject.KIND, kind))
            listed = key in allowed or bool(of_key) or not (allowed or only)
            kind_listed = kind in allowed_kinds or bool(of_kind) or not allowed_kinds
            is_denied = key in denied or of_key is False or kind in denied_kinds or of_kind is False
            refusal = policies.refuse(make_event(number, kind), policies.Sender(Door.CLIENT), config, 1_700_000_000)
            assert (refusal is None) == (listed and kind_listed and not is_denied)


def test_a_reload_and_a_word_of_the_operator_leave_each_other_alone() -> None:
    settings = Settings(msgspec.convert({"relay": {"name": "File"}}, Config), "ws://relay.example")
    settings.hear(rules_of((RuleSubject.KEY, OWN, False), texts={"relay.name": "Said", "relay.url": "ws://other"}))
    assert (settings.config.relay.name, settings.config.access.denied_keys) == ("Said", [OWN])
    assert settings.config.relay.url == ""  # only names, descriptions and icons are to be said
    settings.read(msgspec.convert({"relay": {"name": "Other"}, "access": {"denied_keys": [RELAY]}}, Config))
    assert (settings.config.relay.name, settings.config.access.refused_keys) == ("Said", {OWN, RELAY})
    settings.hear(OperatorRules())
    assert (settings.config.relay.name, settings.config.access.refused_keys) == ("Other", {RELAY})


@pytest.mark.parametrize(
    ("subject", "text", "value"),
    [
        (RuleSubject.KEY, f" {OWN.upper()}\n", OWN),
        (RuleSubject.EVENT, "AB" * 32, "ab" * 32),
        (RuleSubject.KIND, "01", "1"),
        (RuleSubject.KIND, "65535", "65535"),
        (RuleSubject.ADDRESS, "203.0.113.7", "203.0.113.7"),
        (RuleSubject.ADDRESS, "203.0.113.7/24", "203.0.113.0/24"),
        (RuleSubject.ADDRESS, "2001:DB8::1", "2001:db8::1"),
        (RuleSubject.ADDRESS, "::ffff:203.0.113.7", "203.0.113.7"),
        (RuleSubject.ADDRESS, "::ffff:203.0.113.7/120", "203.0.113.0/24"),
    ],
)
def test_one_thing_is_kept_in_one_spelling(subject: RuleSubject, text: str, value: str) -> None:
    assert value_of(subject, text) == value


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (RuleSubject.KEY, "npub1"),
        (RuleSubject.KEY, OWN[:-1]),
        (RuleSubject.KEY, "g" * 64),
        (RuleSubject.EVENT, ""),
        (RuleSubject.KIND, "65536"),
        (RuleSubject.KIND, "-1"),
        (RuleSubject.KIND, "1.0"),
        (RuleSubject.KIND, "٣"),
        (RuleSubject.ADDRESS, "203.0.113"),
        (RuleSubject.ADDRESS, "example.org"),
        (RuleSubject.ADDRESS, "203.0.113.7/33"),
        (RuleSubject.ADDRESS, "x" * 10_000),
    ],
)
def test_what_makes_no_sense_is_refused_in_few_words(subject: RuleSubject, text: str) -> None:
    with pytest.raises(Reject) as caught:
        value_of(subject, text)
    assert caught.value.prefix is Prefix.INVALID
    assert len(caught.value.message) < 200


FILE = msgspec.convert(
    {
        "relay": {"pubkey": OWN},
        "server": {"trusted_proxies": ["192.0.2.7", "10.0.0.0/8", "2001:db8:1::7/128"]},
        "access": {
            "operators": [OPERATOR],
            "denied_keys": [KEYS[3]],
            "allowed_kinds": [7],
            "denied_addresses": ["203.0.113.0/24", "2001:DB8::1", "::ffff:198.51.100.7"],
        },
    },
    Config,
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (SetRule(RuleSubject.KEY, OWN, False), "operator's key"),
        (SetRule(RuleSubject.KEY, OPERATOR, False), "operator's key"),
        (SetRule(RuleSubject.KEY, RELAY, False), "relay's own key"),
        (SetRule(RuleSubject.KEY, KEYS[3], True), "access.denied_keys"),
        (LiftRule(RuleSubject.KEY, KEYS[3], False), "access.denied_keys"),
        (LiftRule(RuleSubject.KIND, "7", True), "access.allowed_kinds"),
        (SetRule(RuleSubject.KIND, "5", False), "always"),
        (SetRule(RuleSubject.KIND, "62", False), "always"),
        (LiftRule(RuleSubject.ADDRESS, "203.0.113.0/24", False), "access.denied_addresses"),
        (LiftRule(RuleSubject.ADDRESS, "2001:db8::1", False), "access.denied_addresses"),
        (LiftRule(RuleSubject.ADDRESS, "198.51.100.7", False), "access.denied_addresses"),
        (SetRule(RuleSubject.ADDRESS, "203.0.113.9", True), "banned or not"),
        (SetRule(RuleSubject.ADDRESS, "127.0.0.1", False), "this machine"),
        (SetRule(RuleSubject.ADDRESS, "::2", False), "this machine"),  # the /64 of ::1
        (SetRule(RuleSubject.ADDRESS, "0.0.0.0/0", False), "this machine"),
        (SetRule(RuleSubject.ADDRESS, "::/0", False), "this machine"),
        (SetRule(RuleSubject.ADDRESS, "192.0.2.7", False), "a proxy is there"),
        (SetRule(RuleSubject.ADDRESS, "192.0.2.0/24", False), "a proxy is there"),
        (SetRule(RuleSubject.ADDRESS, "2001:db8:1::9", False), "a proxy is there"),
        (SetRule(RuleSubject.ADDRESS, "10.0.0.0/7", False), "a proxy is there"),
        (SetRule(RuleSubject.KIND, "1", False, "x" * 1001), "1000 characters"),
        (SetText("relay.url", "ws://x"), "cannot be changed"),
        (SetText("relay.name", " "), "has a name"),
        (SetText("relay.name", "Har\x1b[31mbour"), "hidden characters"),
        (SetText("relay.name", "Har\nbour"), "hidden characters"),
        (SetText("relay.description", "\u202etxt"), "hidden characters"),
        (SetText("relay.icon", "javascript:alert(1)"), "URL of a picture"),
        (SetText("relay.description", "x" * 5001), "5,000 characters"),
    ],
)
def test_what_would_do_harm_or_would_not_hold_is_refused(change: Any, words: str) -> None:
    with pytest.raises(Reject, match=words):
        check(change, FILE, RELAY)


@pytest.mark.parametrize(
    "change",
    [
        SetRule(RuleSubject.KEY, KEYS[3], False),
        SetRule(RuleSubject.KEY, OPERATOR, True),
        LiftRule(RuleSubject.KEY, OWN, False),
        SetRule(RuleSubject.KIND, "1", False),
        SetRule(RuleSubject.KIND, "7", True),
        SetRule(RuleSubject.ADDRESS, "203.0.113.9", False),
        SetRule(RuleSubject.ADDRESS, "10.0.0.9", False),
        SetRule(RuleSubject.EVENT, "ab" * 32, False),
        SetText("relay.icon", ""),
        SetText("relay.icon", "https://relay.example/icon.png"),
        SetText("relay.name", None),
        SetText("relay.description", "Where ships are\nin a storm"),
    ],
)
def test_all_else_may_be_said(change: Any) -> None:
    check(change, FILE, RELAY)


@pytest.mark.parametrize(
    ("written", "address", "is_in"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.0/24", "203.0.113.8", True),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("2001:db8::1", "2001:db8::2", True),  # one client has a /64, and limits count it as one
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("2001:db8::/32", "2001:db8:7::1", True),
        ("203.0.113.0/24", "2001:db8::1", False),
        ("203.0.113.0/24", "local", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("::ffff:203.0.113.7", "::1", False),
        ("::ffff:203.0.113.0/120", "203.0.113.8", True),
    ],
)
def test_addresses_are_blocked_as_limits_count_them(written: str, address: str, is_in: bool) -> None:
    assert (client_address(address, (), ()) in AddressSet([written])) is is_in


nets = st.sampled_from(
    [f"10.0.{a}.0/{bits}" for a in (0, 4, 8) for bits in (22, 24, 32)] + ["10.0.0.1", "2001:db8::/63"]
)
places = st.sampled_from(
    ["10.0.0.0", "10.0.0.1", "10.0.3.9", "10.0.4.0", "10.0.9.1", "2001:db8:0:1::", "2001:db8:0:2::"]
)


@given(before=st.lists(nets), written=st.lists(nets), address=places)
def test_a_set_of_addresses_holds_what_one_of_its_networks_holds(
    before: list[str], written: list[str], address: str
) -> None:
    found = AddressSet(written, AddressSet(before))
    assert (address in found) is any(ip_address(address) in ip_network(one) for one in written)
    assert bool(found) is bool(written)


def test_of_many_rules_none_is_looked_at_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listed(list[Any]):
        def __contains__(self, one: object) -> bool:
            raise AssertionError(f"looked for {one} one by one")

    monkeypatch.setattr(IPv4Network, "__contains__", Listed.__contains__)
    written = [f"10.{a}.{b}.0/24" for a in range(8) for b in range(100)]
    many = AddressSet(written)
    assert "10.3.7.9" in many
    assert "10.9.0.1" not in many
    monkeypatch.setattr(addresses, "network_of", lambda text: IPv4Network({"192.0.2.0/24": text}[text]))
    again = AddressSet([*written, "192.0.2.0/24"], many)  # what was read is not read again
    assert ("192.0.2.1" in again, "10.3.7.9" in again) == (True, True)
    config = Config(access=Access(denied_kinds=Listed([7]), allowed_kinds=Listed([1]), denied_keys=Listed([OWN])))
    assert policies.refuse(make_event(3, 1), policies.Sender(Door.CLIENT), config, 1_700_000_000) is None
