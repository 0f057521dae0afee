"""What a post is about: tags as they are written and as they are indexed, and the host of its link."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import kinds, topics
from tests.factories import make_event


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#Tide and (#low_water), #low-water!", ["tide", "low_water", "low-water"]),
        ("**#bold** #bold #BOLD", ["bold"]),
        ("#हिन्दी #東京タワー #نیم‌فاصله", ["हिन्दी", "東京タワー", "نیم‌فاصله"]),
        ("#7 #100 #- #_ # heading", []),
        ("#7seas #v2", ["7seas", "v2"]),
        ("C# a#b https://example.org/page#part https://example.org/#part /#x &#39; ##x", []),
        ("`#code` and\n```\n#include\n```\n#said", ["said"]),
        ("#" + "a" * 64 + " #" + "b" * 65, ["a" * 64]),
        ("#e\u0301te\u0301", ["été"]),
    ],
)
def test_finds_the_tags_in_a_text(text, tags):
    assert topics.hashtags(text) == [unicodedata.normalize("NFC", tag) for tag in tags]


@given(st.text(alphabet=string.ascii_lowercase + "0 .,_#&/-\n", max_size=60))
def test_agrees_with_a_slow_scan(text):
    parts = string.ascii_lowercase + "0_-"
    found = []
    for at, char in enumerate(text):
        if char != "#" or (at and text[at - 1] in parts + "/&#?=."):
            continue
        end = at + 1
        while end < len(text) and text[end] in parts:
            end += 1
        tag = text[at + 1 : end]
        if any(each.isalpha() for each in tag) and tag.strip("-") not in found:
            found.append(tag.strip("-"))
    assert topics.hashtags(text) == found[: topics.MAX_TAGS]


def test_as_many_tags_as_a_post_may_have():
    assert len(topics.hashtags(" ".join(f"#t{number}" for number in range(30)))) == topics.MAX_TAGS
    given = [f"g{number}" for number in range(topics.MAX_TAGS)]
    assert topics.of_post(_post("#title", "", *given), "#title", "", None) == [f"#{tag}" for tag in given]


@pytest.mark.parametrize(
    ("tag", "topic"),
    [
        ("Tide", "#tide"),
        ("#tide", "#tide"),
        (" art work ", "#art work"),
        ("", ""),
        ("#", ""),
        ("\u202ex", ""),
        ("x" * 65, ""),
    ],
)
def test_a_tag_is_one_topic_however_it_is_written(tag, topic):
    assert topics.of_tag(tag) == topic


@pytest.mark.parametrize(
    ("host", "topic"),
    [
        ("WWW.Example.org.", "example.org"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("a/b", ""),
        ("a:1", ""),
        ("x@a", ""),
        ("", ""),
        ("a b", ""),
    ],
)
def test_a_host_is_one_topic_however_it_is_written(host, topic):
    assert topics.of_host(host) == topic


def test_a_post_is_about_its_tags_and_the_host_of_its_link():
    post = _post("On #mud", "#tide again", "Tide", "two words")
    found = topics.of_post(post, "On #mud", "#tide again", "https://www.example.org:8443/x")
    assert found == ["#tide", "#two words", "#mud", "example.org"]
    assert topics.of_post(None, "A #title", "", "javascript:x") == ["#title"]


def test_a_tag_that_was_edited_out_of_a_post_leaves_it():
    post = _post("On #mud", "#tidse again", "mud", "tidse", "two words")
    assert topics.of_post(post, "On #mud", "#tides again", None) == ["#two words", "#mud", "#tides"]
    assert topics.of_post(post, "On sand", "#tidse again", None) == ["#two words", "#tidse"]


def _post(title, content, *tags):
    return make_event(1, kinds.POST, content, [["title", title], *(["t", tag] for tag in tags)])
