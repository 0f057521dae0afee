"""Index of live filters: which subscriptions want an event, without asking them all.

Rule: the answer is exactly `filter.matches`, and its cost grows with what matches. A filter stands under each value of its
most selective field (ids, a tag, authors, kinds); the rest of it is checked only when the event has such a value. Equal
filters of many subscriptions are one group, checked once. A search (NIP-50) stands under a word of it or, where it has beginnings
of words only, under one of those; the words of an event are prepared once, only where somebody searches.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final, Generic, TypeVar

from relay.protocol import search
from relay.protocol.event import Event, indexed_tags
from relay.protocol.filter import Filter
from relay.protocol.search import SearchedText
from relay.protocol.tokenizer import MAX_WORD

MAX_KEYS: Final = 2000  # values a filter may stand under: bounds the index to a few times the filter's own size

S = TypeVar("S", bound=Hashable)
_Value = str | int
_Place = tuple[str, frozenset[str] | frozenset[int]]
_NOTHING: Final[frozenset[str]] = frozenset()
_BEGINNINGS: Final = tuple((length, f"search {length}*") for length in range(search.MIN_PREFIX, MAX_WORD + 1))


class _Group(Generic[S]):
    """One distinct filter and its subscriptions. What standing under `place` already proves is left out of the fields."""

    __slots__ = (
        "asked",
        "authors",
        "ids",
        "kinds",
        "place",
        "plain",
        "searched",
        "since",
        "subscriptions",
        "tags",
        "until",
    )

    def __init__(self, wanted: Filter) -> None:
        self.place = _place(wanted)
        proved = self.place[0] if self.place else ""
        self.ids = wanted.ids if proved != "ids" else None
        self.authors = wanted.authors if proved != "authors" else None
        self.kinds = wanted.kinds if proved != "kinds" else None
        self.tags = tuple((name, chosen) for name, chosen in wanted.tags.items() if proved != f"#{name}")
        self.since, self.until = wanted.since, wanted.until
        self.asked = None if wanted.search is None else search.parse(wanted.search)
        self.searched = (None,) if wanted.kinds is None else tuple(wanted.kinds)
        rest = (self.ids, self.authors, self.kinds, self.since, self.until, self.asked)
        self.plain = not self.tags and all(condition is None for condition in rest)
        self.subscriptions: dict[S, None] = {}

    def accepts(self, event: Event, tags: dict[str, set[str]], text: SearchedText | None) -> bool:
        """Whether the event meets the conditions that its place in the index has not proved."""
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        if self.authors is not None and event.pubkey not in self.authors:
            return False
        if self.since is not None and event.created_at < self.since:
            return False
        if self.until is not None and event.created_at > self.until:
            return False
        if self.ids is not None and event.id not in self.ids:
            return False
        if self.asked is not None and (text is None or not search.found(self.asked, text)):
            return False
        if not self.tags:  # the usual case; the generator below costs as much as all of the above
            return True
        return all(not chosen.isdisjoint(tags.get(name, _NOTHING)) for name, chosen in self.tags)


class Matcher(Generic[S]):
    """The live filters of all subscriptions. A subscription is any hashable object of the caller's. Not thread-safe."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group[S]] = {}
        self._index: dict[str, dict[_Value, dict[_Group[S], None]]] = {}
        self._always: dict[_Group[S], None] = {}
        self._identities: dict[S, tuple[Hashable, ...]] = {}
        self._searching: dict[int | None, int] = {}  # kinds that searches want (None: any) -> how many do

    def __len__(self) -> int:
        """How many subscriptions are registered."""
        return len(self._identities)

    def add(self, subscription: S, filters: Iterable[Filter]) -> None:
        """Register a subscription, in place of its earlier filters if it has any. Filters that match nothing take no room."""
        self.remove(subscription)
        wanted = {_identity(each): each for each in filters if not each.is_empty()}
        if not wanted:
            return
        for identity, each in wanted.items():
            group = self._groups.get(identity)
            if group is None:
                group = self._groups[identity] = _Group(each)
                self._register(group)
            group.subscriptions[subscription] = None
        self._identities[subscription] = tuple(wanted)

    def remove(self, subscription: S) -> None:
        """Forget a subscription; one that is not registered changes nothing."""
        for identity in self._identities.pop(subscription, ()):
            group = self._groups[identity]
            del group.subscriptions[subscription]
            if not group.subscriptions:
                del self._groups[identity]
                self._unregister(group)

    def match(self, event: Event) -> list[S]:
        """The subscriptions with a filter that matches the event, each once."""
        if not self._groups:
            return []
        tags: dict[str, set[str]] = {}
        for name, value in indexed_tags(event):
            tags.setdefault(name, set()).add(value)
        searching = self._searching
        text = SearchedText(event) if searching and (event.kind in searching or None in searching) else None
        found: dict[S, None] = {}
        for group in self._candidates(event, tags, text):
            if group.plain or group.accepts(event, tags, text):
                found.update(group.subscriptions)
        return list(found)

    def _candidates(self, event: Event, tags: dict[str, set[str]], text: SearchedText | None) -> dict[_Group[S], None]:
        """The groups that stand under a value of the event, each once."""
        index = self._index
        candidates = dict(self._always)
        own: tuple[tuple[str, _Value], ...] = (("ids", event.id), ("authors", event.pubkey), ("kinds", event.kind))
        for field, value in own:
            if field in index and (bucket := index[field].get(value)):
                candidates.update(bucket)
        for name, present in tags.items():
            asked = index.get(f"#{name}")
            if asked is not None:
                for value in present:
                    candidates.update(asked.get(value, ()))
        if text is not None:
            for word, under in self._under_words(text):
                candidates.update(under[word])
        return candidates

    def _under_words(self, text: SearchedText) -> Iterator[tuple[_Value, dict[_Value, dict[_Group[S], None]]]]:
        """The words and beginnings of words of the text that searches stand under, and where these are."""
        whole = self._index.get("search")
        if whole is not None:
            few, many = sorted((whole.keys(), text.present), key=len)
            yield from ((word, whole) for word in few if word in many)
        for length, field in _BEGINNINGS:
            begun = self._index.get(field)
            if begun is not None:
                yield from ((prefix, begun) for prefix in text.beginnings(begun.keys(), length))

    def _register(self, group: _Group[S]) -> None:
        if group.asked is not None:
            for kind in group.searched:
                self._searching[kind] = self._searching.get(kind, 0) + 1
        if group.place is None:
            self._always[group] = None
            return
        field, chosen = group.place
        buckets = self._index.setdefault(field, {})
        for value in chosen:
            buckets.setdefault(value, {})[group] = None

    def _unregister(self, group: _Group[S]) -> None:
        """Take the group out and leave nothing empty behind: memory follows what is registered now."""
        if group.asked is not None:
            for kind in group.searched:
                self._searching[kind] -= 1
                if not self._searching[kind]:
                    del self._searching[kind]
        if group.place is None:
            del self._always[group]
            return
        field, chosen = group.place
        buckets = self._index[field]
        for value in chosen:
            del buckets[value][group]
            if not buckets[value]:
                del buckets[value]
        if not buckets:
            del self._index[field]


def _identity(wanted: Filter) -> Hashable:
    """What equal filters have in common; the limit is about stored events only."""
    tags = frozenset(wanted.tags.items()) if wanted.tags else None  # an empty set is 216 bytes of every filter
    return wanted.ids, wanted.authors, wanted.kinds, tags, wanted.since, wanted.until, wanted.search


def _place(wanted: Filter) -> _Place | None:
    """Where a filter stands: its most selective field and that field's values; None for one that every event must be asked."""
    tags = sorted(wanted.tags.items(), key=lambda item: len(item[1]))
    places: tuple[tuple[str, frozenset[str] | frozenset[int] | None], ...] = (
        ("ids", wanted.ids),
        *((f"#{name}", chosen) for name, chosen in tags),
        *_word_of(wanted),
        ("authors", wanted.authors),
        ("kinds", wanted.kinds),
    )
    for field, chosen in places:
        if chosen is not None and len(chosen) <= MAX_KEYS:
            return field, chosen
    return None


def _word_of(wanted: Filter) -> list[tuple[str, frozenset[str]]]:
    """The word of a search that is likely the rarest, of those that an event must have whole; else the longest beginning."""
    terms = () if wanted.search is None else search.parse(wanted.search).terms
    whole = [word for term in terms for word in (term.words[:-1] if term.prefix else term.words)]
    if whole:
        return [("search", frozenset([max(whole, key=len)]))]
    begun = max((term.words[0] for term in terms), key=len, default="")
    return [(f"search {len(begun)}*", frozenset([begun]))] if begun else []
