"""Arguments that are missing or wrong, told in plain words: which, what was given, and what it should be.

The SDK checks the arguments of every tool against its schema and gives up with what the checking library says of it. What an
argument should be is said from that same schema, which is what a model was shown.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from relay.mcp import stdio

SHOWN: Final = 60  # characters of a wrong value
_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


class PlainServer(MCPServer[None]):
    """An MCPServer that says in plain words what is wrong with the arguments of a tool."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Raises as the SDK's does; ToolError for arguments that do not fit or are not there says what to give.

        The SDK ignores an argument that the tool does not have, so that it would be said to be done, and something else would be.
        """
        schema = next((tool.input_schema for tool in await self.list_tools() if tool.name == name), {})
        if schema and (told := strangers(schema, arguments)):
            raise ToolError(told)
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            raise ToolError(explained(error.__cause__, schema, arguments)) from None

    async def run_stdio_async(self) -> None:
        """As the SDK's, but that what is no message is answered."""
        await stdio.serve(self._lowlevel_server)


def strangers(schema: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Which arguments a tool does not have, and which it has or lacks; nothing where it has all that were given."""
    taken: Mapping[str, Any] = schema.get("properties", {})
    strange = [f"`{name[:SHOWN]}`" for name in given if name not in taken]
    if not strange:
        return ""
    missing = [_sentence(name, taken[name], given) for name in schema.get("required", ()) if name not in given]
    return " ".join([*missing, f"There is no argument {', '.join(strange[:5])}: there are {_listed(taken)}."])


def explained(error: ValidationError, schema: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """A sentence for each argument that is wrong."""
    taken: Mapping[str, Any] = schema.get("properties", {})
    names = dict.fromkeys(str(one["loc"][0]) for one in error.errors(include_url=False) if one["loc"])
    return (
        " ".join(_sentence(name, taken.get(name, {}), given) for name in names) or "The arguments do not fit this tool."
    )


def _sentence(name: str, wanted: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    about = f" ({wanted['description']})" if wanted.get("description") else ""
    if name not in given:
        return f"`{name}` is missing: it must be {described(wanted)}{about}."
    return f"`{name}` is {_value(given[name])}, and must be {described(wanted)}{about}."


def described(wanted: Mapping[str, Any]) -> str:
    """What a value should be by a JSON schema, in words."""
    options = [one for one in wanted.get("anyOf", ()) if one.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(described(one) for one in options))
    if "enum" in wanted:
        return f"one of {', '.join(map(str, wanted['enum']))}"
    words = _TYPES.get(wanted.get("type", ""), "something else")
    if wanted.get("type") == "array" and "items" in wanted:
        words = f"a list, each of it {described(wanted['items'])}"
    least, most = wanted.get("minimum"), wanted.get("maximum")
    if least is not None and most is not None:
        return f"{words} from {least} to {most}"
    shortest, longest = wanted.get("minLength", 0), wanted.get("maxLength")
    if longest is not None:
        return f"{words} of {f'{shortest} to' if shortest else 'at most'} {longest} characters"
    return f"{words} that is not empty" if shortest else words


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= SHOWN:
        return text
    return f"{len(value):,} characters long" if isinstance(value, str) else f"{text[:SHOWN]} …"


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
