"""Every setting, once: its name, type, default, help and whether it can change while the relay runs.

A setting is a field below, or of a section that has a module of its own; its `section.name` is what the TOML file, the flag and
the environment variable are made of (`limits.max_subscriptions`, `--set limits.max_subscriptions=50`,
`TIDINGS_LIMITS_MAX_SUBSCRIPTIONS`). `relay.loading` reads them.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Final, Literal, get_type_hints

import msgspec
from msgspec import Meta

from relay.group_settings import GroupSettings
from relay.peer_settings import Federation, PeerSettings
from relay.retention_settings import RetentionSettings
from relay.search_settings import Search
from relay.setting_parts import LIVE, SECRET, ConfigError, Count, Keys, Kinds, Seconds, Section
from relay.write_policy_settings import WritePolicySettings

PREFIX = "TIDINGS_"


class RelaySettings(Section, frozen=True):
    """Who this relay is: shown in NIP-11 and on the page."""

    name: Annotated[str, Meta(description="name shown to people", extra=LIVE)] = "Tidings"
    description: Annotated[str, Meta(description="what this relay is for", extra=LIVE)] = "A Tidings relay"
    url: Annotated[
        str,
        Meta(
            description="public ws:// or wss:// URL, compared in NIP-42, NIP-62 and NIP-98; empty: what a trusted proxy says, else "
            "made from server.listen",
            pattern="^(wss?://.+)?$",
        ),
    ] = ""
    pubkey: Annotated[
        str,
        Meta(
            description="the operator's public key, hex; in groups from the next start",
            pattern="^([0-9a-f]{64})?$",
            max_length=64,
            extra=LIVE,
        ),
    ] = ""
    contact: Annotated[str, Meta(description="the operator's contact, a URI", extra=LIVE)] = ""
    icon: Annotated[str, Meta(description="URL of a square picture", extra=LIVE)] = ""
    banner: Annotated[str, Meta(description="URL of a wide picture", extra=LIVE)] = ""
    terms_of_service: Annotated[str, Meta(description="URL of the terms", extra=LIVE)] = ""


class Server(Section, frozen=True):
    """The socket and what holds for every connection."""

    listen: Annotated[str, Meta(description="address and port, host:port or [ipv6]:port")] = "127.0.0.1:7447"
    data: Annotated[str, Meta(description="directory of the database; made if missing", min_length=1)] = "./data"
    trusted_proxies: Annotated[
        list[str],
        Meta(
            description="networks (CIDR) of proxies that are believed about the client's address and, without relay.url, "
            "about scheme and host (X-Forwarded-Proto, X-Forwarded-Host); empty: none"
        ),
    ] = msgspec.field(default_factory=list)
    address_header: Annotated[
        str,
        Meta(
            description="header a trusted proxy puts the client's address in; forwarded (RFC 7239) tells scheme and host too",
            pattern="^[A-Za-z0-9_-]+$",
        ),
    ] = "x-forwarded-for"
    compression: Annotated[bool, Meta(description="offer permessage-deflate (RFC 7692), without context takeover")] = (
        True
    )
    ping_interval: Annotated[Seconds, Meta(description="seconds of silence before a ping; 0: never", extra=LIVE)] = 30.0
    ping_timeout: Annotated[
        Seconds, Meta(description="seconds a ping may stay unanswered, or a reader take nothing", extra=LIVE)
    ] = 20.0
    open_timeout: Annotated[Seconds, Meta(description="seconds a connection may take to finish its request")] = 10.0
    drain_timeout: Annotated[Seconds, Meta(description="seconds a shutdown may take before connections are cut")] = 10.0
    max_connections: Annotated[
        Count,
        Meta(description="open WebSocket connections, and as many for HTTP, over all fronts; 0: no limit", extra=LIVE),
    ] = 0
    processes: Annotated[
        Literal["auto", "on", "off"],
        Meta(description="run the writer, search and the fronts as processes; auto: where there are two cores or more"),
    ] = "auto"
    fronts: Annotated[
        int, Meta(ge=0, le=64, description="processes that serve clients; 0: one fewer than the cores, at least 1")
    ] = 0
    send_buffer: Annotated[
        int, Meta(ge=65536, description="bytes a slow reader may leave unread before it is disconnected", extra=LIVE)
    ] = 8 * 1024 * 1024
    send_buffers: Annotated[
        int,
        Meta(
            ge=65536,
            description="bytes all slow readers of a front, and all over HTTP, may leave unread before who left most is cut off",
            extra=LIVE,
        ),
    ] = 256 * 1024 * 1024
    receive_buffers: Annotated[
        int,
        Meta(
            ge=1024 * 1024,
            description="bytes of messages, or requests, that are unfinished or wait on a front before who sent most is cut off",
            extra=LIVE,
        ),
    ] = 64 * 1024 * 1024
    eose_hints: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="hints in EOSE (NIP-67): auto says `more` where the relay's own limit cut what was asked, always adds "
            "`finish`; clients with strict parsers want never",
            extra=LIVE,
        ),
    ] = "auto"


class Storage(Section, frozen=True):
    """The database."""

    synchronous: Annotated[
        Literal["full", "normal"],
        Meta(
            description="full: an acknowledged event survives a power cut; normal: it survives a crash of the relay only"
        ),
    ] = "full"
    readers: Annotated[
        int, Meta(ge=1, le=32, description="reading threads, for what takes longer than a millisecond")
    ] = 2
    cache_mib: Annotated[
        int, Meta(ge=4, le=65536, description="page cache of all connections of all processes together, MiB")
    ] = 256
    query_steps: Annotated[
        int, Meta(ge=10_000, description="bound on one query's work, in thousands of SQLite instructions")
    ] = 20_000
    sweep_interval: Annotated[
        Seconds,
        Meta(
            description="seconds between sweeps of what has expired (NIP-40) or is past its days ([[retention]])",
            extra=LIVE,
        ),
    ] = 5.0
    queue: Annotated[
        int, Meta(ge=100, description="events that may wait for the writer before clients are told to wait")
    ] = 20_000


class LimitSettings(Section, frozen=True):
    """What one message, event or filter may be; advertised in NIP-11 as enforced."""

    max_message_bytes: Annotated[
        int, Meta(ge=1024, description="bytes of one message; events and filters at their other limits should fit")
    ] = 524_288
    max_subscriptions: Annotated[int, Meta(ge=1, description="open subscriptions of a connection", extra=LIVE)] = 100
    max_filters: Annotated[int, Meta(ge=1, description="filters in one REQ or COUNT", extra=LIVE)] = 20
    max_filter_values: Annotated[
        int, Meta(ge=1, description="values in all open filters of a connection together", extra=LIVE)
    ] = 20_000
    default_limit: Annotated[int, Meta(ge=1, description="stored events for a filter without a limit", extra=LIVE)] = (
        500
    )
    max_limit: Annotated[int, Meta(ge=1, description="stored events for any filter", extra=LIVE)] = 5000
    max_compared: Annotated[
        int,
        Meta(
            ge=0,
            le=2_000_000,
            description="events that one comparison by negentropy (NIP-77) may cover; 0: none is made",
            extra=LIVE,
        ),
    ] = 1_000_000
    max_comparisons: Annotated[
        int, Meta(ge=1, le=1000, description="open comparisons by negentropy (NIP-77) of a connection", extra=LIVE)
    ] = 4
    comparison_time: Annotated[
        float, Meta(ge=1, description="seconds that one such comparison may take in all", extra=LIVE)
    ] = 600.0
    comparison_idle: Annotated[
        float, Meta(ge=1, description="seconds in which its client may say nothing", extra=LIVE)
    ] = 60.0
    max_comparison_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=16_777_216,
            description="bytes of one message of an open comparison (NEG-MSG), where that is more than max_message_bytes",
        ),
    ] = 2_100_000
    max_event_tags: Annotated[int, Meta(ge=0, le=9000, description="tags of an event", extra=LIVE)] = 2500
    max_content_length: Annotated[int, Meta(ge=0, description="characters of an event's content", extra=LIVE)] = 100_000
    created_at_past: Annotated[Count, Meta(description="seconds an event may lie in the past; 0: any", extra=LIVE)] = 0
    created_at_future: Annotated[
        Count, Meta(description="seconds an event may lie in the future; 0: any", extra=LIVE)
    ] = 900
    min_pow: Annotated[
        int, Meta(ge=0, le=256, description="leading zero bits an event's id must have (NIP-13)", extra=LIVE)
    ] = 0


class Access(Section, frozen=True, dict=True):
    """Who may read and write, and which kinds.

    What `tidings ban` and `tidings allow` say (storage.access) is added to the lists of a relay that runs.
    """

    challenge: Annotated[
        Literal["needed", "always"],
        Meta(
            description="when clients are challenged to authenticate (NIP-42); needed: when something they ask for needs a "
            "key; always: on connect, whereupon anonymous clients of some libraries wait for ever",
            extra=LIVE,
        ),
    ] = "needed"
    auth_to_read: Annotated[
        bool,
        Meta(description="REQ and COUNT need authentication (NIP-42); all are challenged on connect", extra=LIVE),
    ] = False
    auth_to_write: Annotated[bool, Meta(description="EVENT needs authentication (NIP-42)", extra=LIVE)] = False
    allowed_kinds: Annotated[Kinds, Meta(description="the only kinds taken; empty: all", extra=LIVE)] = msgspec.field(
        default_factory=list
    )
    denied_kinds: Annotated[Kinds, Meta(description="kinds refused", extra=LIVE)] = msgspec.field(default_factory=list)
    allowed_keys: Annotated[
        Keys,
        Meta(
            description="the only authors taken, hex, beside those of `tidings allow`; empty: all, unless only_allowed",
            extra=LIVE,
        ),
    ] = msgspec.field(default_factory=list)
    only_allowed: Annotated[
        bool,
        Meta(description="only authors that are allowed are taken, also while allowed_keys names none", extra=LIVE),
    ] = False
    denied_keys: Annotated[Keys, Meta(description="authors refused, hex", extra=LIVE)] = msgspec.field(
        default_factory=list
    )
    denied_addresses: Annotated[
        list[str],
        Meta(
            description="addresses and networks (CIDR) whose clients are refused; an IPv6 client counts by its /64",
            extra=LIVE,
        ),
    ] = msgspec.field(default_factory=list)
    operators: Annotated[
        Keys,
        Meta(
            description="public keys, hex, that manage this relay as relay.pubkey may: its reports, its peers, and what "
            "NIP-86 has",
            extra=LIVE,
        ),
    ] = msgspec.field(default_factory=list)

    @cached_property
    def refused_keys(self) -> frozenset[str]:
        """`denied_keys`, to look one up in."""
        return frozenset(self.denied_keys)

    @cached_property
    def refused_kinds(self) -> frozenset[int]:
        """`denied_kinds`, to look one up in."""
        return frozenset(self.denied_kinds)

    @cached_property
    def taken_kinds(self) -> frozenset[int] | None:
        """`allowed_kinds`, to look one up in; None for all."""
        return frozenset(self.allowed_kinds) or None

    @cached_property
    def taken_keys(self) -> frozenset[str] | None:
        """`allowed_keys`, to look one up in; None for all."""
        return frozenset(self.allowed_keys) if self.allowed_keys or self.only_allowed else None


class Rates(Section, frozen=True):
    """How fast one address or key may go; all but wrong_proofs off (0) until set.

    Connections are counted over the whole relay. Each of the others is a token bucket that holds `burst` seconds' worth; with N
    fronts (processes that serve clients) each counts by itself: whoever has connections to all may go up to N times as fast.
    """

    connections_per_address: Annotated[
        Count, Meta(description="open connections of one address, WebSocket and HTTP together; 0: no limit", extra=LIVE)
    ] = 0
    messages_per_address: Annotated[
        float, Meta(ge=0, description="messages a second from one address; 0: no limit", extra=LIVE)
    ] = 0.0
    events_per_key: Annotated[
        float, Meta(ge=0, description="events a minute by one author; 0: no limit", extra=LIVE)
    ] = 0.0
    requests: Annotated[
        float,
        Meta(
            ge=0,
            description="requests a minute to the API and the page of one identity, or one address without a token; 0: no limit",
            extra=LIVE,
        ),
    ] = 0.0
    wrong_proofs: Annotated[
        float,
        Meta(ge=0, description="wrong proofs (AUTH, NIP-98, JWT) a minute from one address; 0: no limit", extra=LIVE),
    ] = 120.0
    burst: Annotated[float, Meta(ge=1, description="how many seconds' worth may come at once", extra=LIVE)] = 10.0


class IdentitySettings(Section, frozen=True):
    """Posting identities and users: who may register, what binds to what, where secrets come from."""

    registration: Annotated[
        bool,
        Meta(description="anybody may register an identity over HTTP, or get one by an invite (NIP-43)", extra=LIVE),
    ] = True
    register_pow: Annotated[
        int, Meta(ge=0, le=32, description="leading zero bits of work a registration must show", extra=LIVE)
    ] = 0
    registrations_per_hour: Annotated[
        Count,
        Meta(
            description="registrations and invites of one address within an hour, over all fronts; 0: no limit",
            extra=LIVE,
        ),
    ] = 30
    unbound: Annotated[
        Literal["refuse", "provision"],
        Meta(description="what a post by a key without an identity meets: refuse it, or provision an identity for it"),
    ] = "refuse"
    provisions_per_hour: Annotated[
        Count, Meta(description="identities provisioned within an hour, for each origin; 0: no limit")
    ] = 1000
    votes: Annotated[
        Literal["local", "all"],
        Meta(description="whose votes count: identities registered here, or also those that peers brought"),
    ] = "local"
    members: Annotated[
        int, Meta(ge=0, le=2000, description="newest bound keys named in the member list (NIP-43)", extra=LIVE)
    ] = 500
    claim_hours: Annotated[
        int, Meta(ge=1, le=876_000, description="hours a link that claims an identity is good", extra=LIVE)
    ] = 168
    jwt_issuer: Annotated[str, Meta(description="issuer whose JWTs say who a user is; empty: none")] = ""
    jwt_audience: Annotated[
        str, Meta(description="audience those JWTs must name; empty: the issuer's are all taken")
    ] = ""
    jwt_keys: Annotated[str, Meta(description="file with the issuer's public key (PEM) or keys (JWK set)")] = ""
    proof_payload: Annotated[
        Literal["required", "tls", "optional"],
        Meta(
            description="whether a NIP-98 proof must have the payload tag of a body: always, unless TLS was used, never",
            extra=LIVE,
        ),
    ] = "tls"
    relay_key: Annotated[
        str,
        Meta(
            description="the relay's own secret key, hex; empty: kept in secrets.toml of the data directory",
            pattern="^([0-9a-f]{64})?$",
            extra=SECRET,
        ),
    ] = ""
    master_secret: Annotated[
        str,
        Meta(
            description="what keys held for others are sealed under, 64 hex digits; empty: kept in secrets.toml",
            pattern="^([0-9a-f]{64})?$",
            extra=SECRET,
        ),
    ] = ""


class WebhookSettings(Section, frozen=True):
    """Webhooks: where identities are told of what is new for them, by requests that the relay makes."""

    per_identity: Annotated[Count, Meta(description="webhooks of one identity; 0: none are taken", extra=LIVE)] = 5
    private_addresses: Annotated[
        bool,
        Meta(
            description="deliver also over http, and to addresses that are not public, such as this machine's own network",
            extra=LIVE,
        ),
    ] = False


class LinkSettings(Section, frozen=True):
    """Links of posts: whether the relay looks at the pages behind them."""

    previews: Annotated[
        Literal["off", "public", "any"],
        Meta(
            description="whether the relay reads the page that a new post links to, once, for a card on the post's page: off; "
            "public: over https from public addresses; any: also over http, and from addresses that are not public, such as "
            "this machine's own network",
            extra=LIVE,
        ),
    ] = "off"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings, effective: `config.limits.max_subscriptions`. `peers` and `retention` are lists of tables."""

    relay: RelaySettings = msgspec.field(default_factory=RelaySettings)
    server: Server = msgspec.field(default_factory=Server)
    storage: Storage = msgspec.field(default_factory=Storage)
    limits: LimitSettings = msgspec.field(default_factory=LimitSettings)
    access: Access = msgspec.field(default_factory=Access)
    write_policy: WritePolicySettings = msgspec.field(default_factory=WritePolicySettings)
    rates: Rates = msgspec.field(default_factory=Rates)
    identities: IdentitySettings = msgspec.field(default_factory=IdentitySettings)
    groups: GroupSettings = msgspec.field(default_factory=GroupSettings)
    webhooks: WebhookSettings = msgspec.field(default_factory=WebhookSettings)
    links: LinkSettings = msgspec.field(default_factory=LinkSettings)
    search: Search = msgspec.field(default_factory=Search)
    federation: Federation = msgspec.field(default_factory=Federation)
    peers: list[PeerSettings] = []
    retention: list[RetentionSettings] = []


PEERS: Final = "peers"
RETENTION: Final = "retention"
LISTS: Final = (PEERS, RETENTION)  # of tables: `[[peers]]`; the names in Config that are no sections
SECTIONS: Final = tuple(field for field in msgspec.structs.fields(Config) if field.name not in LISTS)


class Setting(msgspec.Struct, frozen=True):
    """One row of the settings: what `tidings config` and the documentation print."""

    section: str
    field: str
    default: Any
    help: str
    reloadable: bool
    secret: bool
    type: Any

    @property
    def name(self) -> str:
        """`section.field`, as in the file and in `--set`."""
        return f"{self.section}.{self.field}"

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{PREFIX}{self.section}_{self.field}".upper()


def _rows() -> Iterator[Setting]:
    for section in SECTIONS:
        hints = get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            metas = [meta for meta in hints[field.name].__metadata__ if isinstance(meta, Meta)]
            live = any((meta.extra or {}).get("reloadable") for meta in metas)
            secret = any((meta.extra or {}).get("secret") for meta in metas)
            text = next(meta.description for meta in metas if meta.description)
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            yield Setting(section.name, field.name, default, text, live, secret, hints[field.name])


SETTINGS: tuple[Setting, ...] = tuple(_rows())


def shown(setting: Setting, value: Any) -> Any:
    """The value as it may be printed: a secret only tells that it is set."""
    return "(set)" if setting.secret and value else value


def split_listen(listen: str) -> tuple[str, int]:
    """(host, port) of `server.listen`; port 0 lets the system choose. Raises ConfigError."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ConfigError(f"server.listen: {listen!r} is not host:port, for example 127.0.0.1:7447 or [::1]:7447")
    return host, int(port)
