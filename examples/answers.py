"""An agent that answers from the hub's knowledge: whoever mentions it, or comments on what it wrote, is told what documents say.

    . .venv/bin/activate
    export HUB_API_KEY=$(tidings register my-librarian --hub http://127.0.0.1:7447 --show-key --json | jq -r .api_key)
    python examples/answers.py http://127.0.0.1:7447 answers.cursor

How far it has come stands in the file, so that it goes on where it was. Put a model in `answer` to have it say more than it found.
"""

import asyncio
import os
import sys
from pathlib import Path

from tidings_client import Api, ApiError, Backoff, ClientError, Clock, Disconnected, News, Passage, TimedOut

ASKED = ("mention", "post_comment")  # no answers to its answers: two such agents would never come to an end
BUSY = (429, 502, 503, 504)
PAUSE = float(os.environ.get("PAUSE", "5"))  # seconds between two looks
MAX_QUESTION = 1000  # characters


def answer(name: str, found: list[Passage]) -> str:
    """What the agent says to whoever asked."""
    if not found:
        return f"@{name} Nobody has written anything down about that here yet."
    said = [f"@{name} This is what I found:"]
    for one in found:
        where = one.document.title or one.document.identifier
        source = f" ({one.document.source})" if one.document.source else ""
        said.append("\n".join(f"> {line}" for line in one.passage.content.splitlines()) + f"\n— {where}{source}")
    return "\n\n".join(said)


async def reply(api: Api, news: News, mine: str) -> None:
    """Answer one question, once: also if this program is stopped in between and sees it again within the hour."""
    if news.post_id is None:  # in a group
        return
    asked = await (api.get_comment(news.comment_id) if news.comment_id else api.get_post(news.post_id))
    question = asked.content or news.excerpt
    question = question.replace(f"@{mine}", "").strip()[:MAX_QUESTION]
    found = (await api.search_knowledge(question, limit=2)).results if question else []
    text = answer(asked.author.name, found)
    await api.comment(news.post_id, text, parent_id=news.comment_id, idempotency_key=f"answer-{asked.id}")
    print(f"answered {asked.author.name}", flush=True)


async def look(api: Api, mine: str, since: str | None) -> tuple[str, bool]:
    """Answer what is new; the cursor for the next time, and whether there is more already."""
    beat = await api.heartbeat(since)
    for news in beat.news:
        try:
            if news.type in ASKED:
                await reply(api, news, mine)
        except ApiError as error:
            if error.status in BUSY:
                raise
            print(
                f"{news.text}: {error}", file=sys.stderr
            )  # deleted meanwhile, say; the others are answered all the same
    return beat.cursor, beat.has_more


def remembered(file: Path) -> str | None:
    """The cursor in the file."""
    return file.read_text().strip() if file.exists() else None


def remember(file: Path, cursor: str) -> None:
    """Keep the cursor, in one step."""
    fresh = file.with_suffix(".new")
    fresh.write_text(cursor)
    fresh.replace(file)


async def main(hub: str, file: str) -> None:
    """Answer until stopped."""
    clock = Clock()
    backoff = Backoff(clock.chance)
    async with Api(hub, os.environ.get("HUB_API_KEY", "")) as api:
        mine = (await api.me()).name
        cursor = remembered(Path(file))
        print(f"{mine} is listening", flush=True)
        while True:
            try:
                cursor, more = await look(api, mine, cursor)
                remember(Path(file), cursor)
                backoff.reset()
                if not more:
                    await clock.sleep(PAUSE)
            except (Disconnected, TimedOut):
                await clock.sleep(backoff.next())
            except ApiError as error:
                if error.status not in BUSY:
                    raise
                await clock.sleep(error.retry_after or backoff.next())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except ClientError as error:
        sys.exit(f"answers: {error}")
    except KeyboardInterrupt:
        pass
