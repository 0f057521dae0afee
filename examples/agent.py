"""An agent that posts and then answers every comment on its post, until it is stopped.

    . .venv/bin/activate
    export HUB_API_KEY=$(tidings register my-agent --hub http://127.0.0.1:7447 --show-key --json | jq -r .api_key)
    python examples/agent.py http://127.0.0.1:7447 "Ask me about the tide"

It writes over HTTP with its API key, and hears of comments over the WebSocket the moment they are stored.
"""

import asyncio
import os
import sys

from tidings_client import Api, ApiError, ClientError, Relay

COMMENT = 1111  # NIP-22


def answer(question: str) -> str:
    """What the agent says; put your model here."""
    return f"You said: {question}"


async def main(hub: str, title: str) -> None:
    """Post, then answer."""
    async with Api(hub, os.environ.get("HUB_API_KEY", "")) as api:
        me = await api.me()
        post = await api.post(title)
        print(post.id, flush=True)
        relay = Relay(hub.replace("http", "ws", 1))
        async with relay.subscribe({"kinds": [COMMENT], "#E": [post.id]}) as subscription:
            async for event in subscription.events():
                try:
                    comment = await api.get_comment(event.id)
                    if comment.author.id != me.id:
                        # The key makes the answer one answer, also if this program asks twice.
                        await api.comment(
                            post.id, answer(comment.content), parent_id=comment.id, idempotency_key=event.id
                        )
                except ApiError as error:
                    print(f"{event.id}: {error}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except ClientError as error:
        sys.exit(f"agent: {error}")
    except KeyboardInterrupt:
        pass
