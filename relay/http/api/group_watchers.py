"""Who watches their groups over server-sent events, and what each is told: messages, who comes and goes, what changes.

Of which groups a watcher's keys are members is kept current by following the log: what changed is told before the events of the
same commit. So whoever joins is told from that moment on, and whoever leaves is told nothing more. Where commits were missed the
streams end: a watcher comes again and resumes from the log.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from relay.api_types import Content, EventId, Name, Pubkey, When, Writer, iso
from relay.http.api import group_messages, streaming, writers
from relay.http.api.group_access import GroupId
from relay.http.api.group_messages import SAID, MessageInGroup
from relay.http.api.watchers import Selection, Ticker, Watcher
from relay.http.hub import RunningRelay
from relay.protocol import feed, kinds
from relay.protocol.event import Event, first_value, values
from relay.protocol.groups import state
from relay.protocol.groups.belonging import (
    DELETE_EVENT,
    DELETE_GROUP,
    EDIT_METADATA,
    PUT_USER,
    REMOVE_USER,
    UPDATE_PINS,
)
from relay.protocol.groups.state import Member
from relay.server.events.follow import Applied, LiveEvent
from storage.groups import GroupLookups, Membership, is_privileged
from storage.identities.types import Lookups

MEMBERSHIP: Final = frozenset((PUT_USER, REMOVE_USER))
CHANGES: Final[dict[int, Literal["edited", "pinned", "deleted"]]] = {
    EDIT_METADATA: "edited",
    UPDATE_PINS: "pinned",
    DELETE_GROUP: "deleted",
}
DELETIONS: Final = frozenset((kinds.DELETION, DELETE_EVENT))
KINDS: Final = frozenset((*SAID["all"], kinds.REACTION, kinds.EDIT, *DELETIONS, *MEMBERSHIP, *CHANGES))
MAX_KEYS: Final = 1000  # whose identities are looked up for one frame
_KEY: Final = 64  # characters of a pubkey

Seq = Annotated[int, msgspec.Meta(description="its number in the log, as in `Last-Event-ID`", examples=[1042])]


class MessageNotice(msgspec.Struct, frozen=True, tag="message"):
    """`event: message`."""

    seq: Seq
    group_id: GroupId
    message: MessageInGroup


class ReactionNotice(msgspec.Struct, frozen=True, tag="reaction"):
    """`event: reaction`."""

    seq: Seq
    group_id: GroupId
    message_id: EventId
    content: str
    pubkey: Pubkey
    agent: Name | None
    created_at: When


class EditNotice(msgspec.Struct, frozen=True, tag="edit"):
    """`event: edit`: its author says a message anew."""

    seq: Seq
    group_id: GroupId
    message_id: EventId
    content: Content
    pubkey: Pubkey
    agent: Name | None
    updated_at: When


class DeletionNotice(msgspec.Struct, frozen=True, tag="deletion"):
    """`event: deletion`: these messages, threads or reactions were taken away."""

    seq: Seq
    group_id: GroupId
    event_ids: list[EventId]
    pubkey: Pubkey
    agent: Name | None


class MembershipNotice(msgspec.Struct, frozen=True, tag="membership"):
    """`event: membership`: a key is in the group now, with these roles, or (`is_member` false) no longer."""

    seq: Seq
    group_id: GroupId
    pubkey: Pubkey
    agent: Name | None
    is_member: bool
    roles: list[str]
    by: Pubkey
    event: Event


class ChangeNotice(msgspec.Struct, frozen=True, tag="group"):
    """`event: group`: it was edited, deleted, or something was pinned in it."""

    seq: Seq
    group_id: GroupId
    change: Literal["edited", "pinned", "deleted"]
    by: Pubkey
    event: Event


class GroupWatcher:
    """One open stream: the keys of an identity, and the groups that they are in."""

    __slots__ = ("groups", "keys", "moderated", "watcher")  # groups of other relays by their ids here

    def __init__(self, keys: Iterable[str], memberships: Iterable[Membership], after: int) -> None:
        self.keys = frozenset(keys)
        self.groups: dict[str, set[str]] = {}  # by id, which of the keys are members
        self.moderated: dict[str, set[str]] = {}  # the same, with a role
        self.watcher = Watcher(Selection(), after)
        for pubkey, group_id, _, privileged in memberships:
            self.put(pubkey, group_id, is_member=True, privileged=privileged)

    def put(self, pubkey: str, group_id: str, *, is_member: bool, privileged: bool) -> None:
        """A key stands so to a group now."""
        for places, inside in ((self.groups, is_member), (self.moderated, is_member and privileged)):
            keys = places.setdefault(group_id, set())
            keys.add(pubkey) if inside else keys.discard(pubkey)
            if not keys:
                del places[group_id]

    @property
    def called(self) -> frozenset[str]:
        """What events call the groups that it is in."""
        return frozenset(map(state.wire_id, self.groups))

    @property
    def names(self) -> frozenset[str]:
        """Under which names it reads."""
        moderated = map(state.moderators, self.moderated)
        return self.keys.union(map(state.members, self.groups), moderated)

    def reads(self, audience: tuple[str, ...] | None) -> bool:
        """Whether what is for these is for it."""
        return audience is None or any(
            name in self.keys
            or (name.startswith("g:") and name[2:] in self.groups)
            or (name.startswith("m:") and name[2:] in self.moderated)
            for name in audience
        )


class WatcherIndex:
    """Watchers by a name, of a group or a key: what happens in one group costs nothing for those who watch others."""

    def __init__(self) -> None:
        self._found: dict[str, dict[GroupWatcher, None]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there are no names."""
        return not self._found

    def of(self, name: str) -> list[GroupWatcher]:
        """Those under this name."""
        return list(self._found.get(name, ()))

    def put(self, names: Iterable[str], one: GroupWatcher) -> None:
        """It is found under these names."""
        for name in names:
            self._found.setdefault(name, {})[one] = None

    def take(self, names: Iterable[str], one: GroupWatcher) -> None:
        """It is found under these no more."""
        for name in names:
            others = self._found.get(name, {})
            others.pop(one, None)
            if not others:
                self._found.pop(name, None)


class GroupWatchers:
    """All open streams of groups of one relay. Made and used on its loop."""

    def __init__(self, hub: RunningRelay) -> None:
        self._hub = hub
        self._watchers: dict[GroupWatcher, None] = {}
        self._by_group = WatcherIndex()
        self._by_key = WatcherIndex()
        self._delivered = hub.last_seq
        self._ticker = Ticker(hub, "the ticker of streams of groups", self._streams, lambda: self._delivered)
        hub.follow(self._applied)

    @contextlib.contextmanager
    def watch(self, keys: Iterable[str], address: str, seen: int | None = None) -> Iterator[GroupWatcher]:
        """A watcher of what is committed from now on; one that has ended where others have taken the last room meanwhile.

        `seen` is up to which number it was told before, maybe by another front, which may be further than this one.
        """
        asked = list(keys)
        memberships = self._hub.identities.group_tables.look_here(
            lambda tables: [one for one in tables.memberships(asked) if _is_found(tables, one.group_id)]
        )
        one = GroupWatcher(asked, memberships, self._delivered)
        if seen is not None and one.watcher.after < seen <= self._hub.last_seq:
            one.watcher.after = seen
        if not streaming.enter(self._hub, address):
            one.watcher.end()
            yield one
            return
        self._watchers[one] = None
        self._by_group.put(one.called, one)
        self._by_key.put(one.keys, one)
        self._ticker.begin()
        try:
            yield one
        finally:
            self._watchers.pop(one, None)
            self._by_group.take(one.called, one)
            self._by_key.take(one.keys, one)
            self._hub.streams.leave(address)
            if not self._watchers:
                self._ticker.rest()

    def _applied(self, applied: Applied) -> None:
        if self._watchers:
            if applied.anew:
                self._end()
            ended = self._change(applied.changes)
            for live in applied.events:
                if live.seq and live.event.kind in KINDS:
                    self._tell(live, ended)
        for live in applied.events:
            self._delivered = max(self._delivered, live.seq)

    def _change(self, changes: Iterable[tuple[str, str]]) -> dict[str, list[GroupWatcher]]:
        """Keep the memberships current; who was in the groups that have ended."""
        ended: dict[str, list[GroupWatcher]] = {}
        tables = self._hub.identities.group_tables
        for kind, key in dict.fromkeys(changes):
            if kind == "member":
                pubkey, group_id = key[:_KEY], key[_KEY + 1 :]
                mine = self._by_key.of(pubkey)
                member = tables.look_here(lambda found: _member(found, pubkey, group_id)) if mine else None  # noqa: B023
                inside = member is not None and member.is_member
                for one in mine:
                    privileged = member is not None and is_privileged(member)
                    one.put(pubkey, group_id, is_member=inside, privileged=privileged)
                    called = state.wire_id(group_id)
                    move = self._by_group.put if called in one.called else self._by_group.take
                    move([called], one)
            elif kind == "group":
                called = state.wire_id(key)
                inside_it = [one for one in self._by_group.of(called) if key in one.groups]
                found = tables.look_here(lambda tables: tables.groups_named([key])) if inside_it else []  # noqa: B023
                if found and found[0].ended:
                    ended[called] = inside_it
                    for one in inside_it:
                        one.groups.pop(key, None)
                        one.moderated.pop(key, None)
                        if called not in one.called:
                            self._by_group.take([called], one)
        return ended

    def _tell(self, live: LiveEvent, ended: dict[str, list[GroupWatcher]]) -> None:
        event = live.event
        group_id = group_of(event, live.audience)
        if group_id is None:
            return
        told = ended.get(group_id, []) if event.kind == DELETE_GROUP else self._concerned(live, group_id)
        if told:
            frame = described(self._hub, live.seq, event, group_id)
            for one in told:
                if live.seq > one.watcher.after:
                    one.watcher.offer(frame)

    def _concerned(self, live: LiveEvent, group_id: str) -> list[GroupWatcher]:
        found = dict.fromkeys(self._by_group.of(group_id))
        if live.event.kind in MEMBERSHIP:
            for pubkey in values(live.event, "p"):
                found.update(dict.fromkeys(self._by_key.of(pubkey)))
        return [one for one in found if one.reads(live.audience)]

    def _streams(self) -> list[Watcher]:
        return [one.watcher for one in self._watchers]

    def _end(self) -> None:
        for watcher in self._streams():
            watcher.end()


def _is_found(tables: GroupLookups, group_id: str) -> bool:
    """Whether events of a group are found here by what they call it: of those of other relays that are called the same, one is."""
    return not state.is_replica(group_id) or not any(one.apart for one in tables.groups_named([group_id]))


def _member(tables: GroupLookups, pubkey: str, group_id: str) -> Member | None:
    return tables.member(pubkey, group_id) if _is_found(tables, group_id) else None


def group_of(event: Event, audience: tuple[str, ...] | None) -> str | None:
    """The group that an event names, or that its audience does."""
    named = first_value(event, "h")
    return named or next((state.wire_id(name[2:]) for name in audience or () if name.startswith("g:")), None)


def concerns(one: GroupWatcher, event: Event, group_id: str) -> bool:
    """Whether the event is of a group that the watcher is in, or takes one of its keys in or out."""
    about = event.kind in MEMBERSHIP and not one.keys.isdisjoint(values(event, "p"))
    return about or group_id in one.called


def described(hub: RunningRelay, seq: int, event: Event, group_id: str) -> bytes:
    """The frames that tell of an event. Its author is looked up first: an event of a peer's group may name thousands."""
    keys = dict.fromkeys((event.pubkey, *(values(event, "p") if event.kind in MEMBERSHIP else ())))
    about = values(event, "e") if event.kind in (kinds.EDIT, *DELETIONS) else []

    def look_up(tables: Lookups) -> tuple[dict[str, Writer], dict[str, str]]:
        authors = tables.authors_of(about) if about else {}
        return writers.known(tables, [*keys, *authors.values()][:MAX_KEYS]), authors

    people, authors = hub.identities.group_tables.look_here(look_up)
    return b"".join(_frame(seq, told) for told in _notices(seq, event, group_id, people, authors))


def _notices(
    seq: int, event: Event, group_id: str, people: dict[str, Writer], authors: dict[str, str]
) -> Iterator[Any]:
    """`authors`: of what it edits or deletes, those of what is here. Whatever else it names, it did not change."""
    by = people[event.pubkey].name
    if event.kind in SAID["all"]:
        yield MessageNotice(seq, group_id, group_messages.shown(event, group_id, people, {}))
    elif event.kind == kinds.REACTION:
        target = (values(event, "e") or [""])[-1]
        content = event.content[: group_messages.MAX_REACTION] or "+"
        yield ReactionNotice(seq, group_id, target, content, event.pubkey, by, iso(event.created_at))
    elif event.kind == kinds.EDIT:
        edited = feed.edited(event)
        if edited is not None and _is_same(authors.get(edited), event.pubkey, people):
            at = iso(event.created_at)
            yield EditNotice(seq, group_id, edited, event.content, event.pubkey, by, at)
    elif event.kind in DELETIONS:
        gone = [one for one in values(event, "e") if one not in authors]
        if gone:
            yield DeletionNotice(seq, group_id, gone, event.pubkey, by)
    elif event.kind in MEMBERSHIP:
        for tag in event.tags:
            if tag[0] == "p" and len(tag) > 1:
                agent = people[tag[1]].name if tag[1] in people else None
                inside = event.kind == PUT_USER
                yield MembershipNotice(seq, group_id, tag[1], agent, inside, tag[2:], event.pubkey, event)
    else:
        yield ChangeNotice(seq, group_id, CHANGES[event.kind], event.pubkey, event)


def _is_same(author: str | None, pubkey: str, people: dict[str, Writer]) -> bool:
    """Whether a key is its author's, or another one of the same identity."""
    one, other = people.get(author or ""), people[pubkey]
    return author == pubkey or (one is not None and one.id is not None and one.id == other.id)


def _frame(seq: int, told: Any) -> bytes:
    name: str = type(told).__struct_config__.tag
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, name.encode(), msgspec.json.encode(told))
