"""The templates of `relay/web`: HTML, always escaped, with the one way a page is answered; and plain text."""

import time
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

from relay.http.rendering import address, first_visit, linked_data, prose, static, syndication, theme, visitor

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
_environment.globals["theme"] = theme.chosen
_environment.globals["is_first_visit"] = first_visit.is_first
_environment.globals["clock"] = lambda: int(time.time())
_environment.globals["here"] = visitor.here
_environment.globals["canonical"] = address.canonical
_environment.globals["linked_data"] = linked_data.posting
_environment.globals["feed_formats"] = syndication.FORMATS
_environment.filters.update(prose.FILTERS)
_plain: Final = _environment.overlay(autoescape=False)
_plain.filters = {**_environment.filters, "quoted": lambda words: msgspec.json.encode(words).decode()}  # JSON, and YAML


def html(template: str, **values: Any) -> str:
    """A template with its values; what it needs and is not given is an error, not a gap. `mentions`: whom its texts mean."""
    with prose.one_page(values.get("mentions", prose.NONE)):
        return _environment.get_template(template).render(**values)


def text(template: str, **values: Any) -> str:
    """A template of text that is no HTML, such as Markdown: nothing is escaped. Strangers' words do not belong into it."""
    return _plain.get_template(template).render(**values)


def answer(text: str, status: int = 200) -> Response[str]:
    """HTML as a page is answered."""
    headers = {"cache-control": "no-cache", "vary": "Cookie"}  # the theme is in it
    return Response(text, status_code=status, headers=headers, media_type=MediaType.HTML)


def page(template: str, status: int = 200, **values: Any) -> Response[str]:
    """A page made from a template and its values."""
    return answer(html(template, **values), status)
