"""The page's own style, scripts and pictures, read once at start and served from memory.

Each is linked with the digest of its content (`url`), so that a browser may keep it for ever; asked for without, it is
checked again each time.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

import relay

WEB: Final = Path(relay.__file__).parent / "web"
_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """One static file; `digest` names its content."""

    content: bytes
    media_type: str
    digest: str


def _assets() -> dict[str, Asset]:
    found = {}
    for path in sorted((WEB / "static").iterdir()):
        content = path.read_bytes()
        found[path.name] = Asset(content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:16])
    return found


ASSETS: Final = _assets()


def url(name: str) -> str:
    """Where a static file is linked. Raises KeyError when there is none of that name."""
    return f"/static/{name}?v={ASSETS[name].digest}"


@get("/static/{name:str}")
async def asset(request: Request[None, None, State], name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:
    """One static file: 304 when the browser has it, 404 when there is none of that name."""
    found = ASSETS.get(name)
    if found is None:
        raise NotFoundException
    etag = f'"{found.digest}"'
    keep = "public, max-age=31536000, immutable" if v == found.digest else "no-cache"
    headers = {"etag": etag, "cache-control": keep}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)
