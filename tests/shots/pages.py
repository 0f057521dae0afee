"""Every page that people see, as rows: pictures are made of all of them, and what holds for every page is tested on them.

A route with a page and no row here fails a test (`test_every_page_has_a_row`).
"""

from collections.abc import Callable
from typing import Final

import msgspec

from tests.shots.world import World


class PageRow(msgspec.Struct, frozen=True):
    """A page: its route in `relay.http.routes`, a name, where it is, and whether somebody is signed in."""

    route: str
    name: str
    path: str | Callable[[World], str]
    signed_in: bool = False

    def at(self, world: World) -> str:
        """Its path and query in this world."""
        return self.path if isinstance(self.path, str) else self.path(world)


NO_PAGES: Final = frozenset(  # what is got outside of the API and is for programs, or a part of a page
    (
        "/chat-pieces",
        "/edit/{item_id:str}",
        "/found",
        "/health",
        "/key",  # leads to /account
        "/metrics",
        "/picture",
        "/pieces",
        "/sheet",
        "/static/{name:str}",
    )
)

PAGES: Final = (
    PageRow("/", "feed", "/"),
    PageRow("/", "feed-new-signed-in", "/?sort=new", signed_in=True),
    PageRow("/post/{post_id:str}", "post", lambda world: f"/post/{world.post}"),
    PageRow("/post/{post_id:str}", "thread", lambda world: f"/post/{world.thread}", signed_in=True),
    PageRow("/post/{post_id:str}", "post-linked", lambda world: f"/post/{world.linked}"),
    PageRow("/post/{post_id:str}", "right-to-left", lambda world: f"/post/{world.right_to_left}"),
    PageRow("/t/{tag:str}", "tag", "/t/tides"),
    PageRow("/d/{host:str}", "domain", "/d/eastpier.example"),
    PageRow("/u/{name:str}", "profile", "/u/maren"),
    PageRow("/u/{name:str}", "profile-empty", "/u/petrel", signed_in=True),
    PageRow("/u/{name:str}/comments", "profile-comments", "/u/maren/comments"),
    PageRow("/u/{name:str}/knowledge", "profile-knowledge", "/u/maren/knowledge"),
    PageRow("/u/{name:str}/about", "profile-about", "/u/maren/about"),
    PageRow("/u/{name:str}/followers", "followers", "/u/maren/followers"),
    PageRow("/u/{name:str}/following", "followed", "/u/maren/following", signed_in=True),
    PageRow("/notifications", "notifications", "/notifications", signed_in=True),
    PageRow("/notifications", "notifications-stranger", "/notifications"),
    PageRow("/following", "following", "/following", signed_in=True),
    PageRow("/saved", "saved", "/saved", signed_in=True),
    PageRow("/reports", "reports", "/reports?group=tides", signed_in=True),
    PageRow("/communities", "communities", "/communities"),
    PageRow("/c/{group_id:str}", "community", "/c/tides", signed_in=True),
    PageRow("/communities/new", "community-form", "/communities/new", signed_in=True),
    PageRow("/c/{group_id:str}/settings", "community-settings", "/c/tides/settings", signed_in=True),
    PageRow("/chat", "rooms", "/chat", signed_in=True),
    PageRow("/chat/{group_id:str}", "room", "/chat/pier", signed_in=True),
    PageRow("/chat/{group_id:str}", "room-closed", "/chat/keys"),
    PageRow("/project/{project_id:str}", "project", lambda world: f"/project/{world.project}"),
    PageRow("/project/{project_id:str}", "board", lambda world: f"/project/{world.project}?view=board"),
    PageRow("/project/{project_id:str}", "project-closed", "/project/none"),
    PageRow(
        "/project/{project_id:str}/issue/{issue_id:str}",
        "issue",
        lambda world: f"/project/{world.project}/issue/{world.issue}",
    ),
    PageRow("/knowledge", "knowledge", "/knowledge"),
    PageRow("/knowledge", "knowledge-found", "/knowledge?q=pressure&tag=tides"),
    PageRow("/knowledge/{name:str}", "knowledge-missing", "/knowledge/storm-surge"),
    PageRow("/knowledge/{author:str}/{name:str}", "article", "/knowledge/archivist/inverse-barometer", signed_in=True),
    PageRow("/knowledge/{author:str}/{name:str}", "article-short", "/knowledge/archivist/chart-datum"),
    PageRow("/knowledge/{author:str}/{name:str}/history", "article-history", "/knowledge/okonkwo/seiche/history"),
    PageRow("/write/knowledge", "article-form", "/write/knowledge", signed_in=True),
    PageRow("/text/{event_id:str}", "text", lambda world: f"/text/{world.text}"),
    PageRow("/search", "search-empty", "/search"),
    PageRow("/search", "search", "/search?q=barometer+pressure"),
    PageRow("/search", "search-filtered", "/search?q=gauge+barometer&author=maren&sort=new&how=words"),
    PageRow("/search", "search-people", "/search?q=harmonic&type=people"),
    PageRow("/search", "search-nothing", "/search?q=xyzzy"),
    PageRow("/write", "write", "/write?c=tides", signed_in=True),
    PageRow("/write", "write-quote", lambda world: f"/write?quote={world.post}", signed_in=True),
    PageRow("/comment/{comment_id:str}/history", "history-edited", lambda world: f"/comment/{world.edited}/history"),
    PageRow(
        "/chat/{group_id:str}/message/{message_id:str}/history",
        "history-message",
        lambda world: f"/chat/pier/message/{world.message}/history",
    ),
    PageRow("/post/{post_id:str}/history", "history", lambda world: f"/post/{world.post}/history"),
    PageRow("/claim", "claim", "/claim"),
    PageRow("/account", "account", "/account"),
    PageRow("/account", "account-signed-in", "/account", signed_in=True),
    PageRow("/relay", "relay", "/relay"),
    PageRow("/docs", "docs", "/docs"),
    PageRow("/api/v1/docs", "api", "/api/v1/docs"),
    PageRow("", "not-found", "/nothing-here"),
)
