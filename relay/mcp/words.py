"""What the tools say: few words, short ids, and strangers' texts marked as such."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from mcp.server.mcpserver.exceptions import ToolError

from relay.api_types import Notification, Profile
from relay.client.ids import ShownIds
from relay.client.records import GENERAL, Comment, Document, GroupDetails, GroupMessage, News, Passage, Post, Result
from relay.protocol.words import counted

GLIMPSE: Final = 200  # characters of a text in a list
WHOLE: Final = 8_000  # characters of a text that is read
REPLY: Final = 1_500  # characters of a comment


class Ids(ShownIds):
    """The ids that a server has shown to models."""

    def whole(self, said: str) -> str:
        """As ShownIds.whole. Raises ToolError."""
        try:
            return super().whole(said)
        except ValueError as error:
            raise ToolError(str(error)) from None


def ago(then: datetime, now: datetime | None = None) -> str:
    """How long ago, in one unit."""
    past = max(0.0, ((now or datetime.now(UTC)) - then).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if past >= size:
            return f"{int(past // size)} {unit} ago"
    return "now"


def clipped(text: str, most: int) -> str:
    """At most so many characters, and how many were left out."""
    return text if len(text) <= most else f"{text[:most].rstrip()} … ({len(text) - most:,} more characters)"


def quoted(text: str, most: int, indent: str = "") -> str:
    """A stranger's text, each line marked."""
    return "\n".join(f"{indent}> {line}" for line in clipped(text, most).splitlines())


def line(text: str, most: int = GLIMPSE) -> str:
    """A stranger's text on one line."""
    return clipped(" ".join(text.split()), most)


def post(ids: Ids, one: Post, glimpse: bool = True) -> str:
    """A post in a list: what it is about, and how it begins."""
    where = f" in {line(one.submolt_name)}" if one.submolt_name != GENERAL else ""
    about = f"{one.author.name}{where}, {ago(one.created_at)}, {_score(one)}, {counted(one.comment_count, 'comment')}"
    head = f"[{ids.short(one.id)}] {line(one.title)} ({about})"
    rest = [f"  {one.url}"] if one.url else []
    if one.link_preview is not None:
        rest.append(f"  > {line(one.link_preview.line())}")
    if glimpse and one.content:
        rest.append(f"  > {line(one.content)}")
    return "\n".join([head, *rest])


def comments(ids: Ids, some: Iterable[Comment], depth: int = 0) -> list[str]:
    """Comments with their replies, indented."""
    told: list[str] = []
    for one in some:
        indent = "  " * depth
        head = f"[{ids.short(one.id)}] {one.author.name}, {ago(one.created_at)}, {_score(one)}"
        told += [f"{indent}{head}", quoted(one.content, REPLY, indent), *comments(ids, one.replies, depth + 1)]
        hidden = one.comment_count - len(one.replies)
        if hidden > 0:
            told.append(f"{indent}  ({hidden:,} more: read {ids.short(one.id)})")
    return told


def _score(one: Post | Comment) -> str:
    return counted(one.score, "point") + (f", your vote: {one.your_vote}" if one.your_vote else "")


def result(ids: Ids, one: Result) -> str:
    """Something found."""
    author = one.author.name or one.author.called()
    title = f" {line(one.title)}" if one.title else ""
    under = f", on post {ids.short(one.post_id)}" if one.type == "comment" and one.post_id else ""
    under = f", in group {line(one.group_id)}" if one.group_id else under
    head = f"[{ids.short(one.id)}] {one.type}:{title} ({author}, {ago(one.created_at)}{under})"
    said = line(one.snippet.text)
    return f"{head}\n  > {said}" if said else head


def passage(ids: Ids, one: Passage) -> str:
    """A document found, by its best passage."""
    return f"{document(ids, one.document)}\n{quoted(one.passage.content, REPLY, '  ')}"


def document(ids: Ids, one: Document) -> str:
    """A document in a list."""
    about = [one.author.name or one.author.called(), ago(one.created_at)]
    about += [f"tags: {' '.join(one.tags)}"] if one.tags else []
    about += [f"source: {one.source}"] if one.source else []
    return f"[{ids.short(one.id)}] {line(one.title or one.identifier)} ({', '.join(about)})"


def notification(ids: Ids, one: Notification) -> str:
    """Something that happened."""
    new = "" if one.is_read else "new: "
    where = _where(ids, one.related_comment_id or one.related_post_id, one)
    return f"{new}{line(one.content)} ({ago(one.created_at)}){where}"


def _where(ids: Ids, entry: str | None, one: Notification | News) -> str:
    """The id of what it is about, in brackets: a post, a comment, or what was said in a group, and which group that is; of an
    invite the code.
    """
    said = [ids.short(part) for part in (entry or one.message_id,) if part]
    said += [f"group {line(one.group_id)}"] if entry is None and one.group_id else []
    said += [f"code {line(one.invite_code)}"] if one.invite_code else []
    return f" [{' '.join(said)}]" if said else ""


def group(one: GroupDetails) -> str:
    """A group in a list: its id first."""
    kind = [
        word
        for word, holds in (("private", one.private), ("closed", one.closed), ("restricted", one.restricted))
        if holds
    ]
    about = [*kind, *([] if one.member_count is None else [counted(one.member_count, "member")])]
    about += [f"only read here, at home at {line(one.home)}"] if one.home is not None else []
    about += [f"you: {' '.join(one.your_roles) or 'member'}"] if one.your_roles is not None else []
    head = f"{one.id}: {line(one.name)} ({', '.join(about)})" if about else f"{one.id}: {line(one.name)}"
    return f"{head}\n  > {line(one.about)}" if one.about else head


def message(ids: Ids, one: GroupMessage) -> str:
    """What was said in a group."""
    answers = f", answers {ids.short(one.reply_to)}" if one.reply_to else ""
    who = one.author.name or one.author.called()
    return f"[{ids.short(one.id)}] {who}, {ago(one.created_at)}{answers}\n{quoted(one.content, REPLY)}"


def news(ids: Ids, one: News) -> str:
    """Something new."""
    where = _where(ids, one.comment_id or one.post_id, one)
    head = f"{line(one.text)} ({ago(one.created_at)}){where}"
    return f"{head}\n  > {line(one.excerpt)}" if one.excerpt else head


def profile(one: Profile) -> str:
    """An identity."""
    name = f"{one.name} ({line(one.display_name or '')})" if one.display_name not in (None, one.name) else one.name
    counts = (
        f"{counted(one.karma, 'point')}, {counted(one.posts_count, 'post')}, {counted(one.comments_count, 'comment')}, "
        f"{counted(one.follower_count, 'follower')}, follows {one.following_count}"
    )
    more = [f"> {line(one.description, 500)}"] if one.description else []
    more += ["You follow them."] if one.is_following else []
    return "\n".join([f"{name}: {counts}", *more])


def page(parts: list[str], cursor: str | None, nothing: str) -> str:
    """A list, and how to go on in it."""
    more = [f"More: the same again with cursor={cursor}"] if cursor else []
    return "\n".join([*parts, *more]) or nothing
