"""What a query may see: whose rows, up to which number, at what time.

Rule: an event of a group is entered under the prefixes of that group's members, and names the group by `h` or not at all
(relay.protocol.groups.belonging). So a filter with `#h` needs the prefixes of the groups that it names, and no others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from sqlite3 import Connection
from typing import Final, TypeVar

import msgspec

from relay.protocol.filter import Filter
from relay.protocol.groups import state
from relay.protocol.groups.belonging import SHARED
from storage.base import Readers
from storage.sqlite import entries
from storage.sqlite.groups.reads import MovingGroup, moving_groups
from storage.sqlite.reading.query import FOR_EVER, Place

_MEMBERS: Final = state.members("")
_MODERATORS: Final = state.moderators("")

T = TypeVar("T")


class Visible(msgspec.Struct, frozen=True):
    """The prefixes of some readers: all; those that are no group's; those of the members and the moderators of each group, by the
    id that events name.

    `shared` are the public one and those of members: each event of the kinds belonging.SHARED stands under one of them.
    """

    all: tuple[bytes, ...]
    own: tuple[bytes, ...]
    members: Mapping[str, tuple[bytes, ...]]
    moderators: Mapping[str, tuple[bytes, ...]]
    shared: tuple[bytes, ...]


class Scope(msgspec.Struct, frozen=True):
    """Rows under `prefixes`, with `seq` up to `upto`, not expired by `now`, `after` a place in the order.

    `excluded`: groups by number, each with the number of the log up to which its events are left out. `visible` tells the
    prefixes of readers apart; None where they are no readers'.
    """

    prefixes: tuple[bytes, ...]
    now: int
    upto: int = FOR_EVER
    after: Place | None = None
    excluded: tuple[tuple[int, int], ...] = ()
    visible: Visible | None = None

    def prefixes_for(self, wanted: Filter) -> tuple[bytes, ...]:
        """Those under which what a filter matches may stand."""
        visible = self.visible
        if visible is None:
            return self.prefixes
        is_shared = self.is_shared(wanted)
        if "h" not in wanted.tags:
            return visible.shared if is_shared else visible.all
        named = sorted(wanted.tags["h"])
        members = [prefix for group_id in named for prefix in visible.members.get(group_id, ())]
        if is_shared:
            return (entries.PUBLIC_PREFIX, *members)
        moderators = [prefix for group_id in named for prefix in visible.moderators.get(group_id, ())]
        return (*visible.own, *members, *moderators)

    def groups_for(self, wanted: Filter) -> dict[bytes, bytes]:
        """The prefixes of the groups that a filter names, each with the one dimension of `#h` that stands under it."""
        if self.visible is None or "h" not in wanted.tags:
            return {}
        of_kind = (self.visible.members, self.visible.moderators)
        return {
            prefix: entries.tag("h", group_id)
            for group_id in wanted.tags["h"]
            for prefixes in of_kind
            for prefix in prefixes.get(group_id, ())
        }

    def is_shared(self, wanted: Filter) -> bool:
        """Whether an event that the filter matches stands under one prefix only."""
        return self.visible is not None and wanted.kinds is not None and wanted.kinds <= SHARED


EVERYTHING: Final = Scope((entries.PUBLIC_PREFIX, entries.OPERATOR_PREFIX), now=-1)  # expired or not


def of_readers(
    readers: Readers,
    now: int,
    upto: int | None = None,
    after: Place | None = None,
    moving: Sequence[MovingGroup] = (),
) -> Scope:
    """What these readers may see. `moving`: groups whose events are not all entered for those they are for."""
    excluded: tuple[tuple[int, int], ...] = ()
    if moving:
        excluded = tuple((one.number, one.upto) for one in moving if is_kept_from(one, readers))
        readers = opened(readers, moving)
    visible = _visible(readers)
    return Scope(visible.all, now, FOR_EVER if upto is None else upto, after, excluded, visible)


def is_kept_from(group: MovingGroup, readers: Readers) -> bool:
    """Whether what is not entered anew yet of a moving group must not be shown to these readers."""
    return group.ended or ((group.private or group.hidden) and state.members(group.id) not in readers)


def opened(readers: Readers, moving: Iterable[MovingGroup]) -> Readers:
    """The readers, who may read like members what a group that is not private any more has not entered anew yet.

    Not of a hidden group: what that is stands among it. There they get each event once it is entered anew.
    """
    return readers | {state.members(group.id) for group in moving if not (group.private or group.ended or group.hidden)}


def scoped(
    work: Callable[[Connection, Scope], T],
    any_moving: Callable[[], int],
    readers: Readers,
    now: int,
    *,
    upto: int | None = None,
    after: Place | None = None,
) -> Callable[[Connection], T]:
    """`work` with what these readers may see: where groups are moving, both at the same moment of the database."""

    def run(connection: Connection) -> T:
        if not any_moving():
            return work(connection, of_readers(readers, now, upto, after))
        connection.execute("BEGIN")
        try:
            return work(connection, of_readers(readers, now, upto, after, moving_groups(connection)))
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    return run


@lru_cache(maxsize=256)
def _visible(readers: Readers) -> Visible:
    own, members, moderators = [entries.PUBLIC_PREFIX], dict[str, tuple[bytes, ...]](), dict[str, tuple[bytes, ...]]()
    for reader in sorted(readers):
        prefix = entries.reader_prefix(reader)
        if reader.startswith(_MEMBERS):
            group_id = state.wire_id(reader.removeprefix(_MEMBERS))
            members[group_id] = (*members.get(group_id, ()), prefix)
        elif reader.startswith(_MODERATORS):
            group_id = state.wire_id(reader.removeprefix(_MODERATORS))
            moderators[group_id] = (*moderators.get(group_id, ()), prefix)
        else:
            own.append(prefix)
    shared = (entries.PUBLIC_PREFIX, *(prefix for some in members.values() for prefix in some))
    return Visible(entries.visible_prefixes(readers), tuple(own), members, moderators, shared)
