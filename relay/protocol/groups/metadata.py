"""What a group is called and how it is set, between tags and state: read from 9002 and 9007, written in 39000 (NIP-29).

Rule: an edit is a PUT of all fields, so what its tags leave out is cleared. A flag is set by the presence of its tag; the
antonyms that older clients send beside them (`public`, `open`, `visible`) say nothing. Tags that are not known here are
carried along, so that clients that show more of a group than this relay knows lose nothing.
"""

import unicodedata
from typing import Final, get_args

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.groups.belonging import CREATE_GROUP
from relay.protocol.groups.state import Group, GroupType

Tags = list[list[str]]

FLAGS: Final = ("private", "restricted", "hidden", "closed", "livekit")
TEXTS: Final = {"name": 200, "about": 10_000, "picture": 2_000, "banner": 2_000}  # characters at most
ANTONYMS: Final = {"public": "private", "visible": "hidden", "open": "closed"}  # and what each means the opposite of
TYPES: Final = get_args(GroupType)
MAX_SUPPORTED: Final = 500  # kinds
MAX_EXTRA: Final = 100  # tags
MAX_EXTRA_LENGTH: Final = 8_192  # characters of them together

# What is about the event, not about the group, or has a meaning of its own.
_NOT_EXTRA: Final = frozenset(
    (
        *("h", "d", "e", "p", "-", "previous", "expiration", "nonce", "client", "custody", "code", "type"),
        *("parent", "child", "supported_kinds"),
        *FLAGS,
        *ANTONYMS,
    )
)


class GroupFields(msgspec.Struct, frozen=True):
    """The fields of one edit. `children` is the order that it names, not yet compared with what the group has."""

    name: str = ""
    about: str = ""
    picture: str = ""
    banner: str = ""
    private: bool = False
    restricted: bool = False
    hidden: bool = False
    closed: bool = False
    livekit: bool = False
    supported_kinds: tuple[int, ...] | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    extra: tuple[tuple[str, ...], ...] = ()


def read(tags: Tags) -> GroupFields:
    """The fields that these tags give. Raises Reject(invalid) where one cannot be."""
    first: dict[str, list[str]] = {}
    for tag in tags:
        first.setdefault(tag[0], tag)
    return GroupFields(
        name=_text("name", first),
        about=_text("about", first),
        picture=_text("picture", first),
        banner=_text("banner", first),
        private="private" in first,
        restricted="restricted" in first,
        hidden="hidden" in first,
        closed="closed" in first,
        livekit="livekit" in first,
        supported_kinds=_supported(first.get("supported_kinds")),
        parent=_parent(tags),
        children=tuple(dict.fromkeys(tag[1] for tag in tags if tag[0] == "child" and len(tag) > 1)),
        extra=_extra(tags),
    )


def read_new(tags: Tags, group_type: GroupType) -> GroupFields:
    """The fields that a 9007 gives. A project is private, hidden and closed unless a tag says that it is not."""
    fields = msgspec.structs.replace(read(tags), children=())
    if group_type != "project":
        return fields
    named = {tag[0] for tag in tags}
    closed = {flag: True for antonym, flag in ANTONYMS.items() if antonym not in named}
    return msgspec.structs.replace(fields, **closed)


def read_type(tags: Tags) -> GroupType:
    """What kind of group a 9007 makes. Raises Reject(invalid) for one that is not known."""
    for tag in tags:
        if tag[0] == "type":
            wanted: GroupType | None = next((one for one in TYPES if tag[1:2] == [one]), None)
            if wanted is None:
                raise _invalid(f"the type of a group is one of {', '.join(TYPES)} (kind {CREATE_GROUP})")
            return wanted
    return "thread"


def write(group: Group | GroupFields) -> Tags:
    """The tags that `read` gives these fields for, in the order of NIP-29: for 39000, and for an edit by the relay."""
    carried = {tag[0] for tag in group.extra if tag[0] in TEXTS}
    tags = [[name, getattr(group, name)] for name in TEXTS if getattr(group, name) and name not in carried]
    tags += [[flag] for flag in FLAGS if getattr(group, flag)]
    if group.supported_kinds is not None:
        tags.append(["supported_kinds", *map(str, group.supported_kinds)])
    tags += [["parent", group.parent]] if group.parent is not None else []
    tags += [["child", child] for child in group.children]
    return tags + [list(tag) for tag in group.extra]


def has_control(text: str) -> bool:
    """Whether a character of it drives a terminal or ends a line."""
    return any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in text)


def _text(name: str, first: dict[str, list[str]]) -> str:
    value = (first.get(name) or ["", ""])[1:2]
    text = value[0] if value else ""
    if len(text) > TEXTS[name]:
        raise _invalid(f"the {name} of a group has at most {TEXTS[name]:,} characters")
    if "\x00" in text or (name != "about" and has_control(text)):
        raise _invalid(f"the {name} of a group holds no control characters")
    return text


def _supported(tag: list[str] | None) -> tuple[int, ...] | None:
    if tag is None:
        return None
    if len(tag) > MAX_SUPPORTED + 1:
        raise _invalid(f"supported_kinds names at most {MAX_SUPPORTED} kinds")
    for value in tag[1:]:
        if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= kinds.MAX_KIND):
            raise _invalid(f"supported_kinds names kinds by their numbers, and {value[:20]!r} is none")
    return tuple(dict.fromkeys(int(value) for value in tag[1:]))


def _parent(tags: Tags) -> str | None:
    named = [tag[1] if len(tag) > 1 else "" for tag in tags if tag[0] == "parent"]
    if len(named) > 1:
        raise _invalid("a group has at most one parent")
    return named[0] if named and named[0] else None


def _extra(tags: Tags) -> tuple[tuple[str, ...], ...]:
    """Tags to carry along; a text whose tag has more than its value (picture with its size, …) is carried whole."""
    extra = []
    seen: set[str] = set()
    for tag in tags:
        name = tag[0]
        if name in TEXTS:
            if len(tag) > 2 and name not in seen:
                extra.append(tuple(tag))
            seen.add(name)
        elif name not in _NOT_EXTRA:
            extra.append(tuple(tag))
    if len(extra) > MAX_EXTRA or sum(len(value) for tag in extra for value in tag) > MAX_EXTRA_LENGTH:
        raise _invalid(
            f"a group carries at most {MAX_EXTRA} tags that this relay does not know, {MAX_EXTRA_LENGTH:,} characters in all"
        )
    return tuple(extra)


def _invalid(message: str) -> Reject:
    return Reject(Prefix.INVALID, message)
