"""The page's own style, scripts and pictures, read once at start and served from memory.

Each is linked with the digest of its content (`url`), so that a browser may keep it for ever; asked for without, it is
checked again each time. A script's imports of other scripts are linked so too, hence in its content and its digest; its
comments are left out.
The style is one file made of the parts in `relay/web/style`, in the order of `STYLE`: a page asks once, a reader finds each
subject in a file of its own. What gets smaller by it is compressed once, at start (RFC 9110: gzip, which every browser takes).
"""

import gzip
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

import relay
from relay.http.negotiation import takes_gzip

WEB: Final = Path(relay.__file__).parent / "web"
STYLE: Final = (
    "base",
    "controls",
    "bar",
    "columns",
    "tabs",
    "writing",
    "posts",
    "post",
    "prose",
    "comments",
    "history",
    "menu",
    "people",
    "mine",
    "keys",
    "documents",
    "proof",
    "communities",
    "tending",
    "chat",
    "project",
    "articles",
    "search",
    "small",  # what narrow windows, thumbs and calm readers ask for overrides all of the above
    "phone",
    "print",
)
_TYPES: Final = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# A line of its own, or the end of one; there it has no quote in it, so that it cannot be the rest of a text.
_COMMENT: Final = re.compile(r"^[ \t]*//.*\n|(?<=[;{},)])[ \t]+// [^\"'`\n]*$", re.MULTILINE)
_IMPORT: Final = re.compile(r'((?:\bfrom|\bimport|\bbring|\bURL)\s*\(?\s*")\./([\w.-]+)(")')


class Asset(msgspec.Struct, frozen=True):
    """One static file; `digest` names its content, `packed` is that gzipped, or nothing where it would be no smaller.

    `needs` are the scripts it imports at once, and theirs.
    """

    content: bytes
    packed: bytes
    media_type: str
    digest: str
    needs: tuple[str, ...] = ()


def _assets() -> dict[str, Asset]:
    found: dict[str, Asset] = {}
    for path in sorted((WEB / "static").iterdir()):
        _read(path, found)
    style = "\n".join((WEB / "style" / f"{part}.css").read_text("utf-8") for part in STYLE).encode()
    found["style.css"] = _asset(style, ".css")
    return found


def _read(path: Path, found: dict[str, Asset]) -> Asset:
    """One file, after the scripts that it imports; scripts may not import each other in a circle."""
    if path.name in found:
        return found[path.name]
    content = path.read_bytes()
    needs: list[str] = []

    def link(match: re.Match[str]) -> str:
        other = _read(path.with_name(match[2]), found)
        if "(" not in match[1]:  # bring() (act.js) and a worker load later, if at all
            needs.extend((*other.needs, match[2]))
        return f"{match[1]}./{match[2]}?v={other.digest}{match[3]}"

    if path.suffix == ".js":
        content = _IMPORT.sub(link, _COMMENT.sub("", content.decode())).encode()
    found[path.name] = _asset(content, path.suffix, needs)
    return found[path.name]


def _asset(content: bytes, suffix: str, needs: Sequence[str] = ()) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:16]
    packed = gzip.compress(content, 9, mtime=0)
    if len(packed) >= len(content):
        packed = b""
    return Asset(content, packed, _TYPES[suffix], digest, tuple(dict.fromkeys(needs)))


ASSETS: Final = _assets()


def url(name: str) -> str:
    """Where a static file is linked. Raises KeyError when there is none of that name."""
    return f"/static/{name}?v={ASSETS[name].digest}"


def modules(name: str) -> list[str]:
    """The URLs of the scripts that a script imports, so that a browser may fetch them all at once."""
    return [url(other) for other in ASSETS[name].needs]


@get("/static/{name:str}")
async def asset(request: Request[None, None, State], name: FromPath[str], v: FromQuery[str] = "") -> Response[bytes]:
    """One static file: 304 when the browser has it, 404 when there is none of that name."""
    found = ASSETS.get(name)
    if found is None:
        raise NotFoundException
    return answer(request, found, "public, max-age=31536000, immutable" if v == found.digest else "no-cache")


def answer(request: Request[None, None, State], found: Asset, keep: str) -> Response[bytes]:
    """A file as this browser takes it, to be kept as `keep` says (Cache-Control); 304 when the browser has it."""
    packed = bool(found.packed) and takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{found.digest}-gzip"' if packed else f'"{found.digest}"'
    headers = {"etag": etag, "cache-control": keep}
    if found.packed:
        headers["vary"] = "Accept-Encoding"
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=found.media_type)
    if packed:
        headers["content-encoding"] = "gzip"
    return Response(found.packed if packed else found.content, headers=headers, media_type=found.media_type)
