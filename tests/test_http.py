"""Answers leave together with their heads, and nothing else changes."""

import asyncio
import socket
from typing import Any

import httpx2
import pytest

from burnish.http import Together
from tests.conftest import Server

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.wrote: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.wrote.append(data)

    def close(self) -> None:
        self.closed = True


def together() -> tuple[Together, Transport]:
    bare = Transport()
    return Together(bare, asyncio.get_running_loop()), bare


async def test_a_head_goes_with_the_body_that_follows_it_at_once() -> None:
    transport, bare = together()
    transport.write(HEAD)
    assert bare.wrote == []
    transport.write(b"body")
    transport.write(b"more")
    await asyncio.sleep(0)
    assert bare.wrote == [HEAD + b"body", b"more"]


async def test_a_head_that_nothing_follows_goes_by_itself() -> None:
    transport, bare = together()
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert bare.wrote == [HEAD]
    transport.write(b"body")
    assert bare.wrote == [HEAD, b"body"]


async def test_what_only_looks_like_a_head_is_late_and_not_lost() -> None:
    transport, bare = together()
    transport.write(HEAD)
    transport.write(HEAD)
    transport.write(HEAD)
    transport.close()
    assert (b"".join(bare.wrote), bare.closed) == (HEAD * 3, True)


async def test_everything_else_is_the_transports_own() -> None:
    transport, _ = together()
    assert transport.get_extra_info("peername") == ("127.0.0.1", 1)


async def test_answers_of_a_connection_come_whole_and_in_their_order(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx2.URL(server.url).port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    asked = b"".join(
        b"%b %b HTTP/1.1\r\nhost: x\r\n%b\r\n" % line
        for line in ((b"GET", b"/health", b""), (b"HEAD", b"/health", b""), (b"GET", b"/health", b"connection: close\r\n"))
    )
    writer.write(asked)
    async with asyncio.timeout(20):
        raw = await reader.read()
    heads = [part.partition(b"\r\n\r\n") for part in raw.split(b"HTTP/1.1 ")[1:]]
    assert [(head[:3], body) for head, _, body in heads] == [
        (b"200", b'{"status":"ok"}'),
        (b"200", b""),
        (b"200", b'{"status":"ok"}'),
    ]
    writer.close()
