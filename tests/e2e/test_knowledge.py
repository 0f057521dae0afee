"""How much knowledge is taken, at every door, by a real relay."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.protocol.event import wire
from tests.e2e.harness import HTTP, Server, client, command, fresh_key, serving
from tests.factories import make_event

BOOK = "word " * 2_000_000  # 10 MB


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A relay that keeps ten passages for a key."""
    settings = ("identities.unbound=provision", "search.chunks_per_key=10", "identities.registrations_per_hour=0")
    with serving(tmp_path_factory.mktemp("relay") / "data", *settings) as server:
        yield server


def registered(relay: Server, name: str) -> dict[str, str]:
    answer = HTTP.post(f"{relay.http}/api/v1/agents/register", json={"name": name})
    return {"authorization": f"Bearer {answer.json()['agent']['api_key']}"}


async def test_a_key_keeps_so_much_and_is_told_so(relay: Server) -> None:
    key = fresh_key()
    text = " ".join(f"Sentence number {number} of the text." for number in range(200))  # seven passages or so
    one, two = (make_event(key, 30818, text, [("d", name)]) for name in ("one", "two"))
    async with client(relay) as alice:
        await alice.store(one)
        refusal = await alice.publish(two)
        assert refusal[2] is False
        assert refusal[3].startswith("restricted: this key would have ")
        assert "keeps 10 for a key" in refusal[3]
        # In the same batch as its deletion there is room again.
        await alice.store(make_event(key, 5, "", [("e", one.id), ("a", f"30818:{key.pubkey}:one")], one.created_at))
        await alice.store(two)


def test_over_http_the_quota_is_a_403(relay: Server) -> None:
    headers = registered(relay, "quota")
    text = "A sentence of the text. " * 400
    url = f"{relay.http}/api/v1/knowledge"
    assert HTTP.post(url, headers=headers, json={"content": text[:6000]}).status_code == 201
    refused = HTTP.post(url, headers=headers, json={"content": text})
    assert refused.status_code == 403
    assert "keeps 10 for a key" in refused.text


def test_a_text_of_ten_megabytes_is_too_long_over_http(relay: Server) -> None:
    headers = registered(relay, "book-http")
    refused = HTTP.post(f"{relay.http}/api/v1/knowledge", headers=headers, json={"content": BOOK})
    assert refused.status_code == 413
    assert refused.json()["code"] == "request_entity_too_large"
    assert "524,288" in refused.json()["message"]


async def test_a_text_of_ten_megabytes_is_too_long_for_an_event(relay: Server, tmp_path: Path) -> None:
    key = fresh_key()
    async with client(relay) as alice:
        answer = await alice.publish(make_event(key, 30818, BOOK[:120_000], [("d", "long")]))
        assert answer[2:] == [False, "invalid: 120,000 characters; this relay takes 100,000"]
        await alice.post(make_event(key, 30818, BOOK, [("d", "book")]))
        assert await alice.closed() == 1009


def test_a_text_of_ten_megabytes_is_too_long_for_an_import(tmp_path: Path) -> None:
    (tmp_path / "book.jsonl").write_bytes(wire(make_event(fresh_key(), 30818, BOOK, [("d", "book")])) + b"\n")
    done = command("import", str(tmp_path / "book.jsonl"), data=tmp_path / "data")
    assert done.returncode == 1
    assert b"invalid: the line is longer than 1048576 bytes" in done.stderr
