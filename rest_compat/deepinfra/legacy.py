"""Deploying a model by nothing but its name."""

from typing import Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import Invalid
from models import deployment as dep
from resolvers import deployments, hardware
from resolvers.context import Context
from resolvers.deployment_inputs import NAME, DeploymentInput
from resolvers.inputs import MAX_NAME, Input, parse
from rest_compat import http
from rest_compat.deepinfra.deployments import TAG
from rest_compat.deepinfra.errors import DEEPINFRA
from rest_compat.deepinfra.gpus import configurations
from rest_compat.deepinfra.wire import DeployStatusOut
from rest_compat.operation import Operation


class HFModel(Input):
    """A model of the Hugging Face hub, or one that is registered here."""

    model_name: str = Field(pattern=NAME, max_length=MAX_NAME, description="The model; the deployment is called so, too.")
    task: Literal["text-generation"] | None = Field(None, description="What it does; text generation is all there is.")


async def create(ctx: Context, request: Request) -> DeployStatusOut:
    """Deploy a model by its name, on the hardware that `GET /deploy/llm/gpu_availability` recommends for it.

    Where no hardware is available, it is 400: `POST /deploy/llm` takes hardware to wait for.
    """
    wanted = parse(HFModel, await http.json_object(request, ctx.core.settings), at="body")
    best = hardware.cheapest(await configurations(ctx), wanted.model_name)
    if best is None:
        raise Invalid("No hardware is available for this model.", hint="POST /deploy/llm takes hardware to wait for.")
    gpu = {"type": best.asked.type, "count": best.asked.count}
    spec = {"model": wanted.model_name, "name": wanted.model_name, "source": dep.HUGGINGFACE, "gpu": gpu}
    return DeployStatusOut(deploy_id=(await deployments.create(ctx, parse(DeploymentInput, spec))).id)


OPERATIONS = [
    Operation(
        method="POST",
        path="/deploy/hf/",
        handler=create,
        tag=TAG,
        answers=DeployStatusOut,
        body=HFModel,
        idempotent=True,
        errors=(400, 402, 404, 409, 413),
        dialect=DEEPINFRA,
    ),
]
