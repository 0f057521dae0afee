"""What a page of the web says of itself: by any tags that are in use, plain, bounded, whatever a stranger wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import names, urls
from relay.server.web_requests.page_summary import MAX_DESCRIPTION, MAX_TITLE, PageSummary, decoded, of_page

URL = "https://news.example/a/page?x=1"
PIECES = (
    "<title>", "</title>", "<meta ", "property=", "name=", "content=", "'", '"', "og:title", "og:description", "og:image", ">", "<",
    "<!--", "-->", "<script>", "</script>", "</head>", "<body>", "&amp;", "&#x202e;", "&#0;", "//[", "\u202e", "\x00", " ",
)  # fmt: skip


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("<title> High\n water </title>", PageSummary("High water", "", "")),
        ("<TITLE>a &amp; b</TITLE><title>c</title>", PageSummary("a & b", "", "")),
        ('<title>t</title><meta property="og:title" content="Tides">', PageSummary("Tides", "", "")),
        ('<meta name="twitter:title" content="Tides">', PageSummary("Tides", "", "")),
        (
            '<meta property="og:title" content=" "><title>t</title><meta name="Description" content="d\td">',
            PageSummary("t", "d d", ""),
        ),
        ("<title>t</title><meta name=description content=t>", PageSummary("t", "", "")),
        ('<title>t</title><meta property=og:image content="/p.png">', PageSummary("t", "", "https://news.example/p.png")),
        ('<title>t</title><meta property=og:image content="//cdn.example/p.png">', PageSummary("t", "", "https://cdn.example/p.png")),
        ('<title>t</title><meta property=og:image content="http://news.example/p.png">', PageSummary("t", "", "")),
        ('<title>t</title><meta property=og:image content="javascript:alert(1)">', PageSummary("t", "", "")),
        ('<title>t</title><meta property=og:image content="//[">', PageSummary("t", "", "")),
        ("<title>\u202eevil\u2066</title>", PageSummary("evil", "", "")),
        ("<script>'<title>no</title>'</script><title>yes</title>", PageSummary("yes", "", "")),
        ("<!-- <title>no</title> --><title>yes</title>", PageSummary("yes", "", "")),
        ("<title>t</title><body><meta name=description content=late>", PageSummary("t", "", "")),
        ("<title>t</title></head><meta name=description content=late>", PageSummary("t", "", "")),
        ("<title>cut off in the mid", None),
        ("<title>\u200b</title>", None),
        ("no markup", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_first_that_says_something_is_taken(head: str, found: PageSummary | None) -> None:
    assert of_page(f"<!doctype html><html><head>{head}", URL) == found


def test_texts_are_cut() -> None:
    found = of_page(f"<title>{'a' * 5000}</title><meta name=description content='{'b ' * 5000}'>", URL)
    assert found is not None
    assert (len(found.title), len(found.description)) == (MAX_TITLE, MAX_DESCRIPTION - 1)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=60).map("".join))
def test_whatever_a_page_says_is_plain_and_bounded(text: str) -> None:
    found = of_page(text, URL)
    if found is not None:
        for words, most in ((found.title, MAX_TITLE), (found.description, MAX_DESCRIPTION)):
            assert words == names.shown(words, most)
            assert "\n" not in words
        assert found.title
        address = urls.link(found.picture) if found.picture else None
        assert not found.picture or (address is not None and address.scheme == "https")


@pytest.mark.parametrize(
    "hostile",
    ["<", "<!--", "<a ", "<meta ", "<meta content=", "</", "&", "<title>", "<script>", "<![CDATA[", "<![foo[ x>"],
)
def test_a_page_that_is_hard_to_parse_is_no_page(hostile: str) -> None:
    assert of_page(hostile * 20_000, URL) is None


@pytest.mark.parametrize("part", ["<p>", "< ", "<a>x</a>"])
def test_a_page_of_very_many_parts_is_read_no_further(part: str) -> None:
    title = "<title>Tides</title>"
    assert of_page(part * 100 + title, URL) == of_page(title + part * 6_000, URL) == PageSummary("Tides", "", "")
    assert of_page(part * 6_000 + title, URL) is None


def test_a_declaration_that_is_none_costs_the_page_nothing_before_it() -> None:
    """What comes after it is read by later versions of Python, as browsers do."""
    found = of_page("<title>Tides</title><![foo[ x><meta name=description content=y>", URL)
    assert found is not None
    assert found.title == "Tides"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Brücke".encode(), "text/html", "Brücke"),
        ("Brücke".encode("latin-1"), "text/html; charset=ISO-8859-1", "Brücke"),
        (b'<meta charset="koi8-r">' + "мост".encode("koi8-r"), "text/html", '<meta charset="koi8-r">мост'),
        ("橋".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "橋"),
        (b"\xff", "text/html", "\ufffd"),
        (b"abc", "text/html; charset=zip", "abc"),
        (b"+ADw-", "text/html; charset=utf-7", "+ADw-"),
        (b"abc", "text/html; charset=no-such", "abc"),
        (b"\xef\xbb\xbfabc", "text/html", "abc"),
    ],
)
def test_a_page_is_decoded_as_it_says_by_codecs_of_the_web(body: bytes, content_type: str, text: str) -> None:
    assert decoded(body, content_type) == text
