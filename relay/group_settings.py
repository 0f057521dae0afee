"""The settings of groups (`[groups]`)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from relay.setting_parts import LIVE, SECRET, Count, Keys, Seconds, Section


class GroupSettings(Section, frozen=True):
    """Groups (NIP-29): who may begin one, how large they may be, and live audio and video in them."""

    create: Annotated[
        Literal["anyone", "identities", "members", "operators"],
        Meta(
            description="who may begin a group: anyone, keys bound to a posting identity, members of the relay-wide group `_`, "
            "or operators only"
        ),
    ] = "anyone"
    operators: Annotated[
        Keys,
        Meta(
            description="public keys, hex, that moderate every group, as relay.pubkey may; private ones are read by members alone"
        ),
    ] = msgspec.field(default_factory=list)
    per_key: Annotated[Count, Meta(description="groups that one key may have begun and not ended; 0: no limit")] = 100
    most: Annotated[Count, Meta(description="groups in all; 0: no limit")] = 100_000
    members: Annotated[Count, Meta(description="members of one group; 0: no limit")] = 100_000
    invites: Annotated[Count, Meta(description="invite codes of one group that may still be used; 0: no limit")] = 1_000
    children: Annotated[Count, Meta(description="subgroups of one group; 0: no limit")] = 500
    pins: Annotated[Count, Meta(description="pinned events of one group; 0: no limit")] = 100
    late_publication: Annotated[
        Seconds,
        Meta(
            description="seconds that an event of a group may lie in the past when a client brings it; who has deleted one of the "
            "same kind and time may publish that time again, as clients do to edit; 0: any"
        ),
    ] = 7 * 86_400.0
    livekit_url: Annotated[
        str,
        Meta(
            description="ws:// or wss:// URL of a LiveKit server for audio and video of groups; empty: there is none",
            pattern="^(wss?://.+)?$",
            extra=LIVE,
        ),
    ] = ""
    livekit_key: Annotated[str, Meta(description="API key of the LiveKit server", extra=LIVE)] = ""
    livekit_secret: Annotated[
        str, Meta(description="API secret of the LiveKit server; it signs the tokens of members", extra=LIVE | SECRET)
    ] = ""
