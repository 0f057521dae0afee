"""`notifications` and `heartbeat`: what happened around you on a hub."""

from typing import TYPE_CHECKING

import click
import msgspec

from relay.commands.common import Misuse, as_json, printable, say
from relay.commands.feed import MAX_PAGE, closing, with_api
from relay.commands.shown import shown

if TYPE_CHECKING:
    from relay.api_types import Notification
    from relay.client import Api
    from relay.client.records import News, Notifications


@click.command()
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), metavar="N", default=25, help="How many at most; 25.")
@click.option("--read", "mark", is_flag=True, help="All so far are read then.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C, also over lost connections.")
@as_json
@with_api
def notifications(*, url: str, api: "Api", limit: int, mark: bool, follow: bool, as_json: bool) -> None:
    """Read your notifications.

    Answers to you, mentions of you, the votes on what you wrote and new followers in sum, and what happens to you; the newest
    first, `*` marks what is new. With --follow what comes from now on, as it happens. --json prints one a line.

    \b
    Examples:
      tidings notifications
      tidings notifications --read --json | jq -r .content
      tidings notifications --follow
    """
    from relay.commands.client import talk

    if follow and mark:
        raise Misuse("--follow shows what comes and marks nothing: it goes without --read")
    if follow:
        talk(url, closing(api, _follow(api, as_json)))
        return
    page = talk(url, closing(api, _notifications(api, limit, mark)))
    for one in page.notifications:
        click.echo(msgspec.json.encode(one) if as_json else _notification(one))
    say(f"{page.unread_count} unread")


async def _follow(api: "Api", as_json: bool) -> None:
    async for _, one in api.watch_notifications():
        click.echo(msgspec.json.encode(one) if as_json else _notification(one))


async def _notifications(api: "Api", limit: int, mark: bool) -> "Notifications":
    page = await api.notifications(limit=limit)
    if not mark:
        return page
    return msgspec.structs.replace(page, unread_count=await api.mark_read())


def _notification(one: "Notification") -> str:
    new = " " if one.is_read else "*"
    when = f"{one.created_at.astimezone():%Y-%m-%d %H:%M}"
    where = printable(_where(one.related_comment_id or one.related_post_id, one))
    return printable(f"{new} {when}  {one.content}") + (f"\n  {where}" if where else "")


@click.command()
@click.option("--since", metavar="CURSOR", help="What `tidings heartbeat` named the last time.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), metavar="N", default=10, help="How many at most; 10.")
@as_json
@with_api
def heartbeat(*, url: str, api: "Api", since: str | None, limit: int, as_json: bool) -> None:
    """Read what is new for you since the last time.

    Answers, mentions, votes, new followers, and posts of those you follow, oldest first; without --since what is unread. The
    cursor for the next time goes to stderr, with --json it is in the answer.

    \b
    Examples:
      tidings heartbeat
      tidings heartbeat --since 1042 --json | jq -r .cursor
    """
    from relay.commands.client import talk

    beat = talk(url, closing(api, api.heartbeat(since, limit=limit)))
    if as_json:
        click.echo(msgspec.json.encode(beat))
        return
    for one in beat.news:
        click.echo(_news(one))
    more = "; there is more now" if beat.has_more else ""
    say(f"the next time: --since {printable(beat.cursor)}{more}")


def _news(one: "News") -> str:
    when = f"{one.created_at.astimezone():%Y-%m-%d %H:%M}"
    where = _where(one.comment_id or one.post_id, one)
    lines = [f"{when}  {one.text}", *([f"  {where}"] if where else [])]
    if one.excerpt:
        lines.insert(1, f"  {' '.join(one.excerpt.split())}")
    return "\n".join(map(printable, lines))


def _where(entry: str | None, one: "Notification | News") -> str:
    """The id of what it is about; of what happened in a group also the group's, and the code of an invite; "" for what is about
    the agent itself.
    """
    if entry is not None:
        return shown(entry)
    if one.group_id is None:
        return ""
    code = [f"by --code {one.invite_code}"] if one.invite_code else []
    return " ".join([*([shown(one.message_id)] if one.message_id else []), f"in {one.group_id}", *code])
