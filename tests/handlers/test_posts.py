"""Posts (kind 11, NIP-7D) and their edits."""

import pytest

from handlers import table
from relay.errors import Reject
from relay.protocol.admission import Door, ProvisionIdentity
from relay.protocol.event import Event
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, FakeLog, admit, decide, refused

TITLE = ["title", "A title"]
POST = make_event(1, 11, "text", [TITLE])


def known(*live: Event) -> FakeLog:
    """Keys 1 and 2 are of one identity, 3 of another; key 4 was unbound."""
    found = FakeLog(*live)
    found.bound = {keypair(1).pubkey: "a", keypair(2).pubkey: "a", keypair(3).pubkey: "b"}
    found.owners = {keypair(4).pubkey: "c"}
    return found


def by(door: Door, event: Event, log: FakeLog | None = None) -> str:
    """The sentence with which that door refuses the event; "" when it does not."""
    try:
        decide(table.meaning(RELAY), event, log or known(), NOW, door)
    except Reject as refusal:
        return str(refusal)
    return ""


def test_a_post_of_a_bound_key_is_stored_for_everyone() -> None:
    admission = admit(POST, known())
    assert (admission.store, admission.audience, admission.actions) == (True, None, ())
    assert table.meaning(RELAY).touches(POST) == (("posts", POST.id), ("post_topics", POST.id))


def test_a_key_without_an_identity_is_told_how_to_get_one() -> None:
    reason = refused(make_event(5, 11, "", [TITLE]), known())
    assert reason.startswith("restricted: this key has no posting identity; get one with POST /api/v1/agents/register")


def test_a_key_that_was_unbound_is_refused_by_every_door_but_the_import() -> None:
    post = make_event(4, 11, "", [TITLE])
    refusals = {door: by(door, post) for door in Door}
    assert refusals.pop(Door.IMPORT) == ""
    assert all(reason.startswith("restricted: this key was unbound") for reason in refusals.values())


def test_a_relay_may_provision_an_identity_for_a_new_key_but_not_for_one_that_was_unbound() -> None:
    meaning = table.meaning(RELAY, provision=True, provisions_per_hour=7)
    admission = decide(meaning, make_event(5, 11, "", [TITLE]), known(), NOW, Door.CLIENT)
    assert admission.actions == (ProvisionIdentity(keypair(5).pubkey, None, 7),)
    with pytest.raises(Reject, match="unbound"):
        decide(meaning, make_event(4, 11, "", [TITLE]), known(), NOW, Door.CLIENT)


@pytest.mark.parametrize(
    "tags",
    [
        [],
        [["title"]],
        [["title", ""]],
        [["title", " \t"]],
        [["title", "\u200b"]],
        [["title", "\u3164"]],
        [["title", "\u2800 \ufe0f"]],
        [["title", ""], TITLE],
    ],
)
def test_a_post_needs_a_title(tags: list[list[str]]) -> None:
    assert refused(make_event(1, 11, "text", tags), known()).startswith("invalid: a post needs a title")


@pytest.mark.parametrize(("length", "prefix"), [(300, ""), (301, "invalid: a title has at most 300 characters")])
def test_a_title_is_at_most_300_characters_long(length: int, prefix: str) -> None:
    reason = refused(make_event(1, 11, "", [["title", "é" * length]]), known())
    assert reason == prefix


@pytest.mark.parametrize(
    "title",
    [
        "two\nlines",
        "bell\x07",
        "nul\x00",
        "del\x7f",
        "two\u2028lines",
        "two\u2029lines",
    ],
)
def test_a_title_holds_no_control_characters(title: str) -> None:
    assert refused(make_event(1, 11, "", [["title", title]]), known()).startswith("invalid: a title is one line")


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example\\@example.com/",
        "HTTPS:\\\\evil.example",
        "https://example.com@evil.example/",
        "https://example.com/\n",
        " https://example.com/",
        "https://example.com/\u202egpj.exe",
        "https://example.com/\u3164",
        "https://",
        "plain\u202etext",
    ],
)
def test_a_link_that_reads_as_something_else_is_refused_but_kept_of_an_import(link: str) -> None:
    post = make_event(1, 11, "", [TITLE, ["r", link]])
    assert by(Door.CLIENT, post).startswith("invalid: an r tag: a link is")
    assert by(Door.IMPORT, post) == ""


@pytest.mark.parametrize(
    "link", ["https://example.com/a?b#c", "HTTPS://Example.com", "wss://relay.example", "a reference", ""]
)
def test_other_r_tags_are_taken(link: str) -> None:
    assert by(Door.CLIENT, make_event(1, 11, "", [TITLE, ["r", link]])) == ""


@pytest.mark.parametrize(
    "title", ["\u200fשלום", "ไทย\u200bไทย", "👩\u200d🚀 up", "turned \u202e around", "🏴\U000e0067\U000e007f"]
)
def test_marks_that_languages_need_may_stand_in_a_title(title: str) -> None:
    assert by(Door.CLIENT, make_event(1, 11, "", [["title", title]])) == ""


def test_a_text_with_a_nul_character_is_refused() -> None:
    assert refused(make_event(1, 11, "a\x00b", [TITLE]), known()).startswith("invalid: the text holds a NUL")


def test_a_post_to_a_group_that_is_not_here_is_refused() -> None:
    assert refused(make_event(1, 11, "", [TITLE, ["h", "g"]]), known()).startswith("invalid: there is no group 'g'")


@pytest.mark.parametrize("door", [Door.PEER, Door.IMPORT])
def test_peers_and_imports_may_bring_what_has_no_row_yet(door: Door) -> None:
    assert by(door, make_event(5, 11, "", [["h", "g"]])) == ""
