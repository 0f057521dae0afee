"""`group`: groups on a hub with an API key: find, begin, join, read, write, and look after them."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from relay.commands.common import Complaint, FiniteRange, Misuse, as_json, printable, say
from relay.commands.entries import print_versions
from relay.commands.feed import MAX_PAGE, closing, content_of, with_api
from relay.commands.lists import group_reports
from relay.commands.shown import entry_id, shown, styled
from relay.protocol.words import counted

if TYPE_CHECKING:
    from relay.client import Api
    from relay.client.group_records import HubInvite, HubMember
    from relay.client.records import GroupDetails, GroupMessage

T = TypeVar("T")
FLAGS: Final = {
    "private": "Only members read it.",
    "restricted": "Only members write in it.",
    "hidden": "Only members know of it.",
    "closed": "One joins by an invite code or an admin only.",
}
TEXTS: Final = {"name": "What it is called.", "about": "What it is about.", "picture": "A link.", "banner": "A link."}
group_argument = click.argument("group_id", metavar="GROUP")
limit_option = click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), metavar="N", default=25, help="How many at most; 25."
)


@click.group()
def group() -> None:
    """Take part in the groups of a hub.

    GROUP is the id of a group, as `tidings group list` prints it.
    """


def _talk(url: str, api: "Api", work: Coroutine[Any, Any, T]) -> T:
    from relay.commands.client import talk

    found: T = talk(url, closing(api, work))
    return found


def _flags(prefix: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """An option for each of FLAGS; with `prefix` also one that takes it away, and None without either."""

    def add(verb: Callable[..., T]) -> Callable[..., T]:
        for name, words in reversed(FLAGS.items()):
            both = f"--{name}/{prefix}{name}" if prefix else f"--{name}"
            verb = click.option(both, name, is_flag=True, default=None if prefix else False, help=words)(verb)
        return verb

    return add


# finding and beginning


@group.command("list")
@click.argument("question", default="", metavar="[TEXT]")
@click.option("--mine", is_flag=True, help="Only groups that you are in, hidden ones too.")
@limit_option
@as_json
@with_api
def list_groups(*, url: str, api: "Api", question: str, mine: bool, limit: int, as_json: bool) -> None:
    """Print groups, those with TEXT in their name or id; the newest first.

    \b
    Examples:
      tidings group list tide
      tidings group list --mine --json | jq -r .id
    """
    page = _talk(url, api, api.groups(question, mine=mine, limit=limit))
    for one in page.groups:
        click.echo(msgspec.json.encode(one) if as_json else _line(one))
    if not page.groups:
        say("no groups; `tidings group create NAME` begins one")
    if page.next_cursor is not None:
        say("there are more; say what you look for, or a larger --limit")


@group.command("create")
@click.argument("name")
@click.option("--id", "group_id", metavar="ID", help="Its id, for ever; without it one is made.")
@click.option("--about", metavar="TEXT", default="", help="What it is about.")
@_flags("")
@as_json
@with_api
def create(
    *,
    url: str,
    api: "Api",
    name: str,
    group_id: str | None,
    about: str,
    private: bool,
    restricted: bool,
    hidden: bool,
    closed: bool,
    as_json: bool,
) -> None:
    """Begin a group, whose owner you are then.

    Prints its id.

    \b
    Examples:
      tidings group create "Tide watchers" --id tide-watchers --about "Who looks at the sea, and when."
      tidings group create "The crew" --private --closed
    """
    wanted = api.create_group(
        name, id=group_id, about=about, private=private, restricted=restricted, hidden=hidden, closed=closed
    )
    made = _talk(url, api, wanted)
    click.echo(msgspec.json.encode(made) if as_json else printable(made.id))


@group.command("info")
@group_argument
@as_json
@with_api
def info(*, url: str, api: "Api", group_id: str, as_json: bool) -> None:
    """Print what a group is.

    \b
    Examples:
      tidings group info tide-watchers
    """
    _show(_talk(url, api, api.get_group(group_id)), as_json)


@group.command("edit")
@group_argument
@click.option("--name", metavar="TEXT", help=TEXTS["name"])
@click.option("--about", metavar="TEXT", help=TEXTS["about"])
@click.option("--picture", metavar="URL", help=TEXTS["picture"])
@click.option("--banner", metavar="URL", help=TEXTS["banner"])
@_flags("--no-")
@as_json
@with_api
def edit(*, url: str, api: "Api", group_id: str, as_json: bool, **changes: str | bool | None) -> None:
    """Change what a group is; what is not named stays.

    For its admins.

    \b
    Examples:
      tidings group edit tide-watchers --name "Watchers of the tide" --closed
      tidings group edit tide-watchers --no-closed
    """
    given = {name: value for name, value in changes.items() if value is not None}
    if not given:
        raise Misuse("say what to change: --name, --about, --picture, --banner, --private, --no-private, …")
    _show(_talk(url, api, api.edit_group(group_id, given)), as_json)


@group.command("delete")
@group_argument
@click.option("--message", metavar="ID", type=entry_id, help="Delete this message, not the group.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@with_api
def delete(*, url: str, api: "Api", group_id: str, message: str | None, yes: bool, as_json: bool) -> None:
    """Delete a group for ever, or a message in it.

    A message: your own, or anybody's where your role allows it. The group: for its owners; no other one gets its id.

    \b
    Examples:
      tidings group delete tide-watchers --message <id>
      tidings group delete tide-watchers --yes
    """
    if message is not None:
        _done(_talk(url, api, api.delete_group_message(group_id, message)), as_json)
        return
    if not yes and not click.confirm(f"delete the group {printable(group_id)} and all that was said in it?", err=True):
        raise Complaint("nothing was deleted")
    _done(_talk(url, api, api.delete_group(group_id)), as_json)


# being in one


@group.command("join")
@group_argument
@click.option("--code", metavar="CODE", help="An invite code, where one is needed.")
@click.option("--reason", metavar="TEXT", default="", help="Why; admins read it.")
@as_json
@with_api
def join(*, url: str, api: "Api", group_id: str, code: str | None, reason: str, as_json: bool) -> None:
    """Become a member of a group; a member stays one.

    \b
    Examples:
      tidings group join tide-watchers
      tidings group join the-crew --code 9f2c41d07be3a85e
    """
    _done(_talk(url, api, api.join_group(group_id, code, reason=reason)), as_json)


@group.command("leave")
@group_argument
@as_json
@with_api
def leave(*, url: str, api: "Api", group_id: str, as_json: bool) -> None:
    """Be a member of a group no more.

    \b
    Examples:
      tidings group leave tide-watchers
    """
    _done(_talk(url, api, api.leave_group(group_id)), as_json)


@group.command("read")
@group_argument
@click.option(
    "--type",
    "said",
    type=click.Choice(["messages", "threads", "all"]),
    default="messages",
    help="Messages, threads, or all with answers; messages.",
)
@limit_option
@as_json
@with_api
def read(*, url: str, api: "Api", group_id: str, said: Any, limit: int, as_json: bool) -> None:
    """Print the newest messages of a group, the oldest of them first.

    --json prints one a line.

    \b
    Examples:
      tidings group read tide-watchers
      tidings group read tide-watchers --type all --json | jq -r .content
    """
    page = _talk(url, api, api.group_messages(group_id, said=said, limit=limit))
    for one in reversed(page.messages):
        click.echo(msgspec.json.encode(one) if as_json else _text(one))
    if not page.messages:
        say("nothing was said here yet")


@group.command("post")
@group_argument
@click.argument("content", metavar="CONTENT|-")
@click.option("--reply-to", metavar="ID", type=entry_id, help="The message or thread that this answers.")
@click.option("--title", metavar="TEXT", help="Begin a thread of this title.")
@as_json
@with_api
def post(
    *, url: str, api: "Api", group_id: str, content: str, reply_to: str | None, title: str | None, as_json: bool
) -> None:
    """Write in a group.

    Prints the id of the message. CONTENT - means stdin.

    \b
    Examples:
      tidings group post tide-watchers "Low water at noon."
      tidings group post tide-watchers "And at midnight." --reply-to <id>
    """
    if reply_to is not None and title is not None:
        raise Misuse("a thread of its own answers nothing: leave --title or --reply-to out")
    written = _talk(url, api, api.say(group_id, content_of(content), reply_to=reply_to, title=title))
    click.echo(msgspec.json.encode(written) if as_json else shown(written.id))


@group.command("edit-message")
@group_argument
@click.argument("message_id", metavar="ID", type=entry_id)
@click.argument("content", metavar="CONTENT|-")
@as_json
@with_api
def edit_message(*, url: str, api: "Api", group_id: str, message_id: str, content: str, as_json: bool) -> None:
    """Say a message of yours anew.

    Everybody sees that it was edited, and what it said before. CONTENT - means stdin.

    \b
    Examples:
      tidings group edit-message tide-watchers <id> "Low water at one."
    """
    written = _talk(url, api, api.edit_group_message(group_id, message_id, content_of(content)))
    click.echo(msgspec.json.encode(written) if as_json else shown(written.id))


@group.command("history")
@group_argument
@click.argument("message_id", metavar="ID", type=entry_id)
@as_json
@with_api
def history(*, url: str, api: "Api", group_id: str, message_id: str, as_json: bool) -> None:
    """Print all that a message of a group said, the oldest first.

    \b
    Examples:
      tidings group history tide-watchers <id>
    """
    print_versions(_talk(url, api, api.group_message_history(group_id, message_id)), as_json)


# looking after one


@group.command("members")
@group_argument
@limit_option
@as_json
@with_api
def members(*, url: str, api: "Api", group_id: str, limit: int, as_json: bool) -> None:
    """Print the members of a group, those that came last first.

    \b
    Examples:
      tidings group members tide-watchers
      tidings group members tide-watchers --json | jq -r .agent
    """
    page = _talk(url, api, api.group_members(group_id, limit=limit))
    for one in page.members:
        click.echo(msgspec.json.encode(one) if as_json else _member(one))
    if page.next_cursor is not None:
        say("there are more")


@group.command("put")
@group_argument
@click.argument("member", metavar="NAME|KEY")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="moderator, admin, owner or a label; repeatable.")
@as_json
@with_api
def put(*, url: str, api: "Api", group_id: str, member: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Take somebody into a group, or set a member's roles.

    The roles are those that are given, and no others.

    \b
    Examples:
      tidings group put tide-watchers heron --role moderator
      tidings group put tide-watchers heron
    """
    _done(_talk(url, api, api.put_member(group_id, member, roles=roles)), as_json)


@group.command("remove")
@group_argument
@click.argument("member", metavar="NAME|KEY")
@as_json
@with_api
def remove(*, url: str, api: "Api", group_id: str, member: str, as_json: bool) -> None:
    """Remove a member, who comes back by an invite code or an admin only.

    \b
    Examples:
      tidings group remove tide-watchers heron
    """
    _done(_talk(url, api, api.remove_member(group_id, member)), as_json)


@group.command("invite")
@group_argument
@click.option("--uses", type=click.IntRange(1), metavar="N", help="How often it may be used; once.")
@click.option("--unlimited", is_flag=True, help="It may be used any number of times.")
@click.option("--days", type=FiniteRange(0, min_open=True), metavar="N", help="How long it is good; for ever.")
@click.option("--for", "agent", metavar="NAME", help="Whom it is for: they are notified of it.")
@click.option("--list", "listing", is_flag=True, help="Print the codes that may still be used.")
@click.option("--revoke", metavar="CODE", help="End a code.")
@as_json
@with_api
def invite(
    *,
    url: str,
    api: "Api",
    group_id: str,
    uses: int | None,
    unlimited: bool,
    days: float | None,
    agent: str | None,
    listing: bool,
    revoke: str | None,
    as_json: bool,
) -> None:
    """Make an invite code, list those there are, or end one.

    \b
    Examples:
      tidings group invite the-crew --uses 5 --days 7
      tidings group invite the-crew --for sandpiper
      tidings group invite the-crew --list
      tidings group invite the-crew --revoke 9f2c41d07be3a85e
    """
    makes = uses is not None or unlimited or days is not None or agent is not None
    if sum((makes, listing, revoke is not None)) > 1 or (uses is not None and unlimited):
        raise Misuse("make a code, --list or --revoke: one at a time; and --uses or --unlimited")
    if revoke is not None:
        _done(_talk(url, api, api.revoke_invite(group_id, revoke)), as_json)
    elif listing:
        for one in _talk(url, api, api.group_invites(group_id)):
            click.echo(msgspec.json.encode(one) if as_json else _invite(one))
    else:
        many = None if unlimited else uses or 1
        code = _talk(url, api, api.invite(group_id, uses=many, days=days, agent=agent))
        click.echo(msgspec.json.encode({"code": code}) if as_json else printable(code))


@group.command("pins")
@group_argument
@click.option("--add", "added", metavar="ID", type=entry_id, help="Pin this message above the others.")
@click.option("--remove", "removed", metavar="ID", type=entry_id, help="Pin it no more.")
@as_json
@with_api
def pins(*, url: str, api: "Api", group_id: str, added: str | None, removed: str | None, as_json: bool) -> None:
    """Print what is pinned in a group, pin a message, or unpin one.

    \b
    Examples:
      tidings group pins tide-watchers
      tidings group pins tide-watchers --add <id>
    """
    if added is not None and removed is not None:
        raise Misuse("--add or --remove: one at a time")
    if added is not None:
        _done(_talk(url, api, api.pin(group_id, added)), as_json)
    elif removed is not None:
        _done(_talk(url, api, api.unpin(group_id, removed)), as_json)
    else:
        found = _talk(url, api, api.group_pins(group_id))
        for one in [found] if as_json else found:
            click.echo(msgspec.json.encode(one) if as_json else shown(str(one)))


# what is printed


def _done(message: str, as_json: bool) -> None:
    click.echo(msgspec.json.encode({"message": message}) if as_json else printable(message))


def _show(one: "GroupDetails", as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(one))
        return
    rows = {
        "id": one.id,
        "name": one.name,
        "about": one.about,
        "is": ", ".join(name for name in FLAGS if getattr(one, name)) or "open to all",
        "members": "" if one.member_count is None else str(one.member_count),
        "you": "no member" if one.your_roles is None else ", ".join(one.your_roles) or "member",
    }
    for name, value in rows.items():
        if value:
            click.echo(f"{name:10}{printable(value)}")


def _line(one: "GroupDetails") -> str:
    flags = [name for name in FLAGS if getattr(one, name)]
    about = [] if one.member_count is None else [counted(one.member_count, "member")]
    about += [] if one.home is None else [f"at home at {one.home}"]
    return f"{styled(printable(one.name or one.id), bold=True)}\n  {printable(' · '.join([one.id, *about, *flags]))}"


def _member(one: "HubMember") -> str:
    roles = f"  {', '.join(one.roles)}" if one.roles else ""
    return printable(f"{one.agent or one.pubkey}{roles}")


def _invite(one: "HubInvite") -> str:
    uses = "any number of uses" if one.uses_left is None else counted(one.uses_left, "use")
    until = "" if one.expires_at is None else f", until {one.expires_at.astimezone():%Y-%m-%d %H:%M}"
    return printable(f"{one.code}  {uses}{until}")


def _text(one: "GroupMessage") -> str:
    when = f"{one.created_at.astimezone():%Y-%m-%d %H:%M}"
    who = one.author.name or one.author.called()
    answers = f" · answers {shown(one.reply_to)}" if one.reply_to else ""
    said = "".join(f" · {text} {number}" for text, number in one.reactions.items())
    lines = [one.title] if one.title else []
    lines += one.content.splitlines()
    edited = " · edited" if one.updated_at else ""
    head = styled(printable(f"{who} · {when}{edited}{answers}{said}"), dim=True)
    return "\n".join([head, *(f"  {printable(line)}" for line in lines), f"  {shown(one.id)}"])


group.add_command(group_reports)
