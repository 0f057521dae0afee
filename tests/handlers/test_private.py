"""Who may read direct messages and gift wraps (NIP-04, NIP-17, NIP-59)."""

import pytest

from tests.factories import keypair, make_event
from tests.handlers.known import admit, refused

BOB, CAROL = keypair(2).pubkey, keypair(3).pubkey


@pytest.mark.parametrize(("kind", "stored"), [(1059, True), (21059, False)])
def test_a_gift_wrap_is_for_its_recipients_and_not_for_its_author(kind: int, stored: bool) -> None:
    admission = admit(make_event(1, kind=kind, tags=[["p", BOB], ["p", CAROL], ["p", BOB]]))
    assert admission.audience == (BOB, CAROL)
    assert admission.store is stored


@pytest.mark.parametrize("kind", [1059, 21059])
@pytest.mark.parametrize("tags", [[], [["p"]], [["p", ""]], [["p", BOB.upper()]], [["P", BOB]]])
def test_a_gift_wrap_that_nobody_could_read_is_refused(kind: int, tags: list[list[str]]) -> None:
    assert refused(make_event(1, kind=kind, tags=tags)).startswith("invalid: a gift wrap needs a p tag")


def test_a_direct_message_is_for_its_recipient_and_its_author() -> None:
    message = make_event(1, kind=4, tags=[["p", BOB]])
    assert admit(message).audience == (BOB, message.pubkey)


def test_a_direct_message_to_nobody_is_its_authors_alone() -> None:
    message = make_event(1, kind=4)
    assert admit(message).audience == (message.pubkey,)
