"""How many proofs are checked on the loop, of one address and in all."""

import contextlib
from collections.abc import Callable

import pytest

from relay.errors import Prefix, Reject, TooFast
from relay.server.limits.proof_checks import AHEAD, BURST, SHARE, ProofChecks

COST = 0.0001  # seconds of the loop that one check takes


class Times:
    """A clock that stands still until it is moved, and work that costs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.worked = 0.0
        self.checks = ProofChecks(lambda: self.now, lambda: self.worked)

    def right(self) -> str:
        self.worked += COST
        return "key"

    def wrong(self) -> str:
        self.worked += COST
        raise Reject(Prefix.INVALID, "wrong")

    def many(self, count: int, check: Callable[[], str], address: str = "a", a_minute: float = 0.0) -> int:
        """How many of so many were checked."""
        before = self.worked
        for _ in range(count):
            with contextlib.suppress(Reject):
                self.checks.run(address, a_minute, check)
        return round((self.worked - before) / COST)


def test_a_flood_takes_no_more_than_its_share_of_the_loop() -> None:
    times = Times()
    checked = times.many(24_000, times.wrong)
    assert checked * COST <= AHEAD * SHARE + COST
    times.now += 10.0
    assert times.many(24_000, times.wrong) == pytest.approx(checked, abs=1)
    spent = times.worked
    for _ in range(1000):  # a second, a millisecond at a time
        times.now += 0.001
        times.many(50, times.right)
    assert times.worked - spent == pytest.approx(SHARE, rel=0.1)


def test_whoever_waits_has_their_proof_checked_again() -> None:
    times = Times()
    times.many(10_000, times.right)
    with pytest.raises(TooFast) as refused:
        times.checks.run("b", 0.0, times.right)
    times.now += refused.value.seconds
    assert times.checks.run("b", 0.0, times.right) == "key"


def test_wrong_proofs_count_by_address_and_right_ones_do_not() -> None:
    times = Times()
    assert times.many(100, times.right, "a", 6.0) == 100
    assert times.many(100, times.wrong, "a", 6.0) == 6.0 / 60 * BURST
    with pytest.raises(TooFast) as refused:
        times.checks.run("a", 6.0, times.right)
    assert times.checks.run("b", 6.0, times.right) == "key"
    times.now += refused.value.seconds
    assert times.checks.run("a", 6.0, times.right) == "key"
