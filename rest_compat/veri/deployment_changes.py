"""Changes of a deployment that serves: how it scales, what it serves, whether it runs at all."""

from starlette.requests import Request

from resolvers import deployment_changes
from resolvers.context import Context
from resolvers.deployment_inputs import ScalingInput, VersionInput
from resolvers.inputs import parse
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.veri.deployments import DEPLOYMENT, TAG, DeploymentObject, shape


async def scale(ctx: Context, request: Request) -> DeploymentObject:
    """Change how a deployment scales.

    What is not given stays as it is. Replicas follow at once, without an interruption.
    """
    spec = parse(ScalingInput, await http.json_object(request, ctx.core.settings))
    return shape(await deployment_changes.scale(ctx, request.path_params["deployment_id"], spec))


async def update(ctx: Context, request: Request) -> DeploymentObject:
    """Serve another model under the same name.

    Replicas of the new version take over as they get ready, and no request fails. Where they do not get ready, the version
    before goes on.
    """
    spec = parse(VersionInput, await http.json_object(request, ctx.core.settings))
    return shape(await deployment_changes.update(ctx, request.path_params["deployment_id"], spec))


async def pause(ctx: Context, request: Request) -> DeploymentObject:
    """Pause a deployment.

    It ends what it has begun, and costs nothing until it is resumed. One that is paused already is returned as it is.
    """
    return shape(await deployment_changes.pause(ctx, request.path_params["deployment_id"]))


async def resume(ctx: Context, request: Request) -> DeploymentObject:
    """Resume a paused deployment.

    An hour of what it will run on is set aside from the credit. One that is not paused is returned as it is.
    """
    return shape(await deployment_changes.resume(ctx, request.path_params["deployment_id"]))


OPERATIONS = [
    Operation(
        method="PATCH",
        path=DEPLOYMENT,
        handler=scale,
        tag=TAG,
        answers=DeploymentObject,
        body=ScalingInput,
        errors=(400, 404, 413),
    ),
    Operation(
        method="POST",
        path=f"{DEPLOYMENT}/versions",
        handler=update,
        tag=TAG,
        answers=DeploymentObject,
        status=201,
        body=VersionInput,
        idempotent=True,
        errors=(400, 404, 409, 413),
    ),
    Operation(method="POST", path=f"{DEPLOYMENT}/pause", handler=pause, tag=TAG, answers=DeploymentObject, errors=(400, 404)),
    Operation(
        method="POST",
        path=f"{DEPLOYMENT}/resume",
        handler=resume,
        tag=TAG,
        answers=DeploymentObject,
        idempotent=True,
        errors=(400, 402, 404, 409),
    ),
]
