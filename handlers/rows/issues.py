"""`issue_rows`: live issues (kind 1621, NIP-34) of a group of this relay or, in public, of a repository.

In a group every member edits an issue and sets its state (handlers.issues). Of a repository, who wrote the issue and whose
repository it is edit it, and its other maintainers set its state, too (NIP-34). The newest live edit (kind 1010) gives the text,
the newest live state (1630 to 1633) the status. Its identifier was given when it came.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from handlers.rows.repos import RepoFields
from relay.protocol import feed, kinds
from relay.protocol.control_plane import issues, repositories, subjects
from relay.protocol.event import Event
from relay.protocol.rows import LaterRows, Live, Projection, Sources, newest_of


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
    issue = feed.edited(event)
    return () if issue is None else (issue,)


def _rows(key: str, sources: Sources) -> tuple[IssueFields, ...]:
    live = sources.event(key)
    if live is None or live.event.kind != kinds.ISSUE:
        return ()
    event, repo = live.event, issues.repository(live.event)
    if live.group is None and (repo is None or live.audience is not None or feed.in_group(event)):
        return ()
    identifier, user = sources.identifier(key), sources.user(event.pubkey)
    those = [] if repo is None else repo.split(":")[1:2]
    maintaining = _maintainers(repo, sources) if repo is not None and live.group is None else []
    edit = _said(live, those, sources, (kinds.EDIT,))
    status = _said(live, [*those, *maintaining], sources, tuple(kinds.ISSUE_STATUSES))
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


def _maintainers(repo: str, sources: Sources) -> list[str]:
    """Those whom a repository names, where everybody reads that."""
    live = sources.version(repo)
    if live is None or live.audience is not None or live.group is not None:
        return []
    return repositories.maintainers(live.event)


def _named_in(row: RepoFields) -> tuple[object, ...]:
    """The maintainers that a repository names beside its owner, where they count."""
    return () if row.group_id is not None else tuple(msgspec.json.decode(row.maintainers, type=list[str])[1:])


def _said(live: Live, others: Iterable[str], sources: Sources, some: tuple[int, ...]) -> Live | None:
    """The newest of what those who may say something of the issue have said in these kinds.

    In a group that are its members, else its author and `others`.
    """
    if live.group is not None:
        about, by = subjects.of_issue(live.event.id, live.group)
        names = (by, live.event.pubkey)
        return newest_of([sources.newest(kind, one, about=about, group=live.group) for kind in some for one in names])
    authors = dict.fromkeys([live.event.pubkey, *others])
    said = [sources.newest(kind, by, about=live.event.id) for by in authors for kind in some]
    return newest_of([one for one in said if one is not None and one.group is None and not feed.in_group(one.event)])


PROJECTION: Final = Projection(
    "issue_rows",
    IssueFields,
    ("seq",),
    frozenset({kinds.ISSUE, *kinds.ISSUE_STATUSES, kinds.EDIT}),
    _keys,
    _rows,
    later=LaterRows("repos", _named_in, kinds.ISSUE, "a"),
)
