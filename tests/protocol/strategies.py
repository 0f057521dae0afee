"""Random events and filters from so small a world that they often meet."""

import msgspec
from hypothesis import strategies as st

from relay.protocol.event import Event
from relay.protocol.filter import Filter

HEX = [character * 64 for character in "0123"]
TIMES = st.integers(100, 104)
KINDS = st.sampled_from([0, 1, 5, 30023])
WORDS = st.sampled_from(["", "x", "y", *HEX[:2]])
TEXTS = ["", "Low water", "東京の water 🎉", "서울에서 ё", "water, low: Ebbe", "Wässer!", "the water is low at noon"]
SEARCHES = [
    "",
    "water",
    "WATER low",
    '"low water"',
    "wat*",
    '"water is low" noon',
    "wasser",
    "low:water ebb*",
    '"at n*"',
    "at-no*",
    "東京",
    "京* water",
    "서울",
    "🎉 e",
    "w*",
]
TAGS = st.lists(st.sampled_from(["e", "t", "T", "tt", ""]), min_size=1, max_size=1).flatmap(
    lambda name: st.lists(WORDS, max_size=2).map(lambda values: name + values)
)


def events() -> st.SearchStrategy[Event]:
    """Unsigned events: the matcher and the filters never look at a signature."""
    return st.builds(
        Event,
        id=st.sampled_from(HEX),
        pubkey=st.sampled_from(HEX),
        created_at=TIMES,
        kind=KINDS,
        tags=st.lists(TAGS, max_size=4),
        content=st.sampled_from(TEXTS),
        sig=st.just("0" * 128),
    )


def _some(values: st.SearchStrategy[object]) -> st.SearchStrategy[frozenset[object] | None]:
    return st.none() | st.frozensets(values, max_size=3)


def filters() -> st.SearchStrategy[Filter]:
    """Filters of every field, present lists that are empty among them."""
    hexes = st.sampled_from(HEX)
    tags = st.fixed_dictionaries(
        {},
        optional={
            "e": st.frozensets(st.sampled_from(HEX[:2]), max_size=2),
            "t": st.frozensets(WORDS, max_size=2),
            "T": st.frozensets(WORDS, max_size=2),
        },
    )
    return st.builds(
        Filter,
        ids=_some(hexes),
        authors=_some(hexes),
        kinds=_some(KINDS),
        tags=tags,
        since=st.none() | TIMES,
        until=st.none() | TIMES,
        limit=st.none() | st.integers(0, 5),
    )


def searches() -> st.SearchStrategy[Filter]:
    """Filters that search, too."""
    return st.builds(msgspec.structs.replace, filters(), search=st.sampled_from(SEARCHES))
