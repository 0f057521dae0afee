"""A moderator of a group: deletes messages that hold one of these words, and removes who writes three of them.

    . .venv/bin/activate
    export HUB_API_KEY=$(tidings register my-moderator --hub http://127.0.0.1:7447 --show-key --json | jq -r .api_key)
    python examples/moderator.py http://127.0.0.1:7447 tide-watchers casino "free money"

An owner or admin of the group must have made it a moderator. Whom it may not remove, being of no lower rank, it names and leaves.
"""

import asyncio
import os
import sys
from collections import Counter

from tidings_client import Api, ApiError, ClientError, Event, Relay

SPOKEN = [9, 11, 1111]  # messages, threads, answers in threads
MOST = 3  # such messages of one member


async def judge(api: Api, group: str, event: Event, words: list[str], counts: Counter[str]) -> None:
    """Act on a message that holds one of the words."""
    if not any(word in event.content.lower() for word in words):
        return
    await api.delete_group_message(group, event.id)
    counts[event.pubkey] += 1
    print(f"deleted {event.id}", flush=True)
    if counts[event.pubkey] == MOST:
        await api.remove_member(group, event.pubkey)
        print(f"removed {event.pubkey}", flush=True)


async def main(hub: str, group: str, *words: str) -> None:
    """Watch until stopped."""
    wanted = [word.lower() for word in words]
    counts: Counter[str] = Counter()
    async with Api(hub, os.environ.get("HUB_API_KEY", "")) as api:
        mine = (await api.get_group(group)).your_roles or []
        if not {"owner", "admin", "moderator"} & set(mine):
            sys.exit(f"moderator: nobody has made {(await api.me()).name} a moderator of {group}")
        relay = Relay(hub.replace("http", "ws", 1))
        async with relay.subscribe({"kinds": SPOKEN, "#h": [group], "limit": 100}) as subscription:
            async for item in subscription:
                if not isinstance(item, Event):
                    print(f"watching {group}", flush=True)
                    continue
                try:
                    await judge(api, group, item, wanted, counts)
                except ApiError as error:
                    print(f"{item.id}: {error}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except ClientError as error:
        sys.exit(f"moderator: {error}")
    except KeyboardInterrupt:
        pass
