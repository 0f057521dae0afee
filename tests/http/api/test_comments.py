"""Comments over HTTP: on posts, on comments, their order and their end."""

import pytest

from tests.http.api.homes import URL


async def test_a_comment_points_at_its_post_and_at_what_it_answers(alice, bob):
    post = await alice.post()
    comment = await bob.comment(post, "First")
    reply = await alice.comment(post, "Second", parent_id=comment["id"])
    assert comment["event"]["kind"] == 1111
    by_alice, by_bob = post["author"]["pubkey"], comment["author_pubkey"]
    assert [tag for tag in reply["event"]["tags"] if tag[0] != "custody"] == [
        ["E", post["id"], URL, by_alice],
        ["K", "11"],
        ["P", by_alice, URL],
        ["e", comment["id"], URL, by_bob],
        ["k", "1111"],
        ["p", by_bob, URL],
    ]
    assert (comment["parent_id"], reply["parent_id"], reply["post_id"]) == (None, comment["id"], post["id"])
    assert (comment["author"]["name"], reply["author_name"]) == ("bob", "alice")


async def test_the_same_comment_is_written_again_within_a_second_of_its_deletion(alice, api):
    post = await alice.post()
    first = await alice.comment(post, "First")
    await alice.told("DELETE", f"comments/{first['id']}")
    second = await alice.comment(post, "First")
    (only,) = (await api.get(f"posts/{post['id']}/comments"))["comments"]
    assert only["id"] == second["id"] != first["id"]


async def test_comments_are_read_as_a_tree(alice, api):
    post = await alice.post()
    first = await alice.comment(post, "1")
    reply = await alice.comment(post, "1.1", parent_id=first["id"])
    await alice.comment(post, "1.1.1", parent_id=reply["id"])
    (top,) = (await api.get(f"posts/{post['id']}/comments"))["comments"]
    below = top["replies"][0]
    assert [(c["content"], c["depth"]) for c in (top, below, below["replies"][0])] == [
        ("1", 0),
        ("1.1", 1),
        ("1.1.1", 2),
    ]
    assert (top["comment_count"], (await api.get(f"posts/{post['id']}"))["post"]["comment_count"]) == (1, 3)
    (asked,) = (await api.get(f"posts/{post['id']}/comments?parent_id={first['id']}"))["comments"]
    assert asked["content"] == "1.1"


async def test_large_comments_and_replies_are_told_of_when_they_have_no_room(alice, api):
    post = await alice.post()
    for n in range(9):
        comment = await alice.comment(post, f"{n}" + "x" * 99_999)
    for n in range(9):
        await alice.comment(post, f"{n}" + "x" * 99_999, parent_id=comment["id"])
    page = await api.get(f"posts/{post['id']}/comments?sort=new")
    rest = await api.get(f"posts/{post['id']}/comments?sort=new&cursor={page['next_cursor']}")
    assert (len(page["comments"]) < 9, len(page["comments"]) + len(rest["comments"])) == (True, 9)
    (full,) = [each for each in page["comments"] + rest["comments"] if each["id"] == comment["id"]]
    assert 0 < len(full["replies"]) < full["comment_count"] == 9


async def test_comments_are_paged_and_sorted(alice, bob, api):
    post = await alice.post()
    comments = [await alice.comment(post, str(n)) for n in range(3)]
    await bob.told("POST", f"comments/{comments[1]['id']}/upvote")
    page = await api.get(f"posts/{post['id']}/comments?sort=top&limit=1")
    assert [comment["content"] for comment in page["comments"]] == ["1"]
    rest = await api.get(f"posts/{post['id']}/comments?sort=top&cursor={page['next_cursor']}")
    assert {comment["content"] for comment in rest["comments"]} == {"0", "2"}
    assert rest["has_more"] is False
    old = (await api.get(f"posts/{post['id']}/comments?sort=old"))["comments"]
    new = (await api.get(f"posts/{post['id']}/comments?sort=new"))["comments"]
    assert [comment["id"] for comment in old] == [comment["id"] for comment in reversed(new)]
    assert await api.refused(400, "GET", f"posts/{post['id']}/comments?sort=loudest") == "bad_request"


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"content": "\n "}, {"content": 1}, {"content": "x" * 100_001}])
async def test_refuses_a_comment_that_says_nothing_or_too_much(alice, body):
    post = await alice.post()
    assert await alice.refused(400, "POST", f"posts/{post['id']}/comments", body) in ("bad_request", "invalid")


async def test_refuses_comments_on_nothing(alice, api):
    one, other = await alice.post("One"), await alice.post("Other")
    elsewhere = await alice.comment(other)
    body = {"content": "x"}
    assert await alice.refused(404, "POST", f"posts/{'0' * 64}/comments", body) == "post_not_found"
    for parent in ("0" * 64, "x", elsewhere["id"]):
        path = f"posts/{one['id']}/comments"
        assert await alice.refused(404, "POST", path, body | {"parent_id": parent}) == "comment_not_found"
    assert await api.refused(401, "POST", f"posts/{one['id']}/comments", body) == "auth_required"
    assert await api.refused(404, "GET", f"comments/{one['id']}") == "comment_not_found"


async def test_a_comment_is_deleted_by_its_author_only_and_answers_stay(alice, bob, api):
    post = await alice.post()
    comment = await alice.comment(post, "Going")
    reply = await bob.comment(post, "Staying", parent_id=comment["id"])
    assert await bob.refused(403, "DELETE", f"comments/{comment['id']}") == "not_yours"
    done = await alice.told("DELETE", f"comments/{comment['id']}")
    assert done["event"]["kind"] == 5
    assert await api.refused(404, "GET", f"comments/{comment['id']}") == "comment_not_found"
    assert (await api.get(f"comments/{reply['id']}"))["comment"]["content"] == "Staying"
