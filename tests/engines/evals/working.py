"""An eval and a run of it, worked on by hosts that a test lets live or die; a pool answers as the test says."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select

from burnish.kit import clock, ids, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines.bulk.sending import Answer, Line
from engines.compute.local import Inventory
from engines.evals.evaluation_run import EvaluationRun
from engines.supervise import NOWHERE
from models import batch
from models import eval as evaluation
from models.batch import Batch
from models.dataset import Dataset
from models.deployment import Deployment
from models.eval import Eval, EvalItem, EvalRun
from models.reward_function import RewardFunction
from tests.engines.bulk.working import FakePool, Installation, fine

Rows = Sequence[dict[str, Any]]
EXACT = {"type": "exact-match"}


def said(line: Line, text: str) -> Answer:
    """Return an answer of three tokens to the prompt and two of its own."""
    body = {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    given = fine(line)
    logged = tuple(one._replace(completion_tokens=2) for one in given.logged)
    return given._replace(body=json.dumps(body).encode(), completion_tokens=2, logged=logged)


def asked(line: Line) -> str:
    """Return what was asked last."""
    text: str = line.body["messages"][-1]["content"]
    return text


class Evals(Installation):
    """An installation whose batches `pool` answers while a run waits for them; `dataset_key` is where the rows are stored."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.pool: Any = FakePool(lambda line: said(line, asked(line)))
        self.current: EvaluationRun | None = None
        self.dataset_key = "acct/datasets/rows.jsonl"
        self._working: dict[str, asyncio.Task[None]] = {}
        self._batches: dict[str, Any] = {}

    async def eval_run(self, rows: Rows, scorers: list[dict[str, Any]], first: int | None = None, **values: Any) -> str:
        """Store a dataset, an eval of it and a run that asks the deployment the first rows, or all; return the run's id."""
        now = clock.now()
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        await self.core.storage.put(self.dataset_key, data)
        dataset = Dataset(
            id=ids.new("ds"), account_id="acct", name="d", columns=[], size_bytes=len(data), sha256="", created_at=now,
            num_rows=len(rows), storage_key=self.dataset_key,
        )  # fmt: skip
        made = Eval(
            id=ids.new("eval"), account_id="acct", name="e", dataset_id=dataset.id, scorers=scorers, created_at=now,
            generation=values.pop("eval_generation", None),
        )  # fmt: skip
        given = {"deployment_id": self.deployment_id, "model": "dep", "created_at": now, "updated_at": now, **values}
        run = EvalRun(id=ids.new("run"), account_id="acct", eval_id=made.id, rows=first, **given)
        async with self.core.db.transaction() as session:
            for row in (dataset, made, run):
                session.add(row)
                await session.flush()
        return run.id

    async def reward(self, source: str) -> str:
        row = RewardFunction(id=ids.new("rf"), account_id="acct", name="r", source=source, sha256="", created_at=clock.now())
        async with self.core.db.transaction() as session:
            session.add(row)
        return row.id

    def run(self, run_id: str, pool: Any, core: Core | None = None, holder: str = "host") -> Any:
        """Return a host's work on a run; that on a batch is as ever."""
        if not run_id.startswith("run_"):
            return super().run(run_id, pool, core, holder)
        core = core or self.core
        settings = core.settings
        self.current = EvaluationRun(
            core, Inventory(settings), run_id, holder, NOWHERE, self.wake, grading=asyncio.Semaphore(1)
        )  # fmt: skip
        return self.current

    def wake(self, batch_id: str) -> None:
        """Have another host work on a batch, and tell the run when that is done."""
        if batch_id not in self._working:
            self._working[batch_id] = asyncio.create_task(self._work(batch_id))

    async def _work(self, batch_id: str) -> None:
        self._batches[batch_id] = super().run(batch_id, self.pool)
        await self._batches[batch_id].run()
        if self.current is not None:
            self.current.look()

    def look(self) -> None:
        """Have all hosts look at what they work on."""
        for run in (*self._batches.values(), self.current):
            run.look()

    async def restart(self, batch_id: str) -> None:
        """Have the host of a batch put it down, for another to take it up."""
        self._batches[batch_id].halt()
        await self._working.pop(batch_id)

    async def evaluate(self, run_id: str) -> EvalRun:
        """Have a host work on a run until it has nothing more to do; return what the run is then."""
        async with asyncio.timeout(30):
            for part in await self.parts(run_id):
                if part.status not in batch.TERMINAL:
                    self.wake(part.id)
            await self.run(run_id, self.pool).run()
            await asyncio.gather(*self._working.values())
        return await self.found(run_id)

    async def found(self, run_id: str) -> EvalRun:
        async with self.core.db.read() as session:
            return await session.get_one(EvalRun, run_id)

    async def parts(self, run_id: str) -> list[Batch]:
        async with self.core.db.read() as session:
            mine = select(Batch).where(Batch.parent_id == run_id).order_by(col(Batch.created_at), col(Batch.id))
            return list((await session.exec(mine)).all())

    async def items(self, run_id: str) -> list[EvalItem]:
        async with self.core.db.read() as session:
            mine = select(EvalItem).where(EvalItem.run_id == run_id)
            return list((await session.exec(mine.order_by(col(EvalItem.item_index), col(EvalItem.sample)))).all())

    async def said(self, run_id: str, kind: str = "logs") -> list[stream.Data]:
        async with self.core.db.read() as session:
            return [row.data for row in await stream.read(session, run_id, kind)]

    async def deployment(self) -> Deployment:
        async with self.core.db.read() as session:
            return await session.get_one(Deployment, self.deployment_id)

    async def lapse(self, run_id: str) -> None:
        """Have the lease of a dead host end."""
        async with self.core.db.transaction() as session:
            held = (col(EvalRun.id) == run_id, col(EvalRun.lease_holder).is_not(None))
            await session.exec(update(EvalRun).where(*held).values(lease_expires_at=clock.now()))

    async def until(self, run_id: str, good: Callable[[EvalRun], bool]) -> None:
        async with asyncio.timeout(10):
            while not good(await self.found(run_id)):
                await asyncio.sleep(0.005)

    async def assert_ended(self, run_id: str, status: str) -> EvalRun:
        """A run has ended: nothing is held, nothing is asked, and what was made for it has stopped."""
        row = await self.found(run_id)
        assert (row.status, row.error if status == evaluation.COMPLETED else None) == (status, None)
        assert (row.lease_holder, row.completed_at is None) == (None, False)
        assert {part.status for part in await self.parts(run_id)} <= {"completed", "cancelled", "failed"}
        ended = (await self.deployment()).status == "stopped"
        assert ended or not row.owns_deployment
        # Of what its hosts have stored, the inputs of its batches are left.
        stored = await self.core.storage.list(f"acct/evals/{run_id}")
        assert len(stored) == len(await self.parts(run_id))
        return row
