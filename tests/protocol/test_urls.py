"""URLs as a browser reads them."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from relay.protocol import names, urls

HOST = st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,5}){1,2}", fullmatch=True)
PATH = st.from_regex(r"(/[A-Za-z0-9._~-]{0,5}){0,3}", fullmatch=True)
NASTY = st.text(st.sampled_from("\\/@:?#%.[]ab \t\n\u202e\u3164\u200b\uff0e\uff0f\u2100wWhHtTpPsS1"), max_size=24)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://evil.example\\@example.com/", "evil.example"),
        ("https:\\\\evil.example", "evil.example"),
        ("HtTpS://EVIL.example", "evil.example"),
        ("https:evil.example", "evil.example"),
        ("https://example.com:pw@evil.example", "evil.example"),
        ("https://example.com%2F@evil.example", "evil.example"),
        ("https://evil.example#@example.com", "evil.example"),
        ("https://evil.example?@example.com", "evil.example"),
        ("\n https://evil\t.example", "evil.example"),
        ("https://ｅｖｉｌ．example", "evil.example"),
        ("https://m\u00fcnchen.example", "xn--mnchen-3ya.example"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("wss://[::1]:7447", "::1"),
    ],
)
def test_the_host_is_the_one_that_a_browser_opens(text: str, host: str) -> None:
    found = urls.parse(text)
    assert found is not None
    assert found.host == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "https://",
        "https://a b",
        "ftp://a.example",
        "file:///etc",
        "https://\u202e",
        "\ud800",
        "wss://a:x/",
    ],
)
def test_what_no_browser_opens_is_none(text: str) -> None:
    assert urls.parse(text) is None


def test_what_is_longer_than_a_url_may_be_is_none() -> None:
    long = "https://a.example/".ljust(urls.MAX_URL, "x")
    assert urls.parse(long) is not None
    assert urls.parse(long + "x") is None


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("ws", 80), ("https", 443), ("wss", 443)])
def test_the_default_port_need_not_be_named(scheme: str, port: int) -> None:
    plain, named, other = (
        urls.parse(f"{scheme}://a.example{written}/") for written in ("", f":{port}", f":{port + 1}")
    )
    assert plain is not None
    assert named is not None
    assert other is not None
    assert plain.place == named.place != other.place
    assert (plain.origin, named.origin) == (f"{scheme}://a.example", f"{scheme}://a.example")
    assert other.origin == f"{scheme}://a.example:{port + 1}"


@given(st.sampled_from(("http", "https", "ws", "wss")), HOST, st.integers(1, 65535), PATH, st.booleans())
def test_spellings_of_one_url_are_one_place(scheme: str, host: str, port: int, path: str, loud: bool) -> None:
    assume("/." not in path)
    plain = f"{scheme}://{host}:{port}{path}"
    spelled = f"{scheme.upper() if loud else scheme}:\\\\{host.upper()}.:{port}{path}#x"
    first, second = urls.parse(plain), urls.parse(spelled)
    assert first is not None
    assert second is not None
    assert first.place == second.place == (scheme, host, port, path or "/", "")
    origin = urls.parse(first.origin)
    assert origin is not None
    assert (origin.scheme, origin.host, origin.port) == (scheme, host, port)


@example("@example.com/")
@example("\\@example.com/")
@given(NASTY)
def test_a_link_reads_as_what_it_opens(tail: str) -> None:
    """Somebody who reads up to the first slash, with an eye or with a simple parser, finds the host that is opened."""
    text = f"https://shown.example{tail}"
    found = urls.link(text)
    if found is None:
        return
    assert "@" not in re.split(r"[/?#]", text.removeprefix("https://"), maxsplit=1)[0]
    assert names.is_plain(text)
    assert "\\" not in text
    if text.isascii():
        assert found.host == (urlsplit(text).hostname or "")


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    for given_text in (text, f"https://{text}", f"wss://a.example/{text}"):
        found = urls.parse(given_text)
        assert found is None or urls.parse(found.origin) is not None
