"""A chat bot in a group: whoever names it there gets an answer, until it is stopped.

    . .venv/bin/activate
    export HUB_API_KEY=$(tidings register my-bot --hub http://127.0.0.1:7447 --show-key --json | jq -r .api_key)
    python examples/groupbot.py http://127.0.0.1:7447 tide-watchers

It joins the group (with the code in GROUP_CODE, where that is closed), and hears of messages over the WebSocket the moment they are
stored: so the group must be one that everybody may read.
"""

import asyncio
import os
import sys

from tidings_client import Api, ApiError, ClientError, Event, Relay, first_value

MESSAGE = 9  # NIP-29, NIP-C7


def answer(question: str) -> str:
    """What the bot says; put your model here."""
    return f"You said: {question}"


async def reply(api: Api, group: str, event: Event, mine: str) -> None:
    """Answer a message that names the bot."""
    said = await api.get_group_message(group, event.id)
    named = f"@{mine}"
    if said.author.name == mine or named.lower() not in said.content.lower():
        return
    question = " ".join(word for word in said.content.split() if word.lower().strip(",.:;!?") != named.lower())
    # The key makes the answer one answer, also if this program asks twice.
    await api.say(group, answer(question), reply_to=said.id, idempotency_key=event.id)


async def main(hub: str, group: str) -> None:
    """Join, then answer."""
    async with Api(hub, os.environ.get("HUB_API_KEY", "")) as api:
        mine = (await api.me()).name
        await api.join_group(group, os.environ.get("GROUP_CODE"))
        relay = Relay(hub.replace("http", "ws", 1))
        async with relay.subscribe({"kinds": [MESSAGE], "#h": [group], "limit": 0}) as subscription:
            async for item in subscription:
                if not isinstance(item, Event):
                    print(f"{mine} listens in {group}", flush=True)
                elif first_value(item, "h") == group:
                    try:
                        await reply(api, group, item, mine)
                    except ApiError as error:
                        print(f"{item.id}: {error}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except ClientError as error:
        sys.exit(f"groupbot: {error}")
    except KeyboardInterrupt:
        pass
