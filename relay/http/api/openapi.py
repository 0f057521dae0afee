"""The API described: OpenAPI 3.1 at `/api/v1/openapi.json`, and a page made from it at `/api/v1/docs`.

The page is plain HTML of this relay, with nothing from anywhere else.
"""

from typing import Any

import msgspec
from litestar import Response, get

from relay.http import origin
from relay.http.api.common import BASE, AnyRequest
from relay.http.api.description import JSON, Description
from relay.http.hub import GivenHub
from relay.http.rendering import templates


class Operation(msgspec.Struct, frozen=True):
    """One row of the page; `body` and `answer` are examples in JSON, or "" without one."""

    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, Any]]
    body: str
    answer: str


@get(f"{BASE}/openapi.json", include_in_schema=False, media_type="application/vnd.oai.openapi+json")
async def schema(request: AnyRequest, hub: GivenHub) -> dict[str, Any]:
    """The OpenAPI document; its paths begin at the address by which this client reached the relay."""
    url = origin.base_url(origin.shown(request, hub))
    return await _described(request) | {"servers": [{"url": url, "description": hub.config.relay.name}]}


@get(f"{BASE}/docs", include_in_schema=False)
async def page(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """The same as a page."""
    groups = _groups(await _described(request))
    return templates.page("api.html", name=hub.config.relay.name, version=hub.version, groups=groups, base=BASE)


async def _described(request: AnyRequest) -> dict[str, Any]:
    description: Description = request.app.state.description
    return await description.document()


def _groups(document: dict[str, Any]) -> list[tuple[str, list[Operation]]]:
    """The operations by subject."""
    groups: dict[str, list[Operation]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            row = Operation(
                method.upper(),
                path,
                operation["summary"],
                operation["description"],
                operation.get("parameters", []),
                _example(operation.get("requestBody", {})),
                _example(next(iter(operation["responses"].values()))),
            )
            groups.setdefault(operation["tags"][0], []).append(row)
    return list(groups.items())


def _example(message: dict[str, Any]) -> str:
    """The example of a body, readable; "" for none."""
    for media_type, content in message.get("content", {}).items():
        if media_type != JSON:
            return str(content["example"])
        return msgspec.json.format(msgspec.json.encode(content["example"]), indent=2).decode()
    return ""
