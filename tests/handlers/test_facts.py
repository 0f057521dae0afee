"""Every handler decides with exactly what it asked for: on any event, at any door, on a relay of any settings."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import table
from handlers.table import HANDLERS, row_of
from keys.tokens import Kind
from relay.errors import Reject
from relay.protocol import kinds
from relay.protocol.admission import OPERATOR, Door, Meaning
from relay.protocol.event import Event, address_of, compute_id
from relay.protocol.facts import PendingKeyClaim
from relay.protocol.groups.fold import hash_of
from relay.protocol.groups.state import Group, Invite, Member, invite_key, member_key
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, FakeLog, lines

KEYS = [keypair(n).pubkey for n in range(1, 5)]
GROUPS = {
    "x": Group("x", KEYS[0], NOW - 9, parent="y"),
    "y": Group("y", KEYS[0], NOW - 9, private=True, children=("x",)),
    "": Group("", KEYS[0], NOW - 9, ended=True),
}
IN_GROUP = make_event(2, 9, "chat", [["h", "x"]], NOW - 5)
CODES = [f"{Kind.KEY_CLAIM.value}{'1' * 64}", f"{Kind.INVITE.value}{'2' * 64}", "neither"]
POST = make_event(1, kinds.POST, "text", [["title", "x"]], NOW - 9)
COMMENT = make_event(2, kinds.COMMENT, "y", [["E", POST.id], ["K", "11"]], NOW - 8)
ARTICLE = make_event(1, kinds.WIKI, "a\nb\nc", [["d", "x"]], NOW - 7)
PROFILE = make_event(2, kinds.METADATA, '{"name":"n"}', [], NOW - 7)
LIVE = [POST, COMMENT, ARTICLE, PROFILE, IN_GROUP]
IDS = [*(event.id for event in LIVE), "f" * 64, "", "no id"]
SAMPLES = sorted(
    {covered.start for row in HANDLERS for covered in row.kinds}
    | {*range(9000, 9011), 9021, 9022}
    | {1, 4, 30_023, 20_001, 65_535}
)
MEANINGS = [
    table.meaning(RELAY),
    table.meaning(RELAY, provision=True, provisions_per_hour=1),
    table.meaning(RELAY, knowledge=frozenset([30818, 30023, 1]), chunks_per_key=2, passages=lines),
]

_tags = st.one_of(
    st.tuples(st.sampled_from("eE"), st.sampled_from(IDS)),
    st.tuples(st.sampled_from("pP"), st.sampled_from([*KEYS, "x"])),
    st.tuples(st.just("a"), st.sampled_from([f"30818:{KEYS[0]}:x", f"0:{KEYS[1]}:", "x"])),
    st.tuples(st.just("claim"), st.sampled_from(CODES)),
    st.tuples(st.sampled_from(["kK", "k", "K"]), st.sampled_from(["11", "1111", "1"])),
    st.tuples(
        st.sampled_from(["d", "title", "relay", "h", "expiration"]), st.sampled_from(["", "x", "ALL_RELAYS", "5"])
    ),
    st.tuples(st.sampled_from(["h", "parent", "child"]), st.sampled_from(["x", "y", "z"])),
    st.tuples(st.just("code"), st.sampled_from(CODES)),
    st.tuples(st.just("previous"), st.sampled_from([IN_GROUP.id[:8], "0" * 8, "x"])),
    st.tuples(st.sampled_from(["type", "private", "revoked", "uses"])),
    st.tuples(st.sampled_from(["-", "e", "E", "d", "claim", "h", "code", "p"])),
)


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    """An event of any family about anything; nobody looks at its signature."""
    kind, tags = draw(st.sampled_from(SAMPLES)), [list(tag) for tag in draw(st.lists(_tags, max_size=6))]
    content = draw(st.sampled_from(["", "+", "-", "text", "\x00", "a\nb\nc\nd"]))
    event = Event("0" * 64, draw(st.sampled_from(KEYS)), NOW - draw(st.integers(0, 9)), kind, tags, content, "0" * 128)
    return Event(compute_id(event), event.pubkey, event.created_at, kind, tags, content, event.sig)


@st.composite
def any_log(draw: st.DrawFn, event: Event) -> FakeLog:
    """A log in which some of what the event is about is here, deleted, bound or good."""
    log = FakeLog(*draw(st.lists(st.sampled_from(LIVE), unique_by=lambda one: one.id)))
    for one in (event, POST):
        if draw(st.booleans()):
            log.deleted.add((one.id, draw(st.sampled_from([event.pubkey, OPERATOR, KEYS[0]]))))
    if draw(st.booleans()):
        log.vanished[event.pubkey] = NOW - draw(st.integers(0, 9))
    for key in KEYS:
        if draw(st.booleans()):
            draw(st.sampled_from([log.bound, log.owners]))[key] = draw(st.sampled_from(["a", "b"]))
    log.claims = {
        key: PendingKeyClaim("a", NOW + 5, draw(st.booleans())) for key in draw(st.sets(st.sampled_from(CODES)))
    }
    log.groups = {name: GROUPS[name] for name in draw(st.sets(st.sampled_from(list(GROUPS))))}
    roles = st.sampled_from([(), ("owner",), ("admin", "x"), ("moderator",)])
    for name in log.groups:
        for key in draw(st.sets(st.sampled_from(KEYS))):
            standing = draw(st.sampled_from(["member", "removed", "left"]))
            log.members[member_key(key, name)] = Member(standing, draw(roles), NOW)
        for code in draw(st.sets(st.sampled_from(CODES))):
            log.codes[invite_key(hash_of(code), name)] = Invite(KEYS[0], None, 1)
    return log


@given(st.data(), st.sampled_from(MEANINGS), st.sampled_from(list(Door)))
def test_a_handler_reads_nothing_that_it_did_not_ask_for(data: st.DataObject, meaning: Meaning, door: Door) -> None:
    """What was not asked for is missing, so that reading it is a KeyError."""
    event = data.draw(any_event())
    log = data.draw(any_log(event))
    facts = log.facts(meaning, event)
    assert facts.missing(meaning.needs(event, facts)) == []
    before = repr(facts)
    with contextlib.suppress(Reject):
        meaning.admit(event, facts, NOW, door)
    assert repr(facts) == before


@pytest.mark.parametrize("row", HANDLERS, ids=lambda row: row.name)
def test_what_every_handler_needs_of_an_event_that_says_nothing_is_looked_up_in_one_round(row: table.KindRow) -> None:
    kind = next(kind for covered in row.kinds for kind in covered if row_of(kind) is row)
    event = make_event(1, kind)
    needs = set(table.meaning(RELAY).needs(event, FakeLog().facts(table.meaning(RELAY), event)))
    common = {("closed", address_of(event) or "")} if kinds.has_address(kind) else set()
    assert common <= needs
    assert needs - common <= {("keys", event.pubkey)}
