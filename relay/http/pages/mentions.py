"""Whom and what texts mention, looked up together before a page is made of them.

Rule: what a page looks up is bounded (MAX_NAMES, MAX_REFERENCES), however many texts it shows; the others stay words.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from keys import encoding
from keys.encoding import AddressPointer, EventPointer, ProfilePointer
from relay.http.api import publishing
from relay.http.hub import RunningRelay
from relay.http.rendering import prose
from relay.http.rendering.markdown import NAME, REFERENCE, clip
from relay.http.rendering.prose import Mention, Mentions
from relay.protocol import kinds, names
from relay.protocol.event import first_value, parse, values
from relay.protocol.filter import Filter
from storage.errors import StorageError
from storage.feed import CommentRow, PostRow
from storage.identities.types import Identity, Lookups

MAX_NAMES: Final = 100  # that one page looks up
MAX_REFERENCES: Final = 50  # `nostr:` texts, of people and of events
LOOKED_AT: Final = 20_000  # characters of one text
MAX_ARTICLES: Final = 10  # each is a look at the log
MAX_QUOTES: Final = 1  # of one item
_QUOTING: Final = b'["q",'
MAX_WORDS: Final = 80  # of a title that stands for a post

_log = logging.getLogger(__name__)


Quotes = Mapping[str, Sequence[str]]  # id of an item -> the ids of what it quotes by `q` tags (NIP-18)
NO_QUOTES: Final[Quotes] = MappingProxyType({})


def quotes(rows: Iterable[PostRow | CommentRow]) -> Quotes:
    """What these quote, MAX_QUOTES of each; most quote nothing, and their events are not read."""
    found = {row.id: values(parse(row.wire), "q") for row in rows if _QUOTING in row.wire}
    return {item: [each for each in ids if kinds.is_hex(each, 64)][:MAX_QUOTES] for item, ids in found.items()}


async def of(hub: RunningRelay, texts: Iterable[str], quoting: Quotes = NO_QUOTES) -> Mentions:
    """What these texts mention and what these items quote, as far as it is here. While the store fails, nothing is."""
    called: dict[str, None] = {}
    referred: dict[str, None] = {}
    for text in texts:
        if "@" in text:
            called.update(dict.fromkeys(_names(text[:LOOKED_AT])))
        if "nostr:" in text:
            referred.update(dict.fromkeys(found[0] for found in REFERENCE.finditer(text[:LOOKED_AT])))
    if not called and not referred and not quoting:
        return prose.NONE
    keys, events, addresses = _pointed(list(referred)[:MAX_REFERENCES])
    quoted = [(f"{prose.QUOTE}{item}", each) for item, ids in quoting.items() for each in ids]
    events |= dict(quoted[:MAX_REFERENCES])
    try:
        return {
            **await _people(hub, list(called)[: 2 * MAX_NAMES], keys),
            **await _written(hub, events),
            **await _articles(hub, addresses),
        }
    except StorageError as error:
        _log.warning("a page names nobody whom its texts mention: %s", error)
        return prose.NONE


def _names(text: str) -> Iterable[str]:
    for found in NAME.finditer(text):
        yield found["name"].lower()
        yield found["name"].lower().rstrip(".-")  # a full stop may be of the sentence or of the name


def _pointed(referred: list[str]) -> tuple[dict[str, str], dict[str, str], dict[str, AddressPointer]]:
    """The keys, the events and the addresses that these texts name, each by its text (NIP-19); what is none is left out."""
    keys: dict[str, str] = {}
    events: dict[str, str] = {}
    addresses: dict[str, AddressPointer] = {}
    for said in referred:
        code = said.removeprefix("nostr:")
        try:
            if code.startswith("npub1"):
                keys[said] = encoding.decode("npub", code)
            elif code.startswith("note1"):
                events[said] = encoding.decode("note", code)
            else:
                pointer = encoding.decode_pointer(code)
                if isinstance(pointer, ProfilePointer):
                    keys[said] = pointer.pubkey
                elif isinstance(pointer, EventPointer):
                    events[said] = pointer.id
                else:
                    addresses[said] = pointer
        except ValueError:
            continue
    return keys, events, addresses


async def _people(hub: RunningRelay, called: list[str], keys: dict[str, str]) -> Mentions:
    wanted = [name for name in called if names.is_name(name)]
    if not wanted and not keys:
        return prose.NONE

    def look(tables: Lookups) -> tuple[list[Identity], dict[str, Identity]]:
        named = [found for name in wanted if (found := tables.identity_named(name)) is not None]
        return named, tables.identities_of_keys(sorted(set(keys.values())))

    named, owners = await hub.identities.group_tables.look(look)
    found = {f"@{one.name.lower()}": _person(one) for one in named if one.anonymised_at is None}
    for said, key in keys.items():
        owner = owners.get(key)
        if owner is not None and owner.anonymised_at is None and owner.origin is None:
            found[said] = _person(owner)
    return found


def _person(one: Identity) -> Mention:
    return Mention(f"/u/{prose.segment(one.name)}", f"@{one.name}")


async def _written(hub: RunningRelay, events: dict[str, str]) -> Mentions:
    if not events:
        return prose.NONE
    now, ids = int(time.time()), sorted(set(events.values()))
    posts = await hub.feed.posts_by_id(ids, now)
    found = {row.id: _entry(row, f"“{clip(prose.plain(row.title), MAX_WORDS)}”") for row in posts}
    rest = [each for each in ids if each not in found]
    if rest:
        comments = await hub.feed.comments_by_id(rest, now)
        found |= {row.id: _entry(row, f"a comment by @{row.author_name}") for row in comments}
    return {said: found[each] for said, each in events.items() if each in found}


def _entry(row: PostRow | CommentRow, words: str) -> Mention:
    return Mention(f"/post/{row.id}", words, row.author_display_name or row.author_name, row.content)


async def _articles(hub: RunningRelay, addresses: dict[str, AddressPointer]) -> Mentions:
    """Knowledge, which has pages of its own (articles.py); what belongs to a group has none."""
    found = {}
    pages = {said: one for said, one in addresses.items() if one.d and one.kind in hub.config.search.knowledge_kinds}
    for said, one in list(pages.items())[:MAX_ARTICLES]:
        tags = {"d": frozenset([one.d])}
        wanted = Filter(kinds=frozenset([one.kind]), authors=frozenset([one.pubkey]), tags=tags, limit=1)
        for event in (await publishing.newest(hub, wanted)).events:
            if first_value(event, "h") is None:
                path = f"/knowledge/{encoding.encode('npub', one.pubkey)}/{prose.segment(one.d)}"
                title = clip(prose.plain(first_value(event, "title") or one.d), MAX_WORDS)
                found[said] = Mention(path, f"“{title}”")
    return found
