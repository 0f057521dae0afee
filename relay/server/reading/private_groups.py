"""Which groups are private or hidden, and which open subscriptions name them by `#h`.

What is kept of a group are these two bits, and only of groups that there are; who asks must know that it is current.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from relay.protocol.filter import Filter
from relay.protocol.groups import state
from relay.protocol.groups.state import Group
from storage.base import PrimaryTables
from storage.groups import GroupLookups

MOST_KEPT: Final = 10_000  # groups
AT_ONCE: Final = 500  # looked up in one statement
TRIED: Final = 50  # groups looked up on the loop at most; more go to a reading thread

_NONE: Final[frozenset[str]] = frozenset()

S = TypeVar("S")


def named(filters: Sequence[Filter]) -> frozenset[str]:
    """The groups that filters name."""
    found = _NONE
    for wanted in filters:
        if "h" in wanted.tags:
            found |= wanted.tags["h"]
    return found


class Shown(NamedTuple):
    """What of a group is for its members only: what it holds, what it is. `members` is what an audience calls these."""

    private: bool
    hidden: bool
    members: str = ""


class PrivateGroups(Generic[S]):
    """A cache, and an index of subscriptions (any hashable objects of the owner's). Used on the loop."""

    def __init__(self, reader: PrimaryTables, is_current: Callable[[], bool]) -> None:
        self._reader = reader
        self._is_current = is_current
        self._known: OrderedDict[str, Shown] = OrderedDict()
        self._naming: dict[str, dict[S, None]] = {}

    def look(self, group_ids: Iterable[str]) -> dict[str, Shown] | None:
        """Those of these groups that there are; None where a reading thread is to look (`existing`)."""
        if not self._is_current():
            return None
        found, unknown = dict[str, Shown](), []
        for group_id in group_ids:
            known = self._known.get(group_id)
            if known is None:
                unknown.append(group_id)
            else:
                found[group_id] = known
        if not unknown:
            return found
        if len(unknown) > TRIED:
            return None
        looked_up = self._reader.try_ask(lambda tables: existing(unknown, tables))
        if looked_up is None:
            return None
        self._known.update(looked_up)
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
        return found | looked_up

    def closes(self, group_id: str) -> bool:
        """A group is not what it was; whether it is closed now to those who are no members and maybe were not before."""
        before = self._known.pop(group_id, None)
        group = self._reader.ask_here(lambda tables: tables.called([group_id])).get(group_id)
        if group is None or group.ended:
            return group is not None
        self._known[group_id] = _shown(group)
        return group.private and not (before and before.private and before.members == state.members(group.id))

    def forget(self) -> None:
        """Nothing is known any more."""
        self._known.clear()

    def add(self, subscription: S, filters: Sequence[Filter]) -> None:
        """An open subscription, found from now on under the groups that it names."""
        for group_id in named(filters):
            self._naming.setdefault(group_id, {})[subscription] = None

    def remove(self, subscription: S, filters: Sequence[Filter]) -> None:
        """It is closed."""
        for group_id in named(filters):
            others = self._naming.get(group_id, {})
            others.pop(subscription, None)
            if not others:
                self._naming.pop(group_id, None)

    def naming(self, group_ids: Iterable[str]) -> list[S]:
        """The open subscriptions that name one of these groups."""
        return list(dict.fromkeys(one for group_id in group_ids for one in self._naming.get(group_id, ())))

    def all_named(self) -> list[str]:
        """The groups that open subscriptions name."""
        return list(self._naming)


def existing(group_ids: Iterable[str], tables: GroupLookups) -> dict[str, Shown]:
    """Those of these groups that there are, as the database has them."""
    asked, found = list(group_ids), dict[str, Shown]()
    for at in range(0, len(asked), AT_ONCE):
        groups = tables.called(asked[at : at + AT_ONCE])
        found |= {name: _shown(group) for name, group in groups.items() if not group.ended}
    return found


def _shown(group: Group) -> Shown:
    return Shown(group.private, group.hidden, state.members(group.id))


def private(groups: dict[str, Shown]) -> dict[str, Shown]:
    """Those that are private."""
    return {group_id: shown for group_id, shown in groups.items() if shown.private}
