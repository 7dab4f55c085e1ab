"""A run's streams are packed while it goes on, and by whoever finds it ended."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlmodel import col, func, select

from burnish.kit import clock, packed, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from burnish.kit.tables import StreamChunk
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.jobs import JobRun
from models import events, job
from models.job import Job
from tests.models import rows

pytestmark = pytest.mark.anyio
STEPS = 50


class Reporting(JobRun):
    """A job that reports metrics and says a line at each step, and ends when the test lets it."""

    last = asyncio.Event()

    async def work(self) -> None:
        for step in range(STEPS):
            await self.put("metrics", {"step": step, "values": {"reward": step / 7}})
            await self.say(f"step {step}")
            await self.flush()
        await self.last.wait()
        await self._finish(None)


@pytest.fixture
async def both(settings: Settings, database_url: str) -> AsyncIterator[Core]:
    made = Core(Settings(home=settings.home, cpu_fallback=True, database_url=database_url))
    await rows.account(made.db, 1_000_000)
    yield made
    await made.close()


def run_of(core: Core, job_id: str) -> Reporting:
    run = Reporting(core, Inventory(core.settings), job_id, "host", Placement(Shape("CPU", 1), (), 0))
    run.last = asyncio.Event()
    return run


async def stored(core: Core, job_id: str) -> tuple[int, int, int]:
    """Return how many blocks there are, and how many chunks of metrics and of the log."""
    async with core.db.read() as session:
        blocks = len(await packed.metas(session, job_id))
        its = select(StreamChunk.kind, func.count()).where(StreamChunk.resource_id == job_id).group_by(col(StreamChunk.kind))
        counts = dict((await session.exec(its)).all())
    return blocks, counts.get("metrics", 0), counts.get("logs", 0)


async def test_a_long_run_is_packed_while_it_goes_on(both: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 20)
    monkeypatch.setattr(stream, "MERGE_CHUNKS", 10)
    job_id = await rows.job(both.db)
    run = run_of(both, job_id)
    task = asyncio.create_task(run.run())
    async with asyncio.timeout(20):
        while (await stored(both, job_id))[0] < 2:
            await asyncio.sleep(0.01)
        async with both.db.read() as session:
            assert (await session.get_one(Job, job_id)).status == job.PROVISIONING
        run.last.set()
        await task
    blocks, metrics, logs = await stored(both, job_id)
    assert (blocks, metrics) == (3, 0)
    assert logs <= 4
    async with both.db.read() as session:
        found = await stream.read(session, job_id, "metrics")
        lines = [row.data["message"] for row in await stream.read(session, job_id, "logs")]
        row = await session.get_one(Job, job_id)
    assert [(item.seq, item.data) for item in found] == [
        (step + 1, {"step": step, "values": {"reward": step / 7}}) for step in range(STEPS)
    ]
    assert [line for line in lines if line.startswith("step")] == [f"step {step}" for step in range(STEPS)]
    assert (row.status, row.current_step, row.latest_metrics) == (job.COMPLETED, STEPS - 1, {"reward": (STEPS - 1) / 7})


async def test_what_a_dead_host_left_of_an_ended_job_is_packed(both: Core) -> None:
    job_id = await rows.job(both.db, status=job.CANCELLED, completed_at=clock.now(), lease_holder="dead", lease_token=1)
    for step in range(5):
        async with both.db.transaction() as session:
            await stream.append(session, job_id, "metrics", [{"step": step, "values": {"reward": 1.0}}], attempt=1)
            await stream.append(session, job_id, "logs", [events.log_line(f"step {step}")], attempt=1)
    await run_of(both, job_id).run()
    assert await stored(both, job_id) == (1, 0, 1)
    async with both.db.read() as session:
        assert await stream.head(session, job_id, "metrics") == (5, job.CANCELLED)
