"""Jobs without a reward on the command line: made of the examples, and shown by what tells of them."""

from pathlib import Path

import pytest

from burnish.kit import stream
from models import job, transitions
from models.job import Job
from tests.cli.conftest import Commands
from tests.conftest import Server

pytestmark = pytest.mark.anyio
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(("example", "method", "rows"), [("answers", "sft", 25), ("preferences", "dpo", 25)])
async def test_an_example_becomes_a_job(burnish: Commands, server: Server, example: str, method: str, rows: int) -> None:
    made = await burnish.json("jobs", "create", "-f", str(EXAMPLES / example / "job.toml"))
    assert (made["method"], made["status"], made["reward_function_id"]) == (method, "queued", None)
    assert made["hyperparameters"]["max_length"] == 16
    assert (await burnish.json("datasets", "show", made["dataset_id"]))["num_rows"] == rows


async def test_metrics_of_a_job_without_a_reward_are_its_loss(burnish: Commands, server: Server) -> None:
    made = await burnish.json("jobs", "create", "-f", str(EXAMPLES / "answers" / "job.toml"))
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Job, made["id"])
        await transitions.move(session, row, job.PROVISIONING)
        await transitions.move(session, row, job.RUNNING, total_steps=2)
        points = [{"step": step, "values": {"loss": 1 / step, "epoch": 1.0, "grad_norm": 2.0}} for step in (1, 2)]
        await stream.append(session, made["id"], "metrics", points, attempt=1)
        row.metric_keys = ["epoch", "grad_norm", "loss"]
        session.add(row)
    shown = [line.split() for line in (await burnish("jobs", "metrics", made["id"])).stdout.splitlines()]
    assert shown == [["STEP", "LOSS", "GRAD_NORM"], ["1", "1", "2"], ["2", "0.5", "2"]]
