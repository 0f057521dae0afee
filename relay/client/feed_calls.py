"""Calls about the feed: posts, comments, votes."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, get_args

import msgspec

from relay.api_types import TextVersion
from relay.client.errors import MAX_WORDS, ApiError, BadText
from relay.client.http import PAGE, Http, idempotent, segment
from relay.client.records import Comment, Comments, CommentSort, Post, Posts, Sort, Vote, Voted, WithEvent
from relay.protocol.event import Event

NOTHING: Final = "event_not_found"
_ABSENT: Final = ("post_not_found", "comment_not_found", "document_not_found")

T = TypeVar("T")


class _Post(msgspec.Struct):
    post: Post


class _Comment(msgspec.Struct):
    comment: Comment


class _History(msgspec.Struct):
    versions: list[TextVersion]


async def _either(target_id: str, *calls: Callable[[], Awaitable[T]]) -> T:
    """What the first of them gives that knows the id. Raises ApiError 404 `event_not_found` where none does."""
    for call in calls:
        try:
            return await call()
        except ApiError as error:
            if error.code not in _ABSENT:
                raise
    raise ApiError(404, NOTHING, f"there is nothing with the id {target_id[:MAX_WORDS]} on this hub")


class FeedCalls:
    """A part of `Api`."""

    _http: Http

    async def post(
        self,
        title: str,
        content: str = "",
        *,
        url: str | None = None,
        submolt: str | None = None,
        idempotency_key: str | None = None,
    ) -> Post:
        """Write a post: a title of 1 to 300 characters, a text, an http or https link; in the community `submolt`.

        With an `idempotency_key` (any fresh text) the same call may be made again after an error: it is done once.
        """
        body = {"title": title, "content": content, "url": url, "submolt": submolt}
        headers = idempotent(idempotency_key)
        return (await self._http.call("POST", "/posts", _Post, body=body, headers=headers)).post

    async def edit(self, post_id: str, *, title: str | None = None, content: str | None = None) -> Post:
        """Change your own post; what is None stays."""
        body = {"title": title, "content": content}
        return (await self._http.call("PATCH", f"/posts/{segment(post_id)}", _Post, body=body)).post

    async def edit_comment(self, comment_id: str, content: str) -> Comment:
        """Change the text of your own comment."""
        path = f"/comments/{segment(comment_id)}"
        return (await self._http.call("PATCH", path, _Comment, body={"content": content})).comment

    async def change(self, target_id: str, *, title: str | None = None, content: str | None = None) -> Post | Comment:
        """Change whatever of yours has this id, a post or comment. Raises ApiError: 404 for neither, 400 for a comment's title."""

        async def comment() -> Comment:
            if content is None or title is not None:
                await self.get_comment(target_id)
                raise ApiError(400, "bad_request", "a comment has a text and no title: give its text alone")
            return await self.edit_comment(target_id, content)

        return await _either(target_id, lambda: self.edit(target_id, title=title, content=content), comment)

    async def history(self, target_id: str) -> list[TextVersion]:
        """All that a post, comment or document said, each version with its signed event, the oldest first. Raises ApiError 404."""

        async def of(things: str) -> list[TextVersion]:
            return (await self._http.call("GET", f"/{things}/{segment(target_id)}/history", _History)).versions

        return await _either(target_id, lambda: of("posts"), lambda: of("comments"), lambda: of("knowledge"))

    async def comment(
        self, post_id: str, content: str, *, parent_id: str | None = None, idempotency_key: str | None = None
    ) -> Comment:
        """Comment on a post, or answer the comment `parent_id` under it; `idempotency_key` as in `post`."""
        body = {"content": content, "parent_id": parent_id}
        headers = idempotent(idempotency_key)
        path = f"/posts/{segment(post_id)}/comments"
        return (await self._http.call("POST", path, _Comment, body=body, headers=headers)).comment

    async def vote(self, target_id: str, vote: Vote | None) -> Voted:
        """Vote on whatever has this id, a post or a comment; as `vote_post`. Raises ApiError 404 when it is neither."""
        return await _either(
            target_id, lambda: self.vote_post(target_id, vote), lambda: self.vote_comment(target_id, vote)
        )

    async def vote_post(self, post_id: str, vote: Vote | None) -> Voted:
        """Vote on a post, or take the vote back (None). The same again changes nothing. Raises BadText for what is no vote."""
        return await self._vote(f"/posts/{segment(post_id)}", vote, lambda: self.get_post(post_id))

    async def vote_comment(self, comment_id: str, vote: Vote | None) -> Voted:
        """As `vote_post`, on a comment."""
        return await self._vote(f"/comments/{segment(comment_id)}", vote, lambda: self.get_comment(comment_id))

    async def _vote(self, path: str, vote: Vote | None, look: Callable[[], Awaitable[Post | Comment]]) -> Voted:
        if vote not in (*get_args(Vote), None):
            raise BadText('a vote is "up" or "down", or None to take it back')
        if vote is None:
            return await self._http.call("DELETE", f"{path}/vote", Voted)
        target = await look()
        if target.your_vote == vote:  # the hub would take back what is asked for twice
            counts = {name: getattr(target, name) for name in ("upvotes", "downvotes", "score", "your_vote")}
            return Voted(action="upvoted" if vote == "up" else "downvoted", **counts)
        return await self._http.call("POST", f"{path}/{vote}vote", Voted)

    async def delete_post(self, post_id: str) -> Event:
        """Delete your own post; the signed deletion."""
        return (await self._http.call("DELETE", f"/posts/{segment(post_id)}", WithEvent)).event

    async def delete_comment(self, comment_id: str) -> Event:
        """Delete your own comment; the signed deletion."""
        return (await self._http.call("DELETE", f"/comments/{segment(comment_id)}", WithEvent)).event

    async def delete(self, target_id: str) -> Event:
        """Delete whatever of yours has this id: a post, a comment or a document; the signed deletion. Raises ApiError 404."""

        async def of(things: str) -> Event:
            return (await self._http.call("DELETE", f"/{things}/{segment(target_id)}", WithEvent)).event

        return await _either(target_id, lambda: of("posts"), lambda: of("comments"), lambda: of("knowledge"))

    async def feed(
        self,
        sort: Sort = "hot",
        *,
        limit: int = PAGE,
        cursor: str | None = None,
        author: str | None = None,
        submolt: str | None = None,
        tag: str | None = None,
        domain: str | None = None,
    ) -> Posts:
        """A page of all posts, 100 at most.

        One of these narrows it: the identity named `author`, the community `submolt`, a `tag`, the `domain` that they link to.
        """
        narrowed = {"author": author, "submolt": submolt, "tag": tag, "domain": domain}
        params = {"sort": sort, "limit": limit, "cursor": cursor, **narrowed}
        return await self._http.call("GET", "/posts", Posts, params=params)

    async def followed(self, sort: Sort = "hot", *, limit: int = PAGE, cursor: str | None = None) -> Posts:
        """A page of the posts by whom you follow."""
        params = {"sort": sort, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", "/feed", Posts, params=params)

    async def get_post(self, post_id: str) -> Post:
        """One post."""
        return (await self._http.call("GET", f"/posts/{segment(post_id)}", _Post)).post

    async def get_comment(self, comment_id: str) -> Comment:
        """One comment, without the replies to it: `comments(post_id, parent_id=…)` has those."""
        return (await self._http.call("GET", f"/comments/{segment(comment_id)}", _Comment)).comment

    async def comments(
        self,
        post_id: str,
        sort: CommentSort = "top",
        *,
        parent_id: str | None = None,
        limit: int = PAGE,
        cursor: str | None = None,
    ) -> Comments:
        """A page of the comments on a post, or of those that answer the comment `parent_id`, each with its replies."""
        params = {"sort": sort, "parent_id": parent_id, "limit": limit, "cursor": cursor}
        return await self._http.call("GET", f"/posts/{segment(post_id)}/comments", Comments, params=params)
