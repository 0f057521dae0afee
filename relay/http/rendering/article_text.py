"""A long text for reading: Markdown as `prose` renders it, with marks to jump to and a table of contents.

Rule: what is added is put into what `prose` wrote, whose tags are all its own: text is escaped there, so that no `<` and no
quote of a stranger's is taken for markup here.
"""

import html
import re
from typing import Final

import msgspec
from markupsafe import Markup

from relay.http.rendering import prose
from relay.protocol import wiki

MOST_HEADINGS: Final = 200  # that can be jumped to
_HEADING: Final = re.compile(r"<h([3-6])>(.*?)</h\1>", re.DOTALL)
_TAG: Final = re.compile(r"(<[^>]*>)")


class ArticleHeading(msgspec.Struct, frozen=True):
    """A heading of an article: 0 is the highest level, `mark` what a link jumps to."""

    level: int
    mark: str
    text: str


class ArticleText(msgspec.Struct, frozen=True):
    """An article as HTML, safe to put into a page, and its headings in order."""

    html: Markup
    headings: list[ArticleHeading]


def article(text: str, mentions: prose.Mentions = prose.NONE) -> ArticleText:
    """Markdown for a page of its own, with links to those whom it `mentions`.

    A text beyond `prose.MAX_ARTICLE` is shown as it was written.
    """
    with prose.one_page(mentions):
        rendered = prose.article(text)
    highest = min((int(found[1]) for found in _HEADING.finditer(rendered)), default=0)
    headings: list[ArticleHeading] = []
    taken: set[str] = set()

    def mark(found: re.Match[str]) -> str:
        if len(headings) == MOST_HEADINGS:
            return found[0]
        words = html.unescape(_TAG.sub("", found[2])).strip()
        name = _free(f"part-{wiki.normalized(words)[:60]}".rstrip("-"), taken)
        below = int(found[1]) - highest
        headings.append(ArticleHeading(below, name, words))
        level = 2 + below  # under the title of its page, wherever its author began to count
        return f'<h{level} id="{html.escape(name)}">{found[2]}</h{level}>'

    return ArticleText(Markup(_HEADING.sub(mark, rendered)), headings)


def _free(name: str, taken: set[str]) -> str:
    """This name, or one that begins so and is not taken; from now on it is."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found
