"""Votes: reactions (kind 7, NIP-25) on posts and comments."""

import pytest

from handlers import table
from relay.protocol import feed
from relay.protocol.admission import Door
from relay.protocol.event import Event
from tests.factories import keypair, make_event
from tests.handlers.known import RELAY, admit, decide, refused
from tests.handlers.test_comments import ABOVE, LOG, NOTE
from tests.handlers.test_posts import POST, by, known

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


@pytest.mark.parametrize("door", [Door.CLIENT, Door.PEER])
@pytest.mark.parametrize("target", [POST, ABOVE])
def test_where_a_vote_brings_an_identity_it_does_so_whether_what_it_is_on_is_here_or_not(
    target: Event, door: Door
) -> None:
    meaning = table.meaning(RELAY, provision=door is Door.CLIENT, provision_peers=True)
    vote = make_event(5, 7, "+", [["e", target.id], ["k", str(target.kind)]])
    logs = [known(), known(target), LOG]
    assert all(decide(meaning, vote, log, door=door).actions for log in logs)
    elsewhere = make_event(5, 7, "+", [["e", "f" * 64], ["k", "1"]])
    assert not decide(meaning, elsewhere, LOG, door=door).actions


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
