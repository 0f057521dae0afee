"""Following people: the relays that they write to, found by their lists (NIP-65), as peers that bring what they write.

Who is followed stands in `federation.follow`. Of each the newest relay list that is here is read; the relays in
`federation.lookup` bring those lists. Of all relays named, so many are joined that reach most of those people, the ones that reach
more of them first. A stranger's list can therefore name what it likes: it has a say in as many relays as anybody's, and none is at
a private address.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Set
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Self

import msgspec

from keys import encoding
from keys.encoding import AddressPointer
from relay.federation.addresses import normal_or_empty
from relay.peer_settings import Federation, PeerPolicy, PeerSettings
from relay.protocol import kinds
from relay.protocol.event import Event, parse, values
from relay.protocol.filter import Filter
from relay.server.pools import Rests
from storage.base import PUBLIC, Limits, Reader

MOST_KEYS: Final = 5000  # that are followed
MOST_OF_ONE: Final = 4  # write relays of one key, as NIP-65 advises
MOST_LOOKED_AT: Final = 20  # of those that one key names, for some that are a relay's URL
AUTHORS: Final = 500  # in one filter
MOST_READ: Final = 500  # events read at once
MOST_URL: Final = 2048  # characters, as of a peer's in the settings
MEMBERS: Final = "members"
LIST: Final = "list:"
_MOVED_BY: Final = frozenset((kinds.RELAY_LIST, kinds.DELETION, kinds.VANISH))  # whoever's: who is followed may be many
_WRITE: Final = ("", "write")
_IDENTITIES: Final = "identities"  # the kind of primary row that says who is at home here, among other things
_POLICY: Final = PeerPolicy(groups=False)  # who follows people did not ask for the groups that they are in


async def followed(
    federation: Federation, store: Reader, own_url: str, lost: Set[str] = frozenset()
) -> dict[str, PeerSettings]:
    """The relays to join because of who is followed, by URL, without this one; `lost` as in `choose`. Raises StorageError."""
    keys = await _keys(federation.follow, store)
    if not keys:
        return {}
    named = await _write_relays(keys, store, own_url)
    chosen = await asyncio.to_thread(choose, named, federation.follow_relays, lost, Rests())

    def joined(url: str, wanted: list[dict[str, Any]]) -> PeerSettings:
        return PeerSettings(
            url=url, direction="down", filters=wanted, allow_private=federation.follow_private, policy=_POLICY
        )

    wanted = {url: joined(url, [{"authors": part} for part in _parts(authors)]) for url, authors in chosen.items()}
    lists = [{"kinds": [kinds.RELAY_LIST], "authors": part} for part in _parts(keys)]
    for url in filter(None, map(normal_or_empty, federation.lookup)):
        before = wanted[url].filters if url in wanted else []
        wanted[url] = joined(url, [*before, *lists])
    return wanted


def choose(
    named: dict[str, list[str]], most: int, lost: Set[str] = frozenset(), rest: Callable[[], None] = lambda: None
) -> dict[str, list[str]]:
    """Of the relays that each key names, at most so many, with the keys that are to be found at each.

    The relay that reaches most keys comes first, then the one that reaches most of the others; a relay that reaches none of those
    that are left is taken only for whom it is a second place, as long as there is room. Those that are `lost`, because nobody has
    answered there for long, come after all others that reach somebody who is left. `rest` is called now and then.
    """
    at: dict[str, list[str]] = {}
    for key, urls in named.items():
        rest()
        for url in urls:
            at.setdefault(url, []).append(key)
    new = {url: len(keys) for url, keys in at.items()}  # keys that are to be found there and at none that is chosen

    def place(url: str) -> tuple[bool, bool, int, int, str]:
        return not new[url], url in lost, -new[url], -len(at[url]), url

    line: list[tuple[bool, bool, int, int, str]] = []
    for url in at:  # one by one: at once, the interpreter would be held for as long as that takes
        rest()
        heapq.heappush(line, place(url))
    chosen: dict[str, list[str]] = {}
    reached: set[str] = set()
    while line and len(chosen) < most:
        rest()
        before = heapq.heappop(line)
        url = before[-1]
        if (now := place(url)) != before:  # others were chosen meanwhile, which only puts it further back
            heapq.heappush(line, now)
            continue
        chosen[url] = sorted(at[url])
        for key in at[url]:
            if key not in reached:
                reached.add(key)
                for other in named[key]:
                    new[other] -= 1
    return chosen


def _parts(keys: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(keys)
    return (ordered[at : at + AUTHORS] for at in range(0, len(ordered), AUTHORS))


async def _keys(follow: list[str], store: Reader) -> list[str]:
    """Whom the settings name, the first so many."""
    found: dict[str, None] = {}
    for one in follow:
        if one == MEMBERS:
            found |= dict.fromkeys(await store.ask(lambda tables: tables.members(MOST_KEYS)))
        elif one.startswith(LIST):
            found |= dict.fromkeys(await _listed(address_of(one), store))
        else:
            found[encoding.decode("npub", one)] = None
    return list(found)[:MOST_KEYS]


def address_of(text: str) -> AddressPointer:
    """The list that `list:naddr…` names. Raises ValueError."""
    pointer = encoding.decode_pointer(text.removeprefix(LIST))
    if not isinstance(pointer, AddressPointer):
        raise ValueError("expected list:naddr1…")
    return pointer


class Watched(msgspec.Struct, frozen=True):
    """After what other relays may have to be joined: `lists` are the (kind, author) of the lists that are followed.

    `members`: those who are at home here are followed.
    """

    lists: frozenset[tuple[int, str]] = frozenset()
    members: bool = False

    @classmethod
    def of(cls, follow: list[str]) -> Self:
        """That for these settings."""
        pointers = [address_of(one) for one in follow if one.startswith(LIST)]
        return cls(frozenset((pointer.kind, pointer.pubkey) for pointer in pointers), MEMBERS in follow)

    def is_moved(self, events: Iterable[Event], changes: Iterable[tuple[str, str]]) -> bool:
        """Whether these events, or changed primary rows (kind, key), may change who is followed, or to where."""
        if self.members and any(kind == _IDENTITIES for kind, _ in changes):
            return True
        return any(event.kind in _MOVED_BY or (event.kind, event.pubkey) in self.lists for event in events)


async def _listed(pointer: AddressPointer, store: Reader) -> list[str]:
    """The keys in the newest version of a list that is here (NIP-51: its p tags)."""
    tags = {"d": frozenset([pointer.d])} if kinds.is_addressable(pointer.kind) else {}
    wanted = Filter(authors=frozenset([pointer.pubkey]), kinds=frozenset([pointer.kind]), tags=tags, limit=1)
    found = [parse(wire) for wire in (await _wires(wanted, store))[:1]]
    return [key for event in found for key in values(event, "p") if kinds.is_hex(key, 64)]


async def _write_relays(keys: list[str], store: Reader, own_url: str) -> dict[str, list[str]]:
    """The relays but this one that each of these keys says it writes to, the first few of each (NIP-65)."""
    named: dict[str, list[str]] = {}
    normal = lru_cache(MOST_KEYS)(normal_or_empty)  # many name the same relays
    for at in range(0, len(keys), MOST_READ):
        part = keys[at : at + MOST_READ]
        wanted = Filter(authors=frozenset(part), kinds=frozenset([kinds.RELAY_LIST]), limit=len(part))
        found = await _wires(wanted, store)
        named |= await asyncio.to_thread(_named, found, own_url, normal, Rests())
    return named


def _named(
    wires: list[bytes], own_url: str, normal: Callable[[str], str], rest: Callable[[], None]
) -> dict[str, list[str]]:
    """The relays but this one that each of these relay lists names, by its author."""
    named: dict[str, list[str]] = {}
    for wire in wires:
        rest()
        event = parse(wire)
        if event.pubkey not in named:
            named[event.pubkey] = [url for url in write_relays(event, normal) if url != own_url]
    return named


def write_relays(event: Event, normal: Callable[[str], str] = normal_or_empty) -> list[str]:
    """The relays of a relay list that its author writes to: those without a mark, or with `write`.

    `normal` gives the one spelling of a relay's URL, "" for what is none.
    """
    written = (tag[1] for tag in event.tags if tag[0] == "r" and len(tag) > 1 and (len(tag) == 2 or tag[2] in _WRITE))
    urls = (normal(url) for url in islice(written, MOST_LOOKED_AT) if len(url) <= MOST_URL)
    return list(dict.fromkeys(filter(None, urls)))[:MOST_OF_ONE]


async def _wires(wanted: Filter, store: Reader) -> list[bytes]:
    now = int(time.time())
    found = await store.query([wanted], PUBLIC, now, limits=Limits(MOST_READ, MOST_READ))
    return [*found.wires, *await store.fetch(found.rest, now, PUBLIC)]
