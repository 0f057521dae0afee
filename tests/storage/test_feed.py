"""The feed as it is read: pages, trees, votes of one's own."""

import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from handlers import table
from handlers.rows import PROJECTIONS
from relay.errors import Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from storage.base import Status
from storage.commands import Compact
from storage.feed import MAX_TREE, REPLIES, CommentRow, PostRow
from storage.identities.commands import BindProven
from storage.sqlite import backend, feed
from storage.sqlite.reading.reader import SqliteReader
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW, keypair, make_event
from tests.storage.feed_logs import MEANING, identity, open_log, rebuild, write

HOUR = 3600
ALICE, BOB, CAROL = identity(1), identity(2), identity(3)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    """A log in which keys 1, 2, 3 belong to identities 1, 2, 3."""
    opened = open_log(tmp_path)
    for n in (1, 2, 3):
        opened.execute(BindProven(keypair(n).pubkey, identity(n)), NOW)
    yield opened
    opened.close()


@pytest.fixture
async def reader(writer: SqliteWriter, tmp_path: Path) -> AsyncIterator[SqliteReader]:
    opened = await backend.open_reader(tmp_path, readers=1)
    yield opened
    await opened.close()


def post(n: int = 0, key: int = 1, at: int = NOW, *tags: list[str]) -> Event:
    return make_event(key, 11, f"text {n}", [["title", f"Post {n}"], *tags], at)


def comment(under: Event, key: int = 1, parent: Event | None = None, at: int = NOW, content: str = "text") -> Event:
    tags = [["E", under.id], ["K", "11"]]
    return make_event(key, 1111, content, tags + ([["e", parent.id], ["k", "1111"]] if parent else []), at)


def vote(key: int, target: Event, content: str = "+", at: int = NOW) -> Event:
    return make_event(key, 7, content, [["e", target.id]], at)


def ids(rows: list[PostRow] | list[CommentRow]) -> list[str]:
    return [row.id for row in rows]


async def every_post(reader: SqliteReader, sort: str, limit: int, **asked: object) -> list[str]:
    """All posts by way of all pages."""
    found, cursor = [], ""
    while True:
        page = await reader.feed.posts(sort, limit, NOW, cursor=cursor, **asked)  # type: ignore[arg-type]
        assert 0 < len(page.rows) <= limit
        found += ids(page.rows)
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor


async def test_a_post_is_shown_with_its_author_its_event_and_its_counters(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown = post(1, 1, NOW - 5, ["r", "ftp://no.example"], ["r", "https://a.example/x"])
    write(writer, [shown, vote(2, shown), vote(3, shown, "-"), comment(shown, 2)])
    (row,) = (await reader.feed.posts("new", 10, NOW)).rows
    assert (row.id, row.title, row.content, row.url) == (shown.id, "Post 1", "text 1", "https://a.example/x")
    assert (row.posting_identity_id, row.author_name, row.pubkey) == (ALICE, "name1", keypair(1).pubkey)
    assert (row.upvotes, row.downvotes, row.score, row.comment_count) == (1, 1, 0, 1)
    assert (row.created_at, row.first_seen, row.updated_at, row.wire) == (NOW - 5, NOW, None, wire(shown))


async def test_an_edit_changes_the_text_and_its_deletion_brings_the_old_one_back(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown = post(1)
    edit = make_event(1, 1010, "better", [["e", shown.id], ["title", "Better"]], NOW + 1)
    write(writer, [shown, edit])
    (row,) = await reader.feed.posts_by_id([shown.id], NOW)
    assert (row.title, row.content, row.updated_at) == ("Better", "better", NOW + 1)
    write(writer, [make_event(1, 5, "", [["e", edit.id]])])
    (row,) = await reader.feed.posts_by_id([shown.id], NOW)
    assert (row.title, row.content, row.updated_at) == ("Post 1", "text 1", None)


def edit(key: int, of: Event) -> Event:
    return make_event(key, 1010, f"edited by {key}", [["e", of.id], ["title", "Edited"]], NOW + 1)


def deletion(key: int, *targets: Event) -> Event:
    return make_event(key, 5, "", [["e", target.id] for target in targets], NOW + 2)


async def here(reader: SqliteReader, *some: Event) -> list[bool]:
    """Which of these events are in the log."""
    return [await reader.get(one.id, frozenset(), NOW) is not None for one in some]


async def test_a_deleted_post_takes_its_edits_along_whichever_key_of_its_author_signed_them(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    writer.execute(BindProven(keypair(4).pubkey, ALICE), NOW)
    gone, other = post(1), post(2)
    edits, kept = [edit(1, gone), edit(4, gone)], edit(1, other)
    write(writer, [gone, other, kept, *edits])
    assert all(await here(reader, *edits, kept))
    write(writer, [deletion(1, gone)])
    assert await here(reader, gone, *edits) == [False, False, False]
    assert await here(reader, other, kept) == [True, True]


async def test_a_post_and_its_edits_go_within_the_batch_they_came_in(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    gone = post(1)
    late = edit(1, gone)
    outcomes = write(
        writer, [gone, edit(1, gone), deletion(1, gone), make_event(1, 1010, "late", [["e", gone.id]], NOW)]
    )
    assert [outcome.status for outcome in outcomes] == [Status.STORED] * 3 + [Status.REFUSED]
    assert await here(reader, gone, late) == [False, False]


async def test_an_edit_that_was_here_before_its_post_goes_with_the_deletion_of_it(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    unseen = post(1)
    early = edit(1, unseen)
    write(writer, [early, deletion(1, unseen)], Door.PEER)
    assert await here(reader, early) == [False]


async def test_an_edit_of_a_post_that_its_author_has_deleted_is_refused(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    writer.execute(BindProven(keypair(4).pubkey, ALICE), NOW)
    gone = post(1)
    write(writer, [gone, deletion(1, gone)])
    for door in (Door.CLIENT, Door.PEER, Door.IMPORT):
        outcomes = write(writer, [edit(1, gone), edit(4, gone)], door)
        assert ["blocked: what this edits was deleted" in str(one.refusal) for one in outcomes] == [True, True]


async def test_nobody_removes_the_edits_of_another_by_asking_to_delete_the_post(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown = post(1)
    write(writer, [shown, edit(1, shown), deletion(2, shown), deletion(5, shown)])
    assert await here(reader, shown, edit(1, shown)) == [True, True]
    (row,) = await reader.feed.posts_by_id([shown.id], NOW)
    assert row.content == "edited by 1"


async def test_a_viewer_sees_the_own_vote_whichever_of_the_keys_signed_it(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    writer.execute(BindProven(keypair(4).pubkey, BOB), NOW)
    shown = post(1)
    first = comment(shown)
    write(writer, [shown, first, vote(2, shown), vote(4, shown, "-", NOW + 1), vote(4, first)])
    (row,) = (await reader.feed.posts("new", 10, NOW, viewer=BOB)).rows
    assert (row.your_vote, row.upvotes, row.downvotes) == ("down", 0, 1)
    (above,) = (await reader.feed.comments(shown.id, "top", 10, NOW, viewer=BOB)).rows
    assert above.your_vote == "up"
    for viewer in (CAROL, None):
        (row,) = (await reader.feed.posts("new", 10, NOW, viewer=viewer)).rows
        assert row.your_vote is None


async def test_a_vote_taken_back_uncovers_the_one_before(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = post(1)
    later = vote(2, shown, "-", NOW + 1)
    write(writer, [shown, vote(2, shown), later])
    write(writer, [make_event(2, 5, "", [["e", later.id]], NOW + 2)])
    (row,) = await reader.feed.posts_by_id([shown.id], NOW, viewer=BOB)
    assert (row.upvotes, row.downvotes, row.your_vote) == (1, 0, "up")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_hold_every_post_once_and_in_order(writer: SqliteWriter, reader: SqliteReader, limit: int) -> None:
    posts = [post(n, 1 + n % 3, NOW - HOUR * (n // 3)) for n in range(14)]
    write(writer, posts)
    write(writer, [vote(key, posts[n]) for n in (3, 4, 9) for key in range(1, 2 + n % 3)])
    write(writer, [vote(1, posts[n], "-") for n in (1, 2, 7)])
    rows = {row.id: row for row in await reader.feed.posts_by_id(ids_of(posts), NOW)}

    def hot(row: PostRow) -> float:
        return math.log10(max(row.score, 1)) + min(row.created_at, row.first_seen) / 45000

    def rising(row: PostRow) -> float:
        return row.score / math.pow((NOW - row.created_at) / 3600 + 2, 1.5)

    orders = {"new": lambda row: row.created_at, "top": lambda row: row.score, "hot": hot, "rising": rising}
    for sort, value in orders.items():
        ranked = sorted(rows.values(), key=lambda row: (value(row), row.seq), reverse=True)
        assert await every_post(reader, sort, limit) == ids(ranked)
        mine = [row for row in ranked if row.posting_identity_id in (ALICE, CAROL)]
        assert await every_post(reader, sort, limit, authors=[ALICE, CAROL, "nobody"]) == ids(mine)


def ids_of(events: list[Event]) -> list[str]:
    return [event.id for event in events]


async def test_the_posts_of_an_identity_are_those_of_all_its_keys(writer: SqliteWriter, reader: SqliteReader) -> None:
    writer.execute(BindProven(keypair(4).pubkey, ALICE), NOW)
    posts = [post(n, (1, 4)[n % 2], NOW - n // 3) for n in range(7)]  # three of a second, the last to come first
    write(writer, [*posts, post(9, 2)])
    rows = {row.id: row.seq for row in await reader.feed.posts_by_id(ids_of(posts), NOW)}
    expected = sorted(posts, key=lambda one: (one.created_at, rows[one.id]), reverse=True)
    assert await every_post(reader, "new", 2, authors=[ALICE]) == ids_of(expected)
    ranked = await reader.feed.posts("hot", 10, NOW, authors=[ALICE])
    assert {row.id for row in ranked.rows} == rows.keys()


async def test_an_offset_passes_over_posts(writer: SqliteWriter, reader: SqliteReader) -> None:
    posts = [post(n, at=NOW - n) for n in range(6)]
    write(writer, posts)
    page = await reader.feed.posts("new", 2, NOW, offset=3)
    assert ids(page.rows) == ids_of(posts[3:5])
    rest = await reader.feed.posts("new", 2, NOW, cursor=page.next_cursor or "")
    assert ids(rest.rows) == ids_of(posts[5:])
    assert ids((await reader.feed.posts("new", 2, NOW, offset=3, authors=[ALICE])).rows) == ids_of(posts[3:5])


async def test_rising_is_about_the_last_two_days_and_ranked_at_the_time_of_the_first_page(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    posts = [post(1, at=NOW - 49 * HOUR), post(2, at=NOW - 47 * HOUR), post(3, at=NOW - HOUR)]
    write(writer, posts)
    write(writer, [vote(key, posts[1]) for key in (1, 2, 3)])
    first = await reader.feed.posts("rising", 1, NOW)
    later = await reader.feed.posts("rising", 1, NOW + 100 * HOUR, cursor=first.next_cursor or "")
    assert (ids(first.rows), ids(later.rows), later.next_cursor) == ([posts[1].id], [posts[2].id], None)


async def test_nothing_is_ranked_higher_for_a_date_in_the_future(writer: SqliteWriter, reader: SqliteReader) -> None:
    posts = [post(1, at=NOW + 10 * HOUR), post(2, at=NOW)]
    write(writer, posts)
    write(writer, [vote(1, posts[1]), vote(2, posts[1])])
    assert ids((await reader.feed.posts("hot", 10, NOW)).rows) == ids_of([posts[1], posts[0]])


@pytest.mark.parametrize("cursor", ["x", "!", "é", "gA", "a" * 300, "lKhwb3N0cyBuZXc"])
async def test_a_cursor_that_is_none_is_refused(reader: SqliteReader, cursor: str) -> None:
    with pytest.raises(Reject, match="cursor"):
        await reader.feed.posts("new", 10, NOW, cursor=cursor)


async def test_a_cursor_of_another_list_is_refused(writer: SqliteWriter, reader: SqliteReader) -> None:
    write(writer, [post(n) for n in range(3)])
    cursor = (await reader.feed.posts("new", 1, NOW)).next_cursor or ""
    for asked in (
        reader.feed.posts("hot", 1, NOW, cursor=cursor),
        reader.feed.posts("new", 1, NOW, cursor=cursor, authors=[ALICE]),
        reader.feed.comments("x", "new", 1, NOW, cursor=cursor),
    ):
        with pytest.raises(Reject, match="cursor"):
            await asked


@pytest.mark.parametrize("sort", ["", "best", "old", "created_at; DROP TABLE posts"])
async def test_an_order_that_is_not_there_is_refused(reader: SqliteReader, sort: str) -> None:
    with pytest.raises(Reject, match="there is no order"):
        await reader.feed.posts(sort, 10, NOW)


async def test_comments_are_a_tree_in_the_order_that_was_asked_for(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = post()
    old, new = comment(shown, at=NOW - 9, content="old"), comment(shown, 2, at=NOW - 1, content="new")
    early, late = comment(shown, 2, old, NOW - 8, "early"), comment(shown, 3, old, NOW - 7, "late")
    deep = comment(shown, 1, late, NOW - 6, "deep")
    write(writer, [shown, old, new, early, late, deep])
    write(writer, [vote(1, old), vote(2, early), vote(3, deep, "-")])
    trees = {}
    for sort in ("new", "old", "top"):
        page = await reader.feed.comments(shown.id, sort, 10, NOW)
        trees[sort] = [outline(row) for row in page.rows]
    assert trees["new"] == [
        ("new", 0, 0, []),
        ("old", 0, 2, [("late", 1, 1, [("deep", 2, 0, [])]), ("early", 1, 0, [])]),
    ]
    assert trees["old"] == [
        ("old", 0, 2, [("early", 1, 0, []), ("late", 1, 1, [("deep", 2, 0, [])])]),
        ("new", 0, 0, []),
    ]
    assert [name for name, *_ in trees["top"]] == ["old", "new"]
    assert [name for name, *_ in trees["top"][0][3]] == ["early", "late"]


def outline(row: CommentRow) -> tuple[str, int, int, list[object]]:
    return row.content, row.depth, row.comment_count, [outline(reply) for reply in row.replies]


@pytest.mark.parametrize("sort", ["new", "old", "top"])
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_pages_of_comments_hold_every_one_once(
    writer: SqliteWriter, reader: SqliteReader, sort: str, limit: int
) -> None:
    shown = post()
    comments = [comment(shown, 1 + n % 3, at=NOW - n // 2, content=str(n)) for n in range(8)]
    write(writer, [shown, *comments, *(comment(shown, 1, comments[0], content=f"under {n}") for n in range(3))])
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await reader.feed.comments(shown.id, sort, limit, NOW, cursor=cursor)
        found += ids(page.rows)
        cursor = page.next_cursor
    assert (len(found), set(found)) == (len(comments), set(ids_of(comments)))


async def test_replies_beyond_the_first_are_asked_for_by_their_parent(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown, above = post(), comment(post())
    replies = [comment(shown, 2, above, NOW - n, str(n)) for n in range(REPLIES + 3)]
    write(writer, [shown, above, *replies])
    (row,) = (await reader.feed.comments(shown.id, "new", 10, NOW)).rows
    assert (len(row.replies), row.comment_count) == (REPLIES, REPLIES + 3)
    page = await reader.feed.comments(shown.id, "new", 100, NOW, parent=above.id)
    assert ids(page.rows) == ids_of(replies)


async def test_a_page_of_comments_is_bounded_however_many_replies_there_are(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown = post()
    tops = [comment(shown, content=f"top {n}") for n in range(30)]
    write(writer, [shown, *tops, *(comment(shown, 2, top, content=f"{n}") for top in tops for n in range(20))])
    page = await reader.feed.comments(shown.id, "new", 30, NOW)
    assert sum(len(row.replies) for row in page.rows) == MAX_TREE


async def test_replies_that_have_no_room_on_a_page_are_asked_for_by_their_parent(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown, above = post(), comment(post())
    replies = [comment(shown, 2, above, NOW - n, f"{n} {'x' * 60_000}") for n in range(20)]
    write(writer, [shown, above, *replies])
    (row,) = (await reader.feed.comments(shown.id, "new", 10, NOW)).rows
    room = feed.PAGE_BYTES // (2 * len(wire(replies[0])))
    assert (ids(row.replies), row.comment_count) == (ids_of(replies[:room]), 20)
    found, cursor = [], ""
    while cursor is not None:
        page = await reader.feed.comments(shown.id, "new", 100, NOW, parent=above.id, cursor=cursor)
        found, cursor = found + ids(page.rows), page.next_cursor
    assert found == ids_of(replies)


async def test_what_has_expired_is_not_shown_even_before_it_is_swept(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    lasting, passing = post(1), post(2, 1, NOW, ["expiration", str(NOW + 10)])
    under = comment(passing)
    brief = make_event(1, 1111, "b", [["E", lasting.id], ["K", "11"], ["expiration", str(NOW + 10)]])
    write(writer, [lasting, passing, under, brief])
    for sort in ("new", "hot", "top", "rising"):
        for authors in (None, [ALICE]):
            seen = [ids((await reader.feed.posts(sort, 9, now, authors=authors)).rows) for now in (NOW + 9, NOW + 10)]
            assert (len(seen[0]), seen[1]) == (2, [lasting.id])
    assert await reader.feed.posts_by_id([passing.id], NOW + 10) == []
    assert await reader.feed.comments_by_id([under.id, brief.id], NOW + 10) == []
    assert (await reader.feed.comments(lasting.id, "new", 9, NOW + 10)).rows == []


async def test_rows_asked_for_by_id_are_those_that_are_here(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = post()
    under = comment(shown)
    write(writer, [shown, under])
    assert ids(await reader.feed.posts_by_id([under.id, shown.id, "x"], NOW)) == [shown.id]
    assert ids(await reader.feed.comments_by_id([under.id, shown.id, ""], NOW)) == [under.id]
    assert await reader.feed.posts_by_id([], NOW) == []


async def test_a_key_bound_later_gets_rows_for_what_it_had_written(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = make_event(5, 11, "text", [["title", "Early"]])
    write(writer, [shown, comment(shown, 5), vote(5, shown), vote(1, shown)], Door.PEER)
    assert (await reader.feed.posts("new", 10, NOW)).rows == []
    writer.execute(BindProven(keypair(5).pubkey, BOB), NOW)
    (row,) = (await reader.feed.posts("new", 10, NOW)).rows
    assert (row.author_name, row.upvotes, row.comment_count) == ("name2", 2, 1)


async def test_a_deleted_post_takes_its_comments_and_votes_along(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = post()
    under = comment(shown, 2)
    write(writer, [shown, under, vote(2, shown), vote(3, under)])
    write(writer, [make_event(1, 5, "", [["e", shown.id]])])
    assert await reader.feed.posts_by_id([shown.id], NOW) == []
    assert await reader.feed.comments_by_id([under.id], NOW) == []
    assert rebuild(writer) == 0


async def test_answers_to_a_deleted_comment_move_up_to_the_post(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = post()
    above = comment(shown, 1)
    below = comment(shown, 2, above)
    write(writer, [shown, above, below])
    write(writer, [make_event(1, 5, "", [["e", above.id]])])
    (row,) = (await reader.feed.comments(shown.id, "new", 10, NOW)).rows
    assert (row.id, row.parent_id) == (below.id, None)
    (whole,) = await reader.feed.posts_by_id([shown.id], NOW)
    assert whole.comment_count == 1


async def test_an_event_that_is_tried_again_changes_nothing(writer: SqliteWriter, reader: SqliteReader) -> None:
    shown = post()
    history = [shown, comment(shown, 2), vote(2, shown)]
    write(writer, history)
    before = await reader.feed.posts_by_id([shown.id], NOW)
    assert [outcome.status for outcome in write(writer, history)] == [Status.DUPLICATE] * 3
    assert await reader.feed.posts_by_id([shown.id], NOW) == before


async def test_foreign_votes_are_shown_apart_unless_all_count(tmp_path: Path) -> None:
    writer = open_log(tmp_path, local=(1, 2), foreign=(9,))
    for key, owner in ((1, 1), (2, 2), (3, 9)):
        writer.execute(BindProven(keypair(key).pubkey, identity(owner)), NOW)
    shown = post()
    write(writer, [shown, vote(2, shown), vote(3, shown)])
    writer.close()
    seen = []
    for votes in ("local", "all", "local"):
        backend.open_writer(tmp_path, MEANING, votes=votes).close()  # type: ignore[arg-type]
        reader = await backend.open_reader(tmp_path, readers=1)
        (row,) = await reader.feed.posts_by_id([shown.id], NOW)
        seen.append((row.upvotes, row.score, row.uncounted))
        assert [problem async for problem in reader.check(PROJECTIONS, verify=False)] == []
        await reader.close()
    assert seen == [(1, 1, 1), (2, 2, 0), (1, 1, 1)]


async def test_check_names_a_row_and_a_counter_that_were_tampered_with(tmp_path: Path) -> None:
    writer = open_log(tmp_path)
    writer.execute(BindProven(keypair(1).pubkey, ALICE), NOW)
    texts, counters = post(1), post(2)
    write(writer, [texts, counters])
    writer.connection.execute("UPDATE posts SET content = 'forged' WHERE id = ?", (texts.id,))
    writer.connection.execute("UPDATE posts SET upvotes = 9 WHERE id = ?", (counters.id,))
    reader = await backend.open_reader(tmp_path, readers=1)
    messages = [problem.message async for problem in reader.check(PROJECTIONS, verify=False)]
    await reader.close()
    writer.close()
    assert [any(one.id in message for message in messages) for one in (texts, counters)] == [True, True]
    assert len(messages) == 2


def test_vanished_text_is_gone_from_the_data_directory_after_compact(tmp_path: Path) -> None:
    secret, kept = "xyzzy-unforgettable", "plugh-kept"
    writer = open_log(tmp_path)
    writer.execute(BindProven(keypair(1).pubkey, ALICE), NOW)
    writer.execute(BindProven(keypair(2).pubkey, BOB), NOW)
    mine = make_event(1, 11, secret, [["title", secret], ["t", secret], ["r", f"https://{secret}.example"]])
    theirs = make_event(2, 11, kept, [["title", kept]])
    write(writer, [mine, theirs])
    write(writer, [make_event(1, 1010, f"{secret} edited", [["e", mine.id]]), comment(theirs, 1, content=secret)])
    assert holding(tmp_path, secret)
    write(writer, [make_event(1, 62, "", [["relay", "ALL_RELAYS"]], NOW + 1)], at=NOW + 1)
    writer.execute(Compact(), NOW)
    assert (holding(tmp_path, secret), bool(holding(tmp_path, kept))) == ([], True)
    writer.close()


def holding(directory: Path, text: str) -> list[str]:
    return [path.name for path in directory.iterdir() if text.encode() in path.read_bytes()]


def test_an_identity_whose_last_key_vanishes_is_anonymised(tmp_path: Path) -> None:
    writer = open_log(tmp_path)
    for key in (1, 2):
        writer.execute(BindProven(keypair(key).pubkey, ALICE), NOW)
    for key, expected in ((1, False), (2, True)):
        write(writer, [make_event(key, 62, "", [["relay", "ALL_RELAYS"]])])
        found = writer.tables.identity(ALICE)
        assert found is not None
        assert (found.anonymised_at is not None, found.name != "name1") == (expected, expected)
    writer.close()


async def test_a_provisioned_identity_has_its_first_post_in_the_same_transaction(tmp_path: Path) -> None:
    open_log(tmp_path).close()
    writer = backend.open_writer(tmp_path, table.meaning("ws://relay.test", provision=True))
    shown = post(1, 7)
    (outcome,) = write(writer, [shown])
    assert outcome.status is Status.STORED
    reader = await backend.open_reader(tmp_path, readers=1)
    (row,) = (await reader.feed.posts("new", 10, NOW)).rows
    await reader.close()
    writer.close()
    assert (row.id, row.author_name[:4]) == (shown.id, "npub")


def _work(writer: SqliteWriter, event: Event) -> int:
    """How many hundred SQLite instructions writing the event takes."""
    spent = 0

    def count() -> int:
        nonlocal spent
        spent += 1
        return 0

    writer.connection.set_progress_handler(count, 100)
    write(writer, [event])
    writer.connection.set_progress_handler(None, 0)
    return spent


def test_a_vote_takes_the_same_work_however_many_posts_and_comments_there_are(writer: SqliteWriter) -> None:
    first = post()
    write(writer, [first, vote(2, first)])
    among_one = _work(writer, vote(3, first))
    others = [post(n, 1, NOW - n) for n in range(1, 400)]
    write(writer, [*others, *(comment(one, 2) for one in others)])
    assert _work(writer, vote(3, others[7])) <= among_one + 10


async def test_karma_is_the_score_of_the_newest_posts_and_comments_of_all_keys(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    mine, other = post(1, 1), post(2, 2)
    said, gone = comment(other, 1), comment(other, 1, content="gone", at=NOW - 1)
    write(writer, [mine, other, said, gone])
    write(writer, [vote(2, mine), vote(3, mine), vote(2, said, "-"), vote(3, gone, "-"), vote(1, other)])
    keys = [keypair(1).pubkey]
    assert await reader.feed.karma(keys, NOW) == 0
    write(writer, [make_event(1, 5, "", [["e", gone.id], ["k", "1111"]], NOW)])
    assert await reader.feed.karma(keys, NOW) == 1
    assert await reader.feed.karma([], NOW) == 0


async def test_karma_looks_at_a_bounded_number_of_the_newest(
    writer: SqliteWriter, reader: SqliteReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "RANKED", 2)
    posts = [post(n, 1, NOW - n) for n in range(4)]
    comments = [comment(posts[0], 1, at=NOW - n, content=str(n)) for n in range(4)]
    write(writer, posts + comments)
    write(writer, [vote(2, target) for target in posts + comments])
    assert await reader.feed.karma([keypair(1).pubkey], NOW) == 4


async def test_arrivals_are_told_of_what_is_here(writer: SqliteWriter, reader: SqliteReader) -> None:
    posts = [post(1), post(2)]
    write(writer, posts)
    assert await reader.feed.arrivals([posts[1].id, "0" * 64, posts[0].id]) == {
        posts[0].id: (1, NOW),
        posts[1].id: (2, NOW),
    }
    assert await reader.feed.arrivals([]) == {}
    assert await reader.feed.how_many_posts() == 2


@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_controversial_comments_are_those_with_votes_both_ways(
    writer: SqliteWriter, reader: SqliteReader, limit: int
) -> None:
    shown = post()
    comments = [comment(shown, 1, at=NOW - n, content=str(n)) for n in range(5)]
    write(writer, [shown, *comments])
    ways = {0: "+", 1: "+-", 2: "++-", 3: "", 4: "+--"}
    numbers = [1, 2, 3]
    write(
        writer,
        [vote(key, comments[n], way) for n, some in ways.items() for key, way in zip(numbers, some, strict=False)],
    )

    def divided(n: int) -> tuple[float, int]:
        up, down = ways[n].count("+"), ways[n].count("-")
        few, many = min(up, down), max(up, down)
        return (
            float((up + down) ** (few / many)) if few else 0.0
        ), n + 2  # the number in the log comes after the post's

    found, cursor = [], ""
    while True:
        page = await reader.feed.comments(shown.id, "controversial", limit, NOW, cursor=cursor)
        found += [row.content for row in page.rows]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert found == [str(n) for n in sorted(ways, key=divided, reverse=True)]


@pytest.mark.parametrize("sort", ["new", "hot", "top", "rising"])
async def test_the_posts_about_something_page_in_every_order(
    writer: SqliteWriter, reader: SqliteReader, sort: str
) -> None:
    some = [post(n, 1 + n % 2, NOW - n // 3, ["t", "Tide"], ["r", "https://www.a.example/x"]) for n in range(7)]
    written = make_event(3, 11, "in the text: #tide", [["title", "By the way"]], NOW - 9)
    expiring = post(20, 1, NOW, ["t", "tide"], ["expiration", str(NOW + 5)])
    write(
        writer, [*some, written, expiring, post(30), post(31, 1, NOW, ["t", "mud"]), vote(2, some[4]), vote(3, some[4])]
    )
    expected = {one.id for one in (*some, written, expiring)}
    found = await every_post(reader, sort, 2, topic="#tide")
    assert len(found) == len(expected)
    assert set(found) == expected
    if sort != "new":
        assert found[0] == some[4].id
    assert set(await every_post(reader, sort, 3, topic="a.example")) == {one.id for one in some}
    later = await reader.feed.posts(sort, 20, NOW + 6, topic="#tide")
    assert set(ids(later.rows)) == expected - {expiring.id}
    assert (await reader.feed.posts(sort, 20, NOW, topic="#none")).rows == []


async def test_what_a_post_is_about_changes_with_its_text_and_goes_with_it(
    writer: SqliteWriter, reader: SqliteReader
) -> None:
    shown = make_event(1, 11, "on #mud", [["title", "Shown"], ["t", "tide"]], NOW)
    write(writer, [shown, make_event(1, 1010, "on #sand", [["e", shown.id]], NOW + 1)])
    found = [bool((await reader.feed.posts("new", 9, NOW, topic=one)).rows) for one in ("#mud", "#sand", "#tide")]
    assert found == [False, True, True]
    write(writer, [deletion(1, shown)])
    assert [(await reader.feed.posts("new", 9, NOW, topic=one)).rows for one in ("#sand", "#tide")] == [[], []]
