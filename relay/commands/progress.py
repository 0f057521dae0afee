"""A progress line on stderr, when a person watches: what is done of what, the rate and the time left.

rich is imported only then: it costs more to load than most verbs take.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from relay.commands.common import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress


class Meter:
    """Shows how far work has come. `total` is in the unit of `update`'s `position`; None when nobody can know it."""

    def __init__(self, title: str, total: float | None, unit: str) -> None:
        self._unit = unit
        self._started = time.monotonic()
        self._progress = _progress(title, total) if is_terminal() else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, position: float, count: int, total: float | None = None) -> None:
        """`position` of the total is done, and with it `count` units; `total` where only now it is known."""
        if self._progress is not None:
            if total is not None:
                self._progress.update(self._progress.task_ids[0], total=total)
            rate = count / max(time.monotonic() - self._started, 0.001)
            text = f"{count:,} {self._unit} ({rate:,.0f}/s)"
            self._progress.update(self._progress.task_ids[0], completed=position, rate=text)


def _progress(title: str, total: float | None) -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining

    end: tuple[ProgressColumn, ...] = (Elapsed(),) if total is None else (Elapsed(), Remaining())
    bar = SpinnerColumn() if total is None else BarColumn()
    columns = (TextColumn("{task.description}", markup=False), bar, TextColumn("{task.fields[rate]}"), *end)
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    progress.add_task(title, total=total, rate="")
    return progress


def waiting(title: str) -> AbstractContextManager[object]:
    """A spinner around work of unknown length."""
    if not is_terminal():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(title)
