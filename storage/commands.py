"""Commands: what changes the store beside events, sent to the writer as events are, each in a transaction of its own.

A command is plain data, as are its result and a refusal (`failures.Failure`): MessagePack carries them, so that whoever sends
one need not be in the writer's process. The commands about identities are `storage.identities.commands`.
"""

from typing import Generic, TypeVar

import msgspec

from relay.protocol.filter import Filter
from relay.protocol.retention import RetentionRule

T = TypeVar("T")


class Command(msgspec.Struct, Generic[T], frozen=True, tag=True):
    """Something for the writer to do; `T` is what it gives."""


class Sweep(Command[int], frozen=True):
    """Remove at most `limit` events that have expired by now (NIP-40); how many went."""

    limit: int


class SetRetention(Command[None], frozen=True):
    """From now on events are kept for as long as these rules say (relay.protocol.retention)."""

    rules: list[RetentionRule]


class Dropped(msgspec.Struct, frozen=True):
    """A part of what is past its days is gone. `number`: so many events; `more`: another part may follow at once."""

    number: int
    more: bool


class DropPast(Command[Dropped], frozen=True):
    """Remove what is past its days by the rules of retention, without marks: a part as short as a batch."""


class RemoveMatching(Command[int], frozen=True):
    """The operator's removal of matching events, private ones too, with marks; how many went, 0 where there are none.

    At most `limit`, and fewer where a part is to be as short as a batch: it is given again until nothing goes.
    """

    wanted: Filter
    limit: int


class DropForeign(Command[int], frozen=True):
    """Remove what other keys than this one published of these kinds before they were refused; how many went.

    Once in the life of a database: what comes later was looked at when it came.
    """

    kinds: list[int]
    pubkey: str


class ListMembers(Command[None], frozen=True):
    """From now on the list of members (NIP-43) names so many of them; 0 is no list."""

    most: int


class Rebuilt(msgspec.Struct, frozen=True):
    """A part of a rebuild is done. `looked`: at how many rows."""

    looked: int
    following: "Rebuild | None" = None


class Rebuild(Command[Rebuilt], frozen=True):
    """Make the derived rows of these tables (none named: of all) again from the log: a part of them, as short as a batch.

    Whoever sends it sends the `following` of each answer too, until there is none; events are taken in between.
    """

    tables: list[str] = []
    stage: int = 0
    after: list[int | str] = []


class CountRows(Command[int], frozen=True):
    """How many derived rows there are."""


class ContinueGroups(Command[float | None], frozen=True):
    """Go on with what changes of groups left to do: a part as short as a batch; in how many seconds to go on, None when done.

    The events of a group whose readers changed are entered for those it is for now; what answers an event of a group and came
    first is taken in; a long list of members that is due is told; rows that many keys of follow from one change are made.
    """


class TryRoom(Command[None], frozen=True):
    """Keep so many bytes that mean nothing, in place of those of the last time; 0 is none. Fails where there is no room."""

    size: int


class Compact(Command[None], frozen=True):
    """Give free pages back and truncate the write-ahead log: what was removed is gone from the files."""


class KeepLinkPreview(Command[None], frozen=True):
    """Keep what the page that the post of this number links to says of itself (feed.LinkPreview); nothing where it is gone."""

    seq: int
    title: str
    description: str
    picture: str


class Model(msgspec.Struct, frozen=True):
    """A model of vectors, as it is locked into the database."""

    name: str
    dimension: int


class StoreVectors(Command[list[int]], frozen=True):
    """Keep (vector, passage) pairs, in the order of passages; the passages that were still there.

    The first ones lock the model in. Raises ModelMismatch when another serves and this one is not coming.
    """

    model: Model
    rows: list[tuple[bytes, int]]


class BeginModel(Command[None], frozen=True):
    """Vectors of this model may be kept beside those that serve."""

    model: Model


class AdoptModel(Command[None], frozen=True):
    """From now on this model serves; the vectors of all others are to be forgotten."""

    model: Model


class ForgetVectors(Command[bool], frozen=True):
    """Forget at most `number` vectors of models that neither serve nor come; whether there may be more."""

    number: int


class ForgetRemoved(Command[None], frozen=True):
    """The vector index has forgotten what was removed up to this number."""

    number: int
