"""Beginning a group, editing what it is, nesting it, pinning in it and ending it: 9007, 9002, 9010, 9008 (NIP-29).

A 9007 may carry the fields of a 9002, as some clients send it; the relay says those again in a 9002 of its own, and makes its
author the owner by a 9000. Subgroups: a group has at most one parent and its parent lists it as a child, so an edit that names
another parent changes up to three groups. No circle can arise, and no look-up is long, since a tree has at most MAX_LEVELS
levels: what is above a new parent is known then, and what is below a group that moves.

The id `_`, which some clients take for the relay as a whole, is for operators to begin.
"""

from collections.abc import Iterator
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import kinds, names
from relay.protocol.event import Draft, Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import metadata, roles
from relay.protocol.groups.belonging import (
    DELETE_GROUP,
    EDIT_METADATA,
    PUT_USER,
    UPDATE_PINS,
)
from relay.protocol.groups.case import (
    Case,
    GroupDecision,
    duplicate,
    invalid,
    is_above,
    is_secret,
    restricted,
    roles_of,
    said,
    short,
)
from relay.protocol.groups.fold import changes_of, value_of
from relay.protocol.groups.metadata import GroupFields
from relay.protocol.groups.state import OWNER, Group, member_key
from relay.protocol.relay import GroupRules

MAX_ID: Final = 128  # characters of a group's id
MAX_LEVELS: Final = 4  # of groups below each other
WHOLE_RELAY: Final = "_"
_NEEDED: Final = {
    "identities": "keys that are bound to a posting identity of this relay begin groups",
    "members": f"members of the group {WHOLE_RELAY!r}, which is the relay as a whole, begin groups",
    "operators": "this relay's operators begin groups",
}


def needs(event: Event, group_id: str, facts: Facts) -> Iterator[Need]:
    """Of an edit, and of fields that come with a 9007: the groups around it."""
    parent = value_of(event.tags, "parent")
    group = facts.groups.get(group_id)
    if group is not None and group.parent is not None:
        yield "groups", group.parent
    if not parent:
        return
    yield "members", member_key(event.pubkey, parent)
    above: str | None = parent
    for _ in range(MAX_LEVELS - 1):
        if above is None:
            break
        yield "groups", above
        found = facts.groups.get(above)
        above = None if found is None else found.parent
    if group is not None and group.parent != parent:
        for child in group.children:
            yield "groups", child


def needs_of_creation(event: Event, group_id: str, facts: Facts) -> Iterator[Need]:
    """Who it is that begins a group, and how many there are."""
    yield from needs(event, group_id, facts)
    yield "group_counts", ""
    yield "group_counts", event.pubkey
    yield "keys", event.pubkey
    yield "members", member_key(event.pubkey, WHOLE_RELAY)


def needs_of_end(_event: Event, group_id: str, facts: Facts) -> Iterator[Need]:
    """The groups around it."""
    group = facts.groups.get(group_id)
    if group is not None:
        for other in (*group.children, *([] if group.parent is None else [group.parent])):
            yield "groups", other


def create(event: Event, group_id: str, facts: Facts, now: int, rules: GroupRules) -> GroupDecision:
    """9007. Raises Reject: `duplicate:` for an id that is taken, `restricted:` without the right to it, `invalid:` for tags."""
    present = facts.groups[group_id]
    if present is not None:
        if present.ended:
            restricted("a group of this id was deleted, and no other one gets the id")
        duplicate("there is already a group with this id")
    _check_id(group_id)
    _check_creator(event, group_id, facts, rules)
    group = Group(group_id, event.pubkey, now, metadata.read_type(event.tags))
    fields = metadata.read_new(event.tags, group.type)
    case = Case(event, group, facts, now, rules)
    _check_texts(case, fields)
    _check_parent(case, fields)
    begin = [["h", group_id], ["p", event.pubkey, OWNER], ["type", group.type], ["e", event.id]]
    drafts = [Draft(PUT_USER, begin, "", now)]
    if fields != GroupFields():
        drafts.append(edit_draft(group_id, fields, now, event.id))
    return said(case.view, *drafts, message="info: this group is yours")


def edit(case: Case) -> GroupDecision:
    """9002. Raises Reject: `restricted:` for who is no admin of the group and of the parent, `invalid:` for tags."""
    case.require_role(EDIT_METADATA)
    fields = metadata.read(case.event.tags)
    missing = [child for child in case.group.children if child not in fields.children]
    if missing:
        named = ", ".join(short(child) for child in missing[:5]) + (" and others" if len(missing) > 5 else "")
        invalid(f"an edit lists all subgroups in child tags, and {named} is missing (NIP-29)")
    _check_texts(case, fields)
    _check_parent(case, fields)
    return _done(case)


def pin(case: Case) -> GroupDecision:
    """9010: the whole list. Raises Reject: `restricted:` without the right, `invalid:` for what cannot be pinned."""
    case.require_role(UPDATE_PINS)
    pinned = [tag for tag in case.event.tags if tag[0] in ("e", "a")]
    for tag in pinned:
        value = tag[1] if len(tag) > 1 else ""
        if not (kinds.is_hex(value, 64) if tag[0] == "e" else kinds.parse_address(value)):
            what = "the id of an event" if tag[0] == "e" else "an address (kind:pubkey:identifier)"
            invalid(f"a pin is {what}, and {short(value)} is none")
    if case.rules.pins and len(pinned) > case.rules.pins:
        invalid(f"a group has at most {case.rules.pins:,} pins")
    return _done(case)


def end(case: Case) -> GroupDecision:
    """9008. Raises Reject(restricted) for whoever is no owner."""
    case.require_role(DELETE_GROUP)
    return _done(case)


def edit_draft(group_id: str, fields: Group | GroupFields, now: int, *causes: str) -> Draft:
    """The group is this from now on, said by the relay's key. `causes`: the id of the event that it follows from, and more."""
    return Draft(EDIT_METADATA, [["h", group_id], *metadata.write(fields), ["e", *causes]], "", now)


def is_id(group_id: str) -> bool:
    """Whether a group may be called so."""
    return 0 < len(group_id) <= MAX_ID and names.is_plain(group_id)


def _check_id(group_id: str) -> None:
    if not is_id(group_id):
        invalid(f"the id of a group has 1 to {MAX_ID} visible characters, without spaces")
    if group_id in (".", ".."):
        invalid("a group is not called . or ..: nothing on the web could name it in a path")


def _check_creator(event: Event, group_id: str, facts: Facts, rules: GroupRules) -> None:
    """Whether its author may begin a group, and one more."""
    if not facts.relay:
        raise Reject(Prefix.ERROR, "this relay has no key of its own, which groups need")
    if rules.most and facts.group_counts[""] >= rules.most:
        restricted(f"this relay has {rules.most:,} groups, which is its limit")
    if is_above(event.pubkey, facts, rules):
        return
    if group_id == WHOLE_RELAY:
        restricted(f"the group {WHOLE_RELAY!r} is the relay as a whole: only its operators begin it")
    member = facts.members[member_key(event.pubkey, WHOLE_RELAY)]
    allowed = {
        "anyone": True,
        "identities": facts.identity_of(event.pubkey) is not None,
        "members": member is not None and member.is_member,
        "operators": False,
    }
    if not allowed[rules.create]:
        restricted(f"only {_NEEDED[rules.create]}")
    if rules.per_key and facts.group_counts[event.pubkey] >= rules.per_key:
        restricted(f"this key began {rules.per_key:,} groups, which is the limit for one; delete one first (kind 9008)")


def _check_texts(case: Case, fields: GroupFields) -> None:
    """A group may have no name and is called by its id then. What it had before it was decided here stays."""
    if case.trusted:
        return
    group = case.group
    if fields.name and fields.name != group.name and names.is_blank(fields.name):
        invalid("the name of a group has at least one character that is seen; without a name it is called by its id")
    for what, text, before in (("name", fields.name, group.name), ("about", fields.about, group.about)):
        hidden = None if text == before else names.hidden_character(text)
        if hidden is not None:
            invalid(f"the {what} of a group has no hidden or directional characters, and {hidden} is one; leave it out")


def _check_parent(case: Case, fields: GroupFields) -> None:
    """Every rule of NIP-29 about subgroups that a `parent` tag can break."""
    event, group, parent_id, rules = case.event, case.group, fields.parent, case.rules
    if parent_id is None:
        return
    if parent_id == group.id:
        invalid("a group cannot be its own parent")
    parent = case.facts.groups[parent_id]
    if parent is None or parent.ended or is_secret(parent, event.pubkey, case.facts, rules):
        invalid(f"the parent {short(parent_id)} is no group of this relay")
    author = case.facts.members[member_key(event.pubkey, parent_id)]
    if not is_above(event.pubkey, case.facts, rules) and not roles.may(roles_of(author), EDIT_METADATA):
        restricted(f"only an admin of the parent {short(parent_id)} puts groups under it")
    if parent_id == group.parent:
        return
    _check_levels(group, parent, case.facts)
    if rules.children and not case.trusted and len(parent.children) >= rules.children:
        restricted(f"the parent {short(parent_id)} has {rules.children:,} subgroups, which is the limit")


def _check_levels(group: Group, parent: Group, facts: Facts) -> None:
    level, above = 2, parent
    while above.parent is not None:
        if above.parent == group.id:
            invalid("a group cannot be put under one of its own subgroups")
        level += 1
        if level > MAX_LEVELS:
            invalid(f"groups stand at most {MAX_LEVELS} levels deep")
        found = facts.groups[above.parent]
        if found is None:
            break
        above = found
    below = [facts.groups[child] for child in group.children]
    if any(child is not None and child.children for child in below):
        invalid("a group whose subgroups have subgroups cannot be put under another one: move those first")
    if below and level == MAX_LEVELS:
        invalid(f"groups stand at most {MAX_LEVELS} levels deep, and this one has subgroups")


def _done(case: Case) -> GroupDecision:
    event = case.event
    return GroupDecision(changes_of(event.kind, event.pubkey, event.tags, event.created_at, case.view))
