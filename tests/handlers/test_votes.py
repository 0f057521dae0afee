"""Votes: reactions (kind 7, NIP-25) on posts and comments."""

import pytest

from handlers import table
from relay.protocol import feed
from relay.protocol.admission import Door
from tests.factories import keypair, make_event
from tests.handlers.known import RELAY, admit, refused
from tests.handlers.test_comments import ABOVE, LOG, NOTE
from tests.handlers.test_posts import POST, by

touches = table.meaning(RELAY).touches


@pytest.mark.parametrize("content", ["+", "", "-"])
@pytest.mark.parametrize("target", [POST, ABOVE])
def test_a_vote_touches_what_its_author_says_of_the_target(content: str, target: object) -> None:
    vote = make_event(3, 7, content, [["e", target.id]])  # type: ignore[attr-defined]
    assert admit(vote, LOG).store
    assert touches(vote) == (("votes", target.id + keypair(3).pubkey),)  # type: ignore[attr-defined]


@pytest.mark.parametrize("target", [POST.id, ABOVE.id])
def test_a_vote_in_the_feed_needs_an_identity(target: str) -> None:
    vote = make_event(5, 7, "+", [["e", target]])
    assert refused(vote, LOG).startswith("restricted: this key has no posting identity")
    assert by(Door.PEER, vote, LOG) == ""


def test_the_target_is_the_last_e_tag() -> None:
    vote = make_event(5, 7, "+", [["e", POST.id], ["p", POST.pubkey], ["e", NOTE.id]])
    assert admit(vote, LOG).store
    assert feed.voted(vote) == NOTE.id


@pytest.mark.parametrize("content", ["🎉", ":soapbox:", "+1", " ", "--"])
def test_an_emoji_is_neither_up_nor_down(content: str) -> None:
    reaction = make_event(5, 7, content, [["e", POST.id]])
    assert admit(reaction, LOG).store
    assert touches(reaction) == ()


@pytest.mark.parametrize("tags", [[], [["e"]], [["e", "x"]], [["e", "f" * 64]], [["e", NOTE.id]], [["a", "x"]]])
def test_a_reaction_to_anything_else_is_an_event_like_others(tags: list[list[str]]) -> None:
    assert admit(make_event(5, 7, "+", tags), LOG).store
