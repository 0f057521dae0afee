"""Random histories of several keys and groups, against a slow obvious model and against their own log."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.protocol.event import Event
from relay.protocol.groups import announce, metadata
from relay.protocol.groups.fold import hash_of
from relay.protocol.groups.state import Group, invite_key
from relay.protocol.relay import GroupRules
from tests.protocol.groups.hub import ALICE, BOB, CAROL, DAVE, NOW, OPERATOR, OWN, GroupHub, said
from tests.protocol.groups.model import SlowGroups

RULES = GroupRules(frozenset([OPERATOR]), per_key=3, most=5, members=4, invites=2, children=2, pins=2)
KEYS = [ALICE, BOB, CAROL, DAVE, OPERATOR, OWN]
GROUPS = ["a", "b", "c", "d", "e"]
CODES = ["x", "y", "z"]
ROLES = ["owner", "admin", "moderator", "gardener"]

KINDS = (9000, 9001, 9002, 9007, 9008, 9009, 9010, 9021, 9022)
WEIGHTS = (10, 6, 12, 3, 1, 6, 2, 8, 2)


def any_event(chance: Random, hub: GroupHub) -> Event:
    """Something that a client may send: mostly by somebody who may, about something that is there."""
    kind = chance.choices(KINDS, WEIGHTS)[0]
    group_id = chance.choice(GROUPS)
    strong = [key for key, member in hub.members_of(group_id) if member.roles]
    author = chance.choice(strong) if strong and kind < 9020 and chance.random() < 0.7 else chance.choice(KEYS)
    at = hub.now + chance.choice([0, 0, 0, 0, -5, 600, 601, -601])
    return said(author, kind, *tags_of(kind, chance, hub.groups.get(group_id)), at=at, group=group_id)


def tags_of(kind: int, chance: Random, group: Group | None) -> list[list[str]]:
    """What goes with the kind."""
    match kind:
        case 9000:
            users = chance.sample(KEYS, chance.choice([1, 1, 2]))
            return [["p", key, *chance.sample(ROLES, chance.choice([0, 1, 1, 2]))] for key in users]
        case 9001:
            return [["p", key] for key in chance.sample(KEYS, chance.choice([1, 1, 2]))]
        case 9002 | 9007:
            flags = [
                [flag] for flag in chance.sample(["closed", "private", "hidden", "open"], chance.choice([0, 1, 2]))
            ]
            present = [] if group is None else [one for one in (group.parent,) if one is not None]
            parents = chance.choice([[], present, [chance.choice(GROUPS)], [chance.choice(GROUPS)]])
            named = list(GROUPS if group is None or chance.random() < 0.2 else group.children)
            chance.shuffle(named)
            named = named[1:] if chance.random() < 0.1 else named
            name = [["name", chance.choice("mn")]] if chance.random() < 0.5 else []
            return [*flags, *name, *(["parent", one] for one in parents), *(["child", one] for one in named)]
        case 9009:
            codes = [["code", code] for code in chance.sample(CODES, chance.choice([1, 1, 2]))]
            ending = ["expiration", str(NOW + 200)]
            return [*codes, *chance.choice([[], [], [["uses", "2"]], [["uses", "unlimited"]], [["revoked"]], [ending]])]
        case 9010:
            return [["e", one * 64] for one in chance.sample("abc", chance.choice([0, 1, 2, 3]))]
        case 9021:
            return [["code", one] for one in chance.sample(CODES, chance.choice([0, 1, 1]))]
    return []


def begin(hub: GroupHub, model: SlowGroups) -> None:
    """Some groups with some members, so that most of what follows is about something."""
    for group in "abc":
        for event in (
            said(ALICE, 9007, group=group),
            said(ALICE, 9000, ["p", BOB, "admin"], ["p", CAROL, "moderator"], group=group),
        ):
            assert (hub.send(event), model.answer(event, hub.now)) == ("", "")


def living(hub: GroupHub) -> tuple[Any, ...]:
    """All that matters: what lives, and which ids are used up."""
    groups = {group_id: group for group_id, group in hub.groups.items() if not group.ended}
    of_those = [
        {place: one for place, one in some.items() if place.split(" ")[1] in groups}
        for some in (hub.members, hub.invites)
    ]
    return groups, *of_those, set(hub.groups)


def compare(hub: GroupHub, model: SlowGroups) -> None:
    """Whether both stand at the same."""
    assert list(hub.groups) == model.began()
    for group_id, group in hub.groups.items():
        assert group.ended is model.ended(group_id)
        assert list(group.children) == model.children(group_id)
        assert group.parent == (None if group.ended else model.parent(group_id))
        if group.ended:
            assert group == Group(
                group_id, group.creator, group.created_at, private=group.private, hidden=group.hidden, ended=True
            )
            continue
        fields = model.fields(group_id)
        assert list(group.pins) == model.pins(group_id)
        assert group.name == fields["name"]
        assert {flag for flag in metadata.FLAGS if getattr(group, flag)} == fields["flags"]
        for key in KEYS:
            member = hub.member(key, group_id)
            assert (None if member is None else (member.standing, member.roles)) == model.standing(key, group_id)
        for code in CODES:
            invite, terms = hub.invites.get(invite_key(hash_of(code), group_id)), model.code(code, group_id)
            found = None if invite is None else (invite.by, invite.uses_left, invite.expires_at, invite.revoked)
            assert found == (
                None if terms is None else tuple(terms[name] for name in ("by", "uses", "until", "revoked"))
            )


def check_shape(hub: GroupHub) -> None:
    """What always holds: a forest of bounded depth, seen alike from both sides, and groups within their bounds."""
    for group in hub.groups.values():
        above, name = [group.id], group.parent
        while name is not None:
            assert name not in above
            above.append(name)
            assert not hub.groups[name].ended
            assert above[-2] in hub.groups[name].children
            name = hub.groups[name].parent
        assert len(above) <= 4
        assert all(hub.groups[child].parent == group.id for child in group.children)
        assert len(hub.members_of(group.id)) <= RULES.members
        tags = announce.draft(announce.METADATA, group, [], NOW).tags
        again = metadata.read(tags)
        assert (again.children, again.parent, again.private) == (group.children, group.parent, group.private)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_any_history_ends_where_the_slow_model_ends(seed: int) -> None:
    hub, model, chance = GroupHub(RULES), SlowGroups(RULES, OWN), Random(seed)
    begin(hub, model)
    sent: list[Event] = []
    for number in range(60):
        hub.now += chance.choice([0, 0, 1, 30])
        event = chance.choice(sent) if sent and chance.random() < 0.05 else any_event(chance, hub)
        sent.append(event)
        answer = hub.send(event)
        assert answer.split(":")[0] == model.answer(event, hub.now), (answer, event)
        assert all(group.ended or hub.fact("owners", group.id) >= 1 for group in hub.groups.values())
        if number % 20 == 19:
            compare(hub, model)
            check_shape(hub)
    assert hub.rebuilt().state() == hub.state()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_after_a_vanish_the_log_still_tells_the_state(seed: int) -> None:
    hub, chance = GroupHub(RULES), Random(seed)
    begin(hub, SlowGroups(RULES, OWN))
    for _ in range(5):
        for _ in range(25):
            hub.now += chance.choice([0, 1])
            hub.send(any_event(chance, hub))
        hub.now += 1
        gone = chance.choice([ALICE, BOB, CAROL, DAVE])
        groups, owned = dict(hub.groups), {group: hub.owners(group) for group in hub.groups}
        standing = {key: (one.standing, one.roles) for key, one in hub.members.items()}
        admins = {
            group: [key for key, one in hub.members_of(group) if "admin" in one.roles and key != gone]
            for group in groups
        }
        hub.vanish(gone)
        assert hub.groups == groups
        for key, (how, roles) in standing.items():
            pubkey, group_id = key.split(" ")
            member = hub.members[key]
            if pubkey == gone and not groups[group_id].ended:
                assert member.standing == ("left" if how == "member" else how)
            elif (member.standing, member.roles) != (how, roles):
                assert owned[group_id] == [gone]
                assert pubkey in admins[group_id]
                assert set(member.roles) == {*roles, "owner"}
        for group_id, owners in owned.items():
            if owners == [gone] and not groups[group_id].ended:
                assert len(hub.owners(group_id)) == min(1, len(admins[group_id]))
        assert all(one.pubkey != gone for one in hub.log)
        assert living(hub.rebuilt()) == living(hub)
    check_shape(hub)


def test_the_admin_of_longest_standing_follows_the_last_owner() -> None:
    hub = GroupHub(RULES)
    for event in (
        said(ALICE, 9007),
        said(ALICE, 9000, ["p", ALICE, "owner", "admin"]),
        said(ALICE, 9000, ["p", CAROL, "admin", "x"], at=NOW + 2),
        said(ALICE, 9000, ["p", BOB, "admin"], at=NOW + 1),
        said(ALICE, 9000, ["p", DAVE, "moderator"], at=NOW - 9),
    ):
        assert hub.send(event) == ""
    hub.log = [one for one in hub.log if one.kind != 9000 or one.pubkey != ALICE]  # as if others had made them
    hub.vanish(ALICE)
    assert hub.owners() == [BOB]
    assert hub.member(BOB).roles == ("owner", "admin")  # type: ignore[union-attr]


def test_a_group_without_admins_stays_without_owner_and_its_operators_look_after_it() -> None:
    hub = GroupHub(RULES)
    assert hub.send(said(ALICE, 9007)) == ""
    assert hub.send(said(ALICE, 9000, ["p", DAVE, "moderator"])) == ""
    hub.vanish(ALICE)
    assert hub.owners() == []
    assert hub.send(said(OPERATOR, 9000, ["p", DAVE, "owner"])) == ""
    assert hub.owners() == [DAVE]
