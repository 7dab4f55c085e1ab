"""Deployments: a trained checkpoint or a model by name, kept ready to answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func
from sqlalchemy import delete as sa_delete
from sqlalchemy import select as sa_select
from sqlmodel import col, or_, select

from burnish.kit import clock, ids, outbox, paging
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid, InvalidState, NotFound, RateLimited
from burnish.kit.paging import ALWAYS, Span
from engines import erasing
from engines.serving import addressing, stopping
from models import books, events, job, ledger, rollout
from models import deployment as dep
from models.async_completion import AsyncCompletion
from models.deployment import Deployment, InferenceRequest
from models.job import Checkpoint, Job
from models.replica import Replica
from resolvers import base_models, checkpoints, hardware
from resolvers.context import Context
from resolvers.creating import once, unchanged
from resolvers.deployment_inputs import DeploymentInput
from resolvers.hardware import GpuInput
from resolvers.methods import VIDEO
from resolvers.streams import Streams

RETRY_AFTER_S = 60


@dataclass(frozen=True)
class Totals:
    """What a deployment has served since it was made. `error_rate` is the share of requests answered with 400 or more."""

    total_requests: int
    total_prompt_tokens: int
    total_completion_tokens: int
    total_cost_micros: int
    avg_latency_ms: float
    error_rate: float
    uptime_seconds: float


async def create(ctx: Context, spec: DeploymentInput) -> Deployment:
    """Queue a deployment, with an hour of what it will run on at first set aside.

    NotFound for a job or a checkpoint of nobody or of another, InvalidState for one that has no model to serve, Conflict for a
    name that an active deployment has.
    """
    ctx.require("write")
    check(spec)

    async def make(session: Session) -> Deployment:
        return await begin(session, ctx, spec)

    token = None if spec.hf_token is None else ctx.core.secrets.hash_key(spec.hf_token)
    return await once(ctx, "deployments.create", {**spec.model_dump(), "hf_token": token}, Deployment, make)


def check(spec: DeploymentInput) -> None:
    """Invalid for what can be run nowhere, whoever asks for it."""
    hardware.shape_of(spec.gpu)
    hardware.check_provider(spec.provider)
    spec.check_engine_args()
    if spec.source == "huggingface":
        base_models.check_id(spec.model, "model")


async def begin(session: Session, ctx: Context, spec: DeploymentInput) -> Deployment:
    """Store a new deployment within a transaction and tell the hosts of it; raises as `create` does."""
    # The job before the account, as whoever ends a job does.
    checkpoint_id = await checkpoint_of(session, ctx, spec.model) if spec.source == "training_job" else None
    await check_limit(session, ctx)
    await check_name(session, ctx, spec.name)
    now = clock.now()
    deployment_id = ids.new("dep")
    sealed = None if spec.hf_token is None else ctx.core.secrets.encrypt(spec.hf_token, deployment_id)
    row = Deployment(
        id=deployment_id,
        account_id=ctx.account.id,
        name=spec.name,
        model=spec.model,
        source=spec.source,
        checkpoint_id=checkpoint_id,
        revision=spec.revision,
        model_requested=spec.model,
        revision_requested=spec.revision,
        sealed_hf_token=sealed,
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas,
        # One that may go down to none starts with one, which proves that it can serve.
        desired_replicas=max(1, spec.min_replicas),
        target_rps=spec.target_rps,
        target_latency_p95_ms=spec.target_latency_p95_ms,
        stabilisation_window_s=spec.stabilisation_window,
        max_batch_size=spec.max_batch_size,
        extra_args=spec.extra_args,
        gpu_requested={"type": spec.gpu.type, "count": spec.gpu.count},
        provider_requested=spec.provider,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    await rollout.add(session, row)
    hour = hardware.hour_micros(ctx.core, hardware.shape_of(spec.gpu)) * max(1, spec.min_replicas)
    await ledger.hold(session, ctx.account.id, row.id, hour)
    await events.record(session, ctx.account.id, row.id, "created", line="Status: queued")
    outbox.put(session, addressing.SERVE_MESSAGE, row.id)
    return row


def hour_of(ctx: Context, row: Deployment) -> int:
    """Return what an hour of the replicas that a deployment wants costs, in micro-dollars."""
    if row.source == dep.ADOPTED:
        return 0
    asked = hardware.shape_of(GpuInput.model_validate(row.gpu_requested))
    return hardware.hour_micros(ctx.core, asked) * row.desired_replicas


async def get(ctx: Context, deployment_id: str) -> Deployment:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, deployment_id)


async def page(
    ctx: Context,
    *,
    status: list[str] | None = None,
    source: str | None = None,
    model: str | None = None,
    search: str | None = None,
    created: Span = ALWAYS,
    limit: int = 50,
    after: str | None = None,
) -> paging.Page[Deployment]:
    """Return the account's deployments that meet all of what is given; Invalid for a status that there is not.

    `model` is a job's id or a model's name; `search` keeps those whose name contains it, whatever its case, and the one with
    this id.
    """
    ctx.require("read")
    unknown = [value for value in status or () if value not in dep.STATUSES]
    if unknown:
        raise Invalid(f"Unknown status '{unknown[0]}'; there are {', '.join(dep.STATUSES)}.", param="status")
    equal = {Deployment.source: source, Deployment.model: model}
    where = [col(column) == value for column, value in equal.items() if value is not None]
    where += [col(Deployment.status).in_(status)] if status else []
    where += [or_(paging.contains(Deployment.name, search), col(Deployment.id) == search)] if search else []
    where += paging.within(Deployment.created_at, created)
    async with ctx.db.read() as session:
        scope = (Deployment.account_id == ctx.account.id, col(Deployment.deleted_at).is_(None))
        return await paging.page(session, Deployment, *scope, where=where, limit=limit, after=after)


async def stop(ctx: Context, deployment_id: str) -> Deployment:
    """Stop a deployment at once, with its final billing in the same transaction; one that has ended is returned as it is."""
    ctx.require("write")
    request = {"deployment_id": deployment_id}
    return await once(ctx, "deployments.stop", request, Deployment, lambda session: _stop(session, ctx, deployment_id))


async def _stop(session: Session, ctx: Context, deployment_id: str) -> Deployment:
    row = await find(session, ctx, deployment_id, lock=True)
    if row.status in dep.TERMINAL:
        unchanged(session)
        return row
    await stopping.end(session, row, "Status: stopped, by the user")
    return row


async def delete(ctx: Context, deployment_id: str) -> Deployment:
    """Delete a deployment that has ended, with its log and all else that it said; what it cost stays in the ledger.

    InvalidState where it has not ended.
    """
    ctx.require("write")
    request = {"deployment_id": deployment_id}
    row = await once(ctx, "deployments.delete", request, Deployment, lambda session: _delete(session, ctx, deployment_id))
    if not row.is_leased:
        await erasing.attempt(ctx.core, erasing.erase_streams, deployment_id)
    return row


async def _delete(session: Session, ctx: Context, deployment_id: str) -> Deployment:
    row = await find(session, ctx, deployment_id, lock=True)
    if row.status not in dep.TERMINAL:
        message = f"The deployment is {row.status}: only one that has ended can be deleted."
        raise InvalidState(message, hint="Stop it first.")
    row.deleted_at = row.updated_at = clock.now()
    session.add(row)
    await session.exec(sa_delete(AsyncCompletion).where(col(AsyncCompletion.deployment_id) == row.id))
    await events.note(session, ctx.account.id, row.id, "deleted", {"name": row.name})
    return row


async def replicas(ctx: Context, deployment_id: str) -> list[Replica]:
    """Return a deployment's replicas, newest first."""
    ctx.require("read")
    async with ctx.db.read() as session:
        await find(session, ctx, deployment_id)
        statement = select(Replica).where(Replica.deployment_id == deployment_id).order_by(col(Replica.created_at).desc())
        return list((await session.exec(statement)).all())


async def requests(
    ctx: Context, deployment_id: str, *, limit: int = 50, after: str | None = None
) -> paging.Page[InferenceRequest]:
    """Return the log of a deployment's requests, newest first."""
    ctx.require("read")
    async with ctx.db.read() as session:
        await find(session, ctx, deployment_id)
        scope = InferenceRequest.deployment_id == deployment_id
        return await paging.page(session, InferenceRequest, scope, limit=limit, after=after)


async def totals(ctx: Context, deployment_id: str) -> Totals:
    """Return the aggregate figures of a deployment."""
    found = await totals_of(ctx, [deployment_id])
    if deployment_id not in found:
        raise NotFound(f"No such deployment: {deployment_id}")
    return found[deployment_id]


async def totals_of(ctx: Context, deployment_ids: Sequence[str]) -> dict[str, Totals]:
    """Return the aggregate figures of those of the deployments that are the caller's."""
    ctx.require("read")
    known = (Deployment.account_id == ctx.account.id, col(Deployment.deleted_at).is_(None))
    mine = (*known, col(Deployment.id).in_(set(deployment_ids)))
    of_these = col(InferenceRequest.deployment_id).in_(set(deployment_ids))
    columns = (
        col(InferenceRequest.deployment_id),
        func.count(col(InferenceRequest.id)),
        func.sum(col(InferenceRequest.prompt_tokens)),
        func.sum(col(InferenceRequest.completion_tokens)),
        func.coalesce(func.avg(case((InferenceRequest.was_taken(), col(InferenceRequest.latency_ms)))), 0.0),
        func.sum(case((col(InferenceRequest.status_code) >= dep.FAILED_FROM, 1), else_=0)),
    )
    grouped = sa_select(*columns).where(of_these).group_by(col(InferenceRequest.deployment_id))
    async with ctx.db.read() as session:
        rows = (await session.exec(select(Deployment).where(*mine))).all()
        figures = {found[0]: found[1:] for found in (await (await session.connection()).execute(grouped)).all()}
    return {row.id: _totals(row, *figures.get(row.id, (0, 0, 0, 0.0, 0))) for row in rows}


def _totals(row: Deployment, count: int, prompt_tokens: int, completion_tokens: int, latency_ms: float, failed: int) -> Totals:
    until = row.stopped_at or clock.now()
    return Totals(
        total_requests=count,
        total_prompt_tokens=int(prompt_tokens),
        total_completion_tokens=int(completion_tokens),
        total_cost_micros=row.cost_micros,
        avg_latency_ms=round(float(latency_ms), 3),
        error_rate=round(int(failed) / count, 6) if count else 0.0,
        uptime_seconds=round(clock.seconds_between(row.serving_since, until), 3) if row.serving_since else 0.0,
    )


async def serving(ctx: Context) -> list[Deployment]:
    """Return the deployments that have served and are active: what `/v1/models` lists."""
    ctx.require("read")
    active = col(Deployment.status).in_((dep.SERVING, dep.UNHEALTHY))
    async with ctx.db.read() as session:
        statement = select(Deployment).where(Deployment.account_id == ctx.account.id, active)
        return list((await session.exec(statement.order_by(col(Deployment.created_at).desc()))).all())


async def find(session: Session, ctx: Context, deployment_id: str, *, lock: bool = False) -> Deployment:
    """Return the caller's deployment, locked where a change follows; NotFound where it has none with this id."""
    row = await session.get(Deployment, deployment_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise NotFound(f"No such deployment: {deployment_id}")
    return row


def allowed(ctx: Context, row: Deployment) -> list[str]:
    """Return what the caller's key may do to a deployment as it stands: `chat`, `delete`, `pause`, `resume`, `scale`, `stop`,
    `update`.
    """
    active, own = row.status in dep.ACTIVE, row.source != dep.ADOPTED
    found = {
        "delete": not active,
        "pause": active and row.paused_at is None,
        "resume": active and row.paused_at is not None,
        "scale": active and own,
        "stop": active,
        "update": active and own,
    }
    chat = row.status == dep.SERVING and "inference" in ctx.scopes
    write = "write" in ctx.scopes
    return [*(["chat"] if chat else []), *(action for action, can in found.items() if can and write)]


streams = Streams(find)
rows, last_rows, follow = streams.rows, streams.last_rows, streams.follow


async def checkpoint_of(session: Session, ctx: Context, reference: str) -> str:
    """Return the id of the trained model that a job's or a checkpoint's id names; the job is locked, so that it is not deleted
    while its model is taken.

    NotFound for what nobody or another has, InvalidState where there is no model that can be served.
    """
    checkpoint = await session.get(Checkpoint, reference) if reference.startswith("ckpt_") else None
    job_id = reference if checkpoint is None else checkpoint.job_id
    row = await session.get(Job, job_id, with_for_update=True)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        what = "checkpoint" if reference.startswith("ckpt_") else "training job"
        raise NotFound(f"No such {what}: {reference}", param="model")
    if row.method == VIDEO.name:
        message = f"The job {job_id} trained a video model, and deployments answer with text."
        hint = "Download its LoRA, and load it with diffusers on the base model."
        raise InvalidState(message, param="model", hint=hint)
    if checkpoint is not None:
        if checkpoint.deleted_at is not None:
            raise NotFound(f"No such checkpoint: {reference}", param="model")
        if not checkpoint.final:
            message = f"{reference} is a state of the trainer, not a model that can be served."
            raise InvalidState(message, param="model", hint="Deploy the job, or its final checkpoint.")
        return checkpoint.id
    if row.status != job.COMPLETED:
        raise InvalidState(f"The job {job_id} is {row.status}: only a completed job has a model to deploy.", param="model")
    return (await checkpoints.find_final(session, job_id)).id


async def check_limit(session: Session, ctx: Context) -> None:
    """RateLimited (`ACTIVE_DEPLOYMENT_LIMIT`) where the account has as many deployments as the operator allows."""
    most = ctx.core.settings.active_deployments
    if not most:
        return
    # The account's row is the queue in which parallel starts stand.
    await books.lock(session, ctx.account.id)
    mine = (Deployment.account_id == ctx.account.id, col(Deployment.status).in_(dep.ACTIVE))
    count = (await session.exec(select(func.count(col(Deployment.id))).where(*mine))).one()
    if count >= most:
        message = f"This account has {count} active deployments, and {most} are allowed at once."
        raise RateLimited(message, code="ACTIVE_DEPLOYMENT_LIMIT", retry_after_s=RETRY_AFTER_S)


async def check_name(session: Session, ctx: Context, name: str) -> None:
    active = col(Deployment.status).in_(dep.ACTIVE)
    statement = select(Deployment.id).where(Deployment.account_id == ctx.account.id, Deployment.name == name, active)
    if (await session.exec(statement)).first() is not None:
        raise Conflict(f"An active deployment is called {name} already.", param="name", hint="Stop it, or take another name.")
