"""Deployments: made, listed, shown and stopped."""

from datetime import datetime
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.money import usd_float
from models import deployment as dep
from models.deployment import Deployment
from resolvers import deployments
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
    source: str
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


class DeploymentPage(PageQuery):
    """Which page of a list to return."""

    limit: int = Field(50, ge=1, le=100, description="How many elements to return.")


class DeploymentQuery(DeploymentPage):
    """Which deployments to return."""

    status: str | None = Field(None, description=f"One of {', '.join(dep.STATUSES)}.")


class RequestObject(Wire):
    """One inference request: counts and times, never what was said."""

    id: str
    object: Literal["deployment_request"] = "deployment_request"
    deployment_id: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    ttft_ms: float | None = Field(description="Time to the first token of a streamed answer.")
    status_code: int
    streamed: bool
    finish_reason: str | None
    client_cancelled: bool
    error_message: str | None
    created_at: datetime


class TotalsObject(Wire):
    """What a deployment has served since it was made."""

    total_requests: int
    total_prompt_tokens: int
    total_completion_tokens: int
    total_cost_usd: float
    avg_latency_ms: float
    error_rate: float = Field(description="The share of requests answered with 400 or more, from 0 to 1.")
    uptime_seconds: float


def shape(row: Deployment) -> DeploymentObject:
    """Return a deployment as its callers see it."""
    rate = row.rate_micros_per_hour
    return DeploymentObject.model_validate(
        {
            **row.model_dump(),
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

    `model` is the id of a completed training job, or with `source: huggingface` a model's name. It is queued at once, and an
    hour of what it will run on is set aside from the credit.
    """
    spec = parse(DeploymentInput, await http.json_object(request, ctx.core.settings))
    return shape(await deployments.create(ctx, spec))


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


async def requests(ctx: Context, request: Request) -> Listing[RequestObject]:
    """List the inference requests of a deployment."""
    query = http.query(request, DeploymentPage)
    found = await deployments.requests(ctx, request.path_params["deployment_id"], limit=query.limit, after=query.after)
    return listing(found, lambda row: RequestObject.model_validate(row, from_attributes=True))


async def totals(ctx: Context, request: Request) -> TotalsObject:
    """Get the aggregate figures of a deployment."""
    found = await deployments.totals(ctx, request.path_params["deployment_id"])
    return TotalsObject.model_validate({**vars(found), "total_cost_usd": usd_float(found.total_cost_micros)})


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
    Operation(
        method="GET",
        path=f"{DEPLOYMENT}/requests",
        handler=requests,
        tag=TAG,
        answers=Listing[RequestObject],
        query=DeploymentPage,
        errors=(400, 404),
    ),
    Operation(method="GET", path=f"{DEPLOYMENT}/metrics", handler=totals, tag=TAG, answers=TotalsObject, errors=(404,)),
]
