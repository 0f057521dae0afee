"""What search writes, inside the writer's transaction: its settings, its model, the vectors that were made."""

import sqlite3
from collections.abc import Sequence
from typing import Protocol

import msgspec

from relay.protocol import event as events
from storage.base import StorageError
from storage.search.chunks import Cutting, passages_of
from storage.search.engine import ModelMismatch
from storage.statements import named


class Model(msgspec.Struct, frozen=True):
    """A model as it is locked into the database."""

    name: str
    dimension: int


class SearchWriter(Protocol):
    """The part of the writer that search uses. Blocking, as `storage.base.Writer`."""

    def store_embeddings(self, model: Model, rows: Sequence[tuple[bytes, int]]) -> list[int]:
        """Keep (vector, passage) pairs; the passages that were still there.

        The first ones lock the model in. Raises ModelMismatch when another is locked in.
        """

    def adopt_model(self, model: Model) -> None:
        """Lock this model in instead of another; what has vectors of the other is pending from now on."""

    def forget_removed(self, number: int) -> None:
        """The index has forgotten what was removed up to this number."""


def prepare(connection: sqlite3.Connection) -> None:
    """Give the connection `passages_of` and `is_searched`, with the settings as the database has them."""
    cutting = settings(connection)
    searched = cutting.searched

    def cut(kind: int, wire: bytes, title: str | None, content: str | None) -> str:
        if kind not in searched:
            return "[]"
        return msgspec.json.encode(passages_of(cutting, events.parse(wire), title, content)).decode()

    connection.create_function("passages_of", 4, cut, deterministic=True)
    connection.create_function("is_searched", 1, searched.__contains__, deterministic=True)


def settings(connection: sqlite3.Connection) -> Cutting:
    """What is searched, as the passages are now; nothing where the database is older than search."""
    try:
        row = connection.execute(named("search")["settings"]).fetchone()
    except sqlite3.OperationalError:
        return Cutting()
    return msgspec.json.decode(row[0], type=Cutting) if row else Cutting()


def set_settings(connection: sqlite3.Connection, cutting: Cutting) -> None:
    """From now on this is searched."""
    connection.execute(named("search")["set_settings"], (msgspec.json.encode(cutting).decode(),))
    prepare(connection)


def model(connection: sqlite3.Connection) -> Model | None:
    """The model that is locked in."""
    value = connection.execute(named("search")["model"]).fetchone()[0]
    return msgspec.json.decode(value, type=Model) if value else None


def adopt(connection: sqlite3.Connection, chosen: Model) -> None:
    """Lock a model in."""
    connection.execute(named("search")["set_model"], (msgspec.json.encode(chosen).decode(),))


def store(connection: sqlite3.Connection, chosen: Model, rows: Sequence[tuple[bytes, int]]) -> list[int]:
    """See SearchWriter.store_embeddings."""
    locked = model(connection)
    if locked is None:
        adopt(connection, chosen)
    elif locked != chosen:
        raise mismatch(locked, chosen)
    kept = []
    for vector, passage in rows:
        if len(vector) != 4 * chosen.dimension:
            raise StorageError(f"a vector of {len(vector)} bytes is none of {chosen.name}")
        changed = connection.execute(named("search")["set_embedding"], (vector, chosen.name, passage)).rowcount
        if changed:
            kept.append(passage)
    return kept


def mismatch(locked: Model, chosen: Model) -> ModelMismatch:
    """What an operator is told."""
    return ModelMismatch(
        f"the database holds vectors of {locked.name} ({locked.dimension} numbers each), the settings name {chosen.name} "
        f"({chosen.dimension}); set search.embedder back, or run `tidings knowledge reembed` to make them again"
    )
