"""The log in memory keeps the contract."""

import pytest

from tests.storage.contract import Contract, Log
from tests.storage.histories import MEANING
from tests.storage.memory import MemoryLog, MemoryReader, MemoryWriter


class TestMemory(Contract):
    @pytest.fixture
    def log(self) -> Log:
        shared = MemoryLog()
        return Log(MemoryWriter(shared, MEANING), MemoryReader(shared))
