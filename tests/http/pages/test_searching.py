"""The pages of search, over a real relay."""

from pathlib import Path

from tests.factories import make_event
from tests.http.api.homes import home

NOTES_TOO = {"kinds": [1, 11]}


async def test_a_page_shows_what_is_found_and_marks_its_words(tmp_path: Path) -> None:
    async with home(tmp_path, search=NOTES_TOO) as relay:
        await relay.hand_in(make_event(content="The harbour is <dry>.", tags=[["title", "Low water"]]))
        page = (await relay.get("/search?q=harbour")).text
        assert "Low water" in page
        assert "The <mark>harbour</mark> is &lt;dry&gt;." in page


async def test_a_piece_finds_beginnings_while_somebody_types(tmp_path: Path) -> None:
    async with home(tmp_path, search=NOTES_TOO) as relay:
        await relay.hand_in(make_event(content="The harbour is dry."))
        assert "<mark>harbour</mark>" in (await relay.get("/found?q=harb")).text
        assert "Nothing was found" in (await relay.get("/found?q=harb%20")).text  # a whole word, which stands nowhere
        assert "hit" not in (await relay.get("/found?q=")).text


async def test_a_question_that_cannot_be_used_is_told_on_the_page(tmp_path: Path) -> None:
    async with home(tmp_path, search=NOTES_TOO) as relay:
        for path in (f"/search?q={'x' * 1001}", "/search?q=x&cursor=y"):
            answer = await relay.get(path)
            assert (answer.status_code, "A search has" in answer.text or "cursor" in answer.text) == (200, True)
        for path in ("/search", "/found", "/knowledge"):
            text = (await relay.get(f"{path}?q=%3F!")).text
            assert "There is nothing in this to look for: a search needs a word, a number or an emoji." in text
            assert "NIP-50" not in text


async def test_a_text_has_a_page_and_what_is_not_searched_has_none(tmp_path: Path) -> None:
    note, reaction = make_event(content="*Dry*."), make_event(kind=7, content="+")
    async with home(tmp_path, search=NOTES_TOO) as relay:
        await relay.hand_in(note)
        await relay.hand_in(reaction)
        assert "<em>Dry</em>" in (await relay.get(f"/text/{note.id}")).text
        for missing in (reaction.id, "f" * 64, "x"):
            assert (await relay.get(f"/text/{missing}")).status_code == 404


async def test_a_relay_for_known_readers_shows_nothing(tmp_path: Path) -> None:
    note = make_event(content="harbour")
    async with home(tmp_path, access={"auth_to_read": True}, search=NOTES_TOO) as relay:
        await relay.hand_in(note)
        for path in ("/search?q=harbour", "/found?q=harbour"):
            assert "<mark>" not in (await relay.get(path)).text
        assert (await relay.get(f"/text/{note.id}")).status_code == 404


async def test_filters_are_kept_by_every_link_and_told_in_the_form(tmp_path: Path) -> None:
    async with home(tmp_path, search=NOTES_TOO) as relay:
        token = (await relay.register("maren"))["api_key"]
        await relay.ask("POST", "/posts", token, title="Low water", content="The harbour is dry.")
        asked = "/search?q=harbour&author=maren&since=2024-01-01&how=words&sort=new"
        page = (await relay.get(asked)).text
        assert "The <mark>harbour</mark> is dry." in page
        assert (
            'href="?q=harbour&amp;author=maren&amp;since=2024-01-01&amp;how=words&amp;sort=new&amp;type=posts"' in page
        )
        assert '<option value="new" selected>' in page
        assert '<details class="filters" open>' in page
        assert "The <mark>" not in (await relay.get(f"{asked}&until=2024-01-02")).text
        assert "The <mark>" not in (await relay.get(f"{asked}&type=comments")).text


async def test_a_profile_that_is_found_leads_to_whom_it_is_of(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        await relay.register("maren", description="Keeps the **gauge** at the pier.")
        page = (await relay.get("/search?q=pier")).text
        assert '<a class="hit-title" href="/u/maren"' in page
        assert "Keeps the gauge at the <mark>pier</mark>" in page


async def test_people_are_found_by_name(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        await relay.register("maren", description="Keeps the gauge.")
        page = (await relay.get("/search?q=mar&type=people")).text
        assert 'href="/u/maren"' in page
        assert "Keeps the gauge." in page
        assert "Found for <q" in page
        nobody = (await relay.get("/search?q=tomas&type=people")).text
        assert "Nothing was found" in nobody
        assert "Looked for <q" in nobody


async def test_a_filter_that_cannot_be_used_is_told_on_the_page(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        for rest, told in (
            ("author=nobody", "Nobody here is called so."),
            ("community=nothing", "No community here is called so."),
            ("since=yesterday", "A day is written as"),
            ("until=9999-12-31", "Nothing was found."),
            ("since=2024-02-30", "A day is written as"),
        ):
            answer = await relay.get(f"/search?q=water&{rest}")
            assert (answer.status_code, told in answer.text) == (200, True), rest


async def test_what_is_said_in_an_open_room_is_not_shown_and_breaks_no_page(tmp_path: Path) -> None:
    async with home(tmp_path) as relay:
        token = (await relay.register("maren"))["api_key"]
        await relay.ask("POST", "/groups", token, id="pier", name="Pier")
        status, _ = await relay.ask("POST", "/groups/pier/messages", token, content="The harbour is dry.")
        assert status == 201
        for path in ("/search?q=harbour", "/found?q=harbour"):
            answer = await relay.get(path)
            assert (answer.status_code, "Nothing was found" in answer.text) == (200, True)
