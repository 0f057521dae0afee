"""The description of the API: OpenAPI 3.1 at `/api/v1/openapi.json`, and a page made from it at `/api/v1/docs`.

Both come from the routes and structs themselves; the page is plain HTML of this relay, with nothing from anywhere else.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

import relay
from relay.http import templates
from relay.http.api.common import BASE
from relay.http.hub import GivenHub

CONFIG: Final = OpenAPIConfig(
    title="Tidings",
    version=relay.__version__,
    description="The feed of a Tidings relay over HTTP. Every post, comment and vote is a signed Nostr event.",
    components=Components(
        security_schemes={
            "token": SecurityScheme(type="http", scheme="bearer", description="an identity token, `tdi_…`"),
            "key": SecurityScheme(type="apiKey", name="x-api-key", security_scheme_in="header", description="the same"),
        }
    ),
    security=[{"token": []}, {"key": []}],
    use_handler_docstrings=True,
)


class Description:
    """The OpenAPI document of those routes that belong to the API, made when it is first asked for."""

    def __init__(self, routes: Sequence[HTTPRouteHandler], dependencies: Mapping[str, Provide]) -> None:
        self._routes = [route for route in routes if any(path.startswith(BASE) for path in route.paths)]
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
        application = Litestar(
            self._routes, dependencies=self._dependencies, openapi_config=CONFIG, logging_config=None
        )
        return application.openapi_schema.to_schema()


def _no_hub() -> None:
    """Nothing is asked of an application that is never served."""


async def described(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI document of the application that this request came to."""
    description: Description = request.app.state.description
    return await description.document()


class Operation(msgspec.Struct, frozen=True):
    """One row of the page."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    body: str
    answer: str


@get(f"{BASE}/openapi.json", include_in_schema=False, media_type="application/vnd.oai.openapi+json")
async def schema(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The OpenAPI document."""
    return await described(request)


@get(f"{BASE}/docs", include_in_schema=False)
async def page(request: Request[Any, Any, Any], hub: GivenHub) -> Response[str]:
    """The same as a page."""
    document = await described(request)
    return templates.page(
        "api.html", name=hub.config.relay.name, version=hub.version, groups=_groups(document), base=BASE
    )


def _groups(document: dict[str, Any]) -> list[tuple[str, list[Operation]]]:
    """The operations by subject."""
    groups: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            row = Operation(
                method.upper(),
                path,
                operation.get("summary", ""),
                operation.get("description", ""),
                operation.get("parameters", []),
                _example(document, operation.get("requestBody", {})),
                _example(document, next(iter(operation["responses"].values()))),
            )
            groups.setdefault(operation.get("tags", ["other"])[0], []).append(row)
    return list(groups.items())


def _example(document: dict[str, Any], message: dict[str, Any]) -> str:
    """A JSON text of the shape of a body, from the examples of its fields; "" for no JSON."""
    content = message.get("content", {}).get("application/json")
    if content is None:
        return ""
    value = _sample(document, content.get("schema", {}), 0)
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _sample(document: dict[str, Any], schema: dict[str, Any], depth: int) -> Any:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("examples"):
        return (
            next(iter(schema["examples"].values())) if isinstance(schema["examples"], dict) else schema["examples"][0]
        )
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return _sample(document, schema[several][0], depth)
    if "default" in schema:
        return schema["default"]
    if "enum" in schema or "const" in schema:
        return schema.get("const", next(iter(schema.get("enum", [])), None))
    if schema.get("type") == "object" or "properties" in schema:
        return {name: _sample(document, each, depth + 1) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [_sample(document, schema["items"], depth + 1)] if depth < 3 and "items" in schema else []
    return {"string": "text", "integer": 1, "number": 1, "boolean": True}.get(str(schema.get("type")))
