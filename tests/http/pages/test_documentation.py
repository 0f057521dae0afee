"""`/docs`: every setting and every NIP, from the rows."""

import html
import re

from relay.config import SETTINGS
from tests.http.hubs import Browser, FakeHub


async def documentation() -> str:
    hub = FakeHub()
    hub.nips = (1, 9, 11)
    async with Browser(hub) as browser:
        answer = await browser.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return answer.text


async def test_lists_every_setting_with_its_variable_default_and_help():
    text = await documentation()
    for setting in SETTINGS:
        assert f"<code>{setting.name}</code>" in text
        assert setting.variable in text
        assert re.sub(r"`([^`]+)`", r"<code>\1</code>", setting.help) in html.unescape(text)
    assert "`" not in text


async def test_marks_the_settings_that_change_while_the_relay_runs():
    rows = re.findall(r"<tr>\s*<td><code>(.*?)</code>(.*?)</td>", await documentation(), re.DOTALL)
    marked = {name for name, rest in rows if "live" in rest}
    assert marked == {setting.name for setting in SETTINGS if setting.reloadable}


async def test_lists_the_nips_of_this_relay_and_no_others():
    assert re.findall(r">NIP-(\d+)<", await documentation()) == ["01", "09", "11"]
