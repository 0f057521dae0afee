"""Clients of the Moltbook API that nobody here wrote, unchanged, against a relay in its own process.

`moltbook-sdk` takes a base URL; `moltcli` has it as an attribute of its client class.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import moltcli.utils.config
import pytest
from click.testing import CliRunner
from moltbook import ConflictError, MoltbookClient, NotFoundError, RateLimitError, ValidationError
from moltbook.exceptions import AuthenticationError
from moltcli.cli import cli
from moltcli.utils.api_client import MoltbookClient as MoltcliClient

from tests.e2e.harness import Server, serving

API = "/api/v1"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("moltbook") / "data") as server:
        yield server


def joined(relay: Server, name: str) -> MoltbookClient:
    """The SDK's client for a fresh identity."""
    with MoltbookClient(api_key="none", base_url=relay.http + API) as newcomer:
        made = newcomer.agents.register(name, f"{name} watches the tide")
    return MoltbookClient(api_key=made.agent.api_key, base_url=relay.http + API, retries=1, retry_delay=0.01)


@pytest.fixture(scope="module")
def heron(relay: Server) -> Iterator[MoltbookClient]:
    with joined(relay, "heron") as client:
        yield client


@pytest.fixture(scope="module")
def plover(relay: Server) -> Iterator[MoltbookClient]:
    with joined(relay, "plover") as client:
        yield client


def test_the_sdk_registers_and_reads_profiles(relay, heron):
    me = heron.agents.me()
    assert (me.name, me.description, me.claimed) == ("heron", "heron watches the tide", False)
    assert heron.agents.status().status == "pending_claim"
    assert heron.agents.update("stands still").description == "stands still"
    assert heron.agents.get_profile("heron").id == me.id
    with pytest.raises(ConflictError):
        heron.agents.register("Heron", "an impostor")
    with pytest.raises(NotFoundError):
        heron.agents.get_profile("nobody")


def test_the_sdk_is_told_that_a_key_is_wrong(relay):
    with MoltbookClient(api_key="tdi_" + "0" * 64, base_url=relay.http + API) as stranger:
        with pytest.raises(AuthenticationError):
            stranger.agents.me()
        with pytest.raises(AuthenticationError):
            stranger.posts.create("general", "Let me in")


def test_the_sdk_writes_lists_and_deletes_posts(heron):
    post = heron.posts.create("general", "Low water", content="at noon")
    link = heron.posts.create("general", "A chart", url="https://example.org/chart")
    assert (post.title, post.content, post.submolt_name, post.author_name) == (
        "Low water",
        "at noon",
        "general",
        "heron",
    )
    assert link.url == "https://example.org/chart"
    newest = heron.posts.list(sort="new", limit=2)
    assert {found.id for found in newest} == {post.id, link.id}
    assert heron.posts.list(sort="new", limit=1, offset=1)[0].id == newest[1].id
    assert heron.posts.get(post.id).title == "Low water"
    heron.posts.delete(link.id)
    with pytest.raises(NotFoundError):
        heron.posts.get(link.id)


def test_the_sdk_comments_and_replies(heron, plover):
    post = heron.posts.create("general", "Who is there?")
    comment = plover.comments.create(post.id, "I am")
    reply = heron.comments.create(post.id, "Good", parent_id=comment.id)
    assert (comment.author, reply.parent_id) == ("plover", comment.id)
    assert [found.id for found in heron.comments.list(post.id)] == [comment.id]
    assert heron.comments.get(reply.id).content == "Good"
    assert heron.posts.get(post.id).comment_count == 2
    heron.comments.delete(reply.id)
    assert heron.posts.get(post.id).comment_count == 1


def test_the_sdk_votes_and_takes_votes_back(heron, plover):
    post = heron.posts.create("general", "Vote on me")
    comment = heron.comments.create(post.id, "and on me")
    plover.posts.upvote(post.id)
    plover.comments.downvote(comment.id)
    assert (heron.posts.get(post.id).upvotes, heron.comments.get(comment.id).downvotes) == (1, 1)
    plover.posts.downvote(post.id)
    assert heron.posts.get(post.id).score == -1
    plover.posts.remove_vote(post.id)
    plover.comments.upvote(comment.id)
    assert (heron.posts.get(post.id).score, heron.comments.get(comment.id).score) == (0, 1)
    plover.comments.upvote(comment.id)
    assert heron.comments.get(comment.id).score == 0


def test_the_sdk_follows_and_reads_its_feed(heron, plover):
    post = heron.posts.create("general", "For those who follow")
    plover.agents.follow("heron")
    assert post.id in [found.id for found in plover.feed.get(sort="new")]
    plover.agents.unfollow("heron")


def test_the_sdk_makes_a_submolt_and_posts_into_it(relay, heron, plover):
    made = heron.submolts.create("tide_pools", "Tide pools", "What lives in them.")
    assert (made.name, made.display_name, made.owner, made.subscriber_count) == ("tide_pools", "Tide pools", "heron", 1)
    with pytest.raises(ConflictError):
        plover.submolts.create("tide_pools", "Mine")
    assert {"general", "tide_pools"} <= {found.name for found in plover.submolts.list()}
    plover.submolts.subscribe("tide_pools")
    assert plover.submolts.get("tide_pools").is_subscribed
    post = plover.posts.create("tide_pools", "A crab", content="Sideways.")
    assert post.submolt_name == "tide_pools"
    assert [found.id for found in heron.submolts.get_feed("tide_pools")] == [post.id]
    assert post.id in [found.id for found in plover.feed.get(sort="new")]
    plover.submolts.unsubscribe("tide_pools")
    assert not plover.submolts.get("tide_pools").is_subscribed


def test_the_sdk_finds_general_and_no_submolt_that_is_not_here(heron):
    assert heron.submolts.get("general").is_subscribed
    heron.submolts.subscribe("general")
    assert isinstance(heron.submolts.get_feed("general"), list)
    with pytest.raises(NotFoundError):
        heron.submolts.get("crypto")
    with pytest.raises(NotFoundError):
        heron.posts.create("crypto", "To the moon")


def test_the_sdk_is_told_what_is_wrong_with_a_post(heron):
    with pytest.raises(ValidationError):
        heron.posts.create("general", "x" * 301)


def test_the_sdk_learns_of_its_rate_limit(tmp_path):
    with serving(tmp_path / "data", "rates.requests=60", "rates.burst=5") as relay, joined(relay, "hasty") as client:
        client.agents.me()
        told = client.get_rate_limit_info()
        assert told is not None
        assert (told.limit, told.remaining) == (5, 4)
        client._http.config.retries = 0

        def hurry() -> None:
            for _ in range(10):
                client.agents.me()

        with pytest.raises(RateLimitError) as refused:
            hurry()
        assert refused.value.retry_after == 1


@pytest.fixture
def run(relay: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a moltcli command; what it prints as JSON."""
    monkeypatch.setattr(MoltcliClient, "BASE_URL", relay.http + API)
    monkeypatch.setenv("MOLTCLI_CONFIG_PATH", str(tmp_path / "credentials.json"))
    monkeypatch.setattr(moltcli.utils.config, "_config", None)

    def command(*arguments: str) -> Any:
        result = CliRunner().invoke(cli, ["--json", *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        printed, _ = json.JSONDecoder().raw_decode(result.output)
        return printed

    return command


def test_moltcli_goes_round_the_feed(run):
    registered = run("register", "knot", "--description", "small", "--json")
    assert registered["agent"]["api_key"].startswith("tdi_")
    assert run("auth", "whoami")["name"] == "knot"
    assert run("auth", "verify")["status"] == "valid"
    assert run("status", "--json")["status"] == "pending_claim"
    run("agent", "update", "--description", "smaller")
    assert run("agent", "me")["description"] == "smaller"

    post_id = run("post", "create", "--submolt", "general", "--title", "From a shell", "--content", "hello")["post_id"]
    assert run("post", "get", post_id)["post"]["title"] == "From a shell"
    comment = run("comment", "create", post_id, "--content", "first")["comment"]
    assert (
        run("comment", "reply", post_id, comment["id"], "--content", "second")["comment"]["parent_id"] == comment["id"]
    )
    listed = run("comment", "list", post_id)["comments"]
    assert [reply["content"] for reply in listed[0]["replies"]] == ["second"]
    run("vote", "up", post_id)
    run("vote", "down-comment", comment["id"])
    assert run("post", "get", post_id)["post"]["upvotes"] == 1
    assert post_id in [post["id"] for post in run("feed", "new")["posts"]]
    assert post_id in [post["id"] for post in run("feed", "get", "--sort", "hot", "--submolt", "general")["posts"]]
    assert [post["id"] for post in run("agent", "feed", "knot")["posts"]] == [post_id]
    run("post", "delete", post_id)
    assert run("agent", "feed", "knot")["posts"] == []


def test_moltcli_follows_and_reads_submolts(run, heron):
    run("register", "dunlin", "--json")
    assert run("agent", "profile", "heron")["agent"]["name"] == "heron"
    assert run("agent", "follow", "heron")["status"] == "following"
    assert run("agent", "unfollow", "heron")["status"] == "unfollowed"
    assert [found["name"] for found in run("submolts", "list")["submolts"]] != []
    assert run("submolts", "get", "general")["submolt"]["name"] == "general"
    assert run("submolts", "subscribe", "general")["status"] == "subscribed"
    assert run("submolts", "trending")["submolts"]
    assert "posts" in run("submolts", "feed", "general")
    run("auth", "logout", "--json")


def test_moltcli_tells_what_was_not_found(run):
    run("register", "ruff", "--json")
    result = CliRunner().invoke(cli, ["--json", "post", "get", "0" * 64])
    assert result.exit_code == 1
    assert json.loads(result.output)["error_code"] == "POST_NOT_FOUND"
    result = CliRunner().invoke(cli, ["--json", "submolts", "get", "crypto"])
    assert "submolt" in json.loads(result.output)["message"].lower()
