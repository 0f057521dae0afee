"""The examples run as they are, as programs of their own, against a real hub."""

import asyncio
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.harness import PATIENCE, ROOT, Server, environment, serving
from tidings_client import Api, Post, Registered, Relay


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
        env=environment() | {"HUB_API_KEY": key, "PYTHONPATH": str(ROOT), "PAUSE": "0.1"},
        text=True,
    )
    watchdog = threading.Timer(4 * PATIENCE, program.kill)
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
        ("answers.py", ["http://127.0.0.1:1", "cursor"], "", "the API key is empty"),
        ("answers.py", ["http://127.0.0.1:1", "cursor"], "tdi_0", "cannot reach"),
        ("rss.py", ["http://127.0.0.1:1", "http://127.0.0.1:1/feed"], "", "the API key is empty"),
        ("groupbot.py", ["http://127.0.0.1:1", "group"], "tdi_0", "cannot reach"),
        ("moderator.py", ["http://127.0.0.1:1", "group", "word"], "tdi_0", "cannot reach"),
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


@pytest.mark.parametrize(
    "name", ["agent.py", "answers.py", "bridge.py", "groupbot.py", "moderator.py", "rss.py", "watch.py"]
)
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
        timeout=120,
        check=True,
    )
    ids = done.stdout.split()
    assert ids[0] == ids[3]
    posts = {post.id: post for post in asyncio.run(posts_by(hub, "bridge"))}
    assert set(posts) == set(ids)
    assert [posts[one].title for one in ids[:2]] == ["one", "two"]
    assert (len(posts[ids[2]].title), posts[ids[2]].content) == (300, "x" * 400)


async def test_the_librarian_answers_from_knowledge_once_and_goes_on_where_it_was(hub: Server, tmp_path: Path) -> None:
    librarian, asker = await registered(hub, "librarian"), await registered(hub, "reader")
    arguments = ("answers.py", hub.http, str(tmp_path / "cursor"))
    async with Api(hub.http, asker.api_key) as api:
        await api.add_document("Low water comes twice a day.", title="Tide tables", source="tides.md")
        with running(*arguments, key=librarian.api_key) as shown:
            assert shown.readline() == "librarian is listening\n"
            post = await api.post("A question", "@librarian when is low water?")
            assert shown.readline() == "answered reader\n"
        (answer,) = (await api.comments(post.id)).comments
        assert answer.author.name == "librarian"
        assert answer.content == (
            "@reader This is what I found:\n\n> Low water comes twice a day.\n— Tide tables (tides.md)"
        )
        again = await api.comment(post.id, "Thank you.", parent_id=answer.id)  # an answer to an answer
        asked = await api.comment(post.id, "@librarian and at noon, low water?")
        wanted = {"kinds": [1111], "#e": [asked.id]}
        with running(*arguments, key=librarian.api_key):
            async with Relay(hub.url).subscribe(wanted) as subscription:
                await anext(subscription.events())
        there = {one.id: one.replies for one in (await api.comments(post.id)).comments}
        assert len(there) == 2
        assert [one.author.name for one in there[asked.id]] == ["librarian"]
        assert [one.id for one in there[answer.id]] == [again.id]


RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>Notices</title>
<item><title>Second &amp;amp; last</title><link>https://a.example/2</link>
<description>&lt;p&gt;Two &lt;b&gt;words&lt;/b&gt;&lt;/p&gt;</description></item>
<item><title>First</title><link>https://a.example/1</link></item>
<item><title>Evil</title><link>javascript:alert(1)</link></item><item><link>https://a.example/3</link></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>From Atom</title><link rel="self" href="https://a.example/self"/>
<link href="https://a.example/4"/><summary>A summary</summary></entry></feed>"""


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {to} "{f"&{of};" * 100}">' for of, to in zip("abcdef", "bcdefg", strict=True))
    + "]><rss><channel><item><title>&g;</title></item></channel></rss>"
)


@contextmanager
def publishing(feeds: dict[str, str]) -> Iterator[str]:
    """The URL of a server that has these feeds by their paths."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in feeds else 404)
            self.end_headers()
            self.wfile.write(feeds.get(self.path, "").encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_the_reader_brings_each_entry_once(hub: Server) -> None:
    made = asyncio.run(registered(hub, "feeds"))
    feeds = {"/rss": RSS, "/atom": ATOM, "/page": "<html>", "/bomb": BOMB}
    with publishing(feeds) as url:

        def read(path: str) -> list[str]:
            with running("rss.py", hub.http, url + path, key=made.api_key) as shown:
                return shown.read().splitlines()

        assert len(read("/rss")) == 2
        assert read("/rss") == []
        assert len(read("/atom")) == 1
        for path in ("/page", "/bomb", "/missing"):
            (line,) = read(path)
            assert line.startswith("rss: ")
    posts = asyncio.run(posts_by(hub, "feeds"))
    assert [(post.title, post.url, post.content) for post in posts] == [
        ("From Atom", "https://a.example/4", "A summary"),
        ("Second & last", "https://a.example/2", "Two words"),
        ("First", "https://a.example/1", ""),
    ]


async def test_the_bot_answers_who_names_it_in_a_group(hub: Server) -> None:
    bot, owner = await registered(hub, "chatbot"), await registered(hub, "host")
    async with Api(hub.http, owner.api_key) as api:
        group = (await api.create_group("Chat")).id
        with running("groupbot.py", hub.http, group, key=bot.api_key) as shown:
            assert shown.readline() == f"chatbot listens in {group}\n"
            await api.say(group, "Nobody in particular.")
            asked = await api.say(group, "@ChatBot, when is low water?")
            async with Relay(hub.url).subscribe({"kinds": [9], "#h": [group], "#q": [asked.id]}) as subscription:
                await anext(subscription.events())
        said = (await api.group_messages(group)).messages
    (answer,) = [one for one in said if one.author.name == "chatbot"]
    assert (answer.content, answer.reply_to, len(said)) == ("You said: when is low water?", asked.id, 3)


async def test_the_moderator_deletes_what_holds_a_word_and_removes_who_goes_on(hub: Server) -> None:
    made = {name: await registered(hub, name) for name in ("warden", "keeper", "spammer")}
    async with Api(hub.http, made["keeper"].api_key) as api, Api(hub.http, made["spammer"].api_key) as spammer:
        group = (await api.create_group("Quiet")).id
        with running("moderator.py", hub.http, group, "casino", key=made["warden"].api_key) as shown:
            assert shown.read() == f"moderator: nobody has made warden a moderator of {group}\n"
        await api.put_member(group, "warden", roles=["moderator"])
        await spammer.join_group(group)
        first = await spammer.say(group, "The CASINO is open")
        with running("moderator.py", hub.http, group, "casino", "free money", key=made["warden"].api_key) as shown:
            assert shown.readline() == f"deleted {first.id}\n"
            assert shown.readline() == f"watching {group}\n"
            kept = await api.say(group, "The tide is out.")
            for text in ("Free money!", "More casino"):
                spam = await spammer.say(group, text)
                assert shown.readline() == f"deleted {spam.id}\n"
            assert shown.readline().startswith("removed ")
        assert [one.id for one in (await api.group_messages(group)).messages] == [kept.id]
        assert (await spammer.get_group(group)).your_roles is None
