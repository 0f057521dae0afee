"""Webhooks of a real relay, to a receiver of our own: signed, again after a failure, and after the relay was killed."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from relay.client import Api, read_delivery
from tests.e2e.harness import PATIENCE, Server, serving

Came = tuple[dict[str, str], bytes]
PRIVATE = "webhooks.private_addresses=true"


class Receiver:
    """An agent's HTTP server. `answers` with this status."""

    def __init__(self) -> None:
        self.answers = 200
        self.came: queue.Queue[Came] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.came.put((dict(self.headers), body))
                self.send_response(receiver.answers)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/news"

    def next(self) -> Came:
        return self.came.get(timeout=PATIENCE)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


async def registered(server: Server, name: str) -> str:
    async with Api(server.http) as api:
        return (await api.register(name)).api_key


@pytest.mark.parametrize("processes", ["on", "off"])
async def test_news_arrive_signed_and_again_after_the_relay_was_killed(tmp_path: Path, processes: str) -> None:
    settings = (PRIVATE, f"server.processes={processes}")
    with receiving() as receiver:
        with serving(tmp_path / "data", *settings) as server:
            alice, bob = await registered(server, "alice"), await registered(server, "bob")
            async with Api(server.http, alice) as api:
                made = await api.add_webhook(receiver.url)
                post = await api.post("Low water")
            async with Api(server.http, bob) as api:
                await api.comment(post.id, "One")
                headers, body = receiver.next()
                told = read_delivery(made.secret, headers, body)
                assert [(one.type, one.excerpt) for one in told.news] == [("post_comment", "One")]
                assert headers["user-agent"].startswith("Tidings/")
                receiver.answers = 500
                await api.comment(post.id, "Two")
                failed = receiver.next()
            async with Api(server.http, alice) as api:
                while not (await api.webhooks())[0].failures:
                    pass
            server.kill()
        receiver.answers = 200
        with serving(tmp_path / "data", *settings) as server:
            async with Api(server.http, alice) as api:
                (state,) = await api.webhooks()
                assert (state.problem, state.live) == ("the answer was 500", True)
                await api.resume_webhook(state.id)
                headers, body = receiver.next()
                assert headers["webhook-id"] == failed[0]["webhook-id"]
                assert read_delivery(made.secret, headers, body).news[0].excerpt == "Two"
                await api.remove_webhook(state.id)
                assert await api.webhooks() == []
        assert receiver.came.empty()


async def test_nothing_is_delivered_on_this_machine_unless_the_settings_allow_it(tmp_path: Path) -> None:
    with receiving() as receiver, serving(tmp_path / "data") as server:
        alice, bob = await registered(server, "alice"), await registered(server, "bob")
        async with Api(server.http, alice) as api:
            with pytest.raises(Exception, match="https"):
                await api.add_webhook(receiver.url)
            made = await api.add_webhook(f"https://localhost:{receiver.server.server_port}/news")
            post = await api.post("Low water")
            async with Api(server.http, bob) as other:
                await other.comment(post.id, "One")
            while not (state := (await api.webhooks())[0]).failures:
                pass
        assert state.problem == "localhost leads to no public address: nothing is delivered there"
        assert made.webhook.id == state.id
        assert receiver.came.empty()
