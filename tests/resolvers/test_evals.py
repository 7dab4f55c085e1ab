"""Evals without a server: what is taken, who answers for a run, what may be done to it, and two runs against each other."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit.errors import BurnishError, Conflict, Invalid, InvalidState, NotFound, SchemaInvalid
from burnish.kit.tables import Outbox
from models import deployment as dep
from models.deployment import Deployment
from models.eval import Eval, EvalItem, EvalRun
from resolvers import datasets, deployments, eval_comparison, eval_items, eval_results, eval_runs, evals, reward_functions
from resolvers.context import Context
from resolvers.eval_inputs import EvalInput, EvalRunInput
from resolvers.eval_items import Place
from resolvers.inputs import parse
from tests.resolvers.conftest import Tenants, reward
from tests.rest_compat import evaluated
from tests.rest_compat.evaluated import EXACT

pytestmark = pytest.mark.anyio


async def count(ctx: Context, table: Any) -> int:
    async with ctx.db.read() as session:
        return len((await session.exec(select(table))).all())


async def of_run(ctx: Context, row: EvalRun) -> Deployment:
    async with ctx.db.read() as session:
        return await session.get_one(Deployment, row.deployment_id)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"scorers": [{"type": "guess"}]}, "scorers.0.type"),
        ({"scorers": [EXACT, {"type": "regex"}]}, "scorers.1.pattern"),
        ({"scorers": [{**EXACT, "colour": "red"}]}, "scorers.0.colour"),
        ({"scorers": [{"type": "judge", "model": "nobody"}]}, "scorers.0.model"),
        ({"scorers": [{"type": "reward-function", "reward_function_id": "rf_x"}]}, "scorers.0.reward_function_id"),
        ({"dataset_id": "ds_x"}, "dataset_id"),
    ],
)
async def test_what_is_wrong_with_an_eval_is_named(ctx: Context, tmp_path: Path, changes: dict[str, Any], param: str) -> None:
    with pytest.raises((Invalid, NotFound)) as caught:
        await evaluated.made(ctx, tmp_path, **changes)
    assert (caught.value.param, await count(ctx, Eval)) == (param, 0)


@pytest.mark.parametrize(
    ("input", "given", "param"),
    [
        (EvalInput, {"name": "e", "dataset_id": "d", "scorers": []}, "scorers"),
        (EvalInput, {"name": "", "dataset_id": "d", "scorers": [EXACT]}, "name"),
        (EvalRunInput, {"model": "m", "num_samples": 0}, "num_samples"),
        (EvalRunInput, {"model": "m", "generation_params": {"n": 129}}, "generation_params.n"),
        (EvalRunInput, {"model": "m", "generation_params": {"heat": 1}}, "generation_params.heat"),
    ],
)
def test_inputs_are_within_bounds(input: Any, given: dict[str, Any], param: str) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        parse(input, given)
    assert caught.value.param == param


async def test_a_run_is_queued_under_the_terms_of_its_eval_and_its_own(ctx: Context, tmp_path: Path) -> None:
    made = await evaluated.made(ctx, tmp_path, generation_params={"n": 4, "temperature": 0.5, "max_tokens": 9})
    deployment_id = await evaluated.deployed(ctx)
    told = await count(ctx, Outbox)
    row = await evaluated.started(ctx, made.id, num_samples=2, generation_params={"temperature": 1})
    assert (row.status, row.deployment_id, row.owns_deployment) == ("queued", deployment_id, False)
    assert (row.rows, row.samples, row.total, row.processed) == (2, 4, 8, 0)
    assert row.generation == {"temperature": 1.0, "max_tokens": 9}
    assert [one.data["type"] for one in await eval_runs.rows(ctx, row.id, "events")] == ["created"]
    async with ctx.db.read() as session:
        *_, last = (await session.exec(select(Outbox).order_by(Outbox.id))).all()  # type: ignore[arg-type]
    assert (await count(ctx, Outbox), last.actor, last.resource_id) == (told + 1, "bulk.run", row.id)
    for given, param in (
        ({"generation_params": {"max_completion_tokens": 3}}, "generation_params.max_tokens"),
        ({"generation_params": {"temperature": 0}}, "generation_params.n"),
        ({"model": "dep_x"}, "model"),
    ):
        with pytest.raises(BurnishError) as caught:
            await evaluated.started(ctx, made.id, **given)  # type: ignore[arg-type]
        assert caught.value.param == param
    assert await count(ctx, EvalRun) == 1


async def test_one_key_starts_one_run(tenants: Tenants, tmp_path: Path) -> None:
    ctx = await tenants()
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    keyed = replace(ctx, idempotency_key="once")
    assert len({(await evaluated.started(keyed, made.id)).id for _ in range(3)}) == 1
    assert await count(ctx, EvalRun) == 1
    with pytest.raises(Conflict):
        await evaluated.started(keyed, made.id, num_samples=1)


async def test_a_model_that_nobody_serves_is_deployed_for_the_run_and_stopped_with_it(ctx: Context, tmp_path: Path) -> None:
    made = await evaluated.made(ctx, tmp_path)
    own = await evaluated.started(ctx, made.id, "Qwen/Qwen3-0.6B")
    row = await of_run(ctx, own)
    assert (own.owns_deployment, row.name, row.model, row.status) == (True, f"eval-{own.id}", "Qwen/Qwen3-0.6B", "queued")
    assert row.gpu_requested == {"type": "CPU", "count": 1}
    other = await evaluated.started(ctx, made.id, "Qwen/Qwen3-0.6B")
    assert (other.deployment_id, other.owns_deployment) == (own.deployment_id, False)
    assert (await eval_runs.cancel(ctx, own.id)).status == "cancelled"
    assert (await of_run(ctx, own)).status == dep.STOPPED
    with pytest.raises(InvalidState):
        await eval_runs.cancel(ctx, own.id)
    await evaluated.deployed(ctx, "kept")
    borrowed = await evaluated.started(ctx, made.id, "kept")
    await eval_runs.cancel(ctx, borrowed.id)
    assert (await of_run(ctx, borrowed)).status == "queued"
    assert [row.id for row in (await eval_runs.page(ctx, status=["cancelled"])).items] == [borrowed.id, own.id]


async def test_money_for_a_deployment_is_set_aside_or_nothing_begins(tenants: Tenants, tmp_path: Path) -> None:
    poor = await tenants("poor", "0")
    made = await evaluated.made(poor, tmp_path)
    with pytest.raises(BurnishError) as caught:
        await evaluated.started(poor, made.id, "Qwen/Qwen3-0.6B", gpu={"type": "H100", "count": 1})
    assert caught.value.status == 402
    assert (await count(poor, EvalRun), await count(poor, Deployment)) == (0, 0)


async def test_what_goes_on_holds_its_eval_and_what_scores_it(ctx: Context, tmp_path: Path) -> None:
    function = await reward(ctx)
    made = await evaluated.made(ctx, tmp_path, scorers=[{"type": "reward-function", "reward_function_id": function.id}])
    await evaluated.deployed(ctx)
    row = await evaluated.started(ctx, made.id)
    with pytest.raises(Conflict):
        await evals.delete(ctx, made.id)
    with pytest.raises(Conflict):
        await reward_functions.delete(ctx, function.id)
    await evaluated.completed(ctx, row, [[1.0], [0.0], [None]])
    await reward_functions.delete(ctx, function.id)
    await evals.delete(ctx, made.id)
    assert (await count(ctx, EvalItem), (await evals.page(ctx)).items, (await eval_runs.page(ctx)).items) == (0, [], [])
    for ask in (evals.get(ctx, made.id), eval_runs.get(ctx, row.id), eval_items.page(ctx, row.id)):
        with pytest.raises(NotFound):
            await ask


async def test_a_deleted_dataset_begins_no_run(ctx: Context, tmp_path: Path) -> None:
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    await datasets.delete(ctx, made.dataset_id)
    with pytest.raises(NotFound):
        await evaluated.started(ctx, made.id)


async def test_items_are_paged_in_order_and_the_failed_alone(on_both: Tenants, tmp_path: Path) -> None:
    ctx = await on_both()
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    row = await evaluated.started(ctx, made.id, generation_params={"n": 2})
    row = await evaluated.completed(ctx, row, [[1.0, 0.0], [1.0, 1.0], [None, 0.5]])

    async def places(**given: Any) -> list[tuple[int, int]]:
        return [(one.item_index, one.sample) for one in (await eval_items.page(ctx, row.id, **given)).items]

    assert await places(limit=3) == [(0, 0), (0, 1), (1, 0)]
    assert await places(after=Place(1, 0)) == [(1, 1), (2, 0), (2, 1)]
    assert await places(which="failed") == [(0, 1), (2, 0), (2, 1)]
    assert eval_items.place_of(row.id, f"{row.id}-2-1") == Place(2, 1)
    for text in ("run_x-2-1", row.id, f"{row.id}-2", f"{row.id}-2-x", f"{row.id}-2--1"):
        with pytest.raises(Invalid):
            eval_items.place_of(row.id, text)
    assert row.results is not None
    found = eval_results.Results.of(row.results)
    assert (found.answered, found.unanswered, found.score.count, found.score.missing) == (5, 1, 5, 1)
    assert found.score.pass_at_k == {1: pytest.approx(0.5), 2: 1.0}
    assert found.score.low is not None and found.score.high is not None
    assert found.score.low < 0.7 < found.score.high


async def test_two_runs_are_compared_row_by_row(on_both: Tenants, tmp_path: Path) -> None:
    ctx = await on_both()
    made = await evaluated.made(ctx, tmp_path, rows=5)
    await evaluated.deployed(ctx)
    a, b = [await evaluated.started(ctx, made.id) for _ in range(2)]
    await evaluated.completed(ctx, a, [[1.0], [0.0], [0.5], [None], [1.0]])
    await evaluated.completed(ctx, b, [[1.0], [1.0], [0.25], [1.0], [1.0]])
    figures = await eval_comparison.paired(ctx, a.id, b.id)
    assert (figures.rows, figures.better, figures.worse, figures.same, figures.difference) == (4, 1, 1, 2, 0.1875)
    found = await eval_comparison.page(ctx, a.id, b.id, only_changed=True)
    assert [(row.item_index, row.score_a, row.score_b, row.difference) for row in found.rows] == [
        (3, None, 1.0, None),
        (1, 0.0, 1.0, 1.0),
        (2, 0.5, 0.25, -0.25),
    ]
    rest = await eval_comparison.page(ctx, a.id, b.id, limit=2, start=3)
    assert ([row.item_index for row in rest.rows], rest.more) == ([0, 4], False)
    assert ([one.run_id for one in rest.rows[0].items_a], [one.run_id for one in rest.rows[0].items_b]) == ([a.id], [b.id])
    other = await evaluated.started(ctx, (await evaluated.made(ctx, tmp_path)).id)
    with pytest.raises(Invalid):
        await eval_comparison.paired(ctx, a.id, other.id)


async def test_nothing_of_it_is_anothers(ctx: Context, tenants: Tenants, tmp_path: Path) -> None:
    made = await evaluated.made(ctx, tmp_path)
    deployment_id = await evaluated.deployed(ctx)
    row = await evaluated.started(ctx, made.id)
    function = await reward(ctx)
    other = await tenants("other")
    theirs = await evaluated.made(other, tmp_path)
    scored = [{"type": "reward-function", "reward_function_id": function.id}]
    for ask in (
        evals.get(other, made.id),
        evals.delete(other, made.id),
        evaluated.started(other, made.id),
        evaluated.started(other, theirs.id, deployment_id),
        eval_runs.get(other, row.id),
        eval_runs.cancel(other, row.id),
        eval_runs.page(other, eval_id=made.id),
        eval_runs.rows(other, row.id, "progress"),
        eval_items.page(other, row.id),
        eval_comparison.paired(other, row.id, row.id),
        evaluated.made(other, tmp_path, dataset_id=made.dataset_id),
        evaluated.made(other, tmp_path, dataset_id=theirs.dataset_id, scorers=scored),
        evaluated.made(other, tmp_path, dataset_id=theirs.dataset_id, scorers=[{"type": "judge", "model": deployment_id}]),
    ):
        with pytest.raises(NotFound):
            await ask
    assert [one.id for one in (await evals.page(other)).items] == [theirs.id]
    assert (await eval_runs.page(other)).items == []
    assert (await deployments.page(other)).items == []


async def test_a_key_that_may_only_read_changes_nothing(ctx: Context, tmp_path: Path) -> None:
    made = await evaluated.made(ctx, tmp_path)
    await evaluated.deployed(ctx)
    row = await evaluated.started(ctx, made.id)
    assert (evals.allowed(ctx, made), eval_runs.allowed(ctx, row)) == (["delete", "run"], ["cancel"])
    reader = replace(ctx, scopes=frozenset({"read"}))
    for ask in (evaluated.started(reader, made.id), eval_runs.cancel(reader, row.id), evals.delete(reader, made.id)):
        with pytest.raises(BurnishError, match="scope 'write'"):
            await ask
    assert (evals.allowed(reader, made), eval_runs.allowed(reader, row)) == ([], [])
    assert (await eval_runs.get(reader, row.id)).status == "queued"
