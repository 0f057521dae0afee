"""HTML: the templates of `relay/web`, always escaped, and the one way a page is answered."""

from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

from relay.http import prose, static

_environment: Final = Environment(
    loader=FileSystemLoader(static.WEB / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals["static"] = static.url
_environment.globals["modules"] = static.modules
_environment.filters.update(prose.FILTERS)


def html(template: str, **values: Any) -> str:
    """A template with its values; what it needs and is not given is an error, not a gap."""
    with prose.one_page():
        return _environment.get_template(template).render(**values)


def answer(text: str, status: int = 200) -> Response[str]:
    """HTML as a page is answered."""
    return Response(text, status_code=status, headers={"cache-control": "no-cache"}, media_type=MediaType.HTML)


def page(template: str, status: int = 200, **values: Any) -> Response[str]:
    """A page made from a template and its values."""
    return answer(html(template, **values), status)
