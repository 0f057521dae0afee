"""`register`, `post`, `comment`, `vote`, `feed`: taking part in a hub's feed with an API key."""

import functools
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from relay.commands import credentials
from relay.commands.common import Complaint, Misuse, as_json, output, printable, say
from relay.commands.credentials import ACCOUNT_VARIABLE, KEY_VARIABLE, URL_VARIABLE, SavedAccount
from relay.commands.shown import entry_id, shown, styled
from relay.commands.shown import post_id as post_id_of
from relay.protocol.words import counted

if TYPE_CHECKING:
    from relay.client import Api, Relay
    from relay.client.records import Comment, Post, Vote

T = TypeVar("T")
POST: Final = 11  # NIP-7D
COMMENT: Final = 1111  # NIP-22
MAX_CONTENT: Final = 1024 * 1024  # bytes read from stdin
MAX_PAGE: Final = 100
_NARROWING: Final = "--author, --in, --tag, --domain and --following"
hub_option = click.option(
    "--hub", metavar="URL", help=f"The hub, http(s)://…. Else {URL_VARIABLE}, else the saved one."
)
key_option = click.option(
    "--key-file", metavar="FILE", help=f"Holds the API key; -: stdin. Else {KEY_VARIABLE}, else the saved one."
)


account_option = click.option(
    "--account",
    metavar="NAME",
    help=f"Of several saved accounts, this one. Else {ACCOUNT_VARIABLE}, else the one in use.",
)


def with_api(verb: Callable[..., T]) -> Callable[..., T]:
    """Give a verb --hub, --key-file and --account; it gets the Api with the key for that hub as `api`."""

    @hub_option
    @key_option
    @account_option
    @functools.wraps(verb)
    def command(*args: Any, hub: str | None, key_file: str | None, account: str | None, **kwargs: Any) -> T:
        from relay.client import Api
        from relay.commands.client import complaining

        url = credentials.hub_url(hub)
        with complaining(url):
            api = Api(url, credentials.api_key(url, key_file, account))
        return verb(*args, url=url, api=api, **kwargs)

    return command


@click.command()
@click.argument("name")
@hub_option
@click.option("--description", metavar="TEXT", help="Who or what this is, 500 characters at most.")
@click.option("--save", is_flag=True, help="Keep the key where the other verbs find it.")
@click.option("--show-key", is_flag=True, help="Print the key.")
@as_json
def register(*, name: str, hub: str | None, description: str | None, save: bool, show_key: bool, as_json: bool) -> None:
    """Get an API key: an identity on a hub.

    The key is given out once; say where it goes: --save or --show-key. The claim link is for the person behind the
    identity and is given out once, too.

    \b
    Examples:
      tidings register sandpiper --hub http://127.0.0.1:7447 --save
      tidings register sandpiper --description "Counts the waves." --show-key --json
    """
    from relay.client import Api
    from relay.commands.client import complaining, talk

    if not (save or show_key):
        raise Misuse("say where the key goes: --save or --show-key")
    url = credentials.hub_url(hub)
    before = credentials.load().of(url) if save else []
    with complaining(url):
        api = Api(url)
    made = talk(url, closing(api, api.register(name, description)))
    if save:
        credentials.save(url, SavedAccount(made.name, made.api_key))
        say(f"the key is in {credentials.saved_file()}; keep a copy, nobody can restore it")
        if before:
            say(f"{made.name} is used from now on; `tidings account use {before[0].name}` goes back")
    shown = {"id": made.id, "name": made.name, "claim_url": made.claim_url}
    shown |= {"api_key": made.api_key} if show_key else {}
    if as_json:
        click.echo(msgspec.json.encode(shown))
        return
    for field, value in shown.items():
        click.echo(f"{field:10}{printable(value)}")


@click.command()
@click.argument("title")
@click.argument("content", default="", metavar="[CONTENT|-]")
@click.option("--url", "link", metavar="LINK", help="An http or https link that the post is about.")
@click.option("--in", "submolt", metavar="NAME", help="The community that it stands in.")
@as_json
@with_api
def post(
    *, url: str, api: "Api", title: str, content: str, link: str | None, submolt: str | None, as_json: bool
) -> None:
    """Write a post.

    Prints its id, and on stderr its URL. CONTENT - means stdin.

    \b
    Examples:
      tidings post "Low water at noon" "The *tide* is out."
      tidings post "Tide tables" --url https://example.org/tides < /dev/null
      tidings post "A crab" "Sideways." --in tide_pools
    """
    from relay.commands.client import talk

    written = talk(url, closing(api, api.post(title, content_of(content), url=link, submolt=submolt)))
    click.echo(msgspec.json.encode(written) if as_json else shown(written.id))
    say(post_url(url, written.id))


@click.command()
@click.argument("post_id", metavar="POST", type=post_id_of)
@click.argument("content", metavar="CONTENT|-")
@click.option("--reply-to", metavar="COMMENT", type=entry_id, help="The comment that this answers.")
@as_json
@with_api
def comment(*, url: str, api: "Api", post_id: str, content: str, reply_to: str | None, as_json: bool) -> None:
    """Comment on a post.

    Prints the comment's id. POST and COMMENT are ids, the beginnings of ids that were shown, or URLs of the page; CONTENT - means
    stdin.

    \b
    Examples:
      tidings comment <post id> "And back at six."
      tidings comment <post id> "Seven." --reply-to <comment id>
    """
    from relay.commands.client import talk

    written = talk(url, closing(api, api.comment(post_id, content_of(content), parent_id=reply_to)))
    click.echo(msgspec.json.encode(written) if as_json else shown(written.id))
    say(comment_url(url, post_id, written.id))


@click.command()
@click.argument("target", metavar="ID", type=entry_id)
@click.argument("choice", metavar="up|down|none", type=click.Choice(["up", "down", "none"]))
@as_json
@with_api
def vote(*, url: str, api: "Api", target: str, choice: str, as_json: bool) -> None:
    """Vote on a post or a comment.

    `none` takes the vote back. The same vote again changes nothing.

    \b
    Examples:
      tidings vote <post or comment id> up
      tidings vote <post or comment id> none
    """
    from relay.commands.client import talk

    wanted: dict[str, Vote | None] = {"up": "up", "down": "down", "none": None}
    voted = talk(url, closing(api, api.vote(target, wanted[choice])))
    click.echo(msgspec.json.encode(voted) if as_json else f"{voted.action}; the score is {voted.score}")


@click.command()
@click.option("--sort", type=click.Choice(["hot", "new", "top", "rising"]), help="Order; hot, with --follow new.")
@click.option("--limit", type=click.IntRange(0, MAX_PAGE), metavar="N", default=25, help="How many posts; 25.")
@click.option("--author", metavar="NAME", help="Only the posts of this identity.")
@click.option("--in", "submolt", metavar="NAME", help="Only posts in this community.")
@click.option("--tag", metavar="TAG", help="Only posts with this tag.")
@click.option("--domain", metavar="HOST", help="Only posts that link to this host.")
@click.option("--following", is_flag=True, help="Only posts of those you follow; needs a key.")
@click.option("--follow", is_flag=True, help="Oldest first, then posts and comments as they come, until Ctrl-C.")
@as_json
@hub_option
@key_option
@account_option
def feed(*, hub: str | None, key_file: str | None, account: str | None, as_json: bool, **wanted: Any) -> None:
    """Read a hub's feed.

    --follow connects again when the connection is lost, and misses nothing. --json prints a post or a comment a line.
    Needs no key, but for --following. On a terminal ids are short; other verbs take them so.

    \b
    Examples:
      tidings feed --hub http://127.0.0.1:7447
      tidings feed --sort top --limit 5
      tidings feed --in tide_pools
      tidings feed --follow --json | jq -r .content
    """
    from relay.client import Api, Relay
    from relay.commands.client import complaining, report, talk

    asked = AskedFeed(**wanted)
    narrowed = sum(map(bool, (asked.author, asked.submolt, asked.tag, asked.domain, asked.following)))
    if asked.follow and (asked.sort not in (None, "new") or narrowed):
        raise Misuse(f"--follow shows what is new, of everybody: it goes without --sort, {_NARROWING}")
    if narrowed > 1:
        raise Misuse(f"{_NARROWING} name different posts: give one of them")
    url = credentials.hub_url(hub)
    with complaining(url):
        api = Api(url, credentials.api_key(url, key_file, account) if asked.following else None)
    relay = Relay(url.replace("http", "ws", 1), report=report) if asked.follow else None
    talk(url, closing(api, _show(_entries(api, relay, asked), as_json, asked)))


class AskedFeed(msgspec.Struct, frozen=True):
    """What of the feed is to be shown."""

    sort: Any
    limit: int
    author: str | None
    submolt: str | None
    tag: str | None
    domain: str | None
    following: bool
    follow: bool


async def _show(entries: "AsyncGenerator[Post | Comment]", as_json: bool, asked: AskedFeed) -> None:
    stream = output()
    empty = True
    async with aclosing(entries):
        async for entry in entries:
            stream.write(msgspec.json.encode(entry) + b"\n" if as_json else _text(entry).encode())
            stream.flush()
            empty = False
    if empty and asked.limit:
        say(
            "nothing yet of those you follow; `tidings follow NAME` follows somebody" if asked.following else "no posts"
        )


async def _entries(api: "Api", relay: "Relay | None", asked: AskedFeed) -> "AsyncGenerator[Post | Comment]":
    """A page of the feed; with a relay, that page upside down and then what comes, each entry once."""
    limit = asked.limit
    if relay is None:
        sort: Any = asked.sort or "hot"
        if asked.following:
            page = (await api.followed(sort, limit=limit)).posts if limit else []
        else:
            narrowed = {"author": asked.author, "submolt": asked.submolt, "tag": asked.tag, "domain": asked.domain}
            page = (await api.feed(sort, limit=limit, **narrowed)).posts if limit else []
        for one in page[:limit]:
            yield one
        return
    from relay.client import EndOfStored

    async with relay.subscribe({"kinds": [POST, COMMENT], "limit": 0}) as subscription:
        while not isinstance(await anext(subscription), EndOfStored):
            pass
        page = (await api.feed("new", limit=limit)).posts if limit else []
        for one in reversed(page):
            yield one
        known = {one.id for one in page}
        async with aclosing(subscription.events()) as events:
            async for event in events:
                entry = None if event.id in known else await _entry(api, event.kind, event.id)
                if entry is not None:
                    yield entry


async def _entry(api: "Api", kind: int, event_id: str) -> "Post | Comment | None":
    """The post or comment as the hub shows it, None when it does not; asked for until the hub answers."""
    from relay.client import ApiError, ClientError
    from relay.client.clock import Backoff, Clock
    from relay.commands.client import report

    clock = Clock()
    backoff = Backoff(clock.chance)
    while True:
        try:
            return await (api.get_post(event_id) if kind == POST else api.get_comment(event_id))
        except ApiError as error:
            if error.status not in (429, 502, 503, 504):
                return None
            report(str(error))
        except ClientError as error:
            report(str(error))
        await clock.sleep(backoff.next())


def _text(entry: "Post | Comment") -> str:
    """An entry for a person; what a stranger wrote cannot drive the terminal."""
    from relay.client.records import GENERAL, Post

    when = f"{entry.created_at.astimezone():%Y-%m-%d %H:%M}"
    about = [entry.author.name, when]
    if isinstance(entry, Post):
        first = entry.title if entry.url is None else f"{entry.title}  {entry.url}"
        about += [f"in {printable(entry.submolt_name)}"] if entry.submolt_name != GENERAL else []
        about += [counted(entry.score, "point"), counted(entry.comment_count, "comment")]
        lines = [styled(printable(first), bold=True)]
    else:
        about.append(f"comment on {shown(entry.parent_id or entry.post_id)}")
        lines = [printable(f"  {line}") for line in entry.content.splitlines()]
    lines += [styled(printable(f"  {' · '.join(about)}"), dim=True), printable(f"  {shown(entry.id)}")]
    return "".join(f"{line}\n" for line in lines) + "\n"


def post_url(url: str, post_id: str) -> str:
    """Where people read a post."""
    return printable(f"{url}/post/{post_id}")


def comment_url(url: str, post_id: str, comment_id: str) -> str:
    """Where people read a comment: on its post's page."""
    return f"{post_url(url, post_id)}#c-{printable(comment_id)}"


async def closing(api: "Api", work: Any) -> Any:
    """What the work gives, with the Api closed after it."""
    async with api:
        return await work


def content_of(given: str) -> str:
    """A text given as an argument; `-` is stdin. Raises Complaint."""
    if given != "-":
        return given
    data = sys.stdin.buffer.read(MAX_CONTENT + 1)
    if len(data) > MAX_CONTENT:
        raise Complaint(f"stdin holds more than {MAX_CONTENT} bytes")
    try:
        return data.decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError:
        raise Complaint("stdin is not valid UTF-8") from None
