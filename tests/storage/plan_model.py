"""The rows of the control plane by the most obvious way: from everything that is in the log and in the primary tables.

Nothing here is shared with what makes the rows: tags are read, and what counts is picked, once more.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from relay.protocol.event import Event, parse
from storage.sqlite.files.database_file import FILE

TABLES = (
    *("organizations", "organization_members", "projects", "threads", "repos", "project_repos", "messages", "issues"),
    *("issue_threads", "agents"),
)
STATUS = {1630: "open", 1631: "resolved", 1632: "closed", 1633: "draft"}
HOSTS = {"https://github.com/": "github", "https://gitlab.com/": "gitlab"}

Row = dict[str, Any]


class Stored(msgspec.Struct, frozen=True):
    """An event in the log and which group it belongs to."""

    seq: int
    event: Event
    group: str | None
    public: bool
    expires_at: int | None
    received_at: int = 0


class Plane(msgspec.Struct):
    """All that rows are made of."""

    live: list[Stored]
    groups: dict[str, Row]
    members: dict[tuple[str, str], Row]
    users: dict[str, str]
    identifiers: dict[str, str]
    operators: list[str]
    marks: set[tuple[str, str]] = set()

    def user(self, pubkey: str) -> str:
        """Whose key it is."""
        return self.users.get(pubkey, "nostr:" + pubkey)

    def of(self, *kinds: int) -> list[Stored]:
        """The live events of these kinds."""
        return [one for one in self.live if one.event.kind in kinds]

    def there(self, group_id: str | None, type_: str) -> bool:
        """Whether there is such a group of this type now."""
        group = self.groups.get(group_id or "")
        return group is not None and group["type"] == type_ and not group["ended"]


def plane(directory: Path) -> Plane:
    """What stands in a database."""
    plain = sqlite3.connect(directory / FILE)
    plain.row_factory = sqlite3.Row
    every_group = {row["id"]: dict(row) for row in plain.execute("SELECT * FROM groups")}
    numbers = {row["number"]: name for name, row in every_group.items()}
    groups = {name: row for name, row in every_group.items() if not row["home"]}
    live = [
        Stored(
            row["seq"],
            parse(row["wire"]),
            numbers.get(row["group_number"]),
            row["audience"] is None,
            row["expires_at"],
            row["received_at"],
        )
        for row in plain.execute("SELECT * FROM events")
    ]
    members = {
        (numbers[row["group_number"]], row["pubkey"]): dict(row) for row in plain.execute("SELECT * FROM group_members")
    }
    users = {row["pubkey"]: row["user_id"] for row in plain.execute("SELECT * FROM user_keys")}
    names = {row["id"].hex(): row["identifier"] for row in plain.execute("SELECT * FROM issue_identifiers")}
    (operators,) = plain.execute("SELECT value FROM meta WHERE name = 'operators'").fetchone()
    marks = {(row["id"].hex(), row["deleter"].hex()) for row in plain.execute("SELECT * FROM deleted")}
    plain.close()
    return Plane(live, groups, members, users, names, json.loads(operators), marks)


def tables(directory: Path) -> dict[str, list[Row]]:
    """Every row of the plan's tables of the control plane."""
    plain = sqlite3.connect(directory / FILE)
    plain.row_factory = sqlite3.Row
    found = {name: [dict(row) for row in plain.execute(f"SELECT * FROM {name}")] for name in TABLES}
    plain.close()
    return found


def ordered(found: dict[str, list[Row]]) -> dict[str, list[str]]:
    """The same rows in an order of their own, to be compared."""
    return {name: sorted(json.dumps(row, sort_keys=True) for row in found[name]) for name in TABLES}


def first(event: Event, name: str) -> str | None:
    """The value of the first tag of that name."""
    for tag in event.tags:
        if tag[0] == name:
            return tag[1] if len(tag) > 1 else ""
    return None


def every(event: Event, name: str) -> list[str]:
    """The values of all tags of that name, each once."""
    return list(dict.fromkeys(tag[1] for tag in event.tags if tag[0] == name and len(tag) > 1))


def newest(some: Iterable[Stored]) -> Stored | None:
    """The newest, of equals the lowest id."""
    return min(some, key=lambda one: (-one.event.created_at, one.event.id), default=None)


def record(world: Plane, group_id: str) -> Stored | None:
    """The newest record of a group."""
    return newest(
        one
        for one in world.of(30078)
        if one.group == group_id and first(one.event, "d") == first(one.event, "h") == group_id
    )


def said(one: Stored | None) -> Row:
    """The object in a content."""
    try:
        found = json.loads(one.event.content) if one else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def text(fields: Row, name: str, most: int = 100_000, least: int = 0) -> str | None:
    """A text among the fields."""
    value = fields.get(name)
    return value if isinstance(value, str) and least <= len(value) <= most else None


def flag(fields: Row, name: str) -> int:
    """A yes or no among the fields."""
    return int(fields.get(name) is True)


def changed(world: Plane, group_id: str) -> int:
    """When a group was changed last."""
    times = [
        one.event.created_at for one in world.of(9002) if one.group == group_id and first(one.event, "h") == group_id
    ]
    kept = record(world, group_id)
    return max([world.groups[group_id]["created_at"], *times, *([kept.event.created_at] if kept else [])])


def above(world: Plane, group_id: str) -> tuple[str | None, str | None]:
    """The project and organization that a group is under."""
    parent = world.groups[group_id]["parent"]
    if world.there(parent, "organization"):
        return None, parent
    if not world.there(parent, "project"):
        return None, None
    upper = world.groups[parent]["parent"]
    return parent, upper if world.there(upper, "organization") else None


def scope(world: Plane, group_id: str | None) -> tuple[str | None, str | None, str | None]:
    """The thread, project and organization of what belongs to a group."""
    if world.there(group_id, "organization"):
        return None, None, group_id
    if world.there(group_id, "project"):
        return None, group_id, above(world, group_id or "")[1]
    if world.there(group_id, "thread"):
        project, organization = above(world, group_id or "")
        return group_id, project, organization
    return None, None, None


def organizations(world: Plane) -> list[Row]:
    """Groups of that type."""
    rows = []
    for name in [one for one in world.groups if world.there(one, "organization")]:
        group, fields = world.groups[name], said(record(world, name))
        credit = fields.get("credits")
        rows.append(
            {
                "id": name,
                "name": group["name"],
                "logo": group["picture"] or None,
                "plan": text(fields, "plan", 100, 1) or "free",
                "credits": credit if isinstance(credit, int) and not isinstance(credit, bool) and credit >= 0 else 0,
                "created_at": group["created_at"],
                "updated_at": changed(world, name),
                "owner_id": world.user(group["creator"]),
            }
        )
    return rows


def organization_members(world: Plane) -> list[Row]:
    """Who is in them."""
    return [
        {
            "organization_id": name,
            "pubkey": pubkey,
            "user_id": world.user(pubkey),
            "role": "owner" if "owner" in json.loads(row["roles"]) else "member",
            "roles": row["roles"],
            "joined_at": row["since"],
        }
        for (name, pubkey), row in world.members.items()
        if row["standing"] == "member" and world.there(name, "organization")
    ]


def projects(world: Plane) -> list[Row]:
    """Groups of that type."""
    rows = []
    for name in [one for one in world.groups if world.there(one, "project")]:
        group, fields = world.groups[name], said(record(world, name))
        organization = above(world, name)[1]
        tools = fields.get("default_tools")
        rows.append(
            {
                "id": name,
                "name": group["name"],
                "description": group["about"] or None,
                "user_id": None if organization else world.user(group["creator"]),
                "organization_id": organization,
                "system_prompt": text(fields, "system_prompt"),
                "default_model": text(fields, "default_model", 100, 1),
                "default_tools": json.dumps(tools, separators=(",", ":")) if isinstance(tools, list) else None,
                "autopilot_spec": text(fields, "autopilot_spec"),
                "autopilot_plan": text(fields, "autopilot_plan"),
                "autopilot_plan_updated_at": fields.get("autopilot_plan_updated_at"),
                "created_at": group["created_at"],
                "updated_at": changed(world, name),
                "is_archived": flag(fields, "is_archived"),
            }
        )
    return rows


def threads(world: Plane) -> list[Row]:
    """Groups of that type."""
    rows = []
    for name in [one for one in world.groups if world.there(one, "thread")]:
        group, fields = world.groups[name], said(record(world, name))
        project, organization = above(world, name)
        metadata = fields.get("metadata")
        rows.append(
            {
                "chat_id": name,
                "user_id": world.user(group["creator"]),
                "organization_id": organization,
                "project_id": project,
                "agent_slug": text(fields, "agent_slug", 100, 1),
                "metadata": json.dumps(metadata, separators=(",", ":")) if isinstance(metadata, dict) else None,
                "is_archived": flag(fields, "is_archived"),
                "created_at": group["created_at"],
                "updated_at": changed(world, name),
                "is_shared": flag(fields, "is_shared"),
                "title": group["name"],
            }
        )
    return rows


def repos(world: Plane) -> list[Row]:
    """Announcements of repositories."""
    rows = []
    for one in world.of(30617):
        name = first(one.event, "d")
        if not name or not (one.public or one.group):
            continue
        links = [link for tag in ("web", "clone") for given in one.event.tags if given[0] == tag for link in given[1:]]
        web = [link for link in links if link.startswith("https://")]
        where = {"provider": "nostr", "owner": one.event.pubkey, "name": name, "url": web[0] if web else None}
        for link in reversed(web):
            for host, provider in HOSTS.items():
                if link.startswith(host):
                    owner, rest = link.removeprefix(host).split("/")[:2]
                    where = {"provider": provider, "owner": owner, "name": rest.removesuffix(".git"), "url": link}
        heads = [
            first(state.event, "HEAD") or ""
            for state in world.of(30618)
            if state.event.pubkey == one.event.pubkey and first(state.event, "d") == name and state.group == one.group
        ]
        branch = (
            heads[0].removeprefix("ref: refs/heads/") if heads and heads[0].startswith("ref: refs/heads/") else None
        )
        named = [key for tag in one.event.tags if tag[0] == "maintainers" for key in tag[1:]]
        rows.append(
            {
                **where,
                "id": f"30617:{one.event.pubkey}:{name}",
                "seq": one.seq,
                "default_branch": branch,
                "created_at": one.event.created_at,
                "group_id": one.group,
                "maintainers": json.dumps(list(dict.fromkeys([one.event.pubkey, *named])), separators=(",", ":")),
            }
        )
    return rows


def project_repos(world: Plane) -> list[Row]:
    """What records of projects link."""
    rows = []
    for name in [one for one in world.groups if world.there(one, "project")]:
        kept = record(world, name)
        at = kept.event.created_at if kept else 0
        named = [one for one in every(kept.event, "a") if one.startswith("30617:")] if kept else []
        rows += [{"project_id": name, "repo_id": address, "created_at": at} for address in named]
    return rows


def issue_threads(world: Plane) -> list[Row]:
    """What records of threads link."""
    rows = []
    for name in [one for one in world.groups if world.there(one, "thread")]:
        kept = record(world, name)
        tags = kept.event.tags if kept else []
        at = kept.event.created_at if kept else 0
        named = dict.fromkeys(tag[1] for tag in tags if tag[0] == "e" and len(tag) > 3 and tag[3] == "issue")
        rows += [{"thread_id": name, "issue_id": issue, "created_at": at} for issue in named]
    return rows


def messages(world: Plane) -> list[Row]:
    """Chat in groups that are there."""
    rows = []
    for one in world.of(9):
        thread, project, organization = scope(world, one.group)
        if not (thread or project or organization):
            continue
        event = one.event
        edit = newest(
            other
            for other in world.of(1010)
            if first(other.event, "e") == event.id
            if other.event.pubkey == event.pubkey
            if first(other.event, "h") is not None
        )
        edit = edit if edit and edit.group == one.group else None
        place = f"{event.pubkey} 9 {event.created_at} {one.group}"
        again = (hashlib.sha256(place.encode()).hexdigest(), event.pubkey) in world.marks
        usage = [*next((tag[1:] for tag in event.tags if tag[0] == "usage"), []), "", "", ""][:3]
        rows.append(
            {
                "thread_id": thread,
                "project_id": project,
                "organization_id": organization,
                "user_id": world.user(event.pubkey),
                "id": event.id,
                "role": first(event, "role") or "user",
                "content": edit.event.content if edit else event.content,
                "updated_at": edit.event.created_at if edit else one.received_at if again else None,
                "created_at": event.created_at,
                "tool_invocations": first(event, "tool_invocations"),
                "parts_json": first(event, "parts"),
                "annotations_json": first(event, "annotations"),
                "finish_reason": first(event, "finish_reason"),
                "prompt_tokens": int(usage[0]) if usage[0] else None,
                "completion_tokens": int(usage[1]) if usage[1] else None,
                "cost": float(usage[2]) if usage[2] else None,
                "embedding_id": None,
                "seq": one.seq,
                "pubkey": event.pubkey,
                "group_id": one.group,
                "expires_at": one.expires_at,
            }
        )
    return rows


def issues(world: Plane) -> list[Row]:
    """Issues of groups that are there, and public ones of repositories."""
    rows = []
    for one in world.of(1621):
        event = one.event
        repo = next((value for value in every(event, "a") if value.startswith("30617:")), None)
        thread, project, organization = scope(world, one.group)
        if one.group:
            if not (thread or project or organization):
                continue
        elif repo is None or first(event, "h") is not None or not one.public:
            continue
        told = about(world, one, repo)
        edit = newest(o for o in told if o.event.kind == 1010)
        status = newest(o for o in told if o.event.kind in STATUS)
        shown = edit.event if edit else event
        marked = [tag[1] for tag in shown.tags if tag[0] == "p" and "assignee" in tag[2:4]]
        plain = every(shown, "p") if not any(value.startswith("30617:") for value in every(shown, "a")) else []
        assignee = next(iter([*marked, *plain]), None)
        rows.append(
            {
                "user_id": world.user(event.pubkey),
                "organization_id": organization,
                "project_id": project,
                "identifier": world.identifiers[event.id],
                "title": first(shown, "subject") or shown.content.split("\n")[0],
                "description": shown.content,
                "status_id": STATUS[status.event.kind] if status else "open",
                "priority_id": first(shown, "priority") if first(shown, "priority") in ("low", "high") else "none",
                "assignee_id": world.user(assignee) if assignee else None,
                "label_ids": json.dumps(every(shown, "t"), separators=(",", ":")),
                "rank": first(shown, "rank") or f"{event.created_at:016d}{event.id[:16]}i",
                "created_at": event.created_at,
                "updated_at": max(o.event.created_at for o in (one, edit, status) if o),
                "due_date": int(first(shown, "due") or 0) or None,
                "seq": one.seq,
                "id": event.id,
                "pubkey": event.pubkey,
                "group_id": one.group,
                "repo_id": repo,
            }
        )
    return rows


def about(world: Plane, issue: Stored, repo: str | None) -> list[Stored]:
    """What those who may say something of an issue have said: of each of them and of each kind the last word."""
    told = [one for one in world.of(1010, *STATUS) if said_of(issue.event.id, one)]
    told = [one for one in told if not issue.group or one.group == issue.group]
    found = [[one for one in told if issue.group and first(one.event, "h") == issue.group]]
    who = {issue.event.pubkey} | ({repo.split(":")[1]} if repo and not issue.group else set())
    helping = set() if issue.group else {key for one in world.of(30617) for key in helpers(one, repo)}
    for pubkey in who | helping:
        theirs = [one for one in told if one.event.pubkey == pubkey if one.event.kind != 1010 or pubkey in who]
        found.append(
            [one for one in theirs if one.public if one.event.kind == 1010]
            + [one for one in theirs if first(one.event, "h") is None if one.event.kind != 1010]
        )
    last = [newest(one for one in some if one.event.kind == kind) for some in found for kind in (1010, *STATUS)]
    return [one for one in last if one and one.group == issue.group and (issue.group or first(one.event, "h") is None)]


def helpers(one: Stored, repo: str | None) -> list[str]:
    """Whom an announcement names as maintainers, if it is the public one of this repository and of no group."""
    if one.group or not one.public or f"30617:{one.event.pubkey}:{first(one.event, 'd')}" != repo:
        return []
    return [key for tag in one.event.tags if tag[0] == "maintainers" for key in tag[1:]]


def said_of(issue: str, one: Stored) -> bool:
    """Whether it is about that issue."""
    named = every(one.event, "e")
    return issue in (named[:1] if one.event.kind == 1010 else named)


def agents(world: Plane) -> list[Row]:
    """Definitions by those who may define."""
    found: dict[tuple[str, str], list[Stored]] = {}
    for one in world.of(30078):
        name, group = first(one.event, "d") or "", first(one.event, "h") or ""
        if not name.startswith("agent:"):
            continue
        if one.group == group and world.there(group, "organization"):
            found.setdefault((name.removeprefix("agent:"), group), []).append(one)
        elif not group and one.event.pubkey in world.operators:
            found.setdefault((name.removeprefix("agent:"), ""), []).append(one)
    rows = []
    for (slug, group), some in found.items():
        one = newest(some)
        fields = said(one)
        at = one.event.created_at if one else 0
        rows.append(
            {
                "slug": slug,
                "organization_id": group,
                "seq": one.seq if one else 0,
                "name": text(fields, "name", 100, 1) or slug,
                "description": text(fields, "description") or "",
                "system_prompt": text(fields, "system_prompt") or "",
                "model_id": text(fields, "model_id", 100, 1),
                "sort_order": fields.get("sort_order", 0),
                "is_default": flag(fields, "is_default"),
                "created_at": min(fields.get("created_at", at), at),
                "updated_at": at,
                "requires_github": fields.get("requires_github"),
                "requires_repo": fields.get("requires_repo"),
                "supports_tools": int(fields["supports_tools"]) if "supports_tools" in fields else None,
                "agent_type": fields.get("agent_type"),
            }
        )
    return rows


def rows(world: Plane) -> dict[str, list[Row]]:
    """Every row of every table."""
    made = (
        *(organizations, organization_members, projects, threads, repos, project_repos, messages, issues),
        *(issue_threads, agents),
    )
    return {make.__name__: make(world) for make in made}
