"""Changes of a deployment that serves: how it scales, what it serves, whether it runs at all.

They say what is wanted; the deployment's host brings it about.
"""

from typing import Any

from sqlmodel import col, select

from burnish.kit import clock, outbox
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, InvalidState
from engines.serving import addressing
from models import billing, events, ledger, replica, rollout, transitions
from models import deployment as dep
from models.deployment import Deployment, DeploymentVersion
from models.replica import Replica
from resolvers import base_models, deployments
from resolvers.context import Context
from resolvers.creating import once, unchanged
from resolvers.deployment_inputs import ScalingInput, VersionInput


async def scale(ctx: Context, deployment_id: str, spec: ScalingInput) -> Deployment:
    """Change how a deployment scales; new bounds hold at once, targets with the next look at its load.

    Invalid where it would want more replicas at least than at most.
    """
    ctx.require("write")

    async def make(session: Session) -> Deployment:
        row = await _active(session, ctx, deployment_id)
        if row.source == dep.ADOPTED:
            raise InvalidState("An adopted deployment has no replicas of ours to scale.")
        changed = {key: value for key, value in spec.given.items() if getattr(row, key) != value}
        if not changed:
            unchanged(session)
            return row
        for key, value in changed.items():
            setattr(row, key, value)
        if row.min_replicas > row.max_replicas:
            raise Invalid(
                f"min_replicas ({row.min_replicas}) is more than max_replicas ({row.max_replicas}).", param="min_replicas"
            )
        told = ", ".join(f"{key} {value:g}" for key, value in changed.items())
        await _changed(session, ctx, row, "scaling_changed", changed, f"Scaling: {told}")
        await _keep_bounds(session, ctx, row)
        return row

    request = {"deployment_id": deployment_id, **spec.given}
    return await once(ctx, "deployments.scale", request, Deployment, make)


async def update(ctx: Context, deployment_id: str, spec: VersionInput) -> Deployment:
    """Serve another model under the same name: replicas of the new version take over one by one, and no request fails.

    NotFound and InvalidState as for a new deployment.
    """
    ctx.require("write")
    if spec.source == dep.HUGGINGFACE:
        base_models.check_id(spec.model, "model")

    async def make(session: Session) -> Deployment:
        checkpoint_id = await deployments.checkpoint_of(session, ctx, spec.model) if spec.source == dep.TRAINING_JOB else None
        row = await _active(session, ctx, deployment_id)
        if row.source == dep.ADOPTED:
            raise InvalidState("What an adopted deployment serves is decided where it runs.")
        if (row.model, row.source, row.checkpoint_id) == (spec.model, spec.source, checkpoint_id) and spec.revision is None:
            unchanged(session)
            return row
        row.model, row.source, row.checkpoint_id, row.revision = spec.model, spec.source, checkpoint_id, spec.revision
        row.version = await rollout.next_number(session, deployment_id)
        await rollout.add(session, row)
        told = {"version": row.version, "model": row.model, "checkpoint_id": checkpoint_id}
        await _changed(session, ctx, row, "update_started", told, f"Version {row.version} is rolled out: {row.model}")
        return row

    request = {"deployment_id": deployment_id, **spec.model_dump()}
    return await once(ctx, "deployments.update", request, Deployment, make)


async def pause(ctx: Context, deployment_id: str) -> Deployment:
    """Let a deployment's replicas end what they have begun and stop; nothing is billed until it is resumed."""
    ctx.require("write")

    async def make(session: Session) -> Deployment:
        row = await _active(session, ctx, deployment_id)
        if row.paused_at is not None:
            unchanged(session)
            return row
        row.paused_at = clock.now()
        if row.source != dep.ADOPTED:
            await _tell_all(session, row)
        row.cost_micros = await billing.settle(session, row)
        await _changed(session, ctx, row, "paused", {}, "Paused by the user")
        if row.status != dep.QUEUED:
            await transitions.move(session, row, dep.QUEUED, line="Status: queued, paused by the user")
        return row

    return await once(ctx, "deployments.pause", {"deployment_id": deployment_id}, Deployment, make)


async def resume(ctx: Context, deployment_id: str) -> Deployment:
    """Start a paused deployment again, with an hour of what it will run on set aside."""
    ctx.require("write")

    async def make(session: Session) -> Deployment:
        row = await _active(session, ctx, deployment_id)
        if row.paused_at is None:
            unchanged(session)
            return row
        row.paused_at = None
        row.desired_replicas = max(1, row.min_replicas)
        if row.source != dep.ADOPTED:
            await ledger.hold(session, ctx.account.id, row.id, deployments.hour_of(ctx, row))
        await _changed(session, ctx, row, "resumed", {}, "Resumed by the user")
        return row

    return await once(ctx, "deployments.resume", {"deployment_id": deployment_id}, Deployment, make)


async def versions(ctx: Context, deployment_id: str) -> list[DeploymentVersion]:
    """Return what a deployment serves and has served, newest first."""
    ctx.require("read")
    async with ctx.db.read() as session:
        await deployments.find(session, ctx, deployment_id)
        of_it = select(DeploymentVersion).where(DeploymentVersion.deployment_id == deployment_id)
        return list((await session.exec(of_it.order_by(col(DeploymentVersion.number).desc()))).all())


async def _keep_bounds(session: Session, ctx: Context, row: Deployment) -> None:
    """Want no fewer replicas than the least and no more than the most, without waiting for a look at the load."""
    before, bound = row.desired_replicas, "min_replicas" if row.desired_replicas < row.min_replicas else "max_replicas"
    row.desired_replicas = max(row.min_replicas, min(row.max_replicas, before))
    if row.desired_replicas == before or row.paused_at is not None:
        return
    told = {
        "from": before,
        "to": row.desired_replicas,
        "reason": f"{before}→{row.desired_replicas}: {bound} {row.desired_replicas}",
    }
    await _changed(session, ctx, row, "scaled", told, f"Scaled {told['reason']}")


async def _tell_all(session: Session, row: Deployment) -> None:
    """Tell all replicas to end with the pause itself: their billing ends with it, and one that a resumption came before would
    serve on without.
    """
    going = (Replica.deployment_id == row.id, col(Replica.ended_at).is_(None), col(Replica.stop_requested_at).is_(None))
    for each in (await session.exec(select(Replica).where(*going))).all():
        each.stop_requested_at, each.stop_reason = row.paused_at, replica.PAUSED
        if each.status == replica.PENDING:
            each.status, each.ended_at = replica.STOPPED, row.paused_at
        session.add(each)
    await session.flush()


async def _active(session: Session, ctx: Context, deployment_id: str) -> Deployment:
    row = await deployments.find(session, ctx, deployment_id, lock=True)
    if row.status in dep.TERMINAL:
        raise InvalidState(f"The deployment is {row.status}.", hint="Make a new one.")
    return row


async def _changed(session: Session, ctx: Context, row: Deployment, kind: str, told: dict[str, Any], line: str) -> None:
    row.updated_at = clock.now()
    session.add(row)
    await session.flush()
    await events.record(session, ctx.account.id, row.id, kind, told, attempt=row.attempt, line=line)
    outbox.put(session, addressing.SERVE_MESSAGE, row.id)
