"""Evals and runs for a tenant to have, and what a host leaves behind of them, written by hand: no host runs."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from burnish.kit import clock, ids, stream
from models import batch, transitions
from models import eval as evaluation
from models.batch import Batch
from models.dataset import Dataset
from models.eval import Eval, EvalItem, EvalRun
from resolvers import datasets, deployments, eval_runs, evals
from resolvers.context import Context
from resolvers.datasets import DatasetInput
from resolvers.deployment_inputs import DeploymentInput
from resolvers.eval_inputs import EvalInput, EvalRunInput
from tests.rest_compat import bulk

ROWS = "".join(f'{{"prompt": "{number} + 1?", "answer": "{number + 1}"}}\n' for number in range(1, 5)).encode()
EXACT = {"type": "exact-match"}
SAYS = {"type": "regex", "name": "says", "pattern": "[0-9]+"}
CPU = {"type": "CPU", "count": 1}


async def dataset(ctx: Context, tmp_path: Path, rows: bytes = ROWS) -> Dataset:
    path = tmp_path / "sums.jsonl"
    path.write_bytes(rows)
    return await datasets.create(ctx, DatasetInput(name="sums"), path)


async def made(ctx: Context, tmp_path: Path, *scorers: dict[str, Any], **given: Any) -> Eval:
    """Make an eval of a dataset of its own."""
    body = {"name": "sums", "dataset_id": (await dataset(ctx, tmp_path)).id, "scorers": list(scorers or (EXACT,)), **given}
    return await evals.create(ctx, EvalInput.model_validate(body))


async def deployment(ctx: Context, name: str = "answers", model: str = "Qwen/Qwen3-4B") -> str:
    """Queue a deployment; return its id."""
    given = {"model": model, "source": "huggingface", "name": name, "gpu": CPU}
    return (await deployments.create(ctx, DeploymentInput.model_validate(given))).id


async def started(ctx: Context, row: Eval, model: str = "Qwen/Qwen3-4B", **given: Any) -> EvalRun:
    return await eval_runs.start(ctx, row.id, EvalRunInput.model_validate({"model": model, **given}))


async def moved(ctx: Context, run_id: str, *statuses: str, **values: Any) -> EvalRun:
    """Move a run through statuses; its streams end with the last where that is final."""
    async with ctx.db.transaction() as session:
        row = await session.get_one(EvalRun, run_id)
        for status in statuses:
            at: dict[str, Any] = {"completed_at": clock.now()} if status in evaluation.TERMINAL else {}
            at |= {"started_at": clock.now()} if status == evaluation.RUNNING else {}
            given = values if status == statuses[-1] else {}
            assert await transitions.move(session, row, status, **at, **given)
            if status in evaluation.TERMINAL:
                await stream.end(session, run_id, evaluation.STREAMS, status)
    return row


async def asking(ctx: Context, run: EvalRun, **values: Any) -> Batch:
    """Begin the batch that asks the model, as a run's host does."""
    source = await bulk.stored_file(ctx, bulk.lines(1), purpose="evals")
    now = clock.now()
    given = {"status": batch.IN_PROGRESS, "in_progress_at": now, "total": run.total or 0, **values}
    row = Batch(
        id=ids.new(batch.PREFIX),
        account_id=run.account_id,
        input_file_id=source.id,
        endpoint=bulk.CHAT,
        parent_id=run.id,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(days=1),
        **given,
    )
    async with ctx.db.transaction() as session:
        session.add(row)
    return row


def item(index: int, score: float | None, *, sample: int = 0, output: str | None = "4", **values: Any) -> EvalItem:
    """Return an answer, of the run that `scored` names."""
    scores = {"exact-match": score}
    told: dict[str, Any] = {"input": f"{index + 1} + 1?", "label": str(index + 2), "latency_ms": 12.5, "prompt_tokens": 3}
    told |= {"completion_tokens": 1, "finish_reason": "stop", "scores": scores, **values}
    return EvalItem(run_id="", item_index=index, sample=sample, output=output, score=score, **told)


async def scored(ctx: Context, run_id: str, items: Sequence[EvalItem]) -> EvalRun:
    """Write answers, and the count of them."""
    async with ctx.db.transaction() as session:
        row = await session.get_one(EvalRun, run_id)
        for one in items:
            one.run_id = run_id
            session.add(one)
        row.processed += len(items)
        session.add(row)
    return row


def results(mean: float = 0.5) -> dict[str, Any]:
    """Return figures as a host stores them."""
    found = {"mean": mean, "ci_low": mean - 0.25, "ci_high": mean + 0.25}
    return {
        "score": {**found, "items": 3},
        "scorers": {"exact-match": {**found, "scored": 3, "errors": 0}},
        "pass_at_k": {"1": mean},
        "samples": 1,
        "answered": 3,
        "unanswered": 1,
        "latency_ms": {"p50": 12.5, "p95": 20.0},
        "errors": {"engine_error": 1},
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        "cost_usd": 0.001,
    }


async def completed(ctx: Context, row: Eval, items: Sequence[EvalItem], **given: Any) -> EvalRun:
    """Return a run that has completed with these answers."""
    run = await started(ctx, row, **given)
    await moved(ctx, run.id, evaluation.RUNNING, evaluation.SCORING)
    await scored(ctx, run.id, items)
    return await moved(ctx, run.id, evaluation.COMPLETED, results=results())


async def progressed(ctx: Context, run_id: str, **values: Any) -> None:
    """Say how far a run is, as its host does."""
    async with ctx.db.transaction() as session:
        await stream.append(session, run_id, "progress", [{"at": clock.now().isoformat(), **values}], attempt=1)
