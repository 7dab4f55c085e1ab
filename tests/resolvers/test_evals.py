"""Evals and their runs: what they may ask, who answers, and what ends with them."""

from pathlib import Path
from typing import Any

import pytest

from burnish.kit.errors import BurnishError, Conflict, Invalid, InvalidState, NotFound, SchemaInvalid
from models import batch
from models import deployment as dep
from models import eval as evaluation
from models.batch import Batch
from models.deployment import Deployment
from models.eval import Eval, EvalItem, EvalRun
from resolvers import datasets, deployment_changes, deployments, eval_comparison, eval_items, eval_runs, evals, reward_functions
from resolvers.context import Context
from resolvers.eval_inputs import EvalInput
from resolvers.eval_items import Place
from resolvers.reward_functions import RewardFunctionInput
from tests.conftest import Server
from tests.rest_compat import evaluated, things
from tests.rest_compat.evaluated import EXACT

pytestmark = pytest.mark.anyio
JUDGE = {"type": "judge", "model": "nobody"}


@pytest.fixture
async def ctx(server: Server) -> Context:
    return await server.context()


async def refused(server: Server, error: type[BurnishError], work: Any) -> BurnishError:
    """Return what a call raises; nothing has changed by it."""
    before = await things.everything(server)
    with pytest.raises(error) as found:
        await work
    assert await things.everything(server) == before
    return found.value


@pytest.mark.parametrize(
    ("scorers", "error", "param"),
    [
        ([{"type": "exact_match"}, {"type": "magic"}], Invalid, "scorers.1.type"),
        ([{"type": "regex"}], Invalid, "scorers.0.pattern"),
        ([{**EXACT, "colum": "label"}], Invalid, "scorers.0.colum"),
        ([EXACT, {"type": "reward_function", "reward_function_id": "rf_nobody"}], NotFound, "scorers.1.reward_function_id"),
        ([JUDGE], NotFound, "scorers.0.model"),
    ],
)
async def test_a_scorer_that_cannot_be_used_is_refused_by_its_field(
    server: Server, ctx: Context, tmp_path: Path, scorers: list[dict[str, Any]], error: type[BurnishError], param: str
) -> None:
    dataset = await evaluated.dataset(ctx, tmp_path)
    spec = EvalInput.model_validate({"name": "sums", "dataset_id": dataset.id, "scorers": scorers})
    assert (await refused(server, error, evals.create(ctx, spec))).param == param


async def test_a_run_asks_the_deployment_that_is_named_with_the_evals_terms_under_its_own(ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path, generation_params={"temperature": 0.5, "max_tokens": 8, "n": 2})
    deployment_id = await evaluated.deployment(ctx)
    run = await evaluated.started(ctx, row, "answers", num_samples=3, generation_params={"temperature": 1.0})
    assert (run.status, run.deployment_id, run.owns_deployment) == (evaluation.QUEUED, deployment_id, False)
    assert (run.rows, run.samples, run.total) == (3, 2, 6)
    assert run.generation == {"temperature": 1.0, "max_tokens": 8}


async def test_a_model_by_name_is_asked_of_a_deployment_of_it_or_of_one_that_the_run_makes_and_stops(
    server: Server, ctx: Context, tmp_path: Path
) -> None:
    row = await evaluated.made(ctx, tmp_path)
    own = await evaluated.started(ctx, row, "Qwen/Qwen3-8B")
    made = await deployments.get(ctx, str(own.deployment_id))
    assert own.owns_deployment
    assert (made.name, made.model, made.source, made.gpu_requested) == (
        f"eval-{own.id}", "Qwen/Qwen3-8B", "huggingface", {"type": "CPU", "count": 1},
    )  # fmt: skip
    deployment_id = await evaluated.deployment(ctx, model="Qwen/Qwen3-4B")
    assert (await evaluated.started(ctx, row, "Qwen/Qwen3-4B")).deployment_id == deployment_id
    part = await evaluated.asking(ctx, own)
    cancelled = await eval_runs.cancel(ctx, own.id)
    assert (cancelled.status, (await deployments.get(ctx, made.id)).status) == (evaluation.CANCELLED, dep.STOPPED)
    async with ctx.db.read() as session:
        assert (await session.get_one(Batch, part.id)).status == batch.CANCELLING
    other = await deployments.get(ctx, deployment_id)
    assert other.status == dep.QUEUED
    await refused(server, InvalidState, eval_runs.cancel(ctx, own.id))


async def test_a_trained_model_is_asked_by_its_job_or_its_checkpoint(server: Server, ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    async with server.client() as client:
        job_id = (await things.completed_job(server, client))["id"]
        running = (await things.queued_job(client))["id"]
    first = await evaluated.started(ctx, row, job_id)
    made = await deployments.get(ctx, str(first.deployment_id))
    assert (first.owns_deployment, made.source, made.model) == (True, "training_job", job_id)
    # That deployment ends with its own run: another has one of its own.
    again = await evaluated.started(ctx, row, str(made.checkpoint_id))
    other = await deployments.get(ctx, str(again.deployment_id))
    assert (again.owns_deployment, other.checkpoint_id, other.id != made.id) == (True, made.checkpoint_id, True)
    assert (await refused(server, InvalidState, evaluated.started(ctx, row, running))).param == "model"


async def test_who_cannot_answer_is_refused(server: Server, ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    paused = await evaluated.deployment(ctx, "paused")
    await deployment_changes.pause(ctx, paused)
    stopped = await evaluated.deployment(ctx, "stopped", model="Qwen/Qwen3-8B")
    await deployments.stop(ctx, stopped)
    for model, error in (("paused", Invalid), (stopped, Invalid), ("dep_nobody", NotFound), ("job_nobody", NotFound)):
        assert (await refused(server, error, evaluated.started(ctx, row, model))).param == "model"
    assert (await refused(server, Invalid, evaluated.started(ctx, row, "no/such/model"))).param == "model"


async def test_terms_that_contradict_each_other_and_too_many_answers_are_refused(
    server: Server, ctx: Context, tmp_path: Path
) -> None:
    row = await evaluated.made(ctx, tmp_path, generation_params={"max_tokens": 8})
    await evaluated.deployment(ctx)
    same = {"generation_params": {"max_completion_tokens": 8}}
    found = await refused(server, SchemaInvalid, evaluated.started(ctx, row, "answers", **same))
    assert found.param == "generation_params.max_tokens"
    alike = {"generation_params": {"n": 2, "temperature": 0}}
    assert (await refused(server, SchemaInvalid, evaluated.started(ctx, row, "answers", **alike))).param == "generation_params.n"
    many = evaluated.ROWS * 120
    await evaluated.dataset(ctx, tmp_path, many)
    async with ctx.db.transaction() as session:
        large = await datasets.find(session, ctx, row.dataset_id)
        large.num_rows = 50_001
        session.add(large)
    assert (await refused(server, Invalid, evaluated.started(ctx, row, "answers"))).param == "num_samples"
    assert (await evaluated.started(ctx, row, "answers", num_samples=50_000)).total == 50_000


async def test_what_a_run_that_goes_on_needs_is_not_deleted(server: Server, ctx: Context, tmp_path: Path) -> None:
    source = RewardFunctionInput(name="one", source=things.REWARD)
    reward = await reward_functions.create(ctx, source)
    row = await evaluated.made(ctx, tmp_path, {"type": "reward-function", "reward_function_id": reward.id})
    await evaluated.deployment(ctx)
    run = await evaluated.started(ctx, row, "answers")
    for work in (evals.delete(ctx, row.id), datasets.delete(ctx, row.dataset_id), reward_functions.delete(ctx, reward.id)):
        await refused(server, Conflict, work)
    await eval_runs.cancel(ctx, run.id)
    await evaluated.scored(ctx, run.id, [evaluated.item(0, 1.0)])
    await datasets.delete(ctx, row.dataset_id)
    await reward_functions.delete(ctx, reward.id)
    assert (await refused(server, NotFound, evaluated.started(ctx, row, "answers"))).param == "dataset_id"
    await evals.delete(ctx, row.id)
    for gone in (evals.get(ctx, row.id), eval_runs.get(ctx, run.id), eval_items.page(ctx, run.id)):
        with pytest.raises(NotFound):
            await gone
    assert (await eval_runs.page(ctx)).items == []
    async with ctx.db.read() as session:
        assert await session.get(EvalItem, (run.id, 0, 0)) is None


async def test_one_idempotency_key_starts_one_run_and_one_deployment(server: Server, ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    once = await server.context(idempotency_key="once")
    first, second = [await evaluated.started(once, row, "Qwen/Qwen3-8B") for _ in range(2)]
    assert first.id == second.id
    assert len((await deployments.page(ctx)).items) == 1
    with pytest.raises(Conflict):
        await evaluated.started(once, row, "Qwen/Qwen3-14B")


async def test_answers_come_in_the_order_of_the_dataset_and_failed_ones_alone(ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    items = [evaluated.item(index, score, sample=sample) for index in (1, 0) for sample, score in ((1, 1.0), (0, 0.25))]
    items.append(evaluated.item(2, None, output=None, error="No answer."))
    run = await evaluated.completed(ctx, row, items, model="answers")
    page = await eval_items.page(ctx, run.id, limit=3)
    assert [(one.item_index, one.sample) for one in page.items] == [(0, 0), (0, 1), (1, 0)]
    assert page.has_more
    rest = await eval_items.page(ctx, run.id, limit=3, after=Place(1, 0))
    assert [(one.item_index, one.sample) for one in rest.items] == [(1, 1), (2, 0)]
    failed = await eval_items.page(ctx, run.id, which="failed")
    assert [(one.item_index, one.sample) for one in failed.items] == [(0, 0), (1, 0), (2, 0)]


async def test_two_runs_are_compared_by_row_and_what_changed_most_comes_first(ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    both = [evaluated.item(index, 1.0) for index in range(2)]
    first = await evaluated.completed(ctx, row, [*both, evaluated.item(2, 0.0), evaluated.item(3, None)], model="answers")
    samples = [evaluated.item(2, 1.0), evaluated.item(2, 0.5, sample=1)]
    others = [evaluated.item(0, 1.0), evaluated.item(1, 0.5), *samples, evaluated.item(3, 0.0)]
    second = await evaluated.completed(ctx, row, others, model="answers")
    found = await eval_comparison.page(ctx, first.id, second.id)
    shown = [(one.item_index, one.score_a, one.score_b, one.difference) for one in found.rows]
    assert shown == [(3, None, 0.0, None), (2, 0.0, 0.75, 0.75), (1, 1.0, 0.5, -0.5), (0, 1.0, 1.0, 0.0)]
    assert [one.sample for one in found.rows[1].items_b] == [0, 1]
    changed = await eval_comparison.page(ctx, first.id, second.id, only_changed=True, limit=1, start=1)
    assert ([one.item_index for one in changed.rows], changed.more) == ([2], True)
    figures = await eval_comparison.paired(ctx, first.id, second.id)
    assert (figures.rows, figures.better, figures.worse, figures.same) == (3, 1, 1, 1)
    assert figures.difference == pytest.approx(1 / 12)
    other = await evaluated.completed(ctx, await evaluated.made(ctx, tmp_path), both, model="answers")
    with pytest.raises(Invalid, match="same eval"):
        await eval_comparison.runs(ctx, first.id, other.id)


async def test_nothing_of_it_is_anothers(server: Server, ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    run = await evaluated.completed(ctx, row, [evaluated.item(0, 1.0)], model="answers")
    going = await evaluated.started(ctx, row, "answers")
    other = await server.context(await server.new_tenant("other"))
    theirs = await evaluated.made(other, tmp_path)
    spec = EvalInput.model_validate({"name": "x", "dataset_id": row.dataset_id, "scorers": [EXACT]})
    judged = EvalInput.model_validate({"name": "x", "dataset_id": theirs.dataset_id, "scorers": [{**JUDGE, "model": "answers"}]})
    for work in (
        evals.get(other, row.id),
        evals.delete(other, row.id),
        evals.create(other, spec),
        evals.create(other, judged),
        evaluated.started(other, row),
        evaluated.started(other, theirs, going.deployment_id or ""),
        eval_runs.get(other, run.id),
        eval_runs.page(other, eval_id=row.id),
        eval_runs.cancel(other, going.id),
        eval_items.page(other, run.id),
        eval_comparison.page(other, run.id, run.id),
        eval_comparison.paired(other, run.id, run.id),
        eval_runs.rows(other, run.id, "events"),
    ):
        await refused(server, NotFound, work)
    assert [found.id for found in (await evals.page(other)).items] == [theirs.id]
    assert (await eval_runs.page(other)).items == []
    async with ctx.db.read() as session:
        assert (await session.get_one(Eval, row.id)).account_id == ctx.account.id
        assert (await session.get_one(EvalRun, run.id)).account_id == ctx.account.id
        assert (await session.get_one(Deployment, str(run.deployment_id))).account_id == ctx.account.id
