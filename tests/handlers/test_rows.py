"""Derived rows as functions of what is live, without any storage."""

from typing import Any

import msgspec
import pytest

from handlers.rows import PROJECTIONS, comments, keys_of, passages, posts, profiles, votes
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event
from relay.protocol.groups.state import Group, GroupType
from tests.factories import NOW, keypair, make_event
from tests.handlers.sources import FakeSources

POST = make_event(1, 11, "text", [("title", "A title"), ("r", "ftp://no.example"), ("r", "https://a.example/x")])
COMMENT = make_event(2, 1111, "first", [("E", POST.id), ("K", "11")])
ALICE = keypair(1).pubkey
GROUPS = ("organizations", "projects", "threads")


def only(rows: Any) -> Any:
    (row,) = rows
    return row


def edit(key: int, content: str, *tags: tuple[str, ...], at: int = NOW) -> Event:
    return make_event(key, 1010, content, [("e", POST.id), *tags], at)


def vote(key: int, target: Event, content: str = "+", at: int = NOW) -> Event:
    return make_event(key, 7, content, [("e", target.id)], at)


def test_the_order_of_the_tables_lets_each_ask_those_above_it() -> None:
    names = [projection.table for projection in PROJECTIONS]
    for projection in PROJECTIONS:
        asked = [follow.table for follow in projection.follows] + [table for table, _ in projection.under]
        assert all(names.index(table) < names.index(projection.table) for table in asked)


def test_every_table_begins_with_what_its_rows_are_found_by() -> None:
    for projection in PROJECTIONS:
        assert projection.row.__struct_fields__[: len(projection.primary)] == projection.primary
        assert "seq" in projection.row.__struct_fields__ or projection.key_of is not None


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (POST, (("posts", POST.id), ("post_topics", POST.id))),
        (edit(2, "x"), (("posts", POST.id), ("comments", POST.id), ("message_rows", POST.id), ("issue_rows", POST.id))),
        (make_event(1, 9, "hi"), (("message_rows", make_event(1, 9, "hi").id),)),
        (make_event(1, 9000, "", [("h", "org"), ("p", ALICE)]), (("organization_members", f"{ALICE} org"),)),
        (
            make_event(1, 9002, "", [("h", "org")]),
            tuple((table, "org") for table in (*GROUPS, "project_repos", "issue_threads")),
        ),
        (make_event(1, 30078, "", [("d", "app")]), ()),
        (COMMENT, (("comments", COMMENT.id),)),
        (vote(3, POST), (("votes", POST.id + keypair(3).pubkey),)),
        (vote(3, POST, "🎉"), ()),
        (make_event(1, 0, "{}"), (("profiles", keypair(1).pubkey),)),
        (make_event(1, 1, "note"), (("passages", make_event(1, 1, "note").id),)),
        (make_event(1, 6), ()),
        (make_event(1, 1010), ()),
    ],
)
def test_an_event_names_the_rows_that_it_may_change(event: Event, keys: object) -> None:
    assert keys_of(event, frozenset([1])) == keys


def test_a_post_has_a_row_with_its_first_link_that_can_be_followed() -> None:
    row = only(posts.PROJECTION.rows(POST.id, FakeSources(POST)))
    assert msgspec.structs.asdict(row) == {
        "seq": 1,
        "id": POST.id,
        "posting_identity_id": "alice",
        "posting_identity_number": 1,
        "pubkey": keypair(1).pubkey,
        "group_id": None,
        "created_at": NOW,
        "updated_at": None,
        "first_seen": NOW + 1,
        "expires_at": None,
        "title": "A title",
        "url": "https://a.example/x",
        "content": "text",
    }


def test_a_link_that_does_not_read_as_what_it_opens_is_not_shown() -> None:
    tricky = make_event(
        1, 11, "", [("title", "x"), ("r", "https://bank.example@evil.example/"), ("r", "HTTP://a.example")]
    )
    assert only(posts.PROJECTION.rows(tricky.id, FakeSources(tricky))).url == "HTTP://a.example"


@pytest.mark.parametrize(
    "unfit",
    [
        make_event(1, 11, "text"),
        make_event(1, 11, "text", [("title", " ")]),
        make_event(1, 11, "text", [("title", "x" * 301)]),
        make_event(1, 11, "text", [("title", "x"), ("h", "group")]),
        make_event(1, 11, "text", [("title", "x"), ("h",)]),
        make_event(9, 11, "text", [("title", "x")]),
        make_event(1, 1, "text", [("title", "x")]),
    ],
)
def test_what_is_no_post_of_the_feed_has_no_row(unfit: Event) -> None:
    assert posts.PROJECTION.rows(unfit.id, FakeSources(unfit)) == ()


def test_a_private_post_has_no_row() -> None:
    assert posts.PROJECTION.rows(POST.id, FakeSources(private=[POST])) == ()
    assert posts.PROJECTION.rows(POST.id, FakeSources()) == ()


def test_the_newest_edit_by_any_key_of_the_identity_gives_the_text_and_a_title_if_it_has_one() -> None:
    edits = [
        edit(1, "old", ("title", "Old"), at=NOW + 1),
        edit(3, "new", at=NOW + 2),
        edit(2, "not theirs", at=NOW + 3),
    ]
    sources = FakeSources(POST, *edits, owners={"alice": [1, 3], "bob": [2]})
    row = only(posts.PROJECTION.rows(POST.id, sources))
    assert (row.title, row.content, row.updated_at) == ("A title", "new", NOW + 2)


def test_a_comment_has_a_row_where_its_post_has_one() -> None:
    sources = FakeSources(POST, COMMENT)
    assert comments.PROJECTION.rows(COMMENT.id, sources) == ()
    sources.stands("posts", POST)
    row = only(comments.PROJECTION.rows(COMMENT.id, sources))
    found = (row.seq, row.post_id, row.post_seq, row.parent_id, row.posting_identity_id)
    assert found == (2, POST.id, 1, None, "bob")
    assert comments.PROJECTION.counts(row) == (("posts", 1, "comment_count"),)


def test_a_reply_stands_under_what_it_answers_if_that_is_a_comment_on_the_same_post() -> None:
    other = make_event(1, 11, "", [("title", "Other")])
    tags = [("E", POST.id), ("e", COMMENT.id)]
    reply, astray = make_event(1, 1111, "reply", tags), make_event(1, 1111, "astray", [("E", other.id), tags[1]])
    sources = FakeSources(POST, other, COMMENT, reply, astray)
    sources.stands("posts", POST)
    sources.stands("posts", other)
    row = only(comments.PROJECTION.rows(reply.id, sources))
    assert (row.parent_id, row.parent_seq) == (COMMENT.id, 3)
    counted = comments.PROJECTION.counts(row)
    assert counted == (("posts", 1, "comment_count"), ("comments", 3, "comment_count"))
    assert only(comments.PROJECTION.rows(astray.id, sources)).parent_id is None


def test_of_one_identity_the_newest_vote_counts_whichever_of_its_keys_signed_it() -> None:
    first, second = vote(1, POST, "+", NOW), vote(3, POST, "-", NOW + 1)
    sources = FakeSources(POST, first, second, owners={"alice": [1, 3]})
    target = sources.stands("posts", POST)
    for key in (1, 3):
        name = POST.id + keypair(key).pubkey
        row = only(votes.PROJECTION.rows(name, sources))
        assert (row.target, row.voter, row.kind, row.seq, row.up, row.counts) == (target.seq, 1, 11, 3, 0, 1)
        assert votes.PROJECTION.counts(row) == (("posts", 1, "downvotes"),)
        assert votes.PROJECTION.place(name, sources) == (1, 1)


@pytest.mark.parametrize(("counts_all", "column"), [(False, "uncounted"), (True, "upvotes")])
def test_votes_of_identities_from_elsewhere_are_counted_apart_unless_all_count(counts_all: bool, column: str) -> None:
    sources = FakeSources(POST, COMMENT, vote(1, COMMENT), foreign=["alice"])
    sources.counts_all = counts_all
    sources.stands("comments", COMMENT)
    row = only(votes.PROJECTION.rows(COMMENT.id + keypair(1).pubkey, sources))
    assert votes.PROJECTION.counts(row) == (("comments", 2, column),)


def test_a_vote_on_what_has_no_row_or_by_nobody_here_has_none() -> None:
    sources = FakeSources(POST, vote(1, POST), vote(9, POST))
    assert votes.PROJECTION.rows(POST.id + keypair(1).pubkey, sources) == ()
    sources.stands("posts", POST)
    name = POST.id + keypair(9).pubkey
    assert (votes.PROJECTION.rows(name, sources), votes.PROJECTION.place(name, sources)) == ((), None)


@pytest.mark.parametrize(
    ("content", "name", "about"),
    [
        ('{"name":"n","about":1}', "n", None),
        ('{"name":', None, None),
        ("[]", None, None),
        ("[" * 100_000, None, None),
        ('{"name":"\\ud83c\\udf89","about":"\\ud83c"}', "🎉", "\ufffd"),
    ],
)
def test_a_profile_is_what_of_its_json_is_text(content: str, name: str | None, about: str | None) -> None:
    profile = make_event(1, 0, content)
    row = only(profiles.PROJECTION.rows(profile.pubkey, FakeSources(profile)))
    assert (row.name, row.about, row.seq) == (name, about, 1)
    assert profiles.PROJECTION.rows(profile.pubkey, FakeSources()) == ()


@pytest.mark.parametrize(
    ("type_", "ended", "knowledge", "scope"),
    [
        ("organization", False, (11,), ("room", None)),
        ("project", False, (11,), (None, "room")),
        ("thread", False, (11,), (None, None)),
        ("organization", True, (11,), (None, None)),
        ("organization", False, (), (None, None)),
    ],
)
def test_knowledge_belongs_to_the_organization_or_project_that_its_group_is(
    type_: GroupType, ended: bool, knowledge: tuple[int, ...], scope: tuple[str | None, str | None]
) -> None:
    sources = FakeSources(grouped={"room": [POST]})
    sources.cutting = Cutting(kinds=(11,), knowledge=knowledge)
    sources.groups["room"] = Group("room", ALICE, NOW, type_, ended=ended)
    row = only(passages.PROJECTION.rows(POST.id, sources))
    assert (row.organization_id, row.project_id) == scope


def test_passages_have_the_text_of_the_row_of_a_post() -> None:
    sources = FakeSources(POST)
    assert passages.PROJECTION.rows(POST.id, sources) == []
    sources.cutting = Cutting(kinds=(11,))
    plain = only(passages.PROJECTION.rows(POST.id, sources))
    assert (plain.kind_of, plain.title, plain.content) == ("events", "A title", "text")
    sources.rows["posts", sources.stands("posts", POST).seq] = only(
        posts.PROJECTION.rows(POST.id, FakeSources(POST, edit(1, "edited")))
    )
    row = only(passages.PROJECTION.rows(POST.id, sources))
    assert (row.seq, row.chunk, row.kind_of, row.content) == (1, 0, "posts", "edited")
