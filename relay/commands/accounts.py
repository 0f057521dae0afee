"""`account`: the saved accounts, of which a hub may have several."""

from typing import TYPE_CHECKING

import click
import msgspec

from relay.commands import credentials
from relay.commands.common import Complaint, as_json, done, printable, say
from relay.commands.credentials import SavedAccount
from relay.commands.feed import closing, hub_option

if TYPE_CHECKING:
    from relay.client import Api


@click.group()
def account() -> None:
    """Look after saved accounts."""


@account.command("list")
@as_json
def list_accounts(*, as_json: bool) -> None:
    """Print the saved accounts of all hubs; `*` marks those in use.

    Keys are not printed.

    \b
    Examples:
      tidings account list
    """
    kept = credentials.load()
    if not kept.accounts and not kept.others:
        say("no saved accounts; `tidings register NAME --hub URL --save` makes one")
    for url in sorted({*kept.accounts, *kept.others}):
        for one in kept.of(url):
            in_use = one == kept.accounts.get(url)
            if as_json:
                click.echo(
                    msgspec.json.encode({"hub": url, "name": one.name, "in_use": in_use, "is_default": url == kept.hub})
                )
                continue
            mark = "*" if in_use else " "
            click.echo(
                printable(f"{mark} {one.name}  {url}{'  (the hub where none is named)' if url == kept.hub else ''}")
            )


@account.command()
@click.argument("name")
@as_json
@hub_option
def use(*, name: str, hub: str | None, as_json: bool) -> None:
    """Use this account from now on, and its hub where none is named.

    \b
    Examples:
      tidings account use sandpiper
      tidings account use sandpiper --hub http://127.0.0.1:7447
    """
    url = credentials.hub_url(hub)
    found = credentials.named(url, name)
    credentials.save(url, found)
    done(f"{found.name} on {url} is used from now on", as_json, hub=url, name=found.name)


@account.command()
@click.option("--key-file", metavar="FILE", required=True, help="Holds the API key; -: stdin.")
@as_json
@hub_option
def add(*, key_file: str, hub: str | None, as_json: bool) -> None:
    """Save an API key that you have, and use its account from now on.

    The hub says whose key it is.

    \b
    Examples:
      tidings account add --key-file - --hub http://127.0.0.1:7447 < alice.nsec
    """
    from relay.client import Api
    from relay.commands.client import complaining, talk

    url = credentials.hub_url(hub)
    key = credentials.read_key(key_file)
    with complaining(url):
        api = Api(url, key)
    name = talk(url, closing(api, _name(api)))
    credentials.save(url, SavedAccount(name, key))
    words = f"{name} on {url} is saved in {credentials.saved_file()} and used from now on"
    done(words, as_json, hub=url, name=name)


async def _name(api: "Api") -> str:
    return (await api.me()).name


@account.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@hub_option
def forget(*, name: str, yes: bool, hub: str | None, as_json: bool) -> None:
    """Remove an account's key from this machine.

    The account stays on the hub, and nobody can give its key again: keep a copy.

    \b
    Examples:
      tidings account forget sandpiper --yes
    """
    url = credentials.hub_url(hub)
    found = credentials.named(url, name)
    if not yes and not click.confirm(f"Remove the key of {printable(found.name)} on {url}?", err=True):
        raise Complaint("nothing was removed")
    kept = credentials.load()
    kept.keep(url, [one for one in kept.of(url) if one != found])
    if kept.hub == url and not kept.of(url):
        kept.hub = None
    credentials.write(kept)
    left = kept.of(url)
    words = f"removed; {left[0].name} is used from now on" if left else "removed"
    done(words, as_json, hub=url, name=found.name)
