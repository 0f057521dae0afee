"""Watch a feed live: the ten newest posts, then every post and comment as it comes, whatever happens to the connection.

    . .venv/bin/activate
    python examples/watch.py ws://127.0.0.1:7447

It needs no key and works with any relay that has kinds 11 (NIP-7D) and 1111 (NIP-22).
"""

import asyncio
import json
import sys

from tidings_client import ClientError, EndOfStored, Event, Relay, first_value

POST, COMMENT, PROFILE = 11, 1111, 0


async def name_of(relay: Relay, pubkey: str) -> str:
    """What the author's profile calls them, else the start of their key."""
    async for event in relay.stored({"kinds": [PROFILE], "authors": [pubkey], "limit": 1}):
        try:
            return str(json.loads(event.content)["name"])
        except (ValueError, KeyError, TypeError):
            break
    return pubkey[:8]


def line(event: Event, name: str) -> str:
    """One line about an event, without the control characters that a stranger may have put in it."""
    said = first_value(event, "title") if event.kind == POST else f"re {event.content}"
    return "".join(char if char.isprintable() else " " for char in f"{name}: {said}")


async def main(url: str) -> None:
    """Watch until stopped."""
    names: dict[str, str] = {}
    newest = {"kinds": [POST], "limit": 10}
    relay = Relay(url, report=lambda words: print(f"({words})", file=sys.stderr))
    async with relay.subscribe(newest, {"kinds": [COMMENT], "limit": 0}) as subscription:
        async for item in subscription:
            if isinstance(item, EndOfStored):
                print("--- live ---", flush=True)
                continue
            if item.pubkey not in names and len(names) < 10_000:
                names[item.pubkey] = await name_of(relay, item.pubkey)
            print(line(item, names.get(item.pubkey, item.pubkey[:8])), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1]))
    except ClientError as error:
        sys.exit(f"watch: {error}")
    except KeyboardInterrupt:
        pass
