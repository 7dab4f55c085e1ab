"""Which weights of a model, and in which wrapping, a destination can be told to take, by what its job trains."""

from pathlib import Path
from typing import Any

import pytest

from burnish.kit.errors import Invalid, SchemaInvalid
from resolvers import jobs
from resolvers.context import Context
from tests.resolvers.test_job_plans import VIDEO
from tests.resolvers.test_jobs import nothing_left, request

pytestmark = pytest.mark.anyio
ADAPTER = {"hyperparameters": {"lora_rank": 4}}
TEXT = {"reward_function_id": None}


async def wrong(ctx: Context, jsonl: Path, weights: str | None, **changes: Any) -> list[tuple[str | None, str]]:
    """Return what a plan has against these weights."""
    destination = {"type": "veri", **({} if weights is None else {"weights": weights})}
    plan = await jobs.plan(ctx, await request(ctx, jsonl, **changes, checkpoint_destination=destination))
    return [(found.param, found.message) for found in plan.problems if str(found.param).startswith("checkpoint_destination")]


@pytest.mark.parametrize("weights", ["merged", "adapter", "both", None])
async def test_an_adapter_can_be_had_in_any_form(ctx: Context, jsonl: Path, weights: str | None) -> None:
    assert await wrong(ctx, jsonl, weights, **ADAPTER) == []


@pytest.mark.parametrize("method", [{}, {"method": "sft", **TEXT}, {"method": "dpo", **TEXT}])
async def test_a_job_that_trains_all_weights_has_no_adapter(ctx: Context, jsonl: Path, method: dict[str, Any]) -> None:
    for weights in ("adapter", "both"):
        message = f"'{weights}' is not to be had: this job trains all weights, so that there is only 'merged'."
        assert await wrong(ctx, jsonl, weights, **method) == [("checkpoint_destination.weights", message)]
    assert await wrong(ctx, jsonl, "merged", **method) == []
    assert await wrong(ctx, jsonl, "adapter", **method, **ADAPTER) == []


async def test_a_video_model_is_an_adapter_alone(ctx: Context, jsonl: Path) -> None:
    for weights in ("merged", "both"):
        message = f"'{weights}' is not to be had: a sft_video_gen job trains an adapter alone, so that there is only 'adapter'."
        assert await wrong(ctx, jsonl, weights, **VIDEO) == [("checkpoint_destination.weights", message)]
    assert await wrong(ctx, jsonl, "adapter", **VIDEO) == []


async def test_a_job_is_not_made_with_weights_that_it_will_not_have(ctx: Context, jsonl: Path) -> None:
    body = await request(ctx, jsonl, checkpoint_destination={"type": "veri", "weights": "adapter"})
    with pytest.raises(Invalid) as caught:
        await jobs.create(ctx, jobs.JobInput.model_validate(body))
    assert (caught.value.status, caught.value.param) == (400, "checkpoint_destination.weights")
    assert caught.value.hint == "lora_rank makes a job train an adapter."
    await nothing_left(ctx)


@pytest.mark.parametrize(
    ("destination", "param"),
    [
        ({"type": "hf", "repo": "a/b", "archive": True}, "checkpoint_destination.archive"),
        ({"type": "veri", "archive": False}, "checkpoint_destination.archive"),
        ({"type": "s3", "uri": "s3://bucket/x", "archive": 3}, "checkpoint_destination.archive"),
        ({"type": "s3", "uri": "s3://bucket/x", "weights": "all"}, "checkpoint_destination.weights"),
    ],
)
async def test_what_a_destination_has_not_is_named(ctx: Context, jsonl: Path, destination: dict[str, Any], param: str) -> None:
    plan = await jobs.plan(ctx, await request(ctx, jsonl, checkpoint_destination=destination))
    assert [(type(found), found.param) for found in plan.problems] == [(SchemaInvalid, param)]
