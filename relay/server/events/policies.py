"""What this relay takes: one function a policy, one row each in POLICIES with the doors it guards.

A policy is pure: (event, author, config, now) -> Reject or None. What an event *means* and what is known of it is not asked
here (that is `handlers`); these are the operator's rules and the rules about who hands the event in.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keys import tokens
from relay.config import Config
from relay.errors import Prefix, Reject
from relay.protocol import kinds, vanishing
from relay.protocol.admission import Door
from relay.protocol.event import Event, has_tag
from relay.protocol.groups.belonging import LEAVE_REQUEST
from relay.protocol.words import counted

REPOSTS: Final = frozenset((6, 16))  # NIP-18
# Never stored, sent on or good for a second time: their own signature is as good as authentication.
SPENT_AT_ONCE: Final = frozenset((kinds.JOIN, kinds.LEAVE))
# Taking back what one wrote, and leaving, must always be possible: no rule but those on size and rate stops these.
LEAVING: Final = frozenset((kinds.DELETION, kinds.VANISH, kinds.LEAVE, LEAVE_REQUEST))
BANNED: Final = "this key may not write here"
COMING: Final = LEAVING | {kinds.JOIN}


def is_so_already(event: Event, refusal: Reject | None) -> bool:
    """Whether what was refused counts as done: joining or leaving a relay where that is so already (NIP-43).

    In groups it does not: a request to join is refused with `duplicate:` (NIP-29), and the id of another's group is taken.
    """
    return event.kind in SPENT_AT_ONCE and refusal is not None and refusal.prefix is Prefix.DUPLICATE


class Sender(msgspec.Struct, frozen=True, gc=False):
    """Who hands an event in: by which door, and the keys they have proven to hold (NIP-42).

    `relay` is the key of the relay that it is handed to, "" where that has none, and `urls` are those (ws:// or wss://)
    under which they know it. `signed_here`: the relay signed it just now, for the identity whose token it was asked with.
    `address` is the client's, or the URL of the peer, "" where that is not known; `is_live`: the peer sent it as it came there.
    """

    door: Door
    keys: frozenset[str] = frozenset()
    relay: str = ""
    urls: tuple[str, ...] = ()
    signed_here: bool = False
    address: str = ""
    is_live: bool = False


Check = Callable[[Event, Sender, Config, int], Reject | None]


def tags(event: Event, _author: Sender, config: Config, _now: int) -> Reject | None:
    """`limits.max_event_tags`."""
    if len(event.tags) <= config.limits.max_event_tags:
        return None
    return Reject(Prefix.INVALID, f"{counted(len(event.tags), 'tag')}; this relay takes {config.limits.max_event_tags}")


def content(event: Event, _author: Sender, config: Config, _now: int) -> Reject | None:
    """`limits.max_content_length`, in characters as NIP-11 counts them."""
    if len(event.content) <= config.limits.max_content_length:
        return None
    return Reject(
        Prefix.INVALID,
        f"{counted(len(event.content), 'character')}; this relay takes {config.limits.max_content_length:,}",
    )


def secrets(event: Event, author: Sender, _config: Config, _now: int) -> Reject | None:
    """A secret of a hub is for its owner alone; of what the relay has just signed for a client the tags are looked at, too."""
    kind = tokens.private_within(event.content)
    if kind is None and author.signed_here:
        kind = next(filter(None, (tokens.private_within(value) for tag in event.tags for value in tag)), None)
    if kind is None:
        return None
    return Reject(
        Prefix.INVALID,
        f"an API key or a code ({kind.value}…) stands in this, and whoever reads it could use it: leave it out, and where others "
        "have seen it, have a new one made and this one ended",
    )


def future(event: Event, author: Sender, config: Config, now: int) -> Reject | None:
    """`limits.created_at_future`.

    What the relay signs is the newer of two versions. It lies far ahead only where the other was made while the clock was wrong;
    nobody else can bring it there, since it is refused before it lies twice as far ahead as others may.
    """
    ahead, most = event.created_at - now, config.limits.created_at_future
    if ahead <= most or not most or (author.signed_here and ahead > 2 * most):
        return None
    return Reject(
        Prefix.INVALID, f"created_at is {ahead} s in the future; this relay takes {config.limits.created_at_future} s"
    )


def past(event: Event, _author: Sender, config: Config, now: int) -> Reject | None:
    """`limits.created_at_past`."""
    behind = now - event.created_at
    if behind <= config.limits.created_at_past or not config.limits.created_at_past:
        return None
    return Reject(
        Prefix.INVALID, f"created_at is {behind} s in the past; this relay takes {config.limits.created_at_past} s"
    )


def work(event: Event, author: Sender, config: Config, _now: int) -> Reject | None:
    """`limits.min_pow` (NIP-13): the id's leading zero bits, and the target the author committed to, must reach it.

    Whoever holds an event's key does the work, which the relay does not for those whose keys it holds: `register_pow` asks
    them for some.
    """
    needed = config.limits.min_pow
    if not needed or author.signed_here:
        return None
    found = 256 - int(event.id, 16).bit_length()
    if found < needed:
        return Reject(Prefix.POW, f"difficulty {found} is less than {needed}")
    committed = next((tag[2] for tag in event.tags if tag[0] == "nonce" and len(tag) > 2), None)
    if committed is not None and not (committed.isascii() and committed.isdigit() and len(committed) < 4):
        return Reject(Prefix.POW, "the nonce tag's target is not a number (NIP-13)")
    if committed is not None and int(committed) < needed:
        return Reject(Prefix.POW, f"the work is committed to difficulty {int(committed)}, less than {needed}")
    return None


def kind_allowed(event: Event, _author: Sender, config: Config, _now: int) -> Reject | None:
    """`access.allowed_kinds` and `access.denied_kinds`."""
    taken = config.access.taken_kinds
    if event.kind in config.access.refused_kinds or (taken is not None and event.kind not in taken):
        return Reject(Prefix.BLOCKED, f"this relay does not take kind {event.kind}")
    return None


def relays_own(event: Event, author: Sender, _config: Config, _now: int) -> Reject | None:
    """What a relay tells of its members and groups is signed by its own key (NIP-29, NIP-43)."""
    if event.kind not in kinds.RELAY_ONLY or event.pubkey == author.relay:
        return None
    return Reject(Prefix.RESTRICTED, f"kind {event.kind} is published by the relay's own key only")


def key_denied(event: Event, _author: Sender, config: Config, _now: int) -> Reject | None:
    """`access.denied_keys`."""
    if event.pubkey in config.access.refused_keys:
        return Reject(Prefix.BLOCKED, BANNED)
    return None


def key_allowed(event: Event, _author: Sender, config: Config, _now: int) -> Reject | None:
    """`access.allowed_keys` and `access.only_allowed`."""
    taken = config.access.taken_keys
    if taken is not None and event.pubkey not in taken:
        return Reject(Prefix.RESTRICTED, "only listed keys may write here")
    return None


def authenticated(_event: Event, author: Sender, config: Config, _now: int) -> Reject | None:
    """`access.auth_to_write` (NIP-42)."""
    if author.keys or not config.access.auth_to_write:
        return None
    return Reject(Prefix.AUTH_REQUIRED, "this relay takes events from authenticated clients only (NIP-42)")


def protected(event: Event, author: Sender, _config: Config, _now: int) -> Reject | None:
    """NIP-70: an event with a `-` tag comes from its authenticated author only, and nobody reposts one here."""
    if event.pubkey not in author.keys and has_tag(event, "-"):
        if not author.keys:
            return Reject(Prefix.AUTH_REQUIRED, "this event is protected: its author must authenticate (NIP-70)")
        return Reject(Prefix.RESTRICTED, "this event is protected: only its author may publish it (NIP-70)")
    if event.kind in REPOSTS and _embeds_protected(event.content):
        return Reject(Prefix.RESTRICTED, "a repost may not carry a protected event (NIP-70)")
    return None


class _Embedded(msgspec.Struct, gc=False):
    tags: list[list[object]] = []


_decode_embedded = msgspec.json.Decoder(_Embedded).decode


def _embeds_protected(text: str) -> bool:
    try:
        embedded = _decode_embedded(text)
    except (msgspec.DecodeError, RecursionError):
        return False  # no event in it, so none that is protected
    return any(tag and tag[0] == "-" for tag in embedded.tags)


def vanishes_here(event: Event, author: Sender, _config: Config, _now: int) -> Reject | None:
    """NIP-62: a request to vanish names the relay that it is handed to, by the URL under which its author knows that, or all."""
    if event.kind != kinds.VANISH or vanishing.names_relay(event, author.urls):
        return None
    here = " or ".join(author.urls)
    return Reject(
        Prefix.INVALID, f"this request to vanish is for another relay; this one is {here} (its relay.url setting)"
    )


class Policy(msgspec.Struct, frozen=True):
    """A row: the check, the doors it guards, the kinds it lets pass, and the NIP-11 fields that tell of it."""

    check: Check
    doors: frozenset[Door]
    spares: frozenset[int] = frozenset()
    advertised: tuple[str, ...] = ()
    nips: tuple[int, ...] = ()


_ALL: Final = frozenset(Door)
_LIVE: Final = _ALL - {Door.IMPORT}  # an archive is old, and the operator answers for it

POLICIES: Final = (
    Policy(kind_allowed, _ALL, COMING),
    Policy(relays_own, _ALL, nips=(43,)),
    Policy(key_denied, _ALL, LEAVING),
    Policy(key_allowed, _ALL, COMING, ("restricted_writes",)),
    Policy(tags, _ALL, advertised=("max_event_tags",)),
    Policy(content, _ALL, advertised=("max_content_length",)),
    Policy(secrets, frozenset((Door.CLIENT, Door.HTTP)), LEAVING),
    Policy(future, _ALL, COMING, ("created_at_upper_limit",)),
    Policy(past, _LIVE, COMING, ("created_at_lower_limit",)),
    Policy(work, _LIVE, COMING, ("min_pow_difficulty",), (13,)),
    Policy(protected, _LIVE, SPENT_AT_ONCE, nips=(70,)),
    Policy(vanishes_here, frozenset((Door.CLIENT, Door.HTTP)), nips=(62,)),
    Policy(authenticated, frozenset((Door.CLIENT,)), COMING, ("restricted_writes",), (42,)),
)

_EVERY: Final = {door: tuple(row.check for row in POLICIES if door in row.doors) for door in Door}
_OF_KIND: Final = {
    (door, kind): tuple(row.check for row in POLICIES if door in row.doors and kind not in row.spares)
    for door in Door
    for kind in frozenset().union(*(row.spares for row in POLICIES))
}


def refuse(event: Event, author: Sender, config: Config, now: int) -> Reject | None:
    """The first policy's refusal, or None when the event may go on to the signature check. `now` is unix seconds."""
    for check in _OF_KIND.get((author.door, event.kind)) or _EVERY[author.door]:
        refusal = check(event, author, config, now)
        if refusal is not None:
            return refusal
    return None


def banned(event: Event, config: Config) -> Reject | None:
    """What `refuse` would say by now of its author: an event waits for its turn, and those of a flood for long."""
    if event.pubkey in config.access.refused_keys and event.kind not in LEAVING:
        return Reject(Prefix.BLOCKED, BANNED)
    return None
