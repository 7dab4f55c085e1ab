"""What runs of evals come to, on each database: pages, comparisons and the figures as a host stores them; and who may do what."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit.errors import BurnishError, InsufficientCredit
from engines.evals import results, scorers
from models.deployment import Deployment
from models.eval import EvalRun
from resolvers import eval_comparison, eval_items, eval_results, eval_runs, evals
from resolvers.context import Context
from resolvers.eval_items import Place
from tests.resolvers.conftest import Tenants
from tests.rest_compat import evaluated
from tests.rest_compat.evaluated import CPU, EXACT, item

pytestmark = pytest.mark.anyio


async def test_answers_are_paged_and_the_figures_are_those_that_a_host_stores(on_both: Tenants, tmp_path: Path) -> None:
    ctx = await on_both()
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    scores = [(0, 0, 1.0), (0, 1, 0.0), (1, 0, 1.0), (1, 1, 1.0), (2, 0, None), (2, 1, 0.5)]
    items = [item(index, score, sample=sample, error="bad: No." if score is None else None) for index, sample, score in scores]
    run = await evaluated.completed(ctx, row, items, model="answers", generation_params={"n": 2})

    async def places(**given: Any) -> list[tuple[int, int]]:
        return [(one.item_index, one.sample) for one in (await eval_items.page(ctx, run.id, **given)).items]

    assert await places(limit=3) == [(0, 0), (0, 1), (1, 0)]
    assert await places(after=Place(1, 0)) == [(1, 1), (2, 0), (2, 1)]
    assert await places(which="failed") == [(0, 1), (2, 0), (2, 1)]
    answers = await evaluated.asking(ctx, run)
    run.results = await results.results(ctx.core, run, scorers.parse([EXACT]), answers, [])
    found = eval_results.of(run)
    assert found is not None
    for figures in (found.score, found.scorers["exact-match"]):
        assert (figures.mean, figures.count, figures.missing) == (0.7, 5, 1)
        # Three rows: t(2) = 4.3027, and sums of 1, 2 and 0.5 over 2, 2 and 1 answers.
        margin = 4.3027 * (1.5 * (0.4**2 + 0.6**2 + 0.2**2)) ** 0.5 / 5
        assert figures.low == pytest.approx(0.7 - margin, abs=1e-4)
        assert figures.high == pytest.approx(0.7 + margin, abs=1e-4)
    assert (found.answered, found.unanswered, found.pass_at_k) == (5, 1, {1: pytest.approx(0.5), 2: 1.0})


async def test_two_runs_are_compared_alike_on_each_database(on_both: Tenants, tmp_path: Path) -> None:
    ctx = await on_both()
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    both = ([1.0, 0.0, 0.5, None], [1.0, 1.0, 0.25, 1.0])
    a, b = [
        await evaluated.completed(ctx, row, [item(index, score) for index, score in enumerate(scores)], model="answers")
        for scores in both
    ]
    figures = await eval_comparison.paired(ctx, a.id, b.id)
    assert (figures.rows, figures.better, figures.worse, figures.same, figures.difference) == (3, 1, 1, 1, 0.25)
    found = await eval_comparison.page(ctx, a.id, b.id, only_changed=True)
    assert [(one.item_index, one.score_a, one.score_b, one.difference) for one in found.rows] == [
        (3, None, 1.0, None),
        (1, 0.0, 1.0, 1.0),
        (2, 0.5, 0.25, -0.25),
    ]


async def test_money_for_a_deployment_is_set_aside_or_nothing_begins(tenants: Tenants, tmp_path: Path) -> None:
    poor = await tenants("poor", "0")
    row = await evaluated.made(poor, tmp_path)
    with pytest.raises(InsufficientCredit):
        await evaluated.started(poor, row, gpu={**CPU, "type": "H100"})
    async with poor.db.read() as session:
        assert not (await session.exec(select(EvalRun))).all()
        assert not (await session.exec(select(Deployment))).all()


async def test_a_key_that_may_only_read_changes_nothing(ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    run = await evaluated.started(ctx, row, "answers")
    assert (evals.allowed(ctx, row), eval_runs.allowed(ctx, run)) == (["delete", "run"], ["cancel"])
    reader = replace(ctx, scopes=frozenset({"read"}))
    for ask in (evaluated.started(reader, row, "answers"), eval_runs.cancel(reader, run.id), evals.delete(reader, row.id)):
        with pytest.raises(BurnishError, match="scope 'write'"):
            await ask
    assert (evals.allowed(reader, row), eval_runs.allowed(reader, run)) == ([], [])
    assert (await eval_runs.get(reader, run.id)).status == "queued"
