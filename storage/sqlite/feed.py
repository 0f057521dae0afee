"""Pages of the feed from SQLite: see storage.feed.

A page is one statement that gives a single row, since every step hands the interpreter lock over. A cursor carries the exact
value of the row after the page, which SQLite gives apart: a float written into JSON would lose its last digits.
"""

import base64
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Final, Protocol, TypeVar

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import kinds
from storage.base import PUBLIC, Readers
from storage.feed import (
    DEPTH,
    MAX_AUTHORS,
    MAX_COUNTED,
    MAX_IDS,
    MAX_OFFSET,
    MAX_PAGE,
    MAX_TREE,
    RANKED,
    REPLIES,
    CommentRow,
    LinkPreview,
    Page,
    PostRow,
)
from storage.sqlite.entries import group_ids
from storage.sqlite.statements import named

RISING_SECONDS: Final = 48 * 3600
PAGE_BYTES: Final = 1024 * 1024  # of a page, and of the replies on it: readers may be slow, and each holds its page

_FIRST: Final = (float("inf"), 2**63 - 1)  # where a page starts that goes down
_LAST: Final = (float("-inf"), 0)  # and one that goes up
_COLUMNS: Final = {"new": "created_at", "hot": "hot", "top": "score"}
_RANKS: Final = {
    "hot": "p.hot",
    "top": "p.score",
    "rising": "p.score / pow(max(:now - min(p.created_at, p.first_seen), 0) / 3600.0 + 2, 1.5)",
}
_COMMENTS: Final = {
    "new": {"column": "created_at", "way": "DESC", "within": "<=", "beyond": "<", "extreme": "min"},
    "old": {"column": "created_at", "way": "ASC", "within": ">=", "beyond": ">", "extreme": "max"},
    "top": {"column": "score", "way": "DESC", "within": "<=", "beyond": "<", "extreme": "min"},
}
_COMMENTS["controversial"] = _COMMENTS["top"]  # for the replies; the comments themselves are ranked

T = TypeVar("T")
Row = TypeVar("Row", PostRow, CommentRow)


Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]  # what SQLite can be given


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page starts: the list it belongs to, the sorted value and the number of its first row, and the list's time."""

    name: str
    value: Number | float
    seq: Number
    now: Number


_posts: Final = msgspec.json.Decoder(list[PostRow])
_comments: Final = msgspec.json.Decoder(list[CommentRow])
_arrivals: Final = msgspec.json.Decoder(list[tuple[str, int, int]])
_previews: Final = msgspec.json.Decoder(list[tuple[int, LinkPreview]])
_seqs: Final = msgspec.json.Decoder(list[int])
_counts: Final = msgspec.json.Decoder(list[tuple[str, int]])
_cursor: Final = msgspec.msgpack.Decoder(Cursor)
_MAX_CURSOR: Final = 200  # characters
_WRONG_CURSOR: Final = Reject(Prefix.INVALID, "this cursor is none of this list; begin again without one")


class RunQuery(Protocol):
    """Whatever runs a function on a reading connection."""

    def __call__(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """What `work` gives. Raises StorageError."""


class SqliteFeed:
    """storage.feed.Feed over SQLite."""

    def __init__(self, run: RunQuery) -> None:
        self._run = run

    async def posts(
        self,
        sort: str,
        limit: int,
        now: int,
        *,
        cursor: str = "",
        offset: int = 0,
        viewer: str | None = None,
        authors: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        group: str | None = None,
        topic: str | None = None,
    ) -> Page[PostRow]:
        """A page of posts."""
        if sort not in _COLUMNS and sort not in _RANKS:
            raise Reject(Prefix.INVALID, f"there is no order {sort[:20]!r}; choose from new, hot, top, rising")
        some = None if authors is None and groups is None else (authors or (), groups or ())
        parts = {" about one": topic, " of some": some, " in one": group}
        name = f"posts {sort}" + next((words for words, part in parts.items() if part is not None), "")
        start = _parse(cursor, name, now, _FIRST)
        page, values = _post_page(sort, start, now, some, group) if topic is None else _about(sort, start, now, topic)
        values.update(viewer=viewer, limit=_bounded(limit) + 1, offset=min(max(offset, 0), MAX_OFFSET))
        values["each"] = values.get("each", values["limit"] + values["offset"])

        def read(connection: sqlite3.Connection) -> tuple[list[PostRow], Any, int]:
            if authors is not None:
                values["ids"] = _keys_of(connection, authors)
            return _read_fitting(connection, partial(_read_posts, page=page), values)

        rows, last, fitting = await self._run(read)
        return _cut(rows, last, fitting, name, start.now)

    async def posts_by_id(self, ids: Sequence[str], now: int, *, viewer: str | None = None) -> list[PostRow]:
        """Those of these posts that are here."""
        values = {"ids": _packed(ids), "now": now, "viewer": viewer}
        rows, _ = await self._run(partial(_read_posts, page=_among("posts_among"), values=values))
        return rows

    async def comments(
        self,
        post_id: str,
        sort: str,
        limit: int,
        now: int,
        *,
        cursor: str = "",
        viewer: str | None = None,
        parent: str | None = None,
    ) -> Page[CommentRow]:
        """A page of comments, each with its replies."""
        if sort not in _COMMENTS:
            raise Reject(Prefix.INVALID, f"there is no order {sort[:20]!r}; choose from new, old, top, controversial")
        name = f"comments {sort}"
        start = _parse(cursor, name, now, _LAST if sort == "old" else _FIRST)
        values = {"post": post_id, "parent": parent, "value": start.value, "seq": start.seq, "now": now}
        values.update(viewer=viewer, limit=_bounded(limit) + 1, most=RANKED)
        rows, last, fitting = await self._run(partial(_read_tree, sort=sort, values=values))
        return _cut(rows, last, fitting, name, start.now)

    async def comments_by_id(self, ids: Sequence[str], now: int, *, viewer: str | None = None) -> list[CommentRow]:
        """Those of these comments that are here, without their replies."""
        values = {"ids": _packed(ids), "now": now, "viewer": viewer}
        read = partial(_read_comments, page=_among("comments_among"), extreme="min", values=values)
        rows, _ = await self._run(read)
        return rows

    async def of_hidden(self, seqs: Sequence[int], readers: Readers = PUBLIC) -> set[int]:
        """Those of these events that belong to a hidden group of which these readers are no members."""
        values = {"seqs": _json(list(seqs)[:MAX_IDS]), "members": _json(group_ids(readers))}
        text = await self._run(lambda connection: connection.execute(named("feed")["of_hidden"], values).fetchone()[0])
        return set(_seqs.decode(text))

    async def karma(self, pubkeys: Sequence[str], now: int) -> int:
        """The scores of the newest posts and comments by these keys, in sum."""
        values = {"ids": _packed(pubkeys), "now": now, "most": RANKED}
        scores = {
            table: _among("scores", kind=kind, table=table)
            for table, kind in (("posts", kinds.POST), ("comments", kinds.COMMENT))
        }
        sql = named("feed")["karma"].format(**scores)
        return int(await self._run(lambda connection: connection.execute(sql, values).fetchone()[0]))

    async def arrivals(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """The numbers of these events, and when they came."""
        values = {"ids": _packed(ids)}
        text = await self._run(lambda connection: connection.execute(_among("arrivals"), values).fetchone()[0])
        return {event_id: (seq, at) for event_id, seq, at in _arrivals.decode(text)}

    async def link_previews(self, seqs: Sequence[int]) -> dict[int, LinkPreview]:
        """Of those of these posts that have one."""
        values = {"seqs": _json(list(seqs)[:MAX_IDS])}
        text = await self._run(
            lambda connection: connection.execute(named("feed")["link_previews"], values).fetchone()[0]
        )
        return dict(_previews.decode(text))

    async def how_many_posts(self) -> int:
        """All posts that stand in no community."""
        return int(await self._run(lambda connection: connection.execute(named("feed")["how_many"]).fetchone()[0]))

    async def how_many_in(self, group_ids: Sequence[str]) -> dict[str, int]:
        """How many posts stand in each of these communities."""
        values = {"groups": _json(list(group_ids)[:MAX_IDS]), "most": MAX_COUNTED}
        text = await self._run(
            lambda connection: connection.execute(named("feed")["how_many_in"], values).fetchone()[0]
        )
        return dict(_counts.decode(text))


def _post_page(
    sort: str, start: Cursor, now: int, some: tuple[Sequence[str], Sequence[str]] | None, group: str | None
) -> tuple[str, dict[str, Any]]:
    """The selection of a page of posts and its values; `some` are authors and groups."""
    values: dict[str, Any] = {"value": start.value, "seq": start.seq, "now": now, "group": group}
    place = named("feed")["listed" if group is None else "in_group" if group else "in_none"]
    if some is not None:
        authors, groups = (list(dict.fromkeys(part))[:MAX_AUTHORS] for part in some)
        values.update(ids=b"", groups=_json(groups))
        if sort == "new":
            return _among("posts_of", shown=named("feed")["shown"]), values
        values["each"] = max(10, 2 * RANKED // max(len(authors) + len(groups), 1))
    elif sort in _COLUMNS:
        return named("feed")["posts_by"].format(column=_COLUMNS[sort], place=place), values
    newest = named("feed")["newest"].format(place=place) if some is None else _newest_of()
    values.update(now=start.now, most=RANKED, since=start.now - RISING_SECONDS if sort == "rising" else -1)
    return named("feed")["posts_ranked"].format(rank=_RANKS[sort], newest=newest), values


def _newest_of() -> str:
    return _among("newest_of", shown=named("feed")["shown"])


def _about(sort: str, start: Cursor, now: int, topic: str) -> tuple[str, dict[str, Any]]:
    """The selection of a page of the posts about something, and its values."""
    place = named("feed")["listed"]
    values: dict[str, Any] = {"value": start.value, "seq": start.seq, "now": now, "topic": topic}
    if sort == "new":
        return named("feed")["posts_about"].format(place=place), values
    newest = named("feed")["newest_about"].format(place=place)
    values.update(now=start.now, most=RANKED, since=start.now - RISING_SECONDS if sort == "rising" else -1)
    return named("feed")["posts_ranked"].format(rank=_RANKS[sort], newest=newest), values


def _read_posts(connection: sqlite3.Connection, page: str, values: dict[str, Any]) -> tuple[list[PostRow], Any]:
    """The rows of a page in one step, and the value of the last."""
    sql = named("feed")["posts"].format(page=page)
    rows, wires, last = connection.execute(sql, values).fetchone()
    return _with_wires(_posts.decode(rows), wires), last


def _read_fitting(
    connection: sqlite3.Connection,
    read: Callable[..., tuple[list[Row], Any]],
    values: dict[str, Any],
) -> tuple[list[Row], Any, int]:
    """As `read`, with one row more than the page has; how many rows that is: fewer than asked for where they are large."""
    rows, last = read(connection, values=values)
    limit = values["limit"] - 1
    fitting = max(1, len(_fitting(rows[:limit], PAGE_BYTES)))
    if fitting >= min(len(rows), limit):
        return rows, last, limit
    rows, last = read(connection, values=values | {"limit": fitting + 1})
    return rows, last, fitting


def _fitting(rows: list[Row], room: int) -> list[Row]:
    """Those of the first rows that have room."""
    for number, row in enumerate(rows):
        room -= len(row.wire) + len(row.content)
        if room < 0:
            return rows[:number]
    return rows


def _read_comments(
    connection: sqlite3.Connection, page: str, extreme: str, values: dict[str, Any]
) -> tuple[list[CommentRow], Any]:
    sql = named("feed")["comments"].format(page=page, extreme=extreme)
    rows, wires, last = connection.execute(sql, values).fetchone()
    return _with_wires(_comments.decode(rows), wires), last


def _read_tree(connection: sqlite3.Connection, sort: str, values: dict[str, Any]) -> tuple[list[CommentRow], Any, int]:
    """The rows of a page of comments and how many, with one more if there is, and under them their replies, level by level."""
    order = _COMMENTS[sort]
    values = values | {name: _number(connection, values[name]) for name in ("post", "parent")}
    page = named("feed")["comments_ranked" if sort == "controversial" else "comments_by"].format(**order)
    read = partial(_read_comments, page=page, extreme=order["extreme"])
    top, last, limit = _read_fitting(connection, read, values)
    level, left, room = top[:limit], MAX_TREE, PAGE_BYTES
    page = named("feed")["replies"].format(**order)
    for depth in range(1, DEPTH + 1):
        parents = {row.id: row for row in level if row.comment_count}
        if not parents or left <= 0:
            break
        wanted = values | {
            "parents": _json(row.seq for row in parents.values()),
            "each": REPLIES,
            "limit": left,
            "room": room,
        }
        found, _ = _read_comments(connection, page, extreme=order["extreme"], values=wanted)
        room -= sum(2 * len(row.wire) for row in found)
        level = [msgspec.structs.replace(row, depth=depth, replies=[]) for row in found]
        for row in level:
            parents[row.parent_id or ""].replies.append(row)
        left -= len(level)
    return top, last, limit


def _number(connection: sqlite3.Connection, event_id: str | None) -> int | None:
    """The place in the log of the event with this id, 0 where it is not here; None for none."""
    if event_id is None:
        return None
    row = connection.execute(named("feed")["number"], (_packed([event_id]),)).fetchone()
    return 0 if row is None else int(row[0])


def _with_wires(rows: list[Row], wires: bytes | None) -> list[Row]:
    """Each row with its event; an event's JSON holds no raw newline."""
    if wires is None:
        return []
    return [msgspec.structs.replace(row, wire=wire) for row, wire in zip(rows, wires.split(b"\n"), strict=True)]


def _cut(rows: list[Row], last: float, limit: int, name: str, now: int) -> Page[Row]:
    """The page without the row that showed that there is another, which the cursor names."""
    if len(rows) <= limit:
        return Page(rows, None)
    packed = msgspec.msgpack.encode(Cursor(name, last, rows[limit].seq, now))
    return Page(rows[:limit], base64.urlsafe_b64encode(packed).rstrip(b"=").decode())


def _parse(cursor: str, name: str, now: int, start: tuple[float, int]) -> Cursor:
    """The cursor of the list `name`; without one, its start. Raises Reject(invalid)."""
    if not cursor:
        return Cursor(name, *start, now)
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parsed = _cursor.decode(data) if len(cursor) <= _MAX_CURSOR else None
    except (ValueError, msgspec.DecodeError):
        parsed = None
    if parsed is None or parsed.name != name:
        raise _WRONG_CURSOR
    return parsed


def _bounded(limit: int) -> int:
    return min(max(limit, 1), MAX_PAGE)


def _among(block: str, **more: Any) -> str:
    return named("feed")[block].format(ids=named("feed")["ids"], **more)


def _keys_of(connection: sqlite3.Connection, authors: Sequence[str]) -> bytes:
    """All keys of these identities as one value."""
    some = _json(list(dict.fromkeys(authors))[:MAX_AUTHORS])
    return bytes.fromhex(connection.execute(named("feed")["keys_of"], (some,)).fetchone()[0] or "")


def _packed(ids: Sequence[str]) -> bytes:
    """The ids (or pubkeys) as one value; what is none is passed over."""
    return b"".join(bytes.fromhex(one) for one in ids[:MAX_IDS] if kinds.is_hex(one, 64))


def _json(values: Any) -> str:
    return msgspec.json.encode(list(values)).decode()
