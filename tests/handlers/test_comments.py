"""Comments (kind 1111, NIP-22) on posts and on other things."""

import pytest

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import GROUP_MODERATOR, OPERATOR, Door
from relay.protocol.event import Event
from relay.protocol.groups.state import Group
from tests.factories import make_event
from tests.handlers.known import RELAY, FakeLog, admit, decide, refused
from tests.handlers.test_posts import POST, TITLE, by, known

OTHER = make_event(3, 11, "another", [TITLE])
ROOT = [["E", POST.id], ["K", "11"]]
ABOVE = make_event(3, 1111, "first", ROOT)
ELSEWHERE = make_event(3, 1111, "there", [["E", OTHER.id], ["K", "11"]])
NOTE = make_event(3)
ARTICLE = make_event(3, 30023, "", [["d", "x"]])
LOG = known(POST, OTHER, ABOVE, ELSEWHERE, NOTE, ARTICLE)


def comment(*tags: list[str], key: int = 1, content: str = "text") -> Event:
    return make_event(key, 1111, content, tags)


@pytest.mark.parametrize(
    "tags",
    [
        ROOT,
        [*ROOT, ["e", POST.id], ["k", "11"]],
        [*ROOT, ["e", ABOVE.id], ["k", "1111"]],
        [["K", "11"], ["E", POST.id, "wss://a.example", POST.pubkey], ["P", POST.pubkey]],
    ],
)
def test_a_comment_answers_the_post_or_a_comment_on_it(tags: list[list[str]]) -> None:
    event = comment(*tags)
    assert admit(event, LOG).store
    assert table.meaning(RELAY).touches(event) == (("comments", event.id),)


def test_a_comment_needs_an_identity() -> None:
    assert refused(comment(*ROOT, key=5), LOG).startswith("restricted: this key has no posting identity")


def test_a_comment_on_a_post_that_is_not_here_is_refused_from_a_client_and_kept_from_a_peer() -> None:
    event = comment(["E", "f" * 64], ["K", "11"])
    assert refused(event, LOG).startswith("invalid: the post that it comments on is not here")
    assert by(Door.PEER, event, LOG) == ""


GONE = make_event(3, 11, "gone", [TITLE])
ABOVE_GONE = make_event(3, 1111, "gone", ROOT)


def taken_back(by: str = "deletion") -> FakeLog:
    """What LOG knows, and that GONE and ABOVE_GONE were here, or not yet, and are not to be."""
    log = known(POST, OTHER, ABOVE)
    if by == "vanish":
        log.vanished[GONE.pubkey] = GONE.created_at
    else:
        who = GONE.pubkey if by == "deletion" else by
        log.deleted |= {(GONE.id, who), (ABOVE_GONE.id, who)}
    return log


ON_GONE = [["E", GONE.id], ["K", "11"], ["P", GONE.pubkey]]
UNDER_GONE = [*ROOT, ["e", ABOVE_GONE.id], ["k", "1111"], ["p", ABOVE_GONE.pubkey]]


@pytest.mark.parametrize("by", ["deletion", "vanish"])
@pytest.mark.parametrize("tags", [ON_GONE, [*ON_GONE, ["e", GONE.id], ["k", "11"]], UNDER_GONE])
def test_a_comment_on_what_its_author_took_back_is_kept_as_it_is_where_it_came_before(
    by: str, tags: list[list[str]]
) -> None:
    assert admit(comment(*tags), taken_back(by)).store


def test_a_comment_that_is_shown_nowhere_says_so_and_needs_what_others_need() -> None:
    assert admit(comment(*ON_GONE), taken_back()).message.startswith("info: the post was deleted")
    assert admit(comment(*UNDER_GONE), taken_back()).message == ""
    assert refused(comment(*ON_GONE, key=5), taken_back()).startswith("restricted: this key has no posting identity")
    assert refused(comment(*ON_GONE, content=" "), taken_back()) == "invalid: a comment needs text"
    assert "names its kind in a k tag" in refused(comment(*ON_GONE, ["e", ABOVE_GONE.id]), taken_back())


@pytest.mark.parametrize("tags", [ON_GONE, UNDER_GONE])
def test_no_comment_is_taken_on_what_the_operator_or_a_moderator_removed_nor_one_signed_here_on_what_is_gone(
    tags: list[list[str]],
) -> None:
    for who in (OPERATOR, GROUP_MODERATOR):
        assert refused(comment(*tags), taken_back(who)).startswith("invalid: ")
    with pytest.raises(Reject, match="invalid: "):
        decide(table.meaning(RELAY), comment(*tags), taken_back(), door=Door.HTTP)


@pytest.mark.parametrize("parent", ["f" * 64, "x", "", ELSEWHERE.id, NOTE.id, OTHER.id])
def test_what_it_answers_must_be_a_comment_on_the_same_post(parent: str) -> None:
    reason = refused(comment(*ROOT, ["e", parent], ["k", "1111"]), LOG)
    assert reason.startswith("invalid: what it answers (its e tag) is no comment on that post")


@pytest.mark.parametrize("kind", [[], [["k"]], [["k", "11"]]])
def test_what_it_answers_has_its_kind_in_a_k_tag(kind: list[list[str]]) -> None:
    assert "names its kind in a k tag" in refused(comment(*ROOT, ["e", ABOVE.id], *kind), LOG)


@pytest.mark.parametrize("door", [Door.CLIENT, Door.HTTP, Door.PEER])
@pytest.mark.parametrize("kind", [[], [["K"]], [["K", "12"]], [["K", "30023"]]])
def test_what_does_not_say_that_its_root_is_a_post_is_taken_as_any_event_whether_the_post_is_here_or_not(
    kind: list[list[str]], door: Door
) -> None:
    event, meaning = comment(["E", POST.id], *kind, key=5), table.meaning(RELAY, provision_peers=True)
    before, after = (decide(meaning, event, log, door=door) for log in (known(), LOG))
    assert (before.store, before.actions) == (after.store, after.actions) == (True, ())
    assert after.message.startswith("info: a comment on a post has the tag K = 11")


def test_the_author_of_a_comment_that_a_peer_brings_has_an_identity_whether_the_post_is_here_or_not() -> None:
    event, meaning = comment(*ROOT, key=5), table.meaning(RELAY, provision_peers=True)
    before, after = (decide(meaning, event, log, door=Door.PEER) for log in (known(), LOG))
    assert before == after
    assert after.actions


def test_a_comment_on_something_else_does_not_say_that_it_is_on_a_post() -> None:
    assert "needs the tag K = 30023" in refused(comment(["E", ARTICLE.id], ["K", "11"]), LOG)


@pytest.mark.parametrize("root", [NOTE.id, "f" * 64])
def test_a_note_takes_no_comments(root: str) -> None:
    assert refused(comment(["E", root], ["K", "1"]), LOG).startswith("invalid: a kind 1 note is answered by kind 1")


@pytest.mark.parametrize(
    "tags",
    [
        [["E", ARTICLE.id], ["K", "30023"]],
        [["A", "30023:x:y"], ["K", "30023"]],
        [["I", "https://a.example"], ["K", "web"]],
        [["E", "f" * 64], ["K", "1063"]],
        [],
    ],
)
def test_comments_on_other_things_are_events_like_others(tags: list[list[str]]) -> None:
    assert admit(comment(*tags, key=5, content=""), LOG).store


@pytest.mark.parametrize("content", ["", " \n\t", "\u200b"])
def test_a_comment_needs_text(content: str) -> None:
    assert refused(comment(*ROOT, content=content), LOG) == "invalid: a comment needs text"


def test_a_comment_for_a_group_on_a_post_of_none_is_refused() -> None:
    log = known(POST, OTHER, ABOVE, ELSEWHERE, NOTE, ARTICLE)
    log.groups["g"] = Group("g", POST.pubkey, 1)
    answer = "invalid: the post does not belong to that group; leave the h tag out"
    assert refused(comment(*ROOT, ["h", "g"]), log) == answer
