"""`show`, `edit`, `history`, `remove`: reading one thing of a hub, and changing and deleting what is yours."""

from typing import TYPE_CHECKING, Final

import click
import msgspec

from relay.commands import credentials
from relay.commands.common import Complaint, Misuse, as_json, printable, say
from relay.commands.feed import closing, comment_url, content_of, hub_option, post_url, with_api
from relay.commands.shown import entry_id, shown, styled
from relay.protocol.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from relay.api_types import TextVersion
    from relay.client import Api
    from relay.client.records import Comment, Comments, Document, Post

_ABSENT: Final = ("post_not_found", "comment_not_found", "document_not_found")


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@as_json
@hub_option
def show(*, target: str, hub: str | None, as_json: bool) -> None:
    """Read a post, a comment or a document, with what answers it.

    ID is an id, the beginning of one that was shown, or a URL of the page. Needs no key.

    \b
    Examples:
      tidings show <post id>
      tidings show <post id> --json | jq -r .post.content
    """
    from relay.client import Api
    from relay.commands.client import complaining, talk

    url = credentials.hub_url(hub)
    with complaining(url):
        api = Api(url)
    found = talk(url, closing(api, _find(api, target)))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for line in _lines(url, found):
        click.echo(line)


Found = dict[str, "Post | Comments | Comment | Document"]


async def _find(api: "Api", target: str) -> Found:
    """What has this id. Raises Complaint where nothing has."""
    from relay.client import ApiError
    from relay.commands.client import SHOW_IDS

    async def post() -> Found:
        return {"post": await api.get_post(target), "comments": await api.comments(target, limit=100)}

    async def comment() -> Found:
        found = await api.get_comment(target)
        return {"comment": found, "comments": await api.comments(found.post_id, parent_id=target, limit=100)}

    async def document() -> Found:
        return {"document": await api.get_document(target)}

    for kind in (post, comment, document):
        try:
            return await kind()
        except ApiError as error:
            if error.code not in _ABSENT:
                raise
    raise Complaint(f"there is nothing with the id {target} on this hub; {SHOW_IDS}")


def _lines(url: str, found: Found) -> "Iterator[str]":
    from relay.client.records import Comment, Comments, Document, Post

    for one in found.values():
        if isinstance(one, Post):
            counts = f"{counted(one.score, 'point')} · {counted(one.comment_count, 'comment')}"
            yield styled(printable(one.title), bold=True)
            yield from [printable(one.url)] if one.url else []
            yield from [printable(f"  {one.link_preview.line()}")] if one.link_preview else []
            yield f"{_about(one)} · {counts}\n{post_url(url, one.id)}\n"
            yield from _text(one.content)
        elif isinstance(one, Comments):
            yield from _thread(one.comments, "  " if "comment" in found else "")
            yield from ["(there are more comments)"] if one.next_cursor else []
        elif isinstance(one, Comment):
            yield from _thread([one], "")
        elif isinstance(one, Document):
            yield styled(printable(one.title or one.identifier), bold=True)
            yield printable(
                f"{one.author.name or one.author.called()} · {' '.join(one.tags)} {one.source or ''}"
            ).rstrip(" ·")
            yield from ["", *_text(one.event.content)]


def _about(one: "Post | Comment") -> str:
    return printable(f"{one.author.name} · {one.created_at.astimezone():%Y-%m-%d %H:%M}")


def _text(content: str) -> "Iterator[str]":
    for line in content.splitlines():
        yield printable(line)


def _thread(comments: "Iterable[Comment]", indent: str) -> "Iterator[str]":
    for one in comments:
        head = f"{_about(one)} · {counted(one.score, 'point')} · {printable(shown(one.id))}"
        yield f"\n{indent}{styled(head, dim=True)}"
        yield from (indent + line for line in _text(one.content))
        yield from _thread(one.replies, indent + "  ")


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@click.argument("content", default=None, required=False, metavar="[CONTENT|-]")
@click.option("--title", metavar="TEXT", help="A new title of a post; it stays, if not given.")
@as_json
@with_api
def edit(*, url: str, api: "Api", target: str, content: str | None, title: str | None, as_json: bool) -> None:
    """Change a post or a comment of yours.

    CONTENT is the whole new text; without it that of a post stays. - means stdin.

    \b
    Examples:
      tidings edit <post id> --title "Low water at one"
      tidings edit <post or comment id> "The *tide* comes back at six."
    """
    from relay.client.records import Post
    from relay.commands.client import talk

    if content is None and title is None:
        raise Misuse("say what changes: CONTENT or --title")
    text = None if content is None else content_of(content)
    changed = talk(url, closing(api, api.change(target, title=title, content=text)))
    click.echo(msgspec.json.encode(changed) if as_json else changed.id)
    say(post_url(url, changed.id) if isinstance(changed, Post) else comment_url(url, changed.post_id, changed.id))


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@as_json
@hub_option
def history(*, target: str, hub: str | None, as_json: bool) -> None:
    """Read each version of a post, comment or document.

    The oldest first. Needs no key. `tidings group history` tells what a message of a group said.

    \b
    Examples:
      tidings history <id>
    """
    from relay.client import Api
    from relay.commands.client import complaining, talk

    url = credentials.hub_url(hub)
    with complaining(url):
        api = Api(url)
    print_versions(talk(url, closing(api, api.history(target))), as_json)


def print_versions(found: "Sequence[TextVersion]", as_json: bool) -> None:
    """All that something said, each version with its time and the id of its event."""
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for one in found:
        click.echo(styled(f"{one.created_at.astimezone():%Y-%m-%d %H:%M} · {printable(shown(one.event.id))}", dim=True))
        for line in [*([printable(one.title)] if one.title else []), *_text(one.content), ""]:
            click.echo(line)


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@as_json
@with_api
def remove(*, url: str, api: "Api", target: str, as_json: bool) -> None:
    """Delete a post, a comment or a document of yours, for good.

    A post goes with its comments.

    \b
    Examples:
      tidings remove <post or comment id>
    """
    from relay.commands.client import talk

    deletion = talk(url, closing(api, api.delete(target)))
    if as_json:
        click.echo(msgspec.json.encode(deletion))
    else:
        say("deleted")
