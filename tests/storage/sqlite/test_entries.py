"""How many rows an event has to be found by."""

import pytest

from relay.protocol.groups import belonging, state, succession
from relay.protocol.groups.state import Group
from storage.sqlite import entries
from storage.sqlite.statements import named
from tests.factories import keypair, make_event

GROUP = Group("room", keypair(0).pubkey, 1000, private=True)


def rows(kind: int, names: int) -> list[tuple[bytes, int, int, int, int]]:
    tags = [["h", GROUP.id], *(["p", keypair(1 + number).pubkey] for number in range(names))]
    event = make_event(0, kind=kind, tags=tags)
    return entries.rows(event, belonging.audience(event, GROUP), 1)


def test_who_is_put_in_or_removed_finds_it_by_its_own_name_and_by_the_group() -> None:
    for kind in (belonging.PUT_USER, belonging.REMOVE_USER):
        keys = {row[0] for row in rows(kind, 3)}
        one, other = keypair(1).pubkey, keypair(2).pubkey
        own, members = entries.reader_prefix(one), entries.reader_prefix(state.members(GROUP.id))
        author = entries.author(keypair(0).pubkey)
        for dimension in (entries.ALL, entries.tag("h", GROUP.id), entries.tag("p", one), author):
            assert own + dimension in keys
        assert own + entries.tag("p", other) not in keys
        assert {prefix + entries.tag("p", other) for prefix in (members, entries.OPERATOR_PREFIX)} <= keys


def test_an_event_that_puts_many_in_has_rows_in_proportion_and_not_the_square_of_them() -> None:
    few, many = len(rows(belonging.PUT_USER, 20)), len(rows(belonging.PUT_USER, 200))
    assert many <= 10 * few


@pytest.mark.parametrize("kind", sorted(entries.SAID))
def test_what_is_said_in_a_private_group_stands_by_its_author_for_the_members_alone(kind: int) -> None:
    keys = [row[0] for row in rows(kind, 0)]
    members = entries.reader_prefix(state.members(GROUP.id))
    dimensions = [entries.ALL, entries.tag("h", GROUP.id)]
    author = entries.author(keypair(0).pubkey)
    assert sorted(keys) == sorted(
        [*(prefix + one for prefix in (members, entries.OPERATOR_PREFIX) for one in dimensions), members + author]
    )


def test_of_these_kinds_an_event_is_for_everyone_or_for_the_members_of_one_group() -> None:
    assert entries.SAID <= belonging.SHARED
    assert entries.SAID.isdisjoint(succession.KINDS)
    listed = ", ".join(map(str, sorted(entries.SAID)))
    for text in (named("groups")["drop_authors"], named("tools")["authors_without_event"]):
        assert f"e.kind IN ({listed})" in text
