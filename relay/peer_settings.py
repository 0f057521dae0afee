"""The settings of federation: what holds for all peers (`[federation]`), and what is said of each (`[[peers]]`)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from relay.setting_parts import GREATEST, LIVE, Count, Keys, Kinds, Seconds, Section


class Federation(Section, frozen=True):
    """Relays that this one stays in step with, beside what `[[peers]]` says of each; see federation.md."""

    provision: Annotated[
        bool,
        Meta(
            description="a key whose post, comment or vote a peer brings gets a posting identity with that peer as its origin, so "
            "that the feed shows it; otherwise the event is kept and not shown"
        ),
    ] = True
    overlap: Annotated[
        int,
        Meta(
            ge=60,
            description="seconds before the last contact from which everything is compared when a peer is reached again: for "
            "clocks that differ and events that travelled slowly",
            extra=LIVE,
        ),
    ] = 3600
    walk_interval: Annotated[
        Seconds,
        Meta(
            description="seconds between two comparisons of everything with a peer, in the background, while the connection lasts; "
            "0: only after it was made",
            extra=LIVE,
        ),
    ] = 86_400.0
    walk_pause: Annotated[
        Seconds,
        Meta(
            description="seconds that lie between two comparisons of everything with a peer, however often it is lost and found",
            extra=LIVE,
        ),
    ] = 600.0
    follow: Annotated[
        list[Annotated[str, Meta(pattern="^(members|npub1[0-9a-z]+|list:naddr1[0-9a-z]+)$", max_length=2000)]],
        Meta(
            description="whose events are kept here, from the relays they write to (NIP-65): npub1…, list:naddr1… (the people of a "
            "list that is here, NIP-51), members (those who have an identity here)",
            extra=LIVE,
        ),
    ] = msgspec.field(default_factory=list)
    follow_relays: Annotated[
        int, Meta(ge=1, le=100, description="relays that are joined at most because of who is followed", extra=LIVE)
    ] = 20
    follow_private: Annotated[
        bool,
        Meta(description="those relays may be at addresses that are not of the public Internet", extra=LIVE),
    ] = False
    lookup: Annotated[
        list[Annotated[str, Meta(pattern="^wss?://.+", max_length=2048)]],
        Meta(description="relays that are asked for the relay lists (kind 10002) of who is followed", extra=LIVE),
    ] = msgspec.field(default_factory=list)
    events_per_hour: Annotated[
        Count,
        Meta(
            description="events of one peer that are looked at within an hour, taken or not, a large one for each 16 KiB; more "
            "have to wait; 0: no limit",
            extra=LIVE,
        ),
    ] = 1_000_000


class PeerPolicy(Section, frozen=True):
    """What is not taken of a peer, whatever this relay takes of others."""

    denied_keys: Keys = msgspec.field(default_factory=list)
    denied_kinds: Kinds = msgspec.field(default_factory=list)
    groups: bool = True


class PeerSettings(Section, frozen=True):
    """One `[[peers]]` of the file: a relay to stay in step with."""

    url: Annotated[str, Meta(max_length=2048)]
    direction: Literal["down", "up", "both"] = "both"
    filters: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=20)] = msgspec.field(
        default_factory=lambda: [{}]
    )
    since: Annotated[int, Meta(ge=0, le=GREATEST)] = 0
    backfill: bool = True
    key: str = ""
    policy: PeerPolicy = msgspec.field(default_factory=PeerPolicy)
    allow_private: bool = False
