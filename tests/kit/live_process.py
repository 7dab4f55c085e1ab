"""What one process of the platform has to follow streams with, and ways to follow them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from burnish.kit import stream
from burnish.kit.db import Database
from burnish.kit.live import Batch, Hub

NOWHERE = "unix:///nonexistent/broker.sock"


class Process:
    """What one process of the platform has: a database, a Redis client, a hub. `mute` loses what it publishes."""

    def __init__(self, path: Path, redis_url: str = NOWHERE, *, mute: bool = False) -> None:
        self.db = Database(f"sqlite+aiosqlite:///{path}")
        self.redis = Redis.from_url(redis_url)
        self.hub = Hub(self.db, self.redis)
        if not mute:
            self.db.on_commit = self._publish

    async def _publish(self, effects: list[object]) -> None:
        await self.hub.publish([effect for effect in effects if isinstance(effect, stream.Frame)])

    async def say(self, *texts: str, kind: str = "logs", end: str | None = None) -> None:
        async with self.db.transaction() as session:
            await stream.append(session, "job_1", kind, [{"message": text} for text in texts])
            if end is not None:
                await stream.end(session, "job_1", [kind], end)

    async def close(self) -> None:
        await self.hub.close()
        await self.redis.aclose()
        await self.db.dispose()


Start = Callable[..., Process]


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[None]:
    task = asyncio.create_task(hub.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.005)


async def subscribed(process: Process) -> None:
    async def one_pattern() -> bool:
        try:
            return await process.redis.pubsub_numpat() == 1
        except OSError:
            return False

    await until(one_pattern)


async def take(batches: AsyncGenerator[Batch, None], count: int) -> list[str]:
    """Return the next `count` messages; fail where more come with them, or none for ten seconds."""
    found: list[str] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            batch = await anext(batches)
            found += [row.data["message"] for row in batch.rows]
            assert batch.cursor == (batch.rows[-1].seq if batch.rows else batch.cursor)
    assert len(found) == count
    return found


async def whole(batches: AsyncGenerator[Batch, None]) -> tuple[list[int], list[str], str | None]:
    """Follow to the end; return the sequence numbers, the messages and the reason."""
    seen: list[int] = []
    texts: list[str] = []
    reason = None
    async with asyncio.timeout(20):
        async for batch in batches:
            assert reason is None
            seen += [row.seq for row in batch.rows]
            texts += [row.data["message"] for row in batch.rows]
            reason = batch.end_reason
    return seen, texts, reason
