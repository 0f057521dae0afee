"""Groups at the doors: who may write in one, what inherits its group, and what comes from elsewhere."""

import msgspec
import pytest

from handlers import table
from relay.errors import Reject
from relay.protocol import kinds, membership
from relay.protocol.admission import (
    GROUP_MODERATOR,
    Admission,
    AllowTime,
    Door,
    ProvisionIdentity,
    RemoveEdits,
    RemoveEvent,
)
from relay.protocol.event import Event
from relay.protocol.facts import Facts
from relay.protocol.groups import timeline
from relay.protocol.groups.fold import hash_of
from relay.protocol.groups.state import Group, Invite, Member, PutGroup, PutInvite, PutMember, invite_key, member_key
from relay.protocol.relay import GroupRules
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import OWN, RELAY, FakeLog

OWNER, MODERATOR, MEMBER, STRANGER, REMOVED, LEFT = range(1, 7)
OPERATOR = 7
KEYS = {number: keypair(number).pubkey for number in range(8)}
IN_ROOM = ["h", "room"]
MESSAGE = make_event(MEMBER, 9, "hello", [IN_ROOM], NOW - 9)
THREAD = make_event(MEMBER, 11, "hello", [IN_ROOM, ["title", "t"]], NOW - 9)
DAY = 86_400


def log(*live: Event, group_id: str = "room", **fields: object) -> FakeLog:
    """One group with these fields, with a key for every standing."""
    found = FakeLog(*(live or (MESSAGE, THREAD)))
    found.groups[group_id] = msgspec.structs.replace(Group(group_id, KEYS[OWNER], NOW - 99), **fields)
    roles = {OWNER: ("owner",), MODERATOR: ("moderator",), MEMBER: ()}
    for number, some in roles.items():
        found.members[member_key(KEYS[number], group_id)] = Member("member", some, NOW - 99)
    found.members[member_key(KEYS[REMOVED], group_id)] = Member("removed", (), NOW - 50)
    found.members[member_key(KEYS[LEFT], group_id)] = Member("left", (), NOW - 50)
    found.bound[KEYS[OWNER]] = "an identity"
    return found


def ask(event: Event, known: FakeLog | None = None, door: Door = Door.CLIENT, late: float = 7 * DAY) -> Admission:
    rules = GroupRules(frozenset([KEYS[OPERATOR]]), late_publication=late)
    meaning = table.meaning(RELAY, groups=rules)
    known = known or log()
    return meaning.admit(event, known.facts(meaning, event, door), NOW, door)


def answer(event: Event, known: FakeLog | None = None, door: Door = Door.CLIENT, late: float = 7 * DAY) -> str:
    try:
        return str(ask(event, known, door, late).refusal or "")
    except Reject as refusal:
        return str(refusal)


def chat(key: int, *tags: list[str], kind: int = 9, at: int = NOW) -> Event:
    return make_event(key, kind, "hi", [IN_ROOM, *tags], at)


# who writes


@pytest.mark.parametrize("fields", [{}, {"restricted": True}, {"private": True}, {"hidden": True, "closed": True}])
@pytest.mark.parametrize("key", [OWNER, MODERATOR, MEMBER, STRANGER, REMOVED, LEFT, OPERATOR, 0])
def test_who_writes_in_a_group(key: int, fields: dict[str, bool]) -> None:
    needs_membership = fields.get("restricted")
    found = answer(chat(key), log(**fields))
    if key == STRANGER and fields.get("hidden"):
        assert found == "invalid: there is no group 'room' on this relay"
    elif key == REMOVED:
        assert found == "restricted: you were removed from this group"
    elif key in (STRANGER, LEFT) and needs_membership:
        assert found == "restricted: only members write in this group; ask to join it first (kind 9021)"
    else:
        assert found == ""


@pytest.mark.parametrize(
    ("kind", "tags"),
    [(5, [["e", MESSAGE.id]]), (30078, [["d", "room"]]), (30078, [["d", "agent:x"]]), (1630, []), (9007, [])],
)
def test_a_stranger_hears_of_a_hidden_group_nothing_else_than_of_none(kind: int, tags: list[list[str]]) -> None:
    """But for the id itself, which nobody else gets: see 9007."""
    known, none = log(hidden=True, closed=True), log(hidden=True, closed=True)
    none.groups["elsewhere"] = none.groups.pop("room")
    event = chat(STRANGER, *tags, kind=kind)
    told = {answer(event, one).replace("elsewhere", "room") for one in (known, none)}
    assert len(told) == (2 if kind == 9007 else 1)
    record = make_event(STRANGER, 30078, "{", [["d", "room"]])
    assert answer(record, known) == answer(record, none)


@pytest.mark.parametrize("door", [Door.CLIENT, Door.HTTP])
@pytest.mark.parametrize("kind", [0, 1, 9, 11, 1111, 30023, 30818, 20001])
def test_a_group_that_is_not_here_takes_nothing_from_our_doors(kind: int, door: Door) -> None:
    event = make_event(1, kind, "x", [["h", "nowhere"], ["d", "x"]])
    assert answer(event, door=door) == "invalid: there is no group 'nowhere' on this relay"
    assert answer(make_event(1, kind, "x", [["h"]]), door=door) == "invalid: there is no group '' on this relay"


@pytest.mark.parametrize("kind", [1, 9, 11, 30023, 9000, 9002, 9007, 9021, 9022])
def test_what_a_peer_without_groups_brings_of_a_group_that_is_not_ours_is_kept_as_it_is(kind: int) -> None:
    admission = ask(make_event(1, kind, "x", [["h", "nowhere"], ["d", "x"]]), door=Door.PEER)
    assert admission.refusal is None
    assert (admission.store, admission.audience, admission.group, admission.actions) == (True, None, None, ())


@pytest.mark.parametrize("kind", [1, 9, 11, 30023, 9000, 9002, 9021, 9022])
def test_what_an_import_holds_of_a_group_that_is_not_ours_is_for_nobody(kind: int) -> None:
    admission = ask(make_event(1, kind, "x", [["h", "nowhere"], ["d", "x"]]), door=Door.IMPORT)
    assert admission.refusal is None
    assert (admission.store, admission.audience, admission.group) == (True, (), "? nowhere")


@pytest.mark.parametrize("door", list(Door))
def test_an_ended_group_takes_nothing(door: Door) -> None:
    known = log(ended=True)
    assert answer(chat(MEMBER), known, door) == "invalid: the group 'room' was deleted"
    assert (
        answer(make_event(MEMBER, 7, "+", [["e", MESSAGE.id]]), known, door) == "invalid: the group 'room' was deleted"
    )


@pytest.mark.parametrize("key", [MEMBER, STRANGER])
def test_a_peer_brings_in_only_what_a_client_could(key: int) -> None:
    known = log(restricted=True)
    assert answer(chat(key), known, Door.PEER) == answer(chat(key), known)
    assert answer(chat(key), known, Door.IMPORT) == ""


def test_an_event_belongs_to_one_group() -> None:
    known = log()
    known.groups["other"] = Group("other", KEYS[OWNER], NOW, restricted=True)
    two = "invalid: an event belongs to one group: leave all h tags but one out (NIP-29)"
    for door in Door:
        assert answer(chat(STRANGER, ["h", "other"]), known, door) == two
        assert answer(chat(STRANGER, ["h", "nowhere"]), known, door) == two
        assert answer(chat(STRANGER, IN_ROOM), known, door) == ""
    replica = make_event(1, 9, "x", [["h", "a"], ["h", "b"]])
    assert answer(replica, door=Door.PEER) == ""
    assert answer(replica) == two


# who reads


@pytest.mark.parametrize(
    ("fields", "audience"), [({}, None), ({"private": True}, ("g:room",)), ({"hidden": True, "closed": True}, None)]
)
@pytest.mark.parametrize("kind", [1, 9, 11, 30023, 1063, 20001])
def test_what_is_of_a_group_is_for_those_who_may_read_it(
    kind: int, fields: dict[str, bool], audience: tuple[str, ...] | None
) -> None:
    event = chat(OWNER, ["d", "x"], ["title", "t"], kind=kind)
    admission = ask(event, log(**fields))
    assert (admission.audience, admission.group) == (audience, "room")


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        (7, [["e", MESSAGE.id]]),
        (1111, [["E", THREAD.id], ["K", "11"], ["e", THREAD.id], ["k", "11"]]),
        (1984, [["e", MESSAGE.id, "spam"], ["p", MESSAGE.pubkey]]),
        (9735, [["e", MESSAGE.id]]),
        (5, [["e", MESSAGE.id]]),
        (6, [["e", MESSAGE.id]]),
    ],
)
def test_what_answers_something_in_a_group_is_of_the_group(kind: int, tags: list[list[str]]) -> None:
    event = make_event(MEMBER, kind, "x", tags)
    private = ask(event, log(private=True))
    assert (private.audience, private.group) == (("g:room",), "room")
    assert ask(make_event(OWNER, kind, "x", tags), log()).group == "room"
    stranger = make_event(STRANGER, kind, "x", tags)
    assert answer(stranger, log(restricted=True)).startswith("restricted: only members write")
    assert ask(stranger, log(private=True)).audience == ("g:room",)


def test_what_answers_an_answer_inherits_through_it() -> None:
    comment = make_event(MEMBER, 1111, "x", [["E", THREAD.id], ["K", "11"]])
    reaction = make_event(MEMBER, 7, "🤙", [["e", comment.id]])
    assert ask(reaction, log(THREAD, comment, private=True)).audience == ("g:room",)


@pytest.mark.parametrize("kind", [4, 1059, 21059])
def test_what_is_for_named_readers_stays_theirs(kind: int) -> None:
    event = make_event(STRANGER, kind, "x", [IN_ROOM, ["p", KEYS[MEMBER]]])
    admission = ask(event, log(private=True))
    assert set(admission.audience or ()) <= {KEYS[MEMBER], KEYS[STRANGER]}
    assert admission.group is None


@pytest.mark.parametrize("kind", [0, 3, 10002, 10009])
def test_what_clients_keep_about_themselves_stays_writable(kind: int) -> None:
    assert answer(make_event(STRANGER, kind, "{}"), log(private=True)) == ""


# what fits


def test_a_group_takes_the_kinds_that_it_supports() -> None:
    known = log(supported_kinds=(9, 11))
    assert answer(chat(MEMBER), known) == ""
    wrong = "invalid: this group takes no events of kind 31923; its supported kinds: 9, 11 (NIP-29)"
    assert answer(chat(MEMBER, kind=31923), known) == wrong
    for kind in (5, 7, 1984):
        assert answer(chat(MEMBER, ["e", MESSAGE.id], kind=kind), known) == ""
    none = "invalid: this group takes no events of kind 9; its supported kinds: none (NIP-29)"
    assert answer(chat(MEMBER), log(supported_kinds=())) == none


def test_previous_is_what_is_in_the_group() -> None:
    assert answer(chat(MEMBER, ["previous", MESSAGE.id[:8], THREAD.id[:8]])) == ""
    for door, expected in ((Door.CLIENT, "invalid: previous:"), (Door.PEER, "invalid: previous:"), (Door.IMPORT, "")):
        assert answer(chat(MEMBER, ["previous", "0" * 8]), door=door).startswith(expected)


def test_late_publication_is_bounded_for_clients() -> None:
    late = chat(MEMBER, at=NOW - 7 * DAY - 1)
    assert answer(chat(MEMBER, at=NOW - 7 * DAY)) == ""
    assert answer(late) == "invalid: created_at lies more than 7 days back, which is too late for a group (NIP-29)"
    assert answer(late, late=60.0).startswith("invalid: created_at lies more than 60 seconds back")
    assert (answer(late, late=0), answer(late, door=Door.PEER), answer(late, door=Door.IMPORT)) == ("", "", "")


def test_an_edit_keeps_its_old_time() -> None:
    """Clients delete a message and send it again, changed, with the same created_at."""
    old = chat(MEMBER, at=NOW - 30 * DAY)
    again = make_event(MEMBER, 9, "changed", [IN_ROOM], old.created_at)
    known = log(old)
    assert answer(again, known).startswith("invalid: created_at")
    deletion = chat(MEMBER, ["e", old.id], kind=5)
    allowed = [removal for removal in ask(deletion, known).removals if isinstance(removal, AllowTime)]
    assert allowed == [AllowTime(old.pubkey, 9, old.created_at, "room")]
    known.deleted.add((timeline.edit_mark(old.pubkey, 9, old.created_at, "room"), old.pubkey))
    assert answer(again, known) == ""
    for other in (
        make_event(OWNER, 9, "changed", [IN_ROOM], old.created_at),
        make_event(MEMBER, 1, "changed", [IN_ROOM], old.created_at),
        make_event(MEMBER, 9, "changed", [IN_ROOM], old.created_at - 1),
    ):
        assert answer(other, known).startswith("invalid: created_at")


def test_whether_it_is_an_edit_is_looked_up_of_what_comes_late_only() -> None:
    meaning = table.meaning(RELAY, groups=GroupRules(late_publication=7 * DAY))
    for at, now, asked in ((NOW, NOW, 0), (NOW - 7 * DAY - 1, NOW, 1), (NOW, None, 1)):
        needs = meaning.needs(chat(MEMBER, at=at), Facts(now=now))
        assert [family for family, _ in needs].count("deleters") == asked  # the mark of an edit


def test_a_strangers_deletion_opens_no_old_times() -> None:
    assert not any(isinstance(one, AllowTime) for one in ask(chat(OWNER, ["e", MESSAGE.id], kind=5)).removals)
    own = ask(chat(MEMBER, ["e", MESSAGE.id], kind=5))
    assert AllowTime(KEYS[MEMBER], 9, MESSAGE.created_at, "room") in own.removals


# deletions


@pytest.mark.parametrize("fields", [{"restricted": True}, {"private": True}, {"ended": True}])
@pytest.mark.parametrize("key", [REMOVED, LEFT])
@pytest.mark.parametrize("tags", [[IN_ROOM], []])
def test_what_is_ones_own_may_always_be_deleted(key: int, fields: dict[str, bool], tags: list[list[str]]) -> None:
    own = make_event(key, 9, "x", [IN_ROOM], NOW - 60)
    known = log(own, **fields)
    deletion = make_event(key, 5, "", [*tags, ["e", own.id]])
    assert RemoveEvent(own.id, own.pubkey) in ask(deletion, known).removals


def test_a_deletion_of_nothing_is_no_way_in() -> None:
    for tags in ([["e", MESSAGE.id]], [["e", "f" * 64]], [["a", f"30023:{KEYS[STRANGER]}:x"]], []):
        event = chat(STRANGER, *tags, kind=5)
        assert answer(event, log(restricted=True)).startswith("restricted: only members write")


def test_a_moderator_deletes_by_9005_and_it_stays_away() -> None:
    admission = ask(chat(MODERATOR, ["e", MESSAGE.id], kind=9005))
    edits = RemoveEdits((MESSAGE.id,), MESSAGE.pubkey)
    assert admission.removals == (edits, RemoveEvent(MESSAGE.id, GROUP_MODERATOR))
    known = log()
    known.deleted.add((MESSAGE.id, GROUP_MODERATOR))
    assert answer(MESSAGE, known) == "blocked: this event was removed by a moderator of its group"
    assert answer(chat(MEMBER, ["e", MESSAGE.id], kind=9005)).startswith("restricted: only an owner")


def test_a_code_is_revoked_by_a_kind_5() -> None:
    known = log()
    known.codes[invite_key(hash_of("x"), "room")] = Invite(KEYS[MODERATOR], None, 1)
    admission = ask(chat(MODERATOR, ["code", "x"], ["code", "y"], kind=5), known)
    assert admission.actions == (PutInvite("room", hash_of("x"), Invite(KEYS[MODERATOR], None, 1, revoked=True)),)
    assert [draft.kind for draft in admission.emits] == [9009]
    assert answer(chat(MEMBER, ["code", "x"], kind=5), known).startswith("restricted: only an owner")


# identities


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        (11, [IN_ROOM, ["title", "t"]]),
        (1111, [["E", THREAD.id], ["K", "11"]]),
        (7, [["e", THREAD.id]]),
    ],
)
def test_a_member_who_writes_in_a_community_gets_an_identity(kind: int, tags: list[list[str]]) -> None:
    event = make_event(MEMBER, kind, "+", tags)
    admission = ask(event, log())
    assert admission.actions == (ProvisionIdentity(event.pubkey, None, 0),)
    assert admission.emits == (membership.added(event.pubkey, NOW),)
    assert admission.group == "room"
    assert answer(make_event(STRANGER, kind, "+", tags), log()).startswith(
        "restricted: this key has no posting identity"
    )


@pytest.mark.parametrize(
    ("kind", "tags"),
    [(11, [IN_ROOM]), (1111, [["E", THREAD.id], ["K", "11"]]), (7, [["e", THREAD.id]]), (1010, [["e", THREAD.id]])],
)
def test_threads_of_a_private_group_are_no_posts_and_need_no_identity(kind: int, tags: list[list[str]]) -> None:
    admission = ask(make_event(MEMBER, kind, "+", tags), log(private=True))
    assert (admission.actions, admission.audience) == ((), ("g:room",))


def test_only_its_author_edits_a_thread_of_a_private_group() -> None:
    found = answer(make_event(OWNER, 1010, "x", [["e", THREAD.id]]), log(private=True))
    assert found == "restricted: only the key that wrote something in a private group edits it"


def test_members_write_knowledge_of_their_group_without_an_identity() -> None:
    article = make_event(MEMBER, 30818, "text", [IN_ROOM, ["d", "x"]])
    admission = ask(article, log(private=True))
    assert (admission.audience, admission.group, admission.actions) == (("g:room",), "room", ())
    assert answer(make_event(STRANGER, 30818, "text", [IN_ROOM, ["d", "x"]]), log()).startswith("restricted:")


def test_a_comment_in_a_group_may_leave_out_what_it_answers() -> None:
    tags = [IN_ROOM, ["E", THREAD.id], ["K", "11"], ["e", THREAD.id]]
    assert answer(make_event(OWNER, 1111, "x", tags)) == ""
    assert answer(make_event(OWNER, 1111, "x", [*tags, ["k", "1"]])).startswith("invalid: a comment that answers")


# what moderates


@pytest.mark.parametrize("door", [Door.CLIENT, Door.HTTP])
def test_a_group_begins_at_our_doors(door: Door) -> None:
    event = make_event(STRANGER, 9007, "", [["h", "new"], ["private"], ["name", "n"]])
    admission = ask(event, door=door)
    assert [type(action) for action in admission.actions] == [PutGroup, PutMember, PutGroup]
    assert (admission.audience, admission.group) == (("g:new",), "new")
    assert [draft.kind for draft in admission.emits] == [9000, 9002]


@pytest.mark.parametrize("kind", [9000, 9001, 9002, 9005, 9007, 9008, 9009, 9010, 9021, 9022])
def test_a_peer_does_not_moderate_our_groups(kind: int) -> None:
    event = chat(OWNER, ["p", KEYS[STRANGER]], kind=kind)
    assert answer(event, door=Door.PEER) == "restricted: this group is moderated on this relay only"


@pytest.mark.parametrize("kind", [9000, 9002, 9009])
def test_what_our_own_key_said_does_not_come_back_by_a_peer(kind: int) -> None:
    event = make_event(0, kind, "", [["h", "new"], ["p", KEYS[OWNER], "owner"], ["type", "thread"]])
    assert event.pubkey == OWN
    assert answer(event, door=Door.PEER).startswith("restricted: what this relay's own key says")


def test_the_operators_import_begins_groups_again_by_our_own_word_only() -> None:
    for key, began in ((0, True), (OWNER, False)):
        event = make_event(key, 9000, "", [["h", "new"], ["p", KEYS[OWNER], "owner"], ["type", "project"]], NOW - DAY)
        admission = ask(event, door=Door.IMPORT)
        assert (PutGroup(Group("new", KEYS[OWNER], NOW - DAY, "project")) in admission.actions) is began
        assert (admission.group == "new") is began


def test_what_began_a_group_elsewhere_stays_its_authors_in_an_import() -> None:
    event = make_event(OWNER, 9007, "", [["h", "new"], ["name", "n"]], NOW - DAY)
    assert ask(event, door=Door.IMPORT).audience == (KEYS[OWNER],)
    assert ask(event, door=Door.PEER).audience is None


def test_joining_says_what_follows_for_those_who_may_read_it() -> None:
    known = log(closed=True, private=True)
    known.codes[invite_key(hash_of("x"), "room")] = Invite(KEYS[OWNER], None, 2)
    request = chat(STRANGER, ["code", "x"], kind=9021)
    admission = ask(request, known)
    assert admission.audience == ("m:room", request.pubkey)
    assert [draft.kind for draft in admission.emits] == [9009, 9000]
    assert admission.message.startswith("info: welcome")
    assert answer(chat(STRANGER, kind=9021), known).startswith("restricted: this group is closed")
    assert answer(chat(MEMBER, kind=9021), known) == "duplicate: already a member of this group"


def test_the_end_of_a_group_is_told_to_those_who_read_it() -> None:
    assert ask(chat(OWNER, kind=9008)).audience is None
    assert ask(chat(OWNER, kind=9008), log(private=True)).audience == ("g:room",)


def test_an_invite_that_expires_is_kept() -> None:
    admission = ask(chat(MODERATOR, ["code", "x"], ["expiration", str(NOW + 9)], kind=9009))
    assert not admission.expires
    assert ask(chat(MEMBER, ["expiration", str(NOW + 9)])).expires


# claims


def test_a_claim_with_a_groups_code_joins_the_group() -> None:
    known = log(closed=True)
    known.codes[invite_key(hash_of("pizza"), "room")] = Invite(KEYS[OWNER], None, 1)
    event = make_event(STRANGER, kinds.JOIN, "", [["claim", "pizza"]])
    admission = ask(event, known)
    assert not admission.store
    assert admission.audience == ()
    assert PutMember("room", event.pubkey, Member("member", (), NOW)) in admission.actions
    assert [draft.kind for draft in admission.emits] == [9009, 9000]
    assert answer(make_event(MEMBER, kinds.JOIN, "", [["claim", "pizza"]]), known).startswith("duplicate: already")


@pytest.mark.parametrize("claim", ["", "wrong"])
def test_a_wrong_claim_is_told_in_words_that_clients_look_for(claim: str) -> None:
    found = answer(make_event(STRANGER, kinds.JOIN, "", [["claim", claim]]))
    assert found.startswith("restricted:")
    assert "invite code" in found
