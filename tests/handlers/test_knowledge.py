"""Articles (NIP-54): who may write them and what they need."""

import pytest

from handlers import table
from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import FakeLog, decide

RELAY = "wss://relay.example"


def bound(*live):
    known = FakeLog(*live)
    known.bound[keypair(1).pubkey] = "identity"
    return known


def article(content="Text", tags=(("d", "relay"),), key=1):
    return make_event(key, 30818, content, tags)


def admit(event, door=Door.CLIENT, known=None):
    return decide(table.meaning(RELAY), event, known or bound(), NOW, door)


def test_an_identity_writes_an_article():
    admission = admit(article())
    assert (admission.store, admission.audience, admission.replaces) == (True, None, None)


def test_a_newer_version_replaces_the_one_that_is_here():
    older = make_event(1, 30818, "Old", [("d", "relay")], NOW - 1)
    assert admit(article(), known=bound(older)).replaces == older.id


def test_a_key_without_an_identity_is_told_how_to_get_one():
    with pytest.raises(Reject, match="register") as caught:
        admit(article(key=2))
    assert caught.value.prefix is Prefix.RESTRICTED


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (article(tags=()), "d tag"),
        (article(tags=[("d", "")]), "d tag"),
        (article(content=" \n"), "text"),
        (article(content="a\x00b"), "NUL"),
        (article(tags=[("d", "relay"), ("h", "group")]), "group"),
    ],
)
def test_what_no_reader_could_use_is_invalid(event, reason):
    with pytest.raises(Reject, match=reason) as caught:
        admit(event)
    assert caught.value.prefix is Prefix.INVALID


@pytest.mark.parametrize("door", [Door.PEER, Door.IMPORT])
def test_what_peers_and_imports_bring_is_kept_as_it_is(door):
    assert admit(article(content="", tags=(), key=2), door).store


def test_only_kinds_that_are_searched_touch_passages():
    searching = table.meaning(RELAY, searched=frozenset([1, 30818]))
    note = make_event(1, 1, "note")
    assert searching.touches(note) == (("passages", note.id),)
    assert searching.touches(make_event(1, 6, "{}")) == ()
    assert table.meaning(RELAY).touches(note) == ()
