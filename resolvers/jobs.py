"""Training jobs: made, watched and cancelled by their account."""

import importlib.util
from typing import Any, Literal

from pydantic import Field
from sqlmodel import col, or_, select

from burnish.kit import clock, ids, outbox, paging, stream
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, InvalidState, NotFound
from burnish.kit.paging import ALWAYS, Span
from engines.compute import local
from engines.compute.hardware import Shape
from engines.training.spec import GrpoHyperparameters
from models import events, job, ledger, transitions
from models.job import Checkpoint, Job
from resolvers import base_models, datasets, hardware, reward_functions
from resolvers.context import Context
from resolvers.creating import once
from resolvers.hardware import GpuInput
from resolvers.inputs import Input, parse
from resolvers.streams import Streams

OUTPUT_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
TRAIN_MESSAGE = "training.run"
METHODS = ("grpo",)


class CheckpointDestination(Input):
    type: Literal["veri"] = "veri"


class JobInput(Input):
    """A training job as the caller asks for it. `hyperparameters` are those of `method`; `environments` need an integration."""

    base_model: str = Field(min_length=1, max_length=200)
    dataset_id: str = Field(max_length=64)
    reward_function_id: str | None = Field(None, max_length=64)
    method: str = "grpo"
    output_name: str = Field(pattern=OUTPUT_NAME)
    hyperparameters: dict[str, Any] = Field(default_factory=dict)
    gpu: GpuInput
    provider: str | None = None
    checkpoint_destination: CheckpointDestination = Field(default_factory=CheckpointDestination)
    environments: dict[str, Any] | None = None
    requires_heartbeat: Literal[False] = Field(False, description="Only false: jobs live without heartbeats of their client.")


async def create(ctx: Context, spec: JobInput) -> Job:
    """Queue a job, with an hour of what it will run on set aside.

    SchemaInvalid for hyperparameters, Invalid for a malformed model id, a GPU type or what cannot be trained here, NotFound for a
    dataset or reward function of nobody or of another, InsufficientCredit where the balance does not cover the start.
    """
    ctx.require("write")
    _check_method(spec)
    shape = hardware.shape_of(spec.gpu)
    hardware.check_provider(spec.provider)
    base_models.check_id(spec.base_model, "base_model")
    hyperparameters = parse(GrpoHyperparameters, spec.hyperparameters, at="hyperparameters")
    _check_fit(ctx, shape, hyperparameters)
    hour = hardware.hour_micros(ctx.core, shape)

    async def make(session: Session) -> Job:
        await datasets.find(session, ctx, spec.dataset_id, lock=True)
        await reward_functions.find(session, ctx, spec.reward_function_id or "")
        now = clock.now()
        row = Job(
            id=ids.new("job"),
            account_id=ctx.account.id,
            base_model=spec.base_model,
            dataset_id=spec.dataset_id,
            reward_function_id=spec.reward_function_id,
            method=spec.method,
            output_name=spec.output_name,
            hyperparameters=hyperparameters.model_dump(),
            hyperparameters_defaulted=sorted(set(GrpoHyperparameters.model_fields) - hyperparameters.model_fields_set),
            gpu_requested={"type": spec.gpu.type, "count": spec.gpu.count},
            provider_requested=spec.provider,
            checkpoint_destination=spec.checkpoint_destination.model_dump(),
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        await session.flush()
        await ledger.hold(session, ctx.account.id, row.id, hour)
        await events.record(session, ctx.account.id, row.id, "created", line="Status: queued")
        outbox.put(session, TRAIN_MESSAGE, row.id)
        return row

    return await once(ctx, "jobs.create", spec.model_dump(), Job, make)


async def get(ctx: Context, job_id: str) -> Job:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await _find(session, ctx, job_id)


async def page(
    ctx: Context,
    *,
    status: list[str] | None = None,
    method: str | None = None,
    base_model: str | None = None,
    dataset_id: str | None = None,
    reward_function_id: str | None = None,
    search: str | None = None,
    created: Span = ALWAYS,
    limit: int = 20,
    after: str | None = None,
) -> paging.Page[Job]:
    """Return the account's jobs that meet all of what is given; Invalid for a status or method that there is not.

    `search` keeps those whose output name contains it, whatever its case, and the one with this id.
    """
    ctx.require("read")
    unknown = [value for value in status or () if value not in job.STATUSES]
    if unknown:
        raise Invalid(f"Unknown status '{unknown[0]}'; there are {', '.join(job.STATUSES)}.", param="status")
    if method is not None and method not in METHODS:
        raise Invalid(f"Unknown method '{method}'; there are {', '.join(METHODS)}.", param="method")
    equal = {
        Job.method: method,
        Job.base_model: base_model,
        Job.dataset_id: dataset_id,
        Job.reward_function_id: reward_function_id,
    }
    where = [col(column) == value for column, value in equal.items() if value is not None]
    where += [col(Job.status).in_(status)] if status else []
    where += [or_(paging.contains(Job.output_name, search), col(Job.id) == search)] if search else []
    where += paging.within(Job.created_at, created)
    async with ctx.db.read() as session:
        return await paging.page(session, Job, Job.account_id == ctx.account.id, where=where, limit=limit, after=after)


async def cancel(ctx: Context, job_id: str) -> Job:
    """Cancel a job at once, with the end of its billing in the same transaction; InvalidState where it has ended already."""
    ctx.require("write")
    return await once(ctx, "jobs.cancel", {"job_id": job_id}, Job, lambda session: _cancel(session, ctx, job_id))


async def _cancel(session: Session, ctx: Context, job_id: str) -> Job:
    row = await _find(session, ctx, job_id, lock=True)
    if row.status in job.TERMINAL:
        raise InvalidState(f"The job is {row.status}; only a job that has not ended can be cancelled.")
    now = clock.now()
    await ledger.accrue(session, row.id, row.at_work_until, description=f"Training job {row.id}", close=True)
    await ledger.release(session, row.id)
    cost = await ledger.charged(session, row.id)
    await transitions.move(
        session, row, job.CANCELLED, line="Status: cancelled, by the user", completed_at=now, cost_micros=cost, phase=None
    )
    if not row.is_leased:
        await stream.end(session, row.id, job.STREAMS, job.CANCELLED)
    outbox.put(session, TRAIN_MESSAGE, row.id)
    return row


async def checkpoints(ctx: Context, job_id: str) -> list[Checkpoint]:
    """Return a job's checkpoints, oldest first."""
    ctx.require("read")
    async with ctx.db.read() as session:
        await _find(session, ctx, job_id)
        order = (col(Checkpoint.step), col(Checkpoint.created_at))
        return list((await session.exec(select(Checkpoint).where(Checkpoint.job_id == job_id).order_by(*order))).all())


async def all_checkpoints(
    ctx: Context, *, job_id: str | None = None, final: bool | None = None, limit: int = 20, after: str | None = None
) -> paging.Page[Checkpoint]:
    """Return the checkpoints of all of the account's jobs, newest first."""
    ctx.require("read")
    where = [] if job_id is None else [col(Checkpoint.job_id) == job_id]
    where += [] if final is None else [col(Checkpoint.final).is_(final)]
    async with ctx.db.read() as session:
        scope = Checkpoint.account_id == ctx.account.id
        return await paging.page(session, Checkpoint, scope, where=where, limit=limit, after=after)


async def final_checkpoint(ctx: Context, job_id: str) -> Checkpoint:
    """Return the trained model of a completed job; Invalid (`job_not_completed`) for any other."""
    ctx.require("read")
    async with ctx.db.read() as session:
        row = await _find(session, ctx, job_id)
        if row.status != job.COMPLETED:
            raise Invalid(f"The job is {row.status}: only a completed job has a model.", code="job_not_completed")
        return await find_final(session, job_id)


async def find_final(session: Session, job_id: str) -> Checkpoint:
    statement = (
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id, col(Checkpoint.final).is_(True))
        .order_by(col(Checkpoint.attempt).desc())
    )
    found = (await session.exec(statement)).first()
    if found is None:
        raise NotFound(f"The model of {job_id} is not stored here.")
    return found


async def _find(session: Session, ctx: Context, job_id: str, *, lock: bool = False) -> Job:
    row = await session.get(Job, job_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id:
        raise NotFound(f"No such training job: {job_id}")
    return row


def allowed(ctx: Context, row: Job) -> list[str]:
    """Return what the caller's key may do to a job as it stands: `cancel`, `deploy`, `download`."""
    if row.status == job.COMPLETED:
        return [*(["deploy"] if "write" in ctx.scopes else []), *(["download"] if "read" in ctx.scopes else [])]
    return ["cancel"] if row.status not in job.TERMINAL and "write" in ctx.scopes else []


streams = Streams(_find)
rows, last_rows, follow = streams.rows, streams.last_rows, streams.follow


def _check_method(spec: JobInput) -> None:
    if spec.method not in METHODS:
        raise Invalid(f"Unknown method '{spec.method}'; there are {', '.join(METHODS)}.", param="method")
    if spec.environments is not None:
        message = "OpenReward environments need their integration, which is not configured."
        raise Invalid(message, code="integration_not_configured", param="environments")
    if spec.reward_function_id is None:
        raise Invalid("A grpo job needs a reward function.", param="reward_function_id")


def _check_fit(ctx: Context, shape: Shape, hyperparameters: GrpoHyperparameters) -> None:
    """Refuse what the trainer would leave unused: more than one GPU, and 4-bit weights without the library that holds them."""
    if shape.count > 1 and not shape.is_cpu and not local.falls_back(ctx.core.settings):
        raise Invalid("A training job runs on one GPU.", param="gpu.count", hint="Ask for a count of 1.")
    if hyperparameters.load_in_4bit and importlib.util.find_spec("bitsandbytes") is None:
        raise Invalid("This installation has no bitsandbytes, which load_in_4bit needs.", param="hyperparameters.load_in_4bit")
