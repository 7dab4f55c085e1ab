"""A real job that its cap ends: it saves what it has, in time, and nothing is billed beyond the cap."""

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from burnish.kit import stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines import job_spec
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.data import reading
from engines.jobs import JobRun
from engines.protocol import ChildFailure
from models.job import Checkpoint, Job
from models.outlook import CAP, Limit
from resolvers import base_models
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.test_supervise import assert_nothing_held, ended, new_job, supervising, until

pytestmark = pytest.mark.anyio
USD = 1_000_000
STEPS = {
    "rollouts_per_prompt": 2,
    "global_batch_size": 4,
    "max_response_length": 3,
    "kl_coef": 0.0,
    "max_steps": 99_999,
    "checkpoint_every": 99_999,
}


@pytest.fixture
def dear(settings: Settings) -> None:
    """A slot costs a dollar a second, posted each second; a stop takes eight at most."""
    settings.cpu_usd_per_hour = "3600"
    settings.billing_period_s = 1
    settings.save_grace_s = 8


async def long_job(server: Server, ctx: Context, folder: Path, tiny_model: Path, **changes: Any) -> Job:
    await base_models.add(server.platform.core, "tiny", tiny_model)
    return await new_job(server, ctx, folder, hyperparameters=STEPS, **changes)


async def lines(server: Server, resource_id: str) -> list[str]:
    async with server.platform.db.read() as session:
        return [row.data["message"] for row in await stream.read(session, resource_id, "logs", limit=100_000)]


async def happened(server: Server, resource_id: str) -> list[str]:
    async with server.platform.db.read() as session:
        return [row.data["type"] for row in await stream.read(session, resource_id, "events", limit=10_000)]


async def checkpoints(server: Server, job_id: str) -> list[Checkpoint]:
    async with server.platform.db.read() as session:
        found = select(Checkpoint).where(Checkpoint.job_id == job_id).order_by(col(Checkpoint.step))
        return list((await session.exec(found)).all())


@pytest.mark.usefixtures("dear")
async def test_a_cap_saves_a_checkpoint_and_stops_before_it_is_exceeded(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    job = await long_job(server, ctx, tmp_path, tiny_model, max_cost_usd=50)
    async with supervising(server):
        row = await until(ended(ctx, job.id), 100)
    assert (row.status, row.error["code"], row.error["attribution"]) == ("failed", "QUOTA_EXCEEDED", "user")
    assert row.error["message"].startswith("The job's max_cost_usd of 50.00 USD is used up.")
    assert 30 * USD < row.cost_micros <= 50 * USD
    (saved,) = await checkpoints(server, job.id)
    assert (saved.step, saved.final) == (row.current_step, False)
    assert "trainer_state.json" in [
        name.rpartition("/")[2] for name, _ in await server.platform.core.storage.list(saved.storage_prefix)
    ]
    told = await lines(server, job.id)
    assert "The job's max_cost_usd of 50.00 USD is used up. Saving a checkpoint, then stopping." in told
    assert f"stopped after step {saved.step}, whose checkpoint is stored" in told
    kinds = await happened(server, job.id)
    assert kinds.index("limit_reached") < kinds.index("checkpoint_saved") < kinds.index("failed")
    await assert_nothing_held(server, job.id)


async def test_a_limit_reached_while_the_dataset_is_read_is_named(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    run = JobRun(core, Inventory(core.settings), "job_1", "host", Placement(Shape("CPU", 1), (), 0))
    run.purse.limit = Limit(CAP, 500_000, 10)

    async def interrupted(run: JobRun, folder: Path) -> None:
        raise reading.Interrupted

    monkeypatch.setattr(job_spec, "build", interrupted)
    failure = await run._attempt()
    assert isinstance(failure, ChildFailure)
    assert (failure.code, failure.attribution) == ("QUOTA_EXCEEDED", "user")
    assert failure.message.startswith("The job's max_cost_usd of 0.50 USD is used up.")
