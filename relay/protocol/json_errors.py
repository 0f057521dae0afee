"""What is wrong with JSON that somebody sent, in words that its sender can act on; msgspec says it in those of Python types."""

import re
from collections.abc import Callable
from typing import Final

_TYPES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_THINGS: Final = {"str": "character", "array": "element", "object": "field"}
_BOUNDS: Final = {">=": "at least", "<=": "at most"}


def _types(names: str) -> str:
    return " or ".join(_TYPES.get(name, name) for name in names.split(" | "))


def _length(kind: str, bound: str, number: str) -> str:
    things = _THINGS.get(kind, "element") + ("" if number == "1" else "s")
    return f"must have {_BOUNDS[bound]} {number} {things}"


# What msgspec says, and the same as what follows the name of a field.
_SENTENCES: Final[tuple[tuple[re.Pattern[str], Callable[..., str]], ...]] = (
    (re.compile(r"Expected `str` matching regex '\^\[0-9a-f\]\{(\d+)\}\$'"), "must be {} lower-case hex digits".format),
    (re.compile(r"Expected `(\w+)` of length ([<>]=) (\d+)"), _length),
    (re.compile(r"Expected `(?:int|float)` ([<>]=) (\S+)"), lambda bound, most: f"must be {_BOUNDS[bound]} {most}"),
    (
        re.compile(r"Expected `([\w |]+)`, got `(\w+)`"),
        lambda right, wrong: f"must be {_types(right)}, not {_types(wrong)}",
    ),
)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def in_words(message: str, place: str = "") -> str:
    """A message of msgspec as a sentence; `place` is where it is, unless the message itself says so. What is not known stays."""
    said, _, path = message.partition(" - at `$")
    place = path.removesuffix("`").lstrip(".") or place
    missing = _MISSING.fullmatch(said)
    if missing is not None:
        return f"{place}: the field {missing[1]} is missing" if place else f"the field {missing[1]} is missing"
    for pattern, sentence in _SENTENCES:
        found = pattern.fullmatch(said)
        if found is not None:
            return f"{place or 'it'} {sentence(*found.groups())}"
    return f"{place}: {said}" if place else message
