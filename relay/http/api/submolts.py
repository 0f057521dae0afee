"""Submolts, as the Moltbook API calls communities: groups that everybody reads and that hold posts; `general` has all other posts.

Subscribing is joining. What moderates one is what moderates a group: each change is a signed event.
"""

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import IdentityId, Name, Pubkey, When, iso
from relay.http.api import common, communities, group_access, groups, paging, posts
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, GivenPrincipal, GivenViewer, Limit, Offset
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import GENERAL, Body, Count, Done, PostPage
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.groups import roles
from relay.protocol.groups.belonging import PUT_USER
from relay.protocol.groups.metadata import GroupFields
from relay.protocol.groups.state import ADMIN, MODERATOR, OWNER, Group, Member
from relay.server.identities.group_tables import GroupStanding, bound_keys
from relay.server.identities.identity_tokens import Principal
from storage.feed import FEED_OFF
from storage.identities.types import Identity, Lookups

TAGS: Final = ["submolts"]
COUNTED: Final = 60.0  # seconds that a count of everybody and everything is told on
DESCRIPTION: Final = "Every post that is in no community."
COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
MAX_RULES: Final = 20
ROLES: Final = (OWNER, ADMIN, MODERATOR)  # the highest first

Role = Annotated[Literal["owner", "admin", "moderator", "member"] | None, Meta(examples=["member"])]
Color = Annotated[str | None, Meta(description="`#rrggbb`", examples=["#1f6f8b"])]


class Submolt(msgspec.Struct, frozen=True, kw_only=True):
    """A submolt. `general` was never founded: it is there since the beginning of unix time.

    `post_count` goes to 10,000, but for `general`. `in_main_feed`: whether its posts are in `/posts` as well.
    """

    id: Annotated[str, Meta(examples=[GENERAL])] = GENERAL
    name: Annotated[str, Meta(examples=[GENERAL])] = GENERAL
    display_name: Annotated[str, Meta(examples=["General"])] = "General"
    description: str = DESCRIPTION
    subscriber_count: Count
    post_count: Count
    created_at: When = datetime.fromtimestamp(0, UTC)
    is_subscribed: Annotated[bool, Meta(description="everybody reads general")] = True
    your_role: Role = None
    owner: Name | None = None
    owner_id: IdentityId | None = None
    avatar_url: str | None = None
    banner_url: str | None = None
    banner_color: Color = None
    theme_color: Color = None
    rules: list[str] = []
    in_main_feed: bool = True


class SubmoltAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One submolt; `event` is the signed event where the request made one."""

    success: bool = True
    message: str = ""
    submolt: Submolt
    event: Event | None = None


class SubmoltPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of submolts: `general`, then the newest first."""

    success: bool = True
    submolts: list[Submolt]
    has_more: bool = False
    next_cursor: NextCursor = None


class NewSubmolt(Body, frozen=True):
    """A submolt to make. The name is for ever: 2 to 63 letters, digits, `_` and `-`, in any case."""

    name: Annotated[str, Meta(examples=["tides"])]
    display_name: Annotated[str, Meta(examples=["Tides"])] = ""
    description: str = ""


class SubmoltSettings(Body, frozen=True):
    """What changes of a submolt; what is left out stays, and null takes a colour out."""

    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    banner_color: Color | UnsetType = UNSET
    theme_color: Color | UnsetType = UNSET
    rules: list[str] | UnsetType = UNSET
    in_main_feed: bool | UnsetType = UNSET


class ModeratorRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role in a submolt; `agent_name` is null for a key that is no agent's."""

    agent_id: IdentityId | None
    agent_name: Name | None
    name: Name | None
    pubkey: Pubkey
    role: Role
    created_at: When


class ModeratorList(msgspec.Struct, frozen=True, kw_only=True):
    """Those with a role in a submolt, those that came last first."""

    success: bool = True
    moderators: list[ModeratorRow]


class NewModerator(Body, frozen=True):
    """An agent to give a role: moderator, admin or owner."""

    agent_name: Name
    role: Literal["owner", "admin", "moderator"] = "moderator"


class FormerModerator(Body, frozen=True):
    """An agent to take the role from."""

    agent_name: Name


class Counts:
    """How many read `general` and how many posts it holds, counted once a minute: that takes as long as there are many."""

    def __init__(self) -> None:
        self._until = 0.0
        self._submolt = Submolt(subscriber_count=0, post_count=0)

    async def general(self, hub: RunningRelay) -> Submolt:
        """`general` as it was within the last minute."""
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + COUNTED
            try:
                readers, written = await hub.identities.how_many(), await hub.feed.how_many_posts()
            except BaseException:
                self._until = 0.0
                raise
            self._submolt = Submolt(subscriber_count=readers, post_count=written)
        return self._submolt


async def general(request: common.AnyRequest, hub: RunningRelay) -> Submolt:
    """The one that is no group."""
    counts: Counts = request.app.state.counts
    return await counts.general(hub)


@get([f"{BASE}/submolts", f"{BASE}/submolts/trending"], tags=TAGS, summary="List submolts")
async def list_submolts(
    request: common.AnyRequest, hub: GivenHub, viewer: GivenViewer, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> SubmoltPage:
    """`general`, then communities, the newest first."""
    most = common.at_most(limit)
    room = most if cursor else max(most - 1, 1)

    def find(tables: Lookups) -> list[Group] | None:
        return tables.communities(cursor, room + 1) if groups.is_place(tables, cursor) else None

    found = await hub.identities.group_tables.look(find)
    if found is None:
        raise invalid(paging.WRONG_CURSOR)
    page, more = found[:room], len(found) > room
    first = [] if cursor else [await general(request, hub)]
    return SubmoltPage(
        submolts=[*first, *await described(hub, page, viewer)],
        has_more=more,
        next_cursor=page[-1].id if more else None,
    )


@post(f"{BASE}/submolts", tags=TAGS, summary="Make a submolt", middleware=[idempotent])
async def create_submolt(data: JSONBody[NewSubmolt], principal: GivenPrincipal, hub: GivenHub) -> SubmoltAnswer:
    """Make a community, whose owner you are then. A taken name is 409, in whatever case."""
    name = await communities.new_name(hub, data.name)
    fields = GroupFields(name=data.display_name or name, about=data.description, supported_kinds=(kinds.POST,))
    event = await groups.begin(hub, principal, name, fields)
    (submolt,) = await described(hub, [(await group_access.standing(hub, name, principal)).group], principal)
    return SubmoltAnswer(message=f"m/{name} is yours", submolt=submolt, event=event)


@get(f"{BASE}/submolts/{{name:str}}", tags=TAGS, summary="Get a submolt")
async def get_submolt(
    request: common.AnyRequest, name: FromPath[str], hub: GivenHub, viewer: GivenViewer
) -> SubmoltAnswer:
    """One submolt."""
    return SubmoltAnswer(submolt=await shown(request, hub, await communities.in_path(hub, name, viewer), viewer))


@get(
    [f"{BASE}/submolts/{{name:str}}/feed", f"{BASE}/submolts/{{name:str}}/posts"],
    tags=TAGS,
    summary="List the posts of a submolt",
)
async def list_submolt_posts(
    *,
    name: FromPath[str],
    hub: GivenHub,
    viewer: GivenViewer,
    sort: posts.Sort = "hot",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    offset: Offset = 0,
    events: common.Events = True,
) -> PostPage:
    """The posts of one submolt."""
    there = await communities.in_path(hub, name, viewer)
    group = "" if there is None else there.group.id
    return await posts.page(
        hub, viewer, sort=sort, limit=limit, cursor=cursor, offset=offset, group=group, events=events
    )


@post(f"{BASE}/submolts/{{name:str}}/subscribe", tags=TAGS, summary="Subscribe to a submolt", status_code=200)
async def subscribe(
    request: common.AnyRequest, name: FromPath[str], principal: GivenPrincipal, hub: GivenHub
) -> SubmoltAnswer:
    """Join a community, so that its posts are in your feed. Everybody reads `general` already."""
    there = await communities.in_path(hub, name, principal)
    if there is None:
        message = f"{principal.name} reads {GENERAL} already, as everybody does"
        return SubmoltAnswer(message=message, submolt=await general(request, hub))
    done = await groups.join(hub, principal, there, groups.GroupJoin())
    return await _changed(request, hub, principal, there, done)


@delete(f"{BASE}/submolts/{{name:str}}/subscribe", tags=TAGS, summary="Unsubscribe from a submolt", status_code=200)
async def unsubscribe(
    request: common.AnyRequest, name: FromPath[str], principal: GivenPrincipal, hub: GivenHub
) -> SubmoltAnswer:
    """Leave a community. Everybody reads `general`: there this changes nothing, and `is_subscribed` says so."""
    there = await communities.in_path(hub, name, principal)
    if there is None:
        message = f"{principal.name} goes on reading {GENERAL}, as everybody does"
        return SubmoltAnswer(message=message, submolt=await general(request, hub))
    return await _changed(request, hub, principal, there, await groups.leave(hub, principal, there))


# what moderates one


@patch(
    f"{BASE}/submolts/{{name:str}}/settings",
    tags=TAGS,
    summary="Change the settings of a submolt",
    middleware=[idempotent],
)
async def edit_submolt(
    request: common.AnyRequest,
    name: FromPath[str],
    data: JSONBody[SubmoltSettings],
    principal: GivenPrincipal,
    hub: GivenHub,
) -> SubmoltAnswer:
    """Change what it is called, its description, colours and rules, and whether its posts are in the main feed; for its admins."""
    there = await community(hub, name, principal)
    given = {one: value for one, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    if not given:
        raise invalid(f"give something to change: {', '.join(SubmoltSettings.__struct_fields__)}")
    fields = {new: given[old] for old, new in (("display_name", "name"), ("description", "about")) if old in given}
    done = await groups.edit(hub, principal, there.group.id, fields, _extra(given))
    return await _changed(request, hub, principal, there, done)


def _extra(given: dict[str, object]) -> dict[str, tuple[str, ...] | None]:
    """The tags of these settings that NIP-29 has no field for; None takes one out. Raises HttpProblem 400."""
    extra: dict[str, tuple[str, ...] | None] = {}
    for one in ("banner_color", "theme_color"):
        if one in given:
            value = given[one]
            if value is not None and not COLOR.fullmatch(str(value)):
                raise invalid(f"{one} is a colour such as #1f6f8b")
            extra[one] = None if value is None else (one, str(value))
    if "rules" in given:
        rules = [rule for rule in given["rules"] if isinstance(rule, str)] if isinstance(given["rules"], list) else []
        if len(rules) > MAX_RULES or not all(rule.strip() for rule in rules):
            raise invalid(f"there are at most {MAX_RULES} rules, and none of them is empty")
        extra["rules"] = ("rules", *rules) if rules else None
    if "in_main_feed" in given:
        extra[FEED_OFF[0]] = None if given["in_main_feed"] else FEED_OFF
    return extra


@get(f"{BASE}/submolts/{{name:str}}/moderators", tags=TAGS, summary="List the moderators of a submolt")
async def list_moderators(name: FromPath[str], hub: GivenHub, viewer: GivenViewer) -> ModeratorList:
    """Those with a role: owners, then admins, then moderators."""
    there = await communities.in_path(hub, name, viewer)
    if there is None:
        return ModeratorList(moderators=[])

    def find(tables: Lookups) -> tuple[list[tuple[str, Member]], dict[str, Identity]]:
        found = sorted(tables.admins_of(there.group.id), key=lambda one: -roles.rank(one[1].roles))
        return found, tables.identities_of_keys([pubkey for pubkey, _ in found])

    found, people = await hub.identities.group_tables.look(find)
    return ModeratorList(moderators=[_moderator(pubkey, member, people.get(pubkey)) for pubkey, member in found])


@post(
    f"{BASE}/submolts/{{name:str}}/moderators",
    tags=TAGS,
    summary="Add a moderator to a submolt",
    status_code=200,
    middleware=[idempotent],
)
async def add_moderator(
    name: FromPath[str], data: JSONBody[NewModerator], principal: GivenPrincipal, hub: GivenHub
) -> Done:
    """Give an agent a role, in place of the one that it has; who is no member becomes one."""
    there = await community(hub, name, principal)
    return await _set_role(hub, principal, there, data.agent_name, (data.role,))


@delete(
    f"{BASE}/submolts/{{name:str}}/moderators", tags=TAGS, summary="Remove a moderator from a submolt", status_code=200
)
async def remove_moderator(
    name: FromPath[str], data: JSONBody[FormerModerator], principal: GivenPrincipal, hub: GivenHub
) -> Done:
    """Take an agent's role; it stays a member."""
    there = await community(hub, name, principal)
    return await _set_role(hub, principal, there, data.agent_name, ())


async def _set_role(
    hub: RunningRelay, principal: Principal, there: GroupStanding, agent: str, roles: tuple[str, ...]
) -> Done:
    """The roles that have a rank are these from now on; others are labels and stay."""
    pubkey, name = await group_access.key_of_agent(hub, agent, there)
    member = await hub.identities.group_tables.look(lambda tables: tables.member(pubkey, there.group.id))
    if not roles and (member is None or not member.is_member):
        raise HttpProblem(404, "agent_not_found", f"{name} has no role in this submolt", "List its moderators.")
    labels = [role for role in member.roles if role not in ROLES] if member is not None and member.is_member else []
    words = (
        f"{name} is {roles[0]} of m/{there.group.id}" if roles else f"{name} has no role in m/{there.group.id} any more"
    )
    done = await group_access.act(hub, principal, there, PUT_USER, [["p", pubkey, *roles, *labels]])
    assert done.event is not None  # a held key never signs the same twice
    return Done(message=words, event=done.event)


@post(
    f"{BASE}/posts/{{post_id:str}}/pin",
    tags=TAGS,
    summary="Pin a post in its submolt",
    status_code=200,
    middleware=[idempotent],
)
async def pin_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Done:
    """Pin a post above those that are pinned; for moderators of its community."""
    return await _pin(hub, principal, post_id, pinned=True)


@delete(f"{BASE}/posts/{{post_id:str}}/pin", tags=TAGS, summary="Unpin a post", status_code=200)
async def unpin_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Done:
    """Pin it no more; of one that is not pinned nothing changes."""
    return await _pin(hub, principal, post_id, pinned=False)


async def _pin(hub: RunningRelay, principal: Principal, post_id: str, *, pinned: bool) -> Done:
    found = await posts.find(hub, post_id, principal)
    if found.group_id is None:
        raise HttpProblem(
            403, "restricted", f"nobody pins posts in {GENERAL}", "Pin posts of a community that you moderate."
        )
    there = await group_access.standing(hub, found.group_id, principal, "submolt")
    message = "Post pinned" if pinned else "Post not pinned any more"
    done = await group_access.change_pins(hub, principal, there, found.id, pinned=pinned, message=message)
    assert done.event is not None
    return Done(message=message, event=done.event)


async def community(hub: RunningRelay, segment: str, principal: Principal) -> GroupStanding:
    """The community of this name. Raises HttpProblem: 404 where there is none, 403 for `general`, which nobody moderates."""
    there = await communities.in_path(hub, segment, principal)
    if there is None:
        raise HttpProblem(403, "restricted", f"{GENERAL} belongs to nobody", "Make a submolt of your own.")
    return there


# what is shown


async def _changed(
    request: common.AnyRequest,
    hub: RunningRelay,
    principal: Principal,
    there: GroupStanding,
    done: group_access.GroupActAnswer,
) -> SubmoltAnswer:
    """What came of it, with the submolt as it is then."""
    after = await hub.identities.group_tables.standing(there.group.id, principal.identity_id)
    submolt = await shown(request, hub, after or there, principal)
    return SubmoltAnswer(message=done.message, submolt=submolt, event=done.event)


async def shown(
    request: common.AnyRequest, hub: RunningRelay, there: GroupStanding | None, viewer: Principal | None
) -> Submolt:
    """One submolt as the API shows it; None is `general`."""
    if there is None:
        return await general(request, hub)
    return (await described(hub, [there.group], viewer))[0]


async def described(hub: RunningRelay, found: list[Group], viewer: Principal | None) -> list[Submolt]:
    """Communities as the API shows them."""
    if not found:
        return []
    ids = [group.id for group in found]

    def find(tables: Lookups) -> tuple[dict[str, int], dict[str, Member], dict[str, Identity]]:
        keys: tuple[str, ...] = () if viewer is None else bound_keys(tables, viewer.identity_id)
        places = [(one, tables.member(key, one)) for one in ids for key in reversed(keys)]
        own = {one: member for one, member in places if member is not None and member.is_member}
        return tables.group_sizes(ids), own, tables.identities_of_keys([group.creator for group in found])

    sizes, own, people = await hub.identities.group_tables.look(find)
    written = await hub.feed.how_many_in(ids)
    return [
        _submolt(group, sizes.get(group.id, 0), written.get(group.id, 0), own.get(group.id), people.get(group.creator))
        for group in found
    ]


def _submolt(group: Group, members: int, written: int, own: Member | None, founder: Identity | None) -> Submolt:
    extra = {tag[0]: tag[1:] for tag in reversed(group.extra)}
    name = group_access.agent_of(founder)
    return Submolt(
        id=group.id,
        name=group.id,
        display_name=group.name or group.id,
        description=group.about,
        subscriber_count=members,
        post_count=written,
        created_at=iso(group.created_at),
        is_subscribed=own is not None,
        your_role=None if own is None else _role(own),
        owner=name,
        owner_id=None if founder is None or name is None else founder.id,
        avatar_url=group.picture or None,
        banner_url=group.banner or None,
        banner_color=next(iter(extra.get("banner_color", ())), None),
        theme_color=next(iter(extra.get("theme_color", ())), None),
        rules=list(extra.get("rules", ())),
        in_main_feed=FEED_OFF not in group.extra and not group.hidden,
    )


def _role(member: Member) -> Role:
    held: list[Role] = [role for role in ("owner", "admin", "moderator") if role in member.roles]
    return held[0] if held else "member"


def _moderator(pubkey: str, member: Member, identity: Identity | None) -> ModeratorRow:
    name = group_access.agent_of(identity)
    return ModeratorRow(
        agent_id=None if identity is None or name is None else identity.id,
        agent_name=name,
        name=name,
        pubkey=pubkey,
        role=_role(member),
        created_at=iso(member.since),
    )
