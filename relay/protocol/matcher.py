"""Index of live filters: which subscriptions want an event, without asking them all.

Rule: the answer is exactly `filter.matches`, and its cost grows with what matches. A filter stands under each value of its
most selective field (ids, a tag, authors, kinds); the rest of it is checked only when the event has such a value. Equal
filters of many subscriptions are one group, checked once. A search (NIP-50) stands under a word of it, and a text is taken apart
once an event, only where somebody searches.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from relay.protocol import search
from relay.protocol.event import Event, indexed_tags
from relay.protocol.filter import Filter

MAX_KEYS: Final = 2000  # values a filter may stand under: bounds the index to a few times the filter's own size

S = TypeVar("S", bound=Hashable)
_Value = str | int
_Place = tuple[str, frozenset[str] | frozenset[int]]
_NOTHING: Final[frozenset[str]] = frozenset()


class _Group(Generic[S]):
    """One distinct filter and its subscriptions. What standing under `place` already proves is left out of the fields."""

    __slots__ = ("asked", "authors", "ids", "kinds", "place", "plain", "since", "subscriptions", "tags", "until")

    def __init__(self, wanted: Filter) -> None:
        self.place = _place(wanted)
        proved = self.place[0] if self.place else ""
        self.ids = wanted.ids if proved != "ids" else None
        self.authors = wanted.authors if proved != "authors" else None
        self.kinds = wanted.kinds if proved != "kinds" else None
        self.tags = tuple((name, chosen) for name, chosen in wanted.tags.items() if proved != f"#{name}")
        self.since, self.until = wanted.since, wanted.until
        self.asked = None if wanted.search is None else search.parse(wanted.search)
        rest = (self.ids, self.authors, self.kinds, self.since, self.until, self.asked)
        self.plain = not self.tags and all(condition is None for condition in rest)
        self.subscriptions: dict[S, None] = {}

    def accepts(self, event: Event, tags: dict[str, set[str]], words: Sequence[str]) -> bool:
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
        if self.asked is not None and not search.found(self.asked, words, event):
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
        self._searching: dict[_Group[S], None] = {}

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
        tags: dict[str, set[str]] = {}
        for name, value in indexed_tags(event):
            tags.setdefault(name, set()).add(value)
        words = search.tokens(search.text_of(event)) if self._searching else ()
        found: dict[S, None] = {}
        for group in self._candidates(event, tags, words):
            if group.plain or group.accepts(event, tags, words):
                found.update(group.subscriptions)
        return list(found)

    def _candidates(self, event: Event, tags: dict[str, set[str]], words: Sequence[str]) -> dict[_Group[S], None]:
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
        under = index.get("search")
        if under is not None:
            for word in frozenset(words):
                candidates.update(under.get(word, ()))
        return candidates

    def _register(self, group: _Group[S]) -> None:
        if group.asked is not None:
            self._searching[group] = None
        if group.place is None:
            self._always[group] = None
            return
        field, chosen = group.place
        buckets = self._index.setdefault(field, {})
        for value in chosen:
            buckets.setdefault(value, {})[group] = None

    def _unregister(self, group: _Group[S]) -> None:
        """Take the group out and leave nothing empty behind: memory follows what is registered now."""
        self._searching.pop(group, None)
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
    tags = frozenset(wanted.tags.items())
    return wanted.ids, wanted.authors, wanted.kinds, tags, wanted.since, wanted.until, wanted.search


def _place(wanted: Filter) -> _Place | None:
    """Where a filter stands: its most selective field and that field's values; None for one that every event must be asked."""
    tags = sorted(wanted.tags.items(), key=lambda item: len(item[1]))
    places: tuple[tuple[str, frozenset[str] | frozenset[int] | None], ...] = (
        ("ids", wanted.ids),
        *((f"#{name}", chosen) for name, chosen in tags),
        ("search", _longest_word(wanted)),
        ("authors", wanted.authors),
        ("kinds", wanted.kinds),
    )
    for field, chosen in places:
        if chosen is not None and len(chosen) <= MAX_KEYS:
            return field, chosen
    return None


def _longest_word(wanted: Filter) -> frozenset[str] | None:
    """The word of a search that is likely the rarest, of those that an event must have whole."""
    if wanted.search is None:
        return None
    terms = search.parse(wanted.search).terms
    whole = [word for term in terms for word in (term.words[:-1] if term.prefix else term.words)]
    return frozenset([max(whole, key=len)]) if whole else None
