"""Reward functions: Python files, checked at the upload and run only in a jail."""

from datetime import datetime
from typing import Literal

from starlette.requests import Request

from models.reward_function import RewardFunction
from resolvers import reward_functions
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.reward_functions import RewardFunctionInput
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Listing, PageQuery, Wire, listing

TAG = "Reward functions"


class RewardFunctionObject(Wire):
    """A stored reward function."""

    id: str
    object: Literal["reward_function"] = "reward_function"
    name: str
    format: str
    sha256: str
    created_at: datetime


def shape(row: RewardFunction) -> RewardFunctionObject:
    return RewardFunctionObject.model_validate(row, from_attributes=True)


async def create(ctx: Context, request: Request) -> RewardFunctionObject:
    """Upload a Python file.

    With the format `trl` it defines `reward(prompts, completions, **columns)`, sync or async, which returns a list of numbers,
    nulls or dicts of named components. A file that cannot be parsed or defines no such function is refused with 400
    `invalid_reward_function` and its line.
    """
    settings = ctx.core.settings
    async with http.upload(request, settings, settings.max_reward_bytes) as sent:
        source = sent.file.read(settings.max_reward_bytes + 1)
        spec = parse(RewardFunctionInput, {**sent.fields, "source": source})
        return shape(await reward_functions.create(ctx, spec))


async def page(ctx: Context, request: Request) -> Listing[RewardFunctionObject]:
    """List the reward functions."""
    query = http.query(request, PageQuery)
    return listing(await reward_functions.page(ctx, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> RewardFunctionObject:
    """Get a reward function."""
    return shape(await reward_functions.get(ctx, request.path_params["reward_function_id"]))


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/reward_functions",
        handler=create,
        tag=TAG,
        answers=RewardFunctionObject,
        status=201,
        body=RewardFunctionInput,
        upload=True,
        idempotent=True,
        errors=(400, 409, 413),
    ),
    Operation(
        method="GET",
        path="/v1/reward_functions",
        handler=page,
        tag=TAG,
        answers=Listing[RewardFunctionObject],
        query=PageQuery,
        errors=(400,),
    ),
    Operation(
        method="GET",
        path="/v1/reward_functions/{reward_function_id}",
        handler=get,
        tag=TAG,
        answers=RewardFunctionObject,
        errors=(404,),
    ),
]
