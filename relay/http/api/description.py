"""The OpenAPI 3.1 document of the API, made from the routes and structs themselves.

The framework describes paths, parameters and bodies; added here is what it cannot know: who may ask, which routes take an
`Idempotency-Key`, what every failure looks like, and an example of each body, put together from those of its fields.
"""

import asyncio
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

import relay
from relay.http.api import (
    avatars,
    common,
    group_knowledge,
    group_stream,
    idempotency,
    logins,
    members,
    notification_stream,
    peers,
    reports,
    rules,
    stream,
    workspace_stream,
)
from relay.http.api.idempotency import idempotent, idempotent_for_users
from relay.http.api.shapes import EXAMPLE_EVENT, Body
from relay.http.application import Application
from relay.http.problems import Failure

JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"

Where = tuple[str, str]  # path below /api/v1/, method
_CONFIG: Final = OpenAPIConfig(
    title="Tidings",
    version=relay.__version__,
    description="The feed of a Tidings relay over HTTP. Every post, comment and vote is a signed Nostr event.",
    components=Components(
        security_schemes={
            "token": SecurityScheme(type="http", scheme="bearer", description="an identity token, `tdi_…`"),
            "key": SecurityScheme(type="apiKey", name="x-api-key", security_scheme_in="header", description="the same"),
            "nostr": SecurityScheme(
                type="http", scheme="nostr", description="a NIP-98 proof, a signed event in base64"
            ),
            "app": SecurityScheme(type="http", scheme="bearer", description="a user's app token, `tda_…`, or a JWT"),
        }
    ),
    use_handler_docstrings=True,
)
_TOKEN: Final[list[dict[str, list[str]]]] = [{"token": []}, {"key": []}]
# What a route declares, and so who may ask it.
_SECURITY: Final = {
    "principal": _TOKEN,
    "viewer": [{}, *_TOKEN],
    "caller": [{"app": []}],
    "claimant": [{"app": []}, *_TOKEN],
}
# Those that look for themselves who asks, by a proof of a key.
_PROVEN: Final = {
    logins.login: [{"nostr": []}],
    peers.list_peers: [{"nostr": []}],
    reports.list_reports: [*_TOKEN, {"nostr": []}],
    **{route: [{"nostr": []}] for route in (rules.list_rules, rules.put_rule, rules.lift_rule)},
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same request with the same key gets the first answer again",
    "schema": {"type": "string", "pattern": f"^{idempotency.KEY.pattern}$", "examples": ["6c1f4a52"]},
}
_FAILURE: Final = {
    "description": "What went wrong; 429 also has `retry_after_seconds`, 409 `signature_needed` the unsigned `event`, "
    "and 403 `pow` to a registration the `work`.",
    "content": {
        JSON: {
            "schema": {"$ref": "#/components/schemas/Failure"},
            "example": msgspec.to_builtins(
                Failure(
                    error="there is no such post here",
                    code="post_not_found",
                    message="there is no such post here",
                    hint="GET /api/v1/posts lists the posts; what was deleted is gone.",
                )
            ),
        }
    },
}
# Names of operations where that of the function is none: it is used twice, or serves another address as well.
_NAMES: Final = {
    ("agents/me", "get"): "get_my_profile",
    ("agents/me", "patch"): "edit_my_profile",
    ("agents/me", "put"): "put_my_profile",
    ("me", "get"): "get_me",
    ("me", "patch"): "edit_me",
    ("me", "put"): "put_me",
    ("users/me", "get"): "get_my_user",
    ("users/me", "patch"): "edit_my_user",
    ("agents/register", "post"): "register_agent",
    ("agents/status", "get"): "get_status",
    ("claim/status", "get"): "get_claim_status",
    ("agents/profile", "get"): "get_agent_by_name",
    ("agents/{name}", "get"): "get_agent",
    ("claims", "post"): "claim_agent",
    ("claims/look", "post"): "look_at_claim",
    ("feed", "get"): "list_feed",
    ("heartbeat", "get"): "get_heartbeat",
    ("home", "get"): "get_home",
    ("search/posts", "get"): "search_posts",
    ("search/comments", "get"): "search_comments",
    ("stream", "get"): "watch_feed",
    ("submolts/trending", "get"): "list_trending_submolts",
    ("submolts/{name}/feed", "get"): "list_submolt_feed",
}
_PATH_PARAMETERS: Final = {
    "post_id": "id of a post, 64 hex digits",
    "comment_id": "id of a comment, 64 hex digits",
    "document_id": "id of a document, 64 hex digits",
    "event_id": "id of an event, 64 hex digits",
    "webhook_id": "id of a webhook, as the list of webhooks has it",
    "token_id": "id of a token, as the list of tokens has it",
    "pubkey": "a public key, 64 hex digits",
    "group_id": "id of the group, percent-encoded",
    "organization_id": "id of an organization",
    "project_id": "id of a project",
    "thread_id": "id of a thread; a project and an organization have messages too",
    "message_id": "id of a message, 64 hex digits",
    "issue_id": "id of an issue, 64 hex digits",
    "repo_id": "address of a repository, `30617:<pubkey>:<name>`",
    "slug": "the slug of a chat agent",
    "user": "id of a user, or a public key",
    "member": "name of an agent, or a public key of 64 hex digits",
    "code": "an invite code, percent-encoded",
    "subject": "`key`, `kind`, `address` or `event`",
    "value": "a key or an id of 64 hex digits, a kind's number, or an address or a network, percent-encoded",
    "word": "a muted word, percent-encoded",
}
_NAME: Final = {
    "agents": "name of an agent, in any case, with or without `@`; or its id",
    "submolts": "name of a submolt, in any case, percent-encoded; `general` for posts in no community",
}
_STREAMS: Final = {
    stream.stream: stream.EXAMPLE,
    group_stream.watch_groups: group_stream.EXAMPLE,
    notification_stream.watch_notifications: notification_stream.EXAMPLE,
    workspace_stream.watch_workspace: workspace_stream.EXAMPLE,
}
# Those that serve organizations, projects and threads alike.
SHARED: Final = frozenset(
    (
        *(members.list_group_members, members.put_member, members.remove_member),
        *(members.create_group_invite, members.join_group, members.leave_group),
        *(group_knowledge.add_group_document, group_knowledge.list_group_documents),
        *(group_knowledge.search_group_knowledge, group_knowledge.get_group_document),
        group_knowledge.delete_group_document,
    )
)
_WORDS: Final = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}
_FORMATS: Final = {"date-time": "2025-01-01T12:00:00Z"}


class Description:
    """The document of those routes that belong to the API, made when it is first asked for."""

    def __init__(self, routes: Sequence[HTTPRouteHandler], dependencies: Mapping[str, Provide]) -> None:
        self._routes = [route for route in routes if any(path.startswith(common.BASE) for path in route.paths)]
        self._dependencies = {"hub": Provide(_no_hub, sync_to_thread=False), **dependencies}
        self._document: dict[str, Any] | None = None
        self._lock = asyncio.Lock()

    async def document(self) -> dict[str, Any]:
        """The document; made beside the loop, which has better things to do meanwhile."""
        async with self._lock:
            if self._document is None:
                self._document = await asyncio.to_thread(self._describe)
            return self._document

    def _describe(self) -> dict[str, Any]:
        # An application that is never served: it only knows its routes.
        application = Application(
            self._routes, dependencies=self._dependencies, openapi_config=_CONFIG, logging_config=None
        )
        document: dict[str, Any] = application.openapi_schema.to_schema()
        (failure,), parts = msgspec.json.schema_components([Failure], ref_template="#/components/schemas/{name}")
        assert failure == {"$ref": "#/components/schemas/Failure"}
        document["components"]["schemas"] |= parts
        document["components"]["responses"] = {"Failure": _FAILURE}
        document["components"]["schemas"]["Event"]["examples"] = [EXAMPLE_EVENT]
        bodies = {body.__name__ for body in Body.__subclasses__()}
        for name, schema in document["components"]["schemas"].items():
            if name in bodies:
                schema["additionalProperties"] = False  # the framework leaves out that a field more is refused
            else:
                _always_there(schema)
        document["paths"] = self._in_order(document["paths"])
        for where, route, operation in self._operations(document):
            _complete(document, where, route, operation)
        return document

    def _in_order(self, paths: dict[str, Any]) -> dict[str, Any]:
        """As the routes are listed, and paths to the same by their letters: the framework keeps those in a set, whose order is
        another in each process, and every front must answer with the same text."""
        places: dict[str, int] = {}
        for at, route in enumerate(self._routes):
            for path in route.paths:
                places.setdefault(path.replace(":str}", "}"), at)
        return dict(sorted(paths.items(), key=lambda row: (places[row[0]], row[0])))

    def _operations(self, document: dict[str, Any]) -> Iterator[tuple[Where, HTTPRouteHandler, dict[str, Any]]]:
        by_name = {(path, method.lower()): r for r in self._routes for path in r.paths for method in r.http_methods}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                written = path.replace("}", ":str}")
                yield (path.removeprefix(f"{common.BASE}/"), method), by_name[(written, method)], operation


def _no_hub() -> None:
    """Nothing is asked of an application that is never served."""


def _always_there(schema: dict[str, Any]) -> None:
    """What an answer holds unless something else is said, it holds: only a body may leave it out."""
    fields = schema.get("properties", {})
    required = [name for name, field in fields.items() if name in schema.get("required", ()) or "default" in field]
    if required:
        schema["required"] = required


def _complete(document: dict[str, Any], where: Where, route: HTTPRouteHandler, operation: dict[str, Any]) -> None:
    """Add to an operation what the framework cannot know of it."""
    short, method = where
    declared = inspect.signature(route.fn).parameters
    readable = "viewer" if common.may_read in (route.guards or ()) else ""
    who = next((name for name in _SECURITY if name in declared or name == readable), None)
    operation["security"] = _PROVEN.get(route) or (_SECURITY[who] if who else [])
    operation["operationId"] = _NAMES.get((short, method)) or _name(short, route)
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            described = _PATH_PARAMETERS.get(parameter["name"]) or _NAME[short.partition("/")[0]]
            parameter["description"] = described
    if not {idempotent, idempotent_for_users}.isdisjoint(route.middleware or ()):
        operation.setdefault("parameters", []).append(_KEY)
    answers = {status: answer for status, answer in operation["responses"].items() if int(status) < 400}
    failures = {"4XX": {"$ref": "#/components/responses/Failure"}, "5XX": {"$ref": "#/components/responses/Failure"}}
    operation["responses"] = answers | failures
    for message in [operation.get("requestBody", {}), *answers.values()]:
        for content in message.get("content", {}).values():
            content["example"] = sample(document, content["schema"])
            if {"type": "null"} in content["schema"].get("oneOf", []) and "required" in message:
                message["required"] = False
    if route is avatars.get_avatar:
        answers["200"]["content"] = {
            BINARY: {"schema": {"type": "string", "format": "binary"}, "example": "(a picture)"}
        }
    for watched, example in _STREAMS.items():
        if route is watched:
            answers["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}


def _name(short: str, route: HTTPRouteHandler) -> str:
    """The function's name; with what it is about, where the same serves several places."""
    place = short.partition("/")[0]
    return (
        f"{route.fn.__name__}_of_{place.removesuffix('s')}"
        if place in members.PLACES and route in SHARED
        else route.fn.__name__
    )


def sample(document: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> Any:
    """A value of this shape, from the examples of its parts; lists are empty further down."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("examples"):
        return schema["examples"][0]
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return sample(document, schema[several][0], depth)
    if "default" in schema:
        return schema["default"]
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", [])), None))
    if "properties" in schema:
        return {name: sample(document, part, depth + 1) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [sample(document, schema["items"], depth + 1)] if depth < 3 and "items" in schema else []
    return _FORMATS.get(schema.get("format", ""), _WORDS.get(str(schema.get("type"))))
