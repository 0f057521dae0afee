"""`/repos`: git repositories (kind 30617, NIP-34), announced by anybody, and which of them a project is about."""

import re
from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import Pubkey, When, iso
from relay.http.api import acting, common
from relay.http.api.acting import GroupId, OfGroup
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, Limit
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.shapes import Body, Done, SignedEvent
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds, urls
from relay.protocol.control_plane import repositories
from relay.protocol.event import Draft, Event, parse
from relay.server.identities.users import Caller
from storage.base import PUBLIC
from storage.control_plane import RepoRow

TAGS: Final = ["repos"]
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")

RepoId = Annotated[
    str, Meta(description="address of its announcement", examples=["30617:c46ec4af9ac72b70929defa6b948f303…:tides"])
]
RepoName = Annotated[str, Meta(min_length=1, max_length=100, examples=["tides"])]
RepoUrl = Annotated[str, Meta(max_length=2048, examples=["https://github.com/sea/tides"])]
Branch = Annotated[str, Meta(min_length=1, max_length=200, examples=["main"])]


class Repo(msgspec.Struct, frozen=True, kw_only=True):
    """A repository: on a known host as that names it, any other by the key that announced it (`provider` is `nostr`)."""

    id: RepoId
    name: str
    provider: Annotated[str, Meta(examples=["github"])]
    owner: Annotated[str, Meta(examples=["sea"])]
    default_branch: str | None
    url: RepoUrl | None
    group_id: GroupId | None
    maintainers: Annotated[list[Pubkey], Meta(description="who announced it, and whom that names")]
    created_at: When
    event: SignedEvent = UNSET


class RepoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One repository; `events` are what announced it."""

    success: bool = True
    message: str = ""
    repo: Repo
    events: list[Event] = []


class RepoPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of repositories, the newest first."""

    success: bool = True
    repos: list[Repo]
    has_more: bool
    next_cursor: NextCursor = None


class NewRepo(Body, frozen=True):
    """A repository to announce: for everybody or, with a project, for its members if it is private."""

    name: RepoName
    url: RepoUrl | None = None
    default_branch: Branch | None = None
    description: Annotated[str, Meta(max_length=1000)] | None = None
    project_id: GroupId | None = None


@get(f"{BASE}/repos", tags=TAGS, summary="List repositories")
async def list_repos(
    *,
    caller: GivenCaller,
    hub: GivenHub,
    project_id: OfGroup = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: Events = True,
) -> RepoPage:
    """The repositories that you may read, or those that a project is about; the newest first."""
    if project_id is not None:
        await acting.access(hub, caller, project_id, "project", "project")
    most, after = common.at_most(limit), acting.place(cursor)
    rows = await acting.look(
        hub, caller, lambda tables, key: tables.repos(key, after, most + 1, common.now(), project=project_id)
    )
    shown, following = acting.page(rows, most, lambda row: (row.created_at, row.id))
    found = [described(row, events) for row in shown]
    return RepoPage(repos=found, has_more=following is not None, next_cursor=following)


@post(f"{BASE}/repos", tags=TAGS, summary="Announce a repository", middleware=[idempotent_for_users])
async def create_repo(data: JSONBody[NewRepo], caller: GivenCaller, hub: GivenHub) -> RepoAnswer:
    """Announce it (30617), with its default branch (30618); yours of the same name is replaced. A project lists what it links."""
    if not _NAME.fullmatch(data.name):
        raise invalid(
            "a repository's name has letters, digits, `.`, `_` and `-`, and begins and ends with a letter or digit"
        )
    if data.url is not None and urls.link(data.url) is None:
        raise invalid("a repository's url is an http or https link without a user in it")
    place = [["h", data.project_id]] if data.project_id is not None else []
    readers = PUBLIC
    if data.project_id is not None:
        readers = (await acting.access(hub, caller, data.project_id, "project", "project")).readers
    tags = [["d", data.name], *place, *([["web", data.url]] if data.url else [])]
    tags += [["description", data.description]] if data.description else []
    events = [await acting.replace(hub, caller, Draft(kinds.REPOSITORY, tags, "", common.now()), readers)]
    if data.default_branch is not None:
        head = ["HEAD", f"ref: refs/heads/{data.default_branch}"]
        state = Draft(kinds.REPOSITORY_STATE, [["d", data.name], *place, head], "", common.now())
        events.append(await acting.replace(hub, caller, state, readers))
    address = repositories.address(events[0]) or ""
    return RepoAnswer(message="Repository announced", repo=described(await _row(hub, address)), events=events)


@get(f"{BASE}/repos/{{repo_id:str}}", tags=TAGS, summary="Get a repository")
async def get_repo(repo_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> RepoAnswer:
    """One repository that you may read, by its address."""
    row = await _row(hub, repo_id)
    if row.group_id is not None:
        await acting.access(hub, caller, row.group_id, "repository")
    return RepoAnswer(repo=described(row))


@delete(f"{BASE}/repos/{{repo_id:str}}", tags=TAGS, summary="Delete a repository", status_code=200)
async def delete_repo(repo_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """Take your own announcement back (5); the repository itself is not touched."""
    row = await _row(hub, repo_id)
    event = parse(row.wire)
    if event.pubkey != await hub.identities.workspaces.key(caller):
        raise HttpProblem(403, "not_yours", "this was announced by somebody else", "Who announced it can take it back.")
    tags = [["e", event.id], ["a", row.id], ["k", str(kinds.REPOSITORY)]]
    tags += [["h", row.group_id]] if row.group_id is not None else []
    at = max(common.now(), event.created_at)
    return Done(message="Repository deleted", event=await acting.act(hub, caller, kinds.DELETION, tags, "", at=at))


@put(f"{BASE}/projects/{{project_id:str}}/repos/{{repo_id:str}}", tags=TAGS, summary="Link a repository")
async def link_repo(project_id: FromPath[str], repo_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """Say in the project's record that it is about a repository; for owners and admins."""
    row = await _row(hub, repo_id)
    if row.group_id not in (None, project_id):
        await acting.access(hub, caller, row.group_id, "repository")
    return await _link(hub, caller, project_id, repo_id, is_linked=True)


@delete(
    f"{BASE}/projects/{{project_id:str}}/repos/{{repo_id:str}}",
    tags=TAGS,
    summary="Unlink a repository",
    status_code=200,
)
async def unlink_repo(project_id: FromPath[str], repo_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """Say in the project's record that it is not about a repository any more."""
    return await _link(hub, caller, project_id, repo_id, is_linked=False)


async def _link(hub: RunningRelay, caller: Caller, project_id: str, repo_id: str, *, is_linked: bool) -> Done:
    def links(tags: list[list[str]]) -> list[list[str]]:
        others = [tag for tag in tags if tag[:2] != ["a", repo_id]]
        return [*others, ["a", repo_id]] if is_linked else others

    there = await acting.access(hub, caller, project_id, "project", "project")
    event = await acting.write_record(hub, caller, there, {}, links)
    return Done(message="Repository linked" if is_linked else "Repository unlinked", event=event)


async def _row(hub: RunningRelay, repo_id: str) -> RepoRow:
    row = await hub.identities.workspaces.look(lambda tables: tables.repo(repo_id, common.now()))
    if row is None:
        raise not_found("repository")
    return row


def described(row: RepoRow, events: bool = True) -> Repo:
    """A row as the API shows it."""
    event: Event | UnsetType = parse(row.wire) if events else UNSET
    shown: dict[str, Any] = row._asdict() | {
        "maintainers": msgspec.json.decode(row.maintainers),
        "created_at": iso(row.created_at),
        "event": event,
    }
    return Repo(**{name: shown[name] for name in Repo.__struct_fields__})
