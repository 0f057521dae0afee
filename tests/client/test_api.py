"""The HTTP client against answers that a hub should not give, and a real hub."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from keys import schnorr
from relay.client import Api, ApiError, BadKey, BadText, BadUrl, ClientError, Disconnected, Key, TimedOut
from relay.client.records import NewToken, Registered
from tests.e2e.harness import Server, serving
from tests.factories import keypair

KEY = "tdi_secret"


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> Api:
    return Api("https://hub.example/", KEY, transport=httpx.MockTransport(answer))


def problem(status: int, **fields: object) -> Api:
    return answering(lambda _: httpx.Response(status, json={"success": False, **fields}))


async def test_the_key_travels_in_the_header_alone() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"success": True, "tokens": []})

    async with answering(answer) as api:
        await api.tokens()
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert str(seen[0].url) == "https://hub.example/api/v1/agents/me/tokens"


async def test_a_refusal_carries_what_the_hub_says() -> None:
    unsigned = {"kind": 5, "tags": [["e", "0"]]}
    fields = {"code": "rate_limited", "error": "too fast", "hint": "Wait.", "retry_after_seconds": 7}
    with pytest.raises(ApiError) as caught:
        await problem(429, event=unsigned, **fields).me()
    error = caught.value
    assert (error.status, error.code, error.message, error.hint) == (429, "rate_limited", "too fast", "Wait.")
    assert (error.retry_after, error.unsigned) == (7, unsigned)
    assert str(error) == "too fast (Wait.)"


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(302, headers={"location": "https://evil.example/"}),
        httpx.Response(500, content=b"\xff"),
        httpx.Response(400, json={"error": 1}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"agent": {"id": 1}}),
        httpx.Response(200, content=b"[" * 100_000),
    ],
)
async def test_an_answer_in_another_shape_is_an_error_with_the_status(response: httpx.Response) -> None:
    with pytest.raises(ApiError) as caught:
        await answering(lambda _: response).me()
    assert caught.value.status == response.status_code
    assert str(caught.value)


async def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.client.http.MAX_ANSWER", 1000)
    with pytest.raises(ApiError, match="longer than 1000 bytes"):
        await answering(lambda _: httpx.Response(200, content=b"x" * 1001)).me()


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (httpx.ReadTimeout("slow"), TimedOut),
        (httpx.ConnectError("no"), Disconnected),
        (httpx.DecodingError("x"), Disconnected),
    ],
)
async def test_a_hub_out_of_reach_is_told_without_the_key(raised: httpx.HTTPError, error: type[ClientError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise raised

    with pytest.raises(error) as caught:
        await answering(answer).me()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hub.example",
        "ws://hub.example",
        "https://",
        "http://a:b",
        "http://a:99999",
        "http://a b",
        "http://a..b",
        "http://xn--/",
        "http://a/?b=c",
        "http://a?",
        "http://a#",
    ],
)
def test_what_is_no_hubs_url_is_told(url: str) -> None:
    with pytest.raises(BadUrl):
        Api(url)


@pytest.mark.parametrize("url", ["http://me:sesame@a:99999", "ws://:sesame@a", "http://me:sesame@a b"])
def test_no_error_shows_the_password_in_a_hubs_url(url: str) -> None:
    with pytest.raises(BadUrl, match="//…@a") as caught:
        Api(url)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "tdi x", "tdi_é", "tdi_\n"])
def test_what_is_no_key_is_told_before_the_network_is_blamed(key: str) -> None:
    with pytest.raises(BadKey) as caught:
        Api("https://hub.example", key)
    assert key.strip() == "" or key not in str(caught.value)


async def test_what_is_no_text_and_no_name_is_told_before_it_is_sent() -> None:
    api = answering(lambda request: pytest.fail(str(request.url)))
    half = "cut \ud83d"
    for work in (api.post(half), api.feed(tag=half), api.agent(half), api.add_document(half, tags=[half])):
        with pytest.raises(BadText, match="half a character"):
            await work
    with pytest.raises(BadText, match='a vote is "up" or "down"'):
        await api.vote_post("a" * 64, "sideways")
    for key in ("", "é", "a b", "x" * 256):
        with pytest.raises(BadText, match="an idempotency key has 1 to 255 visible ASCII characters"):
            await api.post("x", idempotency_key=key)
    for work in (api.get_post(""), api.agent("")):
        with pytest.raises(ApiError, match="an empty name or id is nobody's"):
            await work
    with pytest.raises(BadText, match="half a character"):
        Key(bytes(31) + b"\x01").signed(1, half, [], 0)


async def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    paths: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404, json={"code": "post_not_found", "error": "no"})

    for name in ("../agents/me?x#y", "..", "."):
        with pytest.raises(ApiError):
            await answering(answer).get_post(name)
    assert paths == [b"/api/v1/posts/..%2Fagents%2Fme%3Fx%23y", b"/api/v1/posts/%2E%2E", b"/api/v1/posts/%2E"]


# a real hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


async def registered(hub: Server, name: str) -> Registered:
    async with Api(hub.http) as api:
        return await api.register(name, "A test.")


async def test_an_identity_posts_comments_votes_and_deletes(hub: Server) -> None:
    made = await registered(hub, "writer")
    async with Api(hub.http, made.api_key) as api:
        post = await api.post("Low water", "The *tide* is out.", url="https://example.org/")
        comment = await api.comment(post.id, "And back at six.")
        reply = await api.comment(post.id, "Seven.", parent_id=comment.id)
        assert (await api.vote_post(post.id, "up")).score == 1
        again = await api.vote_post(post.id, "up")
        assert (again.score, again.your_vote, again.event) == (1, "up", None)
        assert (await api.vote_comment(comment.id, "down")).score == -1
        assert (await api.vote_post(post.id, None)).action == "removed"
        edited = await api.edit(post.id, content="In again.")
        assert (edited.title, edited.content, edited.comment_count) == ("Low water", "In again.", 2)
        page = await api.feed("new", author="WRITER")
        assert [one.id for one in page.posts] == [post.id]
        tree = (await api.comments(post.id)).comments
        assert [(one.id, [answer.id for answer in one.replies]) for one in tree] == [(comment.id, [reply.id])]
        event = await api.get_event(post.id)
        assert event == post.event
        assert schnorr.fault(event) is None
        assert (await api.delete_comment(reply.id)).kind == 5
        for text in ("Twice a day.", "About twice a day."):
            document = await api.add_document(text, title="Tides")
        assert [one.content for one in await api.history(document.id)] == ["Twice a day.", "About twice a day."]
        assert (await api.delete_post(post.id)).kind == 5
        with pytest.raises(ApiError) as caught:
            await api.get_post(post.id)
        assert (caught.value.status, caught.value.code) == (404, "post_not_found")
        for work in (
            api.change(post.id, content="x"),
            api.history(post.id),
            api.vote(post.id, "up"),
            api.delete(post.id),
        ):
            with pytest.raises(ApiError, match=f"there is nothing with the id {post.id} on this hub") as caught:
                await work
            assert (caught.value.status, caught.value.code) == (404, "event_not_found")


async def test_a_profile_is_changed_and_found_and_what_happens_is_told(hub: Server) -> None:
    mine, theirs = await registered(hub, "asked"), await registered(hub, "asking")
    async with Api(hub.http, mine.api_key) as api, Api(hub.http, theirs.api_key) as other:
        changed = await api.edit_profile(description="Knows the harbour.", metadata={"model": "tide-1"})
        assert (changed.description, changed.metadata) == ("Knows the harbour.", {"model": "tide-1"})
        assert "asked" in [one.name for one in await other.find_agents("harbour")]
        post = await api.post("Ask me")
        comment = await other.comment(post.id, "When is high water?")
        assert comment.author.name == "asking"
        await other.vote_post(post.id, "up")
        told = await api.notifications(limit=1)
        assert (told.unread_count, told.notifications[0].type, told.notifications[0].upvotes) == (2, "votes", 1)
        rest = await api.notifications(cursor=told.next_cursor)
        assert [(one.type, one.agent_name) for one in rest.notifications] == [("post_comment", "asking")]
        assert await api.mark_read(post.id) == 0
        assert await api.mark_read() == 0
        assert (await other.agent("@asked")).karma == 1


async def test_pages_follow_one_another(hub: Server) -> None:
    made = await registered(hub, "pager")
    async with Api(hub.http, made.api_key) as api:
        written = [(await api.post(f"Post {number}")).id for number in range(5)]
        found: list[str] = []
        cursor = None
        while True:
            page = await api.feed("new", limit=2, cursor=cursor, author="pager")
            found += [one.id for one in page.posts]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert sorted(found) == sorted(written)


async def test_the_same_idempotency_key_posts_once(hub: Server) -> None:
    made = await registered(hub, "once")
    async with Api(hub.http, made.api_key) as api:
        first = await api.post("Once", idempotency_key="a")
        assert await api.post("Once", idempotency_key="a") == first


async def test_tokens_are_made_listed_and_revoked(hub: Server) -> None:
    made = await registered(hub, "holder")
    async with Api(hub.http, made.api_key) as api:
        other = await api.add_token("laptop")
        assert {token.name for token in await api.tokens()} >= {"laptop"}
        async with Api(hub.http, other.api_key) as second:
            assert (await second.me()).name == "holder"
            await api.revoke_token(other.token.id)
            with pytest.raises(ApiError) as caught:
                await second.me()
    assert caught.value.status == 401
    assert other.api_key not in str(caught.value)


async def test_a_key_of_ones_own_is_bound_and_unbound(hub: Server) -> None:
    made = await registered(hub, "binder")
    signer = Key(keypair(70).secret)
    async with Api(hub.http, made.api_key) as api:
        bound = {key.pubkey: key.bound for key in await api.bind_key(signer)}
        assert bound == {made.pubkey: True, signer.pubkey: True}
        assert made.pubkey is not None
        assert (await api.export_key(made.pubkey, "a long password")).startswith("ncryptsec1")
        assert (await api.claim_key()).code
        assert [key.pubkey for key in await api.keys() if key.main] == [made.pubkey]
        assert [key.pubkey for key in await api.choose_key(signer.pubkey) if key.main] == [signer.pubkey]
        await api.unbind_key(signer.pubkey)
        assert {key.pubkey: key.bound for key in await api.keys()}[signer.pubkey] is False


async def test_a_signed_event_is_submitted_and_found(hub: Server) -> None:
    signer = Key(keypair(71).secret)
    event = signer.signed(1, "Hello", [], 1_700_000_000)
    async with Api(hub.http) as api:
        assert await api.submit(event) == ""
        assert (await api.submit(event)).startswith("duplicate: ")
        assert await api.get_event(event.id) == event


async def test_a_taken_name_is_refused(hub: Server) -> None:
    await registered(hub, "taken")
    with pytest.raises(ApiError) as caught:
        await registered(hub, "Taken")
    assert caught.value.status == 409


async def test_secrets_do_not_show_themselves(hub: Server) -> None:
    made = await registered(hub, "quiet")
    async with Api(hub.http, made.api_key) as api:
        token: NewToken = await api.add_token()
        claim = await api.claim_key()
    shown = repr((made, token, claim, api))
    assert not any(secret in shown for secret in (made.api_key, made.claim_url, token.api_key, claim.code))
