"""What a peer refused since it had not yet what it names: when it is offered again, and that nothing of it stays."""

import pickle

from relay.federation.early import Early
from relay.federation.verdicts import Fate, Verdict
from relay.protocol.event import Event, wire
from tests.factories import make_event

REFUSED = Verdict(Fate.REFUSED, "invalid: there is no such post")


def comment(post: Event, above: Event, content: str) -> Event:
    tags = [["E", post.id], ["K", "11"], ["P", post.pubkey], ["e", above.id], ["p", above.pubkey]]
    return make_event(kind=1111, content=content, tags=tags)


def test_nothing_stays_of_what_is_offered_again() -> None:
    """The keys that it names did, and the other ids, for as long as the session."""
    early, post = Early(), make_event(kind=11, content="the post")
    answered = comment(post, post, "one")
    for one in (answered, comment(post, answered, "two"), comment(post, answered, "three")):
        assert early.keep(one, wire(one), REFUSED)
    for one, words in ((answered, "blocked: no"), (post, REFUSED.words)):  # nothing that may come would help
        assert not early.keep(one, wire(one), Verdict(Fate.REFUSED, words))
    assert [one.id for one in early.taken(answered.id, wire(answered))] != []
    assert [one.id for one in early.taken(post.id, wire(post))] == [answered.id]
    assert pickle.dumps(early) == pickle.dumps(Early())


def test_what_is_named_twice_is_offered_once_in_the_order_in_which_it_was_kept() -> None:
    early, post = Early(), make_event(kind=11, content="the post")
    comments = [comment(post, post, str(number)) for number in range(3)]
    for one in comments:
        assert early.keep(one, wire(one), REFUSED)
    deletion = make_event(kind=5, tags=[["e", post.id], ["e", post.id]])
    assert [one.id for one in early.taken(deletion.id, wire(deletion))] == [one.id for one in comments]
    assert len(early) == 0


def test_who_vanishes_brings_back_what_names_them() -> None:
    early, post = Early(), make_event(1, kind=11, content="the post")
    one = comment(post, post, "one")
    assert early.keep(one, wire(one), REFUSED)
    for kind, key, found in ((1, 1, []), (62, 2, []), (62, 1, [one.id])):
        event = make_event(key, kind=kind, tags=[["relay", "ALL_RELAYS"]])
        assert [kept.id for kept in early.taken(event.id, wire(event))] == found
