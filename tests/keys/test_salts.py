"""keys.salts: what a relay signs within one second is listed in the order in which it was signed."""

import pytest

from keys.custody import ORDERED, Custody
from relay.protocol import kinds
from relay.protocol.control_plane.issues import first_rank
from relay.protocol.event import Draft, Event
from storage.identities.types import Held
from tests.factories import NOW, keypair

RELAY = keypair(9).pubkey


class Watch:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.at = float(NOW)

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def custody(watch: Watch) -> Custody:
    return Custody(bytes(32), watch)


def signed(custody: Custody, key: Held, *, kind: int = 9, content: str = "text", at: int = NOW) -> Event:
    return custody.sign(key, RELAY, Draft(kind, [["h", "room"]], content, at))


def newest_first(events: list[Event]) -> list[Event]:
    """As NIP-01 lists them."""
    return sorted(events, key=lambda event: (-event.created_at, event.id))


@pytest.mark.parametrize("kind", sorted(ORDERED - {kinds.ISSUE}))
def test_a_later_event_of_a_second_has_a_lower_id(custody: Custody, watch: Watch, kind: int) -> None:
    key, other = custody.new_key(), custody.new_key()
    said = []
    for n in range(20):
        watch.at = NOW + n / 40
        said.append(signed(custody, key if n % 3 else other, kind=kind))
    assert newest_first(said) == said[::-1]


def test_issues_of_a_second_stand_in_the_order_in_which_they_were_written(custody: Custody, watch: Watch) -> None:
    key, written = custody.new_key(), []
    for n in range(20):
        watch.at = NOW + n / 40
        written.append(signed(custody, key, kind=kinds.ISSUE))
    assert sorted(written, key=first_rank) == written


def test_what_is_signed_at_the_same_moment_keeps_its_order(custody: Custody) -> None:
    key = custody.new_key()
    said = [signed(custody, key) for _ in range(200)]
    assert newest_first(said) == said[::-1]


def test_processes_agree_without_knowing_of_each_other(watch: Watch) -> None:
    fronts = [Custody(bytes(32), watch), Custody(bytes(32), watch)]
    key = fronts[0].new_key()
    said = []
    for n in range(20):
        watch.at = NOW + n / 40
        said.append(signed(fronts[n % 2], key))
    assert newest_first(said) == said[::-1]


def test_what_is_dated_ahead_begins_its_second(custody: Custody, watch: Watch) -> None:
    key = custody.new_key()
    ahead = signed(custody, key, at=NOW + 1)
    watch.at = NOW + 1.5
    then = signed(custody, key, at=NOW + 1)
    assert newest_first([ahead, then]) == [then, ahead]


def test_signing_after_the_second_has_ended_comes_last_in_it(custody: Custody, watch: Watch) -> None:
    key = custody.new_key()
    said = []
    for at in (0.99, 0.999, 1.0, 1.001, 1.1, 1.2):
        watch.at = NOW + at
        said.append(signed(custody, key))
    assert newest_first(said) == said[::-1]


def test_halves_of_a_second_are_told_apart_with_a_long_text_too(custody: Custody, watch: Watch) -> None:
    key = custody.new_key()
    first = signed(custody, key, content="x" * 100_000)
    watch.at = NOW + 0.75
    second = signed(custody, key, content="y" * 100_000)
    assert newest_first([first, second]) == [second, first]
