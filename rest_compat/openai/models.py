"""The deployments that answer, as the models of an OpenAI client."""

from typing import Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import NotFound
from models.deployment import Deployment
from resolvers import deployment_names, deployments
from resolvers.context import Context
from rest_compat.errors import OPENAI, VERI, Dialect
from rest_compat.operation import Handler, Operation
from rest_compat.wire import Wire

TAG = "Inference"
HEALTHY = "running"


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
    return ModelList(data=[await _shape(ctx, row) for row in await deployments.serving(ctx)])


async def get(ctx: Context, request: Request) -> ModelObject:
    """Get a model by the name or id of its deployment."""
    reference = request.path_params["model"]
    for row in await deployments.serving(ctx):
        if deployment_names.is_named(ctx, row, reference):
            return await _shape(ctx, row)
    raise NotFound(f"The model '{reference}' does not exist.", code="model_not_found", param="model")


async def of_deployment(ctx: Context, request: Request) -> ModelList:
    """List the one model of a deployment."""
    row = await deployments.get(ctx, request.path_params["deployment_id"])
    return ModelList(data=[await _shape(ctx, row)])


async def _shape(ctx: Context, row: Deployment) -> ModelObject:
    living = [replica for replica in await deployments.replicas(ctx, row.id) if replica.ended_at is None]
    meta = ModelMeta(
        hf_model_id=row.model,
        hardware_profile=(row.gpu or row.gpu_requested)["type"],
        min_replicas=1,
        max_replicas=1,
        healthy_replicas=sum(replica.status == HEALTHY for replica in living),
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
