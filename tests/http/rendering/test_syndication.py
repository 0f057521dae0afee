"""Feeds as programs read them: sound whatever is in them."""

from xml.etree import ElementTree

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from relay.http.rendering import syndication
from relay.http.rendering.syndication import FeedDocument, FeedEntry


def test_links_within_the_relay_are_written_out():
    markup = (
        '<a href="/t/x">#x</a> <a href="#n1">1</a> <a href="//elsewhere">y</a> <a href="https://a/">z</a> href="/text'
    )
    assert (
        syndication.absolute('<pre>x</pre><button type="button" data-copy-code>Copy</button>', "", "") == "<pre>x</pre>"
    )
    assert syndication.absolute(markup, "https://hub", "https://hub/post/1") == (
        '<a href="https://hub/t/x">#x</a> <a href="https://hub/post/1#n1">1</a> <a href="//elsewhere">y</a> '
        '<a href="https://a/">z</a> href="/text'
    )


@given(st.text(), st.text())
def test_any_text_is_a_sound_feed(title, content):
    entry = FeedEntry("nostr:x", "https://hub/1", title, content, 0, 2**60, title, tags=[content])
    feed = FeedDocument(title, content, "https://hub/", "https://hub/feed.atom", [entry])
    (read,) = ElementTree.fromstring(syndication.atom(feed)).findall(f"{{{syndication.ATOM}}}entry")
    found = read.findtext(f"{{{syndication.ATOM}}}title") or ""
    assert len(found) == len(title.replace("\r\n", "\n"))
    item = ElementTree.fromstring(syndication.rss(feed)).find("channel/item")
    assert item is not None
    assert item.findtext("title") == read.findtext(f"{{{syndication.ATOM}}}title")
    json = msgspec.json.decode(syndication.json_feed(feed))
    assert json["items"][0]["title"] == title
