"""A relay's groups in plain collections: what the pure rules need to know, and what they decide, carried out."""

from collections.abc import Iterable, Sequence
from typing import Any

from relay.errors import Reject
from relay.protocol import kinds
from relay.protocol.admission import RemoveEvent
from relay.protocol.event import Draft, Event, compute_id
from relay.protocol.facts import Binding, Facts, Need, gather, target_of
from relay.protocol.groups import decide, joining, succession
from relay.protocol.groups.belonging import answered
from relay.protocol.groups.case import GroupDecision
from relay.protocol.groups.fold import fold, needs_of_fold
from relay.protocol.groups.roles import is_privileged
from relay.protocol.groups.state import (
    OWNER,
    Group,
    GroupChange,
    Invite,
    Member,
    PutGroup,
    PutInvite,
    PutMember,
    invite_key,
    member_key,
)
from relay.protocol.relay import GroupRules
from tests.factories import NOW, keypair

OWN, ALICE, BOB, CAROL, DAVE, ERIN, OPERATOR = (keypair(n).pubkey for n in range(7))
ROOM = "room"


def said(
    author: str, kind: int, *tags: Sequence[str], at: int = NOW, group: str | None = ROOM, text: str = ""
) -> Event:
    """An event of the group, unless it is None; nobody looks at its signature."""
    named = [] if group is None else [["h", group]]
    event = Event("0" * 64, author, at, kind, [*named, *map(list, tags)], text, "0" * 128)
    return Event(compute_id(event), author, at, kind, event.tags, text, event.sig)


class GroupHub:
    """The state, the log that it came from, and the events that are live. `now` is what the relay's clock says."""

    def __init__(self, rules: GroupRules | None = None, relay: str = OWN) -> None:
        self.rules = rules or GroupRules(operators=frozenset([OPERATOR]))
        self.relay = relay
        self.now = NOW
        self.groups: dict[str, Group] = {}
        self.members: dict[str, Member] = {}
        self.invites: dict[str, Invite] = {}
        self.bound: set[str] = set()  # keys with an identity
        self.log: list[Event] = []
        self.live: dict[str, Event] = {}

    # deciding

    def decide(self, event: Event, *, trusted: bool = False) -> GroupDecision:
        """What the rules say about it. Raises Reject."""
        facts = self.facts(lambda known: decide.needs(event, known))
        return decide.decide(event, facts, self.now, self.rules, trusted=trusted)

    def send(self, event: Event, *, trusted: bool = False) -> str:
        """Take an event in; why it is refused, "" when it is not."""
        if event.id in self.live:
            return "duplicate: of this id"
        try:
            decision = self.decide(event, trusted=trusted)
        except Reject as refusal:
            return str(refusal)
        self.carry_out(event, decision)
        return ""

    def claim(self, event: Event, code: str) -> str | None:
        """Use a code by NIP-43; None where it is no group's."""
        facts = self.facts(lambda known: joining.needs_of_claim(code, event.pubkey, known))
        try:
            found = joining.claim(event, code, facts, self.now, self.rules)
        except Reject as refusal:
            return str(refusal)
        if found is not None:
            self.carry_out(None, found[1])
        return None if found is None else ""

    def revoke(self, by: str, code: str) -> str:
        """End a code by a kind 5."""
        event = said(by, kinds.DELETION, ["code", code])
        facts = self.facts(lambda known: [*decide.needs(event, known), *joining.needs(event, ROOM, known)])
        try:
            self.carry_out(event, joining.revoke(event, self.groups[ROOM], facts, self.now, self.rules))
        except Reject as refusal:
            return str(refusal)
        return ""

    def take_in(self, event: Event) -> None:
        """What the operator's import does with an event: a group begins by the relay's own word, and goes on by the rules."""
        if event.tags[0][1] in self.groups:
            self.send(event, trusted=True)
        else:
            changes = fold(event, self.facts(lambda known: needs_of_fold(event, known)))
            self.carry_out(event, GroupDecision(changes))

    def vanish(self, pubkey: str) -> None:
        """Remove all that the key has signed, after the relay has said what holds."""
        request = said(pubkey, kinds.VANISH, ["relay", "ALL_RELAYS"], at=self.now, group=None)
        theirs = [one for one in self.log if one.pubkey == pubkey and one.kind in succession.KINDS]
        authored = {group: [one for one in theirs if one.tags[0][1] == group] for group in self.groups}
        for group_id, events in authored.items():
            if events or self.is_member(pubkey, group_id):

                def wanted(known: Facts, group_id: str = group_id, events: list[Event] = events) -> Iterable[Need]:
                    return succession.needs(pubkey, group_id, events, known)

                facts = self.facts(wanted)
                admins = [(key, one) for key, one in self.members_of(group_id) if is_privileged(one.roles)]
                self.carry_out(None, succession.succeed(request, group_id, events, admins, facts, now=self.now))
        self.log = [one for one in self.log if one.pubkey != pubkey]
        self.live = {one.id: one for one in self.live.values() if one.pubkey != pubkey}

    def carry_out(self, event: Event | None, decision: GroupDecision) -> None:
        """Keep it, with what the relay says to it."""
        kept = [*([] if event is None else [event]), *map(self.sign, decision.emits)]
        for one in kept:
            assert one.id not in self.live, "the relay says the same twice"
            self.live[one.id] = one
            self.log.append(one)
        self.apply(decision.changes)
        for removal in decision.removals:
            if isinstance(removal, RemoveEvent):
                self.live.pop(removal.id, None)

    def sign(self, draft: Draft) -> Event:
        """The relay says it."""
        return said(self.relay, draft.kind, *draft.tags, at=draft.created_at, group=None, text=draft.content)

    def apply(self, changes: Iterable[GroupChange]) -> None:
        """Change the state."""
        for change in changes:
            match change:
                case PutGroup(group):
                    self.groups[group.id] = group
                case PutMember(group_id, pubkey, member):
                    self.members[member_key(pubkey, group_id)] = member
                case PutInvite(group_id, code_hash, invite):
                    self.invites[invite_key(code_hash, group_id)] = invite

    # knowing

    def facts(self, needs: Any) -> Facts:
        """What is asked for, and nothing else."""
        found = Facts(relay=self.relay)

        def look_up(wanted: Iterable[Need]) -> None:
            for family, key in wanted:
                getattr(found, family)[key] = self.fact(family, key)

        gather(lambda: list(needs(found)), found, look_up)
        return found

    def fact(self, family: str, key: str) -> Any:
        """One fact."""
        match family:
            case "groups":
                return self.groups.get(key)
            case "members":
                return self.members.get(key)
            case "group_invites":
                return self.invites.get(key)
            case "invite_groups":
                found = [one.split(" ")[1] for one in self.invites if one.startswith(key)]
                return tuple(group_id for group_id in found if not self.groups[group_id].ended)
            case "owners":
                return len(self.owners(key))
            case "member_counts":
                return len(self.members_of(key))
            case "group_counts":
                return sum(not one.ended and key in ("", one.creator) for one in self.groups.values())
            case "invite_counts":
                theirs = [one for place, one in self.invites.items() if place.endswith(f" {key}")]
                return sum(one.is_open for one in theirs)
            case "previous":
                beginning, group_id = key.split(" ", 1)
                return any(
                    one.id.startswith(beginning) and self.group_of(one) == group_id for one in self.live.values()
                )
            case "targets":
                return target_of(self.live[key]) if key in self.live else None
            case "group_of":
                return self.group_of(self.live[key]) if key in self.live else None
            case "keys":
                return Binding("identity", True) if key in self.bound else None
        raise AssertionError(f"nobody should ask for {family}")

    def group_of(self, event: Event) -> str | None:
        """The group that it belongs to."""
        named = [tag[1] for tag in event.tags if tag[0] == "h"]
        if named:
            return named[0]
        above = [self.live[one] for one in answered(event) if one in self.live]
        return next((group for group in map(self.group_of, above) if group is not None), None)

    def member(self, pubkey: str, group_id: str = ROOM) -> Member | None:
        """How the key stands to the group."""
        return self.members.get(member_key(pubkey, group_id))

    def is_member(self, pubkey: str, group_id: str = ROOM) -> bool:
        """Whether it is in the group now."""
        member = self.member(pubkey, group_id)
        return member is not None and member.is_member

    def members_of(self, group_id: str = ROOM) -> list[tuple[str, Member]]:
        """Who is in the group."""
        found = [(key.split(" ", 1), one) for key, one in self.members.items()]
        return [(pubkey, one) for (pubkey, group), one in found if group == group_id and one.is_member]

    def owners(self, group_id: str = ROOM) -> list[str]:
        """Who owns the group."""
        return [key for key, one in self.members_of(group_id) if OWNER in one.roles]

    # making it again

    def state(self) -> tuple[dict[str, Group], dict[str, Member], dict[str, Invite]]:
        """All of it."""
        return self.groups, self.members, self.invites

    def rebuilt(self) -> "GroupHub":
        """The state as the log gives it."""
        again = GroupHub(self.rules, self.relay)
        for event in self.log:
            again.apply(fold(event, again.facts(lambda known, event=event: needs_of_fold(event, known))))
        return again
