"""What every process of the platform opens once: settings, secrets, database, storage, Redis, the live hub and the limiter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from burnish.kit import outbox
from burnish.kit.crypto import Secrets
from burnish.kit.db import Database
from burnish.kit.limits import Limiter
from burnish.kit.live import Hub
from burnish.kit.outbox import Message, Sender
from burnish.kit.settings import Settings
from burnish.kit.storage import Storage
from burnish.kit.stream import Frame

SHORT_S = 2.0


class Core:
    """Shared by API, host process and operator commands. `sender` hands messages to the broker; None leaves them to the hosts'
    sweep.
    """

    def __init__(self, settings: Settings, sender: Sender | None = None) -> None:
        self.settings = settings
        self.secrets = Secrets.load(settings)
        self.db = Database(settings.database)
        self.storage = Storage(settings)
        self.redis = Redis.from_url(settings.redis, socket_connect_timeout=SHORT_S, socket_timeout=None)
        self.hub = Hub(self.db, self.redis)
        self.limiter = Limiter(self.redis)
        self.sender = sender
        self.db.on_commit = self._dispatch
        self._background: set[asyncio.Task[None]] = set()

    async def _dispatch(self, effects: list[object]) -> None:
        messages = [effect for effect in effects if isinstance(effect, Message)]
        if messages and self.sender is not None:
            # The broker may be away: whoever committed does not wait for it, the rows do.
            task = asyncio.create_task(outbox.send(self.db, self.sender, messages))
            self._background.add(task)
            task.add_done_callback(self._background.discard)
        frames = [effect for effect in effects if isinstance(effect, Frame)]
        if frames:
            await self.hub.publish(frames)

    async def close(self) -> None:
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.hub.close()
        await self.limiter.close()
        await self.redis.aclose()
        await self.db.dispose()


@asynccontextmanager
async def opened(settings: Settings, sender: Sender | None = None) -> AsyncIterator[Core]:
    """Open a core for the length of a command."""
    settings.prepare_home()
    core = Core(settings, sender)
    try:
        yield core
    finally:
        await core.close()
