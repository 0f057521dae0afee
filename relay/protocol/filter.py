"""Filters: parsing with every rule of NIP-01, and `matches`, the reference meaning of a filter.

Whatever else answers a filter (SQL, the live matcher) is tested against `matches`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import kinds, search
from relay.protocol.event import Event, describe

_INT64: Final = 2**63 - 1
_UINT64: Final = 2**64 - 1
_HEX_TAGS: Final = frozenset("ep")
_HEX_LIST: Final = re.compile("[0-9a-f]{64}(?: [0-9a-f]{64})*").fullmatch


class Filter(msgspec.Struct, frozen=True, gc=False):
    """One filter. A field that is None was absent; an empty set was present and matches nothing.

    `since` and `until` are inclusive unix seconds. `limit` bounds stored events only and never takes part in matching.
    `tags` maps a single letter to the wanted first values. `search` (NIP-50) is matched by its words here;
    stored events are searched by the search engine.
    """

    ids: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    kinds: frozenset[int] | None = None
    tags: Mapping[str, frozenset[str]] = {}
    since: int | None = None
    until: int | None = None
    limit: int | None = None
    search: str | None = None

    def is_empty(self) -> bool:
        """Whether no event at all can match."""
        if self.since is not None and self.until is not None and self.since > self.until:
            return True
        if self.search is not None and not search.parse(self.search).terms:
            return True
        sets = (self.ids, self.authors, self.kinds, *self.tags.values())
        return any(wanted is not None and not wanted for wanted in sets)


def matches(wanted: Filter, event: Event) -> bool:
    """Whether the event satisfies every condition of the filter (NIP-01)."""
    if wanted.kinds is not None and event.kind not in wanted.kinds:
        return False
    if wanted.authors is not None and event.pubkey not in wanted.authors:
        return False
    if wanted.ids is not None and event.id not in wanted.ids:
        return False
    if wanted.since is not None and event.created_at < wanted.since:
        return False
    if wanted.until is not None and event.created_at > wanted.until:
        return False
    for name, wanted_values in wanted.tags.items():
        if not any(tag[0] == name and len(tag) > 1 and tag[1] in wanted_values for tag in event.tags):
            return False
    if wanted.search is None:
        return True
    return search.found(search.parse(wanted.search), search.SearchedText(event))


def parse(value: object) -> Filter:
    """A filter from decoded JSON. Raises Reject(invalid) naming the field, Reject(unsupported) for a field not known here."""
    if not isinstance(value, dict):
        raise Reject(Prefix.INVALID, "a filter must be a JSON object")
    fields: dict[str, Any] = {}
    tags: dict[str, frozenset[str]] = {}
    for name, given in value.items():
        read = _FIELDS.get(name)
        if read is not None:
            fields[name] = read(name, given)
        elif len(name) == 2 and name[0] == "#" and name[1].isascii() and name[1].isalpha():
            tags[name[1]] = _hex_set(name, given) if name[1] in _HEX_TAGS else _string_set(name, given)
        else:
            raise Reject(Prefix.UNSUPPORTED, f"this relay does not know the filter field {name[:40]!r}")
    return Filter(**fields, tags=tags)


def check_comparable(wanted: Filter) -> None:
    """Raises Reject for a filter whose events two relays cannot compare."""
    if wanted.search is not None:
        words = "a search finds what each relay takes for it, which cannot be compared; leave search out of the filter"
        raise Reject(Prefix.INVALID, words)


def parse_json(text: bytes | str) -> Filter:
    """A filter from JSON text; raises Reject(invalid) when it is not JSON."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Reject(Prefix.INVALID, describe(error, text)) from None
    return parse(value)


def to_json(wanted: Filter) -> bytes:
    """The filter as a client would write it."""
    names = ("ids", "authors", "kinds")
    out: dict[str, object] = {n: sorted(getattr(wanted, n)) for n in names if getattr(wanted, n) is not None}
    out |= {f"#{name}": sorted(chosen) for name, chosen in sorted(wanted.tags.items())}
    out |= {n: getattr(wanted, n) for n in ("since", "until", "limit", "search") if getattr(wanted, n) is not None}
    return msgspec.json.encode(out)


def _list(name: str, given: object) -> list[object]:
    if not isinstance(given, list):
        raise Reject(Prefix.INVALID, f"filter field {name} must be a list")
    return given


def _hex_set(name: str, given: object) -> frozenset[str]:
    chosen = _string_set(name, given)
    # All at once. Where one held a space, the whole would be longer than so many with a space between.
    joined = " ".join(chosen)
    if chosen and (len(joined) != 65 * len(chosen) - 1 or not _HEX_LIST(joined)):
        raise Reject(Prefix.INVALID, f"filter field {name} must hold exactly 64 lower-case hex digits each")
    return chosen


def _string_set(name: str, given: object) -> frozenset[str]:
    items = _list(name, given)
    if not {*map(type, items)} <= {str}:
        raise Reject(Prefix.INVALID, f"filter field {name} must hold strings")
    return frozenset(items)  # type: ignore[arg-type]


def _kind_set(name: str, given: object) -> frozenset[int]:
    items = _list(name, given)
    for item in items:
        if type(item) is not int or not 0 <= item <= kinds.MAX_KIND:
            raise Reject(Prefix.INVALID, f"filter field {name} must hold integers from 0 to 65535")
    return frozenset(items)  # type: ignore[arg-type]


def _integer(name: str, given: object) -> int:
    """Some clients write "no bound" as the largest unsigned number of 64 bits, which is beyond every event."""
    lowest = 0 if name == "limit" else -_INT64
    if type(given) is not int or not lowest <= given <= _UINT64:
        raise Reject(Prefix.INVALID, f"filter field {name} must be an integer" + (" from 0 up" if lowest == 0 else ""))
    return min(given, _INT64)


def _search(_name: str, given: object) -> str:
    if not isinstance(given, str):
        raise Reject(Prefix.INVALID, "filter field search must be a string (NIP-50)")
    if len(given) > search.MAX_SEARCH:
        raise Reject(Prefix.INVALID, f"filter field search has at most {search.MAX_SEARCH} characters")
    return given


# What reads each field but those of tags; it raises Reject(invalid) for what the field may not hold.
_FIELDS: Final[dict[str, Callable[[str, object], object]]] = {
    "ids": _hex_set,
    "authors": _hex_set,
    "kinds": _kind_set,
    "since": _integer,
    "until": _integer,
    "limit": _integer,
    "search": _search,
}
