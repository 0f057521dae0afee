"""Tokens and codes: making them, telling them apart, keeping only their hash.

Each kind has a prefix, so that one kind is never taken for another and a leaked one is found by a search. What is kept is a
SHA-256: they are random, so a slow hash would add nothing.
"""

import enum
import hashlib
import hmac
import re
import secrets
from typing import Final

SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"(td[a-z]_)[0-9a-f]{64}", re.ASCII)
_PRIVATE: Final = re.compile(r"td[iakc]_[0-9a-f]{64}(?![0-9a-f])", re.ASCII)  # an invite is there to be passed on


class Kind(enum.StrEnum):
    """What a secret is for; the value is its prefix."""

    IDENTITY = "tdi_"  # posts as an identity
    APP = "tda_"  # acts for a user
    KEY_CLAIM = "tdk_"  # binds a key to an identity, once
    IDENTITY_CLAIM = "tdc_"  # links an identity to a user, once
    INVITE = "tdm_"  # gives a key an identity of its own, once


JWT: Final = "eyJ"  # begins every JWT: a JSON object in base64url

_BY_PREFIX: Final = {kind.value: kind for kind in Kind}


def make(kind: Kind) -> str:
    """A new secret of this kind, to be shown once."""
    return kind.value + secrets.token_hex(SECRET_BYTES)


def kind_of(text: str) -> Kind | None:
    """What kind of secret the text is, None when it is none of ours."""
    shape = _SHAPE.fullmatch(text)
    return None if shape is None else _BY_PREFIX.get(shape[1])


def private_within(text: str) -> Kind | None:
    """What kind of secret stands in the text that is for its owner alone; None where there is none."""
    found = "td" in text and _PRIVATE.search(text)
    return kind_of(found[0]) if found else None


def digest(text: str) -> str:
    """The hash by which a secret is kept and found, lower-case hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def matches(text: str, kept: str) -> bool:
    """Whether `kept` is the digest of `text`, in constant time."""
    return hmac.compare_digest(digest(text), kept)


def fault(revoked_at: int | None, expires_at: int | None, now: int) -> str | None:
    """Why a token is good for nothing any more at `now`, all unix seconds; None while it is good."""
    if revoked_at is not None:
        return "this token was revoked"
    if expires_at is not None and expires_at <= now:
        return "this token has expired"
    return None
