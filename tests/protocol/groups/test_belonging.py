"""Which group an event belongs to, and who may read it there."""

import pytest

from relay.protocol import kinds
from relay.protocol.groups import belonging
from relay.protocol.groups.belonging import answered, audience
from relay.protocol.groups.state import Group
from tests.factories import keypair, make_event

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey
A, B, C, D = (char * 64 for char in "abcd")
PUBLIC = Group("room", ALICE, 1)
PRIVATE = Group("room", ALICE, 1, private=True)
HIDDEN = Group("room", ALICE, 1, hidden=True)
ENDED = Group("room", ALICE, 1, private=True, ended=True)


def test_what_answers_inherits_from_its_root_then_from_what_it_answers() -> None:
    tags = [["e", A], ["E", B], ["e", C], ["e", D], ["E", A]]
    assert answered(make_event(1, kinds.COMMENT, tags=tags)) == (B, A, D)
    assert answered(make_event(1, kinds.REACTION, tags=[["e", A]])) == (A,)


@pytest.mark.parametrize(
    "event",
    [
        make_event(1, kinds.REACTION, tags=[["e", A], ["h", "other"]]),
        make_event(1, kinds.NOTE, tags=[["e", A]]),
        make_event(1, kinds.REACTION, tags=[["e"], ["e", "no id"], ["E"]]),
    ],
    ids=["names a group itself", "does not answer", "names nothing"],
)
def test_others_inherit_from_nothing(event: object) -> None:
    assert answered(event) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "tags", "group", "expected"),
    [
        (9, [], PUBLIC, None),
        (9, [], PRIVATE, ("g:room",)),
        (9, [], ENDED, ()),
        (belonging.PUT_USER, [["p", BOB], ["p", "g:other"]], PRIVATE, ("g:room", BOB)),
        (belonging.REMOVE_USER, [["p", BOB]], PUBLIC, None),
        (belonging.LEAVE_REQUEST, [], PRIVATE, ("g:room", ALICE)),
        (belonging.CREATE_INVITE, [["code", "x"]], PUBLIC, ("m:room", ALICE)),
        (belonging.JOIN_REQUEST, [["code", "x"]], PRIVATE, ("m:room", ALICE)),
        (belonging.JOIN_REQUEST, [], PRIVATE, ("g:room",)),
        (belonging.DELETE_GROUP, [], ENDED, ("g:room",)),
        (belonging.CREATE_INVITE, [], ENDED, ()),
        (belonging.EDIT_METADATA, [], PUBLIC, None),
        (belonging.EDIT_METADATA, [], HIDDEN, ("g:room", ALICE)),
        (belonging.CREATE_GROUP, [], HIDDEN, ("g:room", ALICE)),
        (9, [], HIDDEN, None),
    ],
)
def test_who_may_read_follows_the_group(
    kind: int, tags: list[list[str]], group: Group, expected: tuple[str, ...] | None
) -> None:
    assert audience(make_event(1, kind, tags=tags), group) == expected
