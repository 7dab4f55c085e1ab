import itertools
from pathlib import Path
from typing import Any

import pytest

from burnish.kit import stream
from burnish.kit.errors import NotFound
from models.job import Job
from resolvers import jobs, metrics
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.metrics import thin
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio


@pytest.fixture
async def job_id(ctx: Context, jsonl: Path) -> str:
    return await new_job(ctx, jsonl)


async def new_job(ctx: Context, jsonl: Path) -> str:
    dataset, reward = await conftest.dataset(ctx, jsonl), await conftest.reward(ctx)
    body = {"base_model": "tiny", "dataset_id": dataset.id, "reward_function_id": reward.id, "output_name": "o"}
    return (await jobs.create(ctx, parse(jobs.JobInput, {**body, "gpu": {"type": "CPU", "count": 1}}))).id


async def report(ctx: Context, job_id: str, steps: dict[int, dict[str, Any]], *, attempt: int = 1) -> None:
    """Write metrics as a host does."""
    async with ctx.db.transaction() as session:
        row = await session.get_one(Job, job_id)
        rows = [{"step": step, "values": values} for step, values in steps.items()]
        row.take_metrics(rows)
        session.add(row)
        await stream.append(session, job_id, "metrics", rows, attempt=attempt)


def shown(found: metrics.Metrics) -> dict[int, dict[str, float]]:
    return {point.step: point.values for point in found.points}


async def test_without_metrics_there_is_no_latest_step(ctx: Context, job_id: str) -> None:
    assert await metrics.read(ctx, job_id) == metrics.Metrics([], [], None)


async def test_keys_and_bounds_choose_points_but_not_what_there_is(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {step: {"reward": step / 10, **({"kl": 1.0} if step % 2 else {})} for step in range(10)})
    found = await metrics.read(ctx, job_id, keys=["kl"], from_step=3, to_step=7)
    assert shown(found) == {3: {"kl": 1.0}, 5: {"kl": 1.0}, 7: {"kl": 1.0}}
    assert (found.available_keys, found.latest_step) == (["kl", "reward"], 9)
    assert (await metrics.read(ctx, job_id, keys=["nothing"])).points == []
    assert (await metrics.read(ctx, job_id, from_step=8, to_step=3)).points == []


async def test_the_newest_attempt_of_a_step_wins(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {step: {"reward": 0.1, "old": 1.0} for step in range(1, 6)})
    await report(ctx, job_id, {step: {"reward": 0.9} for step in range(3, 5)}, attempt=2)
    found = shown(await metrics.read(ctx, job_id))
    assert found == {
        1: {"reward": 0.1, "old": 1.0},
        2: {"reward": 0.1, "old": 1.0},
        3: {"reward": 0.9},
        4: {"reward": 0.9},
        5: {"reward": 0.1, "old": 1.0},
    }


async def test_one_step_reported_in_parts_is_one_point(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {1: {"reward": 0.1}})
    await report(ctx, job_id, {1: {"eval": 0.5}})
    await report(ctx, job_id, {1: {"reward": 0.2}})
    assert shown(await metrics.read(ctx, job_id)) == {1: {"reward": 0.2, "eval": 0.5}}


async def test_values_that_are_no_numbers_are_absent(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {1: {"reward": None, "kl": float("nan")}, 2: {"reward": 1.0, "kl": float("inf")}})
    found = await metrics.read(ctx, job_id)
    assert shown(found) == {2: {"reward": 1.0}}
    assert found.latest_step == 2


async def test_a_long_run_is_thinned_with_both_ends(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {step: {"reward": float(step)} for step in range(1, 6001)})
    found = await metrics.read(ctx, job_id, max_points=500)
    steps = [point.step for point in found.points]
    assert (len(steps), steps[0], steps[-1]) == (500, 1, 6000)
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 99, 100, 101, 1000])
@pytest.mark.parametrize("most", [1, 2, 3, 7, 100])
def test_thinning_keeps_the_ends_and_an_even_pace(count: int, most: int) -> None:
    steps = thin(count, most)
    assert len(steps) == min(count, most)
    assert len(set(steps)) == len(steps)
    if count <= most:
        assert steps == list(range(count))
    elif most == 1:
        assert steps == [count - 1]
    else:
        gaps = [later - earlier for earlier, later in itertools.pairwise(steps)]
        assert (steps[0], steps[-1]) == (0, count - 1)
        assert max(gaps) - min(gaps) <= 1


async def test_another_accounts_metrics_are_unknown(job_id: str, tenants: Tenants) -> None:
    with pytest.raises(NotFound):
        await metrics.read(await tenants("other"), job_id)


async def test_columns_keep_the_spikes_of_what_they_thin(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {step: {"reward": 100.0 if step == 777 else 0.0} for step in range(1, 2001)})
    (column,) = await metrics.columns(ctx, job_id, max_points=50)
    assert (len(column.steps), column.steps[0], column.steps[-1]) == (50, 1, 2000)
    assert column.upper is not None
    assert max(column.upper) == 100.0
    assert column.steps == sorted(set(column.steps))
