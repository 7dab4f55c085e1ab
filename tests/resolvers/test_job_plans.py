"""Plans of jobs: everything that is wrong at once, the price and the credit, and nothing made."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from burnish.kit import clock, ids
from burnish.kit.errors import BurnishError, Invalid, RateLimited
from models.account import METERED, Account
from models.integration import Integration
from models.job import Job
from resolvers import billing, jobs, methods
from resolvers.context import Context
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_jobs import HOUR, all_of, made, make, nothing_left, request

pytestmark = pytest.mark.anyio
VIDEO = {"method": "sft_video_gen", "reward_function_id": None}
CLIP = '{"caption": "a cat", "video": "https://example.com/cat.mp4"}\n'


def shown(problems: list[BurnishError]) -> list[tuple[int, str | None, str | None]]:
    return [(problem.status, problem.code, problem.param) for problem in problems]


async def integrate(ctx: Context, provider: str, token: str = "hf_token") -> None:
    now, row_id = clock.now(), ids.new("int")
    sealed = ctx.core.secrets.encrypt(token, row_id)
    async with ctx.db.transaction() as session:
        session.add(
            Integration(
                id=row_id,
                account_id=ctx.account.id,
                provider=provider,
                key_prefix=token[:6],
                sealed_secret=sealed,
                created_at=now,
                updated_at=now,
            )
        )


async def test_a_plan_of_a_job_that_can_be_made_has_its_price_and_all_defaults(ctx: Context, jsonl: Path) -> None:
    plan = await jobs.plan(ctx, await request(ctx, jsonl, hyperparameters={"max_steps": 5}))
    assert plan.problems == []
    assert plan.offer is not None and (plan.offer.shape.type, plan.offer.hour_micros) == ("CPU", HOUR)
    assert (plan.needed_micros, plan.balance_micros, plan.free_micros, plan.covered) == (HOUR, 100_000_000, 100_000_000, True)
    assert plan.hyperparameters is not None
    assert (plan.hyperparameters["max_steps"], plan.hyperparameters["learning_rate"]) == (5, 1e-6)
    await nothing_left(ctx)


async def test_a_plan_tells_everything_that_is_wrong_at_once(tenants: Tenants, jsonl: Path) -> None:
    ctx = await tenants(credit_usd="0.05")
    theirs = await request(await tenants("other"), jsonl)
    plan = await jobs.plan(
        ctx,
        {
            "dataset_id": theirs["dataset_id"],
            "reward_function_id": theirs["reward_function_id"],
            "output_name": "no spaces",
            "gpu": {"type": "H1000", "count": 1},
            "provider": "aws",
            "hyperparameters": {"learning_rate": 2, "speed": 1, "haste": 2},
            "checkpoint_destination": {"type": "s3"},
            "resume_from": "ckpt_unknown",
            "volume": "corpus",
            "surprise": 1,
        },
    )
    assert shown(plan.problems) == [
        (422, "schema_validation", "base_model"),
        (422, "schema_validation", "output_name"),
        (422, "schema_validation", "checkpoint_destination.uri"),
        (422, "schema_validation", "surprise"),
        (400, "INVALID_GPU_TYPE", "gpu.type"),
        (400, None, "provider"),
        (422, "schema_validation", "hyperparameters.learning_rate"),
        (400, "volume_unavailable", "volume"),
        (404, "resource_not_found", "dataset_id"),
        (404, "resource_not_found", "reward_function_id"),
        (404, "resource_not_found", "resume_from"),
    ]
    (wrong,) = [problem for problem in plan.problems if problem.param == "hyperparameters.learning_rate"]
    assert wrong.message.endswith("; unknown: hyperparameters.speed, hyperparameters.haste")
    assert [item["param"] for item in wrong.details or ()] == [
        "hyperparameters.learning_rate",
        "hyperparameters.speed",
        "hyperparameters.haste",
    ]
    assert (plan.hyperparameters, plan.offer, plan.needed_micros, plan.covered) == (None, None, None, False)
    assert await all_of(ctx, Job) == []


async def test_a_plan_of_nothing_names_what_is_needed(ctx: Context) -> None:
    plan = await jobs.plan(ctx, {"gpu": None})
    needed = ["base_model", "dataset_id", "output_name", "gpu", "reward_function_id"]
    assert [problem.param for problem in plan.problems] == needed


async def test_credit_that_does_not_cover_the_start_is_one_more_problem(tenants: Tenants, jsonl: Path) -> None:
    poor = await tenants(credit_usd="0.05")
    body = await request(poor, jsonl)
    plan = await jobs.plan(poor, body)
    assert shown(plan.problems) == [(402, "insufficient_credit", None)]
    assert (plan.needed_micros, plan.free_micros, plan.covered) == (HOUR, 50_000, False)
    async with poor.db.transaction() as session:
        (await session.get_one(Account, poor.account.id)).billing_mode = METERED
    assert (await jobs.plan(poor, body)).covered


async def test_a_plan_agrees_with_the_start(ctx: Context, jsonl: Path) -> None:
    """What a plan names first is what a start is refused for."""
    body = await request(ctx, jsonl)
    wrong: list[dict[str, Any]] = [
        {"dataset_id": "ds_unknown"},
        {"hyperparameters": {"kl_coef": -1}},
        {"environments": {"a": {"splits": ["train"]}}},
        {"environments": {"a": {"splits": ["train"]}}, "reward_function_id": None},
        {**VIDEO, "hyperparameters": {"num_frames": 50}},
        {"checkpoint_destination": {"type": "hf", "repo": "a/b"}},
    ]
    for changes in wrong:
        first = (await jobs.plan(ctx, body | changes)).problems[0]
        with pytest.raises(Invalid if "dataset_id" not in changes else BurnishError) as caught:
            await make(ctx, body | changes)
        assert (caught.value.status, caught.value.code, caught.value.param) == (first.status, first.code, first.param)
        assert caught.value.message == first.message
    await nothing_left(ctx)


async def test_environments_need_their_integration(ctx: Context, jsonl: Path) -> None:
    body = await request(ctx, jsonl, environments={"coding": {"splits": ["train"]}}, reward_function_id=None)
    with pytest.raises(Invalid) as caught:
        await make(ctx, body)
    assert (caught.value.code, caught.value.param) == ("integration_not_configured", "environments")
    await nothing_left(ctx)
    await integrate(ctx, "openreward")
    assert (await make(ctx, body)).environments == {"coding": {"splits": ["train"]}}


@pytest.mark.parametrize(
    ("hyperparameters", "param"),
    [
        ({"num_frames": 48}, "num_frames"),
        ({"num_frames": 257, "height": 1024, "width": 1024}, "num_frames"),
        ({"height": 481}, "height"),
        ({"width": 8}, "width"),
        ({"lora_rank": 0}, "lora_rank"),
        ({"learning_rate": 1}, "learning_rate"),
        ({"rollouts_per_prompt": 8}, "rollouts_per_prompt"),
    ],
)
async def test_a_wrong_hyperparameter_of_a_video_job_is_named(
    ctx: Context, jsonl: Path, hyperparameters: dict[str, Any], param: str
) -> None:
    jsonl.write_text(CLIP)
    plan = await jobs.plan(ctx, await request(ctx, jsonl, **VIDEO, hyperparameters=hyperparameters))
    assert shown(plan.problems) == [(422, "schema_validation", f"hyperparameters.{param}")]


async def test_a_valid_video_job_has_its_defaults(ctx: Context, jsonl: Path) -> None:
    jsonl.write_text(CLIP)
    plan = await jobs.plan(ctx, await request(ctx, jsonl, **VIDEO))
    assert shown(plan.problems) == []
    assert list((plan.hyperparameters or {}).items()) == [
        ("learning_rate", 1e-3), ("num_epochs", 30), ("lora_rank", 64), ("lora_alpha", 64), ("max_steps", None),
        ("batch_size", 1), ("num_frames", 49), ("height", 480), ("width", 720), ("fps", 8), ("seed", 42),
        ("checkpoint_every", None), ("warmup_steps", 0), ("buckets", False), ("sample_prompts", 2), ("sample_steps", 30),
    ]  # fmt: skip


async def test_every_method_says_what_a_form_needs(ctx: Context) -> None:
    every = methods.all_(ctx)
    assert [(method.name, method.takes_reward, method.unavailable) for method in every] == [
        ("grpo", True, None),
        ("sft", False, None),
        ("dpo", False, None),
        ("sft_video_gen", False, None),
    ]
    grpo = every[0]
    found = {parameter.name: parameter for parameter in grpo.parameters}
    assert found["learning_rate"] == methods.Parameter(
        name="learning_rate",
        type="number",
        default=1e-6,
        nullable=False,
        description="Learning rate of AdamW, constant after the warm-up.",
        exclusive_minimum=0,
        exclusive_maximum=1,
    )
    assert (found["rollouts_per_prompt"].minimum, found["rollouts_per_prompt"].maximum) == (2, 64)
    assert (found["max_steps"].type, found["max_steps"].nullable, found["max_steps"].default) == ("integer", True, None)
    assert found["load_in_4bit"].type == "boolean"
    for method in every:
        # What a job is without any hyperparameters is what its form shows.
        assert method.hyperparameters().model_dump() == {parameter.name: parameter.default for parameter in method.parameters}
        assert method.schema["additionalProperties"] is False


async def test_jobs_at_once_are_limited_where_the_operator_says_so(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both()
    ctx.core.settings.concurrent_jobs = 3
    body = await request(ctx, jsonl)
    answers = await asyncio.gather(*(make(ctx, body) for _ in range(8)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Job"] * 3 + ["RateLimited"] * 5
    refused = next(answer for answer in answers if isinstance(answer, RateLimited))
    assert (refused.status, refused.code, refused.retry_after_s) == (429, "CONCURRENT_JOB_LIMIT", 60)
    assert shown((await jobs.plan(ctx, body)).problems) == [(429, "CONCURRENT_JOB_LIMIT", None)]
    await jobs.cancel(ctx, (await all_of(ctx, Job))[0].id)
    assert (await made(ctx, jsonl)).status == "queued"


ODD: list[Any] = [
    None, True, 0, -1, 2.5, 10**30, "", "x", "a/b", "\x00", "\ud800", [], [1], {}, {"type": "s3"}, {"type": None}, {"": 1},
    {"a.b": 1}, {"type": "hf", "repo": "a/b"}, {"type": "s3", "uri": "s3://aaa/b", "repo": "x"}, {"count": 1, "type": "H100"},
    {"gpu_type": 1}, "job_x@1", "job_x@9999999999", "job_x@99999999999", "ckpt_" + "x" * 200, {"max_steps": "1"},
    {"rollouts_per_prompt": 10**20},
]  # fmt: skip


async def test_whatever_is_sent_a_plan_answers_and_agrees_with_the_start(ctx: Context, jsonl: Path) -> None:
    base, dice = await request(ctx, jsonl), random.Random(7)
    keys = [*jobs.JobInput.model_fields, "surprise", "", "a.b"]
    made_some = 0
    for _ in range(400):
        body = base | {dice.choice(keys): dice.choice(ODD) for _ in range(dice.randint(0, 2))}
        if dice.random() < 0.2:
            body.pop(dice.choice(list(base)), None)
        plan = await jobs.plan(ctx, body)
        try:
            await make(ctx, body)
        except BurnishError:
            assert plan.problems, body
        else:
            made_some += 1
            assert plan.problems == [], body
    assert made_some > 5


async def test_a_plan_knows_caps_and_budgets(ctx: Context, jsonl: Path) -> None:
    plan = await jobs.plan(ctx, await request(ctx, jsonl, max_cost_usd="0.03"))
    assert (plan.problems, plan.needed_micros) == ([], 30_000)
    plan = await jobs.plan(ctx, await request(ctx, jsonl, max_cost_usd="0.003"))
    assert shown(plan.problems) == [(400, None, "max_cost_usd")]
    await billing.set_budget(ctx, billing.BudgetInput.model_validate({"limit_usd": "0.001"}))
    plan = await jobs.plan(ctx, await request(ctx, jsonl))
    assert shown(plan.problems) == [(402, "budget_exceeded", None)]
    await nothing_left(ctx)
