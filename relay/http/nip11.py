"""The relay information document (NIP-11): a pure function of the settings and of what the relay implements.

Its rule: every limit that is enforced stands here as enforced, and nothing else does. What is empty is left out, and so
is a limit that is off.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from relay.config import Config
from relay.http.hub import RunningRelay
from relay.http.nips import CLIENT_SIDE, GROUPS, NEGENTROPY
from relay.protocol.messages import MAX_SUBSCRIPTION_ID

MEDIA_TYPE: Final = "application/nostr+json"


class Limitation(msgspec.Struct, frozen=True, kw_only=True):
    """NIP-11 `limitation`. Sizes are bytes or characters as NIP-11 says, times seconds; `max_filters` is per
    REQ or COUNT, `max_filter_values` for all open filters of a connection together, `max_compared` events of a NEG-OPEN,
    of which a connection may have `max_comparisons` open, each for `comparison_time` seconds and `comparison_idle` without a word;
    a NEG-MSG may have `max_comparison_length` bytes.
    """

    max_message_length: int
    max_subscriptions: int
    max_filters: int
    max_filter_values: int
    max_compared: int
    max_comparisons: int
    comparison_time: float
    comparison_idle: float
    max_comparison_length: int
    max_limit: int
    default_limit: int
    max_subid_length: int
    max_event_tags: int
    max_content_length: int
    min_pow_difficulty: int
    auth_required: bool
    payment_required: bool
    restricted_writes: bool
    created_at_lower_limit: int | UnsetType = UNSET
    created_at_upper_limit: int | UnsetType = UNSET


class RateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a client may go, beside what NIP-11 knows; a limit that is off is left out.

    `burst` is how many seconds' worth may come at once. Where there are several `fronts`, processes that serve clients, each counts
    rates by itself: whoever has connections to all may go up to so many times as fast. Connections are counted exactly.
    """

    connections_per_address: int | UnsetType
    messages_per_address: float | UnsetType  # a second
    events_per_key: float | UnsetType  # a minute
    requests: float | UnsetType  # HTTP, a minute
    burst: float | UnsetType
    fronts: int | UnsetType


class GroupSupport(msgspec.Struct, frozen=True, kw_only=True):
    """What groups may be here (NIP-29); a bound that is off is left out. `create` says who may begin one, `late_publication` how
    many seconds an event of a group may lie in the past when it comes.
    """

    subgroups: bool
    create: str
    max_groups: int | UnsetType
    max_groups_per_key: int | UnsetType
    max_members: int | UnsetType
    max_invites: int | UnsetType
    max_children: int | UnsetType
    max_pins: int | UnsetType
    late_publication: float | UnsetType


class Information(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The document itself."""

    name: str = ""
    description: str = ""
    banner: str = ""
    icon: str = ""
    pubkey: str = ""
    self: str = ""
    contact: str = ""
    terms_of_service: str = ""
    supported_nips: tuple[int, ...]
    software: str
    version: str
    limitation: Limitation
    rates: RateLimits | UnsetType = UNSET
    nip29: GroupSupport | UnsetType = UNSET


def information(
    config: Config, nips: tuple[int, ...], software: str, version: str, self_pubkey: str | None, *, fronts: int = 1
) -> Information:
    """The document for these settings; `software` is a URL, `self_pubkey` hex, `fronts` how many processes serve clients."""
    relay = config.relay
    return Information(
        name=relay.name,
        description=relay.description,
        banner=relay.banner,
        icon=relay.icon,
        pubkey=relay.pubkey or (self_pubkey or "" if GROUPS in nips else ""),  # clients look there for who signs 39000
        self=self_pubkey or "",
        contact=relay.contact,
        terms_of_service=relay.terms_of_service,
        supported_nips=tuple(
            nip for nip in nips if nip not in CLIENT_SIDE and (nip != NEGENTROPY or config.limits.max_compared)
        ),
        software=software,
        version=version,
        limitation=_limitation(config),
        rates=_rates(config, fronts),
        nip29=_groups(config) if GROUPS in nips else UNSET,
    )


def of_hub(hub: RunningRelay) -> Information:
    """The document of a running relay, as of now."""
    return information(hub.config, hub.nips, hub.software, hub.version, hub.self_pubkey, fronts=hub.fronts)


def _limitation(config: Config) -> Limitation:
    limits, access = config.limits, config.access
    return Limitation(
        max_message_length=limits.max_message_bytes,
        max_subscriptions=limits.max_subscriptions,
        max_filters=limits.max_filters,
        max_filter_values=limits.max_filter_values,
        max_compared=limits.max_compared,
        max_comparisons=limits.max_comparisons,
        comparison_time=limits.comparison_time,
        comparison_idle=limits.comparison_idle,
        max_comparison_length=max(limits.max_comparison_bytes, limits.max_message_bytes),
        max_limit=limits.max_limit,
        default_limit=limits.default_limit,
        max_subid_length=MAX_SUBSCRIPTION_ID,
        max_event_tags=limits.max_event_tags,
        max_content_length=limits.max_content_length,
        min_pow_difficulty=limits.min_pow,
        auth_required=access.auth_to_read and access.auth_to_write,
        payment_required=False,
        restricted_writes=_restricted_writes(config),
        created_at_lower_limit=limits.created_at_past or UNSET,
        created_at_upper_limit=limits.created_at_future or UNSET,
    )


def _rates(config: Config, fronts: int) -> RateLimits | UnsetType:
    rates = config.rates
    by_rate = rates.messages_per_address or rates.events_per_key or rates.requests
    if not by_rate and not rates.connections_per_address:
        return UNSET
    return RateLimits(
        connections_per_address=rates.connections_per_address or UNSET,
        messages_per_address=rates.messages_per_address or UNSET,
        events_per_key=rates.events_per_key or UNSET,
        requests=rates.requests or UNSET,
        burst=rates.burst if by_rate else UNSET,
        fronts=fronts if by_rate and fronts > 1 else UNSET,
    )


def _groups(config: Config) -> GroupSupport:
    groups = config.groups
    return GroupSupport(
        subgroups=True,
        create=groups.create,
        max_groups=groups.most or UNSET,
        max_groups_per_key=groups.per_key or UNSET,
        max_members=groups.members or UNSET,
        max_invites=groups.invites or UNSET,
        max_children=groups.children or UNSET,
        max_pins=groups.pins or UNSET,
        late_publication=groups.late_publication or UNSET,
    )


def _restricted_writes(config: Config) -> bool:
    """Whether a writer must know a condition beforehand (NIP-11); refusing a few kinds or keys is not one.

    That posts are taken from registered keys only is one, though notes are taken from all.
    """
    access = config.access
    for_some = (
        access.taken_keys is not None or access.allowed_kinds or access.auth_to_write or config.write_policy.plugin
    )
    return bool(for_some or config.limits.min_pow or config.identities.unbound == "refuse")
