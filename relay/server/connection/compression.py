"""What is agreed of permessage-deflate (RFC 7692): no context takeover, so that subscribers share one compressed frame."""

from collections.abc import Sequence
from typing import Final

from websockets.exceptions import NegotiationError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.typing import ExtensionParameter

from relay.server import frames


class _FullWindow(ServerPerMessageDeflateFactory):
    """permessage-deflate for clients that take our windows of 32 KiB (15 bits).

    A client that asks for smaller ones may not have the room to read larger (RFC 7692, 7.1.2.1), and subscribers share one
    compressed frame: it goes without compression.
    """

    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """What is agreed. Raises NegotiationError to decline this offer; the client's next one is tried."""
        response, agreed = super().process_request_params(params, accepted_extensions)
        if agreed.local_max_window_bits < frames.WINDOW_BITS:
            raise NegotiationError("windows smaller than 15 bits are not made here")
        return response, agreed


DEFLATE: Final = _FullWindow(
    server_no_context_takeover=True, client_no_context_takeover=True, compress_settings={"level": 3}
)
