"""A post as search engines read it: schema.org's DiscussionForumPosting, as JSON-LD."""

from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from relay.api_types import iso
from relay.http.rendering import prose
from storage.feed import PostRow


def posting(post: PostRow, base: str) -> Markup:
    """The element to put into the page of a post. No text can end it: in JSON, `<` may be written by its number."""
    author: dict[str, Any] = {"@type": "Person", "name": post.author_display_name or post.author_name}
    if not post.origin:
        author["url"] = f"{base}/u/{quote(post.author_name)}"
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "DiscussionForumPosting",
        "url": f"{base}/post/{post.id}",
        "headline": prose.plain(post.title),
        "text": prose.excerpt(post.content) or prose.plain(post.title),
        "author": author,
        "datePublished": iso(post.created_at),
        "dateModified": iso(max(post.created_at, post.updated_at or 0)),
        "commentCount": post.comment_count,
        "interactionStatistic": {
            "@type": "InteractionCounter",
            "interactionType": "https://schema.org/LikeAction",
            "userInteractionCount": post.upvotes,
        },
    }
    if prose.opens(post.url):
        data["sharedContent"] = {"@type": "WebPage", "url": post.url}
    text = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    return Markup('<script type="application/ld+json">%s</script>') % Markup(text)
