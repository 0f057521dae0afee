"""The control plane on SQLite, read: rows of views and tables, found by a key's memberships."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from storage.control_plane import (
    AgentRow,
    EditedText,
    IssueRow,
    MemberRow,
    MessageRow,
    OrganizationRow,
    Place,
    ProjectRow,
    RepoRow,
    SoughtIssues,
    ThreadRow,
)
from storage.sqlite.statements import listed, named, padded_parts

_FIRST: Final = (None, None)  # the place of a first page

T = TypeVar("T")


class SqlitePlaneLookups:
    """storage.control_plane.PlaneLookups over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def organizations(self, reader: str, after: Place | None, limit: int) -> list[OrganizationRow]:
        """Those that the reader is in."""
        return self._rows_of(OrganizationRow, _sql("organizations"), reader, *(after or _FIRST), limit)

    def organization(self, organization_id: str, reader: str) -> OrganizationRow | None:
        """One."""
        return self._row_of(OrganizationRow, _sql("organization", roles=_sql("roles_in")), organization_id, reader)

    def plane_members(self, group_id: str, after: Place | None, limit: int) -> list[MemberRow]:
        """The members of a group."""
        return self._rows_of(MemberRow, _sql("members"), group_id, *(after or _FIRST), limit)

    def projects(
        self, reader: str, after: Place | None, limit: int, *, organization: str | None, archived: bool | None
    ) -> list[ProjectRow]:
        """Those that the reader is in."""
        text = _sql("project_columns", "projects", roles="m.roles")
        return self._rows_of(ProjectRow, text, reader, *(after or _FIRST), limit, organization, archived)

    def project(self, project_id: str, reader: str) -> ProjectRow | None:
        """One."""
        text = _sql("project_columns", "project", roles=_sql("roles_in"))
        return self._row_of(ProjectRow, text, project_id, reader)

    def threads(
        self,
        reader: str,
        after: Place | None,
        limit: int,
        *,
        organization: str | None,
        project: str | None,
        archived: bool | None,
    ) -> list[ThreadRow]:
        """Those that the reader is in."""
        text = _sql("thread_columns", "threads", roles="m.roles")
        return self._rows_of(ThreadRow, text, reader, *(after or _FIRST), limit, organization, project, archived)

    def thread(self, chat_id: str, reader: str) -> ThreadRow | None:
        """One."""
        return self._row_of(ThreadRow, _sql("thread_columns", "thread", roles=_sql("roles_in")), chat_id, reader)

    def messages(self, group_id: str, after: Place | None, limit: int, now: int) -> list[MessageRow]:
        """The messages of a group."""
        return self._rows_of(MessageRow, _sql("message_columns", "messages"), group_id, *(after or _FIRST), limit, now)

    def message(self, message_id: str, now: int) -> MessageRow | None:
        """One."""
        return self._row_of(MessageRow, _sql("message_columns", "message"), bytes.fromhex(message_id), now)

    def edited_messages(self, ids: Sequence[str], group_id: str | None) -> dict[str, EditedText]:
        """Those of these messages that were edited."""
        found: dict[str, EditedText] = {}
        for some in padded_parts([bytes.fromhex(one) for one in ids]):
            text = listed(_sql("edited_messages"), ("ids", len(some)))
            rows = self._connection.execute(text, [*some, group_id, group_id])
            found.update((event_id, EditedText(content, at)) for event_id, content, at in rows)
        return found

    def issues(self, reader: str, sought: SoughtIssues, after: Place | None, limit: int, now: int) -> list[IssueRow]:
        """Issues in the order of their ranks."""
        label = None if sought.label is None else msgspec.json.encode(sought.label).decode()
        scope = "of_group" if sought.group_id is not None else "of_repo" if sought.repo_id is not None else "of_mine"
        text = _sql("issue_columns", "issues", scope=_sql(scope, mine=_sql("mine")))
        named_scope = sought.group_id or sought.repo_id
        values = (*(after or _FIRST), limit, sought.status, sought.assignee, label, named_scope, now)
        return self._rows_of(IssueRow, text, reader, *values)

    def issue(self, issue_id: str, now: int) -> IssueRow | None:
        """One."""
        return self._row_of(IssueRow, _sql("issue_columns", "issue"), bytes.fromhex(issue_id), now)

    def rank_beside(self, group_id: str, rank: str, but: str, *, above: bool) -> str | None:
        """The next rank above this one, or below it, of the group's issues but the one with the id `but`."""
        return self._row_of(str, _sql("rank_above" if above else "rank_below"), group_id, rank, but)

    def repos(self, reader: str, after: Place | None, limit: int, now: int, *, project: str | None) -> list[RepoRow]:
        """Those that the reader may read."""
        text = _sql("repo_columns", "repos", mine=_sql("mine"))
        return self._rows_of(RepoRow, text, reader, *(after or _FIRST), limit, project, now)

    def repo(self, repo_id: str, now: int) -> RepoRow | None:
        """One."""
        return self._row_of(RepoRow, _sql("repo_columns", "repo"), repo_id, now)

    def chat_agents(self, organization: str, after: Place | None, limit: int, now: int) -> list[AgentRow]:
        """Those of an organization, or the operator's."""
        return self._rows_of(AgentRow, _sql("agent_columns", "agents"), organization, *(after or _FIRST), limit, now)

    def chat_agent(self, slug: str, organization: str, now: int) -> AgentRow | None:
        """One."""
        return self._row_of(AgentRow, _sql("agent_columns", "agent"), slug, organization, now)

    def _rows_of(self, row: Callable[..., T], text: str, *values: Any) -> list[T]:
        return [row(*columns) for columns in self._connection.execute(text, values)]

    def _row_of(self, row: Callable[..., T], text: str, *values: Any) -> T | None:
        columns = self._connection.execute(text, values).fetchone()
        return None if columns is None else row(*columns)


def _sql(*blocks: str, **filled: str) -> str:
    """Blocks of control_plane.sql, one after the other, with what stands in braces."""
    text = "\n".join(named("control_plane")[block] for block in blocks)
    return text.format(**filled) if filled else text
