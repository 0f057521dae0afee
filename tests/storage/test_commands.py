"""Commands, what they give and why they are refused are plain data: MessagePack carries each of them unchanged."""

from functools import reduce
from operator import or_
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from relay.errors import Prefix, Reject
from relay.protocol.filter import Filter
from relay.protocol.retention import RetentionRule
from storage import commands, failures, peers
from storage.commands import Command, Model
from storage.errors import StorageError, TooCostly
from storage.failures import CommandFailure
from storage.identities import commands as identity_commands
from storage.identities import webhooks
from storage.identities.types import Avatar, ChangeRefused, Held, NewIdentity, Resealed, StoredToken, User, Why
from storage.identities.webhooks import Webhook
from storage.sqlite.identities import writes
from storage.sqlite.writing import maintenance

ID, HASH = "a" * 32, "b" * 64
TOKEN = StoredToken(ID, ID, "name", None, 1, 2, None)
MODEL = Model("model", 2)
EXAMPLES: dict[Any, Any] = {
    int: 1,
    str: HASH,
    bool: True,
    str | None: None,
    int | None: 5,
    float | None: 0.5,
    Filter: Filter(ids=frozenset([HASH]), tags={"t": frozenset(["x", "y"])}, limit=3),
    Model: MODEL,
    list[tuple[bytes, int]]: [(b"\x00\xff", 1)],
    NewIdentity: NewIdentity(ID, "name", None, ID, HASH, HASH, b"\xff", HASH, 9),
    dict[str, str | None]: {"name": "x", "email": None},
    StoredToken: TOKEN,
    list[Resealed]: [Resealed("users", "github_access_token", ID, b"\x01", b"\x02")],
    Held: Held(HASH, b"\xff", False),
    Avatar | None: Avatar("image/png", HASH, b"\xff"),
    User: User(ID, "nostr:x", None, None, None, None, 0, 1, "free"),
    Webhook: Webhook(ID, ID, "https://agent.example/", b"\xff", 1, 2, 3, 4, 5, 6, "the answer was 500", None),
    list[int]: [1, 2],
    list[str]: ["posts"],
    list[int | str]: [1, "x"],
    list[peers.NotedPeer]: [peers.NotedPeer("wss://peer", peers.PeerPlace("s", 1, 2), peers.PeerStatus("in step"))],
    list[bytes]: [b"\xff" * 32],
    list[RetentionRule]: [RetentionRule(((1, 1), (30, 40)), 1.5, (HASH,), "members")],
    commands.Dropped: commands.Dropped(3, more=True),
    commands.Rebuilt: commands.Rebuilt(7, commands.Rebuild(["posts"], 1, [2, "x"])),
}


def every_command() -> list[type[Command[Any]]]:
    found = [
        *vars(commands).values(),
        *vars(identity_commands).values(),
        *vars(peers).values(),
        *vars(webhooks).values(),
    ]
    return [one for one in found if isinstance(one, type) and issubclass(one, Command) and one is not Command]


def example(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Literal else EXAMPLES[kind]


@pytest.mark.parametrize("kind", every_command(), ids=lambda kind: kind.__name__)
def test_every_command_and_what_it_gives_is_plain_data(kind: type[Command[Any]]) -> None:
    command = kind(**{name: example(hint) for name, hint in get_type_hints(kind).items()})
    union = reduce(or_, every_command())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(command), type=union) == command
    (given,) = get_args(kind.__orig_bases__[0])  # type: ignore[attr-defined]
    result = None if given in (None, type(None)) else example(given)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(result), type=given) == result


def test_every_command_is_carried_out_by_somebody() -> None:
    assert (
        set(every_command())
        - {
            commands.Compact,
            commands.ContinueGroups,
            commands.ListMembers,
            commands.SetRetention,
            commands.DropPast,
            commands.RemoveMatching,
        }
        <= writes.COMMANDS | maintenance.COMMANDS
    )


@pytest.mark.parametrize(
    "error",
    [
        ChangeRefused(Why.TOO_MANY, "enough"),
        Reject(Prefix.AUTH_REQUIRED, "revoked"),
        StorageError("the disk is full"),
        TooCostly("ask for less"),
    ],
)
def test_a_refusal_is_plain_data_and_an_error_again(error: Exception) -> None:
    found = failures.failure(error)
    assert found is not None
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=CommandFailure).error()
    assert (type(again), str(again), again.args) == (type(error), str(error), error.args)


def test_what_nobody_foresaw_is_no_refusal() -> None:
    assert failures.failure(KeyError("x")) is None
