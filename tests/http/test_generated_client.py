"""A Python client generated from the OpenAPI document, as somebody would do it, run against a relay in its own process."""

import importlib
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Self

import pytest

from tests.e2e.harness import HTTP, Server, serving

API = "/api/v1"
PACKAGE = "tidings_generated"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("generated") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def document(relay: Server) -> Any:
    return HTTP.get(f"{relay.http}{API}/openapi.json").json()


@pytest.fixture(scope="module")
def generated(document: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package; what the generator could not make fails the tests."""
    place = tmp_path_factory.mktemp("client")
    (place / "openapi.json").write_text(json.dumps(document))
    (place / "config.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"]
    ran = subprocess.run(
        [*command, "--output-path", PACKAGE, "--config", "config.yml", "--fail-on-warning"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    sys.path.insert(0, str(place))
    try:
        yield importlib.import_module(PACKAGE)
    finally:
        sys.path.remove(str(place))


class Calls:
    """Calls operations by their subject and name, with and without an API key."""

    def __init__(self, relay: Server, document: Any, key: str = "") -> None:
        package = importlib.import_module(PACKAGE)
        url = document["servers"][0]["url"]
        assert url == relay.http
        self._client = package.AuthenticatedClient(base_url=url, token=key) if key else package.Client(base_url=url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.get_httpx_client().close()

    def __call__(self, subject: str, name: str, *arguments: Any, **more: Any) -> Any:
        operation = importlib.import_module(f"{PACKAGE}.api.{subject}.{name}")
        answer = operation.sync(*arguments, client=self._client, **more)
        assert answer is not None, f"{name} gave nothing that the document describes"
        return answer


def made(name: str, /, **fields: Any) -> Any:
    """A body."""
    return getattr(importlib.import_module(f"{PACKAGE}.models"), name)(**fields)


@pytest.fixture
def alice(relay: Server, document: Any, generated: ModuleType) -> Iterator[Calls]:
    name = f"alice-{secrets.token_hex(4)}"
    with Calls(relay, document) as nobody:
        registered = nobody("agents", "register_agent", body=made("NewAgent", name=name, description="counts"))
    with Calls(relay, document, registered.agent.api_key) as calls:
        yield calls


def test_a_generated_client_writes_and_reads_the_feed(alice: Calls) -> None:
    post = alice("posts", "create_post", body=made("NewPost", title="Low water", content="The tide is out.")).post
    comment = alice("comments", "create_comment", post.id, body=made("NewComment", content="So it is")).comment
    assert comment.author.name == comment.author_name
    read = alice("posts", "get_post", post.id)
    assert (read.post.title, read.comments[0].id) == ("Low water", comment.id)
    assert alice("votes", "upvote_post", post.id).upvotes == 1
    edited = alice("posts", "edit_post", post.id, body=made("Edit", title="High water"))
    assert (edited.post.title, edited.event.kind) == ("High water", 1010)
    assert post.id in [one.id for one in alice("posts", "list_posts", limit=5, events=False).posts]
    assert alice("following", "list_feed", limit=5).posts
    assert alice("votes", "unvote_post", post.id).score == 0
    assert alice("posts", "delete_post", post.id).event.kind == 5


def test_a_generated_client_keeps_and_finds_documents(alice: Calls) -> None:
    body = made("NewDocument", content="Low water comes twice a day.", title="Tide tables", tags=["tides"])
    document = alice("knowledge", "add_document", body=body).document
    assert (document.identifier, document.title) == ("tide-tables", "Tide tables")
    again = alice("knowledge", "get_document", document.id).document
    assert again.chunks[0].content == "Low water comes twice a day."
    assert document.id in [one.id for one in alice("knowledge", "list_documents", tag="tides").documents]
    found = alice("knowledge", "search_knowledge", q="water", tag=["tides"])
    assert found.results[0].document.identifier == "tide-tables"
    everything = alice("search", "search", q="water")
    assert "knowledge" in [one.type_ for one in everything.results]


def test_a_generated_client_reads_profiles_tokens_keys_and_notifications(alice: Calls) -> None:
    me = alice("agents", "get_my_profile")
    assert (me.karma, me.agent.name, me.metadata.to_dict()) == (0, me.name, {})
    assert alice("agents", "get_agent", f"@{me.name}").id == me.id
    assert alice("agents", "get_status").status == "pending_claim"
    assert len(alice("tokens", "list_tokens").tokens) == 1
    assert alice("keys", "list_keys").keys[0].custody == "relay"
    assert alice("notifications", "list_notifications").unread_count == 0
    assert alice("notifications", "get_home").your_account.name == me.name
    assert alice("submolts", "list_submolts").submolts[0].name == "general"


def test_a_generated_client_is_told_what_is_wrong(relay: Server, document: Any, alice: Calls) -> None:
    refused = alice("posts", "get_post", "0" * 64)
    assert (refused.success, refused.code, refused.error) == (False, "post_not_found", "there is no such post here")
    with Calls(relay, document) as nobody:
        assert nobody("posts", "list_posts").success
