"""What the relay must reach, as data: row name -> at most how much of which figure.

V is the cost of one signature check (decode, id, verify) on one core in the same run, so a target holds on any machine.
"""

import enum
from typing import Final

import msgspec


class Figure(enum.StrEnum):
    """The figure of a row that a target is about."""

    CPU = "V"  # server CPU per unit as a multiple of V
    P50 = "ms p50"  # median time
    P99 = "ms p99"  # 99th percentile of it
    MEMORY = "B"  # server memory per unit
    RATIO = "×"  # server CPU per unit as a multiple of that of the row it is compared with
    MORE_US = "µs more"  # server CPU per unit above that of the row it is compared with
    MORE_V = "V more"  # the same as a multiple of V
    WAIT_RATIO = "× wait"  # time waited as a multiple of that of the row it is compared with
    EACH = "µs each"  # wall-clock time per unit


class Target(msgspec.Struct, frozen=True):
    """The figure may be at most this."""

    figure: Figure
    at_most: float


TARGETS: Final[dict[str, tuple[Target, ...]]] = {
    "ingest": (Target(Figure.CPU, 2.9),),
    "ingest one at a time": (Target(Figure.P50, 0.7),),
    "query mixed": (Target(Figure.CPU, 0.12),),
    "query feed page": (Target(Figure.CPU, 0.07),),
    "fan-out": (Target(Figure.CPU, 0.11),),
    "fan-out paced": (Target(Figure.P50, 6.0),),
    **{
        f"search hybrid{share}": (Target(Figure.P50, 15.0), Target(Figure.P99, 40.0))
        for share in ("", " 50 %", " 1 %", " 0.1 %")
    },
    "search start": (Target(Figure.P50, 2000.0),),
    "search on note": (Target(Figure.RATIO, 1.1),),  # 1, and what a busy machine adds: notes are not searched
    "idle": (Target(Figure.MEMORY, 12_000),),
    "stream": (Target(Figure.P50, 50.0),),
    "feed hot page": (Target(Figure.P99, 10.0),),
    "feed hot page 1000": (Target(Figure.P99, 10.0),),
    "feed post": (Target(Figure.MORE_V, 1.2),),
    "search post": (Target(Figure.MORE_V, 2.5),),
    "feed first vote": (Target(Figure.RATIO, 2.0),),  # beside a reaction to a note
    "feed vote": (Target(Figure.RATIO, 1.2),),  # 1, and what more pages of the same index and a busy machine add
    "feed vote one at a time": (Target(Figure.RATIO, 2.5),),
    "rebuild": (Target(Figure.EACH, 50),),  # 20,000 rows a second
    "rebuild, others": (Target(Figure.WAIT_RATIO, 2.0),),
    "small ingest 8×32": (Target(Figure.RATIO, 1.3),),
    "small ingest 8×8": (Target(Figure.RATIO, 1.4),),
    "small hub traffic": (Target(Figure.RATIO, 2.2),),
    "small query mixed": (Target(Figure.RATIO, 1.25),),
    "small query ids": (Target(Figure.MORE_US, 40),),
    "small query thread": (Target(Figure.MORE_US, 40),),
    "small query feed page": (Target(Figure.RATIO, 1.15),),
    "small query one in flight": (Target(Figure.WAIT_RATIO, 2.5),),
}
