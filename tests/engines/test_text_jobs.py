"""Jobs of SFT and DPO as a host runs them: real children, from the request to the stored model."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from engines.evidence import Evidence
from models.job import Job
from resolvers import base_models, datasets, downloads, jobs, metrics
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.test_resuming import series
from tests.engines.test_supervise import ended, supervising, until
from tests.engines.training.text.conftest import SUMS, decoded, taught
from tests.rest_compat.things import unpacked

pytestmark = pytest.mark.anyio
HYPER = {"learning_rate": 2e-3, "max_steps": 40, "global_batch_size": 24, "max_length": 24, "checkpoint_every": 15}


async def run(server: Server, ctx: Context, folder: Path, method: str, rows: Iterable[dict[str, Any]], **changes: Any) -> Job:
    path = folder / f"{method}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset = await datasets.create(ctx, datasets.DatasetInput(name=method), path)
    body = {
        "base_model": "tiny",
        "dataset_id": dataset.id,
        "method": method,
        "output_name": "out",
        "gpu": {"type": "L4-24GB", "count": 1},
        "hyperparameters": HYPER,
    }
    job = await jobs.create(ctx, jobs.JobInput.model_validate(body | changes))
    async with supervising(server):
        row: Job = await until(ended(ctx, job.id), 120)
    return row


async def model_of(ctx: Context, job_id: str) -> dict[str, bytes]:
    found = await downloads.open(ctx.platform, (await downloads.url(ctx, job_id)).split("/downloads/")[1].split("/")[0])
    return unpacked(b"".join([chunk async for chunk in found.stream]))


async def test_a_job_of_sft_teaches_a_model_and_can_be_gone_on_from(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    rows = [
        {
            "prompt": [{"role": "user", "content": f"{x}+{y}"}],
            "completion": [{"role": "assistant", "content": taught(x, y)}],
        }
        for x, y in SUMS
    ]
    rows.append({"prompt": [{"role": "user", "content": "1+" * 20}], "completion": rows[0]["completion"]})
    hyper = HYPER | {"eval_fraction": 0.04}

    first = await run(server, ctx, tmp_path, "sft", rows, hyperparameters=hyper)

    assert (first.status, first.error, first.current_step, first.total_steps) == ("completed", None, 40, 40)
    assert first.dropped_prompts == 1 and first.peak_memory_bytes is not None and first.peak_memory_bytes > 100 * 2**20
    found = await metrics.read(ctx, first.id, max_points=1000)
    losses = [point.values["loss"] for point in found.points if "loss" in point.values]
    assert losses[0] > 1.5 and losses[-1] < 0.3
    events = {event.data["type"]: event.data["metadata"] for event in await jobs.rows(ctx, first.id, "events")}
    assert events["prompts_dropped"] == {"dropped": 1, "total": 26, "max_length": 24}
    lines = [line.data["message"] for line in await jobs.rows(ctx, first.id, "logs")]
    assert "left out 1 of 26 rows longer than 24 tokens: line 26" in lines
    checkpoints = await jobs.checkpoints(ctx, first.id)
    looks = {point.step: point.values["eval_loss"] for point in found.points if "eval_loss" in point.values}
    assert [(each.step, each.final, each.score) for each in checkpoints] == [
        (15, False, looks[15]),
        (30, False, looks[30]),
        (40, True, looks[40]),
    ]
    assert first.best_step == min(looks, key=lambda step: looks[step])
    assert await jobs.rows(ctx, first.id, "rollouts") == []
    files = await model_of(ctx, first.id)
    answers = {
        decoded(prompt.prompt_ids): decoded(prompt.completion_ids)
        for prompt in Evidence.model_validate_json(files["parity.json"]).prompts
    }
    assert len(answers) == 4 and sum(answers[asked] == f"{taught(int(asked[0]), int(asked[2]))}." for asked in answers) >= 3

    again = await run(server, ctx, tmp_path, "sft", rows, hyperparameters=hyper, resume_from=f"{first.id}@30")

    assert (again.status, again.error, again.current_step) == ("completed", None, 40)
    expected = await series(ctx, first.id)
    found_again = await series(ctx, again.id)
    assert {step: without_runtime(values) for step, values in found_again.items()} == {
        step: without_runtime(expected[step]) for step in range(31, 41)
    }
    assert (await model_of(ctx, again.id))["model.safetensors"] == files["model.safetensors"]


def without_runtime(values: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if key != "eval_runtime"}


async def test_a_job_of_dpo_teaches_a_model_which_answer_is_preferred(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    rows = [{"prompt": f"{x}+{y}=", "chosen": taught(x, y), "rejected": str(x + y)} for x, y in SUMS]

    row = await run(
        server,
        ctx,
        tmp_path,
        "dpo",
        rows,
        hyperparameters=HYPER | {"global_batch_size": 25, "lora_rank": 8, "learning_rate": 5e-3},
    )

    assert (row.status, row.error, row.current_step) == ("completed", None, 40)
    found = (await metrics.read(ctx, row.id, max_points=1000)).points
    assert found[0].values["rewards/margins"] == 0.0 and found[0].values["loss"] == pytest.approx(0.6931, abs=1e-4)
    assert found[-1].values["rewards/margins"] > 0.3 and found[-1].values["rewards/accuracies"] == 1.0
    assert found[-1].values["loss"] < 0.5
    files = await model_of(ctx, row.id)
    assert {"model.safetensors", "adapter/adapter_model.safetensors", "parity.json"} <= files.keys()
