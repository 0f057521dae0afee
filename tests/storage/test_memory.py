"""The log in memory keeps the contract."""

import pytest

from storage.memory import MemoryLog, MemoryReader, MemoryWriter
from tests.storage.contract import Contract, Log
from tests.storage.histories import MEANING


class TestMemory(Contract):
    @pytest.fixture
    def log(self) -> Log:
        shared = MemoryLog()
        return Log(MemoryWriter(shared, MEANING), MemoryReader(shared))
