"""Issues (kind 1621, NIP-34): what one says of itself, its edits (1010, this relay's convention) and its states (1630 to 1633).

An edit repeats everything: text, `subject`, labels (`t`), assignee (`p`), `priority`, `rank`, `due`. A rank is a text of digits
and lower-case letters; issues stand in the order of their ranks, and between any two of different rank there is room for more.
"""

import re
from typing import Final

import msgspec

from relay.protocol import kinds, names
from relay.protocol.admission import NumberIssue
from relay.protocol.control_plane import repositories
from relay.protocol.event import Event, first_value, has_tag, values
from relay.protocol.groups.state import Group

STATUSES: Final = dict(zip(kinds.ISSUE_STATUSES, ("open", "resolved", "closed", "draft"), strict=True))
PRIORITIES: Final = ("none", "low", "medium", "high", "urgent")
ASSIGNEE: Final = "assignee"  # marks the `p` tag of whoever is to do it: NIP-34 names the repository's owner there
MAX_TITLE: Final = 300  # characters, as below
MAX_LABEL: Final = 100
MAX_LABELS: Final = 50
MAX_RANK: Final = 200
LAST_SECOND: Final = 2**53 - 1

PREFIX: Final = "issue_prefix"

_PREFIX: Final = re.compile(r"[A-Z][A-Z0-9]{0,9}")
_RANK: Final = re.compile(rf"[0-9a-z]{{1,{MAX_RANK}}}")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_UNTITLED: Final = "(no title)"


class IssueText(msgspec.Struct, frozen=True):
    """What an issue or its newest edit says. `assignee` is a pubkey, `due_date` unix seconds."""

    title: str
    description: str
    priority: str
    assignee: str | None
    labels: tuple[str, ...]
    rank: str
    due_date: int | None


def read(event: Event, issue: Event) -> IssueText:
    """What an event, the issue itself or an edit of it, says of the issue; whatever of its tags is as it should be."""
    priority, rank, due = (first_value(event, name) for name in ("priority", "rank", "due"))
    labels = dict.fromkeys(label for label in values(event, "t") if 0 < len(label) <= MAX_LABEL)
    return IssueText(
        _title(event),
        event.content.replace("\x00", " "),
        priority if priority in PRIORITIES else PRIORITIES[0],
        _assignee(event),
        tuple(labels)[:MAX_LABELS],
        rank if rank is not None and is_rank(rank) else first_rank(issue),
        int(due) if due is not None and _is_time(due) else None,
    )


def fault(event: Event) -> str | None:
    """Why these tags are not as they should be, None where they are."""
    subject, priority, rank, due = (first_value(event, name) for name in ("subject", "priority", "rank", "due"))
    labels = values(event, "t")
    if subject is None and names.is_blank(event.content):
        return "an issue needs a subject tag or a text"
    if subject is not None and (names.is_blank(subject) or len(subject) > MAX_TITLE):
        return f"its subject tag has 1 to {MAX_TITLE} visible characters"
    if priority is not None and priority not in PRIORITIES:
        return f"its priority tag must be one of {', '.join(PRIORITIES)}"
    if rank is not None and not is_rank(rank):
        return f"its rank tag has 1 to {MAX_RANK} digits and lower-case letters"
    if due is not None and not _is_time(due):
        return "its due tag must hold a unix time in seconds"
    if len(labels) > MAX_LABELS or any(names.is_blank(label) or len(label) > MAX_LABEL for label in labels):
        return f"an issue has {MAX_LABELS} labels (t) at most, of 1 to {MAX_LABEL} visible characters"
    return None


def repository(event: Event) -> str | None:
    """The address of the repository that an issue is about: its first `a` tag that names one."""
    return next((value for value in values(event, "a") if repositories.is_address(value)), None)


def is_rank(text: str) -> bool:
    """Whether a text can be a rank."""
    return _RANK.fullmatch(text) is not None


def first_rank(issue: Event) -> str:
    """The rank of an issue that was never moved: by its time, of equals by its id."""
    return f"{issue.created_at:016d}{issue.id[:16]}i"


def between(low: str | None, high: str | None) -> str:
    """A rank above one and below another; None is no bound. Raises ValueError where there is no room."""
    found, place, bound = "", 0, high is not None
    while place <= MAX_RANK:
        if bound and place >= len(high or ""):
            break
        below = _DIGITS.index(low[place]) if low is not None and place < len(low) else 0
        above = _DIGITS.index((high or "")[place]) if bound else len(_DIGITS)
        if above < below:
            break
        if above - below > 1:
            return found + _DIGITS[(below + above) // 2]
        found += _DIGITS[below]
        bound = bound and above == below
        place += 1
    raise ValueError("there is no room between these ranks")


def number_of(event: Event, group: Group | None) -> NumberIssue | None:
    """How an issue is to be numbered: in its group, else in its repository; None for one of neither."""
    if group is not None:
        return NumberIssue(event.id, group.id, prefix_in(group))
    repo = None if has_tag(event, "h") else repository(event)
    return None if repo is None else NumberIssue(event.id, repo, prefix_of(repo.split(":", 2)[2]))


def prefix_in(group: Group) -> str:
    """How the identifiers of a group's issues begin: as its `issue_prefix` tag says (9002), else by its name."""
    given = next((tag[1] for tag in group.extra if tag[0] == PREFIX and len(tag) > 1), "")
    return given if _PREFIX.fullmatch(given) else prefix_of(group.name)


def prefix_of(name: str) -> str:
    """What begins identifiers in a project of this name: up to four of its letters and digits in upper case."""
    letters = "".join(char for char in name.upper() if char.isascii() and char.isalnum()).lstrip("0123456789")
    return letters[:4] or "ISSUE"


def _title(event: Event) -> str:
    given = first_value(event, "subject") or event.content.strip().partition("\n")[0]
    text = names.shown(given, MAX_TITLE)
    return " ".join(text.split()) or _UNTITLED


def _assignee(event: Event) -> str | None:
    named = [tag for tag in event.tags if tag[0] == "p" and len(tag) > 1 and kinds.is_hex(tag[1], 64)]
    marked = [tag[1] for tag in named if ASSIGNEE in tag[2:4]]
    if marked:
        return marked[0]
    return named[0][1] if named and repository(event) is None else None


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= LAST_SECOND
