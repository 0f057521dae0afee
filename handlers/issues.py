"""Issues (kind 1621, NIP-34) and their states (1630 to 1633): anybody's outside of groups, in a group of this relay its members'.

An issue is numbered when it comes, in its group or, without one, in the repository that it is about.
"""

from collections.abc import Iterable

from handlers.authorship import is_strict
from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.control_plane import issues, subjects
from relay.protocol.event import Event, first_value, has_tag
from relay.protocol.facts import Facts, Need


def needs_of_issue(event: Event, _facts: Facts) -> Iterable[Need]:
    """The group that it names."""
    group_id = first_value(event, "h")
    return () if group_id is None else (("groups", group_id),)


def admit_issue(event: Event, facts: Facts, _now: int, door: Door) -> Admission:
    """Raises Reject(invalid) for an issue in a group whose tags cannot be read."""
    group_id = first_value(event, "h")
    group = None if group_id is None else facts.groups[group_id]
    if group is not None and is_strict(door):
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


def admit_status(event: Event, facts: Facts, _now: int, door: Door) -> Admission:
    """Raises Reject(invalid) for a state that will be over some day and, in a group, for one of what is no issue of it."""
    if is_strict(door):
        if has_tag(event, "expiration"):
            raise Reject(Prefix.INVALID, "the state of an issue does not expire: leave the expiration tag out")
        group_id = first_value(event, "h")
        if group_id is not None and facts.groups[group_id] is not None:
            _check_issues(event, group_id, facts)
    return Admission()


def _check_issues(event: Event, group_id: str, facts: Facts) -> None:
    named = [facts.events[issue] for issue in subjects.issues(event)]
    if not named or any(one is None or one.kind != kinds.ISSUE or first_value(one, "h") != group_id for one in named):
        raise Reject(Prefix.INVALID, "its e tag must name an issue (kind 1621) of this group that is here")
