"""handlers.identities: a join or leave request does one thing, once, and goes nowhere; a profile names its identity."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import table
from keys import tokens
from keys.tokens import Kind
from relay.errors import Reject
from relay.protocol import kinds
from relay.protocol.admission import (
    AcceptInvite,
    Admission,
    BindKey,
    Door,
    NameIdentity,
    UnbindKey,
    VanishKey,
)
from relay.protocol.event import Event
from relay.protocol.facts import PendingKeyClaim
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, FakeLog, admit, decide, refused

CODE = tokens.make(Kind.KEY_CLAIM)
KEY = keypair(1).pubkey


def join(*claims: str, created_at: int = NOW) -> Event:
    return make_event(1, kinds.JOIN, tags=[["-"], *(["claim", claim] for claim in claims)], created_at=created_at)


def leave(created_at: int = NOW) -> Event:
    return make_event(1, kinds.LEAVE, tags=[["-"]], created_at=created_at)


def holding(used: bool = False, expires_at: int = NOW + 1) -> FakeLog:
    known = FakeLog()
    known.claims[tokens.digest(CODE)] = PendingKeyClaim("alice", expires_at, used)
    return known


def goes_nowhere(admission: Admission) -> bool:
    return not admission.store and admission.audience == ()


def test_a_join_with_a_claim_code_binds_the_key_and_goes_nowhere() -> None:
    admission = admit(join(CODE), holding())
    assert admission.actions == (BindKey(KEY, tokens.digest(CODE)),)
    assert admission.message.startswith("info: ")
    assert goes_nowhere(admission)


@pytest.mark.parametrize(
    ("event", "known", "reason"),
    [
        (join(CODE), FakeLog(), "restricted: that is no invite code and no claim code"),
        (join(""), FakeLog(), "restricted: a key joins by an invite code"),
        (join("guess"), holding(), "restricted: that is no invite code and no claim code"),
        (join(CODE), holding(used=True), "restricted: that claim code was used"),
        (join(CODE), holding(expires_at=NOW), "restricted: that claim code has expired"),
        (join(tokens.make(Kind.IDENTITY)), holding(), "restricted: that is a token, not a claim code"),
        (join(tokens.make(Kind.APP)), holding(), "restricted: that is a token, not a claim code"),
        (join(), holding(), "invalid: a join request needs exactly one claim tag"),
        (join(CODE, CODE), holding(), "invalid: a join request needs exactly one claim tag"),
        (join(CODE, created_at=NOW - 601), holding(), "invalid: created_at is more than 600 seconds"),
        (join(CODE, created_at=NOW + 601), holding(), "invalid: created_at is more than 600 seconds"),
    ],
)
def test_refuses_a_join_that_proves_nothing(event: Event, known: FakeLog, reason: str) -> None:
    assert refused(event, known).startswith(reason)


INVITE = tokens.make(Kind.INVITE)


def invited(expires_at: int = NOW + 1) -> FakeLog:
    known = FakeLog()
    known.invites[tokens.digest(INVITE)] = expires_at
    return known


def test_a_join_with_an_invite_gives_the_key_an_identity_and_goes_nowhere() -> None:
    admission = admit(join(INVITE), invited())
    assert admission.actions == (AcceptInvite(KEY, tokens.digest(INVITE)),)
    assert admission.message.startswith("info: ")
    assert goes_nowhere(admission)


def test_an_invite_is_good_once_for_a_while_and_for_a_key_that_has_no_identity() -> None:
    assert refused(join(INVITE), FakeLog()).startswith("restricted: that invite is unknown or was used")
    assert refused(join(INVITE), invited(expires_at=NOW)).startswith("restricted: that invite has expired")
    bound, unbound = invited(), invited()
    bound.bound[KEY] = "alice"
    unbound.owners[KEY] = "alice"
    assert refused(join(INVITE), bound).startswith("duplicate: ")
    assert refused(join(INVITE), unbound).startswith("restricted: this key belongs to an identity already")


@pytest.mark.parametrize("door", list(Door))
def test_nobody_publishes_an_invite(door: Door) -> None:
    event = make_event(1, kinds.INVITE, tags=[["-"], ["claim", INVITE]])
    with pytest.raises(Reject, match="makes its invites itself"):
        decide(table.meaning(RELAY), event, FakeLog(), NOW, door)


def test_a_refused_token_is_not_repeated() -> None:
    token = tokens.make(Kind.IDENTITY)
    assert token not in refused(join(token), holding())


def test_a_key_that_is_bound_already_is_told_so() -> None:
    known = holding()
    known.bound[KEY] = "alice"
    assert refused(join(CODE), known).startswith("duplicate: ")
    assert refused(join("whatever"), known).startswith("duplicate: ")


def test_a_key_of_another_identity_is_not_bound_even_after_it_left() -> None:
    known = holding()
    known.owners[KEY] = "bob"
    assert refused(join(CODE), known).startswith("restricted: this key belongs to another identity")
    known.bound[KEY] = "bob"
    assert refused(join(CODE), known).startswith("restricted: this key belongs to another identity")


def test_a_key_comes_back_to_the_identity_it_left() -> None:
    known = holding()
    known.owners[KEY] = "alice"
    assert admit(join(CODE), known).actions == (BindKey(KEY, tokens.digest(CODE)),)


def test_a_leave_unbinds_the_key_and_goes_nowhere() -> None:
    known = FakeLog()
    known.bound[KEY] = "alice"
    admission = admit(leave(), known)
    assert admission.actions == (UnbindKey(KEY),)
    assert goes_nowhere(admission)


def test_a_leave_by_nobody_of_ours_changes_nothing() -> None:
    assert refused(leave()).startswith("duplicate: ")


def test_a_leave_without_a_hyphen_is_taken_as_clients_send_it() -> None:
    known = FakeLog()
    known.bound[KEY] = "alice"
    assert admit(make_event(1, kinds.LEAVE), known).actions == (UnbindKey(KEY),)


def test_a_leave_is_of_the_present() -> None:
    assert refused(leave(created_at=NOW - 601)).startswith("invalid: created_at")


@pytest.mark.parametrize("door", [Door.PEER, Door.IMPORT])
@pytest.mark.parametrize("event", [join(CODE), leave()])
def test_nobody_joins_or_leaves_for_another(event: Event, door: Door) -> None:
    with pytest.raises(Reject, match="key's holder only"):
        decide(table.meaning(RELAY), event, holding(), NOW, door)


def profile(content: str) -> Admission:
    known = FakeLog()
    known.bound[KEY] = "alice"
    return admit(make_event(1, kinds.METADATA, content), known)


def test_a_profile_by_a_bound_key_names_its_identity() -> None:
    content = json.dumps({"name": "al", "display_name": "Alice", "about": "An agent"})
    assert profile(content).actions == (NameIdentity("alice", "Alice", "An agent"),)
    assert profile('{"name":"al"}').actions == (NameIdentity("alice", "al", ""),)


def test_a_profile_by_any_other_key_names_nobody() -> None:
    assert admit(make_event(1, kinds.METADATA, '{"name":"al"}')).actions == ()


def test_what_hides_in_a_profile_is_left_out() -> None:
    shown = profile(json.dumps({"name": "A\u202el\u0007ice\u200b", "about": "x" * 900})).actions[0]
    assert shown == NameIdentity("alice", "Alice", "x" * 500)


@given(
    st.text()
    | st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        json.dumps
    )
)
def test_any_profile_is_taken(content: str) -> None:
    (action,) = profile(content.encode("utf-8", "replace").decode()).actions
    assert isinstance(action, NameIdentity)
    assert len(action.display_name) <= 100
    assert len(action.description) <= 500


def test_a_request_to_vanish_forgets_the_key() -> None:
    event = make_event(1, kinds.VANISH, tags=[["relay", RELAY]])
    assert admit(event).actions == (VanishKey(KEY),)
