"""Every rule of groups, one after the other: what is refused and in which words, and what changes."""

import msgspec
import pytest

from relay.protocol.admission import GROUP_MODERATOR, RemoveAddress, RemoveEdits, RemoveEvent
from relay.protocol.groups.decide import MAX_SKEW
from relay.protocol.groups.state import Group, Invite, Member
from relay.protocol.relay import GroupRules
from tests.protocol.groups.hub import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ERIN,
    NOW,
    OPERATOR,
    OWN,
    ROOM,
    GroupHub,
    said,
)

A, B = "a" * 64, "b" * 64


def room(*flags: str, rules: GroupRules | None = None) -> GroupHub:
    """ALICE owns the group, BOB is admin, CAROL moderator, DAVE a member; ERIN is none of it."""
    hub = GroupHub(rules)
    fill(hub, ROOM)
    if flags:
        assert hub.send(said(ALICE, 9002, *[[flag] for flag in flags])) == ""
    return hub


def fill(hub: GroupHub, group: str) -> None:
    assert hub.send(said(ALICE, 9007, group=group)) == ""
    assert hub.send(said(ALICE, 9000, ["p", BOB, "admin"], ["p", CAROL, "moderator"], ["p", DAVE], group=group)) == ""


# any of them


@pytest.mark.parametrize("kind", [9000, 9001, 9002, 9005, 9008, 9009, 9010, 9021, 9022])
def test_a_group_must_be_named_known_and_live(kind: int) -> None:
    hub = room()
    assert hub.send(said(ALICE, kind, group=None)) == "invalid: missing group (`h`) tag"
    assert hub.send(said(ALICE, kind, group="x")) == "invalid: there is no group 'x' on this relay"
    assert hub.send(said(ALICE, 9008)) == ""
    assert hub.send(said(ALICE, kind, ["p", DAVE])) == "invalid: the group 'room' was deleted"


@pytest.mark.parametrize("kind", [9000, 9001, 9002, 9005, 9007, 9008, 9009, 9010, 9021, 9022])
@pytest.mark.parametrize("off", [-1, 1])
def test_the_clock_may_be_ten_minutes_off(kind: int, off: int) -> None:
    hub = room()
    late = hub.send(said(ALICE, kind, at=NOW + off * (MAX_SKEW + 1)))
    assert late == "invalid: created_at is more than 10 minutes from now; check the clock"
    assert not hub.send(said(ALICE, kind, at=NOW + off * MAX_SKEW)).startswith("invalid: created_at")


@pytest.mark.parametrize("kind", [9000, 9001, 9002, 9005, 9007, 9008, 9010, 9021, 9022])
def test_nothing_of_a_groups_history_expires(kind: int) -> None:
    assert room().send(said(ALICE, kind, ["expiration", str(NOW + 9)])).startswith("invalid: what moderates a group")


@pytest.mark.parametrize("kind", [9003, 9004, 9006, 9011, 9020])
def test_other_kinds_moderate_nothing(kind: int) -> None:
    assert room().send(said(ALICE, kind)).startswith(f"invalid: this relay knows no moderation event of kind {kind}")


@pytest.mark.parametrize("kind", [9000, 9001, 9002, 9005, 9008, 9009, 9010])
def test_strangers_and_plain_members_moderate_nothing(kind: int) -> None:
    hub = room()
    for key in (DAVE, ERIN):
        assert hub.send(said(key, kind, ["p", BOB], ["code", "x"])).startswith("restricted: only an owner")


@pytest.mark.parametrize(
    ("tag", "answer"),
    [
        (["previous"], ""),
        (["previous", "0" * 8], "invalid: previous: no event of this group begins with 00000000 (NIP-29)"),
        (["previous", ""], "invalid: a previous tag holds the first 8 hex digits of ids, and '' is none"),
        (
            ["previous", "ABCDEF01"],
            "invalid: a previous tag holds the first 8 hex digits of ids, and 'ABCDEF01' is none",
        ),
        (["previous", *(f"{n:08x}" for n in range(51))], "invalid: an event refers to at most 50 previous ones"),
    ],
)
def test_references_to_what_is_not_here_are_refused(tag: list[str], answer: str) -> None:
    assert room().send(said(ALICE, 9010, tag)) == answer


def test_references_are_to_events_of_the_same_group() -> None:
    hub = room()
    fill(hub, "other")
    here, there = (next(one.id for one in hub.log if one.tags[0][1] == group) for group in (ROOM, "other"))
    assert hub.send(said(ALICE, 9010, ["previous", here[:8], here])) == ""
    assert hub.send(said(ALICE, 9010, ["previous", here[:8], there[:8]])).startswith("invalid: previous: no event")


def test_an_event_is_not_played_twice() -> None:
    hub = room()
    add = said(ALICE, 9000, ["p", ERIN])
    assert hub.send(add) == ""
    assert hub.send(said(ALICE, 9001, ["p", ERIN])) == ""
    assert hub.send(add) == "duplicate: of this id"
    assert not hub.is_member(ERIN)


def test_of_two_admins_at_once_the_second_meets_what_the_first_has_left() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9000, ["p", BOB, "owner"])) == ""
    assert hub.send(said(ALICE, 9001, ["p", BOB])) == ""
    assert hub.send(said(BOB, 9001, ["p", ALICE])).startswith("restricted: only an owner")


@pytest.mark.parametrize("key", [OWN, OPERATOR])
def test_the_relay_and_its_operators_may_do_everything(key: str) -> None:
    hub = room()
    for event in (
        said(key, 9000, ["p", ERIN, "owner"]),
        said(key, 9001, ["p", ALICE]),
        said(key, 9002, ["name", "n"]),
        said(key, 9009, ["code", "c"]),
        said(key, 9010, ["e", A]),
        said(key, 9008),
    ):
        assert hub.send(event) == ""


# 9007


def test_whoever_begins_a_group_owns_it() -> None:
    hub = GroupHub()
    decision = hub.decide(said(ALICE, 9007))
    assert [(draft.kind, draft.tags[:2]) for draft in decision.emits] == [(9000, [["h", ROOM], ["p", ALICE, "owner"]])]
    assert hub.send(said(ALICE, 9007)) == ""
    assert hub.groups[ROOM] == Group(ROOM, ALICE, NOW)
    assert hub.member(ALICE) == Member("member", ("owner",), NOW)


def test_a_group_begins_with_the_fields_that_come_along() -> None:
    hub = GroupHub()
    tags = [
        ["name", "Pizza"],
        ["about", "x"],
        ["private"],
        ["closed", "yes"],
        ["public"],
        ["child", "c"],
        ["t", "food"],
    ]
    assert hub.send(said(ALICE, 9007, *tags)) == ""
    expected = Group(ROOM, ALICE, NOW, name="Pizza", about="x", private=True, closed=True, extra=(("t", "food"),))
    assert hub.groups[ROOM] == expected
    assert [one.kind for one in hub.log] == [9007, 9000, 9002]


def test_a_project_is_private_hidden_and_closed_unless_asked_otherwise() -> None:
    hub = GroupHub()
    assert hub.send(said(ALICE, 9007, ["type", "project"])) == ""
    assert hub.send(said(ALICE, 9007, ["type", "project"], ["public"], ["open"], group="q")) == ""
    first, second = hub.groups[ROOM], hub.groups["q"]
    assert (first.type, first.private, first.hidden, first.closed, first.restricted) == (
        "project",
        True,
        True,
        True,
        False,
    )
    assert (second.private, second.hidden, second.closed) == (False, True, False)


@pytest.mark.parametrize("wanted", ["thread", "project", "organization"])
def test_the_type_of_a_group_stays(wanted: str) -> None:
    hub = GroupHub()
    assert hub.send(said(ALICE, 9007, ["type", wanted])) == ""
    assert hub.send(said(ALICE, 9002, ["type", "organization"], ["name", "n"])) == ""
    assert hub.groups[ROOM].type == wanted


def test_an_unknown_type_is_refused() -> None:
    answer = GroupHub().send(said(ALICE, 9007, ["type", "club"]))
    assert answer == "invalid: the type of a group is one of thread, project, organization (kind 9007)"


def test_an_id_is_given_out_once() -> None:
    hub = room()
    assert hub.send(said(ERIN, 9007)) == "duplicate: there is already a group with this id"
    assert hub.send(said(ALICE, 9007, ["name", "again"])).startswith("duplicate: there is already")
    assert hub.send(said(ALICE, 9008)) == ""
    for key in (ALICE, OPERATOR):
        again = hub.send(said(key, 9007, at=NOW + 1))
        assert again == "restricted: a group of this id was deleted, and no other one gets the id"


@pytest.mark.parametrize("group", [".", ".."])
def test_an_id_can_stand_in_a_path(group: str) -> None:
    assert GroupHub().send(said(ALICE, 9007, group=group)).startswith("invalid: a group is not called")


@pytest.mark.parametrize("group", ["", "a b", "a\nb", "a\x00", "\u200b", "x" * 129])
def test_an_id_is_visible_and_bounded(group: str) -> None:
    hub = GroupHub()
    assert hub.send(said(ALICE, 9007, group=group)).startswith("invalid: the id of a group has 1 to 128 visible")
    assert hub.groups == {}


@pytest.mark.parametrize("group", ["a", "x" * 128, "f" * 64, "Ünïcode", "a'b.c-d_e"])
def test_what_an_id_may_be(group: str) -> None:
    assert GroupHub().send(said(ALICE, 9007, group=group)) == ""


def test_the_group_of_the_whole_relay_is_the_operators() -> None:
    hub = GroupHub()
    assert hub.send(said(ALICE, 9007, group="_")).startswith("restricted: the group '_' is the relay as a whole")
    assert hub.send(said(OPERATOR, 9007, group="_")) == ""


@pytest.mark.parametrize(
    ("create", "allowed"),
    [
        ("anyone", {ALICE, BOB, CAROL, OPERATOR, OWN}),
        ("identities", {BOB, OPERATOR, OWN}),
        ("members", {CAROL, OPERATOR, OWN}),
        ("operators", {OPERATOR, OWN}),
    ],
)
def test_who_may_begin_groups(create: str, allowed: set[str]) -> None:
    hub = GroupHub(GroupRules(frozenset([OPERATOR]), create))  # type: ignore[arg-type]
    hub.bound = {BOB}
    assert hub.send(said(OPERATOR, 9007, group="_")) == ""
    assert hub.send(said(OPERATOR, 9000, ["p", CAROL], group="_")) == ""
    for key in (ALICE, BOB, CAROL, OPERATOR, OWN):
        answer = hub.send(said(key, 9007, group=key[:8]))
        assert (answer == "") is (key in allowed)
        assert answer == "" or answer.startswith("restricted: only ")


def test_how_many_groups_there_may_be() -> None:
    hub = GroupHub(GroupRules(frozenset([OPERATOR]), per_key=2, most=4))
    assert [hub.send(said(ALICE, 9007, group=group)) for group in "ab"] == ["", ""]
    answer = hub.send(said(ALICE, 9007, group="c"))
    assert answer == "restricted: this key began 2 groups, which is the limit for one; delete one first (kind 9008)"
    assert [hub.send(said(OPERATOR, 9007, group=group)) for group in "cd"] == ["", ""]
    assert hub.send(said(BOB, 9007, group="e")) == "restricted: this relay has 4 groups, which is its limit"
    assert hub.send(said(ALICE, 9008, group="a")) == ""
    assert hub.send(said(ALICE, 9007, group="e")) == ""


def test_without_a_key_of_its_own_a_relay_has_no_groups() -> None:
    assert GroupHub(relay="").send(said(ALICE, 9007)).startswith("error: this relay has no key")


# 9000 and 9001


@pytest.mark.parametrize(
    ("author", "target", "roles", "allowed"),
    [
        (ALICE, ERIN, [], True),
        (ALICE, ERIN, ["owner"], True),
        (ALICE, BOB, ["owner", "gardener"], True),
        (ALICE, BOB, [], True),
        (ALICE, ALICE, ["admin"], False),  # the last owner
        (BOB, ERIN, ["moderator"], True),
        (BOB, ERIN, ["admin"], False),
        (BOB, DAVE, ["owner"], False),
        (BOB, ALICE, ["owner", "label"], False),
        (BOB, CAROL, [], True),
        (BOB, BOB, ["moderator"], True),  # gives up a role
        (BOB, BOB, ["admin", "owner"], False),
        (CAROL, ERIN, [], True),
        (CAROL, ERIN, ["gardener"], True),
        (CAROL, ERIN, ["moderator"], False),
        (CAROL, BOB, ["admin", "x"], False),
        (CAROL, CAROL, [], True),
        (OPERATOR, ERIN, ["owner"], True),
        (OPERATOR, ALICE, [], False),  # the last owner
    ],
)
def test_who_gives_and_takes_which_role(author: str, target: str, roles: list[str], allowed: bool) -> None:
    hub = room()
    before = hub.member(target)
    answer = hub.send(said(author, 9000, ["p", target, *roles]))
    assert answer == "" if allowed else answer.startswith("restricted:")
    assert hub.member(target) == (Member("member", tuple(roles), NOW) if allowed else before)


@pytest.mark.parametrize(
    ("author", "target", "allowed"),
    [
        (ALICE, BOB, True),
        (ALICE, ALICE, False),  # the last owner
        (BOB, ALICE, False),
        (BOB, CAROL, True),
        (BOB, BOB, True),
        (CAROL, ALICE, False),
        (CAROL, BOB, False),
        (CAROL, DAVE, True),
        (DAVE, CAROL, False),
        (DAVE, DAVE, True),
        (OPERATOR, BOB, True),
        (OPERATOR, ALICE, False),
    ],
)
def test_who_removes_whom(author: str, target: str, allowed: bool) -> None:
    hub = room()
    answer = hub.send(said(author, 9001, ["p", target]))
    assert answer == "" if allowed else answer.startswith("restricted:")
    assert hub.is_member(target) is not allowed
    if allowed:
        assert hub.member(target) == Member("left" if author == target else "removed", (), NOW)


def test_of_two_owners_one_may_go_but_not_both_at_once() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9000, ["p", BOB, "owner"])) == ""
    both = hub.send(said(ALICE, 9001, ["p", ALICE], ["p", BOB]))
    assert both.startswith("restricted: the last owner of a group cannot be removed: make somebody else owner first")
    assert hub.send(said(ALICE, 9000, ["p", ALICE], ["p", BOB])).startswith("restricted: this is the last owner")
    assert hub.send(said(ALICE, 9000, ["p", ALICE], ["p", BOB], ["p", ERIN, "owner"])) == ""
    assert hub.members_of()[-1] == (ERIN, Member("member", ("owner",), NOW))


@pytest.mark.parametrize(
    ("tags", "answer"),
    [
        ([], "invalid: kind 9000 needs a p tag with the user's public key"),
        ([["p"]], "invalid: a p tag holds a public key as 64 lower-case hex digits, and '' is none"),
        ([["p", ERIN], ["p", ERIN.upper()]], "invalid: a p tag holds a public key"),
        ([["p", ERIN], ["p", ERIN, "x"]], "invalid: a user is named once"),
        ([["p", f"{n:064x}"] for n in range(201)], "invalid: at most 200 users are named at once"),
        ([["p", ERIN, *map(str, range(21))]], "invalid: a user has at most 20 roles"),
        ([["p", ERIN, "x" * 65]], "invalid: a user has at most 20 roles, of at most 64 characters"),
        ([["p", ERIN, "a\nb"]], "invalid: a user has at most 20 roles"),
    ],
)
def test_whom_a_9000_cannot_name(tags: list[list[str]], answer: str) -> None:
    assert room().send(said(ALICE, 9000, *tags)).startswith(answer)


def test_blank_and_repeated_roles_are_nothing() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9000, ["p", ERIN, "", "x", "x"])) == ""
    assert hub.member(ERIN) == Member("member", ("x",), NOW)


def test_who_cannot_be_removed() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9001, ["p", ERIN])) == f"invalid: {ERIN} is no member of this group"
    assert hub.send(said(DAVE, 9022)) == ""
    assert hub.send(said(DAVE, 9001, ["p", DAVE])).startswith("duplicate:")
    assert hub.send(said(ALICE, 9001, ["p", DAVE])) == ""  # who has left is barred
    assert hub.member(DAVE) == Member("removed", (), NOW)
    assert hub.send(said(ALICE, 9001, ["p", DAVE], at=NOW + 1)).startswith("duplicate:")


def test_one_wrong_target_lets_none_through() -> None:
    hub = room()
    assert hub.send(said(CAROL, 9001, ["p", DAVE], ["p", BOB])).startswith("restricted:")
    assert hub.is_member(DAVE)


def test_a_group_has_room_for_so_many() -> None:
    hub = room(rules=GroupRules(members=5))
    assert (
        hub.send(said(ALICE, 9000, ["p", ERIN], ["p", A])) == "restricted: this group is full: it has at most 5 members"
    )
    assert hub.send(said(ALICE, 9000, ["p", ERIN], ["p", DAVE, "x"])) == ""
    assert hub.send(said(A, 9021)).startswith("restricted: this group is full")
    assert hub.send(said(ALICE, 9002, ["closed"])) == ""
    assert invited(hub) == ""
    assert join(hub, 1).startswith("restricted: this group is full")
    assert hub.send(said(ALICE, 9001, ["p", DAVE])) == ""
    assert join(hub, 1) == ""  # the code was not used up


# 9002


def test_an_edit_replaces_all_fields() -> None:
    hub = room()
    first = [
        ["name", "a"],
        ["about", "b\nc"],
        ["picture", "p"],
        ["banner", "q"],
        ["livekit"],
        ["supported_kinds", "9", "11", "9"],
    ]
    assert hub.send(said(BOB, 9002, *first, ["restricted"], ["hidden"], ["x", "y", "z"])) == ""
    group = hub.groups[ROOM]
    assert (group.name, group.about, group.picture, group.banner) == ("a", "b\nc", "p", "q")
    assert (group.private, group.restricted, group.hidden, group.closed, group.livekit) == (
        False,
        True,
        True,
        False,
        True,
    )
    assert (group.supported_kinds, group.extra) == ((9, 11), (("x", "y", "z"),))
    assert hub.send(said(BOB, 9002, ["supported_kinds"], ["closed"])) == ""
    assert hub.groups[ROOM] == Group(ROOM, ALICE, NOW, closed=True, supported_kinds=())
    assert hub.send(said(BOB, 9002)) == ""
    assert hub.groups[ROOM] == Group(ROOM, ALICE, NOW)


def test_flags_are_set_by_presence_and_antonyms_say_nothing() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9002, ["private", "false"], ["public"], ["open"], ["visible"])) == ""
    assert hub.groups[ROOM] == Group(ROOM, ALICE, NOW, private=True)


def test_what_is_about_the_event_is_not_carried_along() -> None:
    hub = room()
    about = [
        ["previous"],
        ["-"],
        ["client", "x"],
        ["nonce", "1", "2"],
        ["d", "x"],
        ["e", A],
        ["p", BOB],
        ["custody", OWN],
    ]
    assert hub.send(said(ALICE, 9002, *about)) == ""
    assert hub.groups[ROOM] == Group(ROOM, ALICE, NOW)


def test_a_picture_with_more_behind_it_is_carried_whole() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9002, ["picture", "p", "dim 1x1"])) == ""
    group = hub.groups[ROOM]
    assert (group.picture, group.extra) == ("p", (("picture", "p", "dim 1x1"),))


@pytest.mark.parametrize(
    ("tags", "answer"),
    [
        ([["name", "x" * 201]], "invalid: the name of a group has at most 200 characters"),
        ([["name", "a\nb"]], "invalid: the name of a group holds no control characters"),
        ([["about", "a\x00b"]], "invalid: the about of a group holds no control characters"),
        ([["about", "x" * 10_001]], "invalid: the about of a group has at most 10,000 characters"),
        ([["picture", "x" * 2_001]], "invalid: the picture of a group has at most 2,000 characters"),
        ([["supported_kinds", "nine"]], "invalid: supported_kinds names kinds by their numbers, and 'nine' is none"),
        ([["supported_kinds", "65536"]], "invalid: supported_kinds names kinds"),
        ([["supported_kinds", "٩"]], "invalid: supported_kinds names kinds"),
        ([["supported_kinds", *map(str, range(501))]], "invalid: supported_kinds names at most 500 kinds"),
        ([["x", str(n)] for n in range(101)], "invalid: a group carries at most 100 tags"),
        (
            [["x", "y" * 8_192]],
            "invalid: a group carries at most 100 tags that this relay does not know, 8,192 characters",
        ),
        ([["parent", "a"], ["parent", "b"]], "invalid: a group has at most one parent"),
    ],
)
def test_what_an_edit_cannot_say(tags: list[list[str]], answer: str) -> None:
    for kind, group in ((9002, ROOM), (9007, "new")):
        assert room().send(said(ALICE, kind, *tags, group=group)).startswith(answer)


# subgroups


def tree(hub: GroupHub, *links: str) -> GroupHub:
    """Groups of ALICE: `ab` puts b under a."""
    for name in dict.fromkeys("".join(links)):
        assert hub.send(said(ALICE, 9007, group=name)) == ""
    for parent, child in links:
        assert hub.send(said(ALICE, 9002, ["parent", parent], *children(hub, child), group=child)) == ""
    return hub


def children(hub: GroupHub, group: str) -> list[list[str]]:
    return [["child", one] for one in hub.groups[group].children]


BLANK = ["name", " \u3164\u200b"]
UNSEEN = "invalid: the name of a group has at least one character that is seen; without a name it is called by its id"


def test_a_name_of_which_nobody_sees_anything_is_refused() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9002, BLANK)) == UNSEEN
    assert hub.send(said(OPERATOR, 9007, BLANK, group="x")) == UNSEEN
    for name in (["name", "\u3164 a"], ["name", ""], ["name"]):
        assert hub.send(said(ALICE, 9002, name)) == ""


def test_a_name_that_came_by_an_import_stays_until_it_is_changed() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9002, BLANK), trusted=True) == ""
    assert hub.send(said(ALICE, 9002, BLANK, ["about", "of it"])) == ""
    assert (hub.groups[ROOM].name, hub.groups[ROOM].about) == (BLANK[1], "of it")
    assert hub.send(said(ALICE, 9002, ["name", "\u200b"])) == UNSEEN


TURNED = "Tides\u202etxt.exe"


@pytest.mark.parametrize("text", [TURNED, "Ti\u200bdes", "\u2066Tides", "Ti\u00addes", "Tides\ufeff"])
@pytest.mark.parametrize("field", ["name", "about"])
def test_what_hides_or_turns_is_in_no_text_of_a_group(field: str, text: str) -> None:
    hub = room()
    for event in (said(ALICE, 9002, [field, text]), said(OPERATOR, 9007, [field, text], group="x")):
        assert hub.send(event).startswith(
            f"invalid: the {field} of a group has no hidden or directional characters, and U+"
        )
    for given in ("نویسه\u200cها", "👩\u200d🚀", "ليلى"):  # joiners are needed
        assert hub.send(said(ALICE, 9002, [field, given])) == ""
    assert hub.send(said(ALICE, 9002, ["about", "one\r\n\ttwo"])) == ""


def test_texts_that_came_by_an_import_stay_as_they_are_until_they_are_changed() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9002, ["name", TURNED], ["about", TURNED]), trusted=True) == ""
    assert hub.send(said(ALICE, 9002, ["name", TURNED], ["about", TURNED], ["closed"])) == ""
    assert hub.send(said(ALICE, 9002, ["name", TURNED + "."], ["about", TURNED])).startswith("invalid: the name")


def test_what_hides_or_turns_is_in_no_role() -> None:
    hub = room()
    refused = hub.send(said(ALICE, 9000, ["p", BOB, "mod\u202eerator"]))
    assert refused == (
        "invalid: a role's name has no hidden or directional characters, and U+202E RIGHT-TO-LEFT OVERRIDE is one; leave it out"
    )
    assert hub.send(said(ALICE, 9000, ["p", BOB, "mod\u202eerator"]), trusted=True) == ""
    assert hub.send(said(ALICE, 9000, ["p", BOB, "mod\u202eerator", "keeper"])) == ""


def test_a_parent_lists_its_children_in_the_order_in_which_they_came() -> None:
    hub = tree(GroupHub(), "ab", "ac", "ad")
    assert hub.groups["a"].children == ("b", "c", "d")
    assert hub.groups["c"].parent == "a"
    assert hub.send(said(ALICE, 9007, ["parent", "a"], ["name", "new"], group="e")) == ""
    assert hub.groups["a"].children == ("b", "c", "d", "e")
    assert (hub.groups["e"].parent, hub.groups["e"].name) == ("a", "new")


def test_an_edit_that_omits_a_child_is_refused_by_its_name() -> None:
    hub = tree(GroupHub(), "ab", "ac")
    answer = hub.send(said(ALICE, 9002, ["name", "x"], ["child", "c"], group="a"))
    assert answer == "invalid: an edit lists all subgroups in child tags, and 'b' is missing (NIP-29)"
    assert hub.send(said(ALICE, 9002, group="a")).startswith(
        "invalid: an edit lists all subgroups in child tags, and 'b', 'c' is"
    )
    assert (
        hub.send(said(ALICE, 9002, ["child", "c"], ["child", "none"], ["child", "b"], ["child", "c"], group="a")) == ""
    )
    assert hub.groups["a"].children == ("c", "b")


def test_a_group_moves_from_parent_to_parent_and_to_the_root() -> None:
    hub = tree(GroupHub(), "ab", "ac", "xb")
    assert [hub.groups[one].children for one in "ax"] == [("c",), ("b",)]
    assert hub.send(said(ALICE, 9002, ["parent", "x"], ["name", "still"], group="b")) == ""
    assert (hub.groups["b"].parent, hub.groups["x"].children) == ("x", ("b",))
    assert hub.send(said(ALICE, 9002, group="b")) == ""
    assert (hub.groups["b"].parent, hub.groups["x"].children) == (None, ())
    assert hub.send(said(ALICE, 9002, ["parent", ""], group="c")) == ""
    assert hub.groups["a"].children == ()


@pytest.mark.parametrize(
    ("links", "group", "parent", "answer"),
    [
        ([], ROOM, ROOM, "invalid: a group cannot be its own parent"),
        ([], ROOM, "none", "invalid: the parent 'none' is no group of this relay"),
        (["ab"], "a", "b", "invalid: a group cannot be put under one of its own subgroups"),
        (["ab", "bc"], "a", "c", "invalid: a group cannot be put under one of its own subgroups"),
        (["ab", "bc", "cd"], "a", "d", "invalid: a group cannot be put under one of its own subgroups"),
        (["ab", "bc", "cd"], ROOM, "d", "invalid: groups stand at most 4 levels deep"),
        (["ab", "bc", "xy"], "x", "c", "invalid: groups stand at most 4 levels deep, and this one has subgroups"),
        (["xy", "yz"], "x", ROOM, "invalid: a group whose subgroups have subgroups cannot be put under another one"),
    ],
)
def test_where_a_group_cannot_be_put(links: list[str], group: str, parent: str, answer: str) -> None:
    hub = tree(room(), *links)
    before = dict(hub.groups)
    assert hub.send(said(ALICE, 9002, ["parent", parent], *children(hub, group), group=group)).startswith(answer)
    assert hub.groups == before


def test_a_subtree_goes_where_it_fits() -> None:
    hub = tree(GroupHub(), "ab", "xy", "bx")
    assert hub.groups["b"].children == ("x",)
    assert hub.groups["x"].parent == "b"


def test_only_an_admin_of_the_parent_too_puts_a_group_there() -> None:
    hub = room()
    assert hub.send(said(ERIN, 9007, group="own")) == ""
    refused = "restricted: only an admin of the parent 'room' puts groups under it"
    assert hub.send(said(ERIN, 9002, ["parent", ROOM], group="own")) == refused
    assert hub.send(said(CAROL, 9007, ["parent", ROOM], group="carol's")) == refused
    assert hub.send(said(ALICE, 9000, ["p", ERIN, "admin"])) == ""
    assert hub.send(said(ERIN, 9002, ["parent", ROOM], group="own")) == ""
    assert hub.send(said(ALICE, 9001, ["p", ERIN])) == ""
    assert hub.send(said(ERIN, 9002, ["parent", ROOM], ["name", "n"], group="own")) == refused
    assert hub.send(said(OPERATOR, 9002, ["parent", ROOM], ["name", "n"], group="own")) == ""


def test_an_ended_group_is_no_parent_and_leaves_roots() -> None:
    hub = tree(GroupHub(), "ab", "bc", "bd")
    assert hub.send(said(ALICE, 9008, group="b")) == ""
    assert (hub.groups["c"].parent, hub.groups["d"].parent, hub.groups["a"].children) == (None, None, ())
    assert hub.groups["b"].ended
    answer = hub.send(said(ALICE, 9002, ["parent", "b"], ["name", "c"], group="c"))
    assert answer == "invalid: the parent 'b' is no group of this relay"


def test_a_group_has_so_many_children() -> None:
    hub = tree(GroupHub(GroupRules(children=2)), "ab", "ac")
    answer = hub.send(said(ALICE, 9007, ["parent", "a"], group="d"))
    assert answer == "restricted: the parent 'a' has 2 subgroups, which is the limit"
    assert hub.send(said(ALICE, 9002, ["parent", "a"], ["name", "x"], group="c")) == ""  # it is there already


# 9005


def message(hub: GroupHub, author: str, kind: int = 9, *tags: list[str], group: str | None = ROOM) -> str:
    event = said(author, kind, *tags, group=group, text="hello")
    hub.live[event.id] = event
    return event.id


@pytest.mark.parametrize(
    ("author", "allowed"), [(ALICE, True), (BOB, True), (CAROL, True), (DAVE, False), (ERIN, False)]
)
def test_who_deletes_messages(author: str, allowed: bool) -> None:
    hub = room()
    target = message(hub, ALICE)
    answer = hub.send(said(author, 9005, ["e", target]))
    assert answer == "" if allowed else answer.startswith("restricted: only an owner, admin or moderator of this group")
    assert (target in hub.live) is not allowed


@pytest.mark.parametrize(
    ("author", "record", "agent"), [(ALICE, True, True), (BOB, True, False), (CAROL, False, False)]
)
def test_who_may_not_write_records_and_agents_does_not_delete_those_of_others(
    author: str, record: bool, agent: bool
) -> None:
    hub = room()
    hub.groups[ROOM] = msgspec.structs.replace(hub.groups[ROOM], type="organization")
    for name, allowed in ((ROOM, record), ("agent:pilot", agent), ("other", True)):
        target = message(hub, ALICE, 30078, ["d", name])
        answer = hub.send(said(author, 9005, ["e", target]))
        assert answer == "" if allowed else answer.startswith("restricted: only ")
        assert (target in hub.live) is not allowed


def test_what_a_moderator_removes_stays_away() -> None:
    hub = room()
    post, article = message(hub, DAVE, 11), message(hub, DAVE, 30023, ["d", "x"])
    decision = hub.decide(said(CAROL, 9005, ["e", post], ["e", article], ["e", post]))
    assert decision.removals == (
        RemoveEdits((post,), DAVE),
        RemoveEvent(post, GROUP_MODERATOR),
        RemoveAddress(f"30023:{DAVE}:x", NOW, article),
        RemoveEvent(article, GROUP_MODERATOR),
    )


def test_what_has_inherited_the_group_is_its_moderators_too() -> None:
    hub = room()
    comment = message(hub, ERIN, 1111, ["E", message(hub, DAVE, 11)], group=None)
    assert hub.send(said(CAROL, 9005, ["e", comment])) == ""


def test_what_cannot_be_deleted() -> None:
    hub = room()
    fill(hub, "other")
    elsewhere, plain = message(hub, DAVE, group="other"), message(hub, DAVE, 1, group=None)
    for target in (elsewhere, plain):
        assert hub.send(said(ALICE, 9005, ["e", target])) == f"invalid: the event {target} is not one of this group"
    history = next(one.id for one in hub.log if one.kind == 9000)
    assert hub.send(said(ALICE, 9005, ["e", history])) == "invalid: an event of kind 9000 cannot be deleted"
    assert hub.send(said(ALICE, 9005, ["e", A])) == f"invalid: there is no event {A} in this group"
    assert hub.send(said(ALICE, 9005, ["e", "x"])) == "invalid: an e tag holds the id of an event, and 'x' is none"
    assert hub.send(said(ALICE, 9005)) == "invalid: kind 9005 needs an e tag with the id of the event"
    many = [["e", f"{n:064x}"] for n in range(201)]
    assert hub.send(said(ALICE, 9005, *many)) == "invalid: at most 200 events are named at once"


# 9008, 9010


@pytest.mark.parametrize(("author", "allowed"), [(ALICE, True), (BOB, False), (CAROL, False), (OPERATOR, True)])
def test_who_ends_a_group(author: str, allowed: bool) -> None:
    hub = room()
    answer = hub.send(said(author, 9008))
    assert answer == "" if allowed else answer.startswith("restricted: only an owner of this group may do that")
    assert hub.groups[ROOM].ended is allowed


def test_pins_are_a_whole_ordered_list() -> None:
    hub = room()
    address = f"30023:{DAVE}:x:y"
    assert hub.send(said(CAROL, 9010, ["e", A], ["a", address], ["e", B, "wss://r"], ["e", A])) == ""
    assert hub.groups[ROOM].pins == (("e", A), ("a", address), ("e", B))
    assert hub.send(said(BOB, 9002, ["name", "n"])) == ""
    assert hub.groups[ROOM].pins == (("e", A), ("a", address), ("e", B))
    assert hub.send(said(CAROL, 9010)) == ""
    assert hub.groups[ROOM].pins == ()


@pytest.mark.parametrize("pin", [["e", "x"], ["e"], ["a", "x"], ["a", f"1:{DAVE}:"], ["e", A.upper()]])
def test_what_cannot_be_pinned(pin: list[str]) -> None:
    assert room().send(said(ALICE, 9010, ["e", A], pin)).startswith("invalid: a pin is ")


def test_a_group_has_so_many_pins() -> None:
    hub = room(rules=GroupRules(pins=2))
    assert hub.send(said(ALICE, 9010, ["e", A], ["e", B], ["e", "c" * 64])) == "invalid: a group has at most 2 pins"


# 9021 and 9022


def test_whoever_asks_is_added_to_an_open_group_by_the_relay() -> None:
    hub = room("private", "restricted")
    request = said(ERIN, 9021)
    decision = hub.decide(request)
    assert [(draft.kind, draft.tags) for draft in decision.emits] == [
        (9000, [["h", ROOM], ["p", ERIN], ["e", request.id]])
    ]
    assert decision.message == "info: welcome; you are a member of this group now"
    hub.now = NOW + 5
    assert hub.send(request) == ""
    assert hub.member(ERIN) == Member("member", (), NOW + 5)


@pytest.mark.parametrize("flags", [(), ("closed",), ("private", "closed", "restricted")])
def test_who_was_never_in_a_hidden_group_is_told_what_is_told_of_none(flags: tuple[str, ...]) -> None:
    """Whatever is sent there, but for a good code."""
    hub = room("hidden", *flags)
    assert hub.send(said(ALICE, 9009, ["code", "x"])) == ""
    target = ["p", ERIN]
    tried = [
        *((9000, [target]), (9001, [target]), (9002, [["name", "n"]]), (9005, [["e", "0" * 64]]), (9008, [])),
        *((9009, [["code", "y"]]), (9010, []), (9021, []), (9021, [["code", "y"]]), (9022, [])),
        *((9001, [["p", ALICE]]), (9009, [["code", "x"], ["revoked"]])),
    ]
    for kind, tags in tried:
        assert hub.send(said(ERIN, kind, *tags)) == f"invalid: there is no group {ROOM!r} on this relay", (kind, tags)
    under = said(ERIN, 9007, ["parent", ROOM], group="below")
    assert hub.send(under) == f"invalid: the parent {ROOM!r} is no group of this relay"
    assert hub.send(said(ERIN, 9021, ["code", "x"])) == ""
    assert hub.send(said(ERIN, 9022)) == ""
    if "closed" not in flags:
        assert hub.send(said(ERIN, 9021)) == ""  # it knows of it


def test_members_cannot_join_again() -> None:
    hub = room("closed")
    for key in (ALICE, DAVE):
        assert hub.send(said(key, 9021)) == "duplicate: already a member of this group"
        assert hub.send(said(key, 9021, ["code", "x"])) == "duplicate: already a member of this group"


def test_a_closed_group_needs_a_code() -> None:
    hub = room("closed")
    for tags in ([], [["code"]], [["code", ""]]):
        answer = hub.send(said(ERIN, 9021, *tags))
        assert answer.startswith("restricted: this group is closed: join with an invite code of it")
    assert hub.send(said(ERIN, 9021, ["code", "x"])) == "restricted: that is no invite code of this group"
    assert hub.send(said(CAROL, 9009, ["code", "x"])) == ""
    assert hub.send(said(ERIN, 9021, ["code", "x"])) == ""
    assert hub.is_member(ERIN)


def test_who_was_removed_comes_back_by_a_code_or_an_admin_only() -> None:
    hub = room()
    fill(hub, "other")
    assert hub.send(said(ALICE, 9001, ["p", DAVE])) == ""
    answer = hub.send(said(DAVE, 9021))
    assert answer.startswith("restricted: you were removed from this group: join with an invite code of it")
    assert hub.send(said(DAVE, 9022, group="other")) == ""
    assert (
        hub.send(said(DAVE, 9021, group="other")) == ""
    )  # who was removed here joins elsewhere, and again after leaving
    assert hub.send(said(ALICE, 9009, ["code", "x"])) == ""
    assert hub.send(said(DAVE, 9021, ["code", "x"])) == ""
    assert hub.send(said(ALICE, 9001, ["p", DAVE], at=NOW + 1)) == ""
    assert hub.send(said(CAROL, 9000, ["p", DAVE])) == ""
    assert hub.is_member(DAVE)


def test_who_leaves_is_removed_by_the_relay_and_comes_back_as_it_likes() -> None:
    hub = room()
    request = said(CAROL, 9022)
    decision = hub.decide(request)
    assert [(draft.kind, draft.tags) for draft in decision.emits] == [
        (9001, [["h", ROOM], ["p", CAROL], ["self-removal"], ["e", request.id]])
    ]
    assert hub.send(request) == ""
    assert hub.member(CAROL) == Member("left", (), NOW)
    assert hub.send(said(CAROL, 9022, at=NOW + 1)) == "duplicate: not a member of this group"
    assert hub.send(said(ERIN, 9022)) == "duplicate: not a member of this group"
    assert hub.send(said(CAROL, 9021)) == ""
    assert hub.member(CAROL) == Member("member", (), NOW)  # its role has gone with it


def test_the_last_owner_stays() -> None:
    hub = room()
    answer = hub.send(said(ALICE, 9022))
    assert answer.startswith(
        "restricted: you are the last owner of this group: make somebody else owner first (kind 9000)"
    )
    assert hub.send(said(ALICE, 9000, ["p", DAVE, "owner"])) == ""
    assert hub.send(said(ALICE, 9022, at=NOW + 1)) == ""
    assert hub.send(said(DAVE, 9022)).startswith("restricted: you are the last owner")


def test_only_the_relays_word_tells_that_somebody_asked_to_leave() -> None:
    hub = room()
    assert hub.send(said(ALICE, 9001, ["p", DAVE], ["self-removal"])) == ""
    assert hub.member(DAVE) == Member("removed", (), NOW)


# invites


def invited(hub: GroupHub, *tags: list[str], by: str = CAROL, at: int = NOW) -> str:
    return hub.send(said(by, 9009, ["code", "x"], *tags, at=at))


def join(hub: GroupHub, number: int) -> str:
    return hub.send(said(f"{number:064x}", 9021, ["code", "x"]))


def test_a_code_is_good_once() -> None:
    hub = room("closed")
    assert invited(hub) == ""
    assert join(hub, 1) == ""
    assert join(hub, 2) == "restricted: that invite code was used already; ask for another one"
    assert list(hub.invites.values()) == [Invite(CAROL, None, 0)]


def test_a_code_is_good_for_as_many_as_it_says() -> None:
    hub = room("closed")
    assert invited(hub, ["uses", "2"]) == ""
    assert [join(hub, number) for number in (1, 2)] == ["", ""]
    assert join(hub, 3).startswith("restricted: that invite code was used already")
    assert invited(hub, ["uses", "unlimited"], at=NOW + 1) == ""
    assert [join(hub, number) for number in range(3, 9)] == [""] * 6
    assert list(hub.invites.values()) == [Invite(CAROL, None, None)]


def test_a_code_expires() -> None:
    hub = room("closed")
    assert invited(hub, ["expiration", str(NOW + 5)], ["uses", "9"]) == ""
    hub.now = NOW + 4
    assert join(hub, 1) == ""
    hub.now = NOW + 5
    assert join(hub, 2) == "restricted: that invite code has expired; ask for another one"


def test_an_open_group_does_not_use_codes_up() -> None:
    hub = room()
    assert invited(hub) == ""
    assert [join(hub, number) for number in (1, 2)] == ["", ""]
    assert list(hub.invites.values()) == [Invite(CAROL, None, 1)]
    assert hub.send(said(ERIN, 9021, ["code", "wrong"])) == ""


def test_a_code_is_of_one_group() -> None:
    hub = room("closed")
    fill(hub, "other")
    assert hub.send(said(ALICE, 9009, ["code", "x"], group="other")) == ""
    assert join(hub, 1) == "restricted: that is no invite code of this group"


@pytest.mark.parametrize("how", ["9009", "5"])
@pytest.mark.parametrize(
    ("by", "allowed"), [(CAROL, True), (BOB, True), (DAVE, False), (ERIN, False), (OPERATOR, True)]
)
def test_a_code_is_revoked_by_its_maker_and_by_all_who_invite(how: str, by: str, allowed: bool) -> None:
    hub = room("closed")
    assert invited(hub) == ""
    answer = hub.revoke(by, "x") if how == "5" else hub.send(said(by, 9009, ["code", "x"], ["revoked"]))
    assert answer == "" if allowed else answer.startswith("restricted: only an owner")
    assert join(hub, 1) == ("restricted: that invite code was revoked" if allowed else "")


def test_who_lost_the_role_may_still_end_codes_of_its_own() -> None:
    hub = room("closed")
    assert invited(hub) == ""
    assert hub.send(said(ALICE, 9000, ["p", CAROL])) == ""
    assert invited(hub, ["uses", "3"], at=NOW + 1).startswith("restricted: only an owner")
    assert invited(hub, ["revoked"]) == ""
    assert join(hub, 1) == "restricted: that invite code was revoked"


@pytest.mark.parametrize(
    ("tags", "answer"),
    [
        ([], "invalid: kind 9009 needs a code tag with the invite code"),
        ([["code", ""]], "invalid: an invite code has 1 to 256 characters"),
        ([["code", "x" * 257]], "invalid: an invite code has 1 to 256 characters"),
        ([["code", "a\nb"]], "invalid: an invite code has 1 to 256 characters"),
        ([["code", str(n)] for n in range(21)], "invalid: at most 20 invite codes are made at once"),
        ([["code", "x"], ["uses", "0"]], "invalid: the uses tag of an invite holds a number from 1 to 1,000,000"),
        ([["code", "x"], ["uses", "-1"]], "invalid: the uses tag of an invite"),
        ([["code", "x"], ["uses"]], "invalid: the uses tag of an invite"),
        ([["code", "x"], ["revoked"]], "restricted: there is no such invite code in this group"),
        ([["code", "x"], ["expiration", "soon"]], "invalid: the expiration tag must hold a unix timestamp"),
    ],
)
def test_what_an_invite_cannot_be(tags: list[list[str]], answer: str) -> None:
    assert room().send(said(ALICE, 9009, *tags)).startswith(answer)


def test_a_group_has_so_many_codes_at_once() -> None:
    hub = room("closed", rules=GroupRules(invites=3))
    codes = [["code", f"{n}"] for n in range(3)]
    assert hub.send(said(ALICE, 9009, *codes, ["expiration", str(NOW + 9)])) == ""
    full = "restricted: this group has 3 invite codes that are neither used up nor revoked: revoke some"
    assert invited(hub) == full
    assert hub.send(said(ALICE, 9009, codes[0], ["uses", "2"])) == ""  # the same again
    assert hub.send(said(ALICE, 9009, codes[0], ["revoked"])) == ""
    assert invited(hub, at=NOW + 1) == ""
    assert invited(hub, ["uses", "4"], at=NOW + 1) == ""
    assert join(hub, 1) == ""
    assert hub.send(said(ALICE, 9009, codes[0])) == full


def test_a_claim_leads_to_the_same_place() -> None:
    hub = room("closed")
    assert invited(hub, ["uses", "3"]) == ""
    request = said(ERIN, 28934, ["-"], ["claim", "x"], group=None)
    assert hub.claim(request, "y") is None
    assert hub.claim(request, "x") == ""
    assert hub.is_member(ERIN)
    assert list(hub.invites.values()) == [Invite(CAROL, None, 2)]
    assert hub.claim(request, "x") == "duplicate: already a member of this group"
    assert hub.send(said(ERIN, 9022)) == ""
    assert hub.claim(said(ERIN, 28934, at=NOW + 1, group=None), "x") == ""  # who left may come back
    assert join(hub, 1) == ""
    assert (
        hub.claim(said(A, 28934, group=None), "x")
        == "restricted: that invite code was used already; ask for another one"
    )


def test_a_claim_that_several_groups_know_joins_none() -> None:
    hub = room()
    fill(hub, "other")
    for group in (ROOM, "other"):
        assert hub.send(said(ALICE, 9009, ["code", "x"], group=group)) == ""
    assert str(hub.claim(said(ERIN, 28934, group=None), "x")).startswith(
        "restricted: several groups have this invite code"
    )


def test_a_claim_of_an_ended_group_joins_none() -> None:
    hub = room()
    assert invited(hub) == ""
    assert hub.send(said(ALICE, 9008)) == ""
    assert hub.claim(said(ERIN, 28934, group=None), "x") is None


# the operator's import


def test_what_was_exported_makes_the_same_groups_again() -> None:
    hub = room("closed", "private")
    assert invited(hub, ["uses", "2"]) == ""
    assert join(hub, 1) == ""
    assert hub.send(said(DAVE, 9022)) == ""
    again = GroupHub()
    again.now = NOW + 10**6
    for event in hub.log:
        again.take_in(event)
    assert again.state() == hub.state()


def test_an_import_is_no_way_around_roles() -> None:
    hub = room()
    assert hub.send(said(DAVE, 9000, ["p", ERIN, "owner"]), trusted=True).startswith("restricted:")
    assert hub.send(said(ALICE, 9000, ["p", ERIN], at=NOW - 10**6), trusted=True) == ""


@pytest.mark.parametrize("kind", [9000, 9002, 9007, 9021, 9022])
def test_what_moderates_names_one_group(kind: int) -> None:
    hub = room()
    fill(hub, "other")
    answer = hub.send(said(ALICE, kind, ["h", "other"], ["p", ERIN]))
    assert answer == "invalid: what moderates a group names one group: leave all h tags but one out"
    assert hub.send(said(ALICE, kind, ["h", ROOM], ["p", ERIN])) != answer
