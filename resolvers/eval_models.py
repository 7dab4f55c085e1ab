"""Who answers for a run: an active deployment of what the caller names, or one that is made for the run and ends with it."""

from dataclasses import dataclass

from sqlmodel import case, col, exists, or_, select

from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound
from engines.compute import hardware as shapes
from engines.compute import local
from engines.serving import addressing
from models import deployment as dep
from models.deployment import Deployment
from models.eval import EvalRun
from models.job import Checkpoint, Job
from resolvers import base_models, deployments, hardware, waking
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.hardware import GpuInput

TRAINED = ("job_", "ckpt_")
DEPLOYMENT = "dep_"


@dataclass(frozen=True)
class Answering:
    """A deployment, and whether it was made for just this."""

    deployment: Deployment
    owned: bool


async def cheapest(ctx: Context, model: str) -> GpuInput | None:
    """Return the cheapest hardware of a live host that holds a model, as far as its name tells its size; None where there is
    none. What a job trained is as large as what it started from.
    """
    if model.startswith(TRAINED):
        model = await _base(ctx, model)
    if local.falls_back(ctx.core.settings):
        return GpuInput(type=shapes.CPU, count=1)
    wanted = [GpuInput(type=name, count=1) for name in (shapes.CPU, *shapes.GPU_TYPES)]
    found = hardware.cheapest(await hardware.configurations(ctx, wanted), model)
    return None if found is None else GpuInput(type=found.asked.type, count=found.asked.count)


async def _base(ctx: Context, reference: str) -> str:
    async with ctx.db.read() as session:
        row = await session.get(Checkpoint, reference) if reference.startswith("ckpt_") else None
        job = await session.get(Job, reference if row is None else row.job_id)
    return "" if job is None or job.account_id != ctx.account.id else job.base_model


async def find(session: Session, ctx: Context, model: str, name: str, gpu: GpuInput | None, provider: str | None) -> Answering:
    """Return who answers for a model; a deployment that is made is called `name`, and runs on `gpu` of `provider`.

    NotFound for what nobody or another has, Invalid (`deployment_not_serving`) for a deployment that has ended or is paused,
    InvalidState for a job without a model, and whatever keeps a deployment from being made.
    """
    named = await addressing.by_reference(session, ctx.account, model)
    if named is not None:
        waking.check(named)
        return Answering(named, owned=False)
    if model.startswith((DEPLOYMENT, addressing.BY_ID)):
        raise NotFound(f"No such deployment: {model}", param="model")
    if model.startswith(TRAINED):
        checkpoint_id = await deployments.checkpoint_of(session, ctx, model)
        same = col(Deployment.checkpoint_id) == checkpoint_id
        source = "training_job"
    else:
        base_models.check_id(model, "model")
        same = (col(Deployment.source) == "huggingface") & (col(Deployment.model) == model)
        same &= or_(col(Deployment.revision_requested).is_(None), col(Deployment.revision_requested) == "main")
        source = "huggingface"
    # One that was made for another run ends with that.
    lent = exists().where(col(EvalRun.deployment_id) == col(Deployment.id), col(EvalRun.owns_deployment))
    at_hand = (Deployment.account_id == ctx.account.id, col(Deployment.status).in_(dep.ACTIVE), ~lent)
    statement = select(Deployment).where(*at_hand, col(Deployment.paused_at).is_(None), same)
    ready_first = case((col(Deployment.status) == dep.SERVING, 0), else_=1)
    row = (await session.exec(statement.order_by(ready_first, col(Deployment.created_at)).limit(1))).first()
    if row is not None:
        return Answering(row, owned=False)
    if gpu is None:
        message = f"No deployment serves {model}, and no running host has hardware that holds it."
        raise Invalid(message, param="gpu", hint="Name the hardware that one is to wait for, or deploy it first.")
    wanted = {"model": model, "source": source, "name": name, "gpu": gpu.model_dump(), "provider": provider}
    spec = DeploymentInput.model_validate(wanted)
    deployments.check(spec)
    return Answering(await deployments.begin(session, ctx, spec), owned=True)
