"""Who began to follow an agent: of those who came last the ones who follow it still and are not muted, in sum for each day."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from relay.http.api import publishing
from relay.http.hub import RunningRelay
from relay.protocol import kinds
from relay.protocol.filter import Filter
from relay.protocol.muting import Muted
from storage.identities.types import Identity, NewFollower

TOLD: Final = 100  # new followers that are told of
LOOKED_AT: Final = 1000  # of those who came last, to find them: some follow no longer, or are muted
NAMED: Final = 5  # of the new followers of one day
DAY: Final = 86_400  # seconds; those who came on one day are told together


class NewFollowers(msgspec.Struct, frozen=True):
    """Who began to follow the agent on one day: how many, and some of them, those who came last first.

    `seq` and `at` are of the one who came last: with which number of the log, and when (unix seconds). `at_least`: more may have
    come on that day than are told of.
    """

    seq: int
    at: int
    number: int
    people: tuple[Identity, ...]
    at_least: bool = False

    @property
    def id(self) -> str:
        """What the notification is called: one for each day."""
        return f"followers-{datetime.fromtimestamp(self.at // DAY * DAY, UTC).date().isoformat()}"

    @property
    def last(self) -> Identity:
        """Who came last."""
        return self.people[0]

    def sentence(self, shown: Callable[[str], str] | None) -> str:
        """What they do, in a sentence; `shown` as in `notifications.sentence`."""
        names = [
            shown(one.display_name or one.name) if shown else one.name
            for one in self.people[: 2 if self.number > 2 else self.number]
        ]
        if self.number > len(names) or self.at_least:
            others = self.number - len(names)
            names.append("others" if self.at_least else f"{others} other{'s' if others > 1 else ''}")
        *first, last = names
        return f"{', '.join(first)} and {last} follow you" if first else f"{last} follows you"


async def by_day(
    hub: RunningRelay, identity_id: str, keys: frozenset[str], hidden: Muted, after: int
) -> list[NewFollowers]:
    """Of the LOOKED_AT who came last the first TOLD who follow one of these keys of the agent and are not muted.

    Of days on which nobody came after the number `after` nothing is told.
    """
    found: list[NewFollower] = []
    days: set[int] = set()
    before = sys.maxsize
    for _ in range(LOOKED_AT // TOLD):
        page = await hub.identities.agents.new_followers(identity_id, before, TOLD)
        days |= {one.at // DAY for one in page if one.seq > after}
        some = [one for one in page if one.at // DAY in days]
        found += await _who_follow(hub, some, keys, hidden)
        if len(some) < TOLD or len(found) >= TOLD:
            break
        before = page[-1].seq
    people = await hub.identities.by_key([one.keys[0] for one in found[:TOLD]]) if found else {}
    last_day = found[TOLD - 1].at // DAY if len(found) >= TOLD else None  # of which there may be more
    found = [one for one in found[:TOLD] if one.keys[0] in people]
    told = []
    for day in dict.fromkeys(one.at // DAY for one in found):
        came = [one for one in found if one.at // DAY == day]
        named = tuple(people[one.keys[0]] for one in came[:NAMED])
        told.append(NewFollowers(came[0].seq, came[0].at, len(came), named, day == last_day))
    return told


async def _who_follow(
    hub: RunningRelay, some: list[NewFollower], keys: frozenset[str], hidden: Muted
) -> list[NewFollower]:
    """Those of whom a list that is here and not muted names one of the keys."""
    authors = frozenset(key for one in some for key in one.keys if not hidden.hides(key, "", ""))
    if not authors or not keys:
        return []
    naming = Filter(kinds=frozenset([kinds.CONTACTS]), authors=authors, tags={"p": keys}, limit=len(authors))
    lists = {event.pubkey for event in (await publishing.newest(hub, naming)).events}
    return [one for one in some if not lists.isdisjoint(one.keys)]
