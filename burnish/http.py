"""uvicorn's HTTP protocol, whose answers leave together with their heads.

ASGI tells the head of an answer and its body apart, and uvicorn writes each at once: two system calls, of which the first wakes
the client for nothing. The head is kept for the moment in which the body follows, and goes by itself where none does.

An application that streams finds a short way for the parts of its answer as `scope["extensions"][WRITE]`, without a coroutine,
and goes the long way wherever it answers False.
"""

import asyncio
from functools import partial
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rest_compat.openai.gateway import WRITE

HEAD = b"HTTP/1."


class HttpProtocol(HttpToolsProtocol):
    """Writes through `Together`, and adds `WRITE`; everything else is uvicorn's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Together(transport, self.loop))  # type: ignore[arg-type]

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        extensions: dict[str, Any] = cycle.scope.setdefault("extensions", {})
        extensions[WRITE] = partial(_write, self.flow, self.transport, cycle)
        super()._start_asgi_task(cycle, app)

    def handle_websocket_upgrade(self) -> None:
        if isinstance(self.transport, Together):
            self.transport = self.transport.bare
        super().handle_websocket_upgrade()


def _write(flow: FlowControl, transport: asyncio.Transport, cycle: RequestResponseCycle, body: bytes) -> bool:
    """Write a part of a chunked answer that has begun; False where it is to be sent, and waited for."""
    if flow.write_paused or cycle.disconnected or cycle.response_complete or not cycle.chunked_encoding:
        return False
    transport.write(b"%x\r\n%b\r\n" % (len(body), body))
    return True


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
