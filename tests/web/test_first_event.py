"""What `/relay` tells a visitor to do works for a visitor, who has a browser and nothing of ours."""

import json

from playwright.sync_api import ConsoleMessage

from tests.e2e.harness import fresh_key


def test_a_first_event_is_said_and_heard_from_the_browsers_console(relay, window):
    key = fresh_key()
    visitor = window("/relay", key=key)
    said, heard = (visitor.page.locator(f"#{name}").inner_text() for name in ("script", "listen"))

    def is_answer(message: ConsoleMessage, kind: str) -> bool:
        return message.args[0].evaluate("each => Array.isArray(each) && each[0]") == kind

    with visitor.page.expect_console_message(lambda message: is_answer(message, "OK")) as answer:
        visitor.page.evaluate(f"{said}\nnull")
    assert answer.value.args[0].json_value()[2] is True
    with visitor.page.expect_console_message(lambda message: is_answer(message, "EVENT")) as event:
        visitor.page.evaluate(f"{heard}\nnull")
    found = event.value.args[0].json_value()[2]
    assert (found["pubkey"], found["content"]) == (key.pubkey, "Good tidings!"), json.dumps(found)
