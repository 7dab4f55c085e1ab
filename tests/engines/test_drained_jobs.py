"""A job on a host that is being drained: it is saved at the step where it is, for whoever goes on with it."""

from pathlib import Path

import pytest

from models.job import Job
from resolvers import base_models, hosts, jobs
from tests.conftest import Server
from tests.engines.test_resuming import HYPER, REWARD
from tests.engines.test_supervise import new_job, supervising, until

pytestmark = pytest.mark.anyio


async def test_a_job_of_a_drained_host_is_saved_where_it_is_and_given_back(
    server: Server, tmp_path: Path, tiny_model: Path
) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    endless = HYPER | {"max_steps": 5000, "checkpoint_every": 4000}
    job = await new_job(server, ctx, tmp_path, REWARD, hyperparameters=endless)

    async def stepping() -> bool:
        return (await jobs.get(ctx, job.id)).current_step >= 2

    async def put_down() -> Job | None:
        row = await jobs.get(ctx, job.id)
        return row if row.lease_holder is None else None

    async with supervising(server) as supervisor:
        await until(stepping)
        await hosts.drain(server.platform.core)
        row = await until(put_down)
        assert (row.status, row.error) == ("running", None)
        (saved,) = await jobs.checkpoints(ctx, job.id)
        assert saved.step == row.current_step
        # A host that drains takes nothing up again, not even this.
        assert supervisor.runs == {}
    lines = [line.data["message"] for line in await jobs.rows(ctx, job.id, "logs")]
    assert "The host is being drained; the job goes on from its newest checkpoint" in lines
