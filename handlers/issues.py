"""Issues (kind 1621, NIP-34) and their states (1630 to 1633): anybody's outside of groups. In a group of this relay whoever may
write in it writes issues; its members change all of them, others their own.

An issue is numbered when it comes, in its group or, without one, in the repository that it is about.
"""

from collections.abc import Iterable

from handlers import groups
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.control_plane import issues, subjects
from relay.protocol.event import Event, first_value, has_tag
from relay.protocol.facts import Facts, Need
from relay.protocol.groups.case import is_above
from relay.protocol.relay import RelayRules


def admit_issue(event: Event, facts: Facts, _now: int, door: Door) -> Admission:
    """Raises Reject(invalid) for an issue in a group whose tags cannot be read."""
    group = groups.home(event, facts)
    if group is not None and group.home:
        return Admission()  # its home numbers it
    if group is not None and groups.is_checked(event, facts, door):
        wrong = issues.fault(event)
        if wrong is not None:
            raise Reject(Prefix.INVALID, wrong)
    number = issues.number_of(event, group)
    return Admission() if number is None else Admission(actions=(number,))


def needs_of_status(event: Event, facts: Facts) -> Iterable[Need]:
    """The group that it names and, where that is here, the issues."""
    group_id = first_value(event, "h")
    if group_id is None:
        return
    yield "groups", group_id
    if facts.groups.get(group_id) is not None:
        for issue in subjects.issues(event):
            yield "events", issue


def admit_status(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` for a state that will be over some day and, in a group, for one of what is no issue of it,
    `restricted:` there for whom it is not to set.
    """

    def admit(event: Event, facts: Facts, _now: int, door: Door) -> Admission:
        if groups.is_checked(event, facts, door):
            if has_tag(event, "expiration"):
                raise Reject(Prefix.INVALID, "the state of an issue does not expire: leave the expiration tag out")
            group_id = first_value(event, "h")
            if group_id is not None and facts.groups[group_id] is not None:
                _check_issues(event, group_id, facts)
        check_change(event, subjects.issues(event), facts, door, relay)
        return Admission()

    return admit


def check_change(event: Event, named: Iterable[str], facts: Facts, door: Door, relay: RelayRules) -> None:
    """Raises Reject(restricted) where who is not in a group of this relay changes there what may be an issue of somebody else."""
    group = groups.home(event, facts) if has_tag(event, "h") and door is not Door.IMPORT else None
    if (
        group is None
        or group.home
        or groups.is_member(event, facts, group)
        or is_above(event.pubkey, facts, relay.groups)
    ):
        return
    for one in map(facts.events.__getitem__, named):
        if one is None or (one.kind == kinds.ISSUE and one.pubkey != event.pubkey):
            raise Reject(
                Prefix.RESTRICTED, "only members of a group change issues of others in it, or what is not here"
            )


def _check_issues(event: Event, group_id: str, facts: Facts) -> None:
    named = [facts.events[issue] for issue in subjects.issues(event)]
    if not named or any(one is None or one.kind != kinds.ISSUE or first_value(one, "h") != group_id for one in named):
        raise Reject(Prefix.INVALID, "its e tag must name an issue (kind 1621) of this group that is here")
