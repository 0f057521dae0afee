"""What the tags of a chat message say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.control_plane import chat
from relay.protocol.control_plane.chat import Saying, Usage
from tests.factories import make_event

GOOD = [
    ["role", "assistant"],
    ["finish_reason", "stop"],
    ["usage", "120", "45", "0.0012"],
    ["tool_invocations", '[{"name":"tide"}]'],
    ["parts", "[]"],
    ["annotations", "[1]"],
]


def test_a_message_of_any_client_is_a_users() -> None:
    assert chat.read(make_event(1, 9, "hi", [["h", "room"]])) == Saying()
    assert chat.fault(make_event(1, 9, "hi")) is None


def test_all_tags_are_read() -> None:
    message = make_event(1, 9, "hi", GOOD)
    said = Saying("assistant", "stop", Usage(120, 45, 0.0012), '[{"name":"tide"}]', "[]", "[1]")
    assert (chat.read(message), chat.fault(message)) == (said, None)


def test_a_cost_may_stand_alone_and_has_twelve_digits() -> None:
    assert chat.read(make_event(1, 9, "", [["usage", "", "", "0.1234567890123456"]])).usage == Usage(
        cost=0.123456789012
    )


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (["role", "boss"], "role"),
        (["finish_reason", ""], "finish_reason"),
        (["finish_reason", "x" * 101], "finish_reason"),
        (["usage", "1", "2", "3", "4"], "usage"),
        (["usage", "-1"], "usage"),
        (["usage", "1", "2", "nan"], "usage"),
        (["usage", "1", "2", "-1"], "usage"),
        (["usage", str(2**53)], "usage"),
        (["usage", "1", "2", "1" + "0" * 400], "usage"),
        (["parts", "{}"], "parts"),
        (["annotations", "[" * 100_000], "annotations"),
        (["tool_invocations", "["], "tool_invocations"),
    ],
)
def test_what_cannot_be_read_is_named_and_passed_over(tag: list[str], reason: str) -> None:
    message = make_event(1, 9, "hi", [tag])
    assert reason in (chat.fault(message) or "")
    assert chat.read(message) == Saying()


@given(
    st.lists(
        st.lists(
            st.sampled_from(["role", "usage", "parts", "user", "1", "1.5", "[]", "[1", ""]), min_size=1, max_size=5
        )
    )
)
def test_what_has_no_fault_is_read_as_it_stands(tags: list[list[str]]) -> None:
    message = make_event(1, 9, "", tags)
    said = chat.read(message)
    if chat.fault(message) is None:
        given_role = next((tag[1] if len(tag) > 1 else "" for tag in tags if tag[0] == "role"), "user")
        assert said.role == given_role
        assert (said.parts is None) == all(tag[0] != "parts" for tag in tags)
