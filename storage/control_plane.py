"""The control plane as it is read: rows of the plan's tables, for those who may read them. Words and the interface only.

A page goes on after a place: what the last row of the one before has in the columns that it is ordered by. `reader` is a key:
what its groups hold is found, and what everybody may read.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

Place = tuple[int | str, int | str]  # where a page goes on


class OrganizationRow(NamedTuple):
    """A row of `organizations`; `roles` are the reader's in it, as JSON."""

    id: str
    name: str
    logo: str | None
    plan: str
    credits: int
    created_at: int
    updated_at: int
    owner_id: str
    roles: str | None


class MemberRow(NamedTuple):
    """A member of a group. `roles` are JSON, `user_id` is the user whose key it is."""

    pubkey: str
    user_id: str
    roles: str
    joined_at: int


class ProjectRow(NamedTuple):
    """A row of `projects`."""

    id: str
    name: str
    description: str | None
    user_id: str | None
    organization_id: str | None
    system_prompt: str | None
    default_model: str | None
    default_tools: str | None
    autopilot_spec: str | None
    autopilot_plan: str | None
    autopilot_plan_updated_at: int | None
    created_at: int
    updated_at: int
    is_archived: int
    roles: str | None


class ThreadRow(NamedTuple):
    """A row of `threads`."""

    chat_id: str
    user_id: str
    organization_id: str | None
    project_id: str | None
    agent_slug: str | None
    metadata: str | None
    is_archived: int | None
    created_at: int
    updated_at: int
    is_shared: int | None
    title: str
    roles: str | None


class MessageRow(NamedTuple):
    """A row of `messages`, with its event as JSON."""

    seq: int
    id: str
    thread_id: str | None
    organization_id: str | None
    project_id: str | None
    user_id: str
    pubkey: str
    role: str
    content: str
    created_at: int
    tool_invocations: str | None
    parts_json: str | None
    annotations_json: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    group_id: str
    updated_at: int | None
    wire: bytes


class EditedText(NamedTuple):
    """What a message says since it was edited last, at `updated_at`."""

    content: str
    updated_at: int


class IssueRow(NamedTuple):
    """A row of `issues`, with its event as JSON."""

    seq: int
    id: str
    identifier: str
    title: str
    description: str | None
    status_id: str
    priority_id: str
    assignee_id: str | None
    label_ids: str
    rank: str
    created_at: int
    updated_at: int
    due_date: int | None
    user_id: str
    pubkey: str
    group_id: str | None
    repo_id: str | None
    project_id: str | None
    organization_id: str | None
    wire: bytes


class RepoRow(NamedTuple):
    """A row of `repos`, with its event as JSON; `maintainers` are pubkeys, as JSON."""

    id: str
    name: str
    provider: str
    owner: str
    default_branch: str | None
    url: str | None
    created_at: int
    group_id: str | None
    maintainers: str
    wire: bytes


class AgentRow(NamedTuple):
    """A row of `agents`, with its event as JSON."""

    slug: str
    organization_id: str
    name: str
    description: str
    system_prompt: str
    model_id: str | None
    sort_order: int
    is_default: int
    created_at: int
    updated_at: int
    requires_github: int | None
    requires_repo: int | None
    supports_tools: int | None
    agent_type: str | None
    wire: bytes


class SoughtIssues(NamedTuple):
    """Which issues: of a group, of a repository, or (neither) of all groups that the reader is in; each None is any."""

    group_id: str | None = None
    repo_id: str | None = None
    status: str | None = None
    assignee: str | None = None
    label: str | None = None


class PlaneLookups(Protocol):
    """What can be read of the control plane. Blocking, on a reader's thread; `limit` rows at most.

    What was written by one event and has expired at `now`, unix seconds, is not given (NIP-40), swept or not.
    """

    def organizations(self, reader: str, after: Place | None, limit: int) -> list[OrganizationRow]:
        """Those that the reader is in, the newest first: by (created_at, id)."""

    def organization(self, organization_id: str, reader: str) -> OrganizationRow | None:
        """One, whoever may read it."""

    def plane_members(self, group_id: str, after: Place | None, limit: int) -> list[MemberRow]:
        """The members of a group, the newest first: by (joined_at, pubkey)."""

    def projects(
        self, reader: str, after: Place | None, limit: int, *, organization: str | None, archived: bool | None
    ) -> list[ProjectRow]:
        """Those that the reader is in, the last changed first: by (updated_at, id)."""

    def project(self, project_id: str, reader: str) -> ProjectRow | None:
        """One, whoever may read it."""

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
        """Those that the reader is in, the last changed first: by (updated_at, chat_id)."""

    def thread(self, chat_id: str, reader: str) -> ThreadRow | None:
        """One, whoever may read it."""

    def messages(self, group_id: str, after: Place | None, limit: int, now: int) -> list[MessageRow]:
        """The messages of a group, the newest first: by (created_at, seq)."""

    def message(self, message_id: str, now: int) -> MessageRow | None:
        """One, whoever may read it."""

    def edited_messages(self, ids: Sequence[str], group_id: str | None) -> dict[str, EditedText]:
        """Those of these messages that were edited, by id: of a group, or (None) of all that everybody reads."""

    def issues(self, reader: str, sought: SoughtIssues, after: Place | None, limit: int, now: int) -> list[IssueRow]:
        """Issues in the order of their ranks: by (rank, seq)."""

    def issue(self, issue_id: str, now: int) -> IssueRow | None:
        """One, whoever may read it."""

    def rank_beside(self, group_id: str, rank: str, but: str, *, above: bool) -> str | None:
        """The next rank above this one, or below it, of the group's issues but the one with the id `but`."""

    def repos(self, reader: str, after: Place | None, limit: int, now: int, *, project: str | None) -> list[RepoRow]:
        """Those that the reader may read, of a project if one is named, the newest first: by (created_at, id)."""

    def repo(self, repo_id: str, now: int) -> RepoRow | None:
        """One by its address, whoever may read it."""

    def chat_agents(self, organization: str, after: Place | None, limit: int, now: int) -> list[AgentRow]:
        """Those of an organization, "" for the operator's, in their order: by (sort_order, slug)."""

    def chat_agent(self, slug: str, organization: str, now: int) -> AgentRow | None:
        """One, whoever may read it."""
