"""Users: who one is by a key, a JWT or an app token; claiming identities; what is kept about a user."""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys import tokens
from keys.tokens import Kind
from relay.protocol import kinds
from relay.setting_parts import ConfigError
from tests.factories import keypair
from tests.http.api.homes import BASE, Home, claim_of, home
from tests.http.api.proofs import ORIGIN, header, nostr, proof

ISSUER = "https://auth.example"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01")
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x02")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Home]:
    keys = tmp_path / "issuer.pem"
    keys.write_bytes(SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    given = {"jwt_issuer": ISSUER, "jwt_audience": "tidings", "jwt_keys": str(keys)}
    async with home(tmp_path / "data", identities=given) as client:
        yield client


def bearer(signer: Any = SIGNER, algorithm: str = "EdDSA", **claims: Any) -> str:
    given = {"iss": ISSUER, "aud": "tidings", "sub": "user-7", "exp": int(time.time()) + 60} | claims
    return jwt.encode({name: value for name, value in given.items() if value is not None}, signer, algorithm)


def forged(head: Any) -> str:
    """A token with this header, signed by nobody."""
    parts = (json.dumps(head), json.dumps({"iss": ISSUER, "sub": "user-7"}), "x")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


async def test_a_key_is_a_user_and_asking_makes_no_row(hub: Home) -> None:
    status, answer = await hub.ask("GET", "/users/me", nostr(1, "GET", "/users/me"))
    assert status == 200
    assert answer["user"]["user_id"] == f"nostr:{keypair(1).pubkey}"
    assert answer["user"]["id"] is None


async def test_a_jwt_of_the_issuer_is_its_subject(hub: Home) -> None:
    status, answer = await hub.ask("GET", "/users/me", bearer())
    assert status == 200
    assert answer["user"]["user_id"] == "user-7"


@pytest.mark.parametrize(
    "given",
    [
        lambda: bearer(OTHER),
        lambda: bearer(iss="https://evil.example"),
        lambda: bearer(aud="another"),
        lambda: bearer(exp=int(time.time()) - 60),
        lambda: bearer(exp=None),
        lambda: bearer(sub=None),
        lambda: bearer(sub="nostr:" + keypair(1).pubkey),
        lambda: bearer("x" * 32, "HS256"),
        lambda: bearer(RSA, "RS256"),
        lambda: bearer(P256, "ES256"),
        lambda: forged({"alg": "EdDSA", "kid": ["a"]}),
        lambda: forged({"alg": ["EdDSA"]}),
        lambda: forged({"alg": "EdDSA", "kid": {}}),
        lambda: forged({"alg": "EdDSA", "crit": ["b64"], "b64": False}),
        lambda: forged({"alg": "RS256"}),
        lambda: forged([]),
        lambda: bearer(exp=float("inf")),
        lambda: bearer(nbf="soon"),
        lambda: jwt.encode({"sub": "user-7"}, None, "none"),
        lambda: "a.b.c",
        lambda: "a" * 9000 + ".b.c",
    ],
)
async def test_any_other_jwt_is_401(hub: Home, given: Callable[[], str]) -> None:
    status, answer = await hub.ask("GET", "/users/me", given())
    assert (status, answer["success"]) == (401, False)


async def test_a_token_does_not_choose_how_it_is_checked(tmp_path: Path) -> None:
    """Neither `alg` nor `kid` of a stranger's token reaches a key of another kind."""
    keys = tmp_path / "issuer.json"
    rows = [  # those that check nothing first: the others are found behind them
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "enc", "use": "enc"},
        {"kty": "of a later time", "kid": "later"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"},
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())) | {"kid": "rsa", "alg": "RS256"},
        json.loads(jwt.algorithms.ECAlgorithm.to_jwk(P256.public_key())) | {"kid": "ec"},
    ]
    keys.write_text("\ufeff" + json.dumps({"keys": rows}), encoding="utf-8")  # as editors of Windows begin a file
    good = [("rsa", RSA, "RS256"), ("ec", P256, "ES256")]
    bad = [
        ("rsa", RSA, "PS256"),
        ("ec", RSA, "RS256"),
        ("rsa", P256, "ES256"),
        ("shared", "x" * 32, "HS256"),
        ("enc", RSA, "RS256"),
    ]
    async with home(tmp_path / "data", identities={"jwt_issuer": ISSUER, "jwt_keys": str(keys)}) as hub:
        for wanted, given in ((200, good), (401, bad)):
            for kid, signer, algorithm in given:
                claims = {"iss": ISSUER, "sub": "user-7", "exp": int(time.time()) + 60}
                token = jwt.encode(claims, signer, algorithm, headers={"kid": kid})
                assert (await hub.ask("GET", "/users/me", f"Bearer {token}"))[0] == wanted, (kid, algorithm)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', '{"keys": 1}']
)
async def test_issuer_keys_of_which_none_signs_stop_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    given = {"jwt_issuer": ISSUER, "jwt_keys": str(tmp_path / "keys")}
    with pytest.raises(ConfigError, match=r"identities\.jwt_keys"):
        async with home(tmp_path / "data", identities=given):
            pass


async def test_wrong_proofs_of_an_address_are_bounded_and_right_ones_are_not(tmp_path: Path) -> None:
    keys = tmp_path / "issuer.pem"
    keys.write_bytes(SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    given = {"jwt_issuer": ISSUER, "jwt_audience": "tidings", "jwt_keys": str(keys)}
    async with home(tmp_path / "data", identities=given, rates={"wrong_proofs": 3}) as hub:
        for _ in range(10):
            assert (await hub.ask("GET", "/users/me", bearer()))[0] == 200
        answers = [(await hub.ask("GET", "/users/me", given))[0] for given in (bearer(OTHER), "Nostr e30=") * 3]
        assert answers == [401, 401, 401, 429, 429, 429]
        status, answer = await hub.ask("GET", "/users/me", bearer())
        assert status == 429
        assert answer["retry_after_seconds"] > 0


@pytest.mark.parametrize(
    ("setting", "scheme", "status"),
    [("tls", "https", 200), ("tls", "http", 401), ("required", "https", 401), ("optional", "http", 200)],
)
async def test_a_body_without_a_payload_is_taken_where_the_setting_says(
    tmp_path: Path, setting: str, scheme: str, status: int
) -> None:
    url = "wss://hub.example" if scheme == "https" else "ws://hub.example"
    async with home(tmp_path, relay={"url": url}, identities={"proof_payload": setting}) as hub:
        place = f"{scheme}://hub.example{BASE}/users/me"
        without = header(proof(1, "PATCH", place))
        assert (await hub.ask("PATCH", "/users/me", without, name="Ann"))[0] == status
        wrong = header(proof(2, "PATCH", place, b"another body"))
        assert (await hub.ask("PATCH", "/users/me", wrong, name="Ann"))[0] == 401


async def test_a_jwt_means_nothing_without_an_issuer(tmp_path: Path) -> None:
    async with home(tmp_path) as hub:
        assert (await hub.ask("GET", "/users/me", bearer()))[0] == 401


async def test_issuer_keys_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    given = {"jwt_issuer": ISSUER, "jwt_keys": str(tmp_path / "missing.pem")}
    with pytest.raises(ConfigError, match=r"identities\.jwt_keys: .*missing\.pem cannot be read: No such file"):
        async with home(tmp_path / "data", identities=given):
            pass


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (lambda: nostr(1, "GET", "/tokens"), "another URL"),
        (lambda: nostr(1, "POST", "/users/me"), "another method"),
        (lambda: header(proof(1, "GET", f"{ORIGIN}{BASE}/users/me", created_at=1_700_000_000)), "60 seconds"),
        (lambda: header(proof(1, "GET", f"{ORIGIN}{BASE}/users/me", kind=kinds.NOTE)), "kind 27235"),
        (lambda: "Nostr e30=", "id"),
        (lambda: "Nostr !", "base64"),
    ],
)
async def test_a_proof_of_something_else_is_refused_with_the_reason(
    hub: Home, authorization: Callable[[], str], reason: str
) -> None:
    status, answer = await hub.ask("GET", "/users/me", authorization())
    assert status == 401
    assert reason in answer["message"]


async def test_a_proof_covers_the_body_and_the_query(hub: Home) -> None:
    authorization = nostr(1, "PATCH", "/users/me", name="Ann")
    assert (await hub.ask("PATCH", "/users/me", authorization, name="Eve"))[0] == 401
    assert (await hub.ask("PATCH", "/users/me?x=1", nostr(1, "PATCH", "/users/me", name="Ann"), name="Ann"))[0] == 401
    assert (await hub.ask("PATCH", "/users/me", nostr(1, "PATCH", "/users/me", name="Ann"), name="Ann"))[0] == 200


async def test_a_proof_is_good_once(hub: Home) -> None:
    authorization = nostr(1, "GET", "/users/me")
    assert (await hub.ask("GET", "/users/me", authorization))[0] == 200
    status, answer = await hub.ask("GET", "/users/me", authorization)
    assert status == 401
    assert "used already" in answer["message"]


async def test_a_user_is_kept_once_something_is_said_about_it(hub: Home) -> None:
    status, answer = await hub.ask("PATCH", "/users/me", bearer(), name="Ann", email="ann@example.com")
    assert status == 200
    assert answer["user"]["id"] is not None
    _, again = await hub.ask("PATCH", "/users/me", bearer(), username="ann")
    assert (again["user"]["name"], again["user"]["username"]) == ("Ann", "ann")
    assert again["user"]["id"] == answer["user"]["id"]


@pytest.mark.parametrize("body", [{}, {"name": "x" * 201}, {"name": "a\u202eb"}, {"email": "a\x00"}, {"credits": 100}])
async def test_a_change_that_cannot_be_kept_is_400(hub: Home, body: dict[str, Any]) -> None:
    assert (await hub.ask("PATCH", "/users/me", bearer(), **body))[0] == 400


async def test_a_claim_links_an_identity_to_a_user(hub: Home) -> None:
    agent = await hub.register("Alice")
    assert (await hub.ask("GET", "/agents/status", agent["api_key"]))[1]["status"] == "pending_claim"
    secret = claim_of(agent)
    _, seen = await hub.ask("POST", "/claims/look", secret=secret)
    assert (seen["agent"]["name"], seen["verification_code"]) == ("Alice", agent["verification_code"])
    status, answer = await hub.ask("POST", "/claims", bearer(), secret=secret, claim_url="https://x.example/1")
    assert status == 200
    assert (answer["agent"]["claimed"], answer["agent"]["claim_url"]) == (True, "https://x.example/1")
    assert (await hub.ask("GET", "/agents/status", agent["api_key"]))[1]["status"] == "claimed"
    _, me = await hub.ask("GET", "/users/me", bearer())
    assert [linked["name"] for linked in me["agents"]] == ["Alice"]


async def test_an_identity_claims_another_by_its_token(hub: Home) -> None:
    person, agent = await hub.register("Maren"), await hub.register("Alice")
    status, answer = await hub.ask("POST", "/claims", person["api_key"], secret=claim_of(agent))
    assert (status, answer["agent"]["name"], answer["agent"]["claimed"]) == (200, "Alice", True)
    assert [one["name"] for one in (await hub.ask("GET", "/claims", person["api_key"]))[1]["agents"]] == ["Alice"]
    for token in (agent["api_key"], (await hub.register("Ben"))["api_key"]):
        assert (await hub.ask("GET", "/claims", token))[1]["agents"] == []
    assert (await hub.ask("POST", "/claims", person["api_key"], secret=claim_of(agent)))[0] == 409


async def test_an_identity_does_not_claim_itself(hub: Home) -> None:
    agent = await hub.register("Alice")
    status, answer = await hub.ask("POST", "/claims", agent["api_key"], secret=claim_of(agent))
    assert (status, answer["code"]) == (403, "restricted")
    assert (await hub.ask("GET", "/agents/status", agent["api_key"]))[1]["status"] == "pending_claim"


@pytest.mark.parametrize("end", ["retire", "destroy"])
async def test_an_identity_whose_key_the_relay_gave_up_claims_by_proof_alone(hub: Home, end: str) -> None:
    person, agent = await hub.register("Maren"), await hub.register("Alice")
    assert (await hub.ask("POST", f"/agents/me/keys/{person['pubkey']}/{end}", person["api_key"]))[0] == 200
    secret = claim_of(agent)
    for method, path, given in (("POST", "/claims", {"secret": secret}), ("GET", "/claims", {})):
        assert (await hub.ask(method, path, person["api_key"], **given))[0] == 403
    assert (await hub.ask("POST", "/claims", nostr(1, "POST", "/claims", secret=secret), secret=secret))[0] == 200


async def test_an_ended_or_unknown_identity_token_claims_nothing(hub: Home) -> None:
    person, agent = await hub.register("Maren"), await hub.register("Alice")
    assert (await hub.ask("POST", "/agents/me/tokens/rotate", person["api_key"]))[0] == 201
    for token in (person["api_key"], "tdi_" + "0" * 64):
        assert (await hub.ask("POST", "/claims", token, secret=claim_of(agent)))[0] == 401
    assert (await hub.ask("POST", "/claims/look", secret=claim_of(agent)))[0] == 200


async def test_a_proof_beside_an_identity_token_is_what_counts(hub: Home) -> None:
    person = await hub.register("Maren")
    secret = claim_of(await hub.register("Alice"))
    assert (await hub.ask("POST", "/claims", person["api_key"], secret=secret))[0] == 200
    proof = nostr(1, "GET", "/claims")
    answer = await hub.get("/api/v1/claims", headers={"authorization": proof, "x-api-key": person["api_key"]})
    assert (answer.status_code, answer.json()["agents"]) == (200, [])


async def test_whoever_is_claimed_is_notified(hub: Home) -> None:
    agent = await hub.register("Alice")
    await hub.ask("POST", "/claims", bearer(), secret=claim_of(agent))
    _, page = await hub.ask("GET", "/notifications", agent["api_key"])
    (told,) = page["notifications"]
    assert (told["type"], told["content"], told["post"], told["group_id"]) == (
        "claimed",
        "A person has claimed you",
        None,
        None,
    )
    _, beat = await hub.ask("GET", "/heartbeat", agent["api_key"])
    assert [(one["type"], one["text"], one["post_id"]) for one in beat["news"]] == [("claimed", told["content"], None)]


async def test_a_claim_by_a_key_needs_the_proof_of_this_claim(hub: Home) -> None:
    secret = claim_of(await hub.register("Alice"))
    assert (await hub.ask("POST", "/claims", nostr(1, "POST", "/claims", secret="x"), secret=secret))[0] == 401
    assert (await hub.ask("POST", "/claims", nostr(1, "POST", "/claims", secret=secret), secret=secret))[0] == 200


async def test_a_claim_is_good_once(hub: Home) -> None:
    secret = claim_of(await hub.register("Alice"))
    await hub.ask("POST", "/claims", bearer(), secret=secret)
    status, answer = await hub.ask("POST", "/claims", bearer(sub="user-8"), secret=secret)
    assert (status, answer["code"]) == (409, "used")
    assert (await hub.ask("GET", "/users/me", bearer(sub="user-8")))[1]["user"]["id"] is None
    assert (await hub.ask("POST", "/claims/look", secret=secret))[0] == 409


async def test_an_expired_claim_is_410(hub: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = claim_of(await hub.register("Alice"))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 168 * 3600 + 1)
    assert (await hub.ask("POST", "/claims/look", secret=secret))[0] == 410
    status, answer = await hub.ask("POST", "/claims", bearer(), secret=secret)
    assert (status, answer["code"]) == (410, "expired")
    mine = await hub.ask("GET", "/users/me", bearer())
    assert mine[1]["agents"] == []


async def test_a_fresh_claim_link_voids_the_former(hub: Home) -> None:
    agent = await hub.register("Alice")
    _, fresh = await hub.ask("POST", "/agents/me/claims", agent["api_key"])
    assert (await hub.ask("POST", "/claims", bearer(), secret=claim_of(agent)))[0] == 404
    assert (await hub.ask("POST", "/claims", bearer(), secret=claim_of(fresh)))[0] == 200
    assert (await hub.ask("POST", "/agents/me/claims", agent["api_key"]))[0] == 409


@pytest.mark.parametrize("kind", [Kind.IDENTITY, Kind.APP])
async def test_a_token_tried_as_a_claim_is_refused_and_not_repeated(hub: Home, kind: Kind) -> None:
    token = tokens.make(kind)
    for path, who in (("/claims/look", ""), ("/claims", bearer())):
        status, answer = await hub.ask("POST", path, who, secret=token)
        assert status == 400
        assert "revoke it" in answer["message"]
        assert token not in str(answer)


@pytest.mark.parametrize("secret", ["", "nonsense", "tdk_" + "0" * 64])
async def test_what_is_no_claim_is_400(hub: Home, secret: str) -> None:
    assert (await hub.ask("POST", "/claims", bearer(), secret=secret))[0] == 400


async def test_a_claim_of_nothing_is_404_and_makes_no_user(hub: Home) -> None:
    assert (await hub.ask("POST", "/claims", bearer(), secret=tokens.make(Kind.IDENTITY_CLAIM)))[0] == 404
    assert (await hub.ask("GET", "/users/me", bearer()))[1]["user"]["id"] is None


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://x", "https://", "https://x\n", "https://a\\@b.example", "x" * 501]
)
async def test_a_proof_that_is_no_link_is_400(hub: Home, url: str) -> None:
    secret = claim_of(await hub.register("Alice"))
    assert (await hub.ask("POST", "/claims", bearer(), secret=secret, claim_url=url))[0] == 400
    assert (await hub.ask("POST", "/claims/look", secret=secret))[0] == 200


async def test_the_claim_page_holds_no_secret_and_no_foreign_script(hub: Home) -> None:
    response = await hub.get("/claim")
    assert response.status_code == 200
    assert "tdc_" not in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]
    assert "<script>" not in response.text


async def test_a_proof_of_before_that_misleads_is_shown_nowhere(hub: Home) -> None:
    secret = claim_of(await hub.register("Alice"))
    await hub.site.identities.claims.claim(secret, "user-7", "https://evil.example\\@example.com/")
    profile = (await hub.ask("GET", "/agents/alice"))[1]
    assert (profile["claimed"], profile["claim_url"]) == (True, None)
    assert "evil.example" not in (await hub.get("/u/alice", headers={"accept": "text/html"})).text
