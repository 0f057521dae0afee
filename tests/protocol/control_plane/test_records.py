"""Records of groups and definitions of agents."""

import pytest

from relay.protocol.control_plane import records
from relay.protocol.control_plane.records import AgentRecord, OrganizationRecord, ProjectRecord, ThreadRecord


def test_of_a_record_everything_of_the_right_type_counts() -> None:
    content = '{"system_prompt":"s","default_tools":["a",1],"is_archived":"yes","default_model":"m","of others":{}}'
    assert records.read(content, ProjectRecord) == ProjectRecord(system_prompt="s", default_model="m")


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '"x"', "null"])
def test_what_is_no_object_says_nothing(content: str) -> None:
    assert records.read(content, OrganizationRecord) == OrganizationRecord("free", 0)
    assert records.fault(content, OrganizationRecord) is not None


@pytest.mark.parametrize(
    ("content", "record", "field"),
    [
        ('{"credits":-1}', OrganizationRecord, "credits"),
        ('{"metadata":[]}', ThreadRecord, "metadata"),
        ('{"agent_type":"boss"}', AgentRecord, "agent_type"),
    ],
)
def test_a_fault_names_the_field(content: str, record: type, field: str) -> None:
    assert field in (records.fault(content, record) or "")


def test_a_name_of_which_nobody_sees_anything_is_a_fault() -> None:
    assert records.fault('{"name":" \\u3164"}', AgentRecord) == "its name must have at least one character that is seen"


def test_what_is_not_known_is_no_fault() -> None:
    assert records.fault('{"of others":1,"name":"Pilot"}', AgentRecord) is None
