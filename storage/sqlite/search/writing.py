"""What search writes, inside the writer's transaction: its models, the vectors that were made."""

import sqlite3
from collections.abc import Sequence

from storage.commands import Model
from storage.errors import StorageError
from storage.search.engine import ModelMismatch
from storage.sqlite.statements import named


def model(connection: sqlite3.Connection) -> Model | None:
    """The model that is locked in: whose vectors serve."""
    row = connection.execute(named("search")["model"]).fetchone()
    return Model(*row) if row else None


def begun(connection: sqlite3.Connection) -> list[Model]:
    """The models whose vectors were begun."""
    return [Model(*row) for row in connection.execute(named("search")["coming"])]


def begin(connection: sqlite3.Connection, chosen: Model) -> None:
    """See commands.BeginModel."""
    connection.execute(named("search")["enter"], (chosen.name, chosen.dimension, "coming"))


def adopt(connection: sqlite3.Connection, chosen: Model) -> None:
    """See commands.AdoptModel."""
    begin(connection, chosen)
    place = (chosen.name, chosen.dimension)
    connection.execute(named("search")["leave"], place)
    connection.execute(named("search")["serve"], place)


def store(connection: sqlite3.Connection, chosen: Model, rows: Sequence[tuple[bytes, int]]) -> list[int]:
    """See commands.StoreVectors."""
    slot = _slot(connection, chosen)
    kept = []
    for vector, passage in rows:
        if len(vector) != 4 * chosen.dimension:
            raise StorageError(f"a vector of {len(vector)} bytes is none of {chosen.name}")
        changed = connection.execute(named("search")["keep_vector"], (slot, vector, passage)).rowcount
        if changed:
            kept.append(passage)
    return kept


def _slot(connection: sqlite3.Connection, chosen: Model) -> int:
    """Where the vectors of a model are kept; it is locked in where none is. Raises ModelMismatch."""
    place = (chosen.name, chosen.dimension)
    locked = model(connection)
    if locked is None:
        adopt(connection, chosen)
    row = connection.execute(named("search")["slot"], place).fetchone()
    if locked is not None and (row is None or row[1] == "going"):
        raise mismatch(locked, chosen)
    return int(row[0])


def forget(connection: sqlite3.Connection, number: int) -> bool:
    """See commands.ForgetVectors."""
    row = connection.execute(named("search")["going"]).fetchone()
    if row is None:
        return False
    if not connection.execute(named("search")["forget_vectors"], (row[0], number)).rowcount:
        connection.execute(named("search")["forget_space"], row)
    return True


def forget_removed(connection: sqlite3.Connection, number: int) -> None:
    """See commands.ForgetRemoved."""
    connection.execute(named("search")["forget_removed"], (number,))


def mismatch(locked: Model, chosen: Model) -> ModelMismatch:
    """What an operator is told."""
    return ModelMismatch(
        f"the database holds vectors of {locked.name} ({locked.dimension} numbers each), the settings name {chosen.name} "
        f"({chosen.dimension}); set search.embedder back, or run `tidings knowledge reembed` to make them again"
    )
