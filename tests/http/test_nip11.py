"""The relay information document: what stands in it for which settings."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Config, LimitSettings
from relay.http import nip11
from relay.protocol import messages
from tests.http.hubs import config

SOFTWARE = "https://example.org/tidings"


def document(settings: Config, self_pubkey: str | None = None, nips: tuple[int, ...] = (1, 9, 11)) -> dict:
    made = nip11.information(settings, nips, SOFTWARE, "1.2.3", self_pubkey)
    return msgspec.json.decode(msgspec.json.encode(made))


def limitation(settings: Config) -> dict:
    return document(settings)["limitation"]


def test_says_who_the_relay_is():
    pubkey, own = "a" * 64, "b" * 64
    told = document(
        config(
            relay={
                "name": "Harbour",
                "description": "For sailors",
                "pubkey": pubkey,
                "contact": "mailto:op@example.org",
                "icon": "https://example.org/i.png",
                "banner": "https://example.org/b.png",
                "terms_of_service": "https://example.org/t",
            }
        ),
        own,
    )
    told.pop("limitation")
    assert told == {
        "name": "Harbour",
        "description": "For sailors",
        "pubkey": pubkey,
        "self": own,
        "contact": "mailto:op@example.org",
        "icon": "https://example.org/i.png",
        "banner": "https://example.org/b.png",
        "terms_of_service": "https://example.org/t",
        "supported_nips": [1, 9, 11],
        "software": SOFTWARE,
        "version": "1.2.3",
    }


def test_leaves_out_what_is_empty():
    told = document(config(relay={"name": "", "description": ""}))
    assert set(told) == {"supported_nips", "software", "version", "limitation"}


@given(
    st.builds(
        LimitSettings,
        max_message_bytes=st.integers(1024, 2**40),
        max_subscriptions=st.integers(1, 2**30),
        max_filters=st.integers(1, 2**30),
        max_filter_values=st.integers(1, 2**30),
        default_limit=st.integers(1, 2**30),
        max_compared=st.integers(0, 1_000_000),
        max_comparisons=st.integers(1, 1000),
        comparison_time=st.floats(1, 10**6),
        comparison_idle=st.floats(1, 10**6),
        max_comparison_bytes=st.integers(0, 2**24),
        max_limit=st.integers(1, 2**30),
        max_event_tags=st.integers(0, 2**30),
        max_content_length=st.integers(0, 2**30),
        created_at_past=st.integers(0, 2**40),
        created_at_future=st.integers(0, 2**40),
        min_pow=st.integers(0, 256),
    )
)
def test_advertises_each_limit_as_it_is_set_and_no_limit_that_is_off(limits):
    told = limitation(Config(limits=limits))
    named = {
        "max_message_length": limits.max_message_bytes,
        "max_subscriptions": limits.max_subscriptions,
        "max_filters": limits.max_filters,
        "max_filter_values": limits.max_filter_values,
        "max_compared": limits.max_compared,
        "max_comparisons": limits.max_comparisons,
        "comparison_time": limits.comparison_time,
        "comparison_idle": limits.comparison_idle,
        "max_comparison_length": max(limits.max_comparison_bytes, limits.max_message_bytes),
        "max_limit": limits.max_limit,
        "default_limit": limits.default_limit,
        "max_subid_length": messages.MAX_SUBSCRIPTION_ID,
        "max_event_tags": limits.max_event_tags,
        "max_content_length": limits.max_content_length,
        "min_pow_difficulty": limits.min_pow,
        "auth_required": False,
        "payment_required": False,
        "restricted_writes": True,
    }
    if limits.created_at_past:
        named["created_at_lower_limit"] = limits.created_at_past
    if limits.created_at_future:
        named["created_at_upper_limit"] = limits.created_at_future
    assert told == named


def test_every_setting_of_the_limits_section_is_advertised():
    names = {field.name for field in msgspec.structs.fields(LimitSettings)}
    changed = {name: limitation(config(limits={name: 3_000_000 if "bytes" in name else 77})) for name in names}
    assert {name for name, told in changed.items() if told == limitation(Config())} == set()


def test_authentication_is_required_only_when_nothing_can_be_done_without_it():
    def required(read: bool, write: bool) -> bool:
        return limitation(config(access={"auth_to_read": read, "auth_to_write": write}))["auth_required"]

    assert [required(False, False), required(True, False), required(False, True), required(True, True)] == [
        False,
        False,
        False,
        True,
    ]


def test_writes_are_restricted_where_a_writer_must_meet_a_condition():
    conditions = [{"allowed_keys": ["a" * 64]}, {"allowed_kinds": [1]}, {"auth_to_write": True}]
    assert all(limitation(config(access=access))["restricted_writes"] for access in conditions)


def test_writes_are_restricted_where_a_plugin_decides():
    given = {"write_policy": {"plugin": "true"}, "identities": {"unbound": "provision"}}
    assert limitation(config(**given))["restricted_writes"] is True


def test_writes_are_not_restricted_by_a_list_of_what_is_refused():
    given = config(
        access={"denied_keys": ["a" * 64], "denied_kinds": [4], "auth_to_read": True},
        identities={"unbound": "provision"},
    )
    assert limitation(given)["restricted_writes"] is False


def test_writes_are_restricted_where_posts_need_a_registered_key():
    assert limitation(config(identities={"unbound": "refuse"}))["restricted_writes"] is True


def test_the_nips_are_those_that_ask_something_of_relays():
    told = document(Config(), nips=(1, 2, 4, 9, 17, 22, 25, 54, 59, 65, 98))
    assert told["supported_nips"] == [1, 4, 9, 17, 59, 98]


def test_tells_how_fast_a_client_may_go_as_far_as_that_is_limited():
    def rates(fronts: int, **set_ones: float) -> object:
        made = nip11.information(config(rates=set_ones), (1,), SOFTWARE, "1.2.3", None, fronts=fronts)
        return msgspec.json.decode(msgspec.json.encode(made)).get("rates")

    assert rates(4) is None
    assert rates(4, connections_per_address=5) == {"connections_per_address": 5}
    assert rates(1, messages_per_address=2.5) == {"messages_per_address": 2.5, "burst": 10.0}
    assert rates(4, events_per_key=60, requests=600, burst=3) == {
        "events_per_key": 60.0,
        "requests": 600.0,
        "burst": 3.0,
        "fronts": 4,
    }


def test_tells_of_groups_and_their_bounds_where_the_relay_has_them():
    assert "nip29" not in document(Config())
    told = document(config(groups={"create": "members", "most": 7, "pins": 0}), nips=(11, 29))
    assert told["nip29"] == {
        "subgroups": True,
        "create": "members",
        "max_groups": 7,
        "max_groups_per_key": 100,
        "max_members": 100_000,
        "max_invites": 1000,
        "max_children": 500,
        "late_publication": 604_800.0,
    }
