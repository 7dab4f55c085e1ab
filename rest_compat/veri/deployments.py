"""Deployments: made, listed, shown and stopped."""

from datetime import datetime
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.money import usd_float
from models import deployment as dep
from models.deployment import Deployment
from resolvers import adopting, deployments
from resolvers.adopting import AdoptInput
from resolvers.context import Context
from resolvers.deployment_inputs import DeploymentInput
from resolvers.inputs import parse
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.veri.jobs import Gpu
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "Deployments"
DEPLOYMENT = "/v1/deployments/{deployment_id}"
OWN_HOSTS = "local"


class DeploymentObject(Wire):
    """A model kept ready to answer."""

    id: str
    object: Literal["deployment"] = "deployment"
    status: Literal["queued", "provisioning", "serving", "unhealthy", "stopped", "failed"]
    name: str
    model: str
    source: Literal["training_job", "huggingface", "adopted"]
    endpoint_url: str | None = Field(description="The path of the chat route, once it has served.")
    gpu: Gpu = Field(description="What it really runs on; what was asked for until that is known.")
    provider: str | None
    cost_per_hour_usd: float | None
    total_cost_usd: float
    total_requests: int
    error: str | None
    started_at: datetime | None
    stopped_at: datetime | None
    created_at: datetime
    updated_at: datetime
    min_replicas: int
    max_replicas: int
    desired_replicas: int = Field(description="How many replicas the autoscaler wants now, unless it is paused.")
    target_rps: float
    target_latency_p95_ms: float
    stabilisation_window: int
    max_batch_size: int | None
    extra_args: list[str]
    revision: str | None = Field(description="The commit of the model, where it came from Hugging Face.")
    version: int = Field(description="The number of the version that is wanted: the newest that has not failed.")
    engine: str | None = Field(description="What runs the model, such as `vllm`; null until that is known.")
    engine_reason: str | None = Field(description="Why this engine.")
    paused_at: datetime | None = Field(description="Since when it is paused: it has no replicas and costs nothing.")


class DeploymentPage(PageQuery):
    """Which page of a list to return."""

    limit: int = Field(50, ge=1, le=100, description="How many elements to return.")


class DeploymentQuery(DeploymentPage):
    """Which deployments to return."""

    status: str | None = Field(None, description=f"One of {', '.join(dep.STATUSES)}.")


def shape(row: Deployment) -> DeploymentObject:
    """Return a deployment as its callers see it."""
    rate = row.rate_micros_per_hour
    return DeploymentObject.model_validate(
        {
            **row.model_dump(),
            "stabilisation_window": row.stabilisation_window_s,
            "endpoint_url": row.endpoint_url,
            "gpu": row.gpu or row.gpu_requested,
            # Where nobody asked for another, it is one of our own hosts that will take it.
            "provider": row.provider or row.provider_requested or OWN_HOSTS,
            "cost_per_hour_usd": None if rate is None else usd_float(rate),
            "total_cost_usd": usd_float(row.cost_micros),
        }
    )


async def create(ctx: Context, request: Request) -> DeploymentObject:
    """Deploy a model.

    `model` is the id of a completed training job or of its final checkpoint, or with `source: huggingface` a model's name. It is
    queued at once, and an hour of what it will run on at first is set aside from the credit.
    """
    spec = parse(DeploymentInput, await http.json_object(request, ctx.core.settings))
    return shape(await deployments.create(ctx, spec))


async def adopt(ctx: Context, request: Request) -> DeploymentObject:
    """Adopt a server that runs already.

    Only the operator's account may. Its requests go to an OpenAI-compatible server of somebody else's, with our keys, metering
    and logs in front; it costs nothing, and serves as soon as the server has answered with a token.
    """
    spec = parse(AdoptInput, await http.json_object(request, ctx.core.settings))
    return shape(await adopting.adopt(ctx, spec))


async def page(ctx: Context, request: Request) -> Listing[DeploymentObject]:
    """List the deployments."""
    query = http.query(request, DeploymentQuery)
    status = None if query.status is None else [query.status]
    return listing(await deployments.page(ctx, status=status, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> DeploymentObject:
    """Get a deployment."""
    return shape(await deployments.get(ctx, request.path_params["deployment_id"]))


async def stop(ctx: Context, request: Request) -> DeploymentObject:
    """Stop a deployment.

    Its status and its bill are final with the answer. One that has ended already is returned as it is.
    """
    return shape(await deployments.stop(ctx, request.path_params["deployment_id"]))


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete a deployment that has ended.

    Its log and events go with it; what it cost stays in the account's books. One that has not ended is 400: stop it first.
    """
    return Deleted(id=(await deployments.delete(ctx, request.path_params["deployment_id"])).id, object="deployment")


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/deployments",
        handler=create,
        tag=TAG,
        answers=DeploymentObject,
        status=201,
        body=DeploymentInput,
        idempotent=True,
        errors=(400, 402, 404, 409, 413, 429),
    ),
    Operation(
        method="POST",
        path="/v1/deployments/adopt",
        handler=adopt,
        tag=TAG,
        answers=DeploymentObject,
        status=201,
        body=AdoptInput,
        idempotent=True,
        errors=(400, 403, 409, 413, 429),
    ),
    Operation(
        method="GET",
        path="/v1/deployments",
        handler=page,
        tag=TAG,
        answers=Listing[DeploymentObject],
        query=DeploymentQuery,
        errors=(400,),
    ),
    Operation(method="GET", path=DEPLOYMENT, handler=get, tag=TAG, answers=DeploymentObject, errors=(404,)),
    Operation(method="POST", path=f"{DEPLOYMENT}/stop", handler=stop, tag=TAG, answers=DeploymentObject, errors=(404,)),
    Operation(method="DELETE", path=DEPLOYMENT, handler=delete, tag=TAG, answers=Deleted, errors=(400, 404)),
]
