"""The statements of a derived table, put together once from its columns and the templates of `projections.sql`."""

from functools import lru_cache
from typing import Final

import msgspec

from relay.protocol.rows import Projection
from storage.sqlite.statements import named

COUNTERS: Final = ("upvotes", "downvotes", "uncounted", "comment_count")  # of posts and of comments, as `add` has them


class RowStatements(msgspec.Struct, frozen=True):
    """`stored[n]` reads the rows at places of n columns as JSON, in which the columns `blobs` are hex.

    `insert` and `replace` write rows, `delete` forgets them by primary key; `first_page` and `page` read keys in order.
    """

    stored: dict[int, str]
    blobs: tuple[int, ...]
    insert: str
    replace: str
    delete: str
    first_page: str
    page: str


def statements_of(projection: Projection) -> RowStatements:
    """The statements of a table."""
    return _made(projection.table, projection.row, projection.primary)


@lru_cache
def adding(table: str) -> str:
    """Adds to the counters of rows: values are (seq, *COUNTERS)."""
    return named("projections")["add"].format(table=table)


@lru_cache
def forgetting(table: str, column: str, with_names: bool) -> str:
    """Deletes the rows under others by their numbers; `with_names`: gives the number and the id of each."""
    block = "delete_named_under" if with_names else "delete_under"
    return named("projections")[block].format(table=table, column=column)


@lru_cache
def _made(table: str, row: type[msgspec.Struct], primary: tuple[str, ...]) -> RowStatements:
    columns = row.__struct_fields__
    blobs = tuple(at for at, field in enumerate(msgspec.structs.fields(row)) if field.type == bytes | None)
    values = {
        "table": table,
        "columns": ", ".join(columns),
        "key": ", ".join(primary),
        "seq": "seq" if "seq" in columns else "0",
        "after": ", ".join("?" * len(primary)),
        "changes": ", ".join(f"{column} = excluded.{column}" for column in columns if column not in primary),
    }
    texts = {name: named("projections")[name].format(**values) for name in ("insert", "replace", "first_page", "page")}
    stored = {
        width: named("projections")["stored"].format(
            table=table,
            columns=", ".join(f"hex({column})" if at in blobs else column for at, column in enumerate(columns)),
            places=_among(primary[:width], "places"),
        )
        for width in range(1, len(primary) + 1)
    }
    delete = named("projections")["delete"].format(table=table, places=_among(primary, "rows"))
    return RowStatements(stored=stored, blobs=blobs, delete=delete, **texts)


def _among(columns: tuple[str, ...], field: str) -> str:
    """The condition that these columns are one of `{field}`, which holds tuples.

    A plain SELECT stands around the VALUES: only then does SQLite look rows up by the key instead of scanning.
    """
    picked = ", ".join(f"column{at}" for at in range(1, len(columns) + 1))
    return f"({', '.join(columns)}) IN (SELECT {picked} FROM (VALUES {{{field}}}))"  # noqa: S608
