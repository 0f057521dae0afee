"""The signed event behind an item, and whether this browser could verify it."""

import json
import time

import pytest
from playwright.sync_api import expect

from relay.http.rendering import static
from tests.e2e.harness import fresh_key
from tests.factories import make_event
from tests.web.reading import Agent, button

CHECK = "async ([url, event]) => (await import(url)).check(event)"


def test_shows_the_event_and_that_it_verifies(relay, window):
    post = Agent(relay).post("Proven", 'with "quotes", \\ and\nlines \u2028 é 😀')
    reader = window(f"/post/{post}")
    button(reader.by_id(post), "proof").click()
    dialog = reader.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Verified by this browser")
    expect(dialog).to_contain_text("The relay keeps this key for the author")
    assert json.loads(dialog.locator("pre").inner_text())["id"] == post


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [("Genuine", "Forged", "The id is not the hash"), ('"sig":"', '"sig":"00', "does not fit the author's key")],
)
def test_says_when_what_came_does_not_verify(relay, window, was, becomes, told):
    post = Agent(relay).post("Genuine")
    reader = window(f"/post/{post}", intercept=True)
    reader.await_live()

    def bend(message: str | bytes) -> str | bytes:
        text = str(message)
        if '"q' not in text[:12] or post not in text:
            return message
        bent = text.replace(was, becomes)
        at = bent.find('"sig":"') + 7
        return bent if "Forged" in bent else bent[: at + 128] + bent[at + 130 :]

    reader.bend = bend
    button(reader.by_id(post), "proof").click()
    dialog = reader.page.get_by_role("dialog")
    expect(dialog).to_contain_text("This does not verify")
    expect(dialog).to_contain_text(told)


def test_the_checker_agrees_with_the_library_that_signs(relay, window):
    page = window("/relay").page
    url = static.url("verify.js")
    for number in range(8):
        event = make_event(fresh_key(), number, f"{number} \x01\x1f\x7f\u2029 \t\b\f", [["t", "\\"]], int(time.time()))
        given = {name: getattr(event, name) for name in event.__struct_fields__}
        assert page.evaluate(CHECK, [url, given]) == {"hash": True, "signature": True}
        flipped = f"{int(event.sig[number], 16) ^ 1:x}"
        forged = {**given, "sig": event.sig[:number] + flipped + event.sig[number + 1 :]}
        assert page.evaluate(CHECK, [url, forged]) == {"hash": True, "signature": False}
        assert page.evaluate(CHECK, [url, {**given, "kind": number + 1}]) == {"hash": False, "signature": True}


# BIP-340's own vectors for what must fail: pubkey, message, signature.
PUBKEY = "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659"
MESSAGE = "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89"
X = "6cff5c3ba86c69ea4b7376f31a9bcb4f74c1976089b2d9963da2e5543e177769"
S = "69e89b4c5564d00349106b8497785dd7d1d713a8ae82b32fa79d5f7fc407d39b"
FAILING = [
    ("eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34", X + S),  # not on the curve
    (PUBKEY, "4a298dacae57395a15d0795ddbfd1dcb564da82b0f269bc70a74f8220429ba1d" + S),  # r is no x coordinate
    (PUBKEY, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f" + S),  # r is the field's size
    (PUBKEY, X + "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"),  # s is the group's order
    ("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30", X + S),  # beyond the field
    (PUBKEY, "0" * 64 + "123dda8328af9c23a94c1feecfd123ba4fb73476f0d594dcb65c6425bd186051"),  # the sum is no point
]


def test_signatures_that_bip340_says_must_fail_do(relay, window):
    page = window("/relay").page
    verify = "async ([url, ...given]) => (await import(url)).verify(...given)"
    url = static.url("verify.js")
    for pubkey, signature in FAILING:
        assert page.evaluate(verify, [url, signature, MESSAGE, pubkey]) is False
