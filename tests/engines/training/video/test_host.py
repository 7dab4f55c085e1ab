"""A video job through the real host: from an uploaded archive to a stored adapter and clips that can be watched."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from sqlmodel import col, select

from burnish.kit import stream
from burnish.kit.settings import Settings
from engines.protocol import Message
from models.job import Checkpoint
from resolvers import base_models, datasets, downloads, jobs
from tests.conftest import Server
from tests.engines.test_supervise import assert_nothing_held, ended, supervising, until
from tests.engines.training.video.clips import clip, decoded
from tests.engines.training.video.conftest import ROWS, tiny_video

pytestmark = pytest.mark.anyio
LORA = "pytorch_lora_weights.safetensors"


def archive(folder: Path) -> Path:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("metadata.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS))
        for number, row in enumerate(ROWS):
            zipped.writestr(row["video"], clip(9, number=number))
    path = folder / "clips.zip"
    path.write_bytes(file.getvalue())
    return path


async def test_a_job_goes_from_an_archive_to_a_stored_adapter_with_clips_to_watch(
    server: Server, settings: Settings, tmp_path: Path
) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny-video", tiny_video(rotary=False))
    dataset = await datasets.create(ctx, datasets.DatasetInput(name="clips"), archive(tmp_path))
    hyperparameters = {
        "max_steps": 4,
        "checkpoint_every": 2,
        "lora_rank": 4,
        "num_frames": 9,
        "height": 32,
        "width": 32,
        "sample_prompts": 1,
        "sample_steps": 2,
    }
    body = {
        "base_model": "tiny-video",
        "method": "sft_video_gen",
        "dataset_id": dataset.id,
        "output_name": "squares",
        "gpu": {"type": "L4-24GB", "count": 1},
        "hyperparameters": hyperparameters,
    }
    job = await jobs.create(ctx, jobs.JobInput.model_validate(body))
    async with supervising(server):
        row = await until(ended(ctx, job.id), 100)
    assert (row.status, row.error, row.current_step, row.total_steps) == ("completed", None, 4, 4)
    assert {"loss", "grad_norm", "learning_rate", "step_time", "clips_per_second", "epoch"} <= set(row.metric_keys)
    assert (row.peak_memory_bytes or 0) > 2**27
    await assert_nothing_held(server, job.id)

    storage = server.platform.core.storage
    async with server.platform.db.read() as session:
        query = select(Checkpoint).where(Checkpoint.job_id == job.id).order_by(col(Checkpoint.step))
        state, final = (await session.exec(query)).all()
        told: list[Message] = [item.data for item in await stream.read(session, job.id, "rollouts", limit=100)]
    assert [(each.step, each.final, each.file_count) for each in (state, final)] == [(2, False, 3), (4, True, 1)]
    assert [name for name, _ in await storage.list(final.storage_prefix)] == [f"{final.storage_prefix}/{LORA}"]
    assert final.adapter_rank is None and set(final.checksums or {}) == {LORA}

    assert [each["step"] for each in told] == [0, 2, 4]
    for number, each in enumerate(told):
        (group,) = each["groups"]
        (completion,) = group["completions"]
        assert (group["prompt"], completion["tokens"]) == (ROWS[0]["prompt"], 9)
        watched = tmp_path / f"{number}.mp4"
        await storage.fetch(completion["media"], watched)
        assert decoded(watched).shape == (9, 32, 32, 3)
        assert downloads.media_url(server.platform.core, job.id, completion["media"]).startswith("http")
    assert not [path for path in settings.work.iterdir() if path.name.startswith(job.id)]


async def test_a_clip_elsewhere_that_cannot_be_had_fails_the_job_with_its_line(server: Server, tmp_path: Path) -> None:
    ctx = await server.context()
    await base_models.add(server.platform.core, "tiny-video", tiny_video(rotary=False))
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": "p", "video": f"https://127.0.0.{end}/a.mp4"}) + "\n" for end in (1, 2)))
    dataset = await datasets.create(ctx, datasets.DatasetInput(name="elsewhere"), path)
    body = {"base_model": "tiny-video", "method": "sft_video_gen", "dataset_id": dataset.id, "output_name": "o"}
    job = await jobs.create(ctx, jobs.JobInput.model_validate({**body, "gpu": {"type": "L4-24GB", "count": 1}}))
    async with supervising(server):
        row = await until(ended(ctx, job.id), 60)
    assert (row.status, row.error["code"], row.error["attribution"]) == ("failed", "dataset_error", "user")
    assert row.error["message"].startswith(
        "2 lines of the dataset cannot be used. Line 1: 'https://127.0.0.1/a.mp4' was not fetched"
    )
    assert "Line 2: 'https://127.0.0.2/a.mp4' was not fetched" in row.error["message"]
    assert "is a private or reserved address" in row.error["message"]
