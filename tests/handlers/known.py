"""What the log knows, as plain collections that a test fills by hand."""

from collections.abc import Iterable
from typing import Any

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import Admission, Door, Meaning
from relay.protocol.event import Event, address_of, first_value
from relay.protocol.facts import Binding, Facts, Need, PendingKeyClaim, Version, gather, marks_of, target_of
from relay.protocol.groups.belonging import answered
from relay.protocol.groups.state import OWNER, UNKNOWN_HOME, Group, Invite, Member
from tests.factories import NOW, keypair

RELAY = "wss://relay.example.com"
OWN = keypair(0).pubkey  # the relay's own key


class FakeLog:
    """A log over sets and dicts: it answers what a handler needs."""

    def __init__(self, *live: Event) -> None:
        self.live = {event.id: event for event in live}
        self.deleted: set[tuple[str, str]] = set()
        self.addresses: dict[str, Version] = {}
        self.vanished: dict[str, int] = {}
        self.bound: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.claims: dict[str, PendingKeyClaim] = {}
        self.invites: dict[str, int] = {}
        self.groups: dict[str, Group] = {}
        self.members: dict[str, Member] = {}
        self.codes: dict[str, Invite] = {}  # of groups, by state.invite_key

    def facts(self, meaning: Meaning, event: Event, door: Door = Door.CLIENT) -> Facts:
        """What the handler of the event asks for, and nothing else."""
        found = Facts(relay=OWN, home=UNKNOWN_HOME if door is Door.IMPORT else "")
        self._look_up(marks_of(event), found)
        gather(lambda: meaning.needs(event, found), found, lambda needs: self._look_up(needs, found))
        return found

    def _look_up(self, needs: Iterable[Need], facts: Facts) -> None:
        for family, key in needs:
            getattr(facts, family)[key] = self._fact(family, key)
            if family == "closed":
                facts.versions[key] = self._current(key)

    def _fact(self, family: str, key: str) -> Any:
        live = self.live.get(key)
        match family:
            case "targets":
                return None if live is None else target_of(live)
            case "deleters":
                return frozenset(by for event_id, by in self.deleted if event_id == key)
            case "keys":
                owner = self._owner(key)
                return None if owner is None else Binding(owner, key in self.bound)
            case "siblings":
                owner = self._owner(key)
                keys = [one for one in {**self.owners, **self.bound} if owner is not None and self._owner(one) == owner]
                return frozenset([key, *keys])
            case "passages":
                return sum(lines(event) for event in self.live.values() if event.pubkey == key)
            case "events":
                return live
            case "group_of":
                return None if live is None else self.group_of(live)
            case "group_counts":
                return sum(not group.ended and key in ("", group.creator) for group in self.groups.values())
            case "owners" | "member_counts":
                theirs = [one for place, one in self.members.items() if place.endswith(f" {key}") and one.is_member]
                return sum(family != "owners" or OWNER in one.roles for one in theirs)
            case "invite_counts":
                return sum(place.endswith(f" {key}") for place in self.codes)
            case "invite_groups":
                return tuple(place.split(" ")[1] for place in self.codes if place.startswith(key))
            case "previous":
                beginning, group_id = key.split(" ", 1)
                return any(
                    one.id.startswith(beginning) and self.group_of(one) == group_id for one in self.live.values()
                )
        kept: dict[str, dict[str, Any]] = {
            "closed": self.addresses,
            "vanished": self.vanished,
            "key_claims": self.claims,
            "invites": self.invites,
            "groups": self.groups,
            "replicas": {},
            "served": {},
            "members": self.members,
            "group_invites": self.codes,
        }
        return kept[family].get(key)

    def group_of(self, event: Event) -> str | None:
        """The group that a live event belongs to."""
        named = first_value(event, "h")
        if named is not None:
            return named if named in self.groups else None
        above = [self.group_of(self.live[one]) for one in answered(event) if one in self.live]
        return next((group_id for group_id in above if group_id is not None), None)

    def _current(self, address: str) -> Version | None:
        return next((Version(e.created_at, e.id) for e in self.live.values() if address_of(e) == address), None)

    def _owner(self, pubkey: str) -> str | None:
        return self.bound.get(pubkey) or self.owners.get(pubkey)


def lines(event: Event) -> int:
    """Into how many passages the tests cut an event."""
    return len(event.content.split("\n"))


def decide(
    meaning: Meaning, event: Event, log: "FakeLog | None" = None, now: int = NOW, door: Door = Door.CLIENT
) -> Admission:
    """What `meaning` decides with what it asks of `log`."""
    return meaning.admit(event, (log or FakeLog()).facts(meaning, event, door), now, door)


def admit(event: Event, known: FakeLog | None = None, now: int = NOW) -> Admission:
    """What the table decides at `now` on a relay called RELAY."""
    return decide(table.meaning(RELAY), event, known, now)


def refused(event: Event, known: FakeLog | None = None, now: int = NOW) -> str:
    """The sentence with which the event is refused; "" when it is not."""
    try:
        admission = admit(event, known, now)
    except Reject as refusal:
        return str(refusal)
    return str(admission.refusal or "")
