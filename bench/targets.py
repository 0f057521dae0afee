"""What the relay must reach, as data: row name -> at most how much of which figure.

V is the cost of one signature check (decode, id, verify) on one core in the same run, so a target holds on any machine.
"""

import enum
from typing import Final

import msgspec


class Figure(enum.StrEnum):
    """The figure of a row that a target is about."""

    CPU = "V"  # server CPU per unit as a multiple of V
    CPU_US = "µs CPU"  # server CPU per unit
    P50 = "ms p50"  # median time
    P99 = "ms p99"  # 99th percentile of it
    MEMORY = "B"  # server memory per unit
    RATIO = "×"  # server CPU per unit as a multiple of that of the row it is compared with
    MORE_US = "µs more"  # server CPU per unit above that of the row it is compared with
    MORE_V = "V more"  # the same as a multiple of V
    WAIT_RATIO = "× wait"  # time waited as a multiple of that of the row it is compared with
    WIRE = "B sent"  # bytes over the network per unit
    EACH = "µs each"  # wall-clock time per unit
    WAKES = "wake-ups/s"  # times a second that the server's threads waited for something, per unit


class FigureTarget(msgspec.Struct, frozen=True):
    """The figure may be at most this."""

    figure: Figure
    at_most: float


TARGETS: Final[dict[str, tuple[FigureTarget, ...]]] = {
    "ingest": (FigureTarget(Figure.CPU, 2.9),),
    "ingest one at a time": (FigureTarget(Figure.P50, 0.7),),
    "query mixed": (FigureTarget(Figure.CPU, 0.12),),
    "query feed page": (FigureTarget(Figure.CPU, 0.07),),
    "fan-out": (FigureTarget(Figure.CPU, 0.11),),
    "fan-out paced": (FigureTarget(Figure.P50, 6.0),),
    **{
        f"search hybrid{share}": (FigureTarget(Figure.P50, 15.0), FigureTarget(Figure.P99, 40.0))
        for share in ("", " 50 %", " 1 %", " 0.1 %")
    },
    "search start": (FigureTarget(Figure.P50, 2000.0),),
    "search on note": (FigureTarget(Figure.RATIO, 1.1),),  # 1, and what a busy machine adds: notes are not searched
    "idle": (FigureTarget(Figure.MEMORY, 12_000),),
    "stream": (FigureTarget(Figure.P50, 50.0),),
    "feed hot page": (FigureTarget(Figure.P99, 10.0),),
    "feed hot page 1000": (FigureTarget(Figure.P99, 10.0),),
    "feed post": (FigureTarget(Figure.MORE_V, 1.2),),
    "search post": (FigureTarget(Figure.MORE_V, 2.5),),
    "feed first vote": (FigureTarget(Figure.RATIO, 2.0),),  # beside a reaction to a note
    "feed vote": (FigureTarget(Figure.RATIO, 1.2),),  # 1, and what more pages of the same index and a busy machine add
    "feed vote one at a time": (FigureTarget(Figure.RATIO, 2.5),),
    "rebuild": (FigureTarget(Figure.EACH, 50),),  # 20,000 rows a second
    "rebuild, others": (FigureTarget(Figure.WAIT_RATIO, 2.0),),
    "small ingest 8×32": (FigureTarget(Figure.RATIO, 1.3),),
    "small ingest 8×8": (FigureTarget(Figure.RATIO, 1.4),),
    "small hub traffic": (FigureTarget(Figure.RATIO, 2.2),),
    "small query mixed": (FigureTarget(Figure.RATIO, 1.25),),
    "small query ids": (FigureTarget(Figure.MORE_US, 40),),
    "small query thread": (FigureTarget(Figure.MORE_US, 40),),
    "small query feed page": (FigureTarget(Figure.RATIO, 1.15),),
    "page warm": (FigureTarget(Figure.WAIT_RATIO, 2.0),),  # beside an empty page: 100 ms where that takes 50
    "page fresh": (FigureTarget(Figure.WAIT_RATIO, 3.0), FigureTarget(Figure.WIRE, 60_000)),
    "federation compare made": (
        FigureTarget(Figure.CPU_US, 4.0),
        FigureTarget(Figure.MEMORY, 100),
    ),  # of a million: 4 s, 100 MB
    "federation compare kept": (FigureTarget(Figure.CPU_US, 1.0),),
    "federation compare, others": (FigureTarget(Figure.WAIT_RATIO, 2.0),),
    "federation down": (FigureTarget(Figure.WAIT_RATIO, 1.25),),  # beside what clients take to publish as many
    "federation up": (FigureTarget(Figure.WAIT_RATIO, 1.25),),
    "federation live": (FigureTarget(Figure.P50, 10.0), FigureTarget(Figure.P99, 60.0)),
    "federation idle peer": (
        FigureTarget(Figure.MEMORY, 100_000),
        FigureTarget(Figure.WAKES, 0.1),  # a ping and its pong every 30 s
    ),
    "groups message": (FigureTarget(Figure.RATIO, 1.3),),
    "groups fan-out": (FigureTarget(Figure.RATIO, 1.3),),
    "groups query": (FigureTarget(Figure.RATIO, 1.2),),
    "groups query all": (FigureTarget(Figure.P99, 10.0),),
    "groups join": (FigureTarget(Figure.P50, 5.0),),
    "groups rebuild": (FigureTarget(Figure.EACH, 100),),  # 10,000 events a second
    "small query one in flight": (FigureTarget(Figure.WAIT_RATIO, 2.5),),
}
