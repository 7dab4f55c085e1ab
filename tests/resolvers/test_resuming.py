"""Jobs that go on from a checkpoint of another: which they may name, and what must agree."""

from pathlib import Path
from typing import Any

import pytest

from burnish.kit import clock, ids
from burnish.kit.errors import BurnishError, Invalid, NotFound
from models.job import Checkpoint, Job
from resolvers import jobs, progress
from resolvers.context import Context
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_jobs import all_of, make, request

pytestmark = pytest.mark.anyio


async def saved(ctx: Context, row: Job, step: int, *, final: bool = False, attempt: int = 1) -> str:
    """Leave the row of a checkpoint behind; return its id."""
    checkpoint_id = ids.new("ckpt")
    async with ctx.db.transaction() as session:
        session.add(
            Checkpoint(
                id=checkpoint_id,
                job_id=row.id,
                account_id=row.account_id,
                attempt=attempt,
                step=step,
                final=final,
                storage_prefix=f"{row.account_id}/{row.id}/{attempt}/{step}",
                file_count=1,
                size_bytes=1,
                created_at=clock.now(),
            )
        )
    return checkpoint_id


async def first_job(ctx: Context, jsonl: Path) -> tuple[Job, dict[str, Any]]:
    body = await request(ctx, jsonl, hyperparameters={"max_steps": 40, "lora_rank": 8})
    row = await make(ctx, body)
    async with ctx.db.transaction() as session:
        (await session.get_one(Job, row.id)).base_revision = "c0ffee"
    return row, body


async def test_a_checkpoint_is_named_by_its_id_or_by_job_and_step(ctx: Context, jsonl: Path) -> None:
    row, body = await first_job(ctx, jsonl)
    await saved(ctx, row, 20)
    again = await saved(ctx, row, 20, attempt=2)
    for name in (again, f"{row.id}@20"):
        made = await make(ctx, {**body, "resume_from": name})
        assert (made.resume_checkpoint_id, made.base_revision, made.current_step) == (again, "c0ffee", 20)
        assert made.first_step == 20
        assert (made.id != row.id, made.status, made.attempt) == (True, "queued", 0)


async def test_the_pace_counts_the_steps_of_the_job_itself(ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row, body = await first_job(ctx, jsonl)
    await saved(ctx, row, 20)
    made = await make(ctx, {**body, "resume_from": f"{row.id}@20"})
    made.status, made.started_at, made.total_steps = "running", clock.now(), 40
    assert progress.of(made).seconds_per_step is None
    later = clock.now_micros() + 50_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    made.current_step = 25
    found = progress.of(made)
    assert (found.fraction, found.seconds_per_step, found.eta_seconds) == (0.625, 10.0, 150)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"base_model": "Qwen/Qwen3-8B"}, "base_model"),
        ({"hyperparameters": {"max_steps": 40, "lora_rank": 16}}, "hyperparameters.lora_rank"),
        ({"hyperparameters": {"max_steps": 40}}, "hyperparameters.lora_rank"),
        ({"hyperparameters": {"max_steps": 40, "lora_rank": 8, "eval_fraction": 0.1}}, "hyperparameters.eval_fraction"),
        ({"hyperparameters": {"max_steps": 20, "lora_rank": 8}}, "hyperparameters.max_steps"),
    ],
)
async def test_what_does_not_agree_with_the_checkpoint_is_named(
    ctx: Context, jsonl: Path, changes: dict[str, Any], param: str
) -> None:
    row, body = await first_job(ctx, jsonl)
    await saved(ctx, row, 20)
    with pytest.raises(Invalid) as caught:
        await make(ctx, {**body, **changes, "resume_from": f"{row.id}@20"})
    assert (caught.value.status, caught.value.param) == (400, param)
    assert [job.id for job in await all_of(ctx, Job)] == [row.id]


async def test_a_trained_model_is_refused_with_the_checkpoint_before_it(ctx: Context, jsonl: Path) -> None:
    row, body = await first_job(ctx, jsonl)
    await saved(ctx, row, 30)
    final = await saved(ctx, row, 40, final=True)
    for name in (final, f"{row.id}@40"):
        with pytest.raises(Invalid) as caught:
            await make(ctx, {**body, "resume_from": name})
        assert (caught.value.code, caught.value.param) == ("not_resumable", "resume_from")
        assert caught.value.hint == f"It can go on from {row.id}@30."


async def test_anothers_checkpoint_is_as_unknown_as_none(ctx: Context, tenants: Tenants, jsonl: Path) -> None:
    row, body = await first_job(ctx, jsonl)
    theirs, _ = await first_job(await tenants("other"), jsonl)
    checkpoint_id = await saved(ctx, theirs, 20)
    await saved(ctx, row, 20)
    before = await all_of(ctx, Job)
    names = (checkpoint_id, f"{theirs.id}@20", "ckpt_nonsense", "job_nonsense@20", f"{row.id}@21", row.id, "../x", "", "'")
    said = set()
    for name in names:
        with pytest.raises(BurnishError) as caught:
            await make(ctx, {**body, "resume_from": name})
        assert isinstance(caught.value, NotFound)
        assert (caught.value.status, caught.value.param) == (404, "resume_from")
        said.add(caught.value.message.replace(name, "NAME") if name else "No such checkpoint: NAME")
    assert said == {"No such checkpoint: NAME"}
    assert await all_of(ctx, Job) == before
    assert (await jobs.plan(ctx, {**body, "resume_from": checkpoint_id})).problems[0].status == 404
