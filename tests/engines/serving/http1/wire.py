"""Servers that answer byte for byte what a test tells them to, and a transport without a socket."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from engines.serving.engine import free_port
from engines.serving.http1 import Client


@dataclass(eq=False)
class Peer:
    """A client's connection, as the server sees it; `left` is set once the client's side of it has ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> bytes:
        """Read a whole request; IncompleteReadError where the client ends the connection first."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
            request = head + await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
            raise
        self.requests.append(request)
        return request

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def spell(self, data: bytes) -> None:
        """Send each byte in a segment of its own."""
        for place in range(len(data)):
            await self.say(data[place : place + 1])
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has ended the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass
        self.left.set()


Script = Callable[[Peer], Awaitable[None]]


@dataclass(eq=False)
class Scripted:
    """A server at `base`, which has had these connections."""

    base: str
    peers: list[Peer] = field(default_factory=list)

    @property
    def requests(self) -> list[bytes]:
        return [request for peer in self.peers for request in peer.requests]


@asynccontextmanager
async def scripted(
    script: Script, *, host: str = "127.0.0.1", name: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """Run a server that follows the script in each connection, and ends it where the script does."""
    port = free_port()
    server = Scripted(f"http{'s' if tls else ''}://{name or host}:{port}")
    tasks: set[asyncio.Task[None]] = set()

    async def follow(peer: Peer) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await script(peer)
        finally:
            peer.writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        server.peers.append(peer)
        task = asyncio.get_running_loop().create_task(follow(peer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, host.strip("[]"), port, ssl=tls)
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


def always(answer: bytes) -> Script:
    """Answer every request with these bytes, and keep the connection."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(answer)

    return script


def whole(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"\r\n".join((b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *lines))
    return head + b"\r\n\r\n" + body


def chunked(*parts: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailers + b"\r\n"


class Line(asyncio.Transport):
    """A transport that keeps what is written, and tells what was asked of it."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.aborted = self.paused = False
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return count


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def ask(client: Client, server: Scripted) -> bytes:
    return await (await client.post(server.base, "/v1/completions", b"{}")).read()


def stalling(said: bytes) -> Script:
    """Send these bytes, then nothing until the client is gone."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        await peer.gone()

    return script
