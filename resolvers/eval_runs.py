"""Runs of evals: a model answers the dataset and is scored, on a host; started, watched and cancelled here."""

from typing import Any

from sqlmodel import col, select

from burnish.kit import clock, ids, outbox, paging
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, InvalidState, NotFound
from engines.evals import ending
from models import batch, events
from models import eval as evaluation
from models.eval import Eval, EvalRun
from resolvers import datasets, eval_models, eval_scorers, evals
from resolvers.context import Context
from resolvers.creating import once
from resolvers.eval_inputs import EvalRunInput, sampling
from resolvers.streams import Streams

# What a run asks at most, as a batch does.
MOST_ITEMS = batch.MOST_LINES


async def start(ctx: Context, eval_id: str, spec: EvalRunInput) -> EvalRun:
    """Queue a run of an eval.

    An active deployment of what `model` names answers; where there is none, one is made for the run, with an hour of its price
    set aside, and stopped at its end. InvalidState where a job has no model, NotFound for what nobody or another
    has.
    """
    ctx.require("write")
    gpu = spec.gpu or await eval_models.cheapest(ctx, spec.model)

    async def make(session: Session) -> EvalRun:
        row = await evals.find(session, ctx, eval_id, lock=True)
        samples, generation = sampling(row, spec)
        rows = await _check_dataset(session, ctx, row, spec.num_samples, samples)
        await eval_scorers.check_references(session, ctx, eval_scorers.read(row.scorers))
        run_id, now = ids.new(evaluation.RUN_PREFIX), clock.now()
        answering = await eval_models.find(session, ctx, spec.model, f"eval-{run_id}", gpu, spec.provider)
        run = EvalRun(
            id=run_id,
            account_id=ctx.account.id,
            eval_id=row.id,
            model=spec.model,
            deployment_id=answering.deployment.id,
            owns_deployment=answering.owned,
            rows=spec.num_samples,
            samples=samples,
            generation=generation or None,
            total=None if rows is None else rows * samples,
            created_at=now,
            updated_at=now,
        )
        session.add(run)
        await session.flush()
        await events.record(session, ctx.account.id, run.id, "created", {"name": row.name}, line="Status: queued")
        outbox.put(session, batch.RUN_MESSAGE, run.id)
        return run

    request = {"eval_id": eval_id, **spec.model_dump(exclude_unset=True)}
    return await once(ctx, "eval_runs.start", request, EvalRun, make)


async def _check_dataset(session: Session, ctx: Context, row: Eval, rows: int | None, samples: int) -> int | None:
    """Return how many rows of the eval's dataset are asked, None for a source that nobody has read yet: the run reads it then.

    Invalid where that makes too many items.
    """
    found = await datasets.find(session, ctx, row.dataset_id, lock=True)
    known = [count for count in (rows, found.num_rows) if count is not None]
    count = min(known, default=0)
    if count * samples > MOST_ITEMS:
        message = f"A run has at most {MOST_ITEMS:,} answers, and {count:,} rows of {samples} each are {count * samples:,}."
        raise Invalid(message, param="num_samples", hint="Ask fewer rows.")
    return None if found.num_rows is None else count


async def get(ctx: Context, run_id: str, eval_id: str | None = None) -> EvalRun:
    """Return a run; NotFound also where it is of another eval than `eval_id`."""
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, run_id, eval_id=eval_id)


async def find(session: Session, ctx: Context, run_id: str, *, eval_id: str | None = None, lock: bool = False) -> EvalRun:
    """Return a run of the caller's; with `lock`, nobody changes it before the transaction ends."""
    row = await session.get(EvalRun, run_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or eval_id not in (None, row.eval_id):
        raise NotFound(f"No such eval run: {run_id}", param="run_id")
    of = await session.get_one(Eval, row.eval_id)
    if of.deleted_at is not None:
        raise NotFound(f"No such eval run: {run_id}", param="run_id")
    return row


async def page(
    ctx: Context,
    *,
    eval_id: str | None = None,
    status: list[str] | None = None,
    model: str | None = None,
    limit: int = 20,
    after: str | None = None,
) -> paging.Page[EvalRun]:
    """Return the runs of an eval, or of all that the account has; Invalid for a status that there is not."""
    ctx.require("read")
    unknown = [value for value in status or () if value not in evaluation.STATUSES]
    if unknown:
        raise Invalid(f"Unknown status '{unknown[0]}'; there are {', '.join(evaluation.STATUSES)}.", param="status")
    where: list[Any] = [col(EvalRun.status).in_(status)] if status else []
    where += [EvalRun.model == model] if model is not None else []
    async with ctx.db.read() as session:
        if eval_id is not None:
            await evals.find(session, ctx, eval_id)
            mine: list[Any] = [EvalRun.eval_id == eval_id]
        else:
            there = select(Eval.id).where(Eval.account_id == ctx.account.id, col(Eval.deleted_at).is_(None))
            mine = [EvalRun.account_id == ctx.account.id, col(EvalRun.eval_id).in_(there)]
        return await paging.page(session, EvalRun, *mine, where=where, limit=limit, after=after)


async def cancel(ctx: Context, run_id: str, eval_id: str | None = None) -> EvalRun:
    """End a run at once: nothing more is asked, and a deployment of its own stops. InvalidState where it has ended."""
    ctx.require("write")
    return await once(
        ctx, "eval_runs.cancel", {"run_id": run_id}, EvalRun, lambda session: _cancel(session, ctx, run_id, eval_id)
    )


async def _cancel(session: Session, ctx: Context, run_id: str, eval_id: str | None) -> EvalRun:
    row = await find(session, ctx, run_id, eval_id=eval_id, lock=True)
    if row.status in evaluation.TERMINAL:
        raise InvalidState(f"The run is {row.status}: only one that has not ended can be cancelled.")
    await ending.cancel(session, row)
    return row


def allowed(ctx: Context, row: EvalRun) -> list[str]:
    """Return what the caller's key may do to a run as it stands: `cancel`."""
    return ["cancel"] if "write" in ctx.scopes and row.status not in evaluation.TERMINAL else []


streams = Streams(find)
rows, last_rows, follow = streams.rows, streams.last_rows, streams.follow
