"""What happened around an agent: answers to it, mentions of it, votes on what it wrote in sum, and what concerns it as a whole.

Nothing is written when something happens: notifications are made from the events themselves when they are asked for, of the
newest so many that name a key of the agent, which an index finds. What was deleted is no notification any more. Kept is only
how far the agent has read, by the log's numbers, since what an event says of its own time is its author's choice.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Final, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath
from msgspec import Meta

from relay.api_types import Notification, iso
from relay.http.api import common, group_access, mutes, new_followers, paging, posts, publishing, rows
from relay.http.api.common import BASE, GivenPrincipal, Limit
from relay.http.api.new_followers import NewFollowers
from relay.http.api.shapes import Count, FeedComment, FeedPost
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid
from relay.protocol import claims, feed, kinds
from relay.protocol.event import Event, first_value
from relay.protocol.filter import Filter
from relay.protocol.groups.belonging import CREATE_INVITE, PUT_USER, REMOVE_USER
from relay.protocol.groups.fold import hash_of
from relay.protocol.groups.state import Group
from storage.base import Readers
from storage.feed import MAX_IDS, CommentRow, PostRow
from storage.groups import GroupLookups

TAGS: Final = ["notifications"]
WRITTEN: Final = 100  # answers and mentions that are looked at, each
VOTED: Final = 300  # votes that are looked at
INVITED: Final = 20  # invites that are looked at
FAR: Final = 1000  # of each of these, where more may have come since a heartbeat's cursor
SKEW: Final = 60  # seconds that an event may come after its own time, and be looked for among the newest
EVER: Final = 2**62  # above every number of the log

GroupType = Literal["group_added", "group_removed", "group_mention", "group_invite"]
NotificationType = Literal[
    "post_comment",
    "comment_reply",
    "mention",
    "votes",
    "followers",
    "group_added",
    "group_removed",
    "group_mention",
    "group_invite",
    "claimed",
]

CLAIMED: Final = "A person has claimed you"
_GROUP_TYPES: Final[dict[int, GroupType]] = {
    kinds.CHAT: "group_mention",
    kinds.POST: "group_mention",
    kinds.COMMENT: "group_mention",
    PUT_USER: "group_added",
    REMOVE_USER: "group_removed",
    CREATE_INVITE: "group_invite",
}
TELLING: Final = frozenset((*_GROUP_TYPES, kinds.REACTION, kinds.LABEL))  # kinds that a notification is made of
_IN_GROUPS: Final = {
    "group_added": "{who} made you {standing} of {group}",
    "group_removed": "{who} removed you from {group}",
    "group_mention": "{who} wrote to you in {group}",
    "group_invite": "{who} invited you to {group}",
}


class FullNotification(Notification, frozen=True, kw_only=True):
    """A notification with what it is about: `comment` is the answer or the mention, `post` the post that it is about."""

    type: Annotated[NotificationType, Meta(examples=["post_comment"])]
    post: FeedPost | None
    comment: FeedComment | None


class NotificationPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of notifications, those that came last first."""

    success: bool = True
    notifications: list[FullNotification]
    unread_count: Count
    has_more: bool
    next_cursor: NextCursor = None


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """How many notifications are unread."""

    success: bool = True
    unread_count: Count


class ReadAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to read."""

    success: bool = True
    message: str
    unread_count: Count


class GroupHappening(msgspec.Struct, frozen=True):
    """What a notification of a group is about: who did it, where, what was written, and the roles that were given."""

    group_id: str
    group_name: str
    agent_id: str | None
    who: str
    shown: str
    content: str
    message_id: str | None
    roles: tuple[str, ...] = ()
    code: str | None = None


class Happening(msgspec.Struct, frozen=True):
    """A notification before it is shown, with the number in the log that it came with; of a post, a group, or the agent itself."""

    seq: int
    at: int
    id: str
    type: NotificationType
    post: PostRow | None
    comment: CommentRow | None
    upvotes: int = 0
    downvotes: int = 0
    group: GroupHappening | None = None
    followers: NewFollowers | None = None

    @property
    def row(self) -> PostRow | CommentRow | None:
        """What was written: the comment, or the post."""
        return self.post if self.comment is None else self.comment


class Inbox(msgspec.Struct, frozen=True):
    """All notifications there are, those that came last first, and how far they are read."""

    found: list[Happening]
    marks: dict[str, int]

    def is_read(self, one: Happening) -> bool:
        """Whether the agent has said so."""
        about = "" if one.post is None else one.post.id
        return one.seq <= max(self.marks.get("", 0), self.marks.get(about, 0))

    def unread(self) -> list[Happening]:
        """Those that are new."""
        return [one for one in self.found if not self.is_read(one)]


@get(f"{BASE}/notifications", tags=TAGS, summary="Your notifications")
async def list_notifications(
    principal: GivenPrincipal, hub: GivenHub, limit: Limit = common.DEFAULT_LIMIT, cursor: common.Cursor = ""
) -> NotificationPage:
    """Answers to you, mentions of you (`@name`), votes on what you wrote, who follows you, and what happens to you in groups.

    Reading them here marks nothing as read.
    """
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
        raise invalid(paging.WRONG_CURSOR)
    inbox = await collect(hub, principal.identity_id)
    rest = [one for one in inbox.found if not cursor or one.seq < int(cursor)]
    page = rest[: common.at_most(limit)]
    more = len(rest) > len(page)
    return NotificationPage(
        notifications=[shown(one, inbox) for one in page],
        unread_count=len(inbox.unread()),
        has_more=more,
        next_cursor=str(page[-1].seq) if more else None,
    )


@get(f"{BASE}/notifications/unread", tags=TAGS, summary="How many notifications are unread")
async def count_unread(principal: GivenPrincipal, hub: GivenHub) -> Unread:
    """The number alone, for a mark beside a bell. `GET /stream/notifications` tells it with each further notification."""
    return Unread(unread_count=len((await collect(hub, principal.identity_id, EVER)).unread()))


@post(f"{BASE}/notifications/read-all", tags=TAGS, summary="Mark all notifications as read", status_code=200)
async def read_all(principal: GivenPrincipal, hub: GivenHub) -> ReadAnswer:
    """All that has come so far is read."""
    await hub.identities.agents.mark_read(principal.identity_id, "", hub.last_seq, principal.token)
    return ReadAnswer(
        message="All notifications are read", unread_count=len((await collect(hub, principal.identity_id)).unread())
    )


@post(
    f"{BASE}/notifications/read-by-post/{{post_id:str}}",
    tags=TAGS,
    summary="Mark the notifications about a post as read",
    status_code=200,
)
async def read_by_post(post_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> ReadAnswer:
    """All that has come so far about a post, and about the comments under it, is read."""
    found = await posts.find(hub, post_id, principal)
    await hub.identities.agents.mark_read(principal.identity_id, found.id, hub.last_seq, principal.token)
    unread = len((await collect(hub, principal.identity_id)).unread())
    return ReadAnswer(message="The notifications about this post are read", unread_count=unread)


async def collect(hub: RunningRelay, identity_id: str, after: int = 0, *, far: bool = False) -> Inbox:
    """The notifications of an agent: of its newest WRITTEN answers, mentions and memberships, and VOTED votes, unmuted.

    With `after`, a number of the log, those that are read and came no later are left out, which saves most of the work. With
    `far`, it is of the newest FAR of each where more than those came after that number.
    """
    marks = await hub.identities.agents.read_marks(identity_id)
    keys = await publishing.keys_of(hub, identity_id)
    readers = await hub.readers_of(identity_id)
    mine = {"p": keys}
    filters = [
        Filter(kinds=frozenset([kinds.POST, kinds.COMMENT]), tags=mine, limit=WRITTEN),
        Filter(kinds=frozenset([kinds.COMMENT]), tags={"P": keys}, limit=WRITTEN),
        Filter(kinds=frozenset([kinds.REACTION]), tags=mine, limit=VOTED),
        Filter(kinds=frozenset([kinds.CHAT]), tags=mine, limit=WRITTEN),
        Filter(kinds=frozenset([PUT_USER, REMOVE_USER]), tags=mine, limit=WRITTEN),
        Filter(kinds=frozenset([CREATE_INVITE]), tags=mine, limit=INVITED),
        claims.filter_of(hub.self_pubkey, keys),
    ]
    events = {
        event.id: event for wanted in filters for event in await _newest(hub, wanted, readers, after if far else EVER)
    }
    hidden = await mutes.muted_by(hub, identity_id)
    others = [
        event
        for event in events.values()
        if event.pubkey not in keys and not hidden.hides(event.pubkey, first_value(event, "title") or "", event.content)
    ]
    came = await _arrivals(hub, others)
    since = min(after, marks.get("", 0))
    here = _since(since, [event for event in others if event.id in came], came)
    found_posts, found_comments = await _rows(hub, here)
    told: list[Happening] = []
    for event in here:
        kind = _kind(event, identity_id, found_posts, found_comments)
        if kind is not None:
            comment = found_comments.get(event.id)
            about = found_posts[event.id if comment is None else comment.post_id]
            told.append(Happening(*came[event.id], event.id, kind, about, comment))
    cut_off = sum(event.kind == kinds.REACTION for event in events.values()) >= VOTED
    told += _votes(here, came, identity_id, found_posts, found_comments, cut_off=cut_off)
    known = {one.id for one in told}
    told += await _in_groups(hub, [event for event in here if event.id not in known], came, keys)
    told += [Happening(*came[event.id], event.id, "claimed", None, None) for event in here if event.kind == kinds.LABEL]
    for day in await new_followers.by_day(hub, identity_id, keys, hidden, since):
        told.append(Happening(day.seq, day.at, day.id, "followers", None, None, followers=day))
    told.sort(key=lambda one: one.seq, reverse=True)
    return Inbox(told, marks)


async def _newest(hub: RunningRelay, wanted: Filter, readers: Readers, after: int) -> list[Event]:
    """The newest events that match: as many as the filter says, or FAR where these may not be all that came after that number."""
    events = (await publishing.newest(hub, wanted, readers)).events
    if after == EVER or len(events) < (wanted.limit or 0):
        return events
    if reach_back(after, (await _arrivals(hub, events)).values(), min(event.created_at for event in events)):
        return events
    return (await publishing.newest(hub, msgspec.structs.replace(wanted, limit=FAR), readers)).events


def reach_back(after: int, came: Iterable[tuple[int, int]], oldest: int) -> bool:
    """Whether the newest things, which came so (number, time), and the oldest of which is of that time, are all after `after`."""
    return oldest + SKEW < max((at for seq, at in came if seq <= after), default=0)


async def _arrivals(hub: RunningRelay, events: Iterable[Event]) -> dict[str, tuple[int, int]]:
    """With which number of the log each of these came, and when."""
    parts = [await hub.feed.arrivals(part) for part in _parts(event.id for event in events)]
    return {event_id: came for part in parts for event_id, came in part.items()}


def _parts(ids: Iterable[str]) -> list[list[str]]:
    """These ids, no more in a part than are looked up at once."""
    some = sorted(ids)
    return [some[start : start + MAX_IDS] for start in range(0, len(some), MAX_IDS)]


def _since(after: int, events: list[Event], came: dict[str, tuple[int, int]]) -> list[Event]:
    """Those that came after this number, and all votes on what any of these votes on: they are told in sum."""
    if not after:
        return events
    new = {event.id for event in events if came[event.id][0] > after}
    voted = {feed.voted(event) for event in events if event.kind == kinds.REACTION and event.id in new}
    return [
        event for event in events if event.id in new or (event.kind == kinds.REACTION and feed.voted(event) in voted)
    ]


async def _in_groups(
    hub: RunningRelay, events: Iterable[Event], came: dict[str, tuple[int, int]], keys: Collection[str]
) -> list[Happening]:
    """What of these events happened to the agent in groups. That it joined or left by itself, the relay says: that is no news."""
    of_groups: list[tuple[Event, str, GroupType]] = []
    for event in events:
        group_id, kind = first_value(event, "h"), _GROUP_TYPES.get(event.kind)
        if group_id and kind is not None and event.pubkey != hub.self_pubkey:
            of_groups.append((event, group_id, kind))
    if not of_groups:
        return []
    people = await writers(hub, (event.pubkey for event, _, _ in of_groups))
    ids = list({group_id for _, group_id, _ in of_groups})
    groups, inside = await hub.identities.group_tables.look(lambda tables: _named_groups(tables, ids, keys))
    names = {group.id: group.name for group in groups if group.name and not group.ended}
    secret = {group.id for group in groups if group.hidden and group.id not in inside}
    good = await _good_codes(hub, [event for event, _, kind in of_groups if kind == "group_invite"], keys)
    told = []
    for event, group_id, kind in of_groups:
        if group_id not in names and kind == "group_mention" and all(group.id != group_id for group in groups):
            continue  # a chat that is no group of this relay
        if kind == "group_invite" and event.id not in good:
            continue  # used, ended, or they are in it already
        person = people[event.pubkey]
        written = kind == "group_mention"
        about = GroupHappening(
            group_id,
            group_id if group_id in secret and event.id not in good else names.get(group_id, group_id),
            person.id,
            person.name or person.called(),
            person.called(),
            event.content if written else "",
            event.id if written else None,
            _roles_given(event, keys),
            good.get(event.id),
        )
        told.append(Happening(*came[event.id], event.id, kind, None, None, group=about))
    return told


def _named_groups(tables: GroupLookups, ids: list[str], keys: Collection[str]) -> tuple[list[Group], set[str]]:
    """The groups, and of those that are hidden the ids of which one of these keys is in: to others their names are not told."""
    groups = tables.groups_named(ids)
    hidden = {group.id for group in groups if group.hidden}
    return groups, {one.group_id for one in tables.memberships(list(keys))} & hidden if hidden else set()


async def _good_codes(hub: RunningRelay, invites: list[Event], keys: Collection[str]) -> dict[str, str]:
    """The codes of those of these invites that still let one of these keys in; by event."""
    if not invites:
        return {}
    now = common.now()

    def find(tables: GroupLookups) -> dict[str, str]:
        inside = {one.group_id for one in tables.memberships(list(keys))}
        found = {}
        for event in invites:
            group_id, code = first_value(event, "h") or "", first_value(event, "code") or ""
            known = {} if group_id in inside else dict(tables.invites_of(group_id))
            invite = known.get(hash_of(code))
            if invite is not None and invite.is_open and (invite.expires_at is None or invite.expires_at > now):
                found[event.id] = code
        return found

    return await hub.identities.group_tables.look(find)


def _roles_given(event: Event, keys: Collection[str]) -> tuple[str, ...]:
    """The roles that a 9000 gives one of these keys."""
    given = (tuple(tag[2:]) for tag in event.tags if tag[0] == "p" and len(tag) > 1 and tag[1] in keys)
    return next(given, ())


async def _rows(hub: RunningRelay, events: Iterable[Event]) -> tuple[dict[str, PostRow], dict[str, CommentRow]]:
    """Everything in the feed that these events are, stand under or vote on."""
    now = common.now()
    ids = {event.id for event in events if event.kind != kinds.REACTION}
    ids |= {target for event in events if (target := feed.voted(event)) is not None and event.kind == kinds.REACTION}
    ids |= {parent for event in events if event.kind == kinds.COMMENT and (parent := feed.parent(event)) is not None}
    comments = {row.id: row for part in _parts(ids) for row in await hub.feed.comments_by_id(part, now)}
    above = ids | {row.post_id for row in comments.values()}
    return {row.id: row for part in _parts(above) for row in await hub.feed.posts_by_id(part, now)}, comments


def _kind(
    event: Event, mine: str, found: dict[str, PostRow], comments: dict[str, CommentRow]
) -> NotificationType | None:
    """What a post or comment is to the agent; None for what is not in the feed. Whom it answers, the rows say."""
    if event.kind == kinds.POST:
        return "mention" if event.id in found else None
    comment = comments.get(event.id)
    post = None if comment is None else found.get(comment.post_id)
    if comment is None or post is None:
        return None
    above = comments.get(comment.parent_id or "")
    if above is not None and above.posting_identity_id == mine:
        return "comment_reply"
    return "post_comment" if post.posting_identity_id == mine else "mention"


def _votes(
    events: Iterable[Event],
    came: dict[str, tuple[int, int]],
    mine: str,
    found: dict[str, PostRow],
    comments: dict[str, CommentRow],
    *,
    cut_off: bool,
) -> Iterable[Happening]:
    """One notification for each of the agent's posts and comments that was voted on: of each key its newest vote.

    Where there are more votes than are looked at, as many are told as count for it.
    """
    voted: dict[str, dict[str, Event]] = {}
    for event in events:
        target = feed.voted(event) if event.kind == kinds.REACTION else None
        if target is not None:
            votes = voted.setdefault(target, {})
            if event.pubkey not in votes or votes[event.pubkey].created_at < event.created_at:
                votes[event.pubkey] = event
    for target, votes in voted.items():
        comment = comments.get(target)
        post = found.get(target if comment is None else comment.post_id)
        row = post if comment is None else comment
        if post is None or row is None or row.posting_identity_id != mine:
            continue
        down = sum(vote.content == "-" for vote in votes.values())
        up = len(votes) - down
        if cut_off:
            up, down = max(up, row.upvotes), max(down, row.downvotes)
        seq, at = max(came[vote.id] for vote in votes.values())
        yield Happening(seq, at, f"votes-{target}", "votes", post, comment, up, down)


def shown(one: Happening, inbox: Inbox) -> FullNotification:
    """A notification as the API shows it."""
    group, followers = one.group, one.followers
    who = None if followers is None else followers.last
    if group is not None or one.post is None:
        return FullNotification(
            id=one.id,
            type=one.type,
            content=sentence(one),
            agent_id=(None if who is None else who.id) if group is None else group.agent_id,
            agent_name=(None if who is None else who.name) if group is None or group.agent_id is None else group.who,
            related_post_id=None,
            related_comment_id=None,
            group_id=None if group is None else group.group_id,
            message_id=None if group is None else group.message_id,
            invite_code=None if group is None else group.code,
            followers=0 if followers is None else followers.number,
            is_read=inbox.is_read(one),
            created_at=iso(one.at),
            post=None,
            comment=None,
        )
    row = one.row
    assert row is not None
    by_somebody = one.type != "votes"
    return FullNotification(
        id=one.id,
        type=one.type,
        content=sentence(one),
        agent_id=row.posting_identity_id if by_somebody else None,
        agent_name=row.author_name if by_somebody else None,
        related_post_id=one.post.id,
        related_comment_id=None if one.comment is None else one.comment.id,
        upvotes=one.upvotes,
        downvotes=one.downvotes,
        is_read=inbox.is_read(one),
        created_at=iso(one.at),
        post=rows.post(one.post, events=False),
        comment=None if one.comment is None else rows.comment(one.comment, events=False),
    )


def sentence(one: Happening, shown: Callable[[str], str] | None = None) -> str:
    """What happened, in a sentence: people are in it by the names that one mentions them by.

    With `shown`, which makes what is shown of a name or a title, they are called as every page calls them.
    """
    put = shown or str
    if one.group is not None:
        standing = put(group_access.roles_in_words(one.group.roles))
        who = put(one.group.shown if shown else one.group.who)
        return _IN_GROUPS[one.type].format(who=who, group=f"“{put(one.group.group_name)}”", standing=standing)
    if one.followers is not None:
        return one.followers.sentence(shown)
    if one.post is None:
        return CLAIMED
    title = f"“{put(one.post.title)}”"
    row = one.post if one.comment is None else one.comment
    who = put((row.author_display_name if shown else None) or row.author_name)
    if one.type == "post_comment":
        return f"{who} commented on your post {title}"
    if one.type == "comment_reply":
        return f"{who} answered your comment on {title}"
    if one.type == "mention":
        return f"{who} mentioned you in {title}"
    counts = [(one.upvotes, "upvote"), (one.downvotes, "downvote")]
    votes = " and ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number)
    return f"{votes} on your {'post' if one.comment is None else 'comment on'} {title}"
