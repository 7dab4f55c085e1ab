"""What the routing tables of all processes tell each other over Redis: their outstanding requests, who waits, and which breakers
they opened.

Only hints: what a process said counts for `EXPIRE_S`, and with Redis away each goes on alone, with what it knows itself. What
hosts have outstanding for batches is told apart (`bulk`): gateways leave it out of their counts, so that nothing waits behind it.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import uuid4

import orjson
import structlog

from burnish.kit.core import Core
from engines.serving.breaker import MAX_OPEN_S

log = structlog.get_logger(__name__)
CHANNEL = "burnish:gateway"
TELL_S = 0.1
# Two may be lost before what was said expires.
HEARTBEAT_S = 0.3
EXPIRE_S = 1.0
AWAY_S = 1.0
SEND_S = 2.0
# A process hears itself too: if it does not, its subscription is dead.
ECHO_S = 2.0


class Counted(Protocol):
    """What is shared: a routing table. `others` and `other_bulk` hear what another process has outstanding."""

    on_open: Callable[[str, float], None] | None

    def counts(self) -> dict[str, int]: ...
    def wanted(self) -> dict[str, int]: ...
    def trip(self, replica_id: str, seconds: float) -> None: ...
    def others(self, process: str, counts: Mapping[str, int], wanted: Mapping[str, int] = ...) -> None: ...
    def other_bulk(self, process: str, counts: Mapping[str, int]) -> None: ...


class Sharing:
    """The voice and the ears of one process's table. `run()` tells and listens, for ever; `close()` takes back what it told.

    `bulk` says that the table's own requests are those of batches: breakers that lines open are not told, for a line may be the
    kind that no engine answers, and would close a replica to everybody.
    """

    def __init__(self, core: Core, table: Counted, clock: Callable[[], float] = time.monotonic, *, bulk: bool = False) -> None:
        self._redis = core.redis
        self._table = table
        self._clock = clock
        self._is_bulk = bulk
        self._process = uuid4().hex
        self._heard: dict[str, float] = {}
        self._told: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._told_at = -math.inf
        self._opened: dict[str, float] = {}
        self._news = asyncio.Event()
        self._away = False
        self._echo: asyncio.Timeout | None = None
        if not bulk:
            table.on_open = self._open

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._speak())
            tasks.create_task(self._forget())

    async def close(self) -> None:
        """Say that nothing is outstanding here any more, where anything else was said."""
        if any(self._told) and not self._away:
            with contextlib.suppress(Exception):
                await self._publish({}, {}, {})

    def _open(self, replica_id: str, seconds: float) -> None:
        self._opened[replica_id] = seconds
        self._news.set()

    async def _speak(self) -> None:
        while True:
            # An opened breaker is told at once.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_S):
                    await self._news.wait()
            self._news.clear()
            try:
                await self.tell()
                self._away = False
            except Exception as error:
                if not self._away:
                    log.info("gateway_not_shared", error=str(error))
                self._away = True
                await asyncio.sleep(AWAY_S)

    async def tell(self) -> None:
        """Tell the others what they have not heard yet."""
        told_s = self._clock() - self._told_at
        if not self._heard and not self._opened and told_s < HEARTBEAT_S:
            # Nobody seems to be there: whoever comes hears of it soon enough.
            return
        counts, wanted = self._table.counts(), self._table.wanted()
        opened, self._opened = self._opened, {}
        due = bool(counts or wanted) and told_s >= HEARTBEAT_S
        if opened or due or (counts, wanted) != self._told:
            await self._publish(counts, wanted, opened)

    async def _publish(self, counts: dict[str, int], wanted: dict[str, int], opened: dict[str, float]) -> None:
        said = {"process": self._process, "opened": opened, "counts": counts, "wanted": wanted, "bulk": {}}
        if self._is_bulk:
            said |= {"counts": {}, "wanted": {}, "bulk": counts}
        async with asyncio.timeout(SEND_S):
            await self._redis.publish(CHANNEL, orjson.dumps(said))
        self._told, self._told_at = (counts, wanted), self._clock()
        if self._echo is not None and self._echo.when() is None:
            self._echo.reschedule(asyncio.get_running_loop().time() + ECHO_S)

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    async with asyncio.timeout(None) as self._echo:
                        async for message in pubsub.listen():
                            if message["type"] == "message":
                                self._echo.reschedule(None)
                                self.hear(message["data"])
            except Exception as error:
                log.debug("gateway_reader_reconnects", error=str(error))
                await asyncio.sleep(AWAY_S)
            finally:
                self._echo = None

    def hear(self, raw: bytes) -> None:
        """Take in what a process has said."""
        try:
            said = orjson.loads(raw)
            process = str(said["process"])
            counts, wanted, opened = (_numbers(said[name]) for name in ("counts", "wanted", "opened"))
            # A process of an earlier release knows nothing of batches.
            bulk = _numbers(said.get("bulk", {}))
        except (ValueError, TypeError, KeyError) as error:
            log.warning("gateway_message_unreadable", error=str(error))
            return
        if process == self._process:
            return
        self._heard[process] = self._clock()
        self._table.others(process, counts, wanted)
        self._table.other_bulk(process, bulk)
        for replica_id, seconds in opened.items():
            self._table.trip(replica_id, min(seconds, MAX_OPEN_S))

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            self.expire()

    def expire(self) -> None:
        """Forget processes that have not been heard for a while."""
        now = self._clock()
        for process in [process for process, at in self._heard.items() if now - at > EXPIRE_S]:
            del self._heard[process]
            self._table.others(process, {})
            self._table.other_bulk(process, {})


def _numbers(said: Any) -> dict[str, Any]:
    """Return what a message says of each replica; ValueError where these are no positive numbers."""
    if not isinstance(said, dict) or not all(isinstance(value, (int, float)) and value > 0 for value in said.values()):
        raise ValueError("no positive number for each replica")
    return said
