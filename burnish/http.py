"""uvicorn's HTTP protocol, whose answers leave together with their heads.

ASGI tells the head of an answer and its body apart, and uvicorn writes each at once: two system calls, of which the first wakes
the client for nothing. The head is kept for the moment in which the body follows, and goes by itself where none does.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = b"HTTP/1."


class HttpProtocol(HttpToolsProtocol):
    """Writes through `Together`; everything else is uvicorn's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Together(transport, self.loop))  # type: ignore[arg-type]

    def handle_websocket_upgrade(self) -> None:
        if isinstance(self.transport, Together):
            self.transport = self.transport.bare
        super().handle_websocket_upgrade()


class Together:
    """A transport that writes a head and what follows it in one piece. `bare` is the transport itself."""

    def __init__(self, bare: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.bare = bare
        self._loop = loop
        self._head = b""
        self._alone: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)

    def write(self, data: bytes) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
            head, self._head = self._head, b""
            self.bare.write(head + data)
        elif data.startswith(HEAD):
            self._head = data
            self._alone = self._loop.call_soon(self._flush)
        else:
            self.bare.write(data)

    def close(self) -> None:
        self._flush()
        self.bare.close()

    def is_closing(self) -> bool:
        return self.bare.is_closing()

    def _flush(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None
            head, self._head = self._head, b""
            self.bare.write(head)
