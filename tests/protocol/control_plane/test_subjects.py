"""Under which names events of the control plane are found."""

from relay.protocol.control_plane import subjects
from relay.protocol.control_plane.subjects import of_agent, of_group, of_issue
from tests.factories import keypair, make_event

ALICE = keypair(1).pubkey
ISSUE, OTHER = "a" * 64, "b" * 64


def test_a_record_and_an_edit_are_the_groups() -> None:
    record = make_event(1, 30078, "", [["d", "room"], ["h", "room"]])
    assert subjects.subjects(record) == [of_group("room")]
    assert subjects.recorded(record) == "room"
    assert subjects.subjects(make_event(1, 9002, "", [["h", "room"]])) == [of_group("room")]
    other = make_event(1, 30078, "", [["d", "room"], ["h", "other"]])
    assert (subjects.subjects(other), subjects.recorded(other)) == ([], None)


def test_an_agent_is_found_by_its_slug_in_its_organization_or_in_none() -> None:
    pilot = make_event(1, 30078, "", [["d", "agent:pilot"], ["h", "org"]])
    assert (subjects.subjects(pilot), subjects.defined(pilot)) == ([of_agent("org", "pilot")], "pilot")
    assert subjects.subjects(make_event(1, 30078, "", [["d", "agent:pilot"]])) == [of_agent("", "pilot")]
    assert of_agent("org", "pilot") != of_agent("", "pilot")
    assert subjects.defined(make_event(1, 30078, "", [["d", "agent:"]])) is None


def test_what_is_said_of_issues_is_found_by_the_group_or_by_who_said_it() -> None:
    tags = [["e", ISSUE], ["e", OTHER, "", "root"], ["e", "no id"]]
    status, edit = make_event(1, 1631, "", [["h", "room"], *tags]), make_event(1, 1010, "", [["h", "room"], *tags])
    assert subjects.subjects(status) == [of_issue(ISSUE, "room"), of_issue(OTHER, "room")]
    assert subjects.subjects(edit) == [of_issue(ISSUE, "room")]
    assert subjects.subjects(make_event(1, 1631, "", tags)) == [(ISSUE, ALICE), (OTHER, ALICE)]
    assert subjects.subjects(make_event(1, 1010, "", tags)) == []
    assert subjects.subjects(make_event(1, 1, "", [["h", "room"], *tags])) == []
    many = make_event(1, 1631, "", [["e", f"{n:064x}"] for n in range(subjects.MAX_ABOUT + 5)])
    assert subjects.issues(many) == [f"{n:064x}" for n in range(subjects.MAX_ABOUT)]
