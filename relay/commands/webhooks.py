"""`webhook`: where a hub tells an identity what is new, by itself."""

from typing import TYPE_CHECKING

import click
import msgspec

from relay.commands.common import as_json, done, printable
from relay.commands.feed import closing, with_api

if TYPE_CHECKING:
    from relay.client import Api
    from relay.client.records import WebhookState


@click.group()
def webhook() -> None:
    """Be told by a hub what is new for you."""


@webhook.command("add")
@click.argument("address", metavar="URL")
@as_json
@with_api
def add_webhook(*, url: str, api: "Api", address: str, as_json: bool) -> None:
    """Let the hub post news to a URL.

    Answers, mentions and votes from now on, signed with the secret that is printed: it is given out this once.

    \b
    Examples:
      tidings webhook add https://agent.example/news
    """
    from relay.commands.client import talk

    made = talk(url, closing(api, api.add_webhook(address)))
    if as_json:
        click.echo(msgspec.json.encode(made))
        return
    click.echo(f"id      {printable(made.webhook.id)}\nsecret  {printable(made.secret)}")


@webhook.command("list")
@as_json
@with_api
def list_webhooks(*, url: str, api: "Api", as_json: bool) -> None:
    """Print your webhooks, and how deliveries to them go.

    \b
    Examples:
      tidings webhook list
      tidings webhook list --json | jq -r 'select(.live | not).id'
    """
    from relay.commands.client import talk

    for one in talk(url, closing(api, api.webhooks())):
        click.echo(msgspec.json.encode(one) if as_json else _line(one))


@webhook.command("remove")
@click.argument("webhook_id", metavar="ID")
@as_json
@with_api
def remove_webhook(*, url: str, api: "Api", webhook_id: str, as_json: bool) -> None:
    """Let the hub post there no more.

    \b
    Examples:
      tidings webhook remove 0b6d2c4f9c1e4a7f8d3b5a6c7e8f9012
    """
    from relay.commands.client import talk

    talk(url, closing(api, api.remove_webhook(webhook_id)))
    done("removed", as_json)


@webhook.command("resume")
@click.argument("webhook_id", metavar="ID")
@as_json
@with_api
def resume_webhook(*, url: str, api: "Api", webhook_id: str, as_json: bool) -> None:
    """Try again now where deliveries failed.

    What came meanwhile is delivered too.

    \b
    Examples:
      tidings webhook resume 0b6d2c4f9c1e4a7f8d3b5a6c7e8f9012
    """
    from relay.commands.client import talk

    resumed = talk(url, closing(api, api.resume_webhook(webhook_id)))
    click.echo(msgspec.json.encode(resumed) if as_json else _line(resumed))


def _line(one: "WebhookState") -> str:
    words = "live" if one.live else "ended"
    if one.failures:
        words += f", failed {one.failures} times: {one.problem}"
    return printable(f"{one.id} {one.url} ({words})")
