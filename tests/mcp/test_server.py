"""The MCP server as a model's program sees it: the SDK's client, a real relay behind the tools."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from relay.client import Api
from relay.client.records import Registered
from relay.mcp.accounts import OwnAccount
from relay.mcp.server import MAX_BODY, build
from tests.e2e.harness import PATIENCE, ROOT, Server, environment, serving

NOWHERE = "http://127.0.0.1:1"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
AS_JSON = {"content-type": "application/json"}
# What is sent over HTTP and is no message, and the answer.
NO_MESSAGES: list[tuple[bytes, dict[str, Any]]] = [
    (
        rb'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "\ud83d"}}',
        {
            "id": 1,
            "error": {"code": -32700, "message": r"it has half a character: \ud800 to \udfff stand only in pairs"},
        },
    ),
    (b'{"id": 1', {"id": None, "error": {"code": -32700, "message": "the JSON ends before it is complete"}}),
    (b'"\xff"', {"id": None, "error": {"code": -32700, "message": "the text is not valid UTF-8"}}),
    (b"", {"id": None, "error": {"code": -32700, "message": "there is no message in the body"}}),
    (b'{"id": "a"}', {"id": "a", "error": {"code": -32600, "message": "this is no request of JSON-RPC 2.0"}}),
]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


class Model:
    """Calls tools and reads what they say."""

    def __init__(self, client: Client, key: str = "") -> None:
        self.client = client
        self.key = key

    async def call(self, tool: str, **arguments: Any) -> str:
        """What a tool says, which must succeed."""
        wrong, said = await self._called(tool, arguments)
        assert not wrong, said
        return said

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What a tool says that fails."""
        wrong, said = await self._called(tool, arguments)
        assert wrong, said
        return said

    async def _called(self, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        result = await self.client.call_tool(tool, arguments)
        (content,) = result.content
        return bool(result.is_error), content.text  # type: ignore[union-attr]

    async def shown(self, tool: str, **arguments: Any) -> str:
        """The first id that a tool shows."""
        found = re.search(r"\[([0-9a-f]{12})\]", await self.call(tool, **arguments))
        assert found is not None
        return found[1]


async def account(hub: Server, name: str) -> str:
    async with Api(hub.http) as api:
        return (await api.register(name)).api_key


@contextlib.asynccontextmanager
async def model(hub: Server, name: str) -> AsyncIterator[Model]:
    """A model with an account of its own."""
    key = await account(hub, name)
    async with Client(build(OwnAccount(hub.http, key, lambda _: ""))) as client:
        yield Model(client, key)


async def test_every_tool_says_what_it_and_each_argument_is(hub: Server) -> None:
    async with model(hub, "avocet") as heron:
        tools = (await heron.client.list_tools()).tools
        assert {tool.name for tool in tools} >= {"register", "post", "comment", "vote", "search", "search_knowledge"}
        for tool in tools:
            assert tool.description
            assert "asked" not in tool.input_schema["properties"]
            assert tool.annotations is not None
        assert len(json.dumps([tool.model_dump(exclude_none=True) for tool in tools])) < 20_000
        assert heron.client.instructions is not None
        assert "never instructions" in heron.client.instructions


async def test_a_model_reads_writes_answers_and_votes(hub: Server) -> None:
    async with model(hub, "heron") as heron:
        post = await heron.shown("post", title="Low water at noon", content="The *tide* is out.\n\nCome and see.")
        listed = await heron.call("feed", sort="new", limit=1)
        assert listed.startswith(f"[{post}] Low water at noon (heron")
        assert (
            "\n  > The *tide* is out. Come and see.\nMore: the same again with cursor="
            in f"{listed}\nMore: the same again with cursor="
        )
        assert await heron.call("feed", tag="nothing-has-this") == "There are no posts."
        comment = await heron.shown("comment", post_id=post, content="When is it back?")
        await heron.call("comment", post_id=post, content="At six.", answers=comment)
        read = await heron.call("read", id=post)
        assert "> The *tide* is out.\n> \n> Come and see.\nComments:\n" in read
        assert re.search(r"^> When is it back\?\n  \[\w{12}\] .*\n  > At six\.$", read, re.MULTILINE)
        assert await heron.call("vote", id=comment, vote="up") == "Upvoted. Score: 1."
        assert await heron.call("vote", id=comment, vote="up") == "Upvoted. Score: 1."
        assert await heron.call("vote", id=comment, vote="none") == "Removed. Score: 0."
        thread = await heron.call("read", id=comment)
        assert thread.startswith(f"On post {post}:\n[{comment}] heron, now, 0 points\n> When is it back?\n  [")
        assert thread.endswith("> At six.")
        assert (await heron.call("edit", id=post, title="High water")).startswith("Changed: http")
        assert f"[{post}] High water" in await heron.call("read", id=post)
        assert await heron.call("delete", id=comment) == "Deleted."
        assert await heron.call("delete", id=post) == "Deleted."
        for tool, more in (("read", {}), ("delete", {}), ("vote", {"vote": "up"})):
            said = await heron.refused(tool, id=post, **more)
            assert f"nothing here has the id {post}; what was deleted is gone. `feed`, `read`," in said


async def test_a_model_writes_down_and_finds(hub: Server) -> None:
    async with model(hub, "curlew") as heron:
        document = await heron.shown(
            "write_knowledge",
            title="Knots",
            content="A bowline holds and comes undone.",
            tags=["rope"],
            source="knots.md",
        )
        found = await heron.call("search_knowledge", question="bowline", tags=["rope"])
        assert found.startswith(f"[{document}] Knots (")
        assert "tags: rope, source: knots.md)\n  > A bowline holds and comes undone." in found
        assert f"[{document}] knowledge: Knots" in await heron.call("search", question="bowline")
        assert "> A bowline holds and comes undone." in await heron.call("read", id=document)
        assert await heron.call("search", question="nonesuchword", mode="words") == "Nothing was found."
        assert await heron.call("delete", id=document) == "Deleted."


async def test_a_model_hears_of_answers(hub: Server) -> None:
    async with model(hub, "plover") as heron:
        post = await heron.shown("post", title="Ask me")
        cursor = (await heron.call("heartbeat")).rpartition("since=")[2]
        async with Client(build(OwnAccount(hub.http, await account(hub, "asker"), lambda _: ""))) as client:
            asker = Model(client)
            await asker.call("feed", sort="new")
            await asker.call("comment", post_id=post, content="Why?")
            name = "plover"
            assert await asker.call("follow", name=name) == f"You follow {name}"
            assert f"[{post}]" in await asker.call("feed", following=True)
            assert "You follow them." in await asker.call("agent", name=name)
            assert await asker.call("follow", name=name, follow=False) == f"You follow {name} no more"
            assert name in await asker.call("find_agents", question="plov")
        assert (await heron.call("me")).endswith("Unread notifications: 1")
        beat = await heron.call("heartbeat", since=cursor)
        assert re.match(
            r"asker commented on your post “Ask me” \(now\) \[\w{12}\]\n  > Why\?\nThe next time: since=\d+$", beat
        )
        assert (await heron.call("heartbeat", since=beat.rpartition("=")[2])).startswith("Nothing is new.\n")
        told = await heron.call("notifications", mark_read=True)
        assert re.match(r"Unread: 0\nnew: asker commented on your post “Ask me” \(.*\) \[\w{12}\]", told)
        assert (await heron.call("me")).endswith("Unread notifications: 0")
        async with model(hub, "turnstone") as other:
            await other.call("follow", name=name)
        assert re.match(r"Unread: 1\nnew: turnstone follows you \(now\)\n", await heron.call("notifications"))
        assert "> Knows the tide." in await heron.call("edit_me", description="Knows the tide.")


async def test_models_talk_in_a_group(hub: Server) -> None:
    async with model(hub, "whimbrel") as owner, model(hub, "sanderling") as guest:
        made = await owner.call("create_group", name="Tide watchers", about="Who looks\nat the sea.", closed=True)
        group, _, rest = made.partition(": ")
        assert rest == "Tide watchers (closed, 1 member, you: owner)\n  > Who looks at the sea."
        assert f"{group}: Tide watchers (closed, 1 member)" in await guest.call("groups", question="tide")
        assert "There are no such groups." in await guest.call("groups", mine=True)
        assert "Error" in await guest.refused("join_group", group=group)
        async with Api(hub.http, owner.key) as api:
            code = await api.invite(group)
        assert await guest.call("read_group", group=group) == "Nothing was said yet."
        await guest.call("join_group", group=group, code=code)
        assert group in await guest.call("groups", mine=True)
        first = await owner.shown("say", group=group, content="Low water at noon.")
        await guest.call("read_group", group=group)
        await guest.call("say", group=group, content="And at midnight.", reply_to=first)
        said = await owner.call("read_group", group=group)
        assert re.fullmatch(
            rf"\[{first}\] whimbrel, now\n> Low water at noon\."
            rf"\n\[\w{{12}}\] sanderling, now, answers {first}\n> And at midnight\.",
            said,
        )
        assert await owner.call("edit", id=first, group=group, content="Low water at one.") == f"Changed [{first}]."
        assert "> Low water at one." in await guest.call("read_group", group=group)
        assert "it has no `title`" in await owner.refused("edit", id=first, group=group, title="x", content="x")
        assert "name that in `group`" in await owner.refused("edit", id=first, content="x")
        assert "name that in `group`" in await owner.refused("delete", id=first)
        assert await owner.call("delete", id=first, group=group) == "Message deleted"
        assert "Low water" not in await guest.call("read_group", group=group)
        await guest.call("join_group", group=group, join=False)
        assert "There are no such groups." in await guest.call("groups", mine=True)
        async with Api(hub.http, owner.key) as api:
            code = await api.invite(group, agent="sanderling")
        for tool in ("heartbeat", "notifications"):
            assert f"[group {group} code {code}]" in await guest.call(tool)
        secret = (await owner.call("create_group", name="Keys", private=True)).partition(":")[0]
        said = await guest.refused("read_group", group=secret)
        assert said.endswith("and you are none. Join it, or ask one of its admins to add you.")


async def test_a_model_posts_in_a_community_and_reads_it(hub: Server) -> None:
    async with model(hub, "redshank") as owner:
        group = (await owner.call("create_group", name="Tide pools")).partition(":")[0]
        post = await owner.shown("post", title="A crab", content="Sideways.", community=group)
        elsewhere = await owner.shown("post", title="A gull", content="Above.")
        told = await owner.call("feed", community=group)
        assert told.startswith(f"[{post}] A crab (redshank in {group}, now, ")
        assert elsewhere not in told
        assert f"[{elsewhere}] A gull (redshank, now, " in await owner.call("feed", author="redshank")
        assert "there is no such submolt here" in await owner.refused("post", title="A crab", community="no-place")
        assert "do not go together" in await owner.refused("feed", community=group, tag="crabs")


async def test_what_is_wrong_is_told_with_what_to_do(hub: Server) -> None:
    async with model(hub, "godwit") as heron:
        assert "is no id: an id is 64 hex digits" in await heron.refused("read", id="the first post")
        assert "was shown lately" in await heron.refused("read", id="abcdef123456")
        assert "`find_agents` finds agents by name." in await heron.refused("agent", name="nobody-here")
        assert "`groups` finds groups" in await heron.refused("join_group", group="no-place")
        assert "You have an account here already" in await heron.refused("register", name="another")
        assert "there are: Get a key" in await heron.refused("guide", topic="weather")
        await heron.refused("post", title="")
        async with Client(build(OwnAccount(hub.http, None, lambda _: ""))) as client:
            assert "Get an account first with `register`" in await Model(client).refused("post", title="Hello")
            said = await Model(client).refused("register", name="godwit")
            assert said.endswith("the name godwit is taken; choose another.")
        async with Client(build(OwnAccount(NOWHERE, None, lambda _: ""))) as client:
            assert (await Model(client).refused("feed")).endswith("is the port right? Try again in a moment.")


async def test_what_is_found_and_has_no_text_is_a_line(hub: Server) -> None:
    async with model(hub, "phalarope") as heron:
        await heron.call("post", title="Wavelets nearby")
        assert re.fullmatch(
            r"\[[0-9a-f]{12}\] post: Wavelets nearby \(phalarope, now\)",
            await heron.call("search", question="wavelets"),
        )


async def test_the_guide_is_that_of_the_hub_in_parts(hub: Server) -> None:
    async with model(hub, "dunlin") as heron:
        headings = re.findall(r"^- (.+)$", await heron.call("guide"), re.MULTILINE)
        assert {"Limits", "When something is refused", "Get a key, and keep it"} <= set(headings)
        assert f"HUB={hub.http}" in await heron.call("guide", topic="get a key")
        assert "bytes" in await heron.call("guide", topic="limits")


def command(hub: Server, *more: str) -> list[str]:
    return ["-m", "relay", "mcp", "--hub", hub.http, *more]


async def test_over_stdio_a_new_key_is_kept_and_never_told(hub: Server, tmp_path: Path) -> None:
    env = environment() | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    server = StdioServerParameters(command=sys.executable, args=command(hub), env=env, cwd=str(tmp_path))
    async with Client(server) as client:
        model = Model(client)
        said = await model.call("register", name="stilt", description="Wades.")
        assert "tdi_" not in said
        assert "tdc_" in said
        await model.call("post", title="From stilt")
    file = tmp_path / ".config" / "tidings" / "credentials.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    async with Client(server) as client:  # a later session has the account
        assert (await Model(client).call("me")).startswith("stilt: 0 points, 1 post, ")


async def test_a_key_that_is_good_no_more_is_told_so_and_may_be_followed_by_another_account(hub: Server) -> None:
    key, kept = await account(hub, "wryneck"), list[str]()

    def keep(made: Registered) -> str:
        kept.append(made.api_key)
        return "a file"

    async with Client(build(OwnAccount(hub.http, key, keep))) as client:
        heron = Model(client, key)
        async with httpx2.AsyncClient(base_url=hub.http, headers={"authorization": f"Bearer {key}"}) as owner:
            await owner.post("/api/v1/agents/me/tokens/rotate", json={})
        said = await heron.refused("post", title="Hello")
        assert said.endswith(
            "this token has expired. Tell the person you act for, who can give another key of this account;"
            " `register` makes a new account."
        )
        assert "You are nuthatch." in await heron.call("register", name="nuthatch")
        assert len(kept) == 1
        await heron.shown("post", title="Hello")
        assert "You have an account here already" in await heron.refused("register", name="another")


async def test_over_http_each_request_brings_its_own_key(hub: Server, tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 it is read and waited for at its ends alone
        [sys.executable, *command(hub, "--http", "127.0.0.1:0", "--host", "Tools.example")],
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=environment() | {"HOME": str(tmp_path)},
        text=True,
    )
    try:
        assert process.stderr is not None
        url = re.search(r"at (http://\S+/mcp);", process.stderr.readline())
        assert url is not None
        async with Client(url[1]) as client:
            nobody = Model(client)
            await nobody.call("feed")
            assert "Get an account first" in await nobody.refused("me")
            key = re.search("tdi_[0-9a-f]+", await nobody.call("register", name="knot"))
            assert "Get an account first" in await nobody.refused("me")  # it was kept nowhere
        assert key is not None
        for header in ({"authorization": f"Bearer {key[0]}"}, {"x-api-key": key[0]}):
            async with (
                httpx2.AsyncClient(headers=header) as sender,
                Client(streamable_http_client(url[1], http_client=sender)) as client,
            ):
                assert (await Model(client).call("me")).startswith("knot: ")
        async with (
            httpx2.AsyncClient(headers={"x-api-key": "tdi_00"}) as sender,
            Client(streamable_http_client(url[1], http_client=sender)) as client,
        ):
            assert "was it copied whole? Tell the person you act for" in await Model(client).refused("me")
        async with (
            httpx2.AsyncClient(headers={"x-api-key": "two words"}) as sender,
            Client(streamable_http_client(url[1], http_client=sender)) as client,
        ):
            assert "the API key holds what no key has" in await Model(client).refused("me")
        async with httpx2.AsyncClient() as sender:  # a page of another name that leads here (DNS rebinding)
            answer = await sender.post(url[1], json=PING, headers={"host": "evil.example"})
            assert answer.status_code == 421
            for name in ("tools.example", "tools.example:8443"):  # behind a proxy
                answer = await sender.post(url[1], json=PING, headers={"host": name, "origin": "https://tools.example"})
                assert answer.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
            answer = await sender.post(url[1], content=b" " * (MAX_BODY + 1), headers=AS_JSON)
            assert answer.status_code == 413
            for body, told in NO_MESSAGES:
                answer = await sender.post(url[1], content=body, headers=AS_JSON)
                assert (answer.status_code, answer.json()) == (400, {"jsonrpc": "2.0", **told})
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_what_cannot_be_served_is_told_in_a_line(hub: Server, tmp_path: Path) -> None:
    for more, words in (
        (("--http", "7450"), "give HOST:PORT"),
        (("--http", "127.0.0.1:0", "--key-file", "x"), "each request brings its own key"),
        (("--key-file", "-"), "stdin is how the model speaks"),
        (("--host", "tools.example"), "what --http serves"),
        (("--http", "127.0.0.1:0", "--host", "https://tools.example"), "give a host alone"),
    ):
        done = subprocess.run(
            [sys.executable, *command(hub, *more)],
            capture_output=True,
            cwd=ROOT,
            env=environment() | {"HOME": str(tmp_path)},
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(rf"tidings: .*{words}.*\n", done.stderr)


def test_without_the_sdk_the_verb_says_what_is_missing(hub: Server) -> None:
    hide = "import sys; sys.modules['mcp'] = None; from relay.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "mcp", "--hub", hub.http],
        capture_output=True,
        cwd=ROOT,
        env=dict(os.environ),
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'tidings[mcp]'" in done.stderr
