"""Who may write records, agents, issues, their states, repositories and chat messages, and what they must say."""

import pytest

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import Door, NumberIssue
from relay.protocol.event import Event
from relay.protocol.groups.state import ADMIN, MODERATOR, OWNER, Group, Member, member_key
from relay.protocol.relay import GroupRules
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, FakeLog, admit, decide, refused

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey
REPO = f"30617:{ALICE}:tides"
ISSUE = make_event(2, 1621, "It leaks.", [["h", "proj"]])
TYPES = {"org": "organization", "proj": "project", "room": "thread"}


def log(*live: Event, roles: tuple[str, ...] = (OWNER,)) -> FakeLog:
    """Groups of every type, in all of which key 1 has these roles."""
    found = FakeLog(*live)
    for name, type_ in TYPES.items():
        found.groups[name] = Group(name, ALICE, NOW, type_, name="Tides")  # type: ignore[arg-type]
        found.members[member_key(ALICE, name)] = Member("member", roles, NOW)
    return found


def record(content: str = "{}", d: str = "proj", *tags: list[str], key: int = 1) -> Event:
    return make_event(key, 30078, content, [["d", d], *tags])


IN_PROJ, IN_ORG = ["h", "proj"], ["h", "org"]


@pytest.mark.parametrize("roles", [(OWNER,), (ADMIN,), (MODERATOR, ADMIN)])
def test_who_may_edit_a_group_writes_its_record(roles: tuple[str, ...]) -> None:
    assert refused(record('{"is_archived":true}', "proj", IN_PROJ), log(roles=roles)) == ""


@pytest.mark.parametrize(
    ("event", "roles", "reason"),
    [
        (record("{}", "proj", IN_PROJ), (MODERATOR,), "restricted: only those who may edit a group"),
        (record("{}", "proj", IN_PROJ, key=2), (OWNER,), "restricted: only those who may edit a group"),
        (record("{}", "proj"), (OWNER,), "invalid: the record of a group names it twice"),
        (record("{}", "proj", ["h", "room"]), (OWNER,), "invalid: the record of a group names it twice"),
        (record("{", "proj", IN_PROJ), (OWNER,), "invalid: its content must be a JSON object"),
        (record('{"is_archived":1}', "proj", IN_PROJ), (OWNER,), "is_archived"),
        (record("{}", "proj", IN_PROJ, ["expiration", str(NOW + 9)]), (OWNER,), "does not expire"),
        (record("{}", "agent:pilot", IN_ORG), (ADMIN,), "restricted: only owners"),
        (record("{}", "agent:pilot", IN_PROJ), (OWNER,), "invalid: agents are defined in an organization"),
        (record("{}", "agent:The Pilot", IN_ORG), (OWNER,), "slug"),
        (record('{"sort_order":"first"}', "agent:pilot", IN_ORG), (OWNER,), "sort_order"),
    ],
)
def test_a_record_that_is_refused_says_why(event: Event, roles: tuple[str, ...], reason: str) -> None:
    assert reason in refused(event, log(roles=roles))


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (record("{}", "proj", IN_PROJ, key=2), "only those who may edit a group"),
        (record("{}", "agent:pilot", IN_ORG, key=2), "only owners"),
        (record("{", "proj", IN_PROJ), "must be a JSON object"),
    ],
)
def test_a_peer_brings_no_record_that_a_client_could_not_write(event: Event, reason: str) -> None:
    with pytest.raises(Reject, match=reason):
        decide(table.meaning(RELAY), event, log(), door=Door.PEER)


@pytest.mark.parametrize(
    "event",
    [
        make_event(1, 9, "hi", [["h", "room"], ["role", "boss"]]),
        make_event(1, 1621, "x", [["h", "proj"], ["priority", "asap"]]),
        make_event(1, 1632, "", [["h", "proj"], ["e", ISSUE.id], ["expiration", str(NOW + 9)]]),
        make_event(1, 1632, "", [["h", "proj"], ["e", "f" * 64]]),
    ],
)
def test_nor_anything_else_in_a_group_that_a_client_could_not(event: Event) -> None:
    with pytest.raises(Reject, match="invalid") as by_client:
        decide(table.meaning(RELAY), event, log(ISSUE))
    with pytest.raises(Reject) as by_peer:
        decide(table.meaning(RELAY), event, log(ISSUE), door=Door.PEER)
    assert str(by_peer.value) == str(by_client.value)


def test_what_a_peer_brings_of_groups_that_are_not_here_is_its_own_business() -> None:
    for event in (record("{", "proj", key=2), record("{", "there", ["h", "there"]), record("{", "agent:a b", key=2)):
        assert decide(table.meaning(RELAY), event, log(), door=Door.PEER).store


@pytest.mark.parametrize(
    "event",
    [
        record("not JSON", "app", key=2),
        record("not JSON", "app", ["h", "room"], key=2),
        record("not JSON", "agent:pilot", key=2),
        record('{"name":"Pilot"}', "agent:pilot", IN_ORG),
        make_event(2, 30078, "no d"),
    ],
)
def test_other_app_data_is_its_authors_own_business(event: Event) -> None:
    assert refused(event, log()) == ""


def test_an_import_is_believed() -> None:
    decide(table.meaning(RELAY), record("{", "proj", IN_PROJ, key=2), log(), door=Door.IMPORT)


def test_an_issue_is_numbered_in_its_group_else_in_its_repository() -> None:
    assert admit(ISSUE, log()).actions == (NumberIssue(ISSUE.id, "proj", "TIDE"),)
    other = make_event(2, 1621, "It leaks.", [["a", REPO]])
    assert admit(other, log()).actions == (NumberIssue(other.id, REPO, "TIDE"),)
    assert admit(make_event(2, 1621, "It leaks."), log()).actions == ()
    elsewhere = make_event(2, 1621, "It leaks.", [["h", "nowhere"], ["a", REPO]])
    assert decide(table.meaning(RELAY), elsewhere, log(), door=Door.PEER).actions == ()


def test_tags_of_an_issue_are_looked_at_in_groups_of_this_relay_only() -> None:
    tags = [["priority", "asap"]]
    assert "invalid: its priority tag" in refused(make_event(2, 1621, "x", [["h", "proj"], *tags]), log())
    assert refused(make_event(2, 1621, "x", [["a", REPO], *tags]), log()) == ""


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ([["h", "proj"], ["e", ISSUE.id]], ""),
        ([["e", "f" * 64]], ""),
        ([["h", "nowhere"]], "no group 'nowhere'"),
        ([["h", "proj"]], "must name an issue"),
        ([["h", "proj"], ["e", "f" * 64]], "must name an issue"),
        ([["h", "room"], ["e", ISSUE.id]], "must name an issue"),
        ([["e", ISSUE.id], ["expiration", str(NOW + 9)]], "does not expire"),
    ],
)
def test_a_state_is_of_an_issue_of_its_group(tags: list[list[str]], reason: str) -> None:
    found = refused(make_event(2, 1632, "", tags), log(ISSUE))
    assert (reason in found) if reason else found == ""


OWN_ISSUE = make_event(3, 1621, "Mine.", [["h", "proj"]])


@pytest.mark.parametrize("kind", [1010, 1630, 1632])
@pytest.mark.parametrize("door", [Door.CLIENT, Door.HTTP, Door.PEER])
def test_who_is_not_in_an_open_group_changes_own_issues_only(kind: int, door: Door) -> None:
    """Whoever may write in it writes issues."""

    def change(key: int, issue: str) -> str:
        event = make_event(key, kind, "text", [["h", "proj"], ["e", issue]])
        try:
            return str(decide(table.meaning(RELAY), event, known, door=door).refusal or "")
        except Reject as refusal:
            return str(refusal)

    known = log(ISSUE, OWN_ISSUE)
    assert [change(1, issue.id) for issue in (ISSUE, OWN_ISSUE)] == ["", ""]  # a member
    assert change(3, OWN_ISSUE.id) == ""
    assert change(3, ISSUE.id).startswith("restricted: only members of a group change")
    assert change(3, "f" * 64) != ""  # it may be anybody's


def test_what_changes_issues_is_taken_of_an_import_and_elsewhere_of_anybody() -> None:
    state = make_event(3, 1632, "", [["h", "proj"], ["e", ISSUE.id]])
    assert decide(table.meaning(RELAY), state, log(ISSUE), door=Door.IMPORT).store
    operator = GroupRules(operators=frozenset([keypair(3).pubkey]))
    assert decide(table.meaning(RELAY, groups=operator), state, log(ISSUE)).store
    for tags in ([["e", ISSUE.id]], [["h", "proj"], ["e", make_event(3, 9, "mine", [["h", "proj"]]).id]]):
        mine = make_event(3, 9, "mine", [["h", "proj"]])
        assert refused(make_event(3, 1010, "text", tags), log(ISSUE, mine)) == ""


def test_a_repository_has_a_name() -> None:
    assert "needs a d tag" in refused(make_event(1, 30617), log())
    assert refused(make_event(1, 30617, "", [["d", "tides"]]), log()) == ""


def test_what_a_message_says_in_tags_is_looked_at_in_groups_of_this_relay_only() -> None:
    tags = [["role", "boss"]]
    assert "invalid: its role tag" in refused(make_event(1, 9, "hi", [["h", "room"], *tags]), log())
    elsewhere = make_event(1, 9, "hi", [["h", "nowhere"], *tags])
    assert decide(table.meaning(RELAY), elsewhere, log(), door=Door.PEER).store
    assert refused(make_event(1, 9, "hi", tags), log()) == ""
