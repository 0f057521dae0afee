"""The derived tables: one module a table, one row each here. See relay.protocol.rows for the words."""

from typing import Final

from handlers.rows import comments, passages, posts, profiles, votes
from relay.protocol.rows import Projection

# Each may ask for the rows of those above it.
PROJECTIONS: Final[tuple[Projection, ...]] = (
    profiles.PROJECTION,
    posts.PROJECTION,
    comments.PROJECTION,
    votes.PROJECTION,
    passages.PROJECTION,
)
