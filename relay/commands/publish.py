"""`event` and `req`: making events and talking to a relay, ours or any other."""

import codecs
import hashlib
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from keys import schnorr
from relay.commands.common import Complaint, FiniteRange, Misuse, filter_argument, output, printable, say
from relay.commands.key_tools import with_secret
from relay.commands.progress import waiting
from relay.protocol import event as events
from relay.protocol import json_errors, kinds
from relay.protocol.filter import Filter

if TYPE_CHECKING:
    from relay.client import Relay

MAX_CONTENT: Final = 1024 * 1024  # bytes read from stdin or a template
MAX_POW: Final = 64  # bits; far beyond what anybody can find


class Template(msgspec.Struct):
    """What an event is to be made of: a JSON object; an `id` and a `sig` in it are not used."""

    kind: int = kinds.NOTE
    content: str = ""
    tags: list[events.Tag] = []
    created_at: int | None = None
    pubkey: str | None = None


def _tag(text: str) -> list[str]:
    """A tag given as NAME=VALUE or as a JSON list. Raises click.BadParameter."""
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=events.Tag)
        except msgspec.DecodeError as error:
            raise click.BadParameter(f"not a list of texts: {json_errors.in_words(str(error), data=text)}") from None
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter('write NAME=VALUE, or a JSON list such as ["e","<id>","","reply"]')
    return [name, value]


@click.command()
@click.argument("content", default="", metavar="[CONTENT|-]")
@click.option(
    "--kind", type=click.IntRange(0, kinds.MAX_KIND), metavar="N", help="Kind of event; 1 (a note) if not given."
)
@click.option(
    "-t", "--tag", "tags", type=_tag, multiple=True, metavar="TAG", help="NAME=VALUE or a JSON list; repeatable."
)
@click.option(
    "--created-at",
    type=click.IntRange(0, events.MAX_TIMESTAMP),
    metavar="SECONDS",
    help="Unix seconds; now if not given.",
)
@click.option("--from", "template", metavar="FILE", help="Take the fields from a JSON object in FILE (-: stdin).")
@click.option(
    "--pow",
    "bits",
    type=click.IntRange(1, MAX_POW),
    metavar="BITS",
    help="Mine an id with this many leading zero bits (NIP-13).",
)
@click.option("--publish", "urls", multiple=True, metavar="URL", help="Publish to this relay; repeatable.")
@click.option("--auth", is_flag=True, help="Authenticate to the relay first (NIP-42).")
@click.option(
    "--timeout", type=FiniteRange(min=0.1), metavar="SECONDS", default=10.0, help="Seconds an answer may take; 10."
)
@with_secret
def event(*, secret: Callable[[], bytes], urls: tuple[str, ...], auth: bool, timeout: float, **given: Any) -> None:
    """Make, sign and publish an event.

    Prints it as JSON. CONTENT - means stdin. The secret key comes from --secret-file, NOSTR_SECRET_KEY or `tidings
    key generate --save`, never from an argument. Exit code 1 when a relay refuses.

    \b
    Examples:
      tidings event "Hello" --publish ws://127.0.0.1:7447
      tidings event --kind 0 '{"name":"alice"}' --pow 16
      tidings event "me too" -t '["e","<id>","","reply"]' -t p=<pubkey>
      tidings event --from draft.json > signed.json
    """
    from relay.client.urls import check_relay
    from relay.commands.client import complaining

    for url in urls:
        with complaining(url):
            check_relay(url)
    stdin_uses = [given["content"], given["template"], click.get_current_context().params.get("secret_file")].count("-")
    if stdin_uses > 1:
        raise Misuse("stdin can be only one of content, template and secret key")
    draft = _draft(**{name: given[name] for name in ("content", "kind", "tags", "created_at", "template")})
    with complaining(""):
        made = _made(draft, secret(), given["bits"])
    output().write(events.wire(made) + b"\n")
    output().flush()
    if urls:
        _publish(made, urls, secret if auth else None, timeout)


def _draft(
    content: str, kind: int | None, tags: tuple[list[str], ...], created_at: int | None, template: str | None
) -> Template:
    """The template, with what the options say on top."""
    draft = Template()
    if template is not None:
        try:
            data = _read(template)
            draft = msgspec.json.decode(data, type=Template)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Complaint(f"{template}: {events.describe(error, data)}") from None
    if content:
        draft.content = _text(_read("-")) if content == "-" else content
    draft.kind = draft.kind if kind is None else kind
    draft.tags = [*draft.tags, *tags]
    draft.created_at = draft.created_at if created_at is None else created_at
    return draft


def _read(file: str) -> bytes:
    if file == "-":
        data = sys.stdin.buffer.read(MAX_CONTENT + 1)
    else:
        with Path(file).open("rb") as stream:
            data = stream.read(MAX_CONTENT + 1)
    if len(data) > MAX_CONTENT:
        raise Complaint(f"{'stdin' if file == '-' else file} holds more than {MAX_CONTENT} bytes")
    return data.removeprefix(codecs.BOM_UTF8)


def _text(data: bytes) -> str:
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise Complaint("stdin is not valid UTF-8") from None


def _made(draft: Template, secret: bytes, bits: int | None) -> events.Event:
    from relay.client import Key

    pubkey = schnorr.public_key(secret).hex()
    if draft.pubkey not in (None, pubkey):
        raise Complaint(f"the template is for the key {draft.pubkey}, but the secret is that of {pubkey}")
    created_at = int(time.time()) if draft.created_at is None else draft.created_at
    tags = draft.tags
    if bits is not None:
        with waiting(f"mining {bits} bits …"):
            tags = mine(pubkey, created_at, draft, bits)
    try:
        made = Key(secret).signed(draft.kind, draft.content, tags, created_at)
        return events.parse(events.wire(made))  # what we make obeys the rules for what we take
    except UnicodeEncodeError:
        raise Complaint("the event holds text that is not valid UTF-8") from None


def mine(pubkey: str, created_at: int, draft: Template, bits: int) -> list[list[str]]:
    """The draft's tags with a `nonce` that gives the event's id at least `bits` leading zero bits (NIP-13); takes 2**bits tries.

    The canonical bytes change only inside the last tag, so everything before it is hashed once.
    """
    kept = [tag for tag in draft.tags if tag[0] != "nonce"]
    data = events.serialize(pubkey, created_at, draft.kind, [*kept, ["nonce", "", str(bits)]], draft.content)
    tail = b'","%d"]],%s]' % (bits, msgspec.json.encode(draft.content))
    start = hashlib.sha256(data[: len(data) - len(tail)])
    bound = 1 << (256 - bits)
    nonce = 0
    while True:
        attempt = start.copy()
        attempt.update(b"%d%s" % (nonce, tail))
        if int.from_bytes(attempt.digest()) < bound:
            return [*kept, ["nonce", str(nonce), str(bits)]]
        nonce += 1


def _publish(made: events.Event, urls: tuple[str, ...], secret: Callable[[], bytes] | None, seconds: float) -> None:
    """Publish to each relay in turn. Raises Complaint at the end when one of them refused."""
    from relay.client import Key, Refused, Relay
    from relay.commands.client import report, talk

    signer = None if secret is None else Key(secret())

    async def publish(url: str) -> str:
        async with Relay(url, signer=signer, auth_first=signer is not None, timeout=seconds, report=report) as relay:
            try:
                return await relay.publish(made)
            except Refused as refusal:
                raise Complaint(f"{url} refused the event: {refusal}") from None

    failures = []
    for url in urls:
        try:
            words = talk(url, publish(url))
            say(f"{url} has it{f': {printable(words)}' if words else ''}")
        except Complaint as complaint:
            failures.append(complaint.message)
    if failures:
        raise Complaint("; ".join(failures))


@click.command()
@click.argument("url")
@click.argument("wanted", nargs=-1, type=filter_argument, metavar="FILTER...", required=True)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Limit of each filter that has none of its own.")
@click.option("--follow", is_flag=True, help="Go on with what comes later, until Ctrl-C.")
@click.option("--count", "only_count", is_flag=True, help="Only ask how many there are (NIP-45).")
@click.option("--auth", is_flag=True, help="Authenticate first (NIP-42).")
@click.option(
    "--timeout", type=FiniteRange(min=0.1), metavar="SECONDS", default=10.0, help="Seconds an answer may take; 10."
)
@with_secret
def req(
    *, url: str, wanted: tuple[Filter, ...], limit: int | None, follow: bool, only_count: bool, **rest: Any
) -> None:
    """Ask a relay for events.

    Prints what the relay at URL has for any FILTER as JSON lines. Events are verified; a forged one is reported and
    not printed. --follow connects again when the connection is lost, and misses nothing. Exit code 1 when the relay
    refuses.

    \b
    Examples:
      tidings req ws://127.0.0.1:7447 '{"kinds":[1],"limit":10}'
      tidings req wss://relay.example '{"authors":["<64 hex digits>"]}' --follow
      tidings req ws://127.0.0.1:7447 '{"kinds":[1059]}' --auth
    """
    from relay.client import Key, Relay
    from relay.commands.client import report, talk

    signer = Key(rest["secret"]()) if rest["auth"] else None
    relay = Relay(url, signer=signer, auth_first=rest["auth"], timeout=rest["timeout"], report=report)
    asked = tuple(_limited(one, limit) for one in wanted)
    if only_count:
        talk(url, _count(relay, asked))
    else:
        talk(url, _print(relay.subscribe(*asked).events() if follow else relay.stored(*asked)))


async def _count(relay: "Relay", wanted: tuple[Filter, ...]) -> None:
    async with relay:
        click.echo((await relay.count(*wanted)).total)


async def _print(found: AsyncGenerator[events.Event]) -> None:
    stream = output()
    async with aclosing(found):
        async for event in found:
            stream.write(events.wire(event) + b"\n")
            stream.flush()


def _limited(wanted: Filter, limit: int | None) -> Filter:
    return wanted if limit is None or wanted.limit is not None else msgspec.structs.replace(wanted, limit=limit)
