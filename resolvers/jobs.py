"""Training jobs: made, watched and cancelled by their account."""

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import structlog
from pydantic import BaseModel, Field, ValidationError, create_model
from sqlalchemy import update
from sqlmodel import col, or_, select

from burnish.kit import clock, ids, outbox, paging
from burnish.kit.db import Session
from burnish.kit.errors import BurnishError, Conflict, InsufficientCredit, Invalid, InvalidState, NotFound, SchemaInvalid
from burnish.kit.money import usd
from burnish.kit.paging import ALWAYS, Span
from engines import ending, erasing
from models import deployment as dep
from models import events, job, ledger, limits
from models.account import METERED, Account
from models.deployment import Deployment
from models.job import Checkpoint, Job
from resolvers import checkpoints as stored
from resolvers import hardware, job_checks, memory
from resolvers.billing import MAX_USD
from resolvers.context import Context
from resolvers.creating import once
from resolvers.destinations import CheckpointDestination
from resolvers.hardware import GpuInput, Offer
from resolvers.inputs import Input, problems_of
from resolvers.job_checks import Found
from resolvers.memory import Asked, Fit
from resolvers.methods import VIDEO
from resolvers.streams import Streams

OUTPUT_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
log = structlog.get_logger(__name__)


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
    max_cost_usd: Decimal | None = Field(
        None, gt=0, le=MAX_USD, decimal_places=6, description="Before it costs more, it saves a checkpoint and stops."
    )
    resume_from: str | None = Field(
        None, max_length=128, description="A checkpoint of another job to go on from: its id, or `job_…@step`."
    )
    requires_heartbeat: bool = Field(
        False, description="Whether the job is ended when heartbeats of its client came and then none for too long (300 seconds)."
    )
    volume: str | None = Field(None, max_length=256, description="Only null: volumes are a thing of another service.")


EVERY = frozenset(JobInput.model_fields)
REQUIRED = tuple(name for name, field in JobInput.model_fields.items() if field.is_required())
# A job with whatever is missing left open.
_open: Any = {name: (JobInput.model_fields[name].rebuild_annotation() | None, None) for name in REQUIRED}
_Draft: type[JobInput] = create_model("_Draft", __base__=JobInput, __module__=__name__, **_open)


@dataclass(frozen=True)
class Plan:
    """What would come of a job: everything that is wrong with it, what it would run on, and whether the credit covers its start.

    `hyperparameters` has all defaults in it; it, `offer` and `needed_micros` are None where what was asked for cannot be read.
    `memory` is None where it cannot be told, and `memory_unknown` says why where all else is right.
    """

    problems: list[BurnishError]
    hyperparameters: dict[str, Any] | None
    offer: Offer | None
    needed_micros: int | None
    balance_micros: int
    free_micros: int
    covered: bool
    memory: Fit | None
    memory_unknown: str | None


async def create(ctx: Context, spec: JobInput) -> Job:
    """Queue a job, with an hour of what it will run on set aside.

    SchemaInvalid for hyperparameters, Invalid for what cannot be trained here or does not fit together, NotFound for a dataset,
    reward function or checkpoint of nobody or of another, InsufficientCredit where the balance does not cover the start,
    RateLimited for more jobs than an account may have at once.
    """
    ctx.require("write")
    found = job_checks.of_itself(ctx.core, spec, EVERY)
    _raise_first(found)
    fit = await _memory(ctx, spec, found)

    async def make(session: Session) -> Job:
        await job_checks.of_others(session, ctx, spec, EVERY, found, lock=True)
        _raise_first(found)
        row = _row(ctx, spec, found)
        row.memory_estimate = asdict(fit) if isinstance(fit, Fit) else None
        if found.resumed is not None:
            before = await session.get_one(Job, found.resumed.job_id)
            row.resume_checkpoint_id, row.base_revision = found.resumed.id, before.base_revision
            row.first_step = row.current_step = found.resumed.step
        session.add(row)
        await session.flush()
        await ledger.hold(session, ctx.account.id, row.id, _needed_micros(ctx, found))
        await events.record(session, ctx.account.id, row.id, "created", line="Status: queued")
        outbox.put(session, ending.TRAIN_MESSAGE, row.id)
        return row

    return await once(ctx, "jobs.create", spec.model_dump(), Job, make)


def _raise_first(found: Found) -> None:
    for problem in found.problems:
        raise problem


def _row(ctx: Context, spec: JobInput, found: Found) -> Job:
    assert found.hyperparameters is not None
    now = clock.now()
    return Job(
        id=ids.new("job"),
        account_id=ctx.account.id,
        base_model=spec.base_model,
        dataset_id=spec.dataset_id,
        reward_function_id=spec.reward_function_id,
        method=spec.method,
        output_name=spec.output_name,
        hyperparameters=found.hyperparameters.model_dump(),
        hyperparameters_defaulted=_defaulted(found.hyperparameters),
        gpu_requested={"type": spec.gpu.type, "count": spec.gpu.count},
        provider_requested=spec.provider,
        max_cost_micros=found.cap_micros,
        checkpoint_destination=spec.checkpoint_destination.stored,
        environments=spec.environments,
        requires_heartbeat=spec.requires_heartbeat,
        created_at=now,
        updated_at=now,
    )


async def _memory(ctx: Context, spec: JobInput, found: Found) -> Fit | str:
    assert found.method is not None and found.hyperparameters is not None and found.shape is not None
    shares = spec.environments is None
    return await memory.estimate(ctx, Asked(found.method, spec.base_model, found.hyperparameters, found.shape, shares))


def _defaulted(hyperparameters: BaseModel) -> list[str]:
    return sorted(set(type(hyperparameters).model_fields) - hyperparameters.model_fields_set)


def _needed_micros(ctx: Context, found: Found) -> int:
    """Return what the start sets aside: an hour, less where a cap is lower."""
    assert found.shape is not None
    hour = hardware.hour_micros(ctx.core, found.shape)
    return hour if found.cap_micros is None else min(hour, found.cap_micros)


async def plan(ctx: Context, body: Mapping[str, Any]) -> Plan:
    """Check a job as `create` would, every field at once, and make nothing. What cannot be read is a problem like any other."""
    ctx.require("read")
    spec, given, unread = _read(body)
    found = job_checks.of_itself(ctx.core, spec, given)
    async with ctx.db.read() as session:
        await job_checks.of_others(session, ctx, spec, given, found, lock=False)
        account = await session.get_one(Account, ctx.account.id)
        if found.shape is not None:
            await found.wait(limits.within_budget(session, account.id, _needed_micros(ctx, found), for_update=False))
    offer, needed = None, None
    if found.shape is not None:
        offer, needed = hardware.offer(ctx, spec.gpu), _needed_micros(ctx, found)
    covered = account.billing_mode == METERED or (needed is not None and account.free_micros >= needed)
    problems = [*unread, *found.problems]
    if needed is not None and not covered:
        message = f"This needs {usd(needed):.6f} USD set aside, and {usd(account.free_micros):.6f} USD are free."
        problems.append(InsufficientCredit(message, balance_micros=account.balance_micros, needed_micros=needed))
    hyperparameters = None if found.hyperparameters is None else found.hyperparameters.model_dump()
    fit: Fit | str | None = None
    if "base_model" in given and found.is_countable:
        fit = await _memory(ctx, spec, found)
    return Plan(
        problems,
        hyperparameters,
        offer,
        needed,
        account.balance_micros,
        account.free_micros,
        covered,
        memory=fit if isinstance(fit, Fit) else None,
        memory_unknown=fit if isinstance(fit, str) else None,
    )


def _read(body: Mapping[str, Any]) -> tuple[JobInput, Set[str], list[BurnishError]]:
    """Return what of a job could be read, the names of these fields, and a problem for each of the others."""
    problems: list[BurnishError] = [job_checks.missing(name) for name in REQUIRED if body.get(name) is None]
    wrong: set[str] = set()
    try:
        spec = _Draft.model_validate(body)
    except ValidationError as error:
        problems += [SchemaInvalid(f"{item['param']}: {item['message']}", param=item["param"]) for item in problems_of(error)]
        wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
        spec = _Draft.model_validate({name: value for name, value in body.items() if name not in wrong})
    return spec, EVERY - wrong - {name for name in REQUIRED if getattr(spec, name) is None}, problems


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
    if method is not None:
        job_checks.method_of(method)
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
        scope = (Job.account_id == ctx.account.id, col(Job.deleted_at).is_(None))
        return await paging.page(session, Job, *scope, where=where, limit=limit, after=after)


async def cancel(ctx: Context, job_id: str) -> Job:
    """Cancel a job at once, with the end of its billing in the same transaction; InvalidState where it has ended already."""
    ctx.require("write")
    return await once(ctx, "jobs.cancel", {"job_id": job_id}, Job, lambda session: _cancel(session, ctx, job_id))


async def _cancel(session: Session, ctx: Context, job_id: str) -> Job:
    row = await _find(session, ctx, job_id, lock=True)
    if row.status in job.TERMINAL:
        raise InvalidState(f"The job is {row.status}; only a job that has not ended can be cancelled.")
    await ending.end_job(session, row, job.CANCELLED, line="Status: cancelled, by the user")
    return row


async def heartbeat(ctx: Context, job_id: str) -> Job:
    """Note that a job's client is there; InvalidState where the job has ended, so that the client can stop."""
    ctx.require("write")
    alive = (col(Job.id) == job_id, col(Job.status).in_(job.LIVE))
    async with ctx.db.transaction() as session:
        row = await _find(session, ctx, job_id)
        # Under no idempotency key: a heartbeat changes nothing that it would matter to do twice.
        await session.exec(update(Job).where(*alive).values(heartbeat_at=clock.now()))
        await session.refresh(row)
        if row.status in job.TERMINAL:
            raise InvalidState(f"The job is {row.status}: it needs no heartbeat any more.")
    return row


async def delete(ctx: Context, job_id: str) -> Job:
    """Delete a job that has ended, with its checkpoints, its log and all else that it said; what it cost stays in the ledger.

    InvalidState where it has not ended, Conflict where an active deployment serves its model or another job goes on from it.
    """
    ctx.require("write")
    row = await once(ctx, "jobs.delete", {"job_id": job_id}, Job, lambda session: _delete(session, ctx, job_id))
    if not row.is_leased:
        await erasing.attempt(ctx.core, erasing.erase_job, job_id)
    return row


async def _delete(session: Session, ctx: Context, job_id: str) -> Job:
    row = await _find(session, ctx, job_id, lock=True)
    if row.status not in job.TERMINAL:
        raise InvalidState(f"The job is {row.status}: only a job that has ended can be deleted.", hint="Cancel it first.")
    mine = select(Checkpoint.id).where(Checkpoint.job_id == job_id)
    of_it = or_(
        col(Deployment.checkpoint_id).in_(mine), (col(Deployment.model) == job_id) & (Deployment.source == "training_job")
    )
    serving = select(Deployment.id).where(Deployment.account_id == ctx.account.id, of_it, col(Deployment.status).in_(dep.ACTIVE))
    deployment_id = (await session.exec(serving)).first()
    if deployment_id is not None:
        raise Conflict(f"The deployment {deployment_id} serves this job's model.", hint="Stop it first.")
    going_on = select(Job.id).where(col(Job.resume_checkpoint_id).in_(mine), col(Job.status).in_(job.LIVE))
    other_id = (await session.exec(going_on)).first()
    if other_id is not None:
        raise Conflict(f"The job {other_id} goes on from a checkpoint of this one.", hint="Wait for its end, or cancel it.")
    now = clock.now()
    row.deleted_at = row.updated_at = now
    session.add(row)
    await session.exec(update(Checkpoint).where(col(Checkpoint.job_id) == job_id).values(deleted_at=now))
    await events.note(session, ctx.account.id, row.id, "deleted", {"name": row.output_name})
    return row


async def checkpoints(ctx: Context, job_id: str) -> list[Checkpoint]:
    """Return a job's checkpoints, oldest first."""
    ctx.require("read")
    async with ctx.db.read() as session:
        await _find(session, ctx, job_id)
        return await stored.of_job(session, job_id)


async def final_checkpoint(ctx: Context, job_id: str) -> Checkpoint:
    """Return the trained model of a completed job; Invalid (`job_not_completed`) for any other."""
    ctx.require("read")
    async with ctx.db.read() as session:
        row = await _find(session, ctx, job_id)
        if row.status != job.COMPLETED:
            raise Invalid(f"The job is {row.status}: only a completed job has a model.", code="job_not_completed")
        return await stored.find_final(session, job_id)


async def _find(session: Session, ctx: Context, job_id: str, *, lock: bool = False) -> Job:
    row = await session.get(Job, job_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise NotFound(f"No such training job: {job_id}")
    return row


def allowed(ctx: Context, row: Job) -> list[str]:
    """Return what the caller's key may do to a job as it stands: `cancel`, `delete`, `deploy`, `download`."""
    write, ended = "write" in ctx.scopes, row.status in job.TERMINAL
    with_model = row.status == job.COMPLETED
    possible = {
        "cancel": write and not ended,
        "delete": write and ended,
        "deploy": write and with_model and row.method != VIDEO.name,
        "download": "read" in ctx.scopes and with_model,
    }
    return [verb for verb, may in possible.items() if may]


streams = Streams(_find)
rows, last_rows, follow = streams.rows, streams.last_rows, streams.follow
