"""Following people: the relays that they write to, found by their lists (NIP-65), as peers that bring what they write.

Who is followed stands in `federation.follow`. Of each the newest relay list that is here is read; the relays in
`federation.lookup` bring those lists. Of all relays named, so many are joined that reach most of those people, the ones that reach
more of them first. A stranger's list can therefore name what it likes: it has a say in as many relays as anybody's, and none is at
a private address.
"""

import time
from collections.abc import Iterable, Iterator, Set
from typing import Any, Final, Self

import msgspec

from keys import encoding
from keys.encoding import AddressPointer
from relay.federation.addresses import normal_or_empty
from relay.peer_settings import Federation, PeerPolicy, PeerSettings
from relay.protocol import kinds
from relay.protocol.event import Event, parse, values
from relay.protocol.filter import Filter
from storage.base import PUBLIC, Limits, Reader

MOST_KEYS: Final = 5000  # that are followed
MOST_OF_ONE: Final = 4  # write relays of one key, as NIP-65 advises
AUTHORS: Final = 500  # in one filter
MOST_READ: Final = 500  # events read at once
MEMBERS: Final = "members"
LIST: Final = "list:"
_MOVED_BY: Final = frozenset((kinds.RELAY_LIST, kinds.DELETION, kinds.VANISH))  # whoever's: who is followed may be many
_IDENTITIES: Final = "identities"  # the kind of primary row that says who is at home here, among other things
_POLICY: Final = PeerPolicy(groups=False)  # who follows people did not ask for the groups that they are in


async def followed(
    federation: Federation, store: Reader, own_url: str, lost: Set[str] = frozenset()
) -> dict[str, PeerSettings]:
    """The relays to join because of who is followed, by URL, without this one; `lost` as in `choose`. Raises StorageError."""
    keys = await _keys(federation.follow, store)
    if not keys:
        return {}
    named = await _write_relays(keys, store)
    chosen = choose(
        {key: [url for url in urls if url != own_url] for key, urls in named.items()}, federation.follow_relays, lost
    )

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


def choose(named: dict[str, list[str]], most: int, lost: Set[str] = frozenset()) -> dict[str, list[str]]:
    """Of the relays that each key names, at most so many, with the keys that are to be found at each.

    The relay that reaches most keys comes first, then the one that reaches most of the others; a relay that reaches none of those
    that are left is taken only for whom it is a second place, as long as there is room. Those that are `lost`, because nobody has
    answered there for long, come after all others that reach somebody who is left.
    """
    at: dict[str, set[str]] = {}
    for key, urls in named.items():
        for url in urls:
            at.setdefault(url, set()).add(key)
    chosen: dict[str, list[str]] = {}
    unreached = {key for key, urls in named.items() if urls}
    while at and len(chosen) < most:
        new = {url: len(keys & unreached) for url, keys in at.items()}
        url = min(at, key=lambda one: (not new[one], one in lost, -new[one], -len(at[one]), one))
        keys = at.pop(url)
        chosen[url] = sorted(keys)
        unreached -= keys
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
    found = await _query(wanted, store)
    return [key for event in found[:1] for key in values(event, "p") if kinds.is_hex(key, 64)]


async def _write_relays(keys: list[str], store: Reader) -> dict[str, list[str]]:
    """The relays that each of these keys says it writes to, the first few of each (NIP-65)."""
    named: dict[str, list[str]] = {}
    for at in range(0, len(keys), MOST_READ):
        part = keys[at : at + MOST_READ]
        wanted = Filter(authors=frozenset(part), kinds=frozenset([kinds.RELAY_LIST]), limit=len(part))
        for event in await _query(wanted, store):
            named.setdefault(event.pubkey, write_relays(event))
    return named


def write_relays(event: Event) -> list[str]:
    """The relays of a relay list that its author writes to: those without a mark, or with `write`."""
    urls = (
        normal_or_empty(tag[1])
        for tag in event.tags
        if tag[0] == "r" and len(tag) > 1 and (len(tag) == 2 or tag[2] in ("", "write"))
    )
    return list(dict.fromkeys(url for url in urls if url))[:MOST_OF_ONE]


async def _query(wanted: Filter, store: Reader) -> list[Event]:
    now = int(time.time())
    found = await store.query([wanted], PUBLIC, now, limits=Limits(MOST_READ, MOST_READ))
    return [parse(wire) for wire in [*found.wires, *await store.fetch(found.rest, now)]]
