"""Under which names an event of the control plane is found by what it is about, besides its tags.

A name is (subject, by), 64 hex digits each, as `relay.protocol.feed.subject` and the author's key are for votes. Here a group
stands for all who may write in it: whatever member set an issue's status, the newest one counts. Only rows are made from these
names; no filter reaches them, so that private events have them too.
"""

import hashlib
from typing import Final

from relay.protocol import kinds
from relay.protocol.event import Event, first_value, values
from relay.protocol.groups.belonging import EDIT_METADATA

Subject = tuple[str, str]

KINDS: Final = (kinds.EDIT, *kinds.ISSUE_STATUSES, EDIT_METADATA, kinds.APP_DATA)  # that may have names
MAX_ABOUT: Final = 100  # issues, since each has its row made again
_ID: Final = 64


def digest(name: str) -> str:
    """A text of any length as 64 hex digits."""
    return hashlib.sha256(name.encode()).hexdigest()


def of_group(group_id: str) -> Subject:
    """Of a group: its record (30078) and its newest 9002, each by its kind."""
    return digest(group_id), digest(group_id)


def of_agent(group_id: str, slug: str) -> Subject:
    """Of an agent's definitions in a group; "" is for those of the operator."""
    return digest(kinds.AGENT + slug), digest(group_id)


def of_issue(issue_id: str, group_id: str) -> Subject:
    """Of what members of its group say of an issue."""
    return issue_id, digest(group_id)


def subjects(event: Event) -> list[Subject]:
    """All names of an event, each once."""
    kind = event.kind
    if kind == kinds.APP_DATA:
        return _of_app_data(event)
    if kind == EDIT_METADATA:
        group_id = first_value(event, "h")
        return [] if group_id is None else [of_group(group_id)]
    if kind in kinds.ISSUE_STATUSES or kind == kinds.EDIT:
        return _of_issues(event)
    return []


def recorded(event: Event) -> str | None:
    """The id of the group whose record this is: kind 30078 that has it in `d` and in `h`."""
    if event.kind != kinds.APP_DATA:
        return None
    name = first_value(event, "d")
    return name if name and name == first_value(event, "h") else None


def defined(event: Event) -> str | None:
    """The slug of the agent that this defines: kind 30078 with `d` = agent:<slug>."""
    name = first_value(event, "d") if event.kind == kinds.APP_DATA else None
    begins = name is not None and name.startswith(kinds.AGENT) and name != kinds.AGENT
    return name.removeprefix(kinds.AGENT) if name is not None and begins else None


def issues(event: Event) -> list[str]:
    """The issues that a status is about, by its `e` tags: the first MAX_ABOUT of them."""
    return list(dict.fromkeys(value for value in values(event, "e") if kinds.is_hex(value, _ID)))[:MAX_ABOUT]


def _of_app_data(event: Event) -> list[Subject]:
    group_id = recorded(event)
    if group_id is not None:
        return [of_group(group_id)]
    slug = defined(event)
    return [] if slug is None else [of_agent(first_value(event, "h") or "", slug)]


def _of_issues(event: Event) -> list[Subject]:
    """An edit without `h` is found as the feed's are: `feed.subject`."""
    group_id = first_value(event, "h")
    if group_id is not None:
        named = issues(event) if event.kind != kinds.EDIT else issues(event)[:1]
        return [of_issue(issue, group_id) for issue in named]
    return [(issue, event.pubkey) for issue in issues(event)] if event.kind != kinds.EDIT else []
