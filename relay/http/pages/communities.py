"""`/communities` and `/c/<id>` for people: the groups of this relay that hold posts, and one of them with its posts.

Joining and writing need the scripts; reading does not. A hidden or private group is not here.
"""

from typing import Final

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from relay.http.api import common, communities, group_access
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import page
from relay.http.pages.page import CLOSED, SORTS, Sort
from relay.protocol.groups import roles
from relay.protocol.groups.state import Group, Member
from storage.feed import PostRow
from storage.groups import GroupLookups
from storage.identities.types import Identity, Lookups

MAX_QUESTION: Final = 100  # characters
MODERATORS: Final = 20  # that a page names
PINNED: Final = 10  # posts that a page names


class CommunityRow(msgspec.Struct, frozen=True):
    """A community in a list; `posts` are counted up to `storage.feed.MAX_COUNTED`."""

    group: Group
    members: int
    posts: int


class Moderator(msgspec.Struct, frozen=True):
    """Somebody with a role in a group; `identity` is None for a key that is no identity's."""

    pubkey: str
    role: str
    identity: Identity | None


@get("/communities")
async def community_list(
    request: common.AnyRequest, hub: GivenHub, q: FromQuery[str] = "", cursor: FromQuery[str] = ""
) -> Response[str]:
    """Communities, the newest first; with `q` those that have it in their name."""
    page.pace(request, hub)
    closed = await page.is_closed(request, hub)
    wanted, after = q.strip()[:MAX_QUESTION], cursor[:500]

    def find(tables: GroupLookups) -> tuple[list[Group], dict[str, int]]:
        found = [] if closed else tables.communities(after, page.PAGE + 1, wanted, replicas=True)
        return found, tables.group_sizes([group.id for group in found])

    found, sizes = await hub.identities.group_tables.look(find)
    shown = found[: page.PAGE]
    written = await hub.feed.how_many_in([group.id for group in shown]) if shown else {}
    return await page.render(
        request,
        hub,
        "communities.html",
        rows=[CommunityRow(group, sizes.get(group.id, 0), written.get(group.id, 0)) for group in shown],
        more=shown[-1].id if len(found) > page.PAGE else None,
        asked=wanted,
        trouble=CLOSED if closed else "",
    )


@get("/c/{group_id:str}")
async def community(
    request: common.AnyRequest,
    hub: GivenHub,
    group_id: FromPath[str],
    sort: FromQuery[Sort] = "hot",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """A community: what it is, who moderates it, its posts. Raises NotFoundException."""
    group = await public(request, hub, group_access.written(group_id))
    found, trouble = await page.posts(request, hub, sort, cursor, group=group.id)

    def find(tables: Lookups) -> tuple[int, list[tuple[str, Member]], dict[str, Identity]]:
        admins = tables.admins_of(group.id, MODERATORS)
        return (
            tables.group_sizes([group.id]).get(group.id, 0),
            admins,
            tables.identities_of_keys([key for key, _ in admins]),
        )

    members, admins, people = await hub.identities.group_tables.look(find)
    written = await hub.feed.how_many_in([group.id])
    rules = next((tag[1:] for tag in group.extra if tag[0] == "rules"), ())
    return await page.render(
        request,
        hub,
        "community.html",
        pinned=[] if cursor else await _pinned(hub, group),
        community=CommunityRow(group, members, written.get(group.id, 0)),
        rules=rules,
        moderators=[
            _moderator(key, member, people) for key, member in sorted(admins, key=lambda one: -roles.rank(one[1].roles))
        ],
        rows=found.rows,
        more=found.next_cursor,
        trouble=trouble,
        sort=sort,
        sorts={each: words for each, words in SORTS.items() if each != "rising"},
        beginning=not cursor,
        texts=[group.about, *rules, *page.excerpted(found)],
    )


@get("/communities/new")
async def community_form(request: common.AnyRequest, hub: GivenHub, what: FromQuery[str] = "") -> Response[str]:
    """The page on which a community or a room is begun; `what` is chosen on it: posts, chat, private."""
    page.pace(request, hub)
    return await page.render(request, hub, "community_form.html", group=None, what=what)


@get("/c/{group_id:str}/settings")
async def community_settings(request: common.AnyRequest, hub: GivenHub, group_id: FromPath[str]) -> Response[str]:
    """The page on which those who look after a community change it. Raises NotFoundException."""
    page.pace(request, hub)
    return await page.render(
        request, hub, "community_form.html", group=await public(request, hub, group_access.written(group_id))
    )


async def public(request: common.AnyRequest, hub: RunningRelay, group_id: str) -> Group:
    """The community of this id, as everybody sees it who reads here. Raises NotFoundException."""
    if await page.is_closed(request, hub):
        raise NotFoundException
    group = await hub.identities.group_tables.look(lambda tables: tables.group(group_id))
    if group is None or group.hidden or not communities.is_community(group):
        raise NotFoundException
    return group


async def _pinned(hub: RunningRelay, group: Group) -> list[PostRow]:
    """The posts of a community that are pinned there, in their order."""
    ids = [value for name, value in group.pins if name == "e"][:PINNED]
    found = {row.id: row for row in await hub.feed.posts_by_id(ids, common.now())} if ids else {}
    return [found[one] for one in ids if one in found and found[one].group_id == group.id]


def _moderator(pubkey: str, member: Member, people: dict[str, Identity]) -> Moderator:
    identity = people.get(pubkey)
    role = max(member.roles, key=lambda one: roles.rank((one,)))
    return Moderator(pubkey, role, None if identity is None or identity.anonymised_at is not None else identity)
