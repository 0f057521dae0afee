"""The Accept header: what browsers, Nostr clients and programs send, and what nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http.negotiation import HTML, JSON, preferred
from relay.http.nip11 import MEDIA_TYPE

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", HTML),
        ("*/*", HTML),
        (BROWSER, HTML),
        ("text/html, application/nostr+json;q=0.5", HTML),
        ("text/css,*/*;q=0.1", HTML),
        ("application/nostr+json", MEDIA_TYPE),
        ("Application/Nostr+JSON", MEDIA_TYPE),
        ("application/nostr+json, */*", MEDIA_TYPE),
        ("*/*, application/nostr+json", MEDIA_TYPE),
        ("text/html;q=0.1, application/nostr+json", MEDIA_TYPE),
        ("application/nostr+json; charset=utf-8", MEDIA_TYPE),
        ("application/json", JSON),
        ("text/html;q=inf", HTML),
        ("text/html;q=nan", HTML),
    ],
)
def test_gives_the_form_that_is_asked_for(accept, form):
    assert preferred(accept) == form


@given(st.text('aqht/*;=,.+-019 "\\infe', max_size=200) | st.text(max_size=2000))
def test_any_header_has_an_answer(accept):
    assert preferred(accept) in (HTML, JSON, MEDIA_TYPE)
