"""What a post is about, as people look for it: its tags and the host it links to.

One definition for what is indexed, what a page asks for and what is signed. A topic is one text: a tag is written with its `#`,
which no host begins with. A tag is in lower case (NIP-24); one that is written in the text counts as one that stands in a `t`
tag does, since many clients write only the former.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from relay.protocol import feed, names, urls
from relay.protocol.event import Event, values

MAX_TAG: Final = 64  # characters
MAX_TAGS: Final = 20  # of one post
# Vowels and accents that stand on a letter: `\w` leaves them out, and many languages write no word without them.
_MARKS: Final = "".join(chr(code) for code in range(0x300, 0x2000) if unicodedata.category(chr(code)).startswith("M"))
_PART: Final = rf"[\w{_MARKS}\u200c\u200d-]"
# A tag has a letter, and does not stand within a word, a URL or an entity of HTML. The `#` comes first: it is searched for fast.
HASHTAG: Final = re.compile(
    rf"#(?<![\w/&#?=.-]#)(?P<tag>(?={_PART}{{0,{MAX_TAG - 1}}}[^\W\d_]){_PART}{{1,{MAX_TAG}}})(?!{_PART})"
)
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def hashtags(markdown: str) -> list[str]:
    """What the tags in a Markdown text are called, each once, MAX_TAGS at most; those in its code are none."""
    if "#" not in markdown:
        return []
    said = HASHTAG.findall(_CODE.sub(" ", markdown) if "`" in markdown else markdown)
    if not said:
        return []
    found = map(normal, said)
    return list(dict.fromkeys(tag for tag in found if tag))[:MAX_TAGS]


def tags_of(markdown: str) -> list[list[str]]:
    """The `t` tags of what is signed with this text (NIP-24), so that other clients find it by them."""
    return [["t", name] for name in hashtags(markdown)]


def normal(tag: str) -> str:
    """A tag as it is indexed: without its `#`, in lower case; "" for what can be none."""
    return _normal(tag) if len(tag) <= MAX_TAG else _made_normal(tag)


def folded(tag: str) -> str:
    """A `t` tag as it is signed (NIP-24): without its `#`, in lower case, without spaces around it."""
    return unicodedata.normalize("NFC", " ".join(tag.strip().removeprefix("#").split())).lower()


def spellings(tag: str) -> frozenset[str]:
    """How a tag that is asked for may stand in a `t` tag: as it is signed here, and as it was given, which other clients sign."""
    return frozenset((tag, folded(tag)))


def _made_normal(tag: str) -> str:
    found = unicodedata.normalize("NFC", tag.strip().removeprefix("#")).lower().strip("-")
    return found if len(found) <= MAX_TAG and names.shown(found, MAX_TAG) == found else ""


_normal = lru_cache(maxsize=4096)(_made_normal)  # most posts have tags that others have


def of_tag(tag: str) -> str:
    """The topic of a tag, "" for what can be none."""
    found = normal(tag)
    return f"#{found}" if found else ""


def of_host(host: str) -> str:
    """The topic of a host, as people say it: in lower case, without `www.` and a dot at its end; "" for what can be none."""
    found = None if set(host) & set("/?#@:\\") else urls.link(f"http://{host}/")
    return "" if found is None else _plain(found)


def of_post(post: Event | None, title: str, content: str, url: str | None) -> list[str]:
    """The topics of a post: its `t` tags, those that stand in its title and text, MAX_TAGS together, and where its link leads.

    `post` is its own event, None where that is not at hand; title and text are what they are now. A `t` tag that was signed for
    a word of the text leaves with that word.
    """
    tags = [] if post is None else [normal(tag) for tag in values(post, "t")]
    if post is not None and tags and (feed.title(post), post.content) != (title, content):
        left = hashtags(f"{feed.title(post) or ''}\n\n{post.content}")
        tags = [tag for tag in tags if tag not in left]
    tags += hashtags(f"{title}\n\n{content}")
    found = [f"#{tag}" for tag in dict.fromkeys(tags) if tag][:MAX_TAGS]
    link = urls.link(url) if url else None
    host = _plain(link) if link else ""
    return [*found, host] if host else found


def _plain(link: urls.Url) -> str:
    """Its host as people say it, "" for an IPv6 address."""
    return "" if ":" in link.host else link.host.removesuffix(".").removeprefix("www.")
