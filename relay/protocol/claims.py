"""What the relay says when a person has claimed an identity: a label (NIP-32, kind 1985) by its key on the identity's main key."""

from collections.abc import Collection
from typing import Final

from relay.protocol import kinds
from relay.protocol.event import Draft
from relay.protocol.filter import Filter

NAMESPACE: Final = "tidings.claim"
CLAIMED: Final = "claimed"
MOST: Final = 10  # that are looked at; an identity is claimed once


def said(pubkey: str, now: int) -> Draft:
    """The label that says so of this key."""
    tags = [["L", NAMESPACE], ["l", CLAIMED, NAMESPACE], ["p", pubkey]]
    return Draft(kinds.LABEL, tags, "A person has claimed this identity.", now)


def filter_of(relay: str | None, keys: Collection[str]) -> Filter:
    """Those that the relay with this key has said of any of these keys."""
    authors = frozenset([] if relay is None else [relay])
    tags = {"p": frozenset(keys), "l": frozenset([CLAIMED])}
    return Filter(kinds=frozenset([kinds.LABEL]), authors=authors, tags=tags, limit=MOST)
