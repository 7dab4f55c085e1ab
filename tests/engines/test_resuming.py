"""Jobs as a host runs them from another's checkpoint; what is there of a job while it runs; prompts that are left out."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.job import Job
from resolvers import base_models, datasets, downloads, jobs, metrics
from resolvers.context import Context
from tests.conftest import Server
from tests.engines.test_supervise import ended, new_job, supervising, until
from tests.rest_compat.things import unpacked

pytestmark = pytest.mark.anyio
REWARD = b"""def reward(completions, **columns):
    texts = [completion[0]["content"] for completion in completions]
    return [float(len(set(text))) for text in texts]
"""
HYPER = {
    "learning_rate": 1e-3,
    "max_steps": 9,
    "rollouts_per_prompt": 2,
    "global_batch_size": 4,
    "max_response_length": 3,
    "checkpoint_every": 4,
}


async def series(ctx: Context, job_id: str) -> dict[int, dict[str, float]]:
    """Return the metrics of a job by step, without those that measure time."""
    found = await metrics.read(ctx, job_id, max_points=1000)
    return {
        point.step: {key: value for key, value in point.values.items() if not key.endswith(("_time", "_per_second"))}
        for point in found.points
    }


async def run(server: Server, ctx: Context, folder: Path, **changes: Any) -> Job:
    job = await new_job(server, ctx, folder, REWARD, **changes)
    async with supervising(server):
        row: Job = await until(ended(ctx, job.id), 120)
    return row


async def test_a_resumed_job_does_what_the_first_would_have_done(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    first = await run(server, ctx, tmp_path, hyperparameters=HYPER)
    assert [(found.step, found.final) for found in await jobs.checkpoints(ctx, first.id)] == [(4, False), (8, False), (9, True)]

    again = await run(server, ctx, tmp_path, hyperparameters=HYPER, resume_from=f"{first.id}@4")

    assert (again.status, again.error, again.current_step, again.attempt) == ("completed", None, 9, 1)
    lines = [line.data["message"] for line in await jobs.rows(ctx, again.id, "logs")]
    assert f"Resuming from the checkpoint of step 4 of {first.id}" in lines
    expected = await series(ctx, first.id)
    assert await series(ctx, again.id) == {step: expected[step] for step in range(5, 10)}
    models = []
    for job_id in (first.id, again.id):
        found = await downloads.open(ctx.platform, (await downloads.url(ctx, job_id)).split("/downloads/")[1].split("/")[0])
        models.append(unpacked(b"".join([chunk async for chunk in found.stream])))
    assert models[0]["model.safetensors"] == models[1]["model.safetensors"]

    other = await run(server, ctx, tmp_path, hyperparameters=HYPER | {"learning_rate": 5e-4}, resume_from=f"{first.id}@4")
    rates = [values["learning_rate"] for values in (await series(ctx, other.id)).values()]
    assert rates == [5e-4] * 5
    assert {values["learning_rate"] for values in expected.values()} == {1e-3}


async def test_a_checkpoint_that_has_nothing_left_to_train_fails_the_job(
    server: Server, tmp_path: Path, tiny_model: Path
) -> None:
    """With epochs instead of steps, how many there are is known to the trainer alone."""
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    first = await run(server, ctx, tmp_path, hyperparameters=HYPER)
    epochs = {key: value for key, value in HYPER.items() if key != "max_steps"}
    row = await run(server, ctx, tmp_path, hyperparameters=epochs, resume_from=f"{first.id}@8")
    assert row.error is not None
    assert (row.status, row.error["code"], row.error["attribution"]) == ("failed", "config_error", "user")
    assert "8 steps behind it" in row.error["message"]


async def test_a_running_jobs_checkpoints_can_be_listed_and_downloaded(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    job = await new_job(server, ctx, tmp_path, REWARD, hyperparameters=HYPER | {"max_steps": 10_000, "checkpoint_every": 2})
    async with supervising(server), server.client() as client:
        path = f"/v1/training_jobs/{job.id}"

        async def saved() -> Any:
            return (await client.get(f"{path}/checkpoints")).json()["data"]

        (*_, found) = await until(saved)
        assert (found["step"], found["final"], found["status"]) == (2, False, "available")
        links = (await client.get(f"{path}/checkpoints/{found['id']}/download")).json()
        async with httpx2.AsyncClient() as anybody:
            files = unpacked((await anybody.get(links["download_url"])).content)
        assert {"model.safetensors", "optimizer.pt", "trainer_state.json"} <= files.keys()
        assert json.loads(files["trainer_state.json"])["global_step"] == 2
        sums = dict(line.split("  ")[::-1] for line in files.pop("SHA256SUMS").decode().splitlines())
        assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        assert len(files) == found["file_count"] and sum(map(len, files.values())) == found["size_bytes"]
        assert (await client.get(path)).json()["status"] == "running"
        assert (await client.get(f"{path}/model")).status_code == 400
        await jobs.cancel(ctx, job.id)


async def test_prompts_that_are_too_long_are_counted_in_log_event_and_row(
    server: Server, tmp_path: Path, tiny_model: Path
) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    rows = tmp_path / "long.jsonl"
    prompts = ["1+1", "1+" * 60 + "1", "2+2", "2+" * 60 + "2"]
    rows.write_text("".join(json.dumps({"prompt": [{"role": "user", "content": text}]}) + "\n" for text in prompts))
    dataset = await datasets.create(ctx, datasets.DatasetInput(name="long"), rows)
    hyper = HYPER | {"max_steps": 1, "max_prompt_length": 64}
    row = await run(server, ctx, tmp_path, dataset_id=dataset.id, hyperparameters=hyper)
    assert (row.status, row.dropped_prompts) == ("completed", 2)
    lines = [line.data["message"] for line in await jobs.rows(ctx, row.id, "logs")]
    assert "left out 2 of 4 prompts longer than 64 tokens: line 2, 4" in lines
    events = {event.data["type"]: event.data["metadata"] for event in await jobs.rows(ctx, row.id, "events")}
    assert events["prompts_dropped"] == {"dropped": 2, "total": 4, "max_prompt_length": 64}
    async with server.client() as client:
        assert (await client.get(f"/v1/training_jobs/{row.id}")).json()["dropped_prompts"] == 2
        query = {"query": "query($id: ID!) { job(id: $id) { droppedPrompts } }", "variables": {"id": row.id}}
        assert (await client.post("/graphql", json=query)).json()["data"] == {"job": {"droppedPrompts": 2}}


async def test_of_a_dataset_that_fits_nothing_is_dropped(server: Server, tmp_path: Path, tiny_model: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny", tiny_model)
    row = await run(server, ctx, tmp_path, hyperparameters=HYPER | {"max_steps": 1})
    assert (row.status, row.dropped_prompts) == ("completed", 0)
    assert "prompts_dropped" not in [event.data["type"] for event in await jobs.rows(ctx, row.id, "events")]
