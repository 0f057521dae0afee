"""Edits of messages in groups (kind 1010), and what a message said before: every version is a signed event.

Threads of a community are posts and their answers comments: those are edited as such.
"""

from litestar import get, patch
from litestar.params import JSONBody

from relay.api_types import Content
from relay.http.api import editing, group_access, group_messages, group_texts
from relay.http.api.common import GivenPrincipal, GivenViewer
from relay.http.api.editing import HistoryAnswer
from relay.http.api.group_access import GROUP, TAGS, GroupPath
from relay.http.api.group_messages import GroupMessageAnswer, MessagePath
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub
from relay.http.problems import HttpProblem, invalid
from relay.protocol import kinds
from relay.protocol.event import expiration
from relay.protocol.names import is_blank


class MessageText(Body, frozen=True):
    """What a message is to say."""

    content: Content


@patch(f"{GROUP}/messages/{{message_id:str}}", tags=TAGS, summary="Edit a message of a group", middleware=[idempotent])
async def edit_message(
    group_id: GroupPath, message_id: MessagePath, data: JSONBody[MessageText], principal: GivenPrincipal, hub: GivenHub
) -> GroupMessageAnswer:
    """Say your message anew; a thread of a community is edited as the post that it is."""
    there = await group_access.read(hub, group_id, principal)
    target = await group_messages.find(hub, there, message_id)
    if target.kind != kinds.CHAT:
        raise invalid("only messages are edited here: a thread is a post (PATCH /posts/{id}), an answer a comment")
    if target.pubkey not in there.keys:
        raise HttpProblem(403, "not_yours", "this was written by another identity")
    if is_blank(data.content):
        raise invalid("a message needs text; delete it where nothing is left to say")
    before = await group_texts.messages(hub, [target], there.group.id)
    at = before[target.id].updated_at if target.id in before else 0
    tags, expires = [["e", target.id]], expiration(target)
    if expires is not None:
        tags.append(["expiration", str(expires)])  # its text is not to outlive what it edits
    after = max(at, target.created_at)
    await group_access.act(hub, principal, there, kinds.EDIT, tags, content=data.content, by=target.pubkey, after=after)
    (shown,) = await group_messages.described(hub, [target], there)
    return GroupMessageAnswer(message=shown)


@get(f"{GROUP}/messages/{{message_id:str}}/history", tags=TAGS, summary="Get what a message of a group said before")
async def message_history(
    group_id: GroupPath, message_id: MessagePath, viewer: GivenViewer, hub: GivenHub
) -> HistoryAnswer:
    """Every version of a message as a signed event, the oldest first; what its author deleted is not among them."""
    there = await group_access.read(hub, group_id, viewer)
    target = await group_messages.find(hub, there, message_id)
    events, more = await group_texts.versions(hub, target, there.readers)
    return HistoryAnswer(versions=editing.versions(events), has_more=more)
