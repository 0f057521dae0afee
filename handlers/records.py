"""App data (kind 30078, NIP-78) that the relay reads: records of groups (`d` and `h` are its id) and definitions of agents
(`d` is agent:<slug>, `h` an organization). All other app data is its author's own business.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from handlers import addressable, groups
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol.admission import Admission, Door
from relay.protocol.control_plane import records, subjects
from relay.protocol.control_plane.records import AgentRecord
from relay.protocol.event import Event, first_value, has_tag
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import roles
from relay.protocol.groups.belonging import EDIT_METADATA
from relay.protocol.groups.case import is_secret
from relay.protocol.groups.state import OWNER, Group, member_key
from relay.protocol.relay import RelayRules

SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """The groups that its `d` and `h` may name, and how the author stands to the second."""
    name, group_id = first_value(event, "d"), first_value(event, "h")
    if name:
        yield "groups", name
        yield "members", member_key(event.pubkey, name)
    if group_id:
        yield "groups", group_id
        yield "members", member_key(event.pubkey, group_id)


def admit_app_data(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` for a record or a definition that cannot be read, `restricted:` for whom it is not to write."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        if groups.is_checked(event, facts, door):
            _check(event, facts, relay)
        return addressable.admit(event, facts, now, door)

    return admit


def _check(event: Event, facts: Facts, relay: RelayRules) -> None:
    name, group_id = first_value(event, "d"), first_value(event, "h")
    group = facts.groups[name] if name else None
    if group is not None and not is_secret(group, event.pubkey, facts, relay.groups):
        _check_record(event, group, facts, relay)
    slug = subjects.defined(event)
    organization = facts.groups[group_id] if group_id else None
    if slug is not None and organization is not None:
        _check_agent(event, slug, organization, facts, relay)


def _check_record(event: Event, group: Group, facts: Facts, relay: RelayRules) -> None:
    if first_value(event, "h") != group.id:
        raise Reject(Prefix.INVALID, "the record of a group names it twice: in its d tag and in its h tag")
    _check_fields(event, records.RECORDS[group.type])
    if not roles.may(_roles(event, group, facts, relay), EDIT_METADATA):
        raise Reject(Prefix.RESTRICTED, "only those who may edit a group write its record: its owners and admins")


def _check_agent(event: Event, slug: str, group: Group, facts: Facts, relay: RelayRules) -> None:
    if group.type != "organization":
        raise Reject(Prefix.INVALID, "agents are defined in an organization, and this group is none")
    if not SLUG.fullmatch(slug):
        raise Reject(Prefix.INVALID, "an agent's slug has 1 to 64 lower-case letters, digits and hyphens between them")
    _check_fields(event, AgentRecord)
    if OWNER not in _roles(event, group, facts, relay):
        raise Reject(Prefix.RESTRICTED, "only owners of an organization define its agents")


def _check_fields(event: Event, record: type[msgspec.Struct]) -> None:
    if has_tag(event, "expiration"):
        raise Reject(Prefix.INVALID, "a record does not expire: leave the expiration tag out")
    wrong = records.fault(event.content, record)
    if wrong is not None:
        raise Reject(Prefix.INVALID, wrong)


def _roles(event: Event, group: Group, facts: Facts, relay: RelayRules) -> tuple[str, ...]:
    """The author's roles; operators may do everything."""
    if event.pubkey in relay.groups.operators:
        return (OWNER,)
    member = facts.members[member_key(event.pubkey, group.id)]
    return member.roles if member is not None and member.is_member else ()
