"""How keys come into a group and leave it by themselves: 9021, 9022, invites (9009) and claims of their codes (NIP-43).

Rule: the relay answers for itself what it accepts: a request that is honoured makes it say 9000 or 9001, and the use of a
code that is counted makes it say what the code is good for now (9009). Each names the event that it follows from, so that two
of the same second stay apart.

A code is good for one use, unless `["uses", "<number>"]` or `["uses", "unlimited"]` says otherwise, and until its `expiration`
if it has one. Making the same code again replaces what it is good for; `["revoked"]` ends it, as a kind 5 with the group's `h`
and `["code", "<code>"]` does. Whoever made it, and all whose role allows to invite, may do so.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from relay.protocol import event as events
from relay.protocol.event import Draft, Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import members
from relay.protocol.groups.belonging import CREATE_INVITE, PUT_USER, REMOVE_USER
from relay.protocol.groups.case import (
    Case,
    GroupDecision,
    duplicate,
    invalid,
    restricted,
    said,
)
from relay.protocol.groups.fold import (
    REVOKED,
    SELF_REMOVAL,
    UNLIMITED,
    USES,
    changes_of,
    hash_of,
    number,
    value_of,
)
from relay.protocol.groups.metadata import has_control
from relay.protocol.groups.state import OWNER, Group, Invite, Member, invite_key, member_key
from relay.protocol.relay import GroupRules

MAX_CODE: Final = 256  # characters
NO_SUCH_CODE: Final = "there is no such invite code in this group"
MAX_CODES: Final = 20  # in one event
MAX_USES: Final = 1_000_000
WELCOME: Final = "info: welcome; you are a member of this group now"
ALREADY_MEMBER: Final = "already a member of this group"


def needs(event: Event, group_id: str, _facts: Facts) -> Iterator[Need]:
    """What its codes are good for, and how full the group is."""
    for code in codes(event)[:MAX_CODES]:
        yield "group_invites", invite_key(hash_of(code), group_id)
    yield "member_counts", group_id
    yield "invite_counts", group_id
    yield "owners", group_id


def join(case: Case) -> GroupDecision:
    """9021. Raises Reject: `duplicate:` for members, `restricted:` where a code is missing or no good."""
    if case.trusted:
        return GroupDecision()
    member = case.author
    if member is not None and member.is_member:
        duplicate(ALREADY_MEMBER)
    given = [code for code in codes(case.event) if code]
    if not needs_code(case.group, member):
        members.check_room(case, 1)
        return said(case.view, _welcome(case), message=WELCOME)
    if not given:
        why = (
            "you were removed from this group"
            if member is not None and member.standing == "removed"
            else "this group is closed"
        )
        restricted(f"{why}: join with an invite code of it (`code`), or ask one of its admins to add you")
    return enter(case, given[0])


def enter(case: Case, code: str) -> GroupDecision:
    """Become a member by a code, which is used by that. Raises Reject(restricted) where it is no good."""
    invite = case.view.invite(hash_of(code), case.group.id)
    fault = fault_of(invite, case.now)
    if fault is not None:
        restricted(fault)
    assert invite is not None
    members.check_room(case, 1)
    drafts = [_welcome(case)]
    if invite.uses_left is not None:
        left = Invite(invite.by, invite.expires_at, invite.uses_left - 1)
        drafts.insert(0, invite_draft(case.group.id, code, left, case.now, case.event.id))
    return said(case.view, *drafts, message=WELCOME)


def leave(case: Case) -> GroupDecision:
    """9022. Raises Reject: `duplicate:` for who is no member, `restricted:` for the last owner."""
    if case.trusted:
        return GroupDecision()
    member = case.author
    if member is None or not member.is_member:
        duplicate("not a member of this group")
    if OWNER in member.roles and case.facts.owners[case.group.id] < 2:
        restricted(f"you are the last owner of this group: {members.LAST_OWNER}")
    draft = removal_draft(case.group.id, [case.event.pubkey], case.now, asked=True, cause=case.event.id)
    return said(case.view, draft, message="info: you are not a member of this group any more")


def invite(case: Case) -> GroupDecision:
    """9009. Raises Reject: `restricted:` without the right or beyond the bound, `invalid:` for codes and bounds that are none."""
    event, group_id = case.event, case.group.id
    given = codes(event)
    if not given:
        invalid("kind 9009 needs a code tag with the invite code")
    if len(given) > MAX_CODES:
        invalid(f"at most {MAX_CODES} invite codes are made at once")
    if any(not code or len(code) > MAX_CODE or has_control(code) for code in given):
        invalid(f"an invite code has 1 to {MAX_CODE} characters, none of them a control character")
    present = [case.view.invite(hash_of(code), group_id) for code in given]
    is_end = events.has_tag(event, REVOKED)
    if not is_end or any(one is None or one.by != event.pubkey for one in present):
        case.require_role(CREATE_INVITE)
    if is_end and None in present:
        restricted(NO_SUCH_CODE)
    if not is_end:
        _check_uses(value_of(event.tags, USES))
        events.expiration(event)
        _check_invite_room(case, present)
    return GroupDecision(changes_of(event.kind, event.pubkey, event.tags, event.created_at, case.view))


def revoke(event: Event, group: Group, facts: Facts, now: int, rules: GroupRules) -> GroupDecision:
    """A kind 5 with `code` tags ends those codes. Raises Reject(restricted) for another's, without the right to invite."""
    case = Case(event, group, facts, now, rules)
    drafts = []
    for code in codes(event)[:MAX_CODES]:
        present = case.view.invite(hash_of(code), group.id)
        if present is None or present.revoked:
            continue
        if present.by != event.pubkey:
            case.require_role(CREATE_INVITE)
        ended = Invite(present.by, present.expires_at, present.uses_left, revoked=True)
        drafts.append(invite_draft(group.id, code, ended, now, event.id))
    return said(case.view, *drafts)


def needs_of_claim(code: str, pubkey: str, facts: Facts) -> Iterator[Need]:
    """What `claim` must know."""
    code_hash = hash_of(code)
    yield "invite_groups", code_hash
    for group_id in facts.invite_groups.get(code_hash, ())[:2]:
        yield "groups", group_id
        yield "members", member_key(pubkey, group_id)
        yield "group_invites", invite_key(code_hash, group_id)
        yield "member_counts", group_id


def claim(event: Event, code: str, facts: Facts, now: int, rules: GroupRules) -> tuple[str, GroupDecision] | None:
    """What a 28934 with this code does, and in which group; None when it is no group's. Raises Reject as `join`."""
    named = facts.invite_groups[hash_of(code)]
    if not named:
        return None
    if len(named) > 1:
        restricted(
            "several groups have this invite code: join one of them with a kind 9021 request that names it (h tag)"
        )
    group = facts.groups[named[0]]
    if group is None or group.ended:
        restricted("the group of this invite code was deleted")
    case = Case(event, group, facts, now, rules)
    if case.author is not None and case.author.is_member:
        duplicate(ALREADY_MEMBER)
    return group.id, enter(case, code)


# what the relay says


def invite_draft(group_id: str, code: str, present: Invite, now: int, cause: str) -> Draft:
    """What a code is good for from now on, said by the relay's key. `cause`: the id of the event that it follows from."""
    uses = UNLIMITED if present.uses_left is None else str(present.uses_left)
    tags = [["h", group_id], ["code", code], [USES, uses], ["p", present.by]]
    tags += [["expiration", str(present.expires_at)]] if present.expires_at is not None else []
    tags += [[REVOKED]] if present.revoked else []
    return Draft(CREATE_INVITE, [*tags, ["e", cause]], "", now)


def removal_draft(group_id: str, pubkeys: Sequence[str], now: int, *, asked: bool, cause: str) -> Draft:
    """These keys are no members any more. `asked`: they wanted it so, and may come back."""
    named = [["p", pubkey] for pubkey in pubkeys]
    return Draft(REMOVE_USER, [["h", group_id], *named, *([[SELF_REMOVAL]] if asked else []), ["e", cause]], "", now)


def _welcome(case: Case) -> Draft:
    return Draft(PUT_USER, [["h", case.group.id], ["p", case.event.pubkey], ["e", case.event.id]], "", case.now)


# codes


def codes(event: Event) -> list[str]:
    """The codes that it names."""
    return list(dict.fromkeys(events.values(event, "code")))


def needs_code(group: Group, member: Member | None) -> bool:
    """Whether asking to join is not enough: the group is closed, or the key was removed from it."""
    return group.closed or (member is not None and member.standing == "removed")


def fault_of(invite: Invite | None, now: int) -> str | None:
    """Why the code opens nothing, None when it does."""
    if invite is None:
        return "that is no invite code of this group"
    if invite.revoked:
        return "that invite code was revoked"
    if invite.uses_left is not None and invite.uses_left < 1:
        return "that invite code was used already; ask for another one"
    if invite.expires_at is not None and invite.expires_at <= now:
        return "that invite code has expired; ask for another one"
    return None


def _check_uses(value: str | None) -> None:
    uses = number(value)
    if value not in (None, UNLIMITED) and (uses is None or not 1 <= uses <= MAX_USES):
        invalid(f"the {USES} tag of an invite holds a number from 1 to {MAX_USES:,}, or {UNLIMITED!r}")


def _check_invite_room(case: Case, present: Sequence[Invite | None]) -> None:
    new = sum(one is None or not one.is_open for one in present)
    most = case.rules.invites
    if most and not case.trusted and case.facts.invite_counts[case.group.id] + new > most:
        restricted(f"this group has {most:,} invite codes that are neither used up nor revoked: revoke some")
