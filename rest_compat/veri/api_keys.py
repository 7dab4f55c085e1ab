"""API keys: shown once, listed by their prefix, revoked."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from models.api_key import ApiKey
from resolvers import api_keys
from resolvers.api_keys import ApiKeyInput
from resolvers.context import Context
from resolvers.inputs import parse
from rest_compat import http
from rest_compat.operation import JSON, Operation
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "API keys"


class ApiKeyObject(Wire):
    """An API key, without the key itself."""

    id: str
    object: Literal["api_key"] = "api_key"
    name: str
    key_prefix: str
    scopes: list[str]
    inference_requests_per_minute: int | None
    inference_tokens_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewApiKeyObject(ApiKeyObject):
    """An API key at its making."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    key: str | None = Field(None, description="The key itself: only in this answer, and not where an idempotency key replays it.")


def shape(row: ApiKey) -> ApiKeyObject:
    return ApiKeyObject.model_validate(row, from_attributes=True)


async def create(ctx: Context, request: Request) -> Response:
    """Make an API key."""
    spec = parse(ApiKeyInput, await http.json_object(request, ctx.core.settings))
    row, key = await api_keys.create(ctx, spec)
    answer = shape(row) if key is None else NewApiKeyObject(**shape(row).model_dump(), key=key)
    return Response(answer.model_dump_json(), 201, {"Cache-Control": "no-store"}, JSON)


async def page(ctx: Context, request: Request) -> Listing[ApiKeyObject]:
    """List the API keys that are in force."""
    query = http.query(request, PageQuery)
    return listing(await api_keys.page(ctx, limit=query.limit, after=query.after), shape)


async def revoke(ctx: Context, request: Request) -> Deleted:
    """Revoke an API key.

    It is refused from the next request on.
    """
    row = await api_keys.revoke(ctx, request.path_params["key_id"])
    return Deleted(id=row.id, object="api_key")


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/api_keys",
        handler=create,
        tag=TAG,
        answers=NewApiKeyObject,
        status=201,
        body=ApiKeyInput,
        idempotent=True,
        errors=(400, 409, 413),
    ),
    Operation(
        method="GET",
        path="/v1/api_keys",
        handler=page,
        tag=TAG,
        answers=Listing[ApiKeyObject],
        query=PageQuery,
        errors=(400,),
    ),
    Operation(method="DELETE", path="/v1/api_keys/{key_id}", handler=revoke, tag=TAG, answers=Deleted, errors=(404,)),
]
