"""Retention by age: how long events are kept, by rules of the operator.

Rule: the first rule that names an event, by its kind and its author, decides. By that it is kept for so many days after its
`created_at`, or for good where the rule's `keep` names its author; what no rule names is kept for good. What is past its days is
refused by every door and removed where it is stored, without a mark: it is as if it had never come. All versions of an address have
one kind and one author, and so one rule: where the newest is past its days, all are.

An edit (kind 1010) is not named itself: it goes with what it edits. Where that is not here, it is kept as long as that may be: by
this relay's convention a message where the edit names a group, else a post or a comment.

What a rule may never name is what others depend on (NEVER): what erases, who somebody is, lists, what a group is, what a relay says
of itself. That also goes for whatever the relay's own key signs.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.event import Event

DAY: Final = 86_400  # seconds

Keep = Literal["", "identities", "members"]

# Why some kinds are kept for good, by the first and the last of them.
NEVER: Final[tuple[tuple[int, int, str], ...]] = (
    (kinds.METADATA, kinds.METADATA, "profiles are kept for good"),
    (kinds.CONTACTS, kinds.CONTACTS, "lists of who is followed are kept for good"),
    (kinds.DELETION, kinds.DELETION, "deletions are kept for good, or what was deleted would come back"),
    (kinds.VANISH, kinds.VANISH, "requests to vanish are kept for good, or what has vanished would come back"),
    (kinds.EDIT, kinds.EDIT, "edits are kept as long as what they edit; name that (9, 11, 1111)"),
    (kinds.MEMBER_ADDED, kinds.MEMBER_REMOVED, "what the relay says of its members is kept for good"),
    (9000, 9022, "what is done in groups makes them what they are, and is kept for good"),
    (10000, 19999, "lists and settings of people are kept for good"),
    (20000, 29999, "it is never stored"),
    (kinds.ROLE, kinds.ROLE, "what the relay says of its members is kept for good"),
    (kinds.GROUPS.start, kinds.GROUPS.stop - 1, "what a relay says of its groups is kept for good"),
)


class RetentionRule(msgspec.Struct, frozen=True):
    """Events of these kinds, each a first and a last one, by these authors (none named: by anybody) are kept for so many days.

    `keep`: those by keys that are bound to a posting identity of this relay ("identities"), or are members of the relay-wide group
    ("members"), are kept for good. `authors` are sorted.
    """

    kinds: tuple[tuple[int, int], ...]
    days: float
    authors: tuple[str, ...] = ()
    keep: Keep = ""

    @property
    def seconds(self) -> int:
        """For how long."""
        return max(1, round(self.days * DAY))

    def names_kind(self, kind: int) -> bool:
        """Whether events of the kind may be named."""
        return any(first <= kind <= last for first, last in self.kinds)


class Retention:
    """The rules, to ask which decides. Numbers of rules count from 0."""

    def __init__(self, rules: Sequence[RetentionRule] = ()) -> None:
        self.rules = tuple(rules)
        self._least = min((rule.seconds for rule in self.rules), default=0)
        self._authors = [frozenset(rule.authors) for rule in self.rules]
        self._of_kind: dict[int, tuple[int, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.rules)

    def is_young(self, created_at: int, now: int) -> bool:
        """Whether no rule lets go of anything of this time."""
        return created_at >= now - self._least

    def naming(self, kind: int) -> tuple[int, ...]:
        """The rules that may decide on the kind, in order."""
        found = self._of_kind.get(kind)
        if found is None:
            found = tuple(number for number, rule in enumerate(self.rules) if rule.names_kind(kind))
            found = found if why_never(kind) is None else ()
            self._of_kind[kind] = found
        return found

    def deciding(self, kind: int, pubkey: str) -> int | None:
        """The rule that decides on what this key writes of the kind; None where it is kept for good."""
        for number in self.naming(kind):
            authors = self._authors[number]
            if not authors or pubkey in authors:
                return number
        return None

    def ended(self, event: Event, now: int) -> tuple[RetentionRule, ...]:
        """The rules by which the event is past its days, unless the `keep` of one of them names its author; none where it is kept.

        Of an edit this is asked where what it edits is not here.
        """
        if self.is_young(event.created_at, now):
            return ()
        numbers = [self.deciding(kind, event.pubkey) for kind in kinds_of(event)]
        rules = [self.rules[number] for number in numbers if number is not None]
        if len(rules) < len(numbers) or any(event.created_at >= now - rule.seconds for rule in rules):
            return ()
        return tuple(rules)

    def horizon(self, kind: int, now: int) -> int:
        """Of the kind, nothing that is older is kept, whoever wrote it; 0 where something may be."""
        longest = 0
        for number in self.naming(kind):
            rule = self.rules[number]
            if rule.keep:
                return 0
            longest = max(longest, rule.seconds)
            if not rule.authors:
                return max(0, now - longest)
        return 0


def kinds_of(event: Event) -> tuple[int, ...]:
    """The kinds whose rules all must let go of an event: its own, or those that an edit may be of."""
    if event.kind != kinds.EDIT:
        return (event.kind,)
    return (kinds.CHAT,) if feed.in_group(event) else (kinds.POST, kinds.COMMENT)


def why_never(kind: int) -> str | None:
    """Why no rule may name the kind, None where one may."""
    return next((why for first, last, why in NEVER if first <= kind <= last), None)


def never_within(first: int, last: int) -> tuple[int, str] | None:
    """The first kind of a range that no rule may name, and why."""
    within = [(max(first, one[0]), one[2]) for one in NEVER if one[0] <= last and first <= one[1]]
    return min(within, default=None)


def days(rule: RetentionRule) -> str:
    """For how long, in words."""
    return f"{rule.days:g} day{'' if rule.days == 1 else 's'}"


def is_looser(new: Sequence[RetentionRule], old: Sequence[RetentionRule]) -> bool:
    """Whether something may be kept by the new rules that was not by the old ones: not for sure, where the rules differ in kind."""
    if not old or new == old:
        return False
    same = [msgspec.structs.replace(rule, days=0) for rule in new] == [
        msgspec.structs.replace(rule, days=0) for rule in old
    ]
    return not same or any(one.days > other.days for one, other in zip(new, old, strict=True))


def horizons(retention: Retention, wanted: Iterable[int], now: int) -> dict[int, int]:
    """`horizon` of those of these kinds of which nothing that is older is kept."""
    found = {kind: retention.horizon(kind, now) for kind in wanted}
    return {kind: since for kind, since in found.items() if since}
