"""`issue_threads`: the issues that a thread's record names, `["e", <id>, "", "issue"]`."""

from typing import Final

import msgspec

from handlers.rows import records
from relay.protocol import kinds
from relay.protocol.rows import Projection, Sources

MARK: Final = "issue"
MAX_ISSUES: Final = 100  # of one thread


class IssueThreadFields(msgspec.Struct, frozen=True):
    """A row. `thread_id` is the group's id; `created_at` is that of the record."""

    thread_id: str
    issue_id: str
    created_at: int


def _rows(key: str, sources: Sources) -> list[IssueThreadFields]:
    group, live = records.group(key, sources, "thread"), records.record(key, sources)
    if group is None or live is None:
        return []
    tags = [tag[1] for tag in live.event.tags if tag[0] == "e" and MARK in tag[3:4] and kinds.is_hex(tag[1], 64)]
    return [IssueThreadFields(key, issue, live.event.created_at) for issue in list(dict.fromkeys(tags))[:MAX_ISSUES]]


PROJECTION: Final = Projection(
    "issue_threads",
    IssueThreadFields,
    ("thread_id", "issue_id"),
    records.GROUP_KINDS,
    records.keys,
    _rows,
    place=records.place,
    key_of=lambda row: str(row.thread_id),
    under=(("threads", "thread_id"),),
)
