"""uvicorn's websocket protocol, which also lets an application write at once what the socket takes at once.

ASGI's `send` is a coroutine through every layer of middleware; where one text goes to hundreds of sockets, that is most of what a
message costs. An application finds the short way as `scope["extensions"][WRITE]` and goes the long way wherever it answers False.
"""

import struct
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from schema.sockets import WRITE

TEXT = 0x81
SHORT, MEDIUM = 126, 65_536


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds `write`; everything else is uvicorn's."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        # Compression, if there were any, would have to see every frame.
        if self.handshake_initiated and not self.handshake_complete and not self.config.ws_per_message_deflate:
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[WRITE] = self.write

    def write(self, text: str) -> bool:
        """Write a text message; False where the socket does not take one just now, or never again."""
        if not self.writable.is_set() or self.close_sent or self.disconnected or not self.handshake_complete:
            return False
        if self.transport.is_closing():
            return False
        payload = text.encode()
        self.transport.write(_header(len(payload)) + payload)
        return True


def _header(size: int) -> bytes:
    """Return the header of a whole, unmasked text frame (RFC 6455, section 5.2)."""
    if size < SHORT:
        return struct.pack("!BB", TEXT, size)
    if size < MEDIUM:
        return struct.pack("!BBH", TEXT, 126, size)
    return struct.pack("!BBQ", TEXT, 127, size)
