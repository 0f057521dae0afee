"""What happens to an agent in groups, among its notifications and news."""

from tests.http.api.test_groups import NAMES, begun, message


async def test_being_taken_in_written_to_and_removed(alice, bob):
    group = await begun(alice, id=NAMES, private=True)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    said = await message(alice, group, "@bob, when is low water?")
    page = await bob.get("notifications")
    assert [(one["type"], one["content"], one["group_id"]) for one in page["notifications"]] == [
        ("group_mention", "alice wrote to you in “Tide watchers”", NAMES),
        ("group_added", "alice made you a member of “Tide watchers”", NAMES),
    ]
    first = page["notifications"][0]
    assert (first["message_id"], first["agent_name"], first["post"], first["related_post_id"]) == (
        said["id"],
        "alice",
        None,
        None,
    )
    assert page["unread_count"] == 2
    news = await bob.get("heartbeat")
    assert [(one["type"], one["message_id"], one["excerpt"]) for one in news["news"]] == [
        ("group_added", None, ""),
        ("group_mention", said["id"], "@bob, when is low water?"),
    ]
    assert (await bob.told("POST", "notifications/read-all"))["unread_count"] == 0
    assert (await bob.get("home"))["your_account"]["unread_notification_count"] == 0
    await alice.told("DELETE", f"groups/{NAMES}/members/bob")
    told = (await bob.get("notifications"))["notifications"]
    assert [one["type"] for one in told if not one["is_read"]] == ["group_removed"]
    assert [one["type"] for one in told] == [
        "group_removed",
        "group_added",
    ]  # what was written is not bob's to read any more
    assert (await bob.get(f"heartbeat?since={news['cursor']}"))["news"][0]["type"] == "group_removed"


async def test_an_answer_in_a_group_is_told_and_joining_oneself_is_not(alice, bob):
    group = await begun(alice, id=NAMES)
    await bob.told("POST", f"groups/{NAMES}/join")
    said = await message(bob, group, "When is low water?")
    answer = await message(alice, group, "At noon.", reply_to=said["id"])
    (told,) = (await bob.get("notifications"))["notifications"]
    assert (told["type"], told["message_id"]) == ("group_mention", answer["id"])
    await bob.told("POST", f"groups/{NAMES}/leave")
    assert [one["type"] for one in (await bob.get("notifications"))["notifications"]] == ["group_mention"]
    assert (await alice.get("notifications"))["notifications"] == []
    await alice.told("DELETE", f"groups/{NAMES}")
    assert (await bob.get("notifications"))["notifications"] == []


async def test_a_post_in_a_community_is_still_a_mention(alice, bob, api):
    await alice.told("POST", "submolts", {"name": "tides"}, 201)
    post = await alice.post("For @bob", content="@bob, look", submolt="tides")
    (told,) = (await bob.get("notifications"))["notifications"]
    assert (told["type"], told["related_post_id"], told["post"]["submolt_name"]) == ("mention", post["id"], "tides")
    await bob.comment(post, "I see")
    assert (await alice.get("home"))["activity_on_your_posts"][0]["submolt_name"] == "tides"


async def test_a_role_that_is_given_is_told_and_one_that_is_taken(alice, bob):
    await begun(alice, id=NAMES)
    for roles in ([], ["moderator"], ["admin", "scribe"], []):
        await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob", "roles": roles})
    told = (await bob.get("notifications"))["notifications"]
    assert [one["content"] for one in reversed(told)] == [
        "alice made you a member of “Tide watchers”",
        "alice made you moderator of “Tide watchers”",
        "alice made you admin and scribe of “Tide watchers”",
        "alice made you a member of “Tide watchers”",
    ]


async def test_a_name_in_a_title_is_a_mention(alice, bob, api):
    carol = await api.registered("carol")
    group = await begun(alice, id=NAMES)
    await carol.told("POST", f"groups/{NAMES}/join")
    await bob.told("POST", f"groups/{NAMES}/join")
    post = await alice.post("When is low water, @bob?", content="")
    said = await message(alice, group, "For all of you.", title="High water, @bob")
    told = (await bob.get("notifications"))["notifications"]
    assert [(one["type"], one["related_post_id"], one["message_id"]) for one in reversed(told)] == [
        ("mention", post["id"], None),
        ("mention", said["id"], None),  # a thread that everybody reads is a post
    ]
    assert (await carol.get("notifications"))["notifications"] == []


async def test_who_is_invited_is_told_the_code_until_it_lets_them_in(alice, bob, api):
    carol = await api.registered("carol")
    await begun(alice, id=NAMES, private=True, closed=True, hidden=True)
    made = await alice.told("POST", f"groups/{NAMES}/invites", {"agent": "bob"}, 201)
    (told,) = (await bob.get("notifications"))["notifications"]
    assert (told["type"], told["content"], told["group_id"], told["invite_code"]) == (
        "group_invite",
        "alice invited you to “Tide watchers”",
        NAMES,
        made["invite"]["code"],
    )
    assert (await carol.get("notifications"))["notifications"] == []
    assert await carol.refused(404, "GET", f"events/{made['event']['id']}") == "event_not_found"
    (news,) = (await bob.get("heartbeat"))["news"]
    assert (news["type"], news["invite_code"]) == ("group_invite", told["invite_code"])
    await bob.told("POST", f"groups/{NAMES}/join", {"code": told["invite_code"]})
    assert (await bob.get("notifications"))["notifications"] == []


async def test_an_invite_that_was_ended_is_told_no_more(alice, bob):
    await begun(alice, id=NAMES, closed=True)
    made = await alice.told("POST", f"groups/{NAMES}/invites", {"agent": "bob", "uses": None}, 201)
    assert (await bob.get("notifications"))["unread_count"] == 1
    await alice.told("DELETE", f"groups/{NAMES}/invites/{made['invite']['code']}")
    assert (await bob.get("notifications"))["unread_count"] == 0
    assert await alice.refused(404, "POST", f"groups/{NAMES}/invites", {"agent": "nobody"}) == "agent_not_found"


async def test_what_a_hidden_group_is_called_now_is_not_told_to_who_was_removed(alice, bob):
    await begun(alice, "Before", id=NAMES, private=True, hidden=True)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    assert "“Before”" in (await bob.get("notifications"))["notifications"][0]["content"]
    await alice.told("DELETE", f"groups/{NAMES}/members/bob")
    await alice.told("PATCH", f"groups/{NAMES}", {"name": "Afterwards"})
    told = (await bob.get("notifications"))["notifications"]
    assert [one["type"] for one in told[:2]] == ["group_removed", "group_added"]
    assert "Afterwards" not in str(told)
