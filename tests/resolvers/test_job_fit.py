"""What a job's trainer and its model are good for: GPUs that share a step, libraries, deployments."""

from pathlib import Path
from typing import Any

import pytest

from burnish.kit.errors import Invalid
from resolvers import jobs
from resolvers.context import Context
from tests.resolvers.test_jobs import made, make, nothing_left, request

pytestmark = pytest.mark.anyio


async def test_grpo_trains_on_several_gpus(ctx: Context, jsonl: Path) -> None:
    ctx.core.settings.cpu_fallback = False
    row = await make(ctx, await request(ctx, jsonl, gpu={"type": "h100", "count": 2}))
    assert row.gpu_requested == {"type": "h100", "count": 2}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"gpu": {"type": "h100", "count": 3}}, "hyperparameters.global_batch_size"),
        ({"gpu": {"type": "h100", "count": 2}, "method": "sft", "hyperparameters": {}, "reward_function_id": None}, "gpu.count"),
        ({"hyperparameters": {"load_in_4bit": True, "lora_rank": 8}}, "hyperparameters.load_in_4bit"),
    ],
)
async def test_what_the_trainer_would_leave_unused_is_refused(
    ctx: Context, jsonl: Path, changes: dict[str, Any], param: str
) -> None:
    ctx.core.settings.cpu_fallback = False
    body = await request(ctx, jsonl, **changes)
    with pytest.raises(Invalid) as caught:
        await make(ctx, body)
    assert (caught.value.status, caught.value.param) == (400, param)
    await nothing_left(ctx)


async def test_what_a_job_learned_of_clips_is_downloaded_and_not_deployed(ctx: Context, jsonl: Path) -> None:
    row = await made(ctx, jsonl)
    row.status = "completed"
    assert jobs.allowed(ctx, row) == ["delete", "deploy", "download"]
    row.method = "sft_video_gen"
    assert jobs.allowed(ctx, row) == ["delete", "download"]
