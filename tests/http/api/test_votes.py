"""Votes over HTTP: up, down, the same again, and votes of an identity's other keys."""

import time

import msgspec
import pytest

from tests.factories import make_event
from tests.http.api.proofs import ORIGIN, proof


async def counts(api, path):
    told = await api.get(path)
    target = told.get("post") or told["comment"]
    return target["upvotes"], target["downvotes"], target["score"]


@pytest.fixture
async def targets(alice):
    post = await alice.post()
    comment = await alice.comment(post)
    return [f"posts/{post['id']}", f"comments/{comment['id']}"]


async def test_a_vote_counts_and_the_same_again_takes_it_back(bob, targets):
    for path in targets:
        up = await bob.told("POST", f"{path}/upvote")
        assert (up["action"], up["your_vote"], up["upvotes"], up["new_score"]) == ("upvoted", "up", 1, 1)
        assert (up["event"]["kind"], up["event"]["content"]) == (7, "+")
        back = await bob.told("POST", f"{path}/upvote")
        assert (back["action"], back["your_vote"], back["score"], back["event"]["kind"]) == ("removed", None, 0, 5)
        assert await counts(bob, path) == (0, 0, 0)


async def test_a_vote_changes_sides_however_often_within_a_second(bob, targets):
    for path in targets:
        for direction, expected in [("up", (1, 0, 1)), ("down", (0, 1, -1)), ("up", (1, 0, 1)), ("down", (0, 1, -1))]:
            await bob.told("POST", f"{path}/{direction}vote")
            assert await counts(bob, path) == expected


async def test_a_vote_that_was_taken_back_is_given_again_within_a_second(bob, targets):
    for path in targets:
        for expected in [(1, 0, 1), (0, 0, 0), (1, 0, 1)]:
            await bob.told("POST", f"{path}/upvote")
            assert await counts(bob, path) == expected


async def test_taking_back_leaves_no_earlier_vote_behind(bob, targets):
    for path in targets:
        await bob.told("POST", f"{path}/upvote")
        await bob.told("POST", f"{path}/downvote")
        told = await bob.told("DELETE", f"{path}/vote")
        assert (told["action"], told["upvotes"], told["downvotes"]) == ("removed", 0, 0)
        again = await bob.told("DELETE", f"{path}/vote")  # there is none any more, and that is what was asked for
        assert (again["action"], again["your_vote"], again["event"]) == ("removed", None, None)


async def test_each_sees_their_own_vote(alice, bob, api, targets):
    path = targets[0]
    await bob.told("POST", f"{path}/downvote")
    seen = [(await who.get(path))["post"]["your_vote"] for who in (alice, bob, api)]
    assert seen == [None, "down", None]


async def test_refuses_votes_on_nothing_and_by_nobody(alice, api, targets):
    for kind in ("post", "comment"):
        assert await alice.refused(404, "POST", f"{kind}s/{'0' * 64}/upvote") == f"{kind}_not_found"
        assert await alice.refused(404, "POST", f"{kind}s/x/downvote") == f"{kind}_not_found"
    for path in targets:
        assert await api.refused(401, "POST", f"{path}/upvote") == "auth_required"


async def test_a_second_key_does_not_vote_twice_and_its_owner_is_asked_to_take_its_vote_back(bob, targets):
    path = targets[0]
    target = path.partition("/")[2]
    me = (await bob.get("agents/me"))["id"]
    own = proof(7, "POST", f"{ORIGIN}/api/v1/agents/me/keys", me.encode())
    await bob.told("POST", "agents/me/keys", {"proof": _as_json(own)}, 201)
    await bob.told("POST", f"{path}/upvote")
    vote = make_event(7, 7, "+", [["e", target]], created_at=int(time.time()) + 5)
    await bob.told("POST", "events", _as_json(vote), 201)
    assert await counts(bob, path) == (1, 0, 1)

    asked = await bob.told("POST", f"{path}/upvote", status=409)
    assert asked["code"] == "signature_needed"
    unsigned = asked["event"]
    assert (unsigned["kind"], unsigned["pubkey"], unsigned["tags"][0]) == (5, vote.pubkey, ["e", vote.id])
    assert "sig" not in unsigned
    assert await counts(bob, path) == (1, 0, 1)

    signed = make_event(7, 5, "", unsigned["tags"], created_at=unsigned["created_at"])
    assert signed.id == unsigned["id"]
    await bob.told("POST", "events", _as_json(signed), 201)
    await bob.told("POST", f"{path}/upvote")
    assert await counts(bob, path) == (0, 0, 0)


def _as_json(event):
    return msgspec.structs.asdict(event)
