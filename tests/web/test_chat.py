"""Rooms on the page: two people chat live in two browsers, by API key and by a signing extension, in open and private rooms."""

import time

import pytest
from playwright.sync_api import Locator, expect

from relay.protocol.event import Event, wire
from tests.e2e.harness import HTTP, Server, fresh_key
from tests.factories import make_event
from tests.web.reading import Agent, Identity, Reader, button


def publish(relay: Server, *events: Event) -> None:
    """By another client."""
    for event in events:
        answer = HTTP.post(
            f"{relay.http}/api/v1/events", content=wire(event), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 201, answer.text


class Chatter(Reader):
    """Somebody in front of a room."""

    def message(self, text: str) -> Locator:
        return self.page.locator(".message").filter(has_text=text)

    def say(self, text: str) -> None:
        field = self.page.get_by_label("Your message")
        field.fill(text)
        field.press("Enter")

    def texts(self) -> list[str]:
        return self.page.locator(".message .prose").all_inner_texts()


def begin(agent: Agent, group_id: str, **fields: object) -> str:
    agent.call("POST", "/groups", id=group_id, name=fields.pop("name", group_id), **fields)
    return group_id


def say(agent: Agent, group_id: str, text: str, **more: str) -> str:
    return str(agent.call("POST", f"/groups/{group_id}/messages", content=text, **more)["message"]["id"])


@pytest.fixture
def room(window):
    """Opens a room: `room("id", identity)`."""

    def open_room(group_id: str, identity: Identity | None = None, **options: object) -> Chatter:
        reader = window(f"/chat/{group_id}", identity, **options)
        reader.__class__ = Chatter
        return reader

    return open_room


@pytest.fixture(scope="module")
def keeper(relay: Server) -> Agent:
    return Agent(relay, "bosun")


@pytest.mark.parametrize("private", [False, True])
def test_two_people_chat_live(relay, room, keeper, private):
    group = begin(keeper, f"two-{private}".lower(), private=private)
    mate = Agent(relay)
    keeper.call("POST", f"/groups/{group}/members", agent=mate.identity.name)
    one, other = room(group, keeper.identity), room(group, mate.identity)
    one.await_live()
    other.await_live()
    one.say("Low water at **noon**.")
    expect(other.message("Low water at noon.").locator("strong")).to_have_text("noon")
    button(other.message("Low water"), "Reply").click()
    other.say("And at midnight.")
    answer = one.message("And at midnight.")
    expect(answer.locator(".quote")).to_contain_text("bosun Low water at noon.")
    assert one.texts() == other.texts() == ["Low water at noon.", "And at midnight."]

    button(answer, "React").click()
    answer.get_by_role("button", name="👍").click()
    seen = other.message("And at midnight.").locator(".reaction")
    expect(seen).to_have_text("👍 1")
    expect(seen).to_have_attribute("aria-pressed", "false")
    expect(answer.locator(".reaction")).to_have_attribute("aria-pressed", "true")
    answer.locator(".reaction").click()
    expect(seen).to_have_count(0)
    expect(answer.locator(".reaction")).to_have_count(0)

    mine = other.message("And at midnight.")
    expect(button(other.message("bosun").first, "Delete")).to_be_hidden()
    button(mine, "Delete").click()
    button(mine, "Really delete?").click()
    for reader in (one, other):
        expect(reader.page.locator(".message")).to_have_count(1)


@pytest.mark.parametrize("private", [False, True])
def test_a_message_is_edited_before_everybody_s_eyes(relay, room, keeper, private):
    group = begin(keeper, f"edits-{private}".lower(), private=private)
    keeper.call("POST", f"/groups/{group}/members", agent=(mate := Agent(relay)).identity.name)
    said = say(keeper, group, "Low water at noon")
    one, other = room(group, keeper.identity), room(group, mate.identity)
    one.await_live()
    other.await_live()
    expect(button(other.message("Low water"), "Edit")).to_be_hidden()
    button(one.message("Low water"), "Edit").click()
    expect(one.page.get_by_label("Your message")).to_have_value("Low water at noon")
    expect(one.page.locator("#answering")).to_contain_text("Editing your message")
    one.say("Low water at **one**")
    for reader in (one, other):
        expect(reader.message("Low water at one").locator("strong")).to_have_text("one")
        expect(reader.message("Low water at one").locator(".edited")).to_have_text("edited")
        expect(reader.page.locator(".message")).to_have_count(1)
    expect(one.page.get_by_label("Your message")).to_have_value("")
    later = room(group, mate.identity)
    expect(later.message("Low water at one")).to_have_count(1)
    later.message("Low water at one").locator(".edited").click()
    if private:
        expect(later.page.locator(".message .versions li")).to_have_count(2)
        expect(later.page.locator(".versions li").first).to_contain_text("Low water at noon")
    else:
        expect(later.page).to_have_url(f"{relay.http}/chat/{group}/message/{said}/history")
        expect(later.page.locator(".version")).to_have_count(2)


def test_what_is_typed_while_a_message_is_under_way_is_the_next_one(relay, room, keeper):
    group = begin(keeper, "typing")
    one = room(group, keeper.identity)
    one.await_live()
    field, answers = one.page.get_by_label("Your message"), one.hold()
    one.say("Low water")
    one.until(lambda: answers)
    field.type("at noon")
    answers.pop().continue_()
    expect(one.message("Low water")).to_be_visible()
    expect(field).to_have_value("at noon")

    field.press("Enter")
    one.until(lambda: answers)
    field.type("or later")
    answers.pop().fulfill(status=503, json={"message": "the harbour is closed"})
    expect(one.page.locator("#say .trouble").filter(has_text="harbour")).to_be_visible()
    expect(field).to_have_value("at noon\nor later")

    button(one.message("Low water"), "Edit").click()
    expect(field).to_have_value("Low water")
    field.fill("Low water again")
    field.press("Enter")
    one.until(lambda: answers)
    expect(field).to_have_value("at noon\nor later")
    answers.pop().fulfill(status=503, json={"message": "the harbour is closed"})
    expect(field).to_have_value("Low water again")
    one.page.get_by_role("button", name="Cancel").click()
    expect(field).to_have_value("at noon\nor later")

    field.press("Enter")
    one.until(lambda: answers)
    button(one.message("Low water"), "Edit").click()
    answers.pop().fulfill(status=503, json={"message": "the harbour is closed"})
    expect(one.page.locator("#say .trouble")).to_contain_text("harbour")
    expect(field).to_have_value("Low water")
    field.press("Escape")
    expect(field).to_have_value("at noon\nor later")


def test_what_one_signs_in_a_row_stands_in_that_order(relay, room, keeper):
    group = begin(keeper, "in-a-row")
    reader = room(group, key=fresh_key())
    reader.await_live()
    for number in range(5):
        reader.say(f"number {number}.")
        expect(reader.message(f"number {number}.")).to_have_count(1)
        if number == 2:
            button(reader.message(f"number {number}."), "Reply").click()
    times = [int(item.get_attribute("data-at") or 0) for item in reader.page.locator(".message").all()]
    assert len(times) == 5
    assert times == sorted(set(times))
    assert reader.texts() == [f"number {number}." for number in range(5)]


def test_who_signs_with_an_extension_edits_too_and_others_edit_as_their_clients_do(relay, room, keeper):
    group = begin(keeper, "edits-own")
    key = fresh_key()
    reader = room(group, key=key)
    reader.await_live()
    reader.say("Low water at noon")
    expect(reader.message("Low water at noon")).to_have_count(1)
    button(reader.message("Low water at noon"), "Edit").click()
    reader.say("Low water at one")
    expect(reader.message("Low water at one").locator(".edited")).to_be_visible()
    at = int(time.time()) - 60
    first = make_event(61, 9, "High water at six", [["h", group]], at)
    again = make_event(61, 9, "High water at seven", [["h", group]], at)
    publish(relay, first)
    expect(reader.message("High water at six")).to_have_count(1)
    publish(relay, make_event(61, 5, "", [["h", group], ["e", first.id], ["k", "9"]], at + 60), again)
    expect(reader.message("High water at seven").locator(".edited")).to_be_visible()
    expect(reader.message("High water at six")).to_have_count(0)
    reader.page.reload()
    expect(reader.message("High water at seven").locator(".edited")).to_be_visible()


def test_what_is_private_is_in_no_page_and_not_told_to_strangers(relay, room, keeper):
    begin(keeper, "cabin", name="The cabin", private=True)
    begin(keeper, "hold", name="The hold", private=True, hidden=True)
    for group in ("cabin", "hold"):
        say(keeper, group, "Between ourselves")
        reader = room(group)
        expect(reader.page.locator("#gate")).to_contain_text("for its members")
        expect(reader.page.locator("#say")).to_be_hidden()
        assert "Between ourselves" not in HTTP.get(f"{relay.http}/chat/{group}").text
    assert "The hold" not in HTTP.get(f"{relay.http}/chat/hold").text
    stranger = room("cabin", Agent(relay).identity)
    expect(stranger.page.locator("#gate")).to_contain_text("members")
    expect(stranger.message("Between ourselves")).to_have_count(0)
    member = room("hold", keeper.identity)
    expect(member.message("Between ourselves")).to_be_visible()
    expect(member.page.get_by_role("heading", level=1)).to_have_text("The hold")


def test_joining_opens_a_private_room_and_leaving_shuts_it(relay, room, keeper):
    group = begin(keeper, "wardroom", private=True)
    say(keeper, group, "Before you came")
    expect(room(f"{group}?code=sesame").page.locator("#gate")).to_contain_text("You are invited")
    reader = room(f"{group}?code=sesame", Agent(relay).identity)
    expect(reader.page.locator("#gate")).to_contain_text("You are invited")
    reader.page.locator("#membership button").click()
    expect(reader.message("Before you came")).to_be_visible()
    say(keeper, group, "Welcome")
    expect(reader.message("Welcome")).to_be_visible()
    reader.page.locator("#membership button").click()
    expect(reader.page.locator("#gate")).to_be_visible()
    expect(reader.page.locator(".message")).to_have_count(0)


def test_a_private_room_that_could_not_be_opened_offers_to_try_again(relay, room, keeper):
    group = begin(keeper, "lazaret", private=True, about="For *the sick*.")
    say(keeper, group, "Still here")
    reader = room("nowhere", keeper.identity)
    held = []  # how the reader stands to the room, which is tried again by itself once that is known
    reader.page.route(f"**/api/v1/groups/{group}", lambda route: route.continue_() if held else held.append(route))
    reader.page.route("**/private-room.js*", lambda route: route.abort())
    reader.go(f"/chat/{group}")
    gate = reader.page.locator("#gate")
    again = button(gate, "Try again")
    expect(gate).to_contain_text("cannot be reached just now")
    reader.until(lambda: held)
    reader.page.unroute("**/private-room.js*")
    reader.page.route("**/preview.js*", lambda route: route.abort())
    again.click()
    held[0].continue_()
    expect(reader.message("Still here")).to_be_visible()  # without what it says of itself, whose script does not come
    expect(gate).to_be_hidden()
    reader.say("So it opened")
    expect(reader.message("So it opened")).to_have_count(1)


def test_an_open_room_is_whole_without_scripts_and_goes_back_page_by_page(relay, room, keeper):
    group = begin(keeper, "pier", name="The pier", about="Who comes and goes.")
    for number in range(56):
        latest = say(keeper, group, f"number {number}.")
    say(keeper, group, "last of all", reply_to=latest)
    reader = room(group, java_script_enabled=False)
    expect(reader.message("last of all").locator(".quote")).to_contain_text("bosun number 55.")
    expect(reader.page.locator("main")).to_contain_text("Who comes and goes.")
    expect(reader.page.locator(".day")).to_have_count(1)
    assert len(reader.texts()) == 50
    reader.page.get_by_role("link", name="Older messages").click()
    expect(reader.page.locator(".message")).to_have_count(7)

    scripted = room(group, Agent(relay).identity)
    scripted.await_live()
    expect(scripted.message("last of all")).to_be_in_viewport()
    scripted.page.evaluate("scrollTo(0, 0)")
    expect(scripted.page.locator(".message")).to_have_count(57)
    assert len(set(scripted.texts())) == 57


def test_where_one_left_off_is_marked(relay, room, window, keeper):
    group, other = begin(keeper, "watch"), Agent(relay)
    say(keeper, group, "Seen")
    reader = room(group, other.identity)
    reader.await_live()
    reader.go("/communities")
    reader.page.evaluate(
        """(name) => {
          const { watch } = JSON.parse(localStorage.getItem(name));
          localStorage.setItem(name, JSON.stringify({ watch: watch - 1 }));
        }""",
        f"tidings.@{other.identity.id}.read",
    )
    reader.go(f"/chat/{group}")
    expect(reader.page.locator(".unread + .message")).to_contain_text("Seen")


def test_a_member_with_a_signing_extension_reads_and_writes_in_a_private_room(relay, room, keeper):
    group, key = begin(keeper, "signers", private=True), fresh_key()
    keeper.call("POST", f"/groups/{group}/members", pubkey=key.pubkey)
    say(keeper, group, "Sign here")
    reader = room(group, key=key)
    button(reader.page.locator("#gate"), "Use my Nostr extension").click()
    expect(reader.message("Sign here")).to_be_visible()
    reader.await_live()
    reader.say("Signed, sealed")
    other = room(group, keeper.identity)
    mine = other.message("Signed, sealed")
    expect(mine).to_be_visible()
    assert mine.get_attribute("data-pubkey") == key.pubkey
    other.say("Delivered")
    expect(reader.message("Delivered")).to_be_visible()
    theirs = reader.message("Delivered")
    button(theirs, "React").click()
    theirs.get_by_role("button", name="🎉").click()
    chip = theirs.locator(".reaction")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(other.message("Delivered").locator(".reaction")).to_have_text("🎉 1")
    chip.click()
    expect(chip).to_have_count(0)
    expect(other.message("Delivered").locator(".reaction")).to_have_count(0)


def test_ones_rooms_are_listed_those_of_an_organization_together(relay, window, room, keeper):
    mate = Agent(relay)
    begin(keeper, "fleet", name="The fleet")
    begin(keeper, "fleet-engines", name="Engines", parent="fleet", private=True)
    begin(keeper, "fleet-galley", name="Galley", parent="fleet")
    begin(keeper, "alone", name="By itself")
    for group in ("fleet", "fleet-engines", "fleet-galley", "alone"):
        keeper.call("POST", f"/groups/{group}/members", agent=mate.identity.name)
    reader = room("fleet-engines", mate.identity)
    reader.await_live()
    rooms = reader.page.get_by_role("navigation", name="Your rooms")
    expect(rooms.get_by_role("link")).to_have_text(["By itself", "Engines", "Galley", "The fleet"])
    expect(rooms.get_by_role("link", name="Engines")).to_have_attribute("aria-current", "page")
    say(keeper, "fleet-galley", "Soup")
    expect(rooms.get_by_role("link", name="Galley")).to_contain_text("new")
    rooms.get_by_role("link", name="Galley").click()
    reader.page.wait_for_url("**/chat/fleet-galley")
    expect(reader.message("Soup")).to_be_visible()
    expect(window("/chat", mate.identity).page.get_by_role("link", name="Engines")).to_be_visible()
    assert "Engines" not in HTTP.get(f"{relay.http}/chat").text


def test_moderators_delete_what_others_said_and_members_are_named(relay, room, keeper):
    group, mate = begin(keeper, "rules"), Agent(relay)
    mate.call("POST", f"/groups/{group}/join")
    say(mate, group, "Rude words")
    reader, other = room(group, keeper.identity), room(group, mate.identity)
    reader.await_live()
    other.await_live()
    theirs = reader.message("Rude words")
    button(theirs, "Delete").click()
    button(theirs, "Really delete?").click()
    expect(other.message("Rude words")).to_have_count(0)
    reader.page.locator(".inside summary").click()
    expect(reader.page.locator("#members")).to_contain_text("bosun owner")
    expect(reader.page.locator("#members li")).to_have_count(2)
    keeper.call("DELETE", f"/groups/{group}")
    expect(other.page.locator("#gate")).to_have_text("This room was deleted.")
    expect(button(other.page.locator("main"), "Leave")).to_have_count(0)
    expect(other.page.locator(".crowd")).to_be_hidden()


def test_words_of_strangers_are_text(relay, room, keeper):
    hostile = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'> [x](javascript:window.pwned=1)"
    for group, private in (("hostile-open", False), ("hostile-private", True)):
        begin(keeper, group, name=hostile, about=hostile, private=private)
        first = say(keeper, group, hostile)
        say(keeper, group, "answered", reply_to=first)
        keeper.call("POST", f"/groups/{group}/messages/{first}/reactions", content="<b onclick=window.pwned=1>")
        reader = room(group, keeper.identity)
        reader.await_live()
        say(keeper, group, hostile + " again")
        expect(reader.message("again").locator(".prose")).to_contain_text("<script>window.pwned=1</script>")
        expect(reader.page.locator(".reaction").first).to_contain_text("<b onclick")
        assert reader.page.evaluate("window.pwned") is None
        assert reader.page.locator("main img, main b[onclick], a[href^='javascript' i]").count() == 0


def test_chatting_needs_no_mouse_and_fits_a_narrow_phone(relay, room, keeper):
    group = begin(keeper, "n" * 100, name="Donaudampfschifffahrtsgesellschaftskapitän" * 3, private=True)
    long = say(keeper, group, "Donaudampfschifffahrtsgesellschaftskapitän" * 5)
    say(keeper, group, "Short", reply_to=long)
    phone = {"viewport": {"width": 320, "height": 600}, "has_touch": True, "is_mobile": True}
    page = room(group, keeper.identity, **phone).page
    expect(page.locator(".message").last).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320

    reader = room(group, keeper.identity)
    reader.await_live()
    answer = button(reader.message("Short"), "Reply")
    answer.focus()
    reader.page.keyboard.press("Enter")
    expect(reader.page.get_by_label("Your message")).to_be_focused()
    expect(reader.page.locator("#answering")).to_contain_text("Answering bosun")
    reader.page.keyboard.type("By hand")
    reader.page.keyboard.press("Shift+Enter")
    reader.page.keyboard.type("of course")
    reader.page.keyboard.press("Enter")
    expect(reader.message("By hand").locator(".quote")).to_contain_text("Short")
    react = button(reader.message("By hand"), "React")
    react.focus()
    reader.page.keyboard.press("Enter")
    expect(reader.message("By hand").locator(".palette button").first).to_be_focused()
    reader.page.keyboard.press("Tab")
    reader.page.keyboard.press("Enter")
    expect(reader.message("By hand").locator(".reaction")).to_have_text("❤️ 1")


def test_only_so_much_is_drawn_and_nothing_for_forms_of_other_sites(relay):
    event = {"id": "a" * 64, "pubkey": "b" * 64, "created_at": 2**53 - 1, "kind": 9, "tags": [["q"], ["q", "x"]]}
    event |= {"content": "<b>", "sig": "c" * 128}
    drawn = HTTP.post(f"{relay.http}/chat-pieces", json={"events": [event], "members": [["nobody", "<i>"]]})
    assert drawn.status_code == 200
    assert "&lt;b&gt;" in drawn.text
    assert "&lt;i&gt;" in drawn.text
    assert "<i>" not in drawn.text
    many = HTTP.post(f"{relay.http}/chat-pieces", json={"events": [event] * 101})
    assert many.status_code == 400
    form = HTTP.post(f"{relay.http}/chat-pieces", content="{}", headers={"content-type": "text/plain"})
    assert form.status_code == 415


def test_the_keyboard_and_what_is_open_stay_in_a_message_while_others_change_it(relay, room, keeper):
    group, mate = begin(keeper, "held"), Agent(relay)
    keeper.call("POST", f"/groups/{group}/members", agent=mate.identity.name)
    message = say(keeper, group, "Low water")
    one = room(group, mate.identity)
    one.await_live()
    said = one.message("Low water")
    button(said, "React").click()
    chosen = said.locator("[data-choose]").nth(1)
    chosen.focus()
    keeper.call("PATCH", f"/groups/{group}/messages/{message}", content="Low water at noon")
    expect(one.message("at noon")).to_be_visible()
    expect(chosen).to_be_focused()
    chosen.press("Enter")
    chip = said.locator(".reactions [data-said]")
    expect(chip).to_have_attribute("aria-pressed", "true")
    chip.focus()
    keeper.call("POST", f"/groups/{group}/messages/{message}/reactions", content="❤️")
    expect(chip).to_contain_text("2")
    expect(chip).to_be_focused()
    chip.press("Enter")
    expect(chip).to_have_attribute("aria-pressed", "false")
    expect(chip).to_be_focused()


def test_what_is_read_or_begun_in_a_room_stays(relay, room, keeper):
    group = begin(keeper, "steady")
    for number in range(14):
        say(keeper, group, f"Message {number} " + "word " * 60)
    one = room(group, keeper.identity, viewport={"width": 800, "height": 500})
    one.await_live()
    ids = one.page.evaluate("Array.from(document.querySelectorAll('.message'), (item) => item.dataset.id)")
    above = [one.page.locator(f'.message[data-id="{each}"]') for each in ids[:2]]
    one.page.evaluate("""() => {
      window.read = document.querySelectorAll(".message")[7];
      read.scrollIntoView();
      getSelection().selectAllChildren(read.querySelector("time"));
      window.moved = (() => { const at = read.getBoundingClientRect().top; return () => read.getBoundingClientRect().top - at; })();
    }""")
    keeper.call("PATCH", f"/groups/{group}/messages/{ids[0]}", content="Few words")
    expect(above[0]).to_contain_text("Few words")
    keeper.call("DELETE", f"/groups/{group}/messages/{ids[1]}")
    expect(above[1]).to_have_count(0)
    one.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert abs(one.page.evaluate("moved()")) < 2
    assert one.page.evaluate("String(getSelection())")

    field = one.page.get_by_label("Your message")
    field.fill("Half a message")
    one.go("/docs")
    one.go(f"/chat/{group}")
    expect(field).to_have_value("Half a message")
    lost = one.lose_answers("**/messages")
    field.press("Enter")
    one.until(lambda: lost)
    expect(one.message("Half a message")).to_have_count(1)
    expect(field).to_have_value("")
    one.page.reload()
    one.await_live()
    expect(one.message("Half a message")).to_have_count(1)
    expect(field).to_have_value("")


def test_what_one_has_read_stays_after_a_long_absence(relay, room, keeper):
    group, author, at = begin(keeper, "long-absence"), fresh_key(), int(time.time()) - 3600
    old = [make_event(author, 9, f"Before {number}", [["h", group]], at + number) for number in range(3)]
    new = [make_event(author, 9, f"Missed {number}", [["h", group]], at + 1000 + number) for number in range(60)]
    publish(relay, *old)
    one = room(group, intercept=True)
    one.await_live()
    one.lose_connection()
    publish(relay, *new)
    one.regain_connection()
    one.await_live()
    expect(one.page.locator(".message")).to_have_count(63)
    assert one.texts() == [event.content for event in old + new]
