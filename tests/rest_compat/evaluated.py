"""Evals for a tenant to have, and what a host leaves behind of their runs, written by hand: no host runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.kit import clock, stream
from engines.evals import results, scorers
from models import eval as evaluation
from models import transitions
from models.batch import Batch
from models.dataset import Dataset
from models.eval import Eval, EvalItem, EvalRun
from resolvers import datasets, deployments, eval_runs, evals
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.eval_inputs import EvalInput, EvalRunInput

EXACT = {"type": "exact-match"}
# What an item is scored with, None for one without an answer.
Scored = Sequence[Sequence[float | None]]


async def dataset(ctx: Context, folder: Path, rows: int = 3) -> Dataset:
    """Store a dataset that asks `0?`, `1?` and so on."""
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{number}?", "answer": str(number)}) + "\n" for number in range(rows)))
    return await datasets.create(ctx, datasets.DatasetInput(name="sums"), path)


async def made(ctx: Context, folder: Path, *, rows: int = 3, **given: Any) -> Eval:
    dataset_id = given.pop("dataset_id", None) or (await dataset(ctx, folder, rows)).id
    spec = {"name": "sums", "dataset_id": dataset_id, "scorers": [EXACT], **given}
    return await evals.create(ctx, EvalInput.model_validate(spec))


async def deployed(ctx: Context, name: str = "dep") -> str:
    """Deploy something that runs can ask; return its id."""
    spec = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": name, "gpu": {"type": "CPU", "count": 1}}
    return (await deployments.create(ctx, DeploymentInput.model_validate(spec))).id


async def started(ctx: Context, eval_id: str, model: str = "dep", **given: Any) -> EvalRun:
    return await eval_runs.start(ctx, eval_id, EvalRunInput.model_validate({"model": model, **given}))


async def moved(ctx: Context, run_id: str, *statuses: str, **values: Any) -> EvalRun:
    """Move a run through statuses; its streams end with the last where that is final."""
    async with ctx.db.transaction() as session:
        row = await session.get_one(EvalRun, run_id)
        for status in statuses:
            assert await transitions.move(session, row, status, **(values if status == statuses[-1] else {}))
            if status in evaluation.TERMINAL:
                await stream.end(session, run_id, evaluation.STREAMS, status)
    return row


async def progressed(ctx: Context, run_id: str, **values: Any) -> None:
    """Say how far a run is, as its host does."""
    point = {"at": clock.now().isoformat(), "status": "running", "total": 3, "processed": 0, **values}
    async with ctx.db.transaction() as session:
        await stream.append(session, run_id, "progress", [point], attempt=1)


async def completed(ctx: Context, run: EvalRun, scored: Scored) -> EvalRun:
    """Write the items of a run, row by row, with the figures that they come to, and end it."""
    async with ctx.db.transaction() as session:
        for index, scores in enumerate(scored):
            for sample, score in enumerate(scores):
                session.add(item(run.id, index, sample, score))
        fresh = await session.get_one(EvalRun, run.id)
        fresh.processed = sum(map(len, scored))
    await moved(ctx, run.id, evaluation.RUNNING, evaluation.SCORING)
    answers = Batch(id="batch_x", prompt_tokens=9, completion_tokens=6, cost_nanos=2_000)
    found = await results.results(ctx.core, fresh, scorers.parse([EXACT]), answers, [])
    return await moved(ctx, run.id, evaluation.COMPLETED, results=found, cost_nanos=2_000)


def item(run_id: str, index: int, sample: int, score: float | None) -> EvalItem:
    answered: dict[str, Any] = {"output": f"says {score:g}", "latency_ms": 12.5} if score is not None else {"error": "bad: No."}
    return EvalItem(
        run_id=run_id, item_index=index, sample=sample, input=f"{index}?", label=str(index), scores={"exact-match": score},
        score=score, **answered,
    )  # fmt: skip
