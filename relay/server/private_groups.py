"""Which groups are private, and which open subscriptions name them by `#h`.

What is kept of a group is one bit, and only of groups that there are; who asks must know that it is current.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from relay.protocol.filter import Filter
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


class PrivateGroups(Generic[S]):
    """A cache, and an index of subscriptions (any hashable objects of the owner's). Used on the loop."""

    def __init__(self, reader: PrimaryTables, is_current: Callable[[], bool]) -> None:
        self._reader = reader
        self._is_current = is_current
        self._private: OrderedDict[str, bool] = OrderedDict()
        self._naming: dict[str, dict[S, None]] = {}

    def among(self, group_ids: Iterable[str]) -> list[str] | None:
        """Those of these groups that are private; None where a reading thread is to look (`private_among`)."""
        if not self._is_current():
            return None
        found, unknown = [], []
        for group_id in group_ids:
            private = self._private.get(group_id)
            if private is None:
                unknown.append(group_id)
            elif private:
                found.append(group_id)
        if not unknown:
            return found
        if len(unknown) > TRIED:
            return None
        looked_up = self._reader.try_ask(lambda tables: _existing(unknown, tables))
        if looked_up is None:
            return None
        for group_id, private in looked_up.items():
            self._private[group_id] = private
        while len(self._private) > MOST_KEPT:
            self._private.popitem(last=False)
        return found + [group_id for group_id, private in looked_up.items() if private]

    def closes(self, group_id: str) -> bool:
        """A group is not what it was; whether it is closed now to those who are no members and maybe were not before."""
        before = self._private.pop(group_id, None)
        for group in self._reader.ask_here(lambda tables: tables.groups_named([group_id])):
            if group.ended:
                return True
            self._private[group_id] = group.private
            return group.private and not before
        return False

    def forget(self) -> None:
        """Nothing is known any more."""
        self._private.clear()

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


def private_among(group_ids: Iterable[str], tables: GroupLookups) -> list[str]:
    """Those of these groups that are private, as the database has it."""
    return [group_id for group_id, private in _existing(group_ids, tables).items() if private]


def _existing(group_ids: Iterable[str], tables: GroupLookups) -> dict[str, bool]:
    """Those of these groups that there are, and whether they are private."""
    asked, found = list(group_ids), dict[str, bool]()
    for at in range(0, len(asked), AT_ONCE):
        groups = tables.groups_named(asked[at : at + AT_ONCE])
        found |= {group.id: group.private for group in groups if not group.ended}
    return found
