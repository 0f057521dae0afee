"""What the roles count and time for `/metrics`, as rows of data.

A role has a list of whole numbers, made by `fresh`; counting is `numbers[at] += 1`, which costs less than a call. It puts the list
on the shared page as often as it says that it is alive, and the page has the sums over all roles. `at` is where a family begins
(`AT`), with its sorts one after the other; what is of no sort that has a name is of the last, so that nobody who sends something
new makes the page longer.

A family with bounds is a histogram (Prometheus): how many took at most so many seconds, by bound, then those that took longer, then
the sum of all, in microseconds.
"""

from bisect import bisect_left
from typing import Final

import msgspec

from relay.errors import Prefix, Reject

OTHER: Final = "other"
BOUNDS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)  # seconds
# Kinds that have a number of their own. The others are one sort: whoever sends new ones must not make the page longer.
KINDS: Final = (
    *(0, 1, 3, 4, 5, 6, 7, 9, 11, 16, 62, 1059, 1063, 1111, 1984, 9735, 10002, 10050, 30023, 30078, 30818),
    *range(9000, 9010),
    9021,
    9022,
    *range(39000, 39004),
)


class Family(msgspec.Struct, frozen=True):
    """Numbers of one name: by `sorts` of a `label`, or by `bounds`, which are seconds."""

    name: str
    meaning: str
    label: str = ""
    sorts: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def length(self) -> int:
        """How many numbers it has."""
        return len(self.sorts) or len(self.bounds) + 2


FAMILIES: Final = (
    Family(
        "messages",
        "messages of clients, by their verb; refused: those that are refused as such",
        "verb",
        ("EVENT", "REQ", "COUNT", "CLOSE", "AUTH", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE", "refused"),
    ),
    Family("stored", "events stored", "kind", (*map(str, KINDS), OTHER)),
    Family("refused", "events refused, by the prefix of the reason", "reason", tuple(Prefix)),
    Family(
        "disconnections",
        "WebSocket connections that ended, by their close code; 1006: without one",
        "code",
        ("1000", "1001", "1002", "1003", "1005", "1006", "1007", "1008", "1009", "1011", OTHER),
    ),
    Family("answers", "requests over HTTP that were answered, by their status", "status", ("2xx", "3xx", "4xx", "5xx")),
    Family(
        "answer_seconds",
        "from the head of a request over HTTP to that of its answer",
        bounds=BOUNDS,
    ),
    Family("query_seconds", "from a REQ to its EOSE", bounds=BOUNDS),
    Family(
        "transaction_seconds",
        "transactions of events, with the sync of the disk",
        bounds=BOUNDS,
    ),
)
_BY_NAME: Final = {family.name: family for family in FAMILIES}
AT: Final = {family.name: sum([before.length for before in FAMILIES[:place]]) for place, family in enumerate(FAMILIES)}
NUMBERS: Final = sum([family.length for family in FAMILIES])


def places(name: str) -> dict[str, int]:
    """Where each sort of a family has its number."""
    return {sort: AT[name] + place for place, sort in enumerate(_BY_NAME[name].sorts)}


def of(name: str, numbers: list[int]) -> list[int]:
    """The numbers of one family."""
    return numbers[AT[name] : AT[name] + _BY_NAME[name].length]


def fresh() -> list[int]:
    """Nothing was counted yet."""
    return [0] * NUMBERS


_REFUSED: Final = {Prefix(prefix): at for prefix, at in places("refused").items()}


def count_refusal(numbers: list[int], refusal: Reject) -> None:
    """An event was refused for this reason."""
    numbers[_REFUSED[refusal.prefix]] += 1


class Timer:
    """Counts how long something took."""

    __slots__ = ("_at", "_bounds", "_sum")

    def __init__(self, name: str) -> None:
        self._at, self._bounds = AT[name], _BY_NAME[name].bounds
        self._sum = self._at + len(self._bounds) + 1

    def took(self, numbers: list[int], seconds: float) -> None:
        """Something took so many seconds."""
        numbers[self._at + bisect_left(self._bounds, seconds)] += 1
        numbers[self._sum] += int(seconds * 1_000_000)
