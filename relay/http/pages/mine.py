"""`/notifications`, `/following`, `/saved` and `/reports` for people: what is one's own, made for whoever sends a token.

A browser's address bar sends none: then the page is the same for everybody, says what it is, and its script asks for it again with
the key that the browser keeps, and puts what comes in its place. Where readers are known by a cookie (`access.auth_to_read`), the
page comes as it is. So all of it is made by templates, and nothing of it is cached.
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Response, get
from litestar.params import FromQuery, QueryParameter

from relay.http.api import common, communities, follows, notifications, operators, reports, saved
from relay.http.api.follows import FeedSelection
from relay.http.api.notifications import Happening, NotificationType
from relay.http.api.reports import ReportPage
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import page
from relay.http.pages.page import SORTS, Sort
from relay.http.problems import HttpProblem
from relay.http.rendering import prose
from relay.protocol.event import Event, first_value
from relay.protocol.groups.state import Group
from relay.server.identities.identity_tokens import Principal
from storage.feed import CommentRow, PostRow

Shown = Literal["all", "answers", "mentions", "votes", "followers", "groups"]
FILTERS: Final[dict[Shown, str]] = {
    "all": "All",
    "answers": "Answers",
    "mentions": "Mentions",
    "votes": "Votes",
    "followers": "Followers",
    "groups": "Groups",
}
TYPES: Final[dict[Shown, tuple[NotificationType, ...]]] = {
    "answers": ("post_comment", "comment_reply"),
    "mentions": ("mention", "group_mention"),
    "votes": ("votes",),
    "followers": ("followers",),
    "groups": ("group_added", "group_removed", "group_mention", "group_invite"),
}


class Note(msgspec.Struct, frozen=True):
    """A notification as the page shows it. `about` is the post whose notifications are read once it is opened, "" for none.

    An invite has the `group` and the `code` with which one joins it.
    """

    type: NotificationType
    sentence: str
    text: str
    link: str
    about: str
    author_id: str
    name: str
    at: int
    is_read: bool
    group: str = ""
    code: str = ""


class SavedRow(msgspec.Struct, frozen=True):
    """Something saved: a post, a comment on one, or a document with the name of its author."""

    post: PostRow | None = None
    comment: CommentRow | None = None
    document: Event | None = None
    title: str = ""
    author: str = ""


@get("/notifications")
async def notifications_page(
    request: common.AnyRequest,
    hub: GivenHub,
    of_type: Annotated[Shown, QueryParameter(name="type")] = "all",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """What happened around one: those that came last first, those that are unread marked."""
    principal = await _asking(request, hub)
    shown: list[Note] = []
    more, unread = None, 0
    if principal is not None:
        inbox = await notifications.collect(hub, principal.identity_id)
        unread = len(inbox.unread())
        before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= 16 else None
        wanted = TYPES.get(of_type)
        found = [
            one
            for one in inbox.found
            if (wanted is None or one.type in wanted) and (before is None or one.seq < before)
        ]
        groups = await _groups(hub, found[: page.PAGE])
        shown = [_note(one, principal, groups, is_read=inbox.is_read(one)) for one in found[: page.PAGE]]
        more = str(found[page.PAGE - 1].seq) if len(found) > page.PAGE else None
    return _private(
        await page.render(
            request,
            hub,
            "notifications.html",
            mine=_whose(principal),
            rows=shown,
            unread=unread,
            more=more,
            type=of_type,
            types=FILTERS,
        )
    )


@get("/following")
async def following_page(
    request: common.AnyRequest, hub: GivenHub, sort: FromQuery[Sort] = "new", cursor: FromQuery[str] = ""
) -> Response[str]:
    """The posts of those whom one follows, and of the communities that one is in."""
    principal = await _asking(request, hub)
    rows: list[PostRow] = []
    authors: list[str] = []
    groups: list[str] = []
    more = None
    if principal is not None:
        authors = await follows.followed_by(hub, principal.identity_id)
        groups = await follows.joined_by(hub, principal.identity_id)
        wanted = FeedSelection(authors, groups)
        found = await follows.unmuted(
            hub, principal.identity_id, wanted, sort=sort, limit=page.PAGE, cursor=cursor[:500]
        )
        rows, more = found.rows, found.next_cursor
    return _private(
        await page.render(
            request,
            hub,
            "following.html",
            mine=_whose(principal),
            rows=rows,
            more=more,
            sort=sort,
            sorts=SORTS,
            authors=authors,
            groups=groups,
            beginning=not cursor,
            texts=[row.content for row in rows if "nostr:" in row.content],
        )
    )


@get("/saved")
async def saved_page(request: common.AnyRequest, hub: GivenHub, cursor: FromQuery[str] = "") -> Response[str]:
    """Posts, comments and documents that one saved, those saved last first."""
    principal = await _asking(request, hub)
    rows: list[SavedRow] = []
    more = None
    if principal is not None:
        names = await saved.entries(hub, principal.identity_id)
        start = saved.first(cursor)
        part = names[start : start + page.PAGE]
        rows = await _kept(hub, principal, part)
        more = str(start + len(part)) if start + len(part) < len(names) else None
    return _private(await page.render(request, hub, "saved.html", mine=_whose(principal), rows=rows, more=more))


@get("/reports")
async def reports_page(
    request: common.AnyRequest, hub: GivenHub, group: FromQuery[str] = "", cursor: FromQuery[str] = ""
) -> Response[str]:
    """What is reported: for the operator, and what stands in a `group` for its moderators; others are told whom it is for."""
    principal = await _asking(request, hub)
    shown = ReportPage(reported=[], has_more=False)
    is_theirs = runs = False
    if principal is not None:
        try:
            runs = await operators.is_operator(hub, principal)
            shown = await reports.page_of(hub, principal, group[:128], page.PAGE, cursor)
            is_theirs = True
        except HttpProblem as problem:
            if problem.status not in (403, 404):
                raise
    return _private(
        await page.render(
            request,
            hub,
            "reports.html",
            mine=_whose(principal),
            is_theirs=is_theirs,
            runs=runs,
            rows=shown.reported,
            more=shown.next_cursor,
            group=group,
            reasons=reports.WORDS,
            banned=hub.config.access.refused_keys,
        )
    )


async def _asking(request: common.AnyRequest, hub: RunningRelay) -> Principal | None:
    """Whose page it is; None where nobody says, as a browser's address bar does not. Raises HttpProblem 401, 403 or 429."""
    return await common.authenticate(request, hub)


def _whose(principal: Principal | None) -> str:
    """The id of the identity whose page it is, which tells its script that nothing is to be asked for again; "" for nobody's."""
    return principal.identity_id if principal is not None else ""


def _private(answer: Response[str]) -> Response[str]:
    """The same page, kept by nobody."""
    answer.headers["cache-control"] = "no-store"
    answer.headers["vary"] = "Authorization, Cookie"
    return answer


async def _groups(hub: RunningRelay, found: list[Happening]) -> dict[str, Group]:
    ids = list({one.group.group_id for one in found if one.group is not None})
    groups = await hub.identities.group_tables.look(lambda tables: tables.groups_named(ids)) if ids else []
    return {group.id: group for group in groups}


def _note(one: Happening, principal: Principal, groups: dict[str, Group], *, is_read: bool) -> Note:
    row, group = one.row, one.group
    by_somebody = one.type != "votes" and row is not None
    author = (row.posting_identity_id if row is not None else "") if by_somebody else ""
    name = (row.author_display_name or row.author_name) if by_somebody and row is not None else ""
    text = row.content if by_somebody and row is not None else ""
    if group is not None:
        author, name, text = group.agent_id or "", group.shown, group.content
    if one.followers is not None:
        author, name = one.followers.last.id, one.followers.last.display_name or one.followers.last.name
    return Note(
        type=one.type,
        sentence=notifications.sentence(one, prose.isolated),
        text=text,
        link=_place(one, principal, groups),
        about="" if one.post is None else one.post.id,
        author_id=author,
        name=name,
        at=one.at,
        is_read=is_read,
        group="" if group is None else group.group_id,
        code="" if group is None else group.code or "",
    )


def _place(one: Happening, principal: Principal, groups: dict[str, Group]) -> str:
    """Where it leads."""
    if one.post is not None:
        return f"/post/{one.post.id}" + ("" if one.comment is None else f"#c-{one.comment.id}")
    if one.followers is not None:
        several = one.followers.number > 1
        return f"/u/{principal.name}/followers" if several else f"/u/{one.followers.last.name}"
    if one.group is None:
        return f"/u/{principal.name}"
    group, place = groups.get(one.group.group_id), prose.segment(one.group.group_id)
    if one.group.message_id is not None:
        return f"/chat/{place}#m-{one.group.message_id}"
    path = f"/c/{place}" if group is not None and communities.is_community(group) else f"/chat/{place}"
    return path if one.group.code is None else f"{path}?code={prose.segment(one.group.code)}"


async def _kept(hub: RunningRelay, principal: Principal, names: list[str]) -> list[SavedRow]:
    found = await saved.look_up(hub, names, await common.readers(hub, principal), principal.identity_id)
    people = await writers(hub, (event.pubkey for event in found.documents.values()))
    rows = []
    for name in names:
        comment, document = found.comments.get(name), found.documents.get(name)
        if document is not None:
            title = first_value(document, "title") or first_value(document, "d") or ""
            rows.append(SavedRow(document=document, title=title, author=people[document.pubkey].called()))
        elif comment is not None and comment.post_id in found.posts:
            rows.append(SavedRow(post=found.posts[comment.post_id], comment=comment))
        elif name in found.posts:
            rows.append(SavedRow(post=found.posts[name]))
    return rows
