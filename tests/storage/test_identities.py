"""storage.identities: the primary tables, on their own and as events change them, against a slow obvious model."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from handlers import table
from keys import encoding, tokens
from keys.tokens import Kind
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from storage.base import Incoming, Outcome, Status
from storage.commands import Command, Compact, RemoveMatching, Sweep
from storage.errors import StorageError
from storage.identities import decisions
from storage.identities.commands import (
    AddIdentityToken,
    AddUserToken,
    AdoptSecret,
    BindProven,
    ChooseKey,
    ClaimIdentity,
    EditUser,
    OpenInvite,
    OpenKeyClaim,
    Register,
    RetireKey,
    RevokeToken,
    RotateSecret,
    Unbind,
)
from storage.identities.types import MAX_KEYS, ChangeRefused, NewIdentity, Resealed, StoredToken, Why
from storage.sqlite import backend
from storage.sqlite.identities import writes
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW, keypair, make_event
from tests.storage.groups.world import Own
from tests.stores import with_schema

RELAY = "ws://relay.example"
ALICE, BOB = "a" * 32, "b" * 32


def open_writer(directory: Path, provision: bool = False, most: int = 0) -> SqliteWriter:
    with_schema(directory)
    return backend.open_writer(directory, table.meaning(RELAY, provision, most))


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    opened = open_writer(tmp_path)
    yield opened
    opened.close()


def register(writer: SqliteWriter, identity_id: str = ALICE, name: str = "Alice", key: int = 1) -> None:
    new = NewIdentity(
        id=identity_id,
        name=name,
        description="text",
        token_id=f"{identity_id[:31]}0",
        token_hash=tokens.digest(f"token {name}"),
        pubkey=keypair(key).pubkey,
        ciphertext=b"sealed",
        claim_hash=tokens.digest(f"claim {name}"),
        claim_expires_at=NOW + 100,
    )
    writer.execute(Register(new), NOW)


def write(writer: SqliteWriter, *events: Event, door: Door = Door.CLIENT, now: int = NOW) -> list[Outcome]:
    return writer.write([Incoming(event, wire(event), door, now) for event in events], now)


def post(key: int, at: int = NOW) -> Event:
    return make_event(key, kinds.POST, "text", [["title", f"by {key} at {at}"]], at)


def vanish(key: int, at: int = NOW) -> Event:
    return make_event(key, kinds.VANISH, tags=[["relay", RELAY]], created_at=at)


def test_a_registration_that_fails_leaves_nothing(writer: SqliteWriter) -> None:
    register(writer)
    with pytest.raises(ChangeRefused) as refused:
        register(writer, BOB, "ALICE", 2)
    assert refused.value.why is Why.TAKEN
    assert writer.tables.identity(BOB) is None
    assert writer.tables.key(keypair(2).pubkey) is None
    assert writer.tables.token("identity", tokens.digest("token ALICE")) is None


def test_a_token_is_found_by_its_hash_among_its_own_kind_only(writer: SqliteWriter) -> None:
    register(writer)
    found = writer.tables.token("identity", tokens.digest("token Alice"))
    assert found is not None
    assert found.owner_id == ALICE
    assert writer.tables.token("user", tokens.digest("token Alice")) is None


def test_a_user_is_made_once(writer: SqliteWriter) -> None:
    first = writer.execute(EditUser("nostr:x", ALICE, {}), NOW)
    assert writer.execute(EditUser("nostr:x", BOB, {}), NOW + 1) == first


def test_an_app_token_needs_a_user_and_leaves_identities_alone(writer: SqliteWriter) -> None:
    user = writer.execute(EditUser("nostr:x", ALICE, {}), NOW)
    writer.execute(
        AddUserToken("nostr:x", ALICE, StoredToken(BOB, user.id, "app", None, NOW, None, None), "f" * 64), NOW
    )
    assert [token.name for token in writer.tables.tokens("user", user.id)] == ["app"]
    assert writer.tables.tokens("identity", user.id) == []


def test_the_main_key_stays_the_same_as_others_are_bound_until_it_cannot_sign(writer: SqliteWriter) -> None:
    register(writer)
    for key in (2, 3):
        writer.execute(BindProven(keypair(key).pubkey, ALICE), NOW + key)
        assert shown(writer) == keypair(1).pubkey
    writer.execute(RetireKey(keypair(1).pubkey, ALICE), NOW + 4)
    assert shown(writer) == keypair(2).pubkey
    writer.execute(Unbind(keypair(2).pubkey, ALICE), NOW + 5)
    assert shown(writer) == keypair(3).pubkey
    writer.execute(Unbind(keypair(3).pubkey, ALICE), NOW + 5)
    assert shown(writer) == keypair(1).pubkey
    writer.execute(Unbind(keypair(1).pubkey, ALICE), NOW + 5)
    assert shown(writer) is None


def test_the_owner_chooses_the_main_key_and_chooses_again(writer: SqliteWriter) -> None:
    register(writer)
    for key in (2, 3):
        writer.execute(BindProven(keypair(key).pubkey, ALICE), NOW)
    for key in (3, 2, 1, 2):
        writer.execute(ChooseKey(keypair(key).pubkey, ALICE), NOW)
        assert shown(writer) == keypair(key).pubkey
    writer.execute(Unbind(keypair(2).pubkey, ALICE), NOW)
    assert shown(writer) == keypair(1).pubkey
    writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW)
    assert shown(writer) == keypair(1).pubkey


def test_a_key_that_cannot_sign_is_not_chosen(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW)
    writer.execute(Unbind(keypair(2).pubkey, ALICE), NOW)
    writer.execute(RetireKey(keypair(1).pubkey, ALICE), NOW)
    for key, why in ((1, Why.UNUSABLE), (2, Why.UNUSABLE), (9, Why.UNKNOWN)):
        with pytest.raises(ChangeRefused) as refused:
            writer.execute(ChooseKey(keypair(key).pubkey, ALICE), NOW)
        assert refused.value.why is why


def shown(writer: SqliteWriter) -> str | None:
    found = writer.tables.identity(ALICE)
    assert found is not None
    return found.pubkey


def test_a_batch_that_binds_and_posts_is_taken_as_a_whole(writer: SqliteWriter) -> None:
    register(writer)
    code = tokens.make(Kind.KEY_CLAIM)
    writer.execute(OpenKeyClaim(tokens.digest(code), ALICE, NOW + 10), NOW)
    join = make_event(5, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=NOW)
    outcomes = write(writer, post(5, NOW - 1), join, post(5))
    assert [outcome.status for outcome in outcomes] == [Status.REFUSED, Status.EPHEMERAL, Status.STORED]
    assert outcomes[1].audience == ()
    assert outcomes[1].message.startswith("info: ")
    assert outcomes[1].seq == 0


def test_a_claim_code_is_not_used_up_by_a_key_that_cannot_be_bound(writer: SqliteWriter) -> None:
    register(writer)
    for key in range(100, 99 + MAX_KEYS):
        writer.execute(BindProven(keypair(key).pubkey, ALICE), NOW)
    code = tokens.make(Kind.KEY_CLAIM)
    writer.execute(OpenKeyClaim(tokens.digest(code), ALICE, NOW + 10), NOW)
    (outcome,) = write(writer, make_event(5, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=NOW))
    assert "unbind one first" in str(outcome.refusal)
    claim = writer.tables.key_claim(tokens.digest(code))
    assert claim is not None
    assert not claim.used


def invite(writer: SqliteWriter, expires_at: int = NOW + 10) -> str:
    code = tokens.make(Kind.INVITE)
    writer.execute(OpenInvite(tokens.digest(code), expires_at), NOW)
    return code


def accept(key: int, code: str) -> Event:
    return make_event(key, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=NOW)


def test_an_invite_gives_one_key_an_identity_of_its_own(writer: SqliteWriter) -> None:
    register(writer)
    code = invite(writer)
    profile = make_event(5, kinds.METADATA, '{"name":"carol"}')
    outcomes = write(writer, profile, post(5, NOW - 1), accept(5, code), post(5), accept(6, code))
    stored, ephemeral, no = Status.STORED, Status.EPHEMERAL, Status.REFUSED
    assert [outcome.status for outcome in outcomes] == [stored, no, ephemeral, stored, no]
    found = writer.tables.identities_of_keys([keypair(key).pubkey for key in (5, 6)])
    assert [(identity.name, identity.origin) for identity in found.values()] == [("carol", None)]


def test_an_invite_is_not_used_up_by_a_key_that_cannot_have_it(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(Unbind(keypair(1).pubkey, ALICE), NOW)
    code = invite(writer)
    assert [outcome.status for outcome in write(writer, accept(1, code), accept(5, code))] == [
        Status.REFUSED,
        Status.EPHEMERAL,
    ]


def test_unused_invites_are_bounded_and_those_that_expired_are_forgotten(
    writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "MAX_INVITES", 3)
    codes = [invite(writer, NOW + n) for n in (1, 10, 10)]
    with pytest.raises(ChangeRefused) as refused:
        invite(writer)
    assert refused.value.why is Why.TOO_MANY
    writer.execute(OpenInvite("f" * 64, NOW + 20), NOW + 1)
    assert [writer.tables.invite(tokens.digest(code)) for code in codes] == [None, NOW + 10, NOW + 10]


def test_a_key_that_vanishes_is_unbound_and_its_secret_destroyed(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW)
    write(writer, vanish(1))
    assert writer.tables.held(keypair(1).pubkey) is None
    identity = writer.tables.identity(ALICE)
    assert identity is not None
    assert (identity.name, identity.pubkey) == ("Alice", keypair(2).pubkey)


def test_with_its_last_key_an_identity_is_anonymised(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW)
    write(writer, vanish(1), vanish(2))
    gone = writer.tables.identity(ALICE)
    assert gone is not None
    assert (gone.description, gone.display_name, gone.user_id, gone.anonymised_at) == (None, None, None, NOW)
    assert writer.tables.identity_named("Alice") is None
    assert [token.revoked_at for token in writer.tables.tokens("identity", ALICE)] == [NOW]
    assert writer.tables.identity_claim(tokens.digest("claim Alice")) is None


def says(key: int, text: str, at: int = NOW, *tags: list[str]) -> Event:
    return make_event(key, kinds.METADATA, text, tags, at)


def texts_of(writer: SqliteWriter) -> tuple[str | None, str | None]:
    identity = writer.tables.identity(ALICE)
    assert identity is not None
    return identity.display_name, identity.description


PROFILE = says(2, '{"name":"al","about":"Counts."}', NOW, ["expiration", f"{NOW + 10}"])
ADDRESS = kinds.address(kinds.METADATA, PROFILE.pubkey, "")


@pytest.mark.parametrize(
    "leaves",
    [
        make_event(2, kinds.DELETION, tags=[["e", PROFILE.id]], created_at=NOW),
        make_event(2, kinds.DELETION, tags=[["a", ADDRESS]], created_at=NOW),
        vanish(2),
        Sweep(10),
        RemoveMatching(Filter(ids=frozenset([PROFILE.id])), 10),
    ],
)
def test_a_profile_that_leaves_is_not_shown_any_more(writer: SqliteWriter, leaves: Event | Command[int]) -> None:
    register(writer)
    writer.execute(BindProven(PROFILE.pubkey, ALICE), NOW)
    write(writer, PROFILE)
    assert texts_of(writer) == ("al", "Counts.")
    if isinstance(leaves, Event):
        write(writer, leaves)
    else:
        assert writer.execute(leaves, NOW + 20) == 1
    assert texts_of(writer) == (None, None)


def test_what_else_is_shown_stays_when_a_profile_leaves(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(BindProven(PROFILE.pubkey, ALICE), NOW)
    newer, deletion = (
        says(2, '{"name":"al","about":"Sings."}', NOW + 2),
        make_event(2, kinds.DELETION, tags=[["e", PROFILE.id]], created_at=NOW),
    )
    write(writer, PROFILE, newer)  # replaced
    assert texts_of(writer) == ("al", "Sings.")
    write(
        writer,
        make_event(2, kinds.DELETION, tags=[["a", ADDRESS]], created_at=NOW + 2),
        says(2, newer.content, NOW + 3),
    )
    assert texts_of(writer) == ("al", "Sings.")
    write(writer, says(1, '{"about":"Reads."}', NOW + 3), deletion, vanish(2, NOW + 3))  # of another key, and shown now
    assert texts_of(writer) == (None, "Reads.")


def test_what_the_held_key_had_said_before_stays_when_a_profile_leaves(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(BindProven(PROFILE.pubkey, ALICE), NOW)
    write(writer, says(1, '{"name":"Alice","about":"Counts."}'), PROFILE)
    write(writer, make_event(2, kinds.DELETION, tags=[["e", PROFILE.id]], created_at=NOW))
    assert texts_of(writer) == (None, "Counts.")


def test_a_profile_for_a_group_is_nobody_elses_to_read(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, provision=True)
    writer.hand_signer(Own())
    register(writer)
    writer.execute(BindProven(PROFILE.pubkey, ALICE), NOW)
    begun = make_event(2, 9007, tags=[["h", "pizza"], ["private"]], created_at=NOW)
    joined = make_event(2, 9000, tags=[["h", "pizza"], ["p", keypair(5).pubkey]], created_at=NOW)
    told = [says(key, '{"name":"secret","about":"secret"}', NOW + 1, ["h", "pizza"]) for key in (2, 5)]
    outcomes = write(writer, PROFILE, begun, joined, *told, post(5))
    assert {outcome.status for outcome in outcomes} == {Status.STORED}
    assert texts_of(writer) == (None, None)
    (provisioned,) = writer.tables.identities_of_keys([keypair(5).pubkey]).values()
    assert (provisioned.name[:4], provisioned.display_name, provisioned.description) == ("npub", None, None)
    writer.close()


def test_nothing_is_noted_of_who_follows_somebody_who_vanished_or_had_vanished(writer: SqliteWriter) -> None:
    register(writer)
    register(writer, BOB, "bob", 2)
    lists = [make_event(n, kinds.CONTACTS, tags=[["p", keypair(3 - n).pubkey]], created_at=NOW + 1) for n in (1, 2)]
    outcomes = write(writer, vanish(1), *lists, now=NOW + 1)
    assert [outcome.status for outcome in outcomes] == [Status.STORED] * 3
    assert writer.connection.execute("SELECT follower, followed FROM followers").fetchall() == []
    assert writer.tables.new_followers(ALICE, NOW, 10) == []


@pytest.mark.parametrize(("age", "told"), [(86_400, 0), (86_399, 1)])
def test_a_list_that_is_a_day_old_is_no_news_and_neither_is_its_next_version(
    writer: SqliteWriter, age: int, told: int
) -> None:
    register(writer)
    register(writer, BOB, "bob", 2)
    for at in (NOW - age, NOW):
        write(writer, make_event(2, kinds.CONTACTS, tags=[["p", keypair(1).pubkey]], created_at=at))
        assert len(writer.tables.new_followers(ALICE, NOW, 10)) == told


def test_nobody_takes_over_the_name_of_who_vanished(writer: SqliteWriter) -> None:
    register(writer)
    write(writer, vanish(1), vanish(1, NOW + 1))
    with pytest.raises(ChangeRefused) as refused:
        register(writer, BOB, "ALICE", 2)
    assert refused.value.why is Why.TAKEN
    register(writer, BOB, "alice2", 2)


def test_a_name_that_somebody_left_is_not_provisioned(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, provision=True)
    register(writer)
    write(writer, vanish(1))
    write(writer, make_event(5, kinds.METADATA, '{"name":"alice"}'), post(5))
    name = writer.tables.identities_of_keys([keypair(5).pubkey])[keypair(5).pubkey].name
    assert name.startswith("alice-")
    writer.close()


def test_the_name_of_who_vanished_is_nowhere_in_the_tables(writer: SqliteWriter, tmp_path: Path) -> None:
    register(writer, name="sandpiper")
    write(writer, vanish(1))
    writer.execute(Compact(), NOW)
    files = [file.read_bytes() for file in tmp_path.iterdir() if file.is_file()]
    assert files
    assert not any(b"sandpiper" in data.lower() for data in files)


def test_a_token_that_has_ended_makes_no_other(writer: SqliteWriter) -> None:
    register(writer)
    (first,) = writer.tables.tokens("identity", ALICE)
    writer.execute(
        AddIdentityToken(StoredToken("1" * 32, ALICE, None, None, NOW, None, None), "1" * 64, first.id, NOW), NOW
    )
    with pytest.raises(ChangeRefused) as refused:
        writer.execute(
            AddIdentityToken(StoredToken("2" * 32, ALICE, None, None, NOW, None, None), "2" * 64, first.id, NOW), NOW
        )
    assert refused.value.why is Why.ENDED
    writer.execute(RevokeToken("identity", ALICE, "1" * 32), NOW)
    with pytest.raises(ChangeRefused):
        writer.execute(
            AddIdentityToken(StoredToken("3" * 32, ALICE, None, None, NOW, None, None), "3" * 64, "1" * 32), NOW
        )
    assert sorted(token.id for token in writer.tables.tokens("identity", ALICE)) == sorted([first.id, "1" * 32])


def test_of_tokens_that_have_ended_the_latest_are_kept(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "MAX_ENDED", 2)
    user = writer.execute(EditUser("nostr:x", ALICE, {}), NOW)
    for n in range(5):
        ends = NOW + n if n % 2 else None
        token = StoredToken(f"{n:032x}", user.id, f"{n}", None, NOW, ends, None)
        writer.execute(AddUserToken("nostr:x", ALICE, token, f"{n:064x}"), NOW)
        if ends is None and n < 4:
            writer.execute(RevokeToken("user", user.id, token.id), NOW + n)
    writer.execute(
        AddUserToken("nostr:x", ALICE, StoredToken("9" * 32, user.id, "9", None, NOW, None, None), "9" * 64), NOW + 9
    )
    assert {token.name for token in writer.tables.tokens("user", user.id)} == {"2", "3", "4", "9"}


def test_the_keys_that_an_identity_ever_had_are_bounded(writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MAX_KEYS_EVER", 3)
    register(writer)
    for key in (2, 3):
        writer.execute(BindProven(keypair(key).pubkey, ALICE), NOW)
        writer.execute(Unbind(keypair(key).pubkey, ALICE), NOW)
    with pytest.raises(ChangeRefused) as refused:
        writer.execute(BindProven(keypair(4).pubkey, ALICE), NOW)
    assert refused.value.why is Why.TOO_MANY
    assert writer.execute(BindProven(keypair(2).pubkey, ALICE), NOW)


def test_an_app_token_that_was_revoked_makes_no_other(writer: SqliteWriter) -> None:
    user = writer.execute(EditUser("nostr:x", ALICE, {}), NOW)
    writer.execute(
        AddUserToken("nostr:x", ALICE, StoredToken("1" * 32, user.id, "one", None, NOW, None, None), "1" * 64), NOW
    )
    writer.execute(
        AddUserToken(
            "nostr:x", ALICE, StoredToken("2" * 32, user.id, "two", None, NOW, None, None), "2" * 64, "1" * 32
        ),
        NOW,
    )
    writer.execute(RevokeToken("user", user.id, "1" * 32), NOW)
    with pytest.raises(ChangeRefused):
        writer.execute(
            AddUserToken(
                "nostr:x", ALICE, StoredToken("3" * 32, user.id, "three", None, NOW, None, None), "3" * 64, "1" * 32
            ),
            NOW,
        )
    assert len(writer.tables.tokens("user", user.id)) == 2


def test_who_comes_too_late_to_claim_leaves_no_user(writer: SqliteWriter) -> None:
    register(writer)
    secret = tokens.digest("claim Alice")
    assert writer.execute(ClaimIdentity(secret, "nostr:first", "1" * 32, None), NOW) == ALICE
    with pytest.raises(ChangeRefused) as refused:
        writer.execute(ClaimIdentity(secret, "nostr:second", "2" * 32, None), NOW)
    assert refused.value.why is Why.USED
    assert writer.tables.user("nostr:first") is not None
    assert writer.tables.user("nostr:second") is None


def test_an_identity_is_provisioned_for_a_key_that_posts(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, provision=True)
    profile = make_event(5, kinds.METADATA, '{"name":"carol","about":"Hi\\u202e"}')
    write(writer, profile, make_event(6, kinds.METADATA, '{"name":"\\u0430lice"}'))
    assert [outcome.status for outcome in write(writer, post(5), post(6), post(5, NOW + 1))] == [Status.STORED] * 3
    found = writer.tables.identities_of_keys([keypair(key).pubkey for key in (5, 6)])
    carol, other = (found[keypair(key).pubkey] for key in (5, 6))
    assert (carol.name, carol.description) == ("carol", "Hi")
    assert other.name.startswith(f"{encoding.encode('npub', keypair(6).pubkey)[:16]}")
    writer.close()


def test_a_profile_of_the_same_batch_counts(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, provision=True)
    write(writer, make_event(5, kinds.METADATA, '{"name":"carol"}'), post(5))
    assert writer.tables.identities_of_keys([keypair(5).pubkey])[keypair(5).pubkey].name == "carol"
    writer.close()


def test_a_taken_name_is_not_provisioned_a_second_time(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, provision=True)
    register(writer)
    write(writer, make_event(5, kinds.METADATA, '{"name":"ALICE"}'), post(5))
    name = writer.tables.identities_of_keys([keypair(5).pubkey])[keypair(5).pubkey].name
    assert name.startswith("ALICE-")
    writer.close()


@pytest.mark.parametrize("name", ["admin", "Me", "relay"])
def test_a_reserved_name_is_not_provisioned(tmp_path: Path, name: str) -> None:
    writer = open_writer(tmp_path, provision=True)
    write(writer, make_event(5, kinds.METADATA, f'{{"name":"{name}"}}'), post(5))
    assert writer.tables.identities_of_keys([keypair(5).pubkey])[keypair(5).pubkey].name.startswith(f"{name}-")
    assert writer.tables.identity_named(name) is None
    writer.close()


def test_provisioning_is_bounded_by_the_hour(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, provision=True, most=2)
    statuses = [outcome.status for outcome in write(writer, *(post(key) for key in range(5, 9)))]
    assert statuses == [Status.STORED] * 2 + [Status.REFUSED] * 2
    assert write(writer, post(9, NOW + 3601), now=NOW + 3601)[0].status is Status.STORED
    writer.close()


def test_rotating_the_secret_changes_every_value_or_none(writer: SqliteWriter) -> None:
    register(writer)
    writer.execute(AdoptSecret("one"), NOW)
    before = [Resealed(*place, after=b"other") for place in writer.tables.secrets()]
    register(writer, BOB, "Bob", 2)
    with pytest.raises(StorageError, match="has changed meanwhile"):
        writer.execute(RotateSecret("two", before), NOW)
    assert writer.tables.secret_check() == "one"
    assert ciphertexts(writer) == {b"sealed"}
    values = [Resealed(*place, after=b"other") for place in writer.tables.secrets()]
    assert writer.execute(RotateSecret("two", values), NOW) == 2
    assert writer.tables.secret_check() == "two"
    assert ciphertexts(writer) == {b"other"}


def ciphertexts(writer: SqliteWriter) -> set[bytes]:
    return {held.ciphertext for held in map(writer.tables.held, (keypair(1).pubkey, keypair(2).pubkey)) if held}


class Bindings(RuleBasedStateMachine):
    """Keys that join, leave, vanish and are bound over HTTP: who may write is what a dictionary says."""

    keys = st.integers(1, 4)
    people = st.sampled_from([ALICE, BOB])

    def __init__(self) -> None:
        super().__init__()
        self.owner: dict[int, str] = {}
        self.bound: set[int] = set()
        self.gone: set[str] = set()
        self.now = NOW

    @initialize()
    def start(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.writer = open_writer(Path(self.directory.name))
        register(self.writer, ALICE, "Alice", 11)
        register(self.writer, BOB, "Bob", 12)
        self.owner |= {11: ALICE, 12: BOB}
        self.bound |= {11, 12}

    def allowed(self, key: int, identity_id: str) -> bool:
        return identity_id not in self.gone and self.owner.get(key, identity_id) == identity_id

    @rule(key=keys, identity_id=people)
    def join(self, key: int, identity_id: str) -> None:
        if identity_id in self.gone:
            return
        self.now += 1
        code = tokens.digest(f"{self.now}")
        self.writer.execute(OpenKeyClaim(tokens.digest(code), identity_id, self.now + 10), self.now)
        event = make_event(key, kinds.JOIN, tags=[["-"], ["claim", code]], created_at=self.now)
        (outcome,) = write(self.writer, event, now=self.now)
        may = self.allowed(key, identity_id) and key not in self.bound
        assert (outcome.refusal is None) == may
        if may:
            self.owner[key] = identity_id
            self.bound.add(key)

    @rule(key=keys, identity_id=people)
    def bind(self, key: int, identity_id: str) -> None:
        if identity_id in self.gone:
            return
        try:
            self.writer.execute(BindProven(keypair(key).pubkey, identity_id), self.now)
        except ChangeRefused:
            assert not self.allowed(key, identity_id)
        else:
            assert self.allowed(key, identity_id)
            self.owner[key] = identity_id
            self.bound.add(key)

    @rule(key=keys)
    def leave(self, key: int) -> None:
        self.now += 1
        (outcome,) = write(self.writer, make_event(key, kinds.LEAVE, tags=[["-"]], created_at=self.now), now=self.now)
        assert (outcome.refusal is None) == (key in self.bound)
        self.bound.discard(key)

    @rule(key=keys | st.sampled_from([11, 12]))
    def vanish(self, key: int) -> None:
        self.now += 1
        write(self.writer, vanish(key, self.now), now=self.now)
        self.bound.discard(key)
        owner = self.owner.get(key)
        if owner is not None and not any(self.owner[other] == owner for other in self.bound):
            self.gone.add(owner)

    @invariant()
    def a_key_may_write_exactly_when_it_is_bound(self) -> None:
        for key in (1, 2, 3, 4, 11, 12):
            self.now += 1
            (outcome,) = write(self.writer, post(key, self.now), now=self.now)
            assert (outcome.status is Status.STORED) == (key in self.bound)
            found = self.writer.tables.key(keypair(key).pubkey)
            assert (None if found is None else found.identity_id) == self.owner.get(key)

    def teardown(self) -> None:
        self.writer.close()
        self.directory.cleanup()


TestBindings = Bindings.TestCase
TestBindings.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
