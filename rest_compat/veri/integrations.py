"""Integrations: credentials at other services, kept sealed."""

from datetime import datetime
from typing import Literal

from pydantic import Field
from starlette.requests import Request

from resolvers import integrations
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.integrations import IntegrationInput, Setting
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Listing, Wire

TAG = "Integrations"


class IntegrationObject(Wire):
    """How the account stands with another service. The credential itself is never given out."""

    object: Literal["integration"] = "integration"
    provider: str
    configured: bool = Field(description="Whether a credential is kept.")
    key_prefix: str | None = Field(description="How the credential begins, to tell them apart.")
    updated_at: datetime | None = Field(description="When it was set.")


def shape(found: Setting) -> IntegrationObject:
    return IntegrationObject.model_validate(found, from_attributes=True)


async def page(ctx: Context, request: Request) -> Listing[IntegrationObject]:
    """List every service that a credential can be kept for, and whether one is."""
    return Listing[IntegrationObject](data=[shape(found) for found in await integrations.all_(ctx)], has_more=False)


async def get(ctx: Context, request: Request) -> IntegrationObject:
    """Get how the account stands with a service."""
    return shape(await integrations.get(ctx, request.path_params["provider"]))


async def put(ctx: Context, request: Request) -> IntegrationObject:
    """Keep a credential for a service, in the place of the one before.

    It is given as `api_key` or as `token`, encrypted at rest and never given out. The services are `openreward`, `huggingface`,
    `wandb`, and the providers `prime_intellect`, `lambda` and `runpod`.
    """
    spec = parse(IntegrationInput, await http.json_object(request, ctx.core.settings))
    return shape(await integrations.put(ctx, request.path_params["provider"], spec))


async def remove(ctx: Context, request: Request) -> IntegrationObject:
    """Forget a credential for good."""
    return shape(await integrations.remove(ctx, request.path_params["provider"]))


PATH = "/v1/settings/integrations"
ONE = f"{PATH}/{{provider}}"
OPERATIONS = [
    Operation(method="GET", path=PATH, handler=page, tag=TAG, answers=Listing[IntegrationObject]),
    Operation(method="GET", path=ONE, handler=get, tag=TAG, answers=IntegrationObject, errors=(404,)),
    Operation(
        method="PUT",
        path=ONE,
        handler=put,
        tag=TAG,
        answers=IntegrationObject,
        body=IntegrationInput,
        idempotent=True,
        errors=(400, 404, 409, 413),
    ),
    Operation(method="DELETE", path=ONE, handler=remove, tag=TAG, answers=IntegrationObject, errors=(404,)),
]
