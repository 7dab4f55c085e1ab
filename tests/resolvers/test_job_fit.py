from pathlib import Path
from typing import Any

import pytest

from burnish.kit.errors import Invalid
from resolvers.context import Context
from tests.resolvers.test_jobs import make, nothing_left, request

pytestmark = pytest.mark.anyio


async def test_grpo_trains_on_several_gpus(ctx: Context, jsonl: Path) -> None:
    ctx.core.settings.cpu_fallback = False
    made = await make(ctx, await request(ctx, jsonl, gpu={"type": "h100", "count": 2}))
    assert made.gpu_requested == {"type": "h100", "count": 2}


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
