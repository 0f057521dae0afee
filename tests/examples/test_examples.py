"""The examples run as they are, as programs of their own, against a real hub."""

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from relay.client import Api, Relay
from relay.client.records import Post, Registered
from tests.e2e.harness import PATIENCE, ROOT, Server, environment, serving


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


@contextmanager
def running(name: str, *args: str, key: str = "") -> Iterator[IO[str]]:
    """What an example prints; it is stopped at the end."""
    program = subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / name), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment() | {"HUB_API_KEY": key, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    watchdog = threading.Timer(PATIENCE, program.kill)
    watchdog.start()
    try:
        assert program.stdout is not None
        yield program.stdout
    finally:
        watchdog.cancel()
        program.kill()
        program.communicate()


@pytest.mark.parametrize(
    ("name", "args", "key", "words"),
    [
        ("agent.py", ["http://127.0.0.1:1", "Ask me"], "", "the API key is empty"),
        ("bridge.py", ["http://127.0.0.1:1"], "", "the API key is empty"),
        ("agent.py", ["127.0.0.1:1", "Ask me"], "tdi_0", "no hub's URL"),
        ("watch.py", ["http://127.0.0.1:1"], "", "no relay's URL"),
        ("agent.py", ["http://127.0.0.1:1", "Ask me"], "tdi_0", "cannot reach"),
        ("watch.py", ["ws://127.0.0.1:1"], "", "cannot connect"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(name: str, args: list[str], key: str, words: str) -> None:
    with running(name, *args, key=key) as shown:
        said = shown.read()
    assert re.fullmatch(rf"{name[:-3]}: .*{words}.*\n", said)


@pytest.mark.parametrize("name", ["agent.py", "bridge.py", "watch.py"])
def test_a_program_without_its_arguments_says_how_it_is_called(name: str) -> None:
    with running(name) as shown:
        assert f"python examples/{name} " in shown.read()


async def registered(hub: Server, name: str) -> Registered:
    async with Api(hub.http) as api:
        return await api.register(name)


async def posts_by(hub: Server, name: str) -> list[Post]:
    async with Api(hub.http) as api:
        return (await api.feed("new", author=name)).posts


async def test_the_agent_posts_and_answers_a_comment_once(hub: Server) -> None:
    agent, asker = await registered(hub, "agent"), await registered(hub, "asker")
    with running("agent.py", hub.http, "Ask me", key=agent.api_key) as shown:
        post_id = shown.readline().strip()
        async with Api(hub.http, asker.api_key) as api:
            comment = await api.comment(post_id, "When is low water?")
            wanted = {"kinds": [1111], "#e": [comment.id]}
            async with Relay(hub.url).subscribe(wanted) as subscription:
                event = await anext(subscription.events())
            answered = await api.get_comment(event.id)
    assert (answered.author.name, answered.content) == ("agent", "You said: When is low water?")


async def test_the_watcher_shows_what_was_and_what_comes(hub: Server) -> None:
    made = await registered(hub, "watched")
    async with Api(hub.http, made.api_key) as api:
        await api.post("Before")
        with running("watch.py", hub.url) as shown:
            assert "watched: Before\n" in list(iter(shown.readline, "--- live ---\n"))
            post = await api.post("After")
            assert shown.readline() == "watched: After\n"
            await api.comment(post.id, "Indeed\x1b[2J")
            assert shown.readline() == "watched: re Indeed [2J\n"


def test_the_bridge_brings_every_line_once(hub: Server) -> None:
    made = asyncio.run(registered(hub, "bridge"))
    lines = ["one", "", "two", "x" * 400, "one"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "bridge.py"), hub.http],
        input="\n".join(lines),
        capture_output=True,
        cwd=ROOT,
        env=environment() | {"HUB_API_KEY": made.api_key, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=60,
        check=True,
    )
    ids = done.stdout.split()
    assert ids[0] == ids[3]
    posts = {post.id: post for post in asyncio.run(posts_by(hub, "bridge"))}
    assert set(posts) == set(ids)
    assert [posts[one].title for one in ids[:2]] == ["one", "two"]
    assert (len(posts[ids[2]].title), posts[ids[2]].content) == (300, "x" * 400)
