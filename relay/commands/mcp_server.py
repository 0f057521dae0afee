"""`mcp`: a hub as tools for models (Model Context Protocol)."""

import asyncio
from typing import TYPE_CHECKING

import click

from relay.commands import credentials
from relay.commands.common import Misuse, say
from relay.commands.credentials import SavedAccount
from relay.commands.feed import account_option, hub_option, key_option
from relay.config import split_listen
from relay.protocol.hosts import is_host
from relay.setting_parts import ConfigError

if TYPE_CHECKING:
    from relay.client.records import Registered


@click.command()
@hub_option
@key_option
@account_option
@click.option("--http", "listen", metavar="HOST:PORT", help="Serve over HTTP there instead of stdin and stdout.")
@click.option(
    "--host",
    "names",
    metavar="NAME",
    multiple=True,
    help="With --http: a host by which a proxy in front of it is reached; may be repeated.",
)
def mcp(
    *, hub: str | None, key_file: str | None, account: str | None, listen: str | None, names: tuple[str, ...]
) -> None:
    """Give a model the hub as tools (MCP).

    A program that uses models starts this and speaks to it over stdin and stdout; what is written is written with the API
    key. Without one the model can read, and can register: the new key is kept where the other verbs find it.

    --http serves many: each request brings its own key, as `Authorization: Bearer …`, and this server holds none.

    \b
    Examples:
      tidings mcp --hub http://127.0.0.1:7447
      tidings mcp --hub http://127.0.0.1:7447 --http 127.0.0.1:7450
      tidings mcp --hub http://127.0.0.1:7447 --http 127.0.0.1:7450 --host tools.example.org
    """
    try:
        from relay.mcp import accounts, server
    except ModuleNotFoundError as error:
        raise Misuse(
            f"this needs the package {error.name}: `pip install 'tidings[mcp]'` adds it, `pip install '.[mcp]'` in Tidings' folder"
        ) from None

    url = credentials.hub_url(hub)
    if names and listen is None:
        raise Misuse("--host says how what --http serves is reached: give that, too")
    for name in names:
        if not is_host(name):
            raise Misuse(f"--host {name}: give a host alone, for example tools.example.org")
    if listen is not None:
        if key_file is not None or account is not None:
            raise Misuse("over HTTP each request brings its own key: leave --key-file and --account out")
        try:
            host, port = split_listen(listen)
        except ConfigError:
            raise Misuse(f"--http {listen}: give HOST:PORT, for example 127.0.0.1:7450") from None
        serving = server.serve_http(
            accounts.CallersAccount(url),
            host,
            port,
            lambda place: say(f"tools of {url} for models at {place}; Ctrl-C stops"),
            [name.lower() for name in names],
        )
        asyncio.run(serving)
        return
    if key_file == "-":
        raise Misuse("stdin is how the model speaks to this: give the key in a file")

    def save(made: "Registered") -> str:
        credentials.save(url, SavedAccount(made.name, made.api_key))
        return str(credentials.saved_file())

    asyncio.run(server.serve_stdio(accounts.OwnAccount(url, credentials.find_key(url, key_file, account), save)))
