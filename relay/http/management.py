"""The relay management API (NIP-86): the operator bans, allows and names from a client, by requests to the relay's own URL.

One row a method in METHODS. What it changes is what `tidings ban` and `tidings allow` change (storage.access), and holds live on
every door. Whoever proves no operator's key is answered 401 with a body of the same shape, whatever they ask: clients take any list
of methods for the answer that they are an operator.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Response, post

from relay.errors import Reject
from relay.http.api import callers, common, operators, reports
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem
from relay.protocol import json_errors
from relay.server.operator_rules import check_asker, value_of
from storage.access import LiftRule, RuleSubject, SetRule, SetText
from storage.base import PUBLIC
from storage.errors import StorageError

MEDIA_TYPE: Final = "application/nostr+json+rpc"
_NAMES: Final = {
    RuleSubject.KEY: "a public key, hex",
    RuleSubject.KIND: "a kind",
    RuleSubject.ADDRESS: "an IP address",
    RuleSubject.EVENT: "the id of an event, hex",
}
_IN_FILE: Final = "by the relay's settings"


class ManagementCall(msgspec.Struct, frozen=True):
    """What a client asks."""

    method: str
    params: list[str | int | None] = []


class ManagementAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`result` is left out where there is an `error`, and the error where there is none."""

    result: Any = msgspec.UNSET
    error: str = ""


class Manager(NamedTuple):
    """The operator who asks: by which key, and from where."""

    hub: RunningRelay
    key: str
    address: str
    params: Sequence[str | int | None]

    def text(self, number: int, name: str) -> str:
        """A parameter. Raises WrongParameter where it is missing."""
        given = self.params[number] if number < len(self.params) else None
        if given is None:
            raise WrongParameter(f"parameter {number + 1} is missing: {name}")
        return str(given)

    @property
    def reason(self) -> str:
        """The optional second parameter."""
        return str(self.params[1]) if len(self.params) > 1 and self.params[1] is not None else ""


class WrongParameter(Exception):
    """What is wrong with a call."""


Work = Callable[[Manager], Awaitable[Any]]


def _set(subject: RuleSubject, *, allowed: bool) -> Work:
    async def work(manager: Manager) -> bool:
        value = value_of(subject, manager.text(0, _NAMES[subject]))
        change = SetRule(subject, value, allowed, manager.reason, manager.key)
        check_asker(change, manager.address)
        await manager.hub.change_rules(change)
        return True

    return work


def _lift(subject: RuleSubject, *, allowed: bool) -> Work:
    async def work(manager: Manager) -> bool:
        value = value_of(subject, manager.text(0, _NAMES[subject]))
        await manager.hub.change_rules(LiftRule(subject, value, allowed, manager.reason, manager.key))
        return True

    return work


def _listed(subject: RuleSubject, name: str, *, allowed: bool, setting: str = "") -> Work:
    """A list of what is said of a subject, each with `name`, and of what the file has under `setting`."""

    async def work(manager: Manager) -> list[dict[str, str]]:
        said = {rule.value: rule.reason for rule in await manager.hub.rules.said_of(subject, allowed)}
        in_file = getattr(manager.hub.rules.file.access, setting) if setting else ()
        said |= {value: _IN_FILE for value in in_file if value not in said}
        return [{name: value, "reason": reason} if reason else {name: value} for value, reason in said.items()]

    return work


def _text(setting: str) -> Work:
    async def work(manager: Manager) -> bool:
        text = manager.text(0, f"what is in place of {setting}") or None
        await manager.hub.change_rules(SetText(setting, text, manager.key))
        return True

    return work


async def _allowed_kinds(manager: Manager) -> list[int]:
    access = manager.hub.config.access
    return sorted(set(access.allowed_kinds) - set(access.denied_kinds))


async def _denied_kinds(manager: Manager) -> list[int]:
    return sorted(set(manager.hub.config.access.denied_kinds))


async def _reported(manager: Manager) -> list[dict[str, str]]:
    """Reported events, with how often and why."""
    return [
        {"id": one.event_id, "reason": ", ".join(f"{reason} {count}" for reason, count in one.reasons.items())}
        for one in await reports.reported(manager.hub, PUBLIC)
        if one.event_id is not None
    ]


async def _methods(_manager: Manager) -> list[str]:
    return [name for name in METHODS if name != "supportedmethods"]


METHODS: Final[dict[str, Work]] = {
    "supportedmethods": _methods,
    "banpubkey": _set(RuleSubject.KEY, allowed=False),
    "unbanpubkey": _lift(RuleSubject.KEY, allowed=False),
    "listbannedpubkeys": _listed(RuleSubject.KEY, "pubkey", allowed=False, setting="denied_keys"),
    "allowpubkey": _set(RuleSubject.KEY, allowed=True),
    "unallowpubkey": _lift(RuleSubject.KEY, allowed=True),
    "listallowedpubkeys": _listed(RuleSubject.KEY, "pubkey", allowed=True, setting="allowed_keys"),
    "listeventsneedingmoderation": _reported,
    "allowevent": _set(RuleSubject.EVENT, allowed=True),
    "banevent": _set(RuleSubject.EVENT, allowed=False),
    "listbannedevents": _listed(RuleSubject.EVENT, "id", allowed=False),
    "listallowedevents": _listed(RuleSubject.EVENT, "id", allowed=True),
    "changerelayname": _text("relay.name"),
    "changerelaydescription": _text("relay.description"),
    "changerelayicon": _text("relay.icon"),
    "allowkind": _set(RuleSubject.KIND, allowed=True),
    "disallowkind": _set(RuleSubject.KIND, allowed=False),
    "listallowedkinds": _allowed_kinds,
    "listdisallowedkinds": _denied_kinds,
    "blockip": _set(RuleSubject.ADDRESS, allowed=False),
    "unblockip": _lift(RuleSubject.ADDRESS, allowed=False),
    "listblockedips": _listed(RuleSubject.ADDRESS, "ip", allowed=False, setting="denied_addresses"),
}

_decode: Final = msgspec.json.Decoder(ManagementCall).decode


@post("/", status_code=200)
async def manage(request: common.AnyRequest, hub: GivenHub) -> Response[ManagementAnswer]:
    """One call. 401 for whoever proves no operator's key, whatever is asked; what is wrong with a call is told in `error`."""
    if not is_call(request.headers.get("content-type", "")):
        said = f"what is posted here is a call of NIP-86, as {MEDIA_TYPE}; the HTTP API is under /api/v1"
        return _answer(ManagementAnswer(error=said), 415)
    call = _decoded(await request.body())
    own = operators.keys(hub.config)
    reads = isinstance(call, ManagementCall) and _reads(call.method)
    try:
        key = await callers.managing_key(request, hub, own, reads=reads)
    except HttpProblem as problem:
        return _answer(ManagementAnswer(error=problem.message), problem.status, problem.headers)
    if key not in own:
        return _answer(ManagementAnswer(error="this is for the relay's operators, and this key is none's"), 401)
    if isinstance(call, str):
        return _answer(ManagementAnswer(error=call), 400)
    try:
        work = METHODS.get(call.method)
        if work is None:
            raise WrongParameter(f"{call.method[:64]!r} is no method here; supportedmethods lists them")
        result = await work(Manager(hub, key, common.client_address(request, hub), call.params))
    except WrongParameter as error:
        return _answer(ManagementAnswer(error=str(error)))
    except Reject as refusal:
        return _answer(ManagementAnswer(error=refusal.message))
    except StorageError as error:
        return _answer(ManagementAnswer(error=str(error)), 503)
    return _answer(ManagementAnswer(result=result))


def _decoded(body: bytes) -> ManagementCall | str:
    """The call, or what is wrong with it."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        return f'{json_errors.in_words(str(error), "the call")}; a call is {{"method": "…", "params": […]}}'


def _reads(method: str) -> bool:
    """Whether a method changes nothing."""
    return method == "supportedmethods" or method.startswith("list")


def is_call(content_type: str) -> bool:
    """Whether a request with this content type is one of NIP-86."""
    return content_type.partition(";")[0].strip().lower() == MEDIA_TYPE


def _answer(
    said: ManagementAnswer, status: int = 200, headers: dict[str, str] | None = None
) -> Response[ManagementAnswer]:
    return Response(said, status_code=status, media_type=MEDIA_TYPE, headers=headers)
