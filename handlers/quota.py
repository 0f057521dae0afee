"""How much knowledge one key may keep here: every passage costs a vector, in memory too."""

from collections.abc import Callable, Iterable

from relay.errors import Prefix, Reject
from relay.protocol.event import Event, address_of
from relay.protocol.facts import Facts, Need


def needs(event: Event, facts: Facts) -> Iterable[Need]:
    """How much the key has, and the version that leaves as this one comes."""
    yield "passages", event.pubkey
    version = facts.versions.get(address_of(event) or "")
    if version is not None:
        yield "events", version.id


def check(event: Event, replaces: str | None, facts: Facts, passages: Callable[[Event], int], most: int) -> None:
    """Raises Reject(restricted) where the key would have more than `most` passages; what it has may always get less.

    `replaces`: id of the version that leaves as this one comes. `passages`: into how many an event is cut.
    """
    former = None if replaces is None else facts.events[replaces]
    before = facts.passages[event.pubkey]
    after = before + passages(event) - (0 if former is None else passages(former))
    if after > most and after > before:
        raise Reject(
            Prefix.RESTRICTED,
            f"this key would have {after:,} passages of knowledge; this relay keeps {most:,} for a key, so delete some first",
        )
