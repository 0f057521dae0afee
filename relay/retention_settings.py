"""The settings of retention (`[[retention]]`): which events are kept for how long; operating.md shows them."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from relay.protocol import json_errors, kinds
from relay.protocol.retention import RetentionRule, never_within
from relay.setting_parts import ConfigError, Keys, Section

MOST_RULES: Final = 100
MOST_DAYS: Final = 36_500
WRAP_DAYS: Final = 3  # a gift wrap says that it is up to two days older than it is (NIP-59)
_RANGE: Final = re.compile(r"(\d{1,5})-(\d{1,5})", re.ASCII)


class RetentionSettings(Section, frozen=True):
    """One `[[retention]]` of the file: events of these kinds are kept for so many days."""

    kinds: Annotated[list[int | str], Meta(min_length=1, max_length=1000)]
    days: float
    authors: Annotated[Keys, Meta(min_length=1, max_length=10_000)] | None = None
    keep: Literal["identities", "members"] | None = None

    def rule(self) -> RetentionRule:
        """As everybody but the file's reader knows it. Raises ConfigError, whose words follow the rule's name."""
        if not 0 < self.days <= MOST_DAYS:
            raise ConfigError(f"days must be more than 0 and at most {MOST_DAYS:,}")
        ranges = tuple(_range(one) for one in self.kinds)
        for first, last in ranges:
            if first <= kinds.GIFT_WRAP <= last and self.days < WRAP_DAYS:
                raise ConfigError(
                    f"kind {kinds.GIFT_WRAP} needs at least {WRAP_DAYS} days: a gift wrap says that it is up to two days older "
                    "than it is (NIP-59)"
                )
        return RetentionRule(ranges, self.days, tuple(sorted(set(self.authors or ()))), self.keep or "")


def _range(given: int | str) -> tuple[int, int]:
    """The first and the last kind of an element of `kinds`. Raises ConfigError."""
    found = _RANGE.fullmatch(given) if isinstance(given, str) else None
    if isinstance(given, str) and found is None:
        raise ConfigError(f'{given!r} is no kind and no range of kinds; write kinds = [1, 6, "1000-1999"]')
    first, last = (int(found[1]), int(found[2])) if found is not None else (int(given), int(given))
    if not 0 <= first <= last <= kinds.MAX_KIND:
        raise ConfigError(f"{given!r}: a kind is 0 to {kinds.MAX_KIND}, and a range begins with the lower one")
    never = never_within(first, last)
    if never is not None:
        raise ConfigError(f"kind {never[0]} cannot be named: {never[1]}")
    return first, last


def rules_of(settings: list[RetentionSettings]) -> list[RetentionRule]:
    """The rules that these settings are, which were checked."""
    return [one.rule() for one in settings]


def read(given: Any, file: Path) -> list[RetentionSettings]:
    """The `[[retention]]` of a file. Raises ConfigError with the number of the rule that is wrong."""
    if not isinstance(given, list):
        raise ConfigError(f"{file}: write [[retention]] with two brackets, once for each rule")
    if len(given) > MOST_RULES:
        raise ConfigError(f"{file}: [[retention]]: there may be {MOST_RULES} rules; one may name many kinds")
    return [_read_one(one, f"{file}: [[retention]] number {number}") for number, one in enumerate(given, 1)]


def _read_one(given: Any, which: str) -> RetentionSettings:
    try:
        found = msgspec.convert(given, RetentionSettings)
        found.rule()
    except msgspec.ValidationError as error:
        raise ConfigError(f"{which}: {_in_words(given, error)} (operating.md shows what a rule has)") from None
    except ConfigError as error:
        raise ConfigError(f"{which}: {error}") from None
    return found


def _in_words(given: Any, error: msgspec.ValidationError) -> str:
    chosen = given.get("keep") if isinstance(given, dict) else None
    if "$.keep" in str(error) and chosen is not None:
        return f'keep must be "identities" or "members", not {chosen!r}'
    return json_errors.in_words(str(error))
