"""The deployments that answer, as the models of an OpenAI client."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import NotFound
from engines.compute.hardware import profile_of
from engines.serving import addressing
from models.deployment import Deployment
from models.replica import RUNNING, Replica
from resolvers import deployments, related
from resolvers.context import Context
from rest_compat.errors import OPENAI, VERI, Dialect
from rest_compat.operation import Handler, Operation
from rest_compat.wire import Wire

TAG = "Inference"


class ModelMeta(Wire):
    """What stands behind a model."""

    hf_model_id: str
    hardware_profile: str
    min_replicas: int
    max_replicas: int
    healthy_replicas: int
    total_replicas: int


class ModelObject(Wire):
    """A deployment. `id` is its name, which chat calls take as `model` just as they take its id."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Unix time in seconds.")
    owned_by: str
    meta: ModelMeta


class ModelList(Wire):
    """All models that answer."""

    object: Literal["list"] = "list"
    data: list[ModelObject]


async def page(ctx: Context, request: Request) -> ModelList:
    """List the models that answer."""
    return await _list(ctx, await deployments.serving(ctx))


async def get(ctx: Context, request: Request) -> ModelObject:
    """Get a model by the name or id of its deployment."""
    reference = request.path_params["model"]
    for row in await deployments.serving(ctx):
        if addressing.is_named(ctx.account, row, reference):
            return (await _list(ctx, [row])).data[0]
    raise NotFound(f"The model '{reference}' does not exist.", code="model_not_found", param="model")


async def of_deployment(ctx: Context, request: Request) -> ModelList:
    """List the one model of a deployment."""
    return await _list(ctx, [await deployments.get(ctx, request.path_params["deployment_id"])])


async def _list(ctx: Context, rows: Sequence[Deployment]) -> ModelList:
    replicas = await related.replicas(ctx, [row.id for row in rows])
    return ModelList(data=[_shape(ctx, row, replicas.get(row.id, ())) for row in rows])


def _shape(ctx: Context, row: Deployment, replicas: Sequence[Replica]) -> ModelObject:
    living = [replica for replica in replicas if replica.ended_at is None]
    meta = ModelMeta(
        hf_model_id=row.upstream_model or row.model,
        hardware_profile=profile_of(row.gpu_requested["type"]),
        min_replicas=row.min_replicas,
        max_replicas=row.max_replicas,
        healthy_replicas=sum(replica.status == RUNNING for replica in living),
        total_replicas=len(living),
    )
    return ModelObject(id=row.name, created=int(row.created_at.timestamp()), owned_by=ctx.account.slug, meta=meta)


def _operation(
    path: str,
    handler: Handler,
    answers: type[Wire],
    errors: tuple[int, ...] = (),
    dialect: Dialect = OPENAI,
    cookie: bool = False,
) -> Operation:
    return Operation(
        method="GET", path=path, handler=handler, tag=TAG, answers=answers, errors=errors, dialect=dialect, cookie=cookie
    )


OPERATIONS = [
    # Also for the chat playground of the dashboard.
    _operation("/v1/models", page, ModelList, cookie=True),
    _operation("/v1/models/{model:path}", get, ModelObject, (404,)),
    _operation("/v1/openai/models", page, ModelList),
    _operation("/v1/openai/models/{model:path}", get, ModelObject, (404,)),
    _operation("/v1/deployments/{deployment_id}/models", of_deployment, ModelList, (404,), VERI),
]
