"""`burnish jobs` against a running API: created, followed, waited for and cancelled."""

import asyncio
import json
import signal
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from burnish.kit import clock, stream
from models import events, job, transitions
from models.job import Job
from resolvers import cursors
from tests.cli.conftest import JOB, Commands
from tests.conftest import Server

pytestmark = pytest.mark.anyio
UNKNOWN_SIZE = "its files are not on this machine, and its name does not tell how many parameters it has"


async def created(burnish: Commands, job_file: Path) -> str:
    return str((await burnish.json("jobs", "create", "-f", str(job_file)))["id"])


async def count(server: Server, path: str) -> int:
    async with server.client() as client:
        return len((await client.get(path)).json()["data"])


async def run_to(server: Server, job_id: str, status: str, **values: Any) -> None:
    """Leave behind what a run leaves: three log lines, four steps of metrics, its events, and the end of its streams."""
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Job, job_id)
        await transitions.move(session, row, job.PROVISIONING)
        await transitions.move(session, row, job.RUNNING, total_steps=4, started_at=clock.now())
        await stream.append(session, job_id, "logs", [events.log_line(f"step {step}/4") for step in (1, 2, 3)], attempt=1)
        points = [{"step": step, "values": {"reward": step / 4, "kl": 0.01}} for step in range(1, 5)]
        await stream.append(session, job_id, "metrics", points, attempt=1)
        row.metric_keys = ["reward", "kl"]
        await transitions.move(session, row, status, completed_at=clock.now(), current_step=4, **values)
        await stream.end(session, job_id, job.STREAMS, status)


async def test_create_uploads_files_once_and_makes_the_job(burnish: Commands, job_file: Path, server: Server) -> None:
    first = await burnish.json("jobs", "create", "-f", str(job_file))
    second = await burnish.json("jobs", "create", "-f", str(job_file))
    assert first["status"] == "queued"
    assert first["hyperparameters"]["max_steps"] == 4
    assert (first["dataset_id"], first["reward_function_id"]) == (second["dataset_id"], second["reward_function_id"])
    assert await count(server, "/v1/datasets") == 1
    assert await count(server, "/v1/training_jobs") == 2


async def test_create_by_flags_alone(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json(
        *("jobs", "create", "-m", "tiny", "-d", "prompts.jsonl", "-r", "reward.py", "--name", "x", "-g", "H100:2"),
        *("--set", "hyperparameters.learning_rate=1e-6"),
    )
    assert made["gpu_requested"] == {"type": "H100", "count": 2}
    assert made["hyperparameters"]["learning_rate"] == 1e-6


async def test_dry_run_shows_the_request_and_makes_nothing(burnish: Commands, job_file: Path, server: Server) -> None:
    shown = await burnish.json("jobs", "create", "-f", str(job_file), "--dry-run", "--set", "hp.seed=3")
    assert shown["hyperparameters"] == {"learning_rate": 1e-3, "max_steps": 4, "seed": 3}
    assert shown["dataset_id"] == f"(upload of {job_file.parent / 'prompts.jsonl'})"
    assert [await count(server, path) for path in ("/v1/datasets", "/v1/reward_functions", "/v1/training_jobs")] == [0, 0, 0]


@pytest.mark.parametrize("dry", [["--dry-run"], []])
async def test_wrong_hyperparameter_names_the_line(burnish: Commands, job_file: Path, server: Server, dry: list[str]) -> None:
    job_file.write_text(JOB.replace("max_steps", "max_step"))
    result = await burnish("jobs", "create", "-f", str(job_file), *dry, code=2)
    assert f"{job_file}:9: hyperparameters.max_step: unknown field" in result.stderr
    assert result.stdout == ""
    assert await count(server, "/v1/training_jobs") == 0


async def test_dry_run_tells_the_price_and_the_credit(burnish: Commands, job_file: Path) -> None:
    result = await burnish("jobs", "create", "-f", str(job_file), "--dry-run")
    assert result.stderr.splitlines() == [
        "The job runs on CPU at 0.10 USD an hour; 0.10 USD is set aside at the start.",
        "100.00 USD are free, which covers the start.",
        f"The memory that it takes cannot be told: {UNKNOWN_SIZE}.",
        "Nothing was uploaded or created.",
    ]
    plan = (await burnish.json("jobs", "create", "-f", str(job_file), "--dry-run"))["plan"]
    assert (plan["valid"], plan["errors"], plan["covered"], plan["hyperparameters"]["max_steps"]) == (True, [], True, 4)


async def test_dry_run_tells_everything_that_is_wrong_with_its_line_or_flag(
    burnish: Commands, job_file: Path, server: Server
) -> None:
    job_file.write_text(
        JOB.replace("max_steps", "max_step").replace("1e-3", "2").replace("adder", "no spaces")
        + '\n[checkpoint_destination]\ntype = "s3"\nuri = "ftp://x"\n'
    )
    (job_file.parent / "prompts.jsonl").write_text('{"prompt": "1+1"}\n{"prompt": \n{"prompt": ""}\n')
    (job_file.parent / "reward.py").write_text("x = 1\ndef reward(:\n")
    result = await burnish(
        *("jobs", "create", "-f", str(job_file), "--dry-run", "-g", "H1000", "--resume-from", "ckpt_none", "--provider", "aws"),
        code=2,
    )
    assert result.stdout == ""
    told = result.stderr.replace("Error: ", "  ").splitlines()
    assert told[0] == "100.00 USD are free."
    starts = [
        f"  {job_file}:4: output_name: ",
        f"  {job_file}:13: checkpoint_destination.uri: must be s3://bucket/folder",
        "  --gpu: gpu.type: Unknown GPU type 'H1000'.",
        "  --provider: Unknown provider 'aws'.",
        f"  {job_file}:8: hyperparameters.learning_rate: ",
        f"  {job_file}:9: hyperparameters.max_step: unknown field",
        "  --resume-from: resume_from: No such checkpoint: ckpt_none",
        f"  {job_file.parent / 'prompts.jsonl'}: line 2: ",
        f"  {job_file.parent / 'prompts.jsonl'}: line 3: ",
        f"  {job_file.parent / 'reward.py'}: line 2: ",
    ]
    assert [line[: len(start)] for line, start in zip(told[1:], starts, strict=True)] == starts
    assert await count(server, "/v1/training_jobs") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("-d", "missing.jsonl"), 2, "missing.jsonl is neither an id nor a file."),
        (("-d", "ds_unknown"), 4, "--dataset: dataset_id: No such dataset: ds_unknown"),
        (("-g", "H100:"), 2, "--gpu: hardware is TYPE or TYPE:COUNT, such as CPU or H100:2, not 'H100:'."),
    ],
)
async def test_dry_run_of_one_mistake(
    burnish: Commands, job_file: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    result = await burnish("jobs", "create", "-f", str(job_file), "--dry-run", *arguments, code=code)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert said in line and result.stderr.splitlines()[-1] == line


async def test_dry_run_of_a_video_job_says_what_is_wrong_with_its_rows(burnish: Commands, job_file: Path) -> None:
    result = await burnish("jobs", "create", "-f", str(job_file), "--dry-run", "--method", "sft_video_gen", code=2)
    assert result.stderr.splitlines()[3:] == [
        f"Error: {job_file}:3: reward_function_id: A sft_video_gen job learns from its rows: leave the reward out.",
        f"  {job_file.parent}/prompts.jsonl: 2 of 2 rows do not serve sft_video_gen",
        f"  {job_file.parent}/prompts.jsonl: line 1: no clip: a row has one of video, video_path, file_name",
    ]


async def test_dry_run_without_anything_names_all_that_is_needed(burnish: Commands) -> None:
    result = await burnish("jobs", "create", "--dry-run", code=2)
    told = result.stderr.replace("Error: ", "  ").splitlines()[1:]
    flags = [
        "--base-model: base_model: ",
        "--dataset: dataset_id: ",
        "--name: output_name: ",
        "--gpu: gpu: ",
        "--reward: reward_f",
    ]
    assert [line[2 : 2 + len(flag)] for line, flag in zip(told, flags, strict=True)] == flags


async def test_dry_run_that_the_credit_does_not_cover(as_tenant: Callable[..., Awaitable[Commands]], job_file: Path) -> None:
    poor = await as_tenant("poor", "0.01")
    result = await poor("jobs", "create", "-f", str(job_file), "--dry-run", code=6)
    assert "Error: This needs 0.100000 USD set aside, and 0.010000 USD are free." in result.stderr


async def test_methods_with_their_ranges(burnish: Commands) -> None:
    lines = (await burnish("jobs", "methods")).stdout.splitlines()
    assert lines[0].split() == ["METHOD", "NAME", "TYPE", "DEFAULT", "RANGE", "DESCRIPTION"]
    assert "0 < x < 1" in next(line for line in lines if " learning_rate " in line)
    assert "2 ≤ x ≤ 64" in next(line for line in lines if " rollouts_per_prompt " in line)
    assert [method["name"] for method in await burnish.json("jobs", "methods")] == ["grpo", "sft", "dpo", "sft_video_gen"]


async def test_heartbeat_and_delete(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json("jobs", "create", "-f", str(job_file), "--set", "requires_heartbeat=true")
    assert made["requires_heartbeat"] is True
    assert (await burnish.json("jobs", "heartbeat", made["id"]))["heartbeat_at"] is not None
    assert "Cancel it first." in (await burnish("jobs", "delete", made["id"], code=1)).stderr
    await burnish("jobs", "cancel", made["id"])
    assert await burnish.json("jobs", "delete", made["id"]) == {"id": made["id"], "object": "training_job", "deleted": True}
    await burnish("jobs", "show", made["id"], code=4)


async def test_wrong_value_of_set_names_the_flag(burnish: Commands, job_file: Path) -> None:
    result = await burnish("jobs", "create", "-f", str(job_file), "--set", "hp.learning_rate=fast", code=2)
    assert "Error: --set hp.learning_rate: " in result.stderr


async def test_job_that_the_credit_does_not_cover(
    as_tenant: Callable[..., Awaitable[Commands]], job_file: Path, server: Server
) -> None:
    poor = await as_tenant("poor", "0.01")
    result = await poor("jobs", "create", "-f", str(job_file), code=6)
    assert result.stdout == ""
    assert (await poor.json("jobs", "list")) == []


async def test_list_and_show(burnish: Commands, job_file: Path) -> None:
    job_id = await created(burnish, job_file)
    assert [found["id"] for found in await burnish.json("jobs", "list", "--status", "queued")] == [job_id]
    assert await burnish.json("jobs", "list", "--status", "running") == []
    assert (await burnish.json("jobs", "show", job_id))["output_name"] == "adder"
    table = (await burnish("jobs", "list")).stdout.splitlines()
    assert table[0].split() == [
        "ID",
        "STATUS",
        "OUTPUT_NAME",
        "BASE_MODEL",
        "CURRENT_STEP",
        "TOTAL_STEPS",
        "GPU",
        "COST_USD",
        "CREATED_AT",
    ]
    assert table[1].split()[:4] == [job_id, "queued", "adder", "tiny"]


async def test_unknown_job_and_refused_key(burnish: Commands) -> None:
    assert "No such training job: job_x" in (await burnish("jobs", "show", "job_x", code=4)).stderr
    result = await burnish("jobs", "list", "--api-key", "vk_wrong", "--json", code=5)
    assert json.loads(result.stderr)["error"]["exit_code"] == 5
    assert result.stdout == ""


async def test_cancel_ends_the_job(burnish: Commands, job_file: Path) -> None:
    job_id = await created(burnish, job_file)
    assert (await burnish.json("jobs", "cancel", job_id))["status"] == "cancelled"
    await burnish("jobs", "cancel", job_id, code=1)
    await burnish("jobs", "wait", job_id, code=3)


async def test_logs_are_ndjson_with_cursors_that_resume(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    await run_to(server, job_id, job.COMPLETED)
    followed = await burnish.lines("jobs", "logs", "-f", job_id)
    lines = [found["line"] for found in followed]
    assert lines[-1] == "[Job completed]"
    assert [line for line in lines if line.startswith("step")] == ["step 1/4", "step 2/4", "step 3/4"]
    after = next(found["cursor"] for found in followed if found["line"] == "step 2/4")
    rest = await burnish.lines("jobs", "logs", job_id, "--after", after)
    assert rest == followed[lines.index("step 3/4") :]
    assert (await burnish("jobs", "logs", job_id)).stdout.splitlines() == lines


async def test_metrics_as_table_object_and_stream(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    await run_to(server, job_id, job.COMPLETED)
    table = (await burnish("jobs", "metrics", job_id, "--from-step", "3")).stdout.split()
    assert table == ["STEP", "REWARD", "KL", "3", "0.75", "0.01", "4", "1", "0.01"]
    assert (await burnish.json("jobs", "metrics", job_id, "--keys", "reward", "--to-step", "1")) == {
        "metrics": [{"step": 1, "values": {"reward": 0.25}}],
        "available_keys": ["kl", "reward"],
        "latest_step": 4,
    }
    streamed = await burnish.lines("jobs", "metrics", "-f", job_id)
    assert [(found["cursor"], found["step"]) for found in streamed] == [(2, 1), (3, 2), (4, 3), (5, 4)]
    assert "┤" in (await burnish("jobs", "metrics", job_id, "--plot", "reward")).stdout
    assert "no metric 'rewrad'" in (await burnish("jobs", "metrics", job_id, "--plot", "rewrad", code=4)).stderr


async def test_wait_returns_when_the_job_completes(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    waiting = asyncio.create_task(burnish("jobs", "wait", job_id, "--json"))
    await run_to(server, job_id, job.COMPLETED)
    result = await waiting
    assert json.loads(result.stdout)["status"] == "completed"


async def test_wait_fails_with_the_job_and_says_why(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    error = {"code": "oom", "message": "Out of memory.", "attribution": "user", "user_code_line": None}
    await run_to(server, job_id, job.FAILED, error=error)
    result = await burnish("jobs", "wait", job_id, "--json", code=3)
    assert json.loads(result.stdout)["error"]["code"] == "oom"
    assert "is failed: oom: Out of memory." in json.loads(result.stderr.splitlines()[-1])["error"]["message"]


async def test_wait_gives_up_after_its_timeout(burnish: Commands, job_file: Path) -> None:
    job_id = await created(burnish, job_file)
    assert "it goes on" in (await burnish("jobs", "wait", job_id, "--timeout", "0.1", code=7)).stderr
    assert (await burnish.json("jobs", "show", job_id))["status"] == "queued"


async def test_interrupting_leaves_the_job_alone(burnish: Commands, job_file: Path) -> None:
    job_id = await created(burnish, job_file)
    process = burnish.start("jobs", "logs", "-f", job_id)
    try:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "Status: queued\n"
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(process.communicate)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"Come back with `burnish jobs logs -f {job_id} --after {cursors.position(job_id, 'logs', 1)}`" in err
    assert out == ""
    assert (await burnish.json("jobs", "show", job_id))["status"] == "queued"


async def test_metrics_are_exported_as_a_file(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    await run_to(server, job_id, job.COMPLETED)
    saved = await burnish.json("jobs", "metrics", job_id, "--export", "run.csv")
    assert saved == {"path": "run.csv", "size_bytes": (burnish.folder / "run.csv").stat().st_size}
    lines = (burnish.folder / "run.csv").read_text().splitlines()
    assert lines == ['"step","attempt","kl","reward"', *(f"{step},1,0.01,{step / 4:g}" for step in range(1, 5))]
    refused = await burnish("jobs", "metrics", job_id, "--export", "run.csv", code=2)
    assert "--export: run.csv is there already" in refused.stderr
    await burnish("jobs", "metrics", job_id, "--export", "run.csv", "--force")
    refused = await burnish("jobs", "metrics", job_id, "--export", "run.json", code=2)
    assert "neither a .parquet nor a .csv file" in refused.stderr


async def test_checkpoint_is_downloaded_whole(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    assert await burnish.json("jobs", "checkpoint", "list", job_id) == []
    await burnish("jobs", "checkpoint", "download", job_id, code=1)
    checkpoint_id = await stored_checkpoint(server, job_id)
    assert [found["id"] for found in await burnish.json("jobs", "checkpoint", "list", job_id)] == [checkpoint_id]
    saved = await burnish.json("jobs", "checkpoint", "download", job_id, checkpoint_id, "-o", "model.tar.gz")
    with tarfile.open(burnish.folder / "model.tar.gz") as archive:
        assert [Path(name).name for name in archive.getnames() if name.endswith(".json")] == ["config.json"]
    assert saved["size_bytes"] == (burnish.folder / "model.tar.gz").stat().st_size
    refused = await burnish("jobs", "checkpoint", "download", job_id, checkpoint_id, "-o", "model.tar.gz", code=2)
    assert "--output: model.tar.gz is there already" in refused.stderr


async def stored_checkpoint(server: Server, job_id: str) -> str:
    prefix = f"acct/{job_id}/1/4"
    await server.platform.core.storage.put(f"{prefix}/config.json", b"{}")
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Job, job_id)
        made = job.Checkpoint(
            id="ckpt_00000000000000000000000001", job_id=job_id, account_id=row.account_id, attempt=1, step=4,
            storage_prefix=prefix, file_count=1, size_bytes=2, created_at=clock.now(),
        )  # fmt: skip
        session.add(made)
    return made.id


async def test_price_is_told_before_the_start(burnish: Commands, job_file: Path) -> None:
    result = await burnish("jobs", "create", "-f", str(job_file), "--gpu", "H100")
    assert "The job runs on CPU at 0.10 USD an hour; that much is set aside at the start." in result.stderr
    assert "USD an hour" not in (await burnish("jobs", "create", "-f", str(job_file), "-y")).stderr


async def test_output_has_no_colour_without_a_terminal(burnish: Commands, job_file: Path) -> None:
    await created(burnish, job_file)
    for arguments in (["jobs", "list"], ["jobs", "show", "job_x"]):
        process = burnish.start(*arguments)
        out, err = await asyncio.to_thread(process.communicate)
        assert "\x1b" not in out + err
