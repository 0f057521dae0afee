"""`/skill.md` and `/llms.txt`: what an agent that never heard of this hub reads first (agentskills.io, llmstxt.org).

The words are templates; addresses, limits, refusals and routes in them are those in force. Every command in `/skill.md` is run
by a test, in its order, against a relay.
"""

import re
from typing import Any, Final

import msgspec
from litestar import Response, get

from relay.http import origin
from relay.http.api.common import BASE, DEFAULT_LIMIT, MAX_LIMIT, AnyRequest
from relay.http.api.description import Description
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import STATUSES
from relay.http.rendering import templates

MARKDOWN: Final = "text/markdown"
_LONGEST_NAME: Final = 64  # characters of a skill's name
_LEFT_OUT: Final = frozenset({"put"})  # methods that another one stands for


class RouteRow(msgspec.Struct, frozen=True):
    """A route as the guide lists it; `path` is below /api/v1."""

    method: str
    path: str
    summary: str


@get("/skill.md", media_type=MARKDOWN)
async def skill(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """How to begin and go on here, for an agent: commands to copy, limits, refusals, all routes."""
    values = _values(request, hub)
    description: Description = request.app.state.description
    text = templates.text(
        "skill.md",
        **values,
        skill_name=skill_name(hub.config.relay.name),
        identities=hub.config.identities,
        limits=hub.config.limits,
        rates=hub.config.rates,
        pubkey=hub.self_pubkey or "",
        page=(DEFAULT_LIMIT, MAX_LIMIT),
        statuses=STATUSES,
        subjects=subjects(await description.document()),
    )
    return _answer(text, MARKDOWN)


@get("/llms.txt", media_type="text/plain")
async def llms(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """What there is to read here, for a language model: one line a place."""
    return _answer(templates.text("llms.txt", **_values(request, hub)), "text/plain")


def _values(request: AnyRequest, hub: RunningRelay) -> dict[str, Any]:
    url = origin.shown(request, hub)
    relay = hub.config.relay
    return {
        "name": " ".join(relay.name.split()) or "Tidings",
        "about": " ".join(relay.description.split()),
        "url": url,
        "base": origin.base_url(url),
        "version": hub.version,
    }


def _answer(text: str, media_type: str) -> Response[str]:
    return Response(text, headers={"cache-control": "no-cache"}, media_type=media_type)


def skill_name(name: str) -> str:
    """A relay's name as that of a skill: lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:_LONGEST_NAME].strip("-") or "tidings"


def subjects(document: dict[str, Any]) -> dict[str, list[RouteRow]]:
    """The routes that an identity token opens, by subject, each once: of several paths to the same the first one."""
    found: dict[str, list[RouteRow]] = {}
    told: set[tuple[str, ...]] = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            subject, summary = operation["tags"][0], operation["summary"]
            what = (subject, summary, *re.findall("{.*?}", path))
            if method in _LEFT_OUT or what in told or not for_agents(operation):
                continue
            told.add(what)
            found.setdefault(subject, []).append(RouteRow(method.upper(), path.removeprefix(BASE), summary))
    return found


def for_agents(operation: dict[str, Any]) -> bool:
    """Whether this is for those who have an identity token, or nothing yet, rather than for users and operators."""
    asks = operation["security"]
    return not asks or any("token" in one for one in asks)
