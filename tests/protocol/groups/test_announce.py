"""What the relay tells of a group, tag by tag, and who may read it."""

import pytest

from relay.protocol.event import Draft
from relay.protocol.groups import announce, belonging
from relay.protocol.groups.announce import ADMINS, ANNOUNCED, MEMBERS, METADATA, PINS, ROLE_LIST
from relay.protocol.groups.state import Group, Member
from tests.factories import NOW
from tests.protocol.groups.hub import ALICE, BOB, CAROL, DAVE

GROUP = Group("g", ALICE, NOW)
PEOPLE = [
    (ALICE, Member("member", ("owner", "chef"), NOW)),
    (BOB, Member("member", ("gardener",), NOW)),
    (CAROL, Member("removed", ("admin",), NOW)),
    (DAVE, Member("member", ("moderator",), NOW)),
]


def told(kind: int, group: Group = GROUP) -> list[list[str]]:
    draft = announce.draft(kind, group, PEOPLE, NOW + 7)
    assert draft == Draft(kind, draft.tags, "", NOW + 7)
    assert draft.tags[0] == ["d", "g"]
    return draft.tags[1:]


def test_a_bare_group_has_no_fields() -> None:
    assert told(METADATA) == []


def test_all_fields_are_told_children_in_order_and_unknown_ones_carried_along() -> None:
    group = Group(
        "g",
        ALICE,
        NOW,
        "organization",
        "Pizza",
        "we love it",
        "p.png",
        "b.png",
        private=True,
        restricted=True,
        hidden=True,
        closed=True,
        livekit=True,
        supported_kinds=(9, 11),
        parent="food",
        children=("z", "a"),
        extra=(("t", "x"), ("t", "y", "z")),
    )
    assert told(METADATA, group) == [
        ["name", "Pizza"],
        ["about", "we love it"],
        ["picture", "p.png"],
        ["banner", "b.png"],
        ["private"],
        ["restricted"],
        ["hidden"],
        ["closed"],
        ["livekit"],
        ["supported_kinds", "9", "11"],
        ["parent", "food"],
        ["child", "z"],
        ["child", "a"],
        ["t", "x"],
        ["t", "y", "z"],
        ["type", "organization"],
    ]


def test_no_kinds_differ_from_all() -> None:
    assert told(METADATA, Group("g", ALICE, NOW, supported_kinds=())) == [["supported_kinds"]]


def test_a_picture_that_is_carried_whole_is_told_once() -> None:
    group = Group("g", ALICE, NOW, picture="p", extra=(("picture", "p", "dim 1x1"),))
    assert told(METADATA, group) == [["picture", "p", "dim 1x1"]]


def test_admins_are_those_with_a_privilege_with_all_their_roles() -> None:
    assert told(ADMINS) == [["p", ALICE, "owner", "chef"], ["p", DAVE, "moderator"]]


def test_members_are_told_without_roles() -> None:
    assert told(MEMBERS) == [["p", ALICE], ["p", BOB], ["p", DAVE]]


def test_each_role_with_privileges_is_told_with_what_it_may() -> None:
    assert [(tag[0], tag[1], len(tag[2]) > 20) for tag in told(ROLE_LIST)] == [
        ("role", "owner", True),
        ("role", "admin", True),
        ("role", "moderator", True),
    ]


def test_pins_in_their_order() -> None:
    group = Group("g", ALICE, NOW, pins=(("e", "b" * 64), ("a", f"30023:{BOB}:x"), ("e", "a" * 64)))
    assert told(PINS, group) == [["e", "b" * 64], ["a", f"30023:{BOB}:x"], ["e", "a" * 64]]
    assert told(PINS) == []


def test_nothing_else_is_told() -> None:
    with pytest.raises(KeyError, match="39004"):
        announce.draft(39004, GROUP, [], NOW)


@pytest.mark.parametrize(
    ("group", "closed"),
    [
        (GROUP, set()),
        (Group("g", ALICE, NOW, closed=True, restricted=True), set()),
        (Group("g", ALICE, NOW, private=True), {MEMBERS, PINS}),
        (Group("g", ALICE, NOW, hidden=True), set(ANNOUNCED)),
    ],
)
def test_who_reads_it(group: Group, closed: set[int]) -> None:
    for kind in ANNOUNCED:
        assert belonging.told(kind, group) == (("g:g",) if kind in closed else None)
        assert belonging.told(kind, Group("g", ALICE, NOW, ended=True)) == ()
