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
    "datetime": "a time",
}
_THINGS: Final = {"str": "character", "array": "element", "object": "field"}
_BOUNDS: Final = {">=": "at least", "<=": "at most"}


def _types(names: str) -> str:
    return " or ".join(_TYPES.get(name, name) for name in names.split(" | "))


def _length(kind: str, bound: str, number: str) -> str:
    things = _THINGS.get(kind, "element") + ("" if number == "1" else "s")
    return f"must have {_BOUNDS[bound]} {number} {things}"


# What a text must look like, by the pattern that is asked of it. A pattern that has no words here fails a test.
_SHAPES: Final = {
    "^([a-z]{2})?$": "must be a language of two lower-case letters (ISO 639-1), such as en",
    "^[A-Za-z0-9_-]+$": "must be the name of a header, such as x-forwarded-for",
    "^[0-9a-z]+$": "must have only digits and lower-case letters",
    "^[A-Z][A-Z0-9]{0,9}$": "must have 1 to 10 capital letters and digits, a letter first",
    "^([0-9a-f]{64})?$": "must be 64 lower-case hex digits, or empty",
    "^(https?://.+)?$": "must be a URL that begins with http:// or https://, or empty",
    "^(wss?://.+)?$": "must be a URL that begins with ws:// or wss://, or empty",
    "^wss?://.+": "must be a URL that begins with ws:// or wss://",
    "^([^ ]|$)": "must be a command that does not begin with a space, or empty",
    "^(members|npub1[0-9a-z]+|list:naddr1[0-9a-z]+)$": "must be npub1…, list:naddr1… or members",
}


def _shape(pattern: str) -> str:
    digits = re.fullmatch(r"\^\[0-9a-f\]\{(\d+)\}\$", pattern)
    if digits is not None:
        return f"must be {digits[1]} lower-case hex digits"
    return _SHAPES.get(pattern, f"must match the regular expression {pattern}")


HALF: Final = "has half a character"


def _half(where: str = "") -> str:
    return f"{HALF}{where}: \\ud800 to \\udfff stand only in pairs"


# What msgspec says, and the same as what follows the name of a field.
_SENTENCES: Final[tuple[tuple[re.Pattern[str], Callable[..., str]], ...]] = (
    (re.compile(r"Expected `str` matching regex '(.*)'"), _shape),
    (
        re.compile(
            r"Invalid RFC3339 encoded datetime|Expected `datetime` with a timezone component|Timestamp is out of range ?"
        ),
        lambda: "must be a time with its zone, such as 2030-01-31T12:00:00Z",
    ),
    (
        re.compile(r"JSON is malformed: (?:unexpected end of escaped|invalid) utf-16 surrogate pair( \(byte \d+\))"),
        _half,
    ),
    (re.compile(r"(?:Number|Integer value) out of range"), lambda: "holds a number that is too large"),
    (re.compile(r"Expected `(\w+)` of length ([<>]=) (\d+)"), _length),
    (re.compile(r"Expected `(?:int|float)` ([<>]=) (\S+)"), lambda bound, most: f"must be {_BOUNDS[bound]} {most}"),
    (
        re.compile(r"Expected `([\w |]+)`, got `(\w+)`"),
        lambda right, wrong: f"must be {_types(right)}, not {_types(wrong)}",
    ),
)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_CUT: Final = "Input data was truncated"
# msgspec tells half a pair within six bytes of the end as text that ends there, so that this is looked for in the text itself:
# a high half, and after it something that begins no low one.
_lone_half: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\?\Z|\\u)").search
_TAIL: Final = 64  # bytes of the end that are looked at
_ANY: Final = "[...]"  # an element of an object whose fields have no names that msgspec knows


def _ends_in_half(data: bytes | str) -> bool:
    tail = data[-_TAIL:]
    return _lone_half(tail.encode(errors="replace") if isinstance(tail, str) else tail) is not None


def in_words(message: str, place: str = "", data: bytes | str = b"") -> str:
    """A message of msgspec as a sentence; `place` is where it is, unless the message itself says so. What is not known stays.

    `data` is the JSON, where it is at hand: msgspec takes half a character near the end for an end.
    """
    said, _, path = message.partition(" - at `$")
    _, unnamed, named = path.removesuffix("`").rpartition(_ANY)
    if not unnamed or named.startswith("."):
        place = named.lstrip(".") or place
    if said == _CUT:
        if _ends_in_half(data):
            return f"{place or 'it'} {_half()}"
        return "the JSON ends before it is complete"
    unknown = _UNKNOWN.fullmatch(said)
    if unknown is not None:
        return f"{place}: there is no field {unknown[1]}" if place else f"there is no field {unknown[1]}"
    missing = _MISSING.fullmatch(said)
    if missing is not None:
        return f"{place}: the field {missing[1]} is missing" if place else f"the field {missing[1]} is missing"
    for pattern, sentence in _SENTENCES:
        found = pattern.fullmatch(said)
        if found is not None:
            return f"{place or 'it'} {sentence(*found.groups())}"
    return f"{place}: {said}" if place else said if _ANY in path else message
