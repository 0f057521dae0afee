"""More clients of the Moltbook API that nobody here wrote, unchanged but for the address that they ask."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import moltbook_cli.api
import moltgrowth.api
import moltkit.aggregate
import pytest
from friday_moltbook import Moltbook
from moltkit import MoltenClient
from moltkit.errors import NotFoundError
from rich.console import Console

from tests.e2e.harness import ROOT, Server, serving
from tests.factories import PNG
from tests.http.test_moltbook import API, joined

JS = ROOT / "tests" / "js" / "moltbook"
STEPS = ["profile", "posts and comments", "following", "submolts", "refusals"]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("moltbook") / "data", "identities.registrations_per_hour=0") as server:
        yield server


def key_of(relay: Server, name: str) -> str:
    """The API key of a new agent; each test has its own, and counts what these do."""
    with joined(relay, name) as client:
        key: str = client._config.api_key
    return key


def with_a_post(relay: Server, name: str) -> str:
    """The name of a new agent that has written one post."""
    MoltenClient(key_of(relay, name), base_url=relay.http + API).create_post("general", "Mudflats", "At ebb.")
    return name


def test_moltkit_reads_its_home_and_its_notifications(relay, tmp_path, monkeypatch):
    monkeypatch.setattr(moltkit.aggregate, "STATE_DIR", tmp_path)
    avocet, curlew = (MoltenClient(key_of(relay, name), base_url=relay.http + API) for name in ("avocet", "curlew"))
    post_id = avocet.create_post("general", "Low water", "The tide is out.")["post"]["id"]
    comment = curlew.create_comment(post_id, "So it is")["comment"]
    curlew.create_comment(post_id, "@avocet, and back soon", parent_id=comment["id"])
    curlew.upvote_post(post_id)
    assert curlew.follow("avocet")["success"]

    profile = curlew.get_agent("@avocet")
    assert (profile.name, profile.karma, profile.follower_count, profile.posts_count, profile.is_following) == (
        "avocet",
        1,
        1,
        1,
        True,
    )
    home = avocet.get_home()
    assert (home.name, home.karma, home.unread_notification_count) == ("avocet", 1, 4)
    assert home.activity[0]["post_id"] == post_id
    told = avocet.list_notifications(limit=3)
    assert [(one.type, one.agent_name, one.is_read) for one in told.items] == [
        ("followers", "curlew", False),
        ("votes", None, False),
        ("post_comment", "curlew", False),
    ]
    assert told.items[2].related_post_id == post_id
    (last,) = avocet.list_notifications(limit=2, cursor=told.next_cursor).items
    assert (last.type, last.comment.content, last.comment.author_name) == ("post_comment", "So it is", "curlew")
    assert len(moltkit.aggregate.check(avocet).new_notifications) == 4
    assert moltkit.aggregate.status(avocet).follower_count == 1
    avocet.mark_read_by_post(post_id)
    assert avocet.get_home().unread_notification_count == 1  # the follower is about no post
    avocet.mark_all_read()
    assert avocet.get_home().unread_notification_count == 0


def test_moltkit_lists_and_searches(relay):
    client = MoltenClient(key_of(relay, "godwit"), base_url=relay.http + API)
    post_id = client.create_post("m/general", "Sandbanks", "Wide ones at ebb.")["post"]["id"]
    client.create_comment(post_id, "With seals on sandbanks")
    assert client.get_post(post_id).submolt_name == "general"
    assert [one.content for one in client.list_comments(post_id).items] == ["With seals on sandbanks"]
    assert post_id in [one.id for one in client.list_posts(sort="new", submolt="general").items]
    assert post_id in [one.id for one in client.get_feed(sort="new", filter_by="following").items]
    assert [one.id for one in client.search("sandbanks", time_filter="day", submolt="general")] == [post_id]
    assert [one.id for one in client.search_posts("sandbanks")][:1] == [post_id]
    assert "With seals on sandbanks" in [one.content for one in client.search_comments("sandbanks")]
    assert [one.name for one in client.search_agents("godw")] == ["godwit"]
    assert "general" in [one.name for one in client.list_submolts().items]
    assert client.get_my_profile().posts_count == 1
    assert client.delete_post(post_id)["success"]
    with pytest.raises(NotFoundError, match="there is no such post here"):
        client.get_post(post_id)


def test_moltbook_cli_does_all_that_is_here(relay, monkeypatch, tmp_path):
    key, dunlin = key_of(relay, "turnstone"), with_a_post(relay, "dunlin")
    monkeypatch.setattr(moltbook_cli.api, "BASE_URL", relay.http + API)

    def begin() -> moltbook_cli.api.MoltbookAPI:
        """Each of its commands is a process of its own."""
        return moltbook_cli.api.MoltbookAPI(Console(quiet=True), key)

    api = begin()
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    assert api.check_status()["status"] == "pending_claim"
    assert api.update_profile(metadata={"model": "tide-1"})["metadata"] == {"model": "tide-1"}
    assert begin().upload_avatar(str(picture))["avatar_url"]
    assert api.remove_avatar()["avatar_url"] is None
    post_id = api.create_post("general", "From a shell", "hello")["post"]["id"]
    comment_id = api.add_comment(post_id, "first")["comment"]["id"]
    assert [one["id"] for one in api.get_comments(post_id, "controversial")["comments"]] == [comment_id]
    assert api.upvote_post(post_id)["action"] == "upvoted"
    assert api.downvote_post(post_id)["action"] == "downvoted"
    assert api.upvote_comment(comment_id)["action"] == "upvoted"
    assert api.get_agent_profile(dunlin)["agent"]["name"] == dunlin
    api.follow_molty(dunlin)
    assert api.get_personalized_feed("new")["posts"]
    api.unfollow_molty(dunlin)
    assert api.search("hello")["results"]
    assert api.subscribe_submolt("general")["success"]
    assert api.unsubscribe_submolt("general")["success"]
    with pytest.raises(Exception, match="there is no such submolt here"):
        api.get_submolt("crypto")
    assert api.create_submolt("shells", "Shells", "By the shore.")["submolt"]["your_role"] == "owner"
    in_it = api.create_post("shells", "A cowrie", "spotted")["post"]
    assert (in_it["submolt"]["display_name"], api.pin_post(in_it["id"])["success"]) == ("Shells", True)
    assert api.unpin_post(in_it["id"])["success"]
    assert api.update_submolt_settings("shells", theme_color="#aabbcc")["submolt"]["theme_color"] == "#aabbcc"
    assert api.add_moderator("shells", dunlin)["success"]
    roles = {one["agent_name"]: one["role"] for one in api.list_moderators("shells")["moderators"]}
    assert roles == {"turnstone": "owner", dunlin: "moderator"}
    assert api.remove_moderator("shells", dunlin)["success"]
    assert api.delete_post(post_id)["success"]


async def test_friday_reads_what_its_models_say(relay, tmp_path):
    client, ruff = Moltbook({"api_key": key_of(relay, "knot")}), with_a_post(relay, "ruff")
    client.config.base_url = relay.http + API  # it checks the address that it is made with
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    me = (await client.get_my_profile()).data
    assert (me.name, me.is_claimed, me.karma) == ("knot", False, 0)
    assert (await client.update_profile(metadata={"model": "tide-1"})).data.metadata == {"model": "tide-1"}
    assert (await client.upload_avatar(str(picture))).success
    assert (await client.delete_avatar()).success
    post = (await client.create_link_post("general", "A chart", "https://example.org/chart")).data
    assert (post.submolt.name, post.author.name) == ("general", "knot")
    comment = (await client.add_comment(post.id, "Where is it?")).data
    assert comment.author.name == "knot"
    assert (await client.reply_to_comment(post.id, comment.id, "There")).data.parent_id == comment.id
    assert [one.id for one in (await client.get_comments(post.id, "controversial")).data] == [comment.id]
    assert (await client.upvote_post(post.id)).data.message == "Upvoted"
    assert (await client.get_submolt_feed("general")).data[0].id == post.id
    assert "general" in [one.name for one in (await client.list_submolts()).data]
    assert (await client.subscribe_submolt("general")).success
    made = (await client.create_submolt("kelp", "Kelp", "Forests below.")).data
    assert (made.name, made.your_role) == ("kelp", "owner")
    assert (await client.update_submolt_settings("kelp", banner_color="#004466")).data.banner_color == "#004466"
    in_it = (await client.create_post("kelp", "A holdfast", "It holds.")).data
    assert (in_it.submolt.name, (await client.get_submolt_feed("kelp")).data[0].id) == ("kelp", in_it.id)
    assert (await client.add_moderator("kelp", ruff)).success
    assert [one.name for one in (await client.list_moderators("kelp")).data] == ["knot", ruff]
    assert (await client.remove_moderator("kelp", ruff)).success
    found = (await client.search("chart", "posts")).data
    assert (found.results[0].submolt.name, found.results[0].author.name) == ("general", "knot")
    assert (await client.follow_agent(ruff)).data.message
    profile = (await client.get_agent_profile(ruff)).data
    assert (profile.agent.follower_count, len(profile.recentPosts)) == (1, 1)
    assert (await client.delete_post(post.id)).success
    missing = await client.get_post(post.id)
    assert (missing.success, missing.error) == (False, "there is no such post here")


def test_moltgrowth_goes_round(relay, monkeypatch):
    monkeypatch.setattr(moltgrowth.api, "BASE", relay.http + API)
    key = key_of(relay, "phalarope")
    assert moltgrowth.api.me(key)["agent"]["name"] == "phalarope"
    post_id = moltgrowth.api.post(key, "A small thing", "grows")["post"]["id"]
    comment_id = moltgrowth.api.comment(key, post_id, "slowly, but it does")["comment"]["id"]
    (comment,) = moltgrowth.api.post_comments(key, post_id)
    assert (comment["id"], comment["author"]["name"]) == (comment_id, "phalarope")
    moltgrowth.api.upvote(key, post_id)
    moltgrowth.api.comment_upvote(key, comment_id)
    assert [one["upvotes"] for one in moltgrowth.api.feed(key, "new", submolt="general") if one["id"] == post_id] == [1]
    assert moltgrowth.api.search(key, "small thing", type="posts")["results"][0]["post_id"] == post_id
    assert moltgrowth.api.submolts_list(key)[0]["subscriber_count"] > 0
    assert moltgrowth.api.delete_post(key, post_id)["success"]


def test_the_tools_of_moltbook_http_mcp_work(relay, tmp_path: Path):
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    if not (JS / "node_modules" / "moltbook-http-mcp").is_dir():
        install = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(install, cwd=JS, capture_output=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"npm could not install moltbook-http-mcp: {done.stderr.decode()[-300:]}")
    picture = tmp_path / "a.png"
    picture.write_bytes(PNG)
    ask = [node, "client.mjs", relay.http + API, key_of(relay, "whimbrel"), with_a_post(relay, "snipe"), str(picture)]
    ran = subprocess.run(ask, cwd=JS, capture_output=True, timeout=120, check=False, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line for line in ran.stdout.split("\n") if line.startswith("ok ")] == [f"ok {step}" for step in STEPS]
