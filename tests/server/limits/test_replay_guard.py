"""relay.server.limits.replay_guard: each proof is good once, and a flood of them takes bounded room."""

import pytest

from keys.nip98 import WINDOW
from relay.errors import Reject
from relay.protocol.event import Event
from relay.roles.page import SharedPage
from relay.server.limits.replay_guard import ReplayGuard
from tests.factories import NOW, make_event


def proof(n: int, created_at: int = NOW) -> Event:
    return make_event(1, 27235, str(n), created_at=created_at)


def fronts(made_at: int = NOW, room: int = 100) -> tuple[ReplayGuard, ReplayGuard]:
    """The proofs of two fronts of a relay that started then."""
    page = SharedPage(("front1", "front2", "writer"), fronts=2, addresses=1, proofs=room)
    page.made_at = made_at
    return ReplayGuard(page, 0), ReplayGuard(page, 1)


def test_a_proof_is_good_once() -> None:
    used, _ = fronts()
    used.use(proof(1), NOW)
    used.use(proof(2), NOW)
    with pytest.raises(Reject, match="used already"):
        used.use(proof(1), NOW + 60)


def test_a_proof_is_remembered_longer_than_it_could_be_good() -> None:
    used, _ = fronts()
    ahead = proof(1, NOW + 60)
    used.use(ahead, NOW)
    with pytest.raises(Reject, match="used already"):
        used.use(ahead, NOW + 120)


def test_a_proof_made_before_the_start_is_refused() -> None:
    with pytest.raises(Reject, match="before this relay started"):
        fronts()[0].use(proof(1, NOW - 1), NOW)


def test_a_proof_is_good_at_one_front_only_even_when_that_has_died() -> None:
    page = SharedPage(("front1", "front2", "writer"), fronts=2, addresses=1, proofs=100)
    page.made_at = NOW
    ReplayGuard(page, 0).use(proof(1), NOW)
    page.clear(0)
    for front in (0, 1):
        with pytest.raises(Reject, match="used already"):
            ReplayGuard(page, front).use(proof(1), NOW + 60)
        ReplayGuard(page, front).use(proof(2 + front), NOW)


def test_when_it_is_full_proofs_are_refused_until_old_ones_are_forgotten() -> None:
    used, other = fronts(room=1)

    def fill() -> None:
        for n in range(1000):
            used.use(proof(n), NOW)

    with pytest.raises(Reject, match="too many proofs"):
        fill()
    with pytest.raises(Reject, match="used already"):
        other.use(proof(0), NOW)
    used.use(proof(2000, NOW + 122), NOW + 122)


@pytest.mark.parametrize("age", range(-WINDOW, WINDOW + 1, 10))
@pytest.mark.parametrize("wait", range(0, 2 * WINDOW + 1, 10))
def test_a_proof_that_was_used_is_never_good_again(age: int, wait: int) -> None:
    """However old it was when it was used, ahead of the clock too, and however many others were used since."""
    used, _ = fronts(NOW - WINDOW)
    made = proof(1, NOW - age)
    used.use(made, NOW)
    for later in range(10, wait + 1, 10):
        used.use(proof(2, NOW + later), NOW + later)
    still_good = abs(NOW + wait - made.created_at) <= WINDOW
    if still_good:
        with pytest.raises(Reject, match="used already"):
            used.use(made, NOW + wait)
