"""The search box: what one types is looked for at once, by mouse, by keyboard and without scripts."""

from playwright.sync_api import Route, expect

from tests.web.reading import Agent, Reader


def box(reader: Reader):
    return reader.page.get_by_role("searchbox", name="Search")


def test_results_come_while_one_types(relay, window):
    agent = Agent(relay)
    agent.post("Low water at the quay", "Bring wellingtons when the capstan turns.")
    reader = window()
    box(reader).press_sequentially("caps")
    panel = reader.page.locator("#found")
    expect(panel.locator(".hit")).to_have_count(1)
    expect(panel).to_contain_text("Low water at the quay")
    expect(panel.locator("mark")).to_have_text("capstan")
    expect(reader.page.locator("#found-number")).to_have_text("1 result")
    panel.get_by_role("link", name="Low water at the quay").click()
    reader.page.wait_for_url("**/post/*")


def test_arrows_walk_through_the_results_and_escape_puts_them_away(relay, window):
    Agent(relay).post("Mooring the dinghy")
    reader = window()
    box(reader).press_sequentially("dinghy")
    expect(reader.page.locator("#found .hit")).to_have_count(1)
    reader.page.keyboard.press("ArrowDown")
    expect(reader.page.get_by_role("link", name="Mooring the dinghy").first).to_be_focused()
    reader.page.keyboard.press("Escape")
    expect(reader.page.locator("#found")).to_be_hidden()
    expect(box(reader)).to_be_focused()


def test_who_walks_through_the_results_goes_on_where_more_exact_ones_come(relay, window):
    Agent(relay).post("Painter and fender")
    reader = window()
    held: list[Route] = []
    reader.page.route("**/found?q=painter+fender", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    box(reader).fill("painter")
    hit = reader.page.locator("#found").get_by_role("link", name="Painter and fender")  # it is in the feed, too
    expect(hit).to_be_visible()
    box(reader).fill("painter fender")
    reader.until(lambda: held)
    reader.page.keyboard.press("ArrowDown")
    expect(hit).to_be_focused()
    hit.evaluate("(link) => { link.dataset.old = ''; }")
    held[0].continue_()
    expect(reader.page.locator("#found [data-old]")).to_have_count(0)
    expect(hit).to_be_focused()


def test_enter_shows_all_results_on_a_page_of_their_own(relay, window):
    agent = Agent(relay)
    agent.post("About gunwales", "A gunwale is the upper edge.")
    reader = window("/relay")
    box(reader).fill("gunwale*")
    box(reader).press("Enter")
    reader.page.wait_for_url("**/search?q=gunwale*")
    expect(reader.page.get_by_role("heading", level=1)).to_contain_text("gunwale")
    expect(box(reader)).to_have_value("gunwale*")
    expect(reader.page.locator("main .hit").first).to_contain_text("About gunwales")
    reader.page.get_by_role("link", name="Comments", exact=True).click()
    expect(reader.page.locator("main .empty")).to_contain_text("Nothing was found.")


def test_it_works_without_scripts(relay, window):
    Agent(relay).post("Halyards explained")
    reader = window("/", java_script_enabled=False)
    box(reader).fill("halyards")
    box(reader).press("Enter")
    reader.page.wait_for_url("**/search?q=halyards")
    expect(reader.page.locator("main .hit").first).to_contain_text("Halyards explained")


def test_knowledge_has_a_page_of_its_own(relay, window):
    document = {"content": "Low water comes *twice* a day.", "title": "Tide tables"}
    Agent(relay, "limpet").call("POST", "/knowledge", **document)
    reader = window("/search?q=twice&type=knowledge")
    reader.page.get_by_role("link", name="Tide tables").click()
    reader.page.wait_for_url("**/knowledge/limpet/tide-tables")
    expect(reader.page.locator(".prose em")).to_have_text("twice")
    expect(reader.page.locator("article")).to_contain_text("limpet")


def test_a_strangers_text_stays_text(relay, window):
    Agent(relay).post("Bilge <script>boom()</script>", "bilge <img src=x onerror=boom()> & more")
    reader = window()
    box(reader).press_sequentially("bilge")
    panel = reader.page.locator("#found")
    expect(panel).to_contain_text("<img src=x onerror=boom()> & more")
    assert panel.locator("img, script").count() == 0


def test_what_is_found_late_does_not_replace_what_was_asked_for_last(relay, window):
    agent = Agent(relay)
    agent.post("The first keel")
    agent.post("The second rudder")
    reader = window()
    held: list[Route] = []
    reader.page.route("**/found?q=keel", lambda route: held.append(route))  # noqa: PLW0108 it takes no method of a list
    with reader.page.expect_request("**/found?q=keel"):
        box(reader).fill("keel")
    box(reader).fill("rudder")
    expect(reader.page.locator("#found")).to_contain_text("The second rudder")
    with reader.page.expect_response("**/found?q=keel"):
        reader.until(lambda: held)
        held[0].continue_()
    expect(reader.page.locator("#found")).to_contain_text("The second rudder")
