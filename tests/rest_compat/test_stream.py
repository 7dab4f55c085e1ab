"""Streamed answers give back what they hold, wherever they are when the client goes."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from starlette.types import Message

from resolvers.cursors import Cursor
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

    async def numbered(self) -> AsyncGenerator[sse.Chunk, None]:
        """Yield the chunks with cursors 1, 2, 3 …"""
        async with aclosing(self.chunks()) as chunks:
            numbers = itertools.count(1)
            async for data in chunks:
                yield sse.Chunk(data, Cursor(str(next(numbers))))


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


async def fine() -> None:
    return None


async def test_a_silent_source_is_waited_for_and_closed_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.01)
    source = Source(pause=True)
    kept = sse.kept_alive(source.numbered(), Cursor("0"), fine)
    assert [await anext(kept) for _ in range(3)] == [b"first", b": keepalive\nid: 1\n", b": keepalive\nid: 1\n"]
    await kept.aclose()
    assert source.closed


async def test_a_keepalive_before_the_first_event_has_the_cursor_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0.01)

    async def silent() -> AsyncGenerator[sse.Chunk, None]:
        await asyncio.Event().wait()
        yield sse.Chunk(b"never", Cursor("never"))

    kept = sse.kept_alive(silent(), Cursor("here"), fine)
    assert await anext(kept) == b": keepalive\nid: here\n"
    await kept.aclose()


async def test_a_source_that_ends_ends_the_stream() -> None:
    async def two() -> AsyncGenerator[sse.Chunk, None]:
        yield sse.Chunk(b"a", Cursor("1"))
        yield sse.Chunk(b"b", Cursor("2"))

    assert [data async for data in sse.kept_alive(two(), Cursor("0"), fine)] == [b"a", b"b"]


async def test_a_source_that_fails_fails_the_stream() -> None:
    async def broken() -> AsyncGenerator[sse.Chunk, None]:
        yield sse.Chunk(b"a", Cursor("1"))
        raise RuntimeError("broken")

    kept = sse.kept_alive(broken(), Cursor("0"), fine)
    assert await anext(kept) == b"a"
    with pytest.raises(RuntimeError, match="broken"):
        await anext(kept)


@pytest.mark.parametrize("pause", [True, False])
async def test_a_check_that_fails_ends_the_stream_be_it_silent_or_busy(monkeypatch: pytest.MonkeyPatch, pause: bool) -> None:
    monkeypatch.setattr(sse, "CHECK_S", 0.01)
    source, checks = Source(pause=pause), 0

    async def third() -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise RuntimeError("no more")

    async def drained() -> None:
        async for _ in sse.kept_alive(source.numbered(), Cursor("0"), third):
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="no more"):
        await asyncio.wait_for(drained(), 10)
    assert (checks, source.closed) == (3, True)
