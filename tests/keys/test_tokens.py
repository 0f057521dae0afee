"""keys.tokens: what a token looks like, what is kept of it, and when it is good for nothing."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import tokens
from keys.tokens import Kind

NOW = 1_700_000_000


@pytest.mark.parametrize("kind", list(Kind))
def test_a_secret_tells_what_it_is_for(kind: Kind) -> None:
    secret = tokens.make(kind)
    assert tokens.kind_of(secret) is kind
    assert secret.startswith(kind.value)
    assert len(secret) == len(kind.value) + 64


def test_no_two_secrets_are_alike() -> None:
    assert len({tokens.make(Kind.IDENTITY) for _ in range(100)}) == 100


def test_what_is_kept_is_the_hash_of_the_whole_text() -> None:
    secret = tokens.make(Kind.APP)
    assert tokens.digest(secret) == hashlib.sha256(secret.encode()).hexdigest()
    assert tokens.matches(secret, tokens.digest(secret))
    assert not tokens.matches(secret[:-1] + "x", tokens.digest(secret))


@pytest.mark.parametrize(
    "text", ["", "tdi_", "tdi_" + "a" * 63, "tdi_" + "A" * 64, "tdx_" + "a" * 64, "tdi_" + "a" * 64 + "\n"]
)
def test_other_texts_are_none_of_ours(text: str) -> None:
    assert tokens.kind_of(text) is None


@given(st.text())
def test_any_text_can_be_tried(text: str) -> None:
    tokens.kind_of(text)
    assert len(tokens.digest(text)) == 64


def test_a_token_is_good_until_the_second_it_expires() -> None:
    assert tokens.fault(None, NOW + 1, NOW) is None
    assert tokens.fault(None, None, NOW) is None
    assert "expired" in (tokens.fault(None, NOW, NOW) or "")


def test_a_revoked_token_is_good_for_nothing() -> None:
    assert "revoked" in (tokens.fault(NOW - 1, None, NOW) or "")
