"""The verifier: when what was checked is handed on."""

import asyncio

import pytest

from relay.server.events import verify
from relay.server.events.verify import BATCH, Verifier
from tests.server.fakes import PATIENCE

ITEMS = 2 * BATCH + 4


class Handed:
    """What a verifier checked, and how many had been checked at each time it handed on."""

    def __init__(self) -> None:
        self.checked: list[int] = []
        self.at: list[int] = []
        self.is_over = asyncio.Event()

    def done(self) -> None:
        self.at.append(len(self.checked))
        if len(self.checked) == ITEMS:
            self.is_over.set()

    def nobody_works(self) -> bool:
        """As it is for a writer that does not answer meanwhile: it has nothing to do until it is handed something."""
        return not self.at


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Handed:
    monkeypatch.setattr(verify, "SLICE", 60.0)  # all of it, however slow the machine is
    return Handed()


async def checked(verifier: Verifier[int], handed: Handed) -> list[int]:
    for number in range(ITEMS):
        verifier.put("client", number)
    await asyncio.wait_for(handed.is_over.wait(), PATIENCE)
    assert handed.checked == list(range(ITEMS))
    return handed.at


async def test_the_first_few_are_handed_on_at_once_where_nobody_works_on_any(handed: Handed) -> None:
    verifier: Verifier[int] = Verifier(handed.checked.append, handed.done, handed.nobody_works)
    assert await checked(verifier, handed) == [BATCH, ITEMS]


async def test_a_slice_is_handed_on_as_a_whole_where_somebody_works_on_what_came_before(handed: Handed) -> None:
    verifier: Verifier[int] = Verifier(handed.checked.append, handed.done, lambda: False)
    assert await checked(verifier, handed) == [ITEMS]
