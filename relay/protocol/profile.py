"""What a kind 0 says of its author, as far as it is shown (NIP-01, NIP-24): read with patience, since anybody writes anything."""

from typing import Any, Final

import msgspec

from relay.protocol.names import MAX_DESCRIPTION, MAX_DISPLAY_NAME, shown

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class ProfileTexts(msgspec.Struct, frozen=True):
    """Texts as they may be shown; "" for what is missing, is no text or cannot be read. `name` is as it was given."""

    name: str = ""
    display_name: str = ""
    about: str = ""


def read(content: str) -> ProfileTexts:
    """The profile in the content of a kind 0; a missing display name is its name."""
    fields = _fields(content)
    name = _text(fields.get("name"))
    display_name = shown(_text(fields.get("display_name")), MAX_DISPLAY_NAME) or shown(name, MAX_DISPLAY_NAME)
    return ProfileTexts(name, display_name, shown(_text(fields.get("about")), MAX_DESCRIPTION))


def searched(content: str) -> tuple[str, str]:
    """What of a kind 0 is searched: its names, and what it says of itself with its NIP-05 address."""
    fields = _fields(content)
    names, rest = (
        [text for name in some if (text := _text(fields.get(name)).strip())]
        for some in (("name", "display_name"), ("about", "nip05"))
    )
    return " · ".join(dict.fromkeys(names)), "\n".join(rest)


def _fields(content: str) -> dict[str, Any]:
    try:
        return _decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
