"""A batch, a pool that answers what a test says, and hosts that can be killed at any of their writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import update
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.settings import Settings
from engines.bulk.batch_run import BatchRun
from engines.bulk.feeding import Room
from engines.bulk.sending import Answer, Line
from engines.compute.local import Inventory
from engines.serving.request_log import Logged
from engines.supervise import NOWHERE
from models import batch, file
from models.batch import Batch, BatchOutcome
from models.deployment import Deployment, InferenceRequest
from models.file import File
from tests.models import rows

CHAT = "/v1/chat/completions"


class Killed(BaseException):
    """The process is no more."""


class FakePool:
    """Answers lines with `answer`, each a turn of the loop later; only the first `free` of them, where that is given."""

    def __init__(self, answer: Callable[[Line], Answer] | None = None, places: int = 4, free: int | None = None) -> None:
        self.asked: list[Line] = []
        self._free = free
        self.most = 0
        self._answer = answer or fine
        self._places = places
        self._now = 0

    def places(self, deployment_id: str) -> int:
        return self._places

    async def answer(self, line: Line) -> Answer:
        self.asked.append(line)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            if self._free is not None and len(self.asked) > self._free:
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            return self._answer(line)
        finally:
            self._now -= 1


def fine(line: Line, status: int = 200) -> Answer:
    """Return an answer that takes three tokens and gives as many as the number of the line."""
    given = line.line if status == 200 else 0
    logged = Logged(
        ids.new("req"), "acct", line.deployment_id, None, 3, given, 12.5, None, status, False, "stop", False, None,
        clock.now_micros(),
    )  # fmt: skip
    body = {"choices": [line.custom_id]} if status == 200 else {"error": {"code": "bad", "message": "No."}}
    code, message = (None, None) if status == 200 else ("bad", "No.")
    return Answer(status, orjson.dumps(body), code, message, 3, given, 12.5, 100, 1, (logged,))


def request(custom_id: Any, **changes: Any) -> bytes:
    line = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {"model": "dep", "messages": []}}
    return orjson.dumps({**line, **changes})


class Installation:
    """An account with a deployment `dep`, and the processes that work for it, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.core = Core(settings)
        self.deployment_id = ""

    async def begin(self) -> None:
        await rows.account(self.core.db, name="acct")
        self.deployment_id = await rows.deployment(self.core.db, status="serving")

    async def batch(self, content: bytes | Sequence[bytes], **values: Any) -> str:
        """Store a file and make a batch of it; return the batch's id."""
        data = content if isinstance(content, bytes) else b"".join(line + b"\n" for line in content)
        now = clock.now()
        stored = File(
            id=ids.new("file", "-"),
            account_id="acct",
            filename="in.jsonl",
            purpose=file.BATCH,
            size_bytes=len(data),
            storage_key="",
            created_at=now,
        )
        stored.storage_key = f"acct/files/{stored.id}"
        await self.core.storage.put(stored.storage_key, data)
        given = {"status": batch.VALIDATING, "endpoint": CHAT, "expires_at": now + timedelta(hours=24), **values}
        row = Batch(id=ids.new("batch"), account_id="acct", input_file_id=stored.id, created_at=now, updated_at=now, **given)
        async with self.core.db.transaction() as session:
            session.add(stored)
            await session.flush()
            session.add(row)
        return row.id

    def run(self, batch_id: str, pool: Any, core: Core | None = None, holder: str = "host") -> BatchRun:
        core = core or self.core
        return BatchRun(core, Inventory(core.settings), batch_id, holder, NOWHERE, pool=pool, room=Room())

    async def work(self, batch_id: str, pool: Any) -> Batch:
        """Have a host work until it has nothing more to do; return what the batch is then."""
        async with asyncio.timeout(30):
            await self.run(batch_id, pool).run()
        return await self.row(batch_id)

    async def row(self, batch_id: str) -> Batch:
        async with self.core.db.read() as session:
            return await session.get_one(Batch, batch_id)

    async def outcomes(self, batch_id: str) -> list[BatchOutcome]:
        async with self.core.db.read() as session:
            found = select(BatchOutcome).where(BatchOutcome.batch_id == batch_id).order_by(col(BatchOutcome.line))
            return list((await session.exec(found)).all())

    async def lines(self, file_id: str | None) -> list[dict[str, Any]]:
        """Return the lines of a file; none of no file."""
        if file_id is None:
            return []
        async with self.core.db.read() as session:
            row = await session.get_one(File, file_id)
        data = await self.core.storage.read(row.storage_key)
        assert len(data) == row.size_bytes
        return [orjson.loads(line) for line in data.splitlines()]

    async def lapse(self, batch_id: str) -> None:
        """Have the lease of a dead host end."""
        async with self.core.db.transaction() as session:
            held = (col(Batch.id) == batch_id, col(Batch.lease_holder).is_not(None))
            await session.exec(update(Batch).where(*held).values(lease_expires_at=clock.now()))

    async def assert_whole(self, batch_id: str, custom_ids: list[str]) -> None:
        """Each line is in exactly one file, exactly once and in order, and every sum is that of the lines."""
        row, kept = await self.row(batch_id), await self.outcomes(batch_id)
        output, errors = await self.lines(row.output_file_id), await self.lines(row.error_file_id)
        assert sorted(line["custom_id"] for line in output + errors) == sorted(custom_ids)
        assert [line["custom_id"] for line in output] == [each.custom_id for each in kept if each.ok]
        assert [line["custom_id"] for line in errors] == [each.custom_id for each in kept if not each.ok]
        assert (row.total, row.completed, row.failed) == (len(custom_ids), len(output), len(errors))
        assert row.completion_tokens == sum(each.completion_tokens for each in kept)
        assert (row.prompt_tokens, row.cost_nanos) == (sum(o.prompt_tokens for o in kept), sum(o.cost_nanos for o in kept))
        assert [each.payload for each in kept] == [None] * len(kept)
        assert (row.lease_holder, row.lease_expires_at) == (None, None)
        asked = {line["response"]["request_id"] for line in output + errors if line["response"] is not None}
        async with self.core.db.read() as session:
            logged = set((await session.exec(select(InferenceRequest.id))).all())
            total = (await session.get_one(Deployment, self.deployment_id)).total_requests
        assert asked <= logged
        assert len(logged) == total


class Mortal:
    """A process that dies at its `fatal`-th write to database or storage: before it is done, or right after."""

    def __init__(self, settings: Settings, fatal: int, *, after: bool) -> None:
        self.core = Core(settings)
        self.is_dead = False
        self.died = asyncio.Event()
        self._left = fatal
        self._after = after
        self._transaction, self._put, self._read = self.core.db.transaction, self.core.storage.put, self.core.db.read
        db: Any = self.core.db
        storage: Any = self.core.storage
        db.transaction, db.read, storage.put = self._transacting, self._reading, self._putting

    def _check(self) -> bool:
        """Die where it is dead already; say whether this write is the fatal one."""
        if self.is_dead:
            raise Killed
        self._left -= 1
        return self._left == 0

    def _die(self) -> None:
        self.is_dead = True
        self.died.set()
        raise Killed

    @asynccontextmanager
    async def _transacting(self) -> AsyncIterator[Session]:
        fatal = self._check()
        async with self._transaction() as session:
            yield session
            if fatal and not self._after:
                self._die()
            if self.is_dead:
                raise Killed
        if fatal:
            self._die()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Session]:
        if self.is_dead:
            raise Killed
        async with self._read() as session:
            yield session

    async def _putting(self, key: str, source: Any) -> None:
        fatal = self._check()
        if fatal and not self._after:
            self._die()
        await self._put(key, source)
        if fatal:
            self._die()

    async def work(self, installation: Installation, batch_id: str, pool: FakePool) -> bool:
        """Work on a batch until it is done, or until death; say whether it lived."""
        task = asyncio.create_task(installation.run(batch_id, pool, self.core).run())
        death = asyncio.create_task(self.died.wait())
        async with asyncio.timeout(30):
            await asyncio.wait((task, death), return_when=asyncio.FIRST_COMPLETED)
            self.is_dead = True
            task.cancel()
            death.cancel()
            await asyncio.gather(task, death, return_exceptions=True)
        await self.core.close()
        return not self.died.is_set()
