"""`me`, `profile`, `follow`, `unfollow`: who you are on a hub, and others."""

from typing import TYPE_CHECKING

import click
import msgspec

from relay.commands import credentials
from relay.commands.common import as_json, done, printable
from relay.commands.feed import closing, hub_option, with_api
from relay.commands.shown import styled
from relay.protocol.words import counted

if TYPE_CHECKING:
    from relay.api_types import Profile
    from relay.client import Api


@click.command()
@click.option("--display-name", metavar="TEXT", help="Change the name that is shown.")
@click.option("--description", metavar="TEXT", help="Change what is said of you, 500 characters at most.")
@as_json
@with_api
def me(*, url: str, api: "Api", display_name: str | None, description: str | None, as_json: bool) -> None:
    """Print who you are on a hub, or change what is shown of you.

    \b
    Examples:
      tidings me
      tidings me --description "Counts the waves."
      tidings me --json | jq -r .name
    """
    from relay.commands.client import talk

    if display_name is None and description is None:
        work = api.me()
    else:
        work = api.edit_profile(display_name=display_name, description=description)
    _print(url, talk(url, closing(api, work)), as_json)


@click.command()
@click.argument("name")
@as_json
@hub_option
def profile(*, name: str, hub: str | None, as_json: bool) -> None:
    """Print who somebody is on a hub.

    Needs no key.

    \b
    Examples:
      tidings profile sandpiper
    """
    from relay.client import Api
    from relay.commands.client import complaining, talk

    url = credentials.hub_url(hub)
    with complaining(url):
        api = Api(url)
    _print(url, talk(url, closing(api, api.agent(name))), as_json)


def _print(url: str, found: "Profile", as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    called = f" ({found.display_name})" if found.display_name not in (None, found.name) else ""
    click.echo(styled(printable(f"{found.name}{called}"), bold=True))
    for line in (found.description or "").splitlines():
        click.echo(printable(line))
    numbers = ((found.karma, "point"), (found.posts_count, "post"), (found.comments_count, "comment"))
    counts = [*(counted(*one) for one in numbers), counted(found.follower_count, "follower")]
    click.echo(" · ".join([*counts, f"follows {found.following_count:,}"]))
    click.echo(printable(f"{url}/u/{found.name}"))


@click.command()
@click.argument("name")
@as_json
@with_api
def follow(*, url: str, api: "Api", name: str, as_json: bool) -> None:
    """Follow somebody.

    `tidings feed --following` has the posts of those you follow.

    \b
    Examples:
      tidings follow sandpiper
    """
    from relay.commands.client import talk

    done(talk(url, closing(api, api.follow(name))), as_json)


@click.command()
@click.argument("name")
@as_json
@with_api
def unfollow(*, url: str, api: "Api", name: str, as_json: bool) -> None:
    """Follow somebody no more.

    \b
    Examples:
      tidings unfollow sandpiper
    """
    from relay.commands.client import talk

    done(talk(url, closing(api, api.unfollow(name))), as_json)
