"""What a post links to, and the card of that for its page and the API, where the operator has links read (`links.previews`)."""

from relay.api_types import LinkCard
from relay.http.hub import RunningRelay
from relay.protocol import urls
from storage.feed import PostRow


def linked(row: PostRow) -> str | None:
    """The link of a post: its own, or what its whole text is, unless that was edited: what was read is of the text before."""
    text = row.url or (row.content.strip() if row.updated_at is None else "")
    if not row.url and text.startswith("<") and text.endswith(">"):
        text = text[1:-1]  # how Markdown writes a link that is nothing else
    return text if text and urls.link(text) is not None else None


async def card_of(hub: RunningRelay, row: PostRow) -> LinkCard | None:
    """The card, None where there is none or the operator wants none."""
    url = linked(row) if hub.config.links.previews != "off" else None
    found = None if url is None else (await hub.feed.link_previews([row.seq])).get(row.seq)
    if url is None or found is None:
        return None
    return LinkCard(url=url, title=found.title, description=found.description or None, picture=found.picture or None)
