"""The open sockets of one process, by the key that opened them: how many a key may have, and their end with the key."""

import asyncio
from collections import defaultdict
from typing import Protocol

import structlog

from resolvers import auth
from resolvers.context import Context

log = structlog.get_logger(__name__)
MAX_CONNECTIONS = 2500
WATCH_S = 1.0


class Connection(Protocol):
    """A socket, as far as it matters here."""

    async def close(self, code: int, reason: str) -> None: ...


class Connections:
    """Watches only while somebody is connected."""

    def __init__(self) -> None:
        self._open: defaultdict[str, set[Connection]] = defaultdict(set)
        self._keys: dict[Connection, str] = {}
        self._watching: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Future[None]] = set()

    def enter(self, connection: Connection, caller: Context) -> bool:
        """Count a connection; False where its key has as many as it may."""
        key_id = caller.key.id
        if len(self._open[key_id]) >= MAX_CONNECTIONS:
            return False
        self._open[key_id].add(connection)
        self._keys[connection] = key_id
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(caller))
        return True

    def leave(self, connection: Connection) -> None:
        """Forget a connection; one that never entered is none."""
        key_id = self._keys.pop(connection, None)
        if key_id is None:
            return
        self._open[key_id].discard(connection)
        if not self._open[key_id]:
            del self._open[key_id]
        if not self._keys and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _closed(self, task: asyncio.Future[None]) -> None:
        self._closing.discard(task)
        if not task.cancelled():
            task.exception()

    async def _watch(self, caller: Context) -> None:
        """Close what a key opened soon after the key was revoked or has expired."""
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                ended = await auth.ended(caller.core, list(self._open))
            except Exception as error:
                log.warning("keys_not_looked_at", error=str(error))
                continue
            for connection in [item for key_id in ended for item in self._open.get(key_id, ())]:
                # Nobody waits for a client that does not read; one that is being closed already refuses the second time.
                task = asyncio.ensure_future(connection.close(4403, "Forbidden"))
                self._closing.add(task)
                task.add_done_callback(self._closed)
