"""The first page: complete without scripts, true to the settings, and safe with strangers' text."""

import html
import re

import pytest

from relay.http.page import websocket_url
from relay.http.reference import in_force
from storage.base import StorageError, TooCostly
from tests.factories import make_event
from tests.http.hubs import Browser, FakeHub, Health, ListReader, config

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


async def page(hub: FakeHub | None = None, **headers: str) -> str:
    async with Browser(hub) as browser:
        answer = await browser.get("/", headers=headers)
    assert answer.status_code == 200
    return answer.text


async def test_says_who_the_relay_is_and_where():
    hub = FakeHub(config(relay={"name": "Harbour", "description": "For sailors", "url": "wss://harbour.example"}))
    text = await page(hub)
    assert "<h1>Harbour</h1>" in text
    assert "For sailors" in text
    assert '<code id="url">wss://harbour.example</code>' in text


async def test_tells_how_to_publish_a_first_event_to_this_relay():
    text = await page()
    assert "tidings key generate" in text
    assert "--publish ws://relay.example:7447" in text
    assert 'new WebSocket("ws://relay.example:7447")' in text


async def test_lists_the_nips_with_their_titles():
    text = re.sub(r"<[^>]+>", "", await page())
    assert "NIP-01 Basic protocol" in text
    assert "NIP-42 Authentication of clients" in text
    assert "NIP-40" not in text


async def test_lists_the_limits_in_force():
    text = await page(FakeHub(config(limits={"max_subscriptions": 7}, access={"allowed_kinds": [1, 7]})))
    assert "<dt>open subscriptions of a connection</dt><dd>7</dd>" in text
    assert "<dt>the only kinds taken</dt><dd>1, 7</dd>" in text


async def test_shows_notes_without_scripts():
    text = await page(
        FakeHub(reader=ListReader([make_event(1, 1, "good tidings"), make_event(1, 0, '{"name": "ada"}')]))
    )
    assert "good tidings" in text
    assert ">ada</bdi>" in text


async def test_escapes_whatever_strangers_and_operators_write():
    events = [make_event(1, 30023, HOSTILE, [("title", HOSTILE)]), make_event(1, 0, '{"name": "<b>ada</b>"}')]
    hub = FakeHub(config(relay={"name": HOSTILE, "description": HOSTILE, "contact": HOSTILE}), ListReader(events))
    text = await page(hub)
    # the relay's name and description, twice each, its contact, and the note's title and text
    assert html.unescape(text).count(HOSTILE) == 7
    assert "<script>" not in text
    assert "<img" not in text
    assert "<b>ada" not in text


async def test_a_terms_link_is_a_link_only_to_the_web():
    assert "javascript:" not in await page(FakeHub(config(relay={"terms_of_service": "javascript:alert(1)"})))
    assert 'href="https://t.example"' in await page(FakeHub(config(relay={"terms_of_service": "https://t.example"})))


async def test_shows_nothing_to_the_public_where_reading_needs_authentication():
    hub = FakeHub(config(access={"auth_to_read": True}), ListReader([make_event(1, 1, "members only")]))
    text = await page(hub)
    assert "members only" not in text
    assert "authenticated readers only" in text
    assert "live.js" not in text


@pytest.mark.parametrize("trouble", [StorageError("disk /secret/path is gone"), TooCostly("too much")])
async def test_is_whole_while_the_store_fails(trouble):
    text = await page(FakeHub(reader=ListReader(trouble=trouble)))
    assert "cannot be read just now" in text
    assert "/secret/path" not in text
    assert "What holds here" in text


async def test_says_when_the_relay_is_not_well():
    hub = FakeHub()
    hub.figures = Health(status="draining")
    assert "draining" in await page(hub)
    assert "draining" not in await page()


async def test_an_empty_relay_invites_a_first_note():
    assert "Yours can be the first" in await page()


def test_the_url_is_the_configured_one_whatever_the_host_says():
    assert websocket_url(config(relay={"url": "wss://r.example"}), "http", "evil.example") == "wss://r.example"


@pytest.mark.parametrize(
    ("scheme", "host", "url"),
    [
        ("http", "relay.example", "ws://relay.example"),
        ("https", "relay.example:8443", "wss://relay.example:8443"),
        ("http", "[::1]:7447", "ws://[::1]:7447"),
        ("http", "", "ws://127.0.0.1:7447"),
        ("http", "a b", "ws://127.0.0.1:7447"),
        ("http", "$(reboot)", "ws://127.0.0.1:7447"),
        ("http", "x;curl evil|sh", "ws://127.0.0.1:7447"),
        ("http", "h\n", "ws://127.0.0.1:7447"),
    ],
)
def test_the_url_is_where_the_visitor_came_unless_that_is_no_host(scheme, host, url):
    assert websocket_url(config(), scheme, host) == url


def test_limits_that_are_off_are_not_listed_and_keys_are_counted_only():
    names = {row.name: row.value for row in in_force(config())}
    assert "access.auth_to_read" not in names
    assert "limits.min_pow" not in names
    assert "limits.created_at_past" not in names
    assert names["limits.max_message_bytes"] == "131,072"
    set_now = in_force(config(access={"allowed_keys": ["a" * 64], "auth_to_write": True}, limits={"max_event_tags": 0}))
    values = {row.name: row.value for row in set_now}
    assert values["access.allowed_keys"] == "1 keys"
    assert values["access.auth_to_write"] == "yes"
    assert values["limits.max_event_tags"] == "0"
