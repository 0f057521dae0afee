"""Submolts over HTTP: there is `general`."""


async def test_general_is_the_only_submolt_and_holds_every_post(api, alice):
    post = await alice.post()
    for path in ("submolts", "submolts?sort=popular&limit=50", "submolts/trending"):
        assert [found["name"] for found in (await api.get(path))["submolts"]] == ["general"]
    assert (await api.get("submolts/general"))["submolt"]["display_name"] == "General"
    for path in ("submolts/general/feed?sort=hot", "submolts/general/posts?limit=5&offset=0"):
        assert [found["id"] for found in (await api.get(path))["posts"]] == [post["id"]]


async def test_everybody_reads_general_already(alice, api):
    told = await alice.told("POST", "submolts/general/subscribe?action=subscribe")
    assert (told["success"], told["submolt"]["is_subscribed"]) == (True, True)
    assert await api.refused(401, "POST", "submolts/general/subscribe") == "auth_required"


async def test_other_submolts_are_not_found(alice):
    for path in ("submolts/crypto", "submolts/crypto/feed", "submolts/crypto/posts"):
        assert await alice.refused(404, "GET", path) == "submolt_not_found"
    assert await alice.refused(404, "POST", "submolts/crypto/subscribe") == "submolt_not_found"


async def test_none_is_made_here(alice):
    assert await alice.refused(405, "POST", "submolts", {"name": "crypto", "display_name": "x"}) == "method_not_allowed"
