"""`keys list` and `keys choose`: the keys of an identity, and which of them signs."""

from typing import TYPE_CHECKING, Final

import click
import msgspec

from keys import encoding
from relay.commands.common import Misuse, as_json
from relay.commands.feed import closing, with_api
from relay.protocol.kinds import is_hex

if TYPE_CHECKING:
    from relay.api_types import KeyRow
    from relay.client import Api


@click.command("list")
@as_json
@with_api
def list_keys(*, url: str, api: "Api", as_json: bool) -> None:
    """Print the keys of your identity.

    The main key signs what you write over HTTP and is shown with your profile.

    \b
    Examples:
      tidings keys list
      tidings keys list --json | jq -r 'select(.main).pubkey'
    """
    from relay.commands.client import talk

    _print(talk(url, closing(api, api.keys())), as_json)


@click.command()
@click.argument("pubkey", metavar="NPUB|HEX")
@as_json
@with_api
def choose(*, pubkey: str, url: str, api: "Api", as_json: bool) -> None:
    """Make a bound key your main key, and print all of them.

    Where that is a key of your own, the hub hands out what you write over HTTP for you to sign.

    \b
    Examples:
      tidings keys choose npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6
    """
    from relay.commands.client import talk

    try:
        wanted = pubkey if is_hex(pubkey, 64) else encoding.decode("npub", pubkey)
    except ValueError:
        raise Misuse("a public key is npub1… or 64 lower-case hex digits") from None
    _print(talk(url, closing(api, api.choose_key(wanted))), as_json)


def _print(rows: "list[KeyRow]", as_json: bool) -> None:
    for row in rows:
        if as_json:
            click.echo(msgspec.json.encode(row))
            continue
        words = ["main" if row.main else "bound" if row.bound else "unbound", "held" if row.held else "own"]
        click.echo(" ".join([encoding.encode("npub", row.pubkey), *words, *(["retired"] if row.retired_at else [])]))


VERBS: Final = (list_keys, choose)
