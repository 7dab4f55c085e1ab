"""Jobs of other kinds than a reward function's on the command line: made of the examples, and shown by what tells of them."""

from pathlib import Path

import pytest

from burnish.cli import watch
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


async def test_dry_run_takes_rows_without_prompts_where_environments_ask(burnish: Commands, job_file: Path) -> None:
    (job_file.parent / "prompts.jsonl").write_text('{"task_index": 0}\n{"task_index": 1}\n')
    job_file.write_text(job_file.read_text().replace('reward = "reward.py"\n', ""))
    wanted = ("jobs", "create", "-f", str(job_file), "--dry-run", "--set", "environments.maze.splits=['train']")
    await burnish("integrations", "set", "openreward", text="key-of-openreward\n")
    assert "Nothing was uploaded or created." in (await burnish(*wanted)).stderr
    (job_file.parent / "prompts.jsonl").write_text('{"task_index": 0}\nnot json\n')
    assert "prompts.jsonl: line 2: not JSON" in (await burnish(*wanted, code=2)).stderr


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("sft_video_gen", "Download it with `burnish jobs download job_1`."),
        ("sft", "Deploy it with `burnish deploy create job_1 -g CPU -w`."),
        ("grpo", "Deploy it with `burnish deploy create job_1 -g CPU -w`."),
    ],
)
async def test_who_has_waited_is_told_what_the_model_can_be_used_for(
    burnish: Commands, job_file: Path, monkeypatch: pytest.MonkeyPatch, method: str, said: str
) -> None:
    ended = {"id": "job_1", "status": "completed", "method": method, "gpu_requested": {"type": "CPU", "count": 1}}
    monkeypatch.setattr(watch, "job", lambda *_, **__: ended)
    result = await burnish("jobs", "create", "-f", str(job_file), "--wait", "--yes")
    assert result.stderr.splitlines()[-1] == said
