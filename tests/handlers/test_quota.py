"""How much knowledge a key may keep. Of the texts here, every line is a passage."""

import pytest

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import Door
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, FakeLog, decide, lines

MOST = 5


def article(size, name="relay", kind=30818, at=NOW, key=1):
    return make_event(key, kind, "\n".join("x" * size), [("d", name)], at)


def known(*live):
    found = FakeLog(*live)
    found.bound = {keypair(number).pubkey: "identity" for number in (1, 2)}
    return found


def refused(event, present, door=Door.CLIENT, most=MOST):
    meaning = table.meaning(RELAY, knowledge=frozenset([30818, 30023]), chunks_per_key=most, passages=lines)
    try:
        decide(meaning, event, present, NOW, door)
    except Reject as refusal:
        return str(refusal)
    return ""


def test_as_much_as_the_relay_keeps_is_taken_and_no_more():
    present = known(article(2, "a", at=NOW - 1), article(9, "b", key=2, at=NOW - 1))
    assert refused(article(3), present) == ""
    assert refused(article(4), present).startswith("restricted: this key would have 6 passages of knowledge")


@pytest.mark.parametrize("door", [Door.CLIENT, Door.HTTP, Door.PEER])
def test_it_holds_for_every_kind_of_knowledge_at_every_door(door):
    assert "keeps 5 for a key" in refused(article(6), known(), door)
    assert "keeps 5 for a key" in refused(article(6, kind=30023), known(), door)


def test_an_import_and_other_kinds_have_no_quota():
    assert refused(article(6), known(), Door.IMPORT) == ""
    assert refused(make_event(1, 1, "x\n" * 9), known()) == ""
    assert refused(article(6), known(), most=0) == ""


def test_a_new_version_takes_the_place_of_the_old_one():
    present = known(article(4, at=NOW - 1))
    assert refused(article(5), present) == ""
    assert refused(article(6), present) != ""


def test_who_has_too_much_may_have_less():
    present = known(article(9, at=NOW - 1))
    assert refused(article(8), present) == ""
    assert refused(article(1, "another"), present) != ""
