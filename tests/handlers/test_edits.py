"""Edits (kind 1010) of posts and of comments."""

import pytest

from handlers import table
from relay.protocol.admission import Door
from relay.protocol.event import Event
from tests.factories import keypair, make_event
from tests.handlers.known import RELAY, admit, refused
from tests.handlers.test_posts import POST, TITLE, by, known

COMMENT = make_event(1, 1111, "text", [["E", POST.id], ["K", "11"]])
LOG = known(POST, COMMENT)


def edit(edited: Event, *tags: list[str], key: int = 1, content: str = "new text") -> Event:
    return make_event(key, 1010, content, [["e", edited.id], *tags])


@pytest.mark.parametrize("edited", [POST, COMMENT])
@pytest.mark.parametrize("key", [1, 2])
def test_any_key_of_the_identity_edits_what_it_wrote(edited: Event, key: int) -> None:
    event = edit(edited, key=key)
    assert admit(event, LOG).store
    tables = [table for table, named in table.meaning(RELAY).touches(event) if named == edited.id]
    assert tables == ["posts", "comments", "message_rows", "issue_rows"]


@pytest.mark.parametrize(("edited", "what"), [(POST, "post"), (COMMENT, "comment")])
def test_nobody_else_does(edited: Event, what: str) -> None:
    event = edit(edited, key=3)
    assert refused(event, LOG).startswith(f"restricted: only the identity that wrote a {what} edits it")
    assert by(Door.PEER, event, LOG) == ""


def test_an_edit_may_leave_the_title_as_it_is_but_not_empty_it() -> None:
    assert not refused(edit(POST, content=""), LOG)
    assert refused(edit(POST, ["title", ""]), LOG).startswith("invalid:")


def test_an_edit_of_a_post_without_a_title_gives_it_one() -> None:
    untitled = make_event(1, 11, "text")
    assert refused(edit(untitled), known(untitled)).startswith("invalid:")
    assert not refused(edit(untitled, TITLE), known(untitled))


def test_a_comment_keeps_some_text_and_has_no_title() -> None:
    assert refused(edit(COMMENT, content=" \u200b"), LOG).startswith("invalid: a comment needs text")
    assert refused(edit(COMMENT, content="a\x00b"), LOG).startswith("invalid: the text holds a NUL")
    assert not refused(edit(COMMENT, ["title", ""]), LOG)


@pytest.mark.parametrize("tags", [[], [["e"]], [["e", "x"]], [["e", "f" * 64]], [["e", make_event(1).id]]])
def test_a_kind_1010_about_anything_else_is_an_event_like_others(tags: list[list[str]]) -> None:
    assert admit(make_event(5, 1010, "", tags), known(make_event(1))).store


def test_so_is_one_about_a_comment_on_something_else() -> None:
    article = make_event(3, 30023, "", [["d", "x"]])
    comment = make_event(5, 1111, "text", [["E", article.id], ["K", "30023"]])
    assert admit(edit(comment, key=5, content=""), known(article, comment)).store


@pytest.mark.parametrize("edited", [POST, COMMENT])
def test_an_edit_is_refused_where_a_key_of_the_same_identity_has_deleted_it(edited: Event) -> None:
    log = known()
    log.deleted.add((edited.id, keypair(1).pubkey))
    for key in (1, 2):
        assert refused(edit(edited, key=key), log).startswith("blocked: what this edits was deleted")
    assert refused(edit(edited, key=3), log) == ""
