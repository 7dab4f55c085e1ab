"""Server-sent events: framing text so that no line of it breaks the frame, and streams that stay open over silences.

A stream holds one chunk at a time: while its client takes nothing, nothing more is read for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from time import monotonic
from typing import NamedTuple

import anyio

from resolvers.cursors import Cursor

KEEPALIVE_S = 15.0
CHECK_S = 1.0
MEDIA_TYPE = "text/event-stream"
# Proxies otherwise hold the lines back until they have enough of them.
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Chunk(NamedTuple):
    """Whole events, and the cursor after them."""

    data: bytes
    cursor: Cursor


def event(text: str, *, cursor: Cursor | None = None, name: str | None = None) -> bytes:
    """Return one event. Each line of `text` becomes a `data` field of its own, whatever it ends in; readers join them with
    newlines.
    """
    fields = [f"event: {name}"] if name else []
    fields += [f"id: {cursor}"] if cursor is not None else []
    fields += [f"data: {line}" for line in text.splitlines() or [""]]
    return ("\n".join(fields) + "\n\n").encode("utf-8", "replace")


def keepalive(cursor: Cursor) -> bytes:
    """Return what breaks a silence: a comment, and the cursor as the head of the event to come."""
    # Without a blank line: many parsers dispatch an event at each, here one that would read as an empty line.
    return f": keepalive\nid: {cursor}\n".encode()


async def kept_alive(
    source: AsyncGenerator[Chunk, None], start: Cursor, check: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes, None]:
    """Yield what `source` yields, and a keepalive whenever it has been silent for `KEEPALIVE_S`.

    `check` is awaited every `CHECK_S`, and ends the stream by raising.
    """
    waiting: asyncio.Task[Chunk] | None = None
    cursor, speak_at, check_at = start, monotonic() + KEEPALIVE_S, monotonic() + CHECK_S
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({waiting}, timeout=max(0.0, min(speak_at, check_at) - monotonic()))
            if monotonic() >= check_at:
                await check()
                check_at = monotonic() + CHECK_S
            if done:
                try:
                    data, cursor = waiting.result()
                except StopAsyncIteration:
                    return
                waiting = None
                yield data
            elif monotonic() >= speak_at:
                yield keepalive(cursor)
            else:
                continue
            speak_at = monotonic() + KEEPALIVE_S
    finally:
        with anyio.CancelScope(shield=True):
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await source.aclose()
