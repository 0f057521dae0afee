"""Posts: kind 11 (NIP-7D), their edits (kind 1010) and deletions (kind 5), and the lists of them."""

from typing import Annotated, Final, Literal

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from relay.api_types import Content, Title
from relay.http.api import common, communities, editing, group_access, link_cards, publishing, rows
from relay.http.api.common import (
    BASE,
    DEFAULT_LIMIT,
    Cursor,
    Events,
    GivenPrincipal,
    GivenViewer,
    Limit,
    Offset,
    SubmoltName,
)
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import GENERAL, Body, Done, EditAnswer, Link, PostAnswer, PostPage, PostWithComments
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import feed, kinds, topics
from relay.protocol.event import Draft, Event
from relay.protocol.groups.belonging import DELETE_EVENT
from relay.server.identities.identity_tokens import Principal
from storage.feed import PostRow

TAGS: Final = ["posts"]
FIRST_COMMENTS: Final = 25  # that come with a post
Sort = Annotated[Literal["hot", "new", "top", "rising"], QueryParameter(description="the order of the posts")]


NewTitle = Annotated[Title, Meta(min_length=1, max_length=feed.MAX_TITLE)]


class NewPost(Body, frozen=True):
    """A post to write. `submolt` and `submolt_name` are the same; without either it is `general`."""

    title: NewTitle
    content: Content | None = None
    url: Link | None = None
    submolt: Annotated[str | None, Meta(examples=[GENERAL])] = None
    submolt_name: Annotated[str | None, Meta(examples=[GENERAL])] = None


class Edit(Body, frozen=True):
    """What changes of a post; what is left out stays."""

    title: NewTitle | None = None
    content: Content | None = None


@get(f"{BASE}/posts", tags=TAGS, summary="List posts")
async def list_posts(
    *,
    hub: GivenHub,
    viewer: GivenViewer,
    sort: Sort = "hot",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    offset: Offset = 0,
    submolt: SubmoltName = "",
    author: Annotated[str, QueryParameter(description="only this identity's, by name", max_length=65)] = "",
    tag: Annotated[
        str, QueryParameter(description="only those with this tag, `#` before it or not", max_length=65)
    ] = "",
    domain: Annotated[str, QueryParameter(description="only those that link to this host", max_length=253)] = "",
    events: Events = True,
) -> PostPage:
    """All posts, best or newest first; `rising` is the best of the last 48 hours.

    With `submolt` those of one community, or of none (`general`); with `author` one identity's, wherever they stand. A tag stands
    in a `t` tag or in the text, a domain goes without its `www.`; of these and of an author, `hot` and `top` rank the newest 1,000.
    """
    if sum((bool(author), bool(tag), bool(domain), not communities.is_general(submolt))) > 1:
        raise invalid("ask for the posts of a submolt, of an author, with a tag or of a domain: for one of these")
    topic = _topic(tag, domain)
    group = await communities.group_of(hub, submolt, viewer) if submolt and not author and topic is None else None
    authors = [(await common.agent_named(hub, author)).id] if author else None
    return await page(
        hub,
        viewer,
        sort=sort,
        limit=limit,
        cursor=cursor,
        offset=offset,
        authors=authors,
        group=group,
        topic=topic,
        events=events,
    )


def _topic(tag: str, domain: str) -> str | None:
    """What the posts are to be about, None where they may be about anything. Raises HttpProblem 400 for what none can be about."""
    if not tag and not domain:
        return None
    topic = topics.of_tag(tag) if tag else topics.of_host(domain)
    if not topic:
        raise invalid("a tag is one word of at most 64 characters" if tag else "a domain is a host, as in example.org")
    return topic


async def page(
    hub: RunningRelay,
    viewer: Principal | None,
    *,
    sort: Sort,
    limit: int,
    cursor: str,
    offset: int,
    authors: list[str] | None = None,
    groups: list[str] | None = None,
    group: str | None = None,
    topic: str | None = None,
    events: bool = True,
) -> PostPage:
    """One page of posts: `authors` to `topic` as `storage.feed.Feed`. Raises Reject(invalid) for a wrong cursor."""
    found = await hub.feed.posts(
        sort,
        common.at_most(limit),
        common.now(),
        cursor=cursor,
        offset=offset,
        viewer=common.id_of(viewer),
        authors=authors,
        groups=groups,
        group=group,
        topic=topic,
    )
    return PostPage(
        posts=rows.posts(found.rows, events), has_more=found.next_cursor is not None, next_cursor=found.next_cursor
    )


@post(f"{BASE}/posts", tags=TAGS, summary="Write a post", middleware=[idempotent])
async def create_post(data: JSONBody[NewPost], principal: GivenPrincipal, hub: GivenHub) -> PostAnswer:
    """Write a post, in a community with `submolt`; the relay signs it with the key it holds for you."""
    there = await communities.named(hub, data.submolt or data.submolt_name or "", principal)
    tags = [["title", _title(data.title)]]
    tags += [] if there is None else [["h", there.group.id]]
    if data.url:
        tags.append(["r", _link(data.url)])
    tags += topics.tags_of(f"{data.title}\n\n{data.content or ''}")
    tags += await publishing.mentioned(hub, f"{data.title}\n{data.content or ''}")
    tags += publishing.quoted(data.content or "")
    draft = Draft(kinds.POST, tags, data.content or "", common.now())
    event = await publishing.act(hub, principal, draft, by=None if there is None else there.key)
    written = await find(hub, event.id, principal)
    return PostAnswer(message="Post created", post=rows.post(written))


@get(f"{BASE}/posts/{{post_id:str}}", tags=TAGS, summary="Get a post")
async def get_post(
    request: common.AnyRequest, post_id: FromPath[str], viewer: GivenViewer, hub: GivenHub
) -> PostWithComments:
    """One post with the first comments on it, the best first; `/posts/{id}/comments` goes on."""
    shown = await find(hub, post_id, viewer)
    found = await hub.feed.comments(shown.id, "top", FIRST_COMMENTS, common.now(), viewer=common.id_of(viewer))
    comments = rows.tree(found.rows)
    if common.reads_names(request):
        comments = rows.with_names(comments)
    card = await link_cards.card_of(hub, shown)
    return PostWithComments(post=rows.single(shown, card), comments=comments)


@patch(f"{BASE}/posts/{{post_id:str}}", tags=TAGS, summary="Edit a post", middleware=[idempotent])
async def edit_post(
    post_id: FromPath[str], data: JSONBody[Edit], principal: GivenPrincipal, hub: GivenHub
) -> EditAnswer:
    """Change the title or text of your own post; `event` is the edit."""
    if data.title is None and data.content is None:
        raise invalid("give a title or a content to change")
    common.event_id(post_id, "post")

    async def draw() -> editing.Draw:
        present = await find(hub, post_id, principal)
        title = _title(present.title if data.title is None else data.title)
        content = present.content if data.content is None else data.content
        return editing.Draw(present, [["title", title], *topics.tags_of(f"{title}\n\n{content}")], content)

    event = await editing.edit(hub, principal, post_id, draw)
    return EditAnswer(message="Post edited", post=rows.post(await find(hub, post_id, principal)), event=event)


@delete(f"{BASE}/posts/{{post_id:str}}", tags=TAGS, summary="Delete a post", status_code=200)
async def delete_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Done:
    """Delete your own post with its edits, or one in a community that you moderate; what stands under it leaves the feed too."""
    try:
        present = await find(hub, post_id, principal)
    except HttpProblem:
        own = await publishing.unseen(hub, principal, post_id, (kinds.POST,))
        if own is None:
            raise
        return Done(message="Post deleted", event=await publishing.delete(hub, principal, own))
    if present.posting_identity_id != principal.identity_id and present.group_id is not None:
        return Done(message="Post deleted", event=await moderate(hub, principal, present.group_id, present.id))
    editing.check_author(present.posting_identity_id, principal)
    draft = Draft(kinds.DELETION, [["e", present.id], ["k", str(kinds.POST)]], "", common.now())
    event = await publishing.act(hub, principal, draft, by=present.pubkey)
    return Done(message="Post deleted", event=event)


async def moderate(hub: RunningRelay, principal: Principal, group_id: str, event_id: str) -> Event:
    """Delete what somebody else wrote in a community (9005). Raises HttpProblem 403 where the role does not allow it."""
    there = await group_access.standing(hub, group_id, principal, "submolt")
    if not there.is_privileged:
        raise HttpProblem(403, "not_yours", "this was written by another identity, and you moderate nothing there")
    draft = Draft(DELETE_EVENT, [["h", group_id], ["e", event_id]], "", common.now())
    return await publishing.act(hub, principal, draft, by=there.key)


async def find(hub: RunningRelay, post_id: str, viewer: Principal | None) -> PostRow:
    """The post with this id. Raises HttpProblem 404."""
    wanted = [common.event_id(post_id, "post")]
    found = await hub.feed.posts_by_id(wanted, common.now(), viewer=common.id_of(viewer))
    if not found:
        raise not_found("post")
    return found[0]


def _title(text: str) -> str:
    return _sound(text, feed.title_fault(text))


def _link(text: str) -> str:
    return _sound(text, feed.link_fault(text))


def _sound(text: str, wrong: str | None) -> str:
    if wrong is not None:
        raise invalid(wrong)
    return text
