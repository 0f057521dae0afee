"""What the deciding functions share: the event with what is known, who its author is in the group, and what comes out."""

from typing import Final, NoReturn

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol.admission import Removal
from relay.protocol.event import Draft, Event
from relay.protocol.facts import Facts
from relay.protocol.groups import roles
from relay.protocol.groups.fold import GroupView, fold_draft
from relay.protocol.groups.state import Group, GroupChange, Member, member_key
from relay.protocol.relay import GroupRules

MAX_TARGETS: Final = 200  # keys, events or codes that one moderation event names


class GroupDecision(msgspec.Struct, frozen=True):
    """What an accepted event does: `changes` of the state, what the relay's own key says with it, what is removed.

    `message` goes into `OK true`.
    """

    changes: tuple[GroupChange, ...] = ()
    emits: tuple[Draft, ...] = ()
    removals: tuple[Removal, ...] = ()
    message: str = ""


class Case:
    """An event about a group that lives, as somebody has to decide on it.

    `trusted`: the operator's import, of what this relay or another one accepted long ago: bounds do not hold for it.
    """

    __slots__ = ("event", "facts", "group", "now", "rules", "trusted", "view")

    def __init__(
        self, event: Event, group: Group, facts: Facts, now: int, rules: GroupRules, *, trusted: bool = False
    ) -> None:
        self.event = event
        self.group = group
        self.facts = facts
        self.now = now
        self.rules = rules
        self.trusted = trusted
        self.view = GroupView(facts)

    @property
    def author(self) -> Member | None:
        """How the author stands to the group."""
        return self.view.member(self.event.pubkey, self.group.id)

    @property
    def rank(self) -> int:
        """The author's rank in the group."""
        if is_above(self.event.pubkey, self.facts, self.rules):
            return roles.RELAY_RANK
        return roles.rank(roles_of(self.author))

    def require_role(self, kind: int) -> None:
        """Raises Reject(restricted) when the author's roles do not allow moderation of this kind."""
        if self.rank < roles.RELAY_RANK and not roles.may(roles_of(self.author), kind):
            *others, last = (role.name for role in roles.ROLES.values() if kind in role.may)
            allowed = f"{', '.join(others)} or {last}" if others else last
            restricted(f"only an {allowed} of this group may do that (kind {kind})")


def is_above(pubkey: str, facts: Facts, rules: GroupRules) -> bool:
    """Whether the key may do everything in every group: the relay's own, and its operators'."""
    return pubkey == facts.relay or pubkey in rules.operators


def is_secret(group: Group, pubkey: str, facts: Facts, rules: GroupRules) -> bool:
    """Whether the key is not to know that there is this group: it is hidden, and the key was never in it."""
    return group.hidden and facts.members[member_key(pubkey, group.id)] is None and not is_above(pubkey, facts, rules)


def roles_of(member: Member | None) -> tuple[str, ...]:
    """The roles that count: none for who is no member."""
    return member.roles if member is not None and member.is_member else ()


def said(view: GroupView, *drafts: Draft, message: str = "") -> GroupDecision:
    """The relay says this, one after the other, and it changes what that says."""
    changes: list[GroupChange] = []
    for draft in drafts:
        done = fold_draft(draft, view)
        view.apply(done)
        changes += done
    return GroupDecision(tuple(changes), drafts, message=message)


def short(value: str) -> str:
    """A value of a tag as a refusal shows it."""
    return repr(value if len(value) <= 70 else f"{value[:67]}...")


def invalid(message: str) -> NoReturn:
    """Raises Reject(invalid)."""
    raise Reject(Prefix.INVALID, message)


def restricted(message: str) -> NoReturn:
    """Raises Reject(restricted)."""
    raise Reject(Prefix.RESTRICTED, message)


def duplicate(message: str) -> NoReturn:
    """Raises Reject(duplicate)."""
    raise Reject(Prefix.DUPLICATE, message)
