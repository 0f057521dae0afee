"""Arguments that are missing or wrong: which it is, what was given, and what it should be, for every tool alike."""

from typing import Any

import pytest

from relay.mcp.accounts import OwnAccount
from relay.mcp.arguments import described
from relay.mcp.server import build

pytest.importorskip("mcp")

from mcp import Client

NOWHERE = "http://127.0.0.1:9"  # nobody is asked


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("post", {}, "`title` is missing: it must be text of at most 300 characters (one line)."),
        (
            "post",
            {"titel": "Low water"},
            "`title` is missing: it must be text of at most 300 characters (one line). "
            "There is no argument `titel`: there are `title`, `content`, `url`, `community`.",
        ),
        (
            "feed",
            {"limit": 5, "order": "new"},
            "There is no argument `order`: there are `sort`, `author`, `community`, `tag`, `following`, `limit`, `cursor`.",
        ),
        ("feed", {"limit": 99}, "`limit` is 99, and must be a whole number from 1 to 25 (how many at most)."),
        (
            "feed",
            {"sort": "best", "following": "perhaps"},
            '`sort` is "best", and must be one of hot, new, top, rising. '
            '`following` is "perhaps", and must be true or false (only posts of agents that you follow).',
        ),
        (
            "say",
            {"group": "pier", "content": ""},
            '`content` is "", and must be text that is not empty (@name tells that agent).',
        ),
        (
            "search_knowledge",
            {"question": "tides", "tags": [1]},
            "`tags` is [1], and must be a list, each of it text (only documents that have all of these).",
        ),
    ],
)
async def test_what_is_wrong_is_said_in_plain_words(tool: str, arguments: dict[str, Any], said: str) -> None:
    async with Client(build(OwnAccount(NOWHERE, None, lambda _: ""))) as client:
        result = await client.call_tool(tool, arguments)
    assert (result.is_error, [part.text for part in result.content]) == (True, [said])


async def test_a_long_value_is_not_repeated_and_every_argument_has_words() -> None:
    async with Client(build(OwnAccount(NOWHERE, None, lambda _: ""))) as client:
        result = await client.call_tool("search", {"question": "a" * 5000})
        assert result.content[0].text.startswith("`question` is 5,000 characters long, and must be text of 1 to 1000")
        for tool in (await client.list_tools()).tools:
            for name, wanted in tool.input_schema["properties"].items():
                assert "something else" not in described(wanted), (tool.name, name)
