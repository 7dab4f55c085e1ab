"""What comes of an answer can be taken as it comes, without waking its reader."""

import asyncio

import pytest

from engines.serving import http1
from engines.serving.http1 import Client
from tests.engines.serving.http1.wire import Peer, scripted

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def part(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


async def test_what_is_taken_wakes_nobody_and_what_is_not_is_kept(client: Client) -> None:
    taken = [asyncio.Event() for _ in range(4)]
    got: list[bytes] = []

    def sink(piece: bytes) -> bool:
        if piece == b"3":
            taken[3].set()
            return False
        got.append(piece)
        taken[int(piece)].set()
        return True

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + part(b"0"))
        for number in (1, 2, 3):
            await taken[number - 1].wait()
            await peer.say(part(b"%d" % number))
        await taken[3].wait()
        await peer.say(part(b"4") + END)

    async with scripted(script) as server:
        response = await client.post(server.base, "/", b"{}")
        assert await response.chunk() == b"0"
        taken[0].set()
        await response.flow(sink)
        assert got == [b"1", b"2"]
        rest = b""
        while piece := await response.chunk():
            rest += piece
        assert rest == b"34"
        # There is no more, and nothing to wait for.
        await response.flow(sink)


async def test_a_flow_begins_after_what_has_come_already(client: Client) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + part(b"0"))
        await peer.say(part(b"1") + END)
        await peer.gone()

    def sink(piece: bytes) -> bool:
        raise AssertionError(piece)

    async with scripted(script) as server:
        response = await client.post(server.base, "/", b"{}")
        await response.read()
        await response.flow(sink)


async def test_an_answer_that_breaks_off_ends_the_flow(client: Client) -> None:
    taken = asyncio.Event()

    def sink(piece: bytes) -> bool:
        taken.set()
        return True

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + part(b"0"))
        await taken.wait()

    async with scripted(script) as server:
        response = await client.post(server.base, "/", b"{}")
        assert await response.chunk() == b"0"
        taken.set()
        await response.flow(sink)
        with pytest.raises(http1.Broken):
            await response.chunk()


async def test_a_flow_that_is_cancelled_ends_the_connection(client: Client) -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(HEAD + part(b"0"))
        await peer.gone()
        left.set()

    async with scripted(script) as server:
        response = await client.post(server.base, "/", b"{}")
        assert await response.chunk() == b"0"
        flowing = asyncio.create_task(response.flow(lambda piece: True))
        await asyncio.sleep(0)
        flowing.cancel()
        await asyncio.wait([flowing])
        async with asyncio.timeout(20):
            await left.wait()
