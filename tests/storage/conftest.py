"""What holds for every test of storage."""

import logging
from collections.abc import Iterator

import pytest

_FAILED = (
    "is tried again event by event"  # storage.sqlite.writing.writer: slow, right in the end, and nothing else shows it
)


@pytest.fixture(autouse=True)
def no_batch_fails(request: pytest.FixtureRequest) -> Iterator[None]:
    """No batch fails as a whole, except where a test makes one fail (`pytest.mark.failing_batch`)."""
    failed: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if _FAILED in record.getMessage():
                failed.append(str(record.exc_info and record.exc_info[1]))

    listening = Listening()
    logger = logging.getLogger("tidings.storage")
    logger.addHandler(listening)
    yield
    logger.removeHandler(listening)
    assert bool(failed) == (request.node.get_closest_marker("failing_batch") is not None), failed
