"""Code in colours: which part of it is a keyword, a text, a comment, by Pygments; the colours are the style's.

Rule: what a lexer may cost is bounded by what it is given: a rule of some looks over all lines from each of them, which takes
the square of their number. So code has at most MAX_CODE characters and MAX_LINES lines, and the languages are a fixed list.
"""

from functools import lru_cache
from typing import Any, Final

from markupsafe import escape

MAX_CODE: Final = 3_000  # characters; what is longer has no colours
MAX_LINES: Final = 150
# Characters of code, at least, for each coloured part on the average: else the markup outgrows the code.
_SPAN: Final = 4
_FREE: Final = 40  # coloured parts that any code may have

# What Pygments calls a language, and what texts do. C and C++ are near enough to C#: their own rules take half a second for
# MAX_CODE characters of blanks.
_CALLED: Final = {
    "bash": "bash sh shell zsh",
    "csharp": "csharp c# cs c h cpp c++ cc",
    "css": "css",
    "diff": "diff patch",
    "docker": "docker dockerfile",
    "go": "go golang",
    "html": "html svg",
    "ini": "ini cfg",
    "java": "java",
    "javascript": "javascript js jsx mjs",
    "json": "json jsonc",
    "kotlin": "kotlin kt",
    "lua": "lua",
    "python": "python py python3",
    "ruby": "ruby rb",
    "rust": "rust rs",
    "sql": "sql",
    "toml": "toml",
    "typescript": "typescript ts tsx",
    "xml": "xml",
    "yaml": "yaml yml",
}
LANGUAGES: Final = {name: lexer for lexer, names in _CALLED.items() for name in names.split()}

# The first that a token's type is, or is a kind of, counts; the classes are those of relay/web/style/code.css.
_CLASSES: Final = {
    "Comment": "hl-comment",
    "Keyword": "hl-keyword",
    "Operator.Word": "hl-keyword",
    "Literal.String": "hl-text",
    "Literal.Number": "hl-number",
    "Name.Function": "hl-name",
    "Name.Class": "hl-name",
    "Name.Tag": "hl-keyword",
    "Name.Attribute": "hl-name",
    "Name.Decorator": "hl-name",
    "Name.Builtin": "hl-name",
    "Generic.Deleted": "hl-deleted",
    "Generic.Inserted": "hl-inserted",
    "Generic.Heading": "hl-keyword",
    "Generic.Subheading": "hl-keyword",
}


def highlight(code: str, language: str) -> str | None:
    """The code as HTML: text, and `span` with a class. None where the language is not known, or the code is too long."""
    known = LANGUAGES.get(language.lower())
    if known is None or len(code) > MAX_CODE or code.count("\n") > MAX_LINES:
        return None
    parts: list[tuple[str, list[str]]] = []  # neighbours of one class are one part, blanks between them included
    for kind, text in _lexer(known).get_tokens(code):
        name = _class(kind)
        if parts and (parts[-1][0] == name or (text.isspace() and "\n" not in text)):
            parts[-1][1].append(text)
        else:
            parts.append((name, [text]))
    if sum(1 for name, _ in parts if name) > len(code) / _SPAN + _FREE:
        return None
    return "".join(_span(name, "".join(texts)) for name, texts in parts)


def _span(name: str, text: str) -> str:
    return f'<span class="{name}">{escape(text)}</span>' if name else str(escape(text))


@lru_cache(maxsize=64)
def _lexer(name: str) -> Any:
    from pygments.lexers import get_lexer_by_name  # most pages show no code

    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


@lru_cache(maxsize=1024)
def _class(kind: Any) -> str:
    """The class of a type of token, "" for what is shown as it is."""
    while kind is not None:
        found = _CLASSES.get(".".join(kind))
        if found is not None:
            return found
        kind = kind.parent
    return ""
