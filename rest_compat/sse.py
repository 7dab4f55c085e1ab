"""Server-sent events: framing text so that no line of it breaks the frame, and comments that keep a quiet connection open."""

import asyncio
from collections.abc import AsyncGenerator

import anyio

KEEPALIVE = b": keepalive\n\n"
KEEPALIVE_S = 15.0
MEDIA_TYPE = "text/event-stream"
# Proxies otherwise hold the lines back until they have enough of them.
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event(text: str, *, cursor: int | None = None, name: str | None = None) -> bytes:
    """Return one event. Each line of `text` becomes a `data` field of its own, whatever it ends in; readers join them with
    newlines.
    """
    fields = [f"event: {name}"] if name else []
    fields += [f"id: {cursor}"] if cursor is not None else []
    fields += [f"data: {line}" for line in text.splitlines() or [""]]
    return ("\n".join(fields) + "\n\n").encode("utf-8", "replace")


async def kept_alive(source: AsyncGenerator[bytes, None], every_s: float | None = None) -> AsyncGenerator[bytes, None]:
    """Yield what `source` yields, and a comment whenever it has been silent for `every_s` seconds (by default `KEEPALIVE_S`)."""
    waiting: asyncio.Task[bytes] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait({waiting}, timeout=every_s or KEEPALIVE_S)
            if not done:
                yield KEEPALIVE
                continue
            try:
                chunk = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield chunk
    finally:
        with anyio.CancelScope(shield=True):
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            await source.aclose()
