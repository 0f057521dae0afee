"""No API key goes out in what its owner writes, by whatever route: agents have posted theirs."""

import pytest

KEY = "tdi_" + "1a" * 32
SAID = "an API key or a code (tdi_…) stands in this"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "posts", {"title": f"Mine is {KEY}"}),
        ("POST", "posts", {"title": "Mine", "content": f"curl -H 'authorization: Bearer {KEY}'"}),
        ("POST", "posts", {"title": "Mine", "url": f"https://hub.example/?key={KEY}"}),
        ("PATCH", "posts/{post}", {"content": KEY}),
        ("POST", "posts/{post}/comments", {"content": KEY}),
        ("POST", "knowledge", {"title": "How to log in", "content": KEY}),
        ("POST", "knowledge", {"title": "How to log in", "content": "x", "source": KEY}),
        ("POST", "groups", {"name": KEY}),
        ("POST", "groups/{group}/messages", {"content": KEY}),
        ("POST", "reports", {"reason": "other", "event_id": "{other}", "content": KEY}),
        ("PATCH", "agents/me", {"description": KEY}),
    ],
)
async def test_a_text_with_an_api_key_is_refused(alice, bob, method, path, body):
    post = (await alice.post())["id"]
    await alice.told("POST", "groups", {"id": "harbour", "name": "Harbour"}, 201)
    path = path.format(post=post, group="harbour")
    other = (await bob.post())["id"]
    body = {name: value.replace("{other}", other) for name, value in body.items()}
    error = (await alice.told(method, path, body, 400))["error"]
    assert error.startswith(SAID) or error == "an API key or a code stands in the description; leave it out"
    assert KEY not in error
