"""Streamed answers give back what they hold, wherever they are when the client goes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from rest_compat import sse
from rest_compat.operation import Stream

pytestmark = pytest.mark.anyio
SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


class Source:
    """Endless chunks, and whether it has been closed."""

    def __init__(self, pause: bool = False) -> None:
        self.pause = pause
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            while True:
                if self.pause:
                    await asyncio.Event().wait()
                yield b"more"
        finally:
            await asyncio.sleep(0)
            self.closed = True


async def test_a_source_is_closed_when_the_client_goes_while_a_chunk_is_sent() -> None:
    source, gone = Source(), asyncio.Event()

    async def send(message: Message) -> None:
        if message.get("body") == b"first":
            gone.set()
            await asyncio.Event().wait()

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    await Stream(source.chunks())(SCOPE, receive, send)
    assert source.closed


async def test_a_source_that_is_being_waited_for_is_closed_with_its_keepalive() -> None:
    source = Source(pause=True)
    kept = sse.kept_alive(source.chunks(), every_s=0.01)
    assert [await anext(kept) for _ in range(3)] == [b"first", sse.KEEPALIVE, sse.KEEPALIVE]
    await kept.aclose()
    assert source.closed


async def test_a_source_that_ends_ends_the_stream() -> None:
    async def two() -> AsyncGenerator[bytes, None]:
        yield b"a"
        yield b"b"

    assert [chunk async for chunk in sse.kept_alive(two())] == [b"a", b"b"]


async def test_a_source_that_fails_fails_the_stream() -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"a"
        raise RuntimeError("broken")

    kept = sse.kept_alive(broken())
    assert await anext(kept) == b"a"
    with pytest.raises(RuntimeError, match="broken"):
        await anext(kept)
