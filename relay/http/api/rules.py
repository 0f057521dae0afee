"""`/rules`: what the operator says of keys, kinds, addresses and events while the relay runs (storage.access), as over NIP-86."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from relay.api_types import iso
from relay.errors import Reject
from relay.http.api import common, operators
from relay.http.api.common import BASE, Limit
from relay.http.api.saved import first
from relay.http.api.shapes import Body, Count
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid
from relay.protocol.filter import Filter, to_json
from relay.server.operator_rules import MOST_REASON, check_asker, value_of
from storage.access import AccessRule, LiftRule, NoteRemoval, RuleSubject, SetRule

TAGS: Final = ["operators"]
REMOVED_AT_ONCE: Final = 1000  # events, between which others write


class NewRule(Body, frozen=True):
    """Whether it is taken or refused from now on, and why, for whoever reads the list later.

    `remove`, where a key is banned: what is stored of it goes as well, for good.
    """

    allowed: Annotated[bool, Meta(examples=[False])]
    reason: Annotated[str, Meta(max_length=MOST_REASON, examples=["sells followers"])] = ""
    remove: bool = False


class RuleAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of something. `by` is the operator's key, null where a command said it."""

    subject: RuleSubject
    value: Annotated[str, Meta(examples=["203.0.113.7"])]
    allowed: bool
    reason: str
    by: str | None
    at: datetime


class RulePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is said, the latest first."""

    success: bool = True
    rules: list[RuleAnswer]
    has_more: bool
    next_cursor: NextCursor = None


class RuleChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What was done; `changed` is false where it was so already, `removed` are the events that went with a ban."""

    success: bool = True
    message: str
    changed: bool
    removed: Count = 0


@get(f"{BASE}/rules/{{subject:str}}", tags=TAGS, summary="What is banned or allowed")
async def list_rules(
    request: common.AnyRequest,
    hub: GivenHub,
    subject: FromPath[str],
    *,
    allowed: Annotated[bool, QueryParameter(description="what is allowed, instead of what is banned")] = False,
    limit: Limit = common.DEFAULT_LIMIT,
    cursor: common.Cursor = "",
) -> RulePage:
    """What commands and clients said of keys, kinds, addresses or events: what is refused, or with `allowed` what is taken.

    What the settings' file says is not in it. For operators: a NIP-98 proof of a key in `relay.pubkey` or `access.operators`, or a
    token of the identity that it is bound to.
    """
    await operators.require(request, hub)
    start = first(cursor)
    found = await hub.rules.said_of(_subject(subject), allowed)
    page = found[start : start + common.at_most(limit)]
    following = start + len(page)
    more = following < len(found)
    return RulePage(rules=[_answer(rule) for rule in page], has_more=more, next_cursor=str(following) if more else None)


@put(f"{BASE}/rules/{{subject:str}}/{{value:str}}", tags=TAGS, summary="Ban or allow something")
async def put_rule(
    request: common.AnyRequest, hub: GivenHub, subject: FromPath[str], value: FromPath[str], data: JSONBody[NewRule]
) -> RuleChanged:
    """It holds at once, at every door. An event that is refused is removed; what was reported of what is allowed is done with.

    A key and an event by 64 hex digits, `@name` for all keys of an identity, a kind by its number, an address or a network
    percent-encoded. For operators, as the list.
    """
    key = await operators.require(request, hub)
    about = _subject(subject)
    if data.remove and (data.allowed or about is not RuleSubject.KEY):
        raise invalid("remove is for keys that are banned; an event that is banned is removed in any case")
    values = await _values(hub, about, value)
    changes = [SetRule(about, one, data.allowed, data.reason.strip(), key) for one in values]
    for change in changes:
        check_asker(change, common.client_address(request, hub))
    changed = any(await hub.change_rules(*changes))
    removed = sum([await _remove(hub, one, key) for one in values]) if data.remove else 0
    done = "allowed" if data.allowed else "banned"
    return RuleChanged(message=f"It is {done}{'' if changed else ' already'}", changed=changed, removed=removed)


@delete(
    f"{BASE}/rules/{{subject:str}}/{{value:str}}",
    tags=TAGS,
    summary="Take a ban back, or an allowance",
    status_code=200,
)
async def lift_rule(
    request: common.AnyRequest, hub: GivenHub, subject: FromPath[str], value: FromPath[str]
) -> RuleChanged:
    """Nothing is said of it any more, but by the settings' file. For operators, as the list."""
    key = await operators.require(request, hub)
    about = _subject(subject)
    values = await _values(hub, about, value)
    changed, refusal = False, None
    for allowed in (False, True):
        try:
            done = await hub.change_rules(*(LiftRule(about, one, allowed, "", key) for one in values))
        except Reject as error:  # the settings' file says it, and may say it beside what is lifted
            refusal = error
        else:
            changed = changed or any(done)
    if refusal is not None and not changed:
        raise refusal
    said = "Nothing is said of it any more" if changed else "Nothing was said of it"
    return RuleChanged(message=said, changed=changed)


def _subject(text: str) -> RuleSubject:
    try:
        return RuleSubject(text)
    except ValueError:
        raise invalid(f"there are rules about {', '.join(one.value for one in RuleSubject)}") from None


async def _values(hub: RunningRelay, about: RuleSubject, value: str) -> list[str]:
    """What is named, as it is kept: `@name` is all keys that an identity ever had. Raises HttpProblem 404, Reject."""
    if about is not RuleSubject.KEY or not value.startswith("@"):
        return [value_of(about, value)]
    identity = await common.agent_named(hub, value)
    return [key.pubkey for key in await hub.identities.keys.of(identity.id)]


async def _remove(hub: RunningRelay, key: str, by: str) -> int:
    """What is stored of a key goes, as this operator says; how many events."""
    wanted, removed = Filter(authors=frozenset([key])), 0
    while gone := await hub.remove(wanted, REMOVED_AT_ONCE):
        removed += gone
    if removed:
        await hub.change_rules(NoteRemoval(to_json(wanted).decode(), removed, by))
    return removed


def _answer(rule: AccessRule) -> RuleAnswer:
    return RuleAnswer(
        subject=rule.subject,
        value=rule.value,
        allowed=rule.allowed,
        reason=rule.reason,
        by=rule.by or None,
        at=iso(rule.at),
    )
