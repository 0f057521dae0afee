"""`votes`: of each target and identity the newest live vote, whichever of the identity's keys signed it.

A target is a post or comment with a row. A key is the target's id and the author's. An emoji is no vote (feed.voted).
"""

from typing import Final

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.event import Event
from relay.protocol.rows import About, Count, Place, Projection, RowDependency, Sources, newest_of

_ID: Final = 64  # characters


class VoteFields(msgspec.Struct, frozen=True):
    """A row, by numbers alone: that of the target's row and its table's, the voter's (posting_identities) and the vote's (events).

    `up` and `counts` are 0 or 1.
    """

    target: int
    voter: int
    kind: int
    seq: int
    created_at: int
    up: int
    counts: int


_KINDS: Final = {"posts": kinds.POST, "comments": kinds.COMMENT}
_TABLES: Final = {kind: table for table, kind in _KINDS.items()}


def _keys(event: Event) -> tuple[str, ...]:
    target = feed.voted(event) if event.kind == kinds.REACTION else None
    return () if target is None else (target + event.pubkey,)


def _place(key: str, sources: Sources) -> Place | None:
    target = sources.standing(key[:_ID])
    if target is None and not sources.missed:
        return None  # as most reactions: nobody need ask whose they are
    owner = sources.owner(key[_ID:])
    return None if owner is None or target is None else (target.seq, owner.number)


def _rows(key: str, sources: Sources) -> tuple[VoteFields, ...]:
    owner, target = sources.owner(key[_ID:]), sources.standing(key[:_ID])
    if owner is None or target is None:
        return ()
    if len(owner.keys) == 1:
        vote = sources.newest(kinds.REACTION, key[_ID:], about=key[:_ID])
    else:
        vote = newest_of([sources.newest(kinds.REACTION, pubkey, about=key[:_ID]) for pubkey in owner.keys])
    if vote is None:
        return ()
    up = int(vote.event.content != "-")
    counts = int(owner.local or sources.counts_all)
    return (VoteFields(target.seq, owner.number, _KINDS[target.table], vote.seq, vote.event.created_at, up, counts),)


def _counts(row: VoteFields) -> tuple[Count, ...]:
    column = "uncounted" if not row.counts else "upvotes" if row.up else "downvotes"
    return ((_TABLES[row.kind], row.target, column),)


PROJECTION: Final = Projection(
    "votes",
    VoteFields,
    ("target", "voter"),
    frozenset({kinds.REACTION}),
    _keys,
    _rows,
    place=_place,
    follows=tuple(RowDependency(table, ("came",), About(kinds.REACTION)) for table in _KINDS),
    under=(("posts", "target"), ("comments", "target")),
    counts=_counts,
)
