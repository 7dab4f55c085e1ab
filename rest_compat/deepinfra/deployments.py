"""Deployments as DeepInfra's clients know them: made, listed, shown, scaled, stopped, started and deleted.

What is stopped here is paused elsewhere: it holds nothing, costs nothing, and can be started again. What is deleted has been
stopped for good; it stays in the list.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, RootModel, model_validator
from starlette.requests import Request

from burnish.kit.errors import Invalid
from engines.compute import hardware
from engines.serving.engine_args import BadFlag, EngineArgs
from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica
from resolvers import deployment_changes, deployments, related
from resolvers.context import Context
from resolvers.deployment_inputs import MAX_REPLICAS, MAX_TOKEN, DeploymentInput, ScalingInput
from resolvers.inputs import MAX_NAME, Input, parse
from rest_compat import http
from rest_compat.deepinfra.errors import DEEPINFRA, IN_A_TEXT
from rest_compat.deepinfra.gpus import GpuName, asked_for, word_for
from rest_compat.operation import Handler, Operation
from rest_compat.wire import Wire

TAG = "DeepInfra"
DEPLOYMENT = "/deploy/{deploy_id}"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$"
TRAINED = ("job_", "ckpt_")
# What the engine takes on at most where nobody said how much.
ENGINES_OWN_BATCH = 256
PAGE = 500
Status = Literal["initializing", "downloading", "deploying", "running", "stopped", "failed", "deleted"]
# Where a deployment of each status here may stand in its life elsewhere.
STANDINGS: Mapping[str, tuple[str, ...]] = {
    "initializing": (dep.QUEUED, dep.PROVISIONING),
    "downloading": (dep.PROVISIONING, dep.UNHEALTHY),
    "deploying": (dep.PROVISIONING, dep.UNHEALTHY),
    "running": (dep.SERVING, dep.UNHEALTHY),
    "stopped": dep.ACTIVE,
    "failed": (dep.FAILED,),
    "deleted": (dep.STOPPED,),
}
Count = Annotated[int, Field(ge=0, le=MAX_REPLICAS)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class ScaleSettings(Input):
    """Between how many instances a deployment scales; the fewest are no more than the most."""

    min_instances: Count = Field(1, description="The fewest instances; 0 lets an idle deployment give up its last one.")
    max_instances: int = Field(1, ge=1, le=MAX_REPLICAS, description="The most instances.")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError("min_instances is more than max_instances")
        return self


class HFWeightsInput(Input):
    """Where a model's weights are."""

    repo: Text = Field(description="A repository of the Hugging Face hub, a model registered here, or a job or checkpoint.")
    revision: Text | None = Field(None, description="A commit or a branch of the repository.")
    token: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_TOKEN,
        pattern=r"^[\x21-\x7e]+$",
        repr=False,
        description="A token that may read the repository. It is kept encrypted and never given back.",
    )


class DeployLLMInput(Input):
    """A model to deploy, given as `hf`, as `base_model` or as both: then the weights of `hf` are served."""

    model_name: str = Field(
        pattern=NAME, max_length=MAX_NAME, description="`username/model-name`, unlike those of the other live deployments."
    )
    gpu: GpuName = Field(description="The hardware of each instance; `other` is a CPU.")
    num_gpus: int = Field(1, ge=1, le=hardware.MAX_COUNT, description="How many GPUs each instance has.")
    max_batch_size: int = Field(96, ge=1, le=256, description="How many requests an instance works on at once.")
    hf: HFWeightsInput | None = Field(None, description="The weights to serve.")
    base_model: Text | None = Field(None, description="A public model, or anything else that `hf.repo` may be.")
    container_image: str | None = Field(None, description="Only null: instances run engines of this installation.")
    settings: ScaleSettings | None = Field(None, description="How it scales; one instance by default.")
    extra_args: list[str] | None = Field(None, max_length=64, description="Flags of the engine, from a list of allowed ones.")

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if self.hf is None and self.base_model is None:
            raise ValueError("at least one of hf and base_model is required")
        return self

    @property
    def weights(self) -> HFWeightsInput:
        return self.hf or HFWeightsInput(repo=self.base_model or "")


class DeployLLMUpdate(Input):
    """What changes of a deployment."""

    settings: ScaleSettings = Field(description="How it scales from now on; what is left out of it has its default.")


class ListQuery(Input):
    """Which deployments to return."""

    status: str | None = Field(None, description=f"Statuses, with commas between them: {','.join(STANDINGS)}. All by default.")


class Instances(Wire):
    """How many instances there are."""

    running: int = Field(description="How many answer.")
    pending: int = Field(description="How many are being started.")


class HFWeights(Wire):
    """Where the weights are."""

    repo: str = Field(description="What was asked for.")
    revision: str | None = Field(description="The commit or branch that was asked for.")
    token: None = Field(None, description="Always null.")


class DeployLLMConfig(Wire):
    """What was asked for; it never changes."""

    gpu: GpuName = Field(description="The hardware of each instance; `other` is what has no name here, a CPU among it.")
    num_gpus: int = Field(description="How many GPUs each instance has.")
    max_batch_size: int = Field(description="How many requests an instance works on at once.")
    weights: HFWeights | None = Field(description="The weights; null where another server has them.")


class Settings(Wire):
    """How a deployment scales."""

    min_instances: int = Field(description="The fewest instances.")
    max_instances: int = Field(description="The most instances.")


class DeploymentOut(Wire):
    """A model kept ready to answer. Chat calls take its `model_name`, or `deploy_id:` and its id, as their `model`."""

    deploy_id: str
    model_name: str = Field(description="Its name.")
    version: str = Field(description="The commit or the checkpoint that is served; empty until it is known.")
    task: Literal["text-generation"] = Field("text-generation", description="What the model does.")
    status: Status
    fail_reason: str = Field(description="Why it failed; empty where it did not.")
    created_at: str
    updated_at: str
    type: Literal["llm"] = Field("llm", description="What kind of deployment it is.")
    instances: Instances = Field(description="The instances that there are just now.")
    config: DeployLLMConfig = Field(description="What was asked for.")
    settings: Settings = Field(description="How it scales.")


class DeploymentList(RootModel[list[DeploymentOut]]):
    """Deployments, newest first."""


class DeployStatusOut(Wire):
    """Which deployment it was."""

    deploy_id: str


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
    return shape(await deployments.create(ctx, parse(DeploymentInput, spec)), [])


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
    return _of(await deployment_changes.scale(ctx, request.path_params["deploy_id"], spec))


async def delete(ctx: Context, request: Request) -> DeployStatusOut:
    """Delete a deployment.

    It ends at once with its final bill, and stays in the list as `deleted`. One that has ended is left as it is.
    """
    return _of(await deployments.stop(ctx, request.path_params["deploy_id"]))


async def stop(ctx: Context, request: Request) -> DeployStatusOut:
    """Stop a deployment.

    Its instances end what they have begun, and nothing is billed until it is started again.
    """
    return _of(await deployment_changes.pause(ctx, request.path_params["deploy_id"]))


async def start(ctx: Context, request: Request) -> DeployStatusOut:
    """Start a deployment that was stopped."""
    return _of(await deployment_changes.resume(ctx, request.path_params["deploy_id"]))


def _of(row: Deployment) -> DeployStatusOut:
    return DeployStatusOut(deploy_id=row.id)


def _check(wanted: DeployLLMInput) -> None:
    """Invalid for what has the documented shape and cannot be done."""
    if wanted.container_image is not None:
        raise Invalid("container_image: instances run the engines of this installation, no images.", param="container_image")
    try:
        EngineArgs.parse(wanted.extra_args or [])
    except BadFlag as error:
        raise Invalid(f"extra_args: {error}", param="extra_args") from None


def _statuses(text: str | None) -> set[str] | None:
    if text is None:
        return None
    wanted = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(wanted - STANDINGS.keys())
    if unknown:
        raise Invalid(f"Unknown status '{unknown[0]}'; there are {', '.join(STANDINGS)}.", param="status")
    return wanted


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
