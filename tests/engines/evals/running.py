"""A run of an eval, and hosts that work on it and on its batches until they are done or killed."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
from sqlalchemy import update
from sqlmodel import col, or_, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines.bulk.sending import Answer, Line
from engines.compute.local import Inventory
from engines.evals import inner
from engines.evals.evaluation_run import EvaluationRun
from engines.supervise import NOWHERE
from models import batch
from models.batch import Batch
from models.dataset import Dataset
from models.eval import Eval, EvalItem, EvalRun
from models.file import File
from models.reward_function import RewardFunction
from tests.engines.bulk.working import FakePool, Installation, Mortal, fine

SUMS = [{"prompt": f"{number} + 1", "label": str(number + 1)} for number in range(5)]
EXACT = {"type": "exact-match"}


class Evals(Installation):
    """An account with a deployment `dep`, a dataset and what is evaluated with it."""

    async def eval(self, scorers: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]] = SUMS, **values: Any) -> str:
        """Store a dataset and an eval of it; return the eval's id."""
        data = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        now, dataset_id = clock.now(), ids.new("ds")
        key = f"acct/{dataset_id}/rows.jsonl"
        await self.core.storage.put(key, data)
        dataset = Dataset(
            id=dataset_id, account_id="acct", name="sums", columns=[], num_rows=len(rows), storage_key=key, created_at=now
        )
        row = Eval(
            id=ids.new("eval"),
            account_id="acct",
            name="sums",
            dataset_id=dataset_id,
            scorers=list(scorers),
            created_at=now,
            **values,
        )
        async with self.core.db.transaction() as session:
            session.add(dataset)
            await session.flush()
            session.add(row)
        return row.id

    async def queued(self, eval_id: str, **values: Any) -> str:
        """Make a run; return its id."""
        now = clock.now()
        given = {"model": "dep", "deployment_id": self.deployment_id, **values}
        row = EvalRun(id=ids.new("run"), account_id="acct", eval_id=eval_id, created_at=now, updated_at=now, **given)
        async with self.core.db.transaction() as session:
            session.add(row)
        return row.id

    async def reward(self, source: str) -> str:
        row = RewardFunction(
            id=ids.new("rf"), account_id="acct", name="r", source=source, sha256="0" * 64, created_at=clock.now()
        )
        async with self.core.db.transaction() as session:
            session.add(row)
        return row.id

    async def finish(self, run_id: str, pool: FakePool) -> EvalRun:
        """Have a host work until the run has ended; return what it is then."""
        await asyncio.wait_for(Host(self, self.core, run_id, pool).work(), 30)
        return await self.standing(run_id)

    async def standing(self, run_id: str) -> EvalRun:
        async with self.core.db.read() as session:
            return await session.get_one(EvalRun, run_id)

    async def items(self, run_id: str) -> list[EvalItem]:
        place = (col(EvalItem.item_index), col(EvalItem.sample))
        async with self.core.db.read() as session:
            return list((await session.exec(select(EvalItem).where(EvalItem.run_id == run_id).order_by(*place))).all())

    async def parts(self, run_id: str) -> list[Batch]:
        async with self.core.db.read() as session:
            return await inner.parts(session, run_id)

    async def asked(self, run_id: str, part: str = inner.ANSWERS) -> list[dict[str, Any]]:
        """Return the lines of the input of a part."""
        (row,) = [row for row in await self.parts(run_id) if (row.labels or {})[inner.PART] == part]
        async with self.core.db.read() as session:
            file = await session.get_one(File, row.input_file_id)
        data = await self.core.storage.read(file.storage_key)
        assert (len(data), file.internal, file.purpose) == (file.size_bytes, True, "evals")
        return [orjson.loads(line) for line in data.splitlines()]

    async def release(self) -> None:
        """Have the leases of a dead host end."""
        tables: tuple[Any, ...] = (Batch, EvalRun)
        async with self.core.db.transaction() as session:
            for table in tables:
                await session.exec(update(table).where(table.lease_holder.is_not(None)).values(lease_expires_at=clock.now()))


class Host:
    """A host that has nothing to do but a run and its batches."""

    def __init__(self, evals: Evals, core: Core, run_id: str, pool: FakePool) -> None:
        self._evals, self._core, self._run_id, self._pool = evals, core, run_id, pool
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.run = EvaluationRun(core, Inventory(core.settings), run_id, "host", NOWHERE, grading=asyncio.Semaphore(1))

    async def work(self) -> None:
        """Work until neither the run nor a batch of it needs anybody."""
        task = asyncio.create_task(self.run.run())
        try:
            while not task.done() or await self._take():
                await self._take()
                await asyncio.sleep(0.005)
            task.result()
        finally:
            for each in (task, *self._tasks.values()):
                each.cancel()
            await asyncio.gather(task, *self._tasks.values(), return_exceptions=True)

    async def _take(self) -> bool:
        """Take up the batches that nobody works on; say whether there is work left."""
        needed = or_(col(Batch.status).not_in(batch.TERMINAL), col(Batch.lease_holder).is_not(None))
        async with self._core.db.read() as session:
            found = (await session.exec(select(Batch.id).where(Batch.parent_id == self._run_id, needed))).all()
        for batch_id in found:
            if batch_id not in self._tasks:
                self._tasks[batch_id] = asyncio.create_task(self._work_on(batch_id))
        return bool(found)

    async def _work_on(self, batch_id: str) -> None:
        await self._evals.run(batch_id, self._pool, self._core).run()
        self.run.look()


async def lives(evals: Evals, settings: Settings, run_id: str, pool: FakePool, fatal: int, *, after: bool) -> bool:
    """Have a host work that dies at its `fatal`-th write; say whether it lived, and the run has ended."""
    process = Mortal(settings, fatal, after=after)
    task = asyncio.create_task(Host(evals, process.core, run_id, pool).work())
    death = asyncio.create_task(process.died.wait())
    async with asyncio.timeout(30):
        await asyncio.wait((task, death), return_when=asyncio.FIRST_COMPLETED)
        is_dead = process.died.is_set()
        process.is_dead = True
        for each in (task, death):
            each.cancel()
        with suppress(BaseException):
            await asyncio.gather(task, death, return_exceptions=True)
    await process.core.close()
    return not is_dead


def solve(line: Line) -> Answer:
    """Answer a sum rightly where the first number is even; a judge finds every answer half good."""
    content = line.body["messages"][-1]["content"]
    if "Grade" in content:
        return said(line, "Score: 0.5")
    first, _, _ = content.partition(" + ")
    return said(line, str(int(first) + (1 if int(first) % 2 == 0 else 2)))


def said(line: Line, text: str | None) -> Answer:
    """Return a chat completion that says a text."""
    answer = fine(line)
    body = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    return answer._replace(body=orjson.dumps(body), latency_ms=float(line.line))
