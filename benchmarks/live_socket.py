"""A subscriber over a raw connection: as much of a websocket as a load client needs, and no more.

A library's client would cost more than the servers that are measured. Servers are told that nothing is compressed, and none of
them splits a message.
"""

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast

import orjson

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SHORT, LONG = 126, 127
SWITCHING = b"HTTP/1.1 101"


class Subscriber(asyncio.Protocol):
    """One connection with one subscription of graphql-transport-ws.

    `on_next` gets each `next` message without the operation's id, so that those of equal subscriptions are equal; `on_end`
    gets the reason why nothing more comes.
    """

    def __init__(
        self, host: str, key: str, payload: object, on_next: Callable[[bytes], None], on_end: Callable[[str], None]
    ) -> None:
        self._host = host
        self._key = key
        self._payload = payload
        # As long as the random ids that clients make.
        self._id = os.urandom(18).hex()
        self._id_bytes = self._id.encode()
        self._on_next = on_next
        self._on_end = on_end
        self._buffer = bytearray()
        self._open = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        lines = (
            "GET /graphql HTTP/1.1",
            f"Host: {self._host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        )
        transport.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end("the connection was cut")

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._open and not self._opened():
            return
        start, size = 0, len(buffer)
        while size - start >= 2:
            length, head = buffer[start + 1], 2
            if length == SHORT:
                length, head = int.from_bytes(buffer[start + 2 : start + 4]), 4
            elif length == LONG:
                length, head = int.from_bytes(buffer[start + 2 : start + 10]), 10
            end = start + head + length
            if end > size:
                break
            self._frame(buffer[start] & 15, bytes(buffer[start + head : end]))
            start = end
        del buffer[:start]

    def close(self) -> None:
        self._on_end = lambda reason: None
        self._transport.close()

    def _opened(self) -> bool:
        head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(SWITCHING):
            self._on_end(head.decode(errors="replace"))
            return False
        self._open = True
        self._buffer[:] = rest
        self._say({"type": "connection_init", "payload": {"Authorization": f"Bearer {self._key}"}})
        return True

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT and self._id_bytes in payload[:80]:
            self._message(payload)
        elif opcode == TEXT:
            self._control(orjson.loads(payload))
        elif opcode == PING:
            self._send(PONG, payload)
        elif opcode == CLOSE:
            self._on_end(f"closed with {int.from_bytes(payload[:2])} {payload[2:].decode(errors='replace')}")

    def _message(self, payload: bytes) -> None:
        # Python's json puts a space after its colons.
        if b'"next"' in payload[:120]:
            self._on_next(payload.replace(self._id_bytes, b"", 1))
        else:
            self._on_end(payload.decode())

    def _control(self, message: dict[str, object]) -> None:
        if message["type"] == "connection_ack":
            self._say({"id": self._id, "type": "subscribe", "payload": self._payload})
        elif message["type"] == "ping":
            self._say({"type": "pong"})

    def _say(self, message: object) -> None:
        self._send(TEXT, orjson.dumps(message))

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size < SHORT else bytes([0x80 | SHORT]) + size.to_bytes(2)
        # A mask of zeros leaves the payload as it is.
        self._transport.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)
