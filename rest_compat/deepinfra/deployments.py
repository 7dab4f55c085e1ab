"""Deployments as DeepInfra's clients know them: made, listed, shown, scaled, stopped, started and deleted.

What is stopped here is paused elsewhere: it holds nothing, costs nothing, and can be started again. What is deleted has been
stopped for good; it stays in the list.
"""

from collections.abc import Awaitable, Iterable, Mapping, Sequence

from starlette.requests import Request

from burnish.kit.errors import Conflict, Invalid, InvalidState
from engines.serving.engine_args import BadFlag, EngineArgs
from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica
from resolvers import deployment_changes, deployments, related
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput, ScalingInput
from resolvers.inputs import Input, parse
from rest_compat import http
from rest_compat.deepinfra.errors import DEEPINFRA, IN_A_TEXT
from rest_compat.deepinfra.gpus import asked_for, word_for
from rest_compat.deepinfra.wire import (
    STATUSES,
    DeployLLMConfig,
    DeployLLMInput,
    DeployLLMUpdate,
    DeploymentList,
    DeploymentOut,
    DeployStatusOut,
    HFWeights,
    Instances,
    ListQuery,
    ScaleSettings,
    Settings,
    Status,
)
from rest_compat.operation import Handler, Operation

TAG = "DeepInfra"
DEPLOYMENT = "/deploy/{deploy_id}"
TRAINED = ("job_", "ckpt_")
# What the engine takes on at most where nobody said how much.
ENGINES_OWN_BATCH = 256
PAGE = 500

# Where a deployment of each status here may stand in its life elsewhere.
STANDINGS: Mapping[Status, tuple[str, ...]] = {
    "initializing": (dep.QUEUED, dep.PROVISIONING),
    "downloading": (dep.PROVISIONING, dep.UNHEALTHY),
    "deploying": (dep.PROVISIONING, dep.UNHEALTHY),
    "running": (dep.SERVING, dep.UNHEALTHY),
    "stopped": dep.ACTIVE,
    "failed": (dep.FAILED,),
    "deleted": (dep.STOPPED,),
}


def shape(row: Deployment, replicas: Iterable[Replica]) -> DeploymentOut:
    """Return a deployment as DeepInfra's clients see it."""
    statuses = [one.status for one in replicas]
    weights = None if row.model_requested is None else HFWeights(repo=row.model_requested, revision=row.revision_requested)
    return DeploymentOut.model_validate(
        {
            "deploy_id": row.id,
            "model_name": row.name,
            "version": row.revision or row.checkpoint_id or "",
            "status": status_of(row, statuses),
            "fail_reason": row.error or "",
            "created_at": row.created_at.isoformat(),
            "updated_at": row.updated_at.isoformat(),
            "instances": Instances(
                running=statuses.count(replica.RUNNING), pending=sum(one in replica.STARTING for one in statuses)
            ),
            "config": DeployLLMConfig(
                gpu=word_for(row.gpu_requested["type"]),
                num_gpus=row.gpu_requested["count"],
                max_batch_size=row.max_batch_size or ENGINES_OWN_BATCH,
                weights=weights,
            ),
            "settings": Settings(min_instances=row.min_replicas, max_instances=row.max_replicas),
        }
    )


def status_of(row: Deployment, replicas: Sequence[str]) -> Status:
    """Return the status of a deployment whose replicas have these."""
    ended: dict[str, Status] = {dep.STOPPED: "deleted", dep.FAILED: "failed"}
    if row.status in ended:
        return ended[row.status]
    if row.paused_at is not None:
        return "stopped"
    if row.status == dep.SERVING or replica.RUNNING in replicas:
        return "running"
    if replica.LOADING in replicas or replica.WARMING in replicas:
        return "deploying"
    if replica.PULLING in replicas:
        return "downloading"
    return "deploying" if row.status == dep.UNHEALTHY else "initializing"


async def create(ctx: Context, request: Request) -> DeploymentOut:
    """Deploy a model.

    `hf.repo` and `base_model` may be a repository of the Hugging Face hub, a model registered here, a completed training job or a
    checkpoint. The deployment begins at once, with an hour of its hardware set aside from the credit. A flag of `extra_args` that
    may not be set, or not so, is 400 and named.
    """
    wanted = parse(DeployLLMInput, await http.json_object(request, ctx.core.settings))
    _check(wanted)
    settings, weights = wanted.settings or ScaleSettings(), wanted.weights
    spec = {
        "model": weights.repo,
        "name": wanted.model_name,
        "source": dep.TRAINING_JOB if weights.repo.startswith(TRAINED) else dep.HUGGINGFACE,
        "gpu": {"type": asked_for(wanted.gpu), "count": wanted.num_gpus},
        "revision": weights.revision,
        "hf_token": weights.token,
        "min_replicas": settings.min_instances,
        "max_replicas": settings.max_instances,
        "max_batch_size": wanted.max_batch_size,
        "extra_args": wanted.extra_args or [],
    }
    try:
        return shape(await deployments.create(ctx, parse(DeploymentInput, spec)), [])
    except Conflict as error:
        # What is only stopped keeps its name in this dialect.
        hint = "Delete it, or take another name." if error.param == "name" else error.hint
        raise Conflict(error.message, code=error.code, param=error.param, hint=hint) from None


async def page(ctx: Context, request: Request) -> DeploymentList:
    """List all deployments, those that were deleted too."""
    query = parse(ListQuery, dict(request.query_params), at="query")
    wanted = _statuses(query.status)
    standings = None if wanted is None else sorted({one for status in wanted for one in STANDINGS[status]})
    rows: list[Deployment] = []
    more = wanted is None or bool(wanted)
    while more:
        found = await deployments.page(ctx, status=standings, limit=PAGE, after=rows[-1].id if rows else None)
        rows, more = rows + found.items, found.has_more
    replicas = await related.replicas(ctx, [row.id for row in rows if row.status in dep.ACTIVE])
    shown = [shape(row, replicas.get(row.id, [])) for row in rows]
    return DeploymentList([one for one in shown if wanted is None or one.status in wanted])


async def get(ctx: Context, request: Request) -> DeploymentOut:
    """Get a deployment."""
    row = await deployments.get(ctx, request.path_params["deploy_id"])
    return shape(row, await deployments.replicas(ctx, row.id))


async def update(ctx: Context, request: Request) -> DeployStatusOut:
    """Change how a deployment scales."""
    body = parse(DeployLLMUpdate, await http.json_object(request, ctx.core.settings), at="body")
    spec = ScalingInput(min_replicas=body.settings.min_instances, max_replicas=body.settings.max_instances)
    return await _changed(ctx, request, deployment_changes.scale(ctx, request.path_params["deploy_id"], spec))


async def delete(ctx: Context, request: Request) -> DeployStatusOut:
    """Delete a deployment.

    It ends at once with its final bill, frees its name, and stays in the list as `deleted`. One that has ended is left.
    """
    return DeployStatusOut(deploy_id=(await deployments.stop(ctx, request.path_params["deploy_id"])).id)


async def stop(ctx: Context, request: Request) -> DeployStatusOut:
    """Stop a deployment.

    Its instances end what they have begun, and nothing is billed until it is started again.
    """
    return await _changed(ctx, request, deployment_changes.pause(ctx, request.path_params["deploy_id"]))


async def start(ctx: Context, request: Request) -> DeployStatusOut:
    """Start a deployment that was stopped."""
    return await _changed(ctx, request, deployment_changes.resume(ctx, request.path_params["deploy_id"]))


async def _changed(ctx: Context, request: Request, change: Awaitable[Deployment]) -> DeployStatusOut:
    """Answer a change; what has ended is called here as it is shown here."""
    try:
        return DeployStatusOut(deploy_id=(await change).id)
    except InvalidState as error:
        row = await deployments.get(ctx, request.path_params["deploy_id"])
        if row.status not in dep.TERMINAL:
            raise
        raise InvalidState(f"The deployment is {status_of(row, [])}.", hint=error.hint) from None


def _check(wanted: DeployLLMInput) -> None:
    """Invalid for what has the documented shape and cannot be done."""
    if wanted.container_image is not None:
        raise Invalid("container_image: instances run the engines of this installation, no images.", param="container_image")
    try:
        EngineArgs.parse(wanted.extra_args or [])
    except BadFlag as error:
        raise Invalid(f"extra_args: {error}", param="extra_args") from None


def _statuses(text: str | None) -> list[Status] | None:
    if text is None:
        return None
    wanted = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(wanted.difference(STATUSES))
    if unknown:
        raise Invalid(f"Unknown status '{unknown[0]}'; there are {', '.join(STATUSES)}.", param="status")
    return [status for status in STATUSES if status in wanted]


def _listing(path: str) -> Operation:
    return Operation(
        method="GET",
        path=path,
        handler=page,
        tag=TAG,
        answers=DeploymentList,
        query=ListQuery,
        errors=(400,),
        dialect=DEEPINFRA,
    )


def _change(method: str, path: str, handler: Handler, *errors: int, body: type[Input] | None = None) -> Operation:
    return Operation(
        method=method,
        path=path,
        handler=handler,
        tag=TAG,
        answers=DeployStatusOut,
        body=body,
        errors=errors,
        dialect=DEEPINFRA,
    )


OPERATIONS = [
    Operation(
        method="POST",
        path="/deploy/llm",
        handler=create,
        tag=TAG,
        answers=DeploymentOut,
        body=DeployLLMInput,
        idempotent=True,
        errors=(400, 402, 404, 409, 413, 429),
        dialect=IN_A_TEXT,
    ),
    _listing("/deploy/list"),
    _listing("/deploy/list/"),
    Operation(method="GET", path=DEPLOYMENT, handler=get, tag=TAG, answers=DeploymentOut, errors=(404,), dialect=DEEPINFRA),
    _change("PUT", DEPLOYMENT, update, 400, 404, 413, body=DeployLLMUpdate),
    _change("DELETE", DEPLOYMENT, delete, 404),
    _change("POST", f"{DEPLOYMENT}/stop", stop, 400, 404),
    _change("POST", f"{DEPLOYMENT}/start", start, 400, 402, 404),
]
