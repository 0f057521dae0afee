"""The feed, slow and obvious: all rows of all tables from nothing but the live events and whose keys there are."""

import math
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from relay.protocol.event import Event

Row = tuple[object, ...]


class Live(msgspec.Struct, frozen=True):
    """An event in the log: its number, when it came, whether everybody may read it, and the group of this relay that it is in.

    What names an event of a group that is not here is read by nobody, as that is (tests/storage/groups): no row shows it.
    """

    seq: int
    event: Event
    received_at: int
    expires_at: int | None
    public: bool
    group: str | None = None


class World(msgspec.Struct, frozen=True):
    """Everything that rows may depend on."""

    live: list[Live]
    owners: dict[str, str]  # pubkey -> identity
    uncounted: frozenset[str]  # identities whose votes do not count
    numbers: dict[str, int]  # identity -> its number

    def of(self, kind: int) -> list[Live]:
        """The live events of a kind that somebody here signed and everybody may read."""
        return [one for one in self.live if one.public and one.event.kind == kind and one.event.pubkey in self.owners]

    def owner(self, one: Live) -> str:
        """The identity behind an event."""
        return self.owners[one.event.pubkey]


def first(event: Event, name: str) -> str | None:
    """The value of the first tag of that name."""
    tags = [tag for tag in event.tags if tag[0] == name]
    return tags[0][1] if tags and len(tags[0]) > 1 else None


def last(event: Event, name: str) -> str | None:
    """The value of the last tag of that name."""
    tags = [tag for tag in event.tags if tag[0] == name]
    return tags[-1][1] if tags and len(tags[-1]) > 1 else None


def elsewhere(one: Live) -> bool:
    """Whether it names a group, and is in none of this relay."""
    return one.group is None and any(tag[0] == "h" for tag in one.event.tags)


def title(event: Event) -> str | None:
    """A title that can be shown."""
    given = first(event, "title")
    return given if given is not None and given.replace(" ", "") != "" and len(given) <= 300 else None


def newest(some: Iterable[Live]) -> Live | None:
    """The newest event, of equals the one with the lowest id."""
    return min(some, key=lambda one: (-one.event.created_at, one.event.id), default=None)


def newest_edit(world: World, one: Live) -> Live | None:
    """The newest edit of a post or a comment by its own identity; nobody reads one that names a group which is not here."""
    edits = [e for e in world.of(1010) if first(e.event, "e") == one.event.id and world.owner(e) == world.owner(one)]
    edits = [e for e in edits if not elsewhere(e)]
    return newest(edits)


def posts(world: World) -> dict[str, dict[str, object]]:
    """Posts by id, counters left out."""
    found = {}
    for one in world.of(11):
        post = one.event
        if elsewhere(one):
            continue
        edit = newest_edit(world, one)
        shown = (title(edit.event) if edit else None) or title(post)
        if shown is None:
            continue
        links = [tag[1] for tag in post.tags if tag[0] == "r" and len(tag) > 1]
        links = [link for link in links if link.lower().startswith(("http://", "https://")) and len(link) <= 2048]
        found[post.id] = {
            **signed(world, one),
            "posting_identity_number": world.numbers[world.owner(one)],
            "title": shown,
            "content": edit.event.content if edit else post.content,
            "updated_at": edit.event.created_at if edit else None,
            "url": links[0] if links else None,
            "group_id": one.group,
        }
    return found


def topics(world: World, posts: Mapping[str, dict[str, object]]) -> list[dict[str, object]]:
    """What each post is about: words of its title and text that begin with `#`, its `t` tags, and the host it links to.

    A `t` tag that is a word of a text which was edited away goes with it.
    """
    found = []
    for one in world.of(11):
        row = posts.get(one.event.id)
        if row is None:
            continue
        words = [word for word in f"{row['title']} {row['content']}".split() if word.startswith("#")]
        was = f"{title(one.event) or ''} {one.event.content}".lower().split()
        edited = (title(one.event), one.event.content) != (row["title"], row["content"])
        tags = [f"#{tag[1]}" for tag in one.event.tags if tag[0] == "t" and len(tag) > 1]
        words += [tag for tag in tags if not edited or tag.lower() not in was]
        host = urlsplit(str(row["url"] or "")).hostname
        about = {word.lower() for word in words} | ({host} if host else set())
        found += [{"seq": one.seq, "topic": topic, "created_at": one.event.created_at} for topic in about]
    return found


def comments(world: World, posts: Mapping[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Comments by id, counters left out."""
    plain = {one.event.id: one for one in world.of(1111) if not elsewhere(one)}
    found = {}
    for one in plain.values():
        comment = one.event
        root, parent = first(comment, "E"), first(comment, "e")
        if root not in posts:
            continue
        above = plain.get(parent or "")
        edit = newest_edit(world, one)
        nested = parent != root and above is not None and first(above.event, "E") == root
        found[comment.id] = {
            **signed(world, one),
            "post_id": root,
            "post_seq": posts[root]["seq"],
            "parent_id": parent if nested else None,
            "parent_seq": above.seq if nested and above else None,
            "content": edit.event.content if edit else comment.content,
            "updated_at": edit.event.created_at if edit else None,
        }
    return found


def signed(world: World, one: Live) -> dict[str, object]:
    """What posts and comments share."""
    return {
        "seq": one.seq,
        "id": one.event.id,
        "posting_identity_id": world.owner(one),
        "pubkey": one.event.pubkey,
        "created_at": one.event.created_at,
        "first_seen": one.received_at,
        "expires_at": one.expires_at,
    }


def votes(world: World, targets: Iterable[str], sign: str) -> set[Row]:
    """(target, voter, created_at, event, counts) of the votes up (`+`) or down (`-`) on these targets."""
    said: dict[tuple[str, str], list[Live]] = {}
    for one in world.of(7):
        target = last(one.event, "e")
        if one.event.content in ("+", "", "-") and target in targets:
            said.setdefault((target or "", world.owner(one)), []).append(one)
    found = set()
    for (target, voter), ballots in said.items():
        vote = newest(ballots)
        assert vote is not None
        if (vote.event.content == "-") == (sign == "-"):
            counts = 0 if voter in world.uncounted else 1
            found.add((target, voter, vote.event.created_at, vote.event.id, counts))
    return found


def feed(world: World) -> dict[str, list[dict[str, object]]]:
    """Every row of every table of the feed, by table, in no order."""
    all_posts = posts(world)
    all_comments = comments(world, all_posts)
    tables: dict[str, list[dict[str, object]]] = {}
    for name, rows in (("post", all_posts), ("comment", all_comments)):
        up, down = votes(world, rows, "+"), votes(world, rows, "-")
        for way, found in (("up", up), ("down", down)):
            columns = (f"{name}_id", "voter_id", "created_at", "event_id", "counts")
            tables[f"{name}_{way}votes"] = [
                {**dict(zip(columns, row, strict=True)), f"{name}_seq": rows[row[0]]["seq"]} for row in found
            ]
        under = "post_id" if name == "post" else "parent_id"
        for row in rows.values():
            upvotes = sum(1 for vote in up if vote[0] == row["id"] and vote[4])
            downvotes = sum(1 for vote in down if vote[0] == row["id"] and vote[4])
            row["upvotes"], row["downvotes"], row["score"] = upvotes, downvotes, upvotes - downvotes
            row["uncounted"] = sum(1 for vote in up | down if vote[0] == row["id"] and not vote[4])
            row["comment_count"] = sum(1 for comment in all_comments.values() if comment[under] == row["id"])
            since = min(int(str(row["created_at"])), int(str(row["first_seen"])))
            row["hot"] = math.log10(max(upvotes - downvotes, 1)) + since / 45000
        tables[f"{name}s"] = list(rows.values())
    tables["post_topics"] = topics(world, all_posts)
    return tables
