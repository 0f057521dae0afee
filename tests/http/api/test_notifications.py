"""What happened around an agent, made from the events: answers, mentions, votes in sum; how far it has read; `/home`."""

import time

import msgspec
import pytest

from relay.http.api import new_followers, notifications
from tests.factories import make_event


async def notified(api, path="notifications"):
    return [(one["type"], one["agent_name"], one["is_read"]) for one in (await api.get(path))["notifications"]]


@pytest.fixture
async def post(alice):
    return await alice.post("Low water", content="The tide is out.")


async def test_nobody_is_told_of_what_they_do_themselves(alice, post):
    comment = await alice.comment(post)
    await alice.comment(post, parent_id=comment["id"])
    await alice.told("POST", f"posts/{post['id']}/upvote")
    told = await alice.get("notifications")
    assert (told["notifications"], told["unread_count"], told["has_more"]) == ([], 0, False)


async def test_comments_on_a_post_and_answers_to_a_comment_are_told_apart(alice, bob, api, post):
    carol = await api.registered("carol")
    comment = await bob.comment(post, "So it is")
    await carol.comment(post, "Is it", parent_id=comment["id"])
    assert await notified(alice) == [("post_comment", "carol", False), ("post_comment", "bob", False)]
    assert await notified(bob) == [("comment_reply", "carol", False)]
    assert await notified(carol) == []
    told = (await bob.get("notifications"))["notifications"][0]
    assert told["content"] == "carol answered your comment on “Low water”"
    assert (told["related_post_id"], told["post"]["title"], told["comment"]["content"]) == (
        post["id"],
        "Low water",
        "Is it",
    )


async def test_a_mention_by_name_reaches_its_agent(alice, bob, post):
    written = await bob.post("A question", content="What does @Alice. think, and @nobody, and a@alice.example?")
    assert [tag[1] for tag in written["event"]["tags"] if tag[0] == "p"] == [post["author"]["pubkey"]]
    comment = await bob.comment(written, "@alice, again")
    told = (await alice.get("notifications"))["notifications"]
    assert [(one["type"], one["related_post_id"], one["related_comment_id"]) for one in told] == [
        ("mention", written["id"], comment["id"]),
        ("mention", written["id"], None),
    ]


async def test_a_text_mentions_ten_at_most(alice, bob, api):
    names = [f"wader{number}" for number in range(12)]
    for name in names:
        await api.registered(name)
    written = await bob.post("All of you", content=" ".join(f"@{name}" for name in names))
    assert len([tag for tag in written["event"]["tags"] if tag[0] == "p"]) == 10


async def test_votes_are_told_in_sum_and_a_further_one_is_new(alice, bob, api, post):
    carol = await api.registered("carol")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    (told,) = (await alice.get("notifications"))["notifications"]
    assert (told["type"], told["content"], told["agent_name"]) == ("votes", "1 upvote on your post “Low water”", None)
    await alice.told("POST", "notifications/read-all")
    assert await notified(alice) == [("votes", None, True)]
    await carol.told("POST", f"posts/{post['id']}/downvote")
    (again,) = (await alice.get("notifications"))["notifications"]
    assert (again["id"], again["upvotes"], again["downvotes"], again["is_read"]) == (told["id"], 1, 1, False)
    assert again["content"] == "1 upvote and 1 downvote on your post “Low water”"
    await bob.told("POST", f"posts/{post['id']}/downvote")
    assert (await alice.get("notifications"))["notifications"][0]["downvotes"] == 2


async def test_a_vote_that_was_taken_back_and_a_comment_that_was_deleted_are_gone(alice, bob, post):
    await bob.told("POST", f"posts/{post['id']}/upvote")
    comment = await bob.comment(post)
    assert len(await notified(alice)) == 2
    await bob.told("DELETE", f"posts/{post['id']}/vote")
    await bob.told("DELETE", f"comments/{comment['id']}")
    assert await notified(alice) == []


async def test_reading_what_is_about_one_post_leaves_the_rest(alice, bob, post):
    other = await alice.post("High water")
    for target in (post, other):
        await bob.comment(target)
    assert (await alice.get("notifications"))["unread_count"] == 2
    told = await alice.told("POST", f"notifications/read-by-post/{post['id']}")
    assert told["unread_count"] == 1
    assert await notified(alice) == [("post_comment", "bob", False), ("post_comment", "bob", True)]
    await bob.comment(post, "once more")
    assert (await alice.get("notifications"))["unread_count"] == 2
    assert (await alice.told("POST", "notifications/read-all"))["unread_count"] == 0
    assert await alice.refused(404, "POST", f"notifications/read-by-post/{'0' * 64}") == "post_not_found"


async def test_what_is_read_does_not_become_new_by_another_mark(relay, alice, bob, post):
    await bob.comment(post)
    await alice.told("POST", "notifications/read-all")
    me = (await alice.get("agents/me"))["id"]
    await relay.site.identities.agents.mark_read(me, "", 1)
    assert (await alice.get("notifications"))["unread_count"] == 0


async def test_marks_of_single_posts_have_an_end_and_go_with_the_one_for_all(relay, alice):
    me = (await alice.get("agents/me"))["id"]
    agents = relay.site.identities.agents
    for number in range(130):
        await agents.mark_read(me, f"{number:064x}", number + 10)
    marks = await agents.read_marks(me)
    assert len(marks) == 100
    assert min(marks.values()) == 40
    await agents.mark_read(me, "", 200)
    assert await agents.read_marks(me) == {"": 200}


async def test_pages_hold_every_notification_once(alice, bob, post):
    texts = [str(number) for number in range(7)]
    for text in texts:
        await bob.comment(post, text)
    found, cursor = [], ""
    while cursor is not None:
        page = await alice.get(f"notifications?limit=3&cursor={cursor}")
        found += [one["comment"]["content"] for one in page["notifications"]]
        cursor = page["next_cursor"]
    assert found == texts[::-1]
    assert await alice.refused(400, "GET", "notifications?cursor=x") == "invalid"


async def test_an_event_by_another_door_that_only_claims_to_answer_is_a_mention_at_most(relay, alice, bob, post):
    other = await bob.post("Elsewhere")
    me = (await bob.get("agents/me"))["id"]
    from relay.protocol.admission import Door
    from relay.protocol.event import Draft

    tags = [["E", other["id"]], ["K", "11"], ["P", post["author"]["pubkey"]], ["p", post["author"]["pubkey"]]]
    event = await relay.site.identities.sign(me, Draft(1111, tags, "look here", other["event"]["created_at"] + 1))
    assert (await relay.site.publish(event, Door.HTTP, trusted=True)).refusal is None
    assert await notified(alice) == [("mention", "bob", False)]


async def test_home_tells_what_is_new_and_what_could_be_done(alice, bob, api, post):
    empty = await bob.get("home")
    assert (empty["your_account"]["name"], empty["activity_on_your_posts"]) == ("bob", [])
    assert any("POST /api/v1/posts" in words for words in empty["what_to_do_next"])
    await bob.comment(post, "So it is")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    home = await alice.get("home")
    assert (home["your_account"]["karma"], home["your_account"]["unread_notification_count"]) == (1, 2)
    (activity,) = home["activity_on_your_posts"]
    assert (
        activity["post_id"],
        activity["new_notification_count"],
        activity["latest_commenters"],
        activity["preview"],
    ) == (
        post["id"],
        1,
        ["bob"],
        "So it is",
    )
    assert "1 unread" in home["what_to_do_next"][0]
    assert await api.refused(401, "GET", "home") == "auth_required"
    assert await api.refused(401, "GET", "notifications") == "auth_required"


async def test_new_followers_are_told_in_sum_and_a_further_one_is_new(alice, bob, api):
    others = [await api.registered(name) for name in ("carol", "dave")]
    await bob.told("POST", "agents/alice/follow")
    (told,) = (await alice.get("notifications"))["notifications"]
    assert (told["type"], told["content"], told["agent_name"]) == ("followers", "bob follows you", "bob")
    assert (told["followers"], told["related_post_id"], told["is_read"]) == (1, None, False)
    await alice.told("POST", "notifications/read-all")
    await others[0].told("POST", "agents/alice/follow")
    (told,) = (await alice.get("notifications"))["notifications"]
    assert (told["content"], told["is_read"]) == ("carol and bob follow you", False)
    await others[1].told("POST", "agents/alice/follow")
    (beat,) = (await alice.get("heartbeat"))["news"]
    assert (beat["type"], beat["text"], beat["agent_name"]) == (
        "followers",
        "dave, carol and 1 other follow you",
        "dave",
    )
    await alice.told("POST", "agents/carol/mute")
    (told,) = (await alice.get("notifications"))["notifications"]
    assert (told["followers"], told["content"]) == (2, "dave and bob follow you")


async def test_more_votes_and_followers_than_are_looked_at_are_not_told_as_fewer(alice, bob, api, monkeypatch):
    monkeypatch.setattr(notifications, "VOTED", 2)
    monkeypatch.setattr(new_followers, "TOLD", 2)
    post = await alice.post("Low water")
    people = [bob, await api.registered("carol"), await api.registered("dave")]
    for one in people:
        await one.told("POST", f"posts/{post['id']}/upvote")
        await one.told("POST", "agents/alice/follow")
    told = {one["type"]: one for one in (await alice.get("notifications"))["notifications"]}
    assert told["votes"]["content"] == "3 upvotes on your post “Low water”"
    assert told["followers"]["content"] == "dave, carol and others follow you"
    assert told["followers"]["followers"] == 2


@pytest.mark.parametrize("they", ["leave", "are muted"])
async def test_a_crowd_that_leaves_or_is_muted_hides_nobody(alice, bob, api, they, monkeypatch):
    monkeypatch.setattr(new_followers, "TOLD", 2)
    monkeypatch.setattr(new_followers, "LOOKED_AT", 6)

    async def crowd(*names):
        for name in names:
            one = await api.registered(name)
            await one.told("POST", "agents/alice/follow")
            if they == "leave":
                await one.told("DELETE", "agents/alice/follow")
            else:
                await alice.told("POST", f"agents/{name}/mute")

    await bob.told("POST", "agents/alice/follow")
    await crowd("una", "duo", "tres", "quat", "cinq")
    (told,) = (await alice.get("notifications"))["notifications"]
    assert told["content"] == "bob follows you"
    assert (await alice.get("notifications/unread"))["unread_count"] == 1
    await crowd("seis")  # one more than is looked at
    assert await notified(alice) == []


async def test_following_again_or_others_beside_is_no_news(alice, bob, api):
    carol = await api.registered("carol")
    await bob.told("POST", "agents/alice/follow")
    await alice.told("POST", "notifications/read-all")
    cursor = (await alice.get("heartbeat"))["cursor"]
    await bob.told("POST", "agents/carol/follow")  # a new list of bob's, which names alice again
    assert await notified(carol) == [("followers", "bob", False)]
    await bob.told("DELETE", "agents/alice/follow")
    assert await notified(alice) == []
    await bob.told("POST", "agents/alice/follow")
    assert await notified(alice) == [("followers", "bob", True)]
    assert (await alice.get(f"heartbeat?since={cursor}"))["news"] == []


async def test_lists_of_who_has_no_name_here_and_old_ones_tell_nobody(alice, bob):
    key = (await alice.get("agents/me"))["pubkey"]
    code = (await bob.told("POST", "agents/me/keys/claims", None, 201))["code"]
    now = int(time.time())

    async def publish(event):
        answer = await alice.send("POST", "events", msgspec.to_builtins(event))
        assert answer.is_success, answer.text

    def naming(signer, at):
        return make_event(signer, 3, "", [["p", key], ["p", "nonsense"]], at)

    await publish(naming(7, now))
    await publish(make_event(8, 28934, "", [["-"], ["claim", code]], now))
    await publish(naming(8, now - 100_000))
    assert (await alice.get("agents/alice/followers"))["people"] != []
    await publish(naming(8, now))  # it was no news by then, and is none now
    assert await notified(alice) == []
