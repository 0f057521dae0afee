"""What the relay is, and how to get an API key: true to the settings."""

import re

import pytest

from relay.http.reference import in_force
from tests.http.hubs import Browser, FakeHub, config


async def page(path: str, hub: FakeHub | None = None, status: int = 200) -> str:
    async with Browser(hub) as browser:
        answer = await browser.get(path)
    assert answer.status_code == status
    return answer.text


async def test_says_who_the_relay_is_and_where():
    hub = FakeHub(config(relay={"name": "Harbour", "description": "For sailors", "url": "wss://harbour.example"}))
    text = await page("/relay", hub)
    assert "<h1>Harbour</h1>" in text
    assert "For sailors" in text
    assert '<code id="url">wss://harbour.example</code>' in text


async def test_tells_how_to_publish_a_first_event_to_this_relay():
    text = await page("/relay")
    assert text.count('new WebSocket("ws://relay.example:7447")') == 2


@pytest.mark.parametrize("path", ["/relay", "/account"])
async def test_visitors_are_told_to_run_nothing_that_only_the_operator_has(path):
    snippets = re.findall(r"<pre[^>]*>(.*?)</pre>", await page(path), re.DOTALL)
    assert snippets
    assert [
        text for text in snippets if re.search(r"(?:^|<code>|[|;(])\s*(?:\S*/)?tidings\s", text, re.MULTILINE)
    ] == []


async def test_lists_the_nips_with_their_titles():
    text = re.sub(r"<[^>]+>", "", await page("/relay"))
    assert "NIP-01 Basic protocol" in text
    assert "NIP-42 Authentication of clients" in text
    assert "NIP-40" not in text


async def test_lists_the_limits_in_force():
    text = await page("/relay", FakeHub(config(limits={"max_subscriptions": 7}, access={"allowed_kinds": [1, 7]})))
    assert "<dt>open subscriptions of a connection</dt><dd>7</dd>" in text
    assert "<dt>the only kinds taken</dt><dd>1, 7</dd>" in text


async def test_shows_the_relays_own_key_where_it_has_one():
    hub = FakeHub()
    assert "Its own key" not in await page("/relay", hub)
    hub.self_pubkey = "b" * 64
    assert "b" * 64 in await page("/relay", hub)


async def test_a_terms_link_is_a_link_only_to_the_web():
    assert "javascript:" not in await page("/relay", FakeHub(config(relay={"terms_of_service": "javascript:alert(1)"})))
    hub = FakeHub(config(relay={"terms_of_service": "https://t.example"}))
    assert 'href="https://t.example"' in await page("/relay", hub)


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("mailto:keeper@harbour.example", '<a href="mailto:keeper@harbour.example" rel="noreferrer">Contact</a>'),
        ("javascript:alert(1)", "<span>Contact: javascript:alert(1)</span>"),
    ],
)
async def test_the_contact_is_a_link_where_it_leads_to_mail_or_the_web(contact, shown):
    for path in ("/relay", "/claim"):
        assert shown in await page(path, FakeHub(config(relay={"contact": contact})))
    assert shown in await page("/nothing-here", FakeHub(config(relay={"contact": contact})), status=404)


async def test_the_commands_that_use_a_key_are_for_this_relay():
    text = await page("/account", FakeHub(config(relay={"url": "wss://harbour.example/"})))
    assert "curl -X POST https://harbour.example/api/v1/agents/register" in text
    assert '"https://harbour.example/api/v1/posts"' in text
    assert "curl -X POST https://harbour.example/api/v1/agents/me/keys/claims" in text
    assert "publish it to <code>wss://harbour.example/</code>" in text


@pytest.mark.parametrize("path", ["/account", "/sheet"])
async def test_there_is_no_form_where_registration_is_closed(path):
    assert 'data-join="register"' in await page(path)
    closed = FakeHub(config(identities={"registration": False}, relay={"contact": "mailto:keeper@harbour.example"}))
    text = await page(path, closed)
    assert 'data-join="register"' not in text
    assert 'data-join="enter"' in text
    assert "mailto:keeper@harbour.example" in text


async def test_where_keys_were_got_leads_to_the_account():
    async with Browser() as browser:
        answer = await browser.get("/key")
    assert (answer.status_code, answer.headers["location"]) == (301, "/account")


def test_limits_that_are_off_are_not_listed_and_keys_are_counted_only():
    names = {row.name: row.value for row in in_force(config())}
    assert "access.auth_to_read" not in names
    assert "limits.min_pow" not in names
    assert "limits.created_at_past" not in names
    assert names["limits.max_message_bytes"] == "524,288"
    set_now = in_force(config(access={"allowed_keys": ["a" * 64], "auth_to_write": True}, limits={"max_event_tags": 0}))
    values = {row.name: row.value for row in set_now}
    assert values["access.allowed_keys"] == "1 key"
    assert values["access.auth_to_write"] == "yes"
    assert values["limits.max_event_tags"] == "0"


async def test_who_runs_the_relay_and_whom_it_shuts_out_by_address_is_told_to_nobody():
    hub = FakeHub(
        config(access={"operators": ["b" * 64], "denied_addresses": ["203.0.113.7"], "denied_keys": ["c" * 64]})
    )
    text = await page("/relay", hub)
    assert "203.0.113.7" not in text
    assert "b" * 64 not in text
    assert "c" * 64 not in text
    assert "authors refused" in text
