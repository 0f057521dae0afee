"""nostr-sdk (Rust) as a client: it publishes, subscribes, authenticates and deletes by its own rules."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import nostr_sdk as sdk
import pytest

from tests.e2e.harness import PATIENCE, Server, free_port, fresh_key, serving

WAIT = timedelta(seconds=PATIENCE)


def keys() -> sdk.Keys:
    return sdk.Keys.parse(hashlib.sha256(fresh_key().secret).hexdigest())


def event(author: sdk.Keys, kind: int = 1, content: str = "", tags: list[list[str]] | None = None) -> sdk.Event:
    builder = sdk.EventBuilder(sdk.Kind(kind), content).tags([sdk.Tag.parse(tag) for tag in tags or []])
    return builder.finalize(author)


@contextlib.asynccontextmanager
async def connected(server: Server, signer: sdk.Keys | None = None) -> AsyncIterator[sdk.Client]:
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())  # it signs from threads of its own
    builder = sdk.ClientBuilder()
    if signer is not None:
        builder = builder.authenticator(sdk.SignerAuthenticator(signer))
    client = builder.build()
    await client.add_relay(sdk.RelayUrl.parse(server.url))
    assert len((await client.try_connect(WAIT)).success) == 1
    try:
        yield client
    finally:
        await client.shutdown()


async def found(client: sdk.Client, *filters: sdk.Filter) -> list[str]:
    events = await client.fetch_events(sdk.ReqTarget.auto(list(filters)), WAIT)
    return [each.id().to_hex() for each in events]


async def published(client: sdk.Client, made: sdk.Event) -> bool:
    """Whether the relay took it."""
    output = await client.send_event(made, ok_timeout=WAIT, authentication_timeout=WAIT)
    return len(output.success) == 1


async def test_an_event_is_published_and_fetched_again(relay: Server) -> None:
    author = keys()
    made = event(author, content='tidings from Rust \n\t"\\ \u2028 🦜', tags=[["t", "rust"]])
    async with connected(relay) as client:
        assert await published(client, made)
        assert await found(client, sdk.Filter().author(author.public_key())) == [made.id().to_hex()]
        assert await found(client, sdk.Filter().author(author.public_key()).hashtag("rust")) == [made.id().to_hex()]
        [back] = await client.fetch_events(sdk.ReqTarget.auto([sdk.Filter().id(made.id())]), WAIT)
        assert back.verify()
        assert back.content() == made.content()


async def test_a_subscription_gets_what_is_published_by_another(relay: Server) -> None:
    author = keys()
    made = event(author, content="live")
    async with connected(relay) as reader, connected(relay) as writer:
        stream = reader.notifications()
        wanted = sdk.Filter().author(author.public_key()).limit(0)
        assert len((await reader.subscribe(sdk.ReqTarget.auto([wanted]))).success) == 1
        # the relay has it when it says EOSE, which comes as a message
        await _until(stream, lambda note: note.is_message() and note.message.as_enum().is_end_of_stored_events())
        assert await published(writer, made)
        note = await _until(stream, lambda note: note.is_new_event())
        assert note.event.id().to_hex() == made.id().to_hex()


async def test_a_subscription_outlives_a_restart_of_the_relay(tmp_path: Path) -> None:
    author = keys()
    sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    client = sdk.ClientBuilder().build()
    options = sdk.RelayOptions().retry_interval(timedelta(seconds=5)).adjust_retry_interval(False)
    with serving(tmp_path / "data", port=free_port()) as server:
        await client.add_relay(sdk.RelayUrl.parse(server.url), opts=options)
        assert len((await client.try_connect(WAIT)).success) == 1
        stream = client.notifications()
        wanted = sdk.Filter().author(author.public_key())
        assert len((await client.subscribe(sdk.ReqTarget.auto([wanted]))).success) == 1
        await _until(stream, lambda note: note.is_message() and note.message.as_enum().is_end_of_stored_events())
        assert await asyncio.to_thread(server.stop) == 0
    with serving(tmp_path / "data", port=server.port) as again:
        made = event(author, content="after")
        async with connected(again) as writer:
            assert await published(writer, made)
        note = await _until(stream, lambda note: note.is_new_event())
        assert note.event.id().to_hex() == made.id().to_hex()
        await client.shutdown()


async def _until(stream: sdk.ClientNotificationStream, wanted: Any) -> Any:
    while True:
        note = await asyncio.wait_for(stream.next(), PATIENCE)
        assert note is not None
        if wanted(note):
            return note


async def test_a_protected_event_is_taken_after_authentication(relay: Server) -> None:
    author = keys()
    made = event(author, tags=[["-"]])
    async with connected(relay) as stranger:
        with contextlib.suppress(sdk.NostrSdkError):
            assert not await published(stranger, made)
    async with connected(relay, author) as client:
        assert await published(client, made)
        assert await found(client, sdk.Filter().author(author.public_key())) == [made.id().to_hex()]


async def test_private_messages_are_fetched_by_their_authenticated_reader(relay: Server) -> None:
    reader, wrapper = keys(), keys()
    wrap = event(wrapper, 1059, tags=[["p", reader.public_key().to_hex()]])
    wanted = sdk.Filter().kind(sdk.Kind(1059)).pubkey(reader.public_key())
    async with connected(relay) as client:
        assert await published(client, wrap)
    async with connected(relay, reader) as client:
        assert await found(client, wanted) == [wrap.id().to_hex()]


async def test_a_deletion_takes_its_event_away(relay: Server) -> None:
    author = keys()
    made = event(author)
    deletion = event(author, 5, tags=[["e", made.id().to_hex()]])
    async with connected(relay) as client:
        assert await published(client, made)
        assert await published(client, deletion)
        assert await found(client, sdk.Filter().author(author.public_key())) == [deletion.id().to_hex()]


async def test_a_forged_event_is_refused(relay: Server) -> None:
    made = event(keys(), content="true")
    forged = sdk.Event.from_json(made.as_json().replace("true", "false"))
    async with connected(relay) as client:
        with contextlib.suppress(sdk.NostrSdkError):
            assert not await published(client, forged)
        assert await found(client, sdk.Filter().id(made.id())) == []


@pytest.mark.parametrize("count", [300])
async def test_many_events_at_once_are_all_taken(relay: Server, count: int) -> None:
    author = keys()
    made = [event(author, content=str(number)) for number in range(count)]
    async with connected(relay) as client:
        assert all(await asyncio.gather(*[published(client, each) for each in made]))
        assert len(await found(client, sdk.Filter().author(author.public_key()).limit(count))) == count


async def test_searches(relay: Server) -> None:
    alice = keys()
    word = f"w{alice.public_key().to_hex()[:12]}"
    article = event(alice, 30023, f"{word} tide", [["d", "tides"]])
    async with connected(relay) as client:
        assert await published(client, article)
        assert article.id().to_hex() in await found(client, sdk.Filter().search(f"{word} tide"))
