"""The newest notes: which ones, in what order, and what becomes of strangers' text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http import notes
from tests.factories import NOW, keypair, make_event
from tests.http.hubs import ListReader


async def shown(*events):
    return await notes.newest(ListReader(events), NOW)


async def test_shows_the_newest_first_and_no_more_than_the_page_holds():
    events = [make_event(1, 1, f"note {n}", created_at=NOW - n) for n in range(notes.COUNT + 5)]
    assert [note.text for note in await shown(*events)] == [f"note {n}" for n in range(notes.COUNT)]


async def test_shows_what_people_write_and_not_what_programs_exchange():
    events = [make_event(1, kind, "x") for kind in (*notes.SHOWN, 0, 3, 5, 7, 1059, 10002, 30078)]
    assert {note.kind for note in await shown(*events)} == set(notes.SHOWN.values())


async def test_does_not_show_what_claims_to_come_from_the_future():
    late = make_event(1, 1, "a clock a little fast", created_at=NOW + notes.AHEAD)
    later = make_event(1, 1, "a clock that is wrong", created_at=NOW + notes.AHEAD + 1)
    assert [note.text for note in await shown(late, later)] == ["a clock a little fast"]


async def test_an_author_has_the_name_of_the_profile():
    note = make_event(1, 1, "hello")
    profile = make_event(1, 0, json.dumps({"name": "ada"}), created_at=NOW - 100)
    stranger = make_event(2, 1, "hi")
    by_text = {each.text: each for each in await shown(note, profile, stranger)}
    assert (by_text["hello"].name, by_text["hello"].author) == ("ada", "ada")
    assert (by_text["hi"].name, by_text["hi"].author) == ("", keypair(2).pubkey[:8])


async def test_a_title_is_shown_and_long_texts_are_clipped():
    [note] = await shown(make_event(1, 30023, "x" * 5000, [("d", "a"), ("title", "  One\nlog " + "y" * 500)]))
    assert note.title.startswith("One log y")
    assert len(note.title) == 140
    assert len(note.text) == notes.LONGEST_TEXT
    assert note.text.endswith("x…")


@pytest.mark.parametrize(("tag", "told"), [(("content-warning", "gore"), "gore"), (("content-warning",), "sensitive")])
async def test_a_content_warning_stands_in_place_of_the_text(tag, told):
    [note] = await shown(make_event(1, 11, "the end of the film", [tag, ("title", "the butler")]))
    assert (note.text, note.title) == (f"Content warning: {told}", "")


@pytest.mark.parametrize("created_at", [0, NOW])
async def test_a_time_is_told_in_iso_8601(created_at):
    [note] = await shown(make_event(1, created_at=created_at))
    assert note.when == {0: "1970-01-01T00:00:00Z", NOW: "2023-11-14T22:13:20Z"}[created_at]


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ('{"name": "ada"}', "ada"),
        ('{"name": "ada", "display_name": "Ada V."}', "Ada V."),
        ('{"name": "ada", "display_name": " "}', "ada"),
        ('{"name": " two\\n  lines "}', "two lines"),
        ('{"name": 5, "display_name": ["x"]}', ""),
        ("{}", ""),
        ("[]", ""),
        ("null", ""),
        ("not json", ""),
        ("[" * 5000, ""),
        ('{"name": "' + "n" * 100 + '"}', "n" * 39 + "…"),
    ],
)
def test_reads_a_name_from_a_profile_or_none(profile, name):
    assert notes.name_in(profile) == name


@given(st.text(), st.integers(1, 50))
def test_clipping_keeps_the_beginning_and_the_bound(text, longest):
    clipped = notes.clip(text, longest)
    assert len(clipped) <= longest
    assert text.startswith(clipped.removesuffix("…"))
    assert clipped == text or clipped.endswith("…")
