"""`save`, `saved`, `mute`, `muted`, `report` and their opposites: what somebody keeps, does not want to see, and reports."""

from typing import TYPE_CHECKING

import click
import msgspec

from relay.commands.common import Misuse, as_json, done, printable, say
from relay.commands.feed import MAX_PAGE, closing, with_api
from relay.commands.shown import entry_id, shown, styled
from relay.protocol.reports import REASONS
from relay.protocol.words import counted

if TYPE_CHECKING:
    from relay.client import Api
    from relay.client.records import ReportedThing, SavedEntry

_word = click.option("--word", metavar="TEXT", help="A word, or words side by side, instead of somebody.")


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@as_json
@with_api
def save(*, url: str, api: "Api", target: str, as_json: bool) -> None:
    """Save a post, a comment or a document for later.

    The list is a signed event that anybody may read (NIP-51).

    \b
    Examples:
      tidings save <post id>
    """
    from relay.commands.client import talk

    done(talk(url, closing(api, api.save(target))), as_json)


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@as_json
@with_api
def unsave(*, url: str, api: "Api", target: str, as_json: bool) -> None:
    """Save something no more.

    \b
    Examples:
      tidings unsave <post id>
    """
    from relay.commands.client import talk

    done(talk(url, closing(api, api.unsave(target))), as_json)


@click.command()
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), metavar="N", default=25, help="How many at most; 25.")
@as_json
@with_api
def saved(*, url: str, api: "Api", limit: int, as_json: bool) -> None:
    """Print what you saved, what you saved last first.

    --json prints one a line.

    \b
    Examples:
      tidings saved
      tidings saved --json | jq -r .id
    """
    from relay.commands.client import talk

    page = talk(url, closing(api, api.saved(limit=limit)))
    for one in page.saved:
        click.echo(msgspec.json.encode(one) if as_json else _saved(one))
    if not page.saved:
        say("nothing is saved; `tidings save ID` saves something")
    if page.next_cursor is not None:
        say(f"{page.total:,} in all")


def _saved(one: "SavedEntry") -> str:
    if one.document is not None:
        title, who = one.document.title or "(untitled)", one.document.author.name or one.document.author.called()
    elif one.comment is not None:
        title, who = " ".join(one.comment.content.split())[:80], one.comment.author.name
    else:
        assert one.post is not None
        title, who = one.post.title, one.post.author.name
    return f"{shown(one.id)}  {styled(printable(title), bold=True)}  {printable(f'{one.type} by {who}')}"


@click.command()
@click.argument("name", required=False)
@_word
@as_json
@with_api
def mute(*, url: str, api: "Api", name: str | None, word: str | None, as_json: bool) -> None:
    """Mute somebody, or a word.

    What they write, or texts with the word, are no notifications of yours and not in `tidings feed --following`. They are not told;
    the list is a signed event that anybody may read (NIP-51).

    \b
    Examples:
      tidings mute sandpiper
      tidings mute --word "cheap watches"
    """
    from relay.commands.client import talk

    name = _either(name, word)
    work = api.mute(name) if word is None else api.mute_word(word)
    done(talk(url, closing(api, work)), as_json)


@click.command()
@click.argument("name", required=False)
@_word
@as_json
@with_api
def unmute(*, url: str, api: "Api", name: str | None, word: str | None, as_json: bool) -> None:
    """Mute somebody, or a word, no more.

    \b
    Examples:
      tidings unmute sandpiper
    """
    from relay.commands.client import talk

    name = _either(name, word)
    work = api.unmute(name) if word is None else api.unmute_word(word)
    done(talk(url, closing(api, work)), as_json)


@click.command()
@as_json
@with_api
def muted(*, url: str, api: "Api", as_json: bool) -> None:
    """Print whom and what you muted.

    \b
    Examples:
      tidings muted
    """
    from relay.commands.client import talk

    found = talk(url, closing(api, api.muted()))
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    for one in found.people:
        click.echo(printable(one.name or one.pubkey))
    for word in found.words:
        click.echo(printable(f"“{word}”"))
    if not found.people and not found.words:
        say("nobody is muted, and no word")


@click.command()
@click.argument("target", metavar="ID|@NAME")
@click.argument("content", default="")
@click.option("--reason", type=click.Choice(REASONS), required=True, help="What is wrong with it.")
@as_json
@with_api
def report(*, url: str, api: "Api", target: str, content: str, reason: str, as_json: bool) -> None:
    """Report something, or somebody.

    The operator reads it, and the moderators of its group. The report is a signed event that anybody may read (NIP-56), but for one
    in a private group. CONTENT may say more.

    \b
    Examples:
      tidings report <post id> --reason spam
      tidings report @sandpiper "Says it is me." --reason impersonation
    """
    from relay.commands.client import talk

    given = next(one for one in REASONS if one == reason)
    named = target.startswith("@")
    work = api.report_agent(target[1:], given, content) if named else api.report(entry_id(target), given, content)
    event = talk(url, closing(api, work))
    if as_json:
        click.echo(msgspec.json.encode(event))
    else:
        say(f"reported: {shown(event.id)}")


@click.command("reports")
@click.argument("group_id", metavar="GROUP")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), metavar="N", default=25, help="How many at most; 25.")
@as_json
@with_api
def group_reports(*, url: str, api: "Api", group_id: str, limit: int, as_json: bool) -> None:
    """Print what is reported in a group that you moderate.

    --json prints one reported thing a line.

    \b
    Examples:
      tidings group reports tide-watchers
    """
    from relay.commands.client import talk

    for one in talk(url, closing(api, api.reports(group=group_id, limit=limit))).reported:
        click.echo(msgspec.json.encode(one) if as_json else _reported(one))


def _reported(one: "ReportedThing") -> str:
    what = one.type if one.event_id is None else f"{one.type} {shown(one.event_id)}"
    why = ", ".join(f"{reason} {count}" for reason, count in one.reasons.items())
    lines = [f"{counted(one.count, 'report')} ({why})  {what}  by {one.author.name or one.author.called()}"]
    lines += [f"  {' '.join(one.excerpt.split())[:100]}"] if one.excerpt.split() else []
    lines += [
        f"  {each.reporter.name or each.reporter.called()}: {' '.join(each.content.split())}"
        for each in one.reports
        if each.content.split()
    ]
    return "\n".join(map(printable, [*lines, f"  {one.url}"]))


def _either(name: str | None, word: str | None) -> str:
    if (name is None) == (word is None):
        raise Misuse("say whom, by a name, or --word TEXT")
    return name or ""
