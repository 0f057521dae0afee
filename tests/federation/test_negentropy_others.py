"""Negentropy against an implementation that nobody here wrote: nostr-tools begins, this side answers."""

import random
import subprocess
from collections.abc import Iterator
from typing import IO

import pytest

from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import Reconciliation
from tests.e2e.conftest import JS, node  # noqa: F401, a fixture
from tests.e2e.harness import PATIENCE

ROUNDS = 200  # that no honest comparison of so few items takes
Item = tuple[int, bytes]


class Other:
    """The other side, in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout

    def say(self, *lines: str) -> None:
        self._in.write("".join(f"{line}\n" for line in lines))
        self._in.flush()

    def compare(self, theirs: set[Item], ours: set[Item], limits: tuple[int, int]) -> tuple[set[bytes], set[bytes]]:
        """What it says that only it has, and that only we have; `limits` are the frame limits of it and of us."""
        answering = Reconciliation(ItemSet(ours), limits[1])
        self.say("reset", *(f"item,{at},{name.hex()}" for at, name in theirs), f"seal,{limits[0]}", "initiate")
        have: set[bytes] = set()
        need: set[bytes] = set()
        for _ in range(ROUNDS * 100):
            verb, _, data = self._out.readline().strip().partition(",")
            if verb == "done":
                return have, need
            if verb == "msg":
                self.say(f"msg,{answering.answer(bytes.fromhex(data)).hex()}")
            else:
                (have if verb == "have" else need).add(bytes.fromhex(data))
        raise AssertionError("it does not come to an end")


@pytest.fixture
def other(node: str) -> Iterator[Other]:  # noqa: F811
    with subprocess.Popen(
        [node, "negentropy.mjs"], cwd=JS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Other(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_nostr_tools_learns_exactly_what_differs(other: Other) -> None:
    chance = random.Random(77)
    for number in range(60):
        span = chance.choice([1, 5, 1000, 10**6])
        both, mine, yours = (
            {
                (1_700_000_000 + chance.randrange(span), chance.randbytes(32))
                for _ in range(chance.choice([0, 1, 30, 500, 3000]))
            }
            for _ in range(3)
        )
        limits = (chance.choice([0, 4096, 60_000]), chance.choice([0, 4096, 30_000]))
        have, need = other.compare(both | mine, both | yours, limits)
        assert have == {name for _, name in mine}, (number, limits)
        assert need == {name for _, name in yours}, (number, limits)
