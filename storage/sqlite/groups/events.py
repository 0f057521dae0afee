"""Events of groups: what answers them belongs to the group too, in whatever order the two came, and who may read an event
follows the settings of its group.

What answers an event of a group and came first is found by the index of its `e` and `E` tags when that event comes: then it is
entered anew, for those whom the group's events are for. One transaction takes in MOST of them; for the rest the event is
noted as due, and `moving.go_on` goes on between other work.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts
from relay.protocol.groups import belonging
from relay.protocol.groups.belonging import ANSWERING, CREATE_GROUP
from relay.protocol.groups.state import replica_id
from relay.protocol.rows import Live
from storage.base import Logged, Written
from storage.sqlite import entries
from storage.sqlite.groups.authors import Pair, pair_of
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.groups.reads import GroupRow, groups_of_addresses, sql
from storage.sqlite.live_events import numbered
from storage.sqlite.log_rows import LogRow, pack_audience, unpack_audience
from storage.sqlite.statements import SIZES, barely_padded_parts, listed, named, padded, write_rows

MOST: Final = 256  # answers that are taken in with what they answer
_NAMES: Final = ("e", "E")  # of the tags that name what is answered by its id, and by its address
_ADDRESS_NAMES: Final = ("a", "A")
_KINDS: Final = tuple(sorted(ANSWERING))


class GroupEvents:
    """Those of a transaction. `flush` writes what is not written yet, `touch` notes derived rows, `forget` stored rows held."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        known: KnownGroups,
        facts: Facts,
        written: Written,
        *,
        flush: Callable[[], None],
        touch: Callable[[Live], None],
        forget: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._known = known
        self._facts = facts
        self._written = written
        self._flush = flush
        self._touch = touch
        self._forget = forget
        self._assumed: dict[str, str | None] = {}
        self._unanswered: set[str] = set()  # nothing in the tables answers these
        self._replaced: dict[str, int] = {}  # addresses whose version of a group left, with the group's number
        self._answered: set[str] = set()  # events of no group that came in this transaction answer these

    def assume(self, batch: Iterable[Event]) -> dict[str, str | None]:
        """The group that each of these events names by `h`, if it is taken: what is looked up for others counts on that."""
        named = {event.id: group_id for event in batch if (group_id := first_value(event, "h")) is not None}
        here = self._known.find(list(dict.fromkeys(named.values())))
        for (
            group_id,
            row,
        ) in here.items():  # they are asked for next, and what is known already leads to no second question
            if row is not None and not row.group.home:
                self._facts.groups.setdefault(group_id, row.group)
        self._assumed = {one: None if here[group_id] is None else group_id for one, group_id in named.items()}
        addressed = {
            address: self._assumed[event.id]
            for event in batch
            if event.id in self._assumed and (address := events.address_of(event)) is not None
        }
        return self._assumed | addressed

    def expect(self, batch: Iterable[Event]) -> None:
        """Look up at once which events of a batch, of those that belong to a group as far as is known, something stored answers."""
        if not self._known.any:
            return
        ids = [
            event.id
            for event in batch
            if (event.id in self._assumed or self._inherits(event)) and not kinds.has_address(event.kind)
        ]
        for start in range(0, len(ids), SIZES[-1] // 2):
            part = ids[start : start + SIZES[-1] // 2]
            answered = self._any_answers(part)
            self._unanswered.update(one for one in part if one not in answered)

    def _inherits(self, event: Event) -> bool:
        """Whether what it answers is in a group, as far as that is known."""
        group_of = self._facts.group_of
        return any(group_of.get(one) is not None for one in belonging.answered(event))

    def came(self, event: Event, group: GroupRow | None) -> bool:
        """An event is stored; whether others, which may need to know, were told something else before."""
        facts = self._facts
        group_id = None if group is None else group.group.id
        changed = self._assumed.get(event.id) != group_id
        names = belonging.names_of(event)
        facts.group_of.update(dict.fromkeys(names, group_id))
        if group is not None:
            begins_so = f"{event.id[:8]} {group.group.id}"
            if begins_so in facts.previous:
                facts.previous[begins_so] = True
            answered = not self._answered.isdisjoint(names)
            if self._replaced.get(names[-1]) == group.number and not answered and not self._known.unfinished:
                names = names[:1]  # what answers the address is the group's: an article with many answers costs no more
            if event.id not in self._unanswered or answered:
                self.take_in(names, group)
        elif event.kind in ANSWERING and self._known.any:
            self._answered.update(belonging.answered(event))
        return changed

    def went(self, row: LogRow) -> bool:
        """An event left the log; whether something is to be looked up again that may be known otherwise."""
        event, facts = row.event, self._facts
        group_id = self._known.ids_of([row.group])[row.group] if row.group else None
        names = belonging.names_of(event)
        if group_id is None:  # an earlier version may have been of a group
            facts.group_of[event.id] = None
            before = groups_of_addresses(self._connection, [one for one in names[1:] if one in facts.group_of], names)
            facts.group_of.update(
                (one, self._known.ids_of([number])[number]) for one, number in before.items() if number
            )
            return any(before.values())
        facts.group_of.update(dict.fromkeys(names, group_id))
        self._replaced.update(dict.fromkeys(names[1:], row.group))
        if event.pubkey != facts.relay:  # what the relay says of groups changes all the time, and nobody answers it
            self._note_gone(names, row.group)
        return facts.previous.pop(f"{event.id[:8]} {group_id}", None) is not None

    def was_here(self, ids: Sequence[str], group: GroupRow) -> None:
        """These events of the group were deleted where the log was made from which this one is made again."""
        self._note_gone(ids, group.number)
        self._facts.group_of.update(dict.fromkeys(ids, group.group.id))
        for one in ids:
            self.take_in([one], group)

    def brought_home(self, row: LogRow | None) -> None:
        """Its home brings an event that is here as one of a group of which nothing is known: now it is of the home's."""
        if row is None or not row.group:
            return
        present = self._known.get(self._known.ids_of([row.group])[row.group])
        home = self._known.get(replica_id(self._facts.home, first_value(row.event, "h") or ""))
        if present is None or home is None or present == home or present.group.created_at or not present.group.home:
            return
        self._take_over([row], home)

    def adopt(self, rows: Iterable[LogRow | None], group: GroupRow) -> None:
        """What began the group in an import came before the relay's word that it began, which names it: it is of the group."""
        named = ["h", group.group.id]
        self._take_over(
            [one for one in rows if one is not None and one.event.kind == CREATE_GROUP and named in one.event.tags],
            group,
        )

    def _take_over(self, rows: Sequence[LogRow], group: GroupRow) -> None:
        if rows:
            self._flush()
            self.readdress(list(numbered(self._connection, [row.seq for row in rows])), group, joining=True)
            self.note_due([row.event.id for row in rows])

    def _note_gone(self, names: Sequence[str], number: int) -> None:
        keys = [entries.address_key(one) if ":" in one else bytes.fromhex(one) for one in names]
        write_rows(self._connection, sql("put_gone"), [(key, number) for key in keys])

    def take_in(self, names: Sequence[str], group: GroupRow) -> None:
        """What answers an event of the group, by the names that it has, belongs to it from now on, and what answers that."""
        self._flush()
        room, waiting = MOST, list(names)
        while waiting and room > 0:
            part, waiting = waiting[: SIZES[-1] // 2], waiting[SIZES[-1] // 2 :]
            found = self._answers(part, room)
            taken = self.enter(found, group)
            room -= len(found)
            waiting += taken
            if room <= 0:
                waiting += part
        self.note_due([names[0] if one in names else one for one in waiting])

    def note_due(self, ids: Sequence[str]) -> None:
        """What answers these events is to be taken in later."""
        self._known.unfinished = self._known.unfinished or bool(ids)
        write_rows(self._connection, sql("put_answers_due"), [(bytes.fromhex(one),) for one in ids])

    def enter(self, found: Iterable[tuple[str, int]], group: GroupRow) -> list[str]:
        """Take these events in, given by what they are said to answer and their number; the ids of those that do answer it."""
        said: dict[int, set[str]] = {}
        for answered, seq in found:
            said.setdefault(seq, set()).add(answered)
        lives = [
            live
            for live in numbered(self._connection, list(said))
            if not said[live.seq].isdisjoint(belonging.answered(live.event))
        ]
        self.readdress(lives, group, joining=True)
        return [live.event.id for live in lives]

    def readdress(self, lives: Sequence[Live], group: GroupRow, *, joining: bool = False) -> None:
        """Enter stored events of the group for those who may read them now; `joining`: they belong to it from now on."""
        gone: list[entries.Row] = []
        new: list[entries.Row] = []
        changed: list[tuple[Any, ...]] = []
        coming, leaving = set[Pair | None](), set[Pair | None]()
        for live in lives:
            former, audience = unpack_audience(live.audience), belonging.audience(live.event, group.group)
            packed = pack_audience(audience)
            if packed != live.audience:
                before = set(entries.rows(live.event, former, live.seq))
                after = set(entries.rows(live.event, audience, live.seq))
                gone += before - after
                new += after - before
                leaving.add(pair_of(live.event, former))
                coming.add(pair_of(live.event, audience))
                self._relabel(live.seq, audience)
            elif not joining:
                continue
            self._touch(msgspec.structs.replace(live, audience=packed, group=group.group.id))
            changed.append((live.seq, packed, group.number))
            self._forget(live.event.id)
            self._facts.group_of[live.event.id] = group.group.id
        write_rows(self._connection, named("write")["delete_entries"], sorted(gone))
        write_rows(self._connection, named("write")["insert_entries"], sorted(new))
        self._known.authors.note(coming)
        self._known.authors.drop(leaving)
        write_rows(self._connection, sql("readdress"), changed)

    def _relabel(self, seq: int, audience: tuple[str, ...] | None) -> None:
        """Where the event came in this very transaction, followers are told whom it is for now."""
        told = self._written.events
        for place in range(len(told) - 1, -1, -1):
            if told[place].seq == seq:
                told[place] = Logged(seq, told[place].wire, audience)
                return

    def _any_answers(self, names: Sequence[str]) -> frozenset[str]:
        """Those of these ids and addresses that are answered by events of no group."""
        keys, found = _keys(names), set[str]()
        for some in barely_padded_parts(list(keys)):
            values = listed("{keys}", ("keys", len(some)), group="(?)")
            text = listed(sql("answered").replace("{keys}", values), ("kinds", len(_KINDS)))
            found.update(keys[key] for (key,) in self._connection.execute(text, (*some, *_KINDS)))
        return frozenset(found)

    def _answers(self, ids: Sequence[str], most: int) -> list[tuple[str, int]]:
        """Which of these ids and addresses is answered by the events of no group with which numbers, at most so many."""
        if not ids:
            return []
        keys = _keys(ids)
        some = padded(list(keys))
        text = listed(sql("answers"), ("keys", len(some)), ("kinds", len(_KINDS)))
        found = self._connection.execute(text, (*some, *_KINDS, most)).fetchall()
        return [(keys[key], seq) for key, seq in found]


def _keys(names: Iterable[str]) -> dict[bytes, str]:
    """Under which keys of `entries` answers to these ids and addresses stand, each with the name."""
    return {entries.tag(tag, one): one for one in names for tag in (_ADDRESS_NAMES if ":" in one else _NAMES)}
