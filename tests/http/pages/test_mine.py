"""The pages that are one's own: the same for everybody who says no name, and kept by no cache."""

import re

from tests.http.api.conftest import alice, api, bob, relay, start
from tests.http.pages.test_page import HOSTILE, handlers

__all__ = ["alice", "api", "bob", "relay", "start"]

PAGES = ("/notifications", "/following", "/saved", "/reports?group=coast")


async def page(relay, path, of=None, status=200):
    headers = {"accept": "text/html"} | ({"authorization": f"Bearer {of.token}"} if of else {})
    answer = await relay.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store" or status != 200
    return answer.text


async def test_says_what_it_is_to_whoever_says_no_name(relay, alice, bob):
    who = (await alice.told("GET", "agents/me"))["agent"]["id"]
    for path in PAGES:
        text = await page(relay, path)
        assert 'data-mine=""' in text
        assert "see it: sign in first.<noscript> That needs scripts." in text
        assert f'data-mine="{who}"' in await page(relay, path, alice)
    bob.token = "tdi_" + "0" * 64
    await page(relay, PAGES[0], bob, 401)


async def test_notifications_lead_to_their_place_and_are_filtered(relay, alice, bob):
    post = await alice.post("Low water")
    comment = await bob.comment(post, "So it is")
    mention = await bob.post("For @alice", content="@alice")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    text = await page(relay, "/notifications", alice)
    assert text.count('<li class="happening new"') == 3
    assert "Mark all as read" in text
    assert f'href="/post/{post["id"]}#c-{comment["id"]}"' in text
    assert f'href="/post/{mention["id"]}"' in text
    assert "1 upvote on your post" in text
    for kind, count in (("answers", 1), ("mentions", 1), ("votes", 1), ("groups", 0)):
        assert (await page(relay, f"/notifications?type={kind}", alice)).count('<li class="happening') == count
    await alice.told("POST", "notifications/read-all")
    read = await page(relay, "/notifications", alice)
    assert read.count('<li class="happening"') == 3
    assert "Mark all as read" not in read
    assert (await relay.get("/notifications?type=none")).status_code == 400


async def test_notifications_call_people_as_every_page_shows_them(relay, alice, bob):
    await bob.told("PATCH", "agents/me", {"display_name": "روبرت"})
    await bob.comment(await alice.post("Low water"), "So it is")
    await bob.told("POST", "agents/alice/follow")
    group = (await bob.told("POST", "groups", {"name": "Pier"}, 201))["group"]["id"]
    await bob.told("POST", f"groups/{group}/members", {"agent": "alice", "roles": ["moderator"]})
    text = await page(relay, "/notifications", alice)
    for said in (
        "commented on your post “\u2068Low water\u2069”",
        "follows you",
        "made you \u2068moderator\u2069 of “\u2068Pier\u2069”",
    ):
        assert f">\u2068روبرت\u2069 {said}</a>" in text  # a name that runs to the left turns nothing beside it
    assert text.count('aria-hidden="true">ر</span>') == 3
    answer = await alice.get("notifications")  # with the name by which an agent mentions him
    assert {one["content"].split()[0] for one in answer["notifications"]} == {"bob"}


async def test_notifications_go_on_on_further_pages(relay, alice, bob):
    post = await alice.post("Low water")
    for number in range(26):
        await bob.comment(post, f"Comment {number}.")
    text = await page(relay, "/notifications", alice)
    assert text.count('<li class="happening') == 25
    more = re.search(r'id="more"[^>]*href="\?type=all&amp;cursor=(\d+)"', text)
    assert more is not None
    rest = await page(relay, f"/notifications?cursor={more[1]}", alice)
    assert rest.count('<li class="happening') == 1
    assert "Comment 0." in rest


async def test_following_has_the_posts_of_those_one_follows_and_nothing_that_is_muted(relay, alice, bob, api):
    carol = await api.registered("carol")
    await bob.post("By bob")
    await carol.post("By carol")
    assert "You follow nobody yet" in await page(relay, "/following", alice)
    await alice.told("POST", "agents/bob/follow")
    text = await page(relay, "/following", alice)
    assert "By bob</a>" in text
    assert "By carol" not in text
    bob_id = (await bob.get("agents/me"))["id"]
    assert f'data-authors="{bob_id}"' in text
    await alice.told("POST", "agents/bob/mute")
    assert "By bob" not in await page(relay, "/following", alice)


async def test_saved_has_what_one_saved(relay, alice, bob):
    post = await bob.post("Low water")
    comment = await bob.comment(post, "At noon")
    document = (await bob.told("POST", "knowledge", {"title": "Tide tables", "content": "Twice."}, 201))["document"]
    for each in (post, comment, document):
        await alice.told("POST", "saved", {"id": each["id"]})
    text = await page(relay, "/saved", alice)
    assert re.findall(r'data-saved-id="(\w+)"', text) == [document["id"], comment["id"], post["id"]]
    assert f'href="/post/{post["id"]}#c-{comment["id"]}"' in text
    assert "Nothing saved yet" in await page(relay, "/saved", bob)


async def test_reports_are_shown_to_those_they_are_for(relay, api, alice, bob):
    await alice.told("POST", "submolts", {"name": "tides"}, 201)
    post = await bob.post("Cheap watches", submolt="tides")
    await alice.told("POST", "reports", {"reason": "spam", "event_id": post["id"], "content": HOSTILE}, 201)
    text = await page(relay, "/reports?group=tides", alice)
    assert "Cheap watches</a>" in text
    assert "<span>spam</span>" in text
    carol = await api.registered("carol")
    await carol.told("POST", "reports", {"reason": "spam", "event_id": post["id"]}, 201)
    assert "<span>spam (<b>2</b>)</span>" in await page(relay, "/reports?group=tides", alice)
    assert "data-remove" in text
    assert "<script>alert" not in text
    assert "This is for those who look after this community" in await page(relay, "/reports?group=tides", bob)
    for path in ("/reports", "/reports?group=nothing"):
        assert "This is for those who look after" in await page(relay, path, alice)


async def test_escapes_whatever_strangers_write(relay, alice, bob):
    await bob.told("PATCH", "agents/me", {"display_name": HOSTILE[:90]})
    post = await bob.post(HOSTILE[:90], content=f"@alice {HOSTILE}")
    comment = await bob.comment(post, f"@alice {HOSTILE}")
    document = (await bob.told("POST", "knowledge", {"title": HOSTILE[:90], "content": HOSTILE}, 201))["document"]
    await alice.told("POST", "agents/bob/follow")
    await alice.told("POST", "submolts", {"name": "coast"}, 201)
    listed = await bob.post(HOSTILE[:90], content=HOSTILE, submolt="coast")
    await alice.told("POST", "reports", {"reason": "spam", "event_id": listed["id"], "content": HOSTILE}, 201)
    for each in (post, comment, document):
        await alice.told("POST", "saved", {"id": each["id"]})
    for path in PAGES:
        text = await page(relay, path, alice)
        assert "alert(1)" in text, path
        assert "<script>alert" not in text, path
        assert not handlers(text), path
