"""The lines of a batch on their way to the pool: read ahead a little, and held until their outcomes are written.

Lines wait by deployment, so that one that is busy or asleep holds back the others only once the look-ahead is full of its
lines. As many workers as the pool has places for ask for one line after the other.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog
from sqlalchemy.exc import DBAPIError

from burnish.kit.core import Core
from engines.bulk import outcomes, reading
from engines.bulk.outcomes import Ended
from engines.bulk.sending import NOT_SERVING, Answer, Line
from engines.serving import addressing
from models import deployment as dep
from models.account import Account

if TYPE_CHECKING:
    from engines.bulk.batch_run import BatchRun

log = structlog.get_logger(__name__)
# Of all batches of a host.
AHEAD_BYTES, LEAST_AHEAD_BYTES = 16 * 2**20, 2**18
AHEAD_LINES = 8192
# A longer line is parsed in a thread, and after so many the loop has its turn.
LONG_BYTES = 2**17
TURN_LINES = 64
NAME_S = 5.0
TRIES, PAUSE_S = 6, 0.5
INTERNAL = "internal_error"


class Room:
    """How much the batches of a host may hold in memory, in equal parts, and how many files are looked through at once."""

    def __init__(self) -> None:
        self.batches = 0
        self.validating = asyncio.Semaphore(2)

    @property
    def share_bytes(self) -> int:
        return max(LEAST_AHEAD_BYTES, AHEAD_BYTES // max(1, self.batches))


class Request(NamedTuple):
    """A line of a file that was found right; its `text` alone is kept while it waits."""

    line: int
    text: bytes
    custom_id: str
    body: dict[str, Any]


async def requests(core: Core, key: str, done: Collection[int]) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield the number and content of each line that is not `done`; the loop has its turn now and then."""
    number = 0
    async with aclosing(reading.lines(core.storage, key)) as lines:
        async for offset, line in lines:
            number += 1
            if number % TURN_LINES == 0:
                await asyncio.sleep(0)
            if number not in done and (text := reading.content(offset, line)):
                yield number, text


async def parse(number: int, text: bytes) -> Request:
    request = orjson.loads(text) if len(text) < LONG_BYTES else await asyncio.to_thread(orjson.loads, text)
    return Request(number, text, request["custom_id"], request["body"])


class Feed:
    """What one batch has under way: `held` lines that were read and whose outcomes are not written, `in_flight` of them sent."""

    def __init__(self, run: "BatchRun", key: str, done: Collection[int], endpoint: str) -> None:
        self.in_flight = 0
        self._run = run
        self._key = key
        self._done = done
        self._path = endpoint
        self._held_lines = self._held_bytes = 0
        self._is_over = False
        self._freed = asyncio.Event()
        self._queues: dict[str, deque[tuple[int, bytes]]] = {}
        self._workers: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: dict[str, tuple[float, str | None]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Return once every line has an outcome that is written; cancelled, it aborts what is under way."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._run.outcomes.run())
        try:
            await asyncio.wait((reader, writer, self._failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_over = True
            tasks = (reader, writer, *self._tasks)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        if self._failed.done():
            self._failed.result()

    def written(self, some: list[Ended]) -> None:
        self._held_lines -= len(some)
        self._held_bytes -= sum(ended.held_bytes for ended in some)
        self._freed.set()
        for deployment_id in self._queues:
            self._staff(deployment_id)

    async def _read(self) -> None:
        async with aclosing(requests(self._run.core, self._key, self._done)) as lines:
            async for number, text in lines:
                await self._take(await parse(number, text))
        while self._held_lines:
            await self._wait()

    async def _take(self, request: Request) -> None:
        size = len(request.text)
        while self._held_lines and (self._held_lines >= AHEAD_LINES or self._held_bytes + size > self._run.room.share_bytes):
            await self._wait()
        self._held_lines += 1
        self._held_bytes += size
        model = request.body["model"]
        deployment_id = await self._deployment(model)
        if deployment_id is None:
            message = f"No active deployment is named '{model}' any more."
            outcome = outcomes.unanswered(self._run.id, request.line, request.custom_id, NOT_SERVING, message)
            self._run.outcomes.add(Ended(outcome, (), size))
            return
        self._queues.setdefault(deployment_id, deque()).append((request.line, request.text))
        self._staff(deployment_id)

    async def _wait(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    async def _deployment(self, model: str) -> str | None:
        """Return the deployment that a name means at present."""
        seen_at, found = self._names.get(model, (-NAME_S, None))
        if monotonic() - seen_at < NAME_S:
            return found
        async with self._run.core.db.read() as session:
            account = await session.get_one(Account, self._run.account_id)
            row = await addressing.by_reference(session, account, model)
        found = None if row is None or row.status in dep.TERMINAL else row.id
        self._names[model] = monotonic(), found
        return found

    def _staff(self, deployment_id: str) -> None:
        """Have as many workers as there are lines and places for."""
        queue, workers = self._queues[deployment_id], self._workers.get(deployment_id, 0)
        if not queue or self._is_over:
            return
        wanted = min(max(1, self._run.pool.places(deployment_id)), workers + len(queue))
        for _ in range(wanted - workers):
            task = asyncio.create_task(self._work(deployment_id, queue))
            self._tasks.add(task)
            task.add_done_callback(self._worked)
        self._workers[deployment_id] = max(wanted, workers)

    def _worked(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _work(self, deployment_id: str, queue: deque[tuple[int, bytes]]) -> None:
        try:
            while queue and self._workers[deployment_id] <= max(1, self._run.pool.places(deployment_id)):
                if self._run.outcomes.waiting_bytes > self._run.room.share_bytes:
                    # Answers may be far longer than what was asked, and the database behind.
                    await self._wait()
                    continue
                await self._send(deployment_id, *queue.popleft())
                if queue:
                    self._staff(deployment_id)
        finally:
            self._workers[deployment_id] -= 1

    async def _send(self, deployment_id: str, number: int, text: bytes) -> None:
        self.in_flight += 1
        try:
            request = await parse(number, text)
            raw = orjson.dumps(request.body)
            line = Line(self._run.id, number, request.custom_id, deployment_id, self._path, raw, request.body)
            answer = await self._ask(line)
        finally:
            self.in_flight -= 1
        outcome = outcomes.answered(self._run.id, number, request.custom_id, deployment_id, answer)
        self._run.outcomes.add(Ended(outcome, answer.logged, len(text)))

    async def _ask(self, line: Line) -> Answer:
        """Return the pool's answer. What fails in the pool itself is tried again, as long as the database is away for ever."""
        tries = 0
        while True:
            try:
                return await self._run.pool.answer(line)
            except Exception as error:
                tries += not isinstance(error, DBAPIError)
                log.warning("line_not_sent", resource=line.batch_id, line=line.line, error=str(error), exc_info=True)
                if tries >= TRIES:
                    message = f"The platform failed while it sent this ({type(error).__name__}); its log says more."
                    return Answer(None, b"", INTERNAL, message)
            await asyncio.sleep(PAUSE_S * max(1, tries))
