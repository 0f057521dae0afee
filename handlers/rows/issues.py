"""`issue_rows`: live issues (kind 1621, NIP-34) of a group of this relay or, in public, of a repository.

In a group every member may edit an issue and set its state, of a repository whoever wrote the issue and whose repository it is:
the newest live edit (kind 1010) gives the text, the newest live state (1630 to 1633) the status. Other maintainers of a repository
do not count: then each change of their list would make all its issues again. Its identifier was given when it came.
"""

from typing import Final

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.control_plane import issues, subjects
from relay.protocol.event import Event
from relay.protocol.rows import Live, Projection, Sources, newest_of


class IssueFields(msgspec.Struct, frozen=True):
    """A row. `group_id` is the group that it belongs to, `repo_id` the address of its repository; `label_ids` are JSON."""

    seq: int
    id: str
    group_id: str | None
    repo_id: str | None
    pubkey: str
    user_id: str
    identifier: str
    title: str
    status_id: str
    priority_id: str
    assignee_id: str | None
    label_ids: str
    rank: str
    created_at: int
    updated_at: int
    due_date: int | None
    description: str


def _keys(event: Event) -> tuple[str, ...]:
    if event.kind == kinds.ISSUE:
        return (event.id,)
    if event.kind in kinds.ISSUE_STATUSES:
        return tuple(subjects.issues(event))
    issue = feed.edited(event) if event.kind == kinds.EDIT else None
    return () if issue is None else (issue,)


def _rows(key: str, sources: Sources) -> tuple[IssueFields, ...]:
    live = sources.event(key)
    if live is None or live.event.kind != kinds.ISSUE:
        return ()
    event, repo = live.event, issues.repository(live.event)
    if live.group is None and (repo is None or live.audience is not None or feed.in_group(event)):
        return ()
    identifier, user = sources.identifier(key), sources.user(event.pubkey)
    edit, status = _said(live, repo, sources, (kinds.EDIT,)), _said(live, repo, sources, tuple(kinds.ISSUE_STATUSES))
    if identifier is None:
        return ()
    text = issues.read(event if edit is None else edit.event, event)
    changes = [one.event.created_at for one in (edit, status) if one is not None]
    return (
        IssueFields(
            live.seq,
            event.id,
            live.group,
            repo,
            event.pubkey,
            user,
            identifier,
            text.title,
            issues.STATUSES[kinds.ISSUE_STATUSES.start if status is None else status.event.kind],
            text.priority,
            None if text.assignee is None else sources.user(text.assignee),
            msgspec.json.encode(text.labels).decode(),
            text.rank,
            event.created_at,
            max([event.created_at, *changes]),
            text.due_date,
            text.description,
        ),
    )


def _said(live: Live, repo: str | None, sources: Sources, some: tuple[int, ...]) -> Live | None:
    """The newest of what those who may say something of the issue have said in these kinds."""
    if live.group is not None:
        about, by = subjects.of_issue(live.event.id, live.group)
        found = [sources.newest(kind, one, about=about) for kind in some for one in (by, live.event.pubkey)]
        return newest_of([one for one in found if one is not None and one.group == live.group])
    owner = kinds.parse_address(repo or "")
    authors = dict.fromkeys([live.event.pubkey, *([] if owner is None else [owner[1]])])
    said = [sources.newest(kind, by, about=live.event.id) for by in authors for kind in some]
    return newest_of([one for one in said if one is not None and one.group is None and not feed.in_group(one.event)])


PROJECTION: Final = Projection(
    "issue_rows",
    IssueFields,
    ("seq",),
    frozenset({kinds.ISSUE, *kinds.ISSUE_STATUSES, kinds.EDIT}),
    _keys,
    _rows,
)
