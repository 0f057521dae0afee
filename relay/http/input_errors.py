"""What is wrong with the input of a request, in words that say how to mend it: which field, and what would be right.

The framework and msgspec say which field does not fit; the route's own types say which fields there are and which values an
enum has. What is unknown is never dropped silently: the bodies of the API refuse fields that they do not have.
"""

import re
import types
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, SerializationException
from litestar.utils.scope.state import ScopeState

from relay.protocol import json_errors

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_ABSENT: Final = re.compile(r"Missing required (\w+) parameter '([^']*)' for path ")
_VALUE: Final = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_NO_BODY: Final = {"key": "data", "message": "'data'"}  # the framework's words for it
_AGAIN: Final = "Change what the message names and send it again."
_JSON: Final = "Send a JSON object with content-type application/json."
_WHOLE: Final = "Where you shorten a text, cut it between characters, not within one."
_LONGEST: Final = 60  # characters of what the client sent that an answer repeats

# Names that other APIs have for the same, which no likeness of letters finds.
_SYNONYMS: Final = {
    "about": "description",
    "bio": "description",
    "body": "content",
    "community": "submolt",
    "d": "identifier",
    "headline": "title",
    "href": "url",
    "link": "url",
    "message": "content",
    "parent": "parent_id",
    "pass": "password",
    "reply_to": "parent_id",
    "subject": "title",
    "text": "content",
    "uri": "url",
    "user": "name",
    "username": "name",
}


class InputError(msgspec.Struct, frozen=True):
    """What is wrong, and what to do about it; "" where the status says enough."""

    message: str
    hint: str = ""


def explain(request: Request[Any, Any, Any], error: HTTPException) -> InputError | None:
    """What is wrong with this request's input; None where the framework refuses it for something else."""
    if isinstance(error.__cause__, SerializationException):
        body = ScopeState.from_scope(request.scope).body
        said = json_errors.in_words(error.detail, "the body", body if isinstance(body, bytes) else b"")
        unread = said if said.startswith("the body ") else f"the body is not JSON: {said.removeprefix('the body: ')}"
        return InputError(unread, _WHOLE if json_errors.HALF in said else _JSON)
    absent = _ABSENT.match(error.detail)
    if absent is not None:
        where, name = absent.groups()
        hint = f"Add it to the address: {_path(request)}?{name}=…" if where == "query" else _AGAIN
        return InputError(f"the {where} parameter `{name}` is missing", hint)
    extra = [part for part in error.extra if isinstance(part, dict)] if isinstance(error.extra, list) else []
    if any(part.items() >= _NO_BODY.items() for part in extra):
        return InputError("this needs a body of JSON", _fields_hint(_body_type(request)))
    found = [_part(request, part) for part in extra if "message" in part]
    if not found:
        return None
    return InputError("; ".join(part.message for part in found), next((part.hint for part in found if part.hint), ""))


def _path(request: Request[Any, Any, Any]) -> str:
    """The path as it was sent."""
    scope: Any = request.scope
    return str(scope.get("raw_path", scope["path"].encode()).decode("latin-1"))


def _part(request: Request[Any, Any, Any], part: dict[str, Any]) -> InputError:
    """One thing that is wrong: `key` names the parameter, or the way to a field of the body."""
    message = str(part["message"])
    key = str(part.get("key", "data"))
    in_body = str(part.get("source", "")).endswith("body")
    kind = _body_type(request) if in_body else _parameter_type(request, key)
    names = [name for name in key.split(".") if name != "data"] if in_body else []
    for name in names:
        kind = _field_type(kind, name)
    where = ".".join(names) if in_body else key
    prefix = f"{where}: " if where else ""
    if (unknown := _UNKNOWN.search(message)) is not None:
        return _unknown(prefix, unknown.group(1), kind)
    if (missing := _MISSING.search(message)) is not None:
        return InputError(f"{prefix}the field `{missing.group(1)}` is missing", _fields_hint(kind))
    allowed = list(_allowed(kind))
    if _VALUE.search(message) is not None and allowed:
        given = _VALUE.search(message)
        assert given is not None
        several = ", ".join(allowed)
        return InputError(f"{prefix}{_short(given.group(1))} is none of {several}", f"Give one of: {several}.")
    return InputError(json_errors.in_words(message, where), _AGAIN if where else _fields_hint(kind))


def _unknown(prefix: str, name: str, kind: Any) -> InputError:
    known = _fields(kind)
    likely = likely_field(name, known)
    meant = f"; did you mean `{likely}`?" if likely else ""
    return InputError(f"{prefix}there is no field `{_short(name)}` here{meant}", _fields_hint(kind))


def likely_field(name: str, known: list[str]) -> str | None:
    """The field that somebody meant who wrote `name`; None where nothing is near."""
    plain = in_snake_case(name)
    meant = _SYNONYMS.get(plain, plain)
    return meant if meant in known else next(iter(get_close_matches(plain, known, 1)), None)


def in_snake_case(name: str) -> str:
    """A name as the API writes names: `parentId` and `Parent-Id` are `parent_id`. What is long is cut."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:_LONGEST]).lower().replace("-", "_")


def _fields_hint(kind: Any) -> str:
    names = _fields(kind)
    return f"The fields are: {', '.join(names)}." if names else ""


def _fields(kind: Any) -> list[str]:
    found = _struct(kind)
    return [] if found is None else [field.encode_name for field in msgspec.structs.fields(found)]


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    return next((each for each in _flat(kind) if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _field_type(kind: Any, name: str) -> Any:
    """The type of a field of a body; None where there is none."""
    found = _struct(kind)
    fields = () if found is None else msgspec.structs.fields(found)
    return next((field.type for field in fields if field.encode_name == name), None)


def _flat(kind: Any) -> Iterator[Any]:
    """A type without its annotations, and the members of a union."""
    if get_origin(kind) is Annotated:
        yield from _flat(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _flat(member)
    else:
        yield kind


def _allowed(kind: Any) -> Iterator[str]:
    for each in _flat(kind):
        if get_origin(each) is Literal:
            yield from map(str, get_args(each))


def _body_type(request: Request[Any, Any, Any]) -> Any:
    return _parameter_type(request, "data")


def _parameter_type(request: Request[Any, Any, Any], name: str) -> Any:
    """The type that the route declares; None where no route was found."""
    route = request.scope.get("route_handler")
    parameters = {} if route is None else route.parsed_fn_signature.parameters
    return parameters[name].annotation if name in parameters else None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
