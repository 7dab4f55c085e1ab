"""Reward functions: Python files, tried in a jail at the upload and run nowhere else."""

from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import Field
from starlette.requests import Request

from burnish.kit.errors import SchemaInvalid
from models.reward_function import RewardFunction
from resolvers import reward_functions, reward_tests
from resolvers.context import Context
from resolvers.inputs import MAX_NAME, Input, parse
from resolvers.reward_functions import RewardFunctionInput
from resolvers.reward_tests import RewardTestInput, Tested
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Deleted, Listing, PageQuery, Wire, listing

TAG = "Reward functions"
PATH = "/v1/reward_functions/{reward_function_id}"


class RewardFunctionForm(Input):
    """The text fields of an upload."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    format: str = Field("trl", description="How the function is called: `trl`, `miles` or `verl`.")
    weights: str | None = Field(
        None, description="A JSON object with the factor of each named component in the reward; 1 for others."
    )
    samples: str | None = Field(
        None, description="A JSON list of objects to try the function on: `prompt`, `completion`, and any columns."
    )
    allow_nondeterministic: bool = Field(False, description="Take a function that gives different answers for the same batch.")


class RewardWarning(Wire):
    """What could not be tested."""

    line: int | None
    message: str


class RewardTrial(Wire):
    """What the contract test found. Rewards are null where the function needs rows of its dataset."""

    samples: Literal["given", "built-in"]
    prompts: Literal["text", "messages"]
    rewards: list[float | None] | None
    components: dict[str, list[float | None]] | None
    duration_ms: float | None
    warnings: list[RewardWarning]


class RewardFunctionObject(Wire):
    """A stored reward function."""

    id: str
    object: Literal["reward_function"] = "reward_function"
    name: str
    format: str
    sha256: str
    created_at: datetime
    file_name: str
    weights: dict[str, float] | None
    trial: RewardTrial | None


class RewardTestError(Wire):
    """What went wrong; `sample` is null where it was the whole batch."""

    sample: int | None
    file: str
    line: int | None
    message: str


class RewardTestObject(Wire):
    """The scores of the samples, in their order."""

    object: Literal["reward_test"] = "reward_test"
    rewards: list[float | None]
    components: dict[str, list[float | None]]
    weights: dict[str, float] = Field(description="The factor of each component in the reward.")
    stdout: str = Field(description="What the function printed.")
    duration_ms: float
    errors: list[RewardTestError]


def shape(row: RewardFunction) -> RewardFunctionObject:
    return RewardFunctionObject.model_validate(row, from_attributes=True)


async def create(ctx: Context, request: Request) -> RewardFunctionObject:
    """Upload a Python file.

    With the format `trl` it defines `reward(prompts, completions, **columns)`, sync or async, which returns a list of numbers,
    nulls or dicts of named components; with `miles`, `async def reward(args, sample)`; with `verl`,
    `compute_score(data_source, solution_str, ground_truth, extra_info=None)`. It is loaded and run in a jail first: a file that
    cannot be parsed, defines no such function, raises, or gives wrong, not finite or different answers for the same samples is
    refused with 400 `invalid_reward_function` and its line. `trial` says what was found.
    """
    settings = ctx.core.settings
    async with http.upload(request, settings, settings.max_reward_bytes) as sent:
        source, form = sent.file.read(settings.max_reward_bytes + 1), parse(RewardFunctionForm, sent.fields)
        given: dict[str, Any] = {**form.model_dump(), "source": source}
        given |= {"file_name": sent.name} if sent.name else {}
        given |= {name: _json(name, given[name]) for name in ("weights", "samples")}
        return shape(await reward_functions.create(ctx, parse(RewardFunctionInput, given)))


def _json(name: str, text: str | None) -> Any:
    try:
        return None if text is None or not text.strip() else orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SchemaInvalid(f"{name}: is not JSON: {error}", param=name) from None


async def page(ctx: Context, request: Request) -> Listing[RewardFunctionObject]:
    """List the reward functions."""
    query = http.query(request, PageQuery)
    return listing(await reward_functions.page(ctx, limit=query.limit, after=query.after), shape)


async def get(ctx: Context, request: Request) -> RewardFunctionObject:
    """Get a reward function."""
    return shape(await reward_functions.get(ctx, request.path_params["reward_function_id"]))


async def delete(ctx: Context, request: Request) -> Deleted:
    """Delete a reward function.

    While a job that has not ended uses it, it is 409. Past jobs keep what they ran.
    """
    row = await reward_functions.delete(ctx, request.path_params["reward_function_id"])
    return Deleted(id=row.id, object="reward_function")


async def test(ctx: Context, request: Request) -> RewardTestObject:
    """Score samples with a reward function.

    `samples` are objects with `prompt`, `completion` and any columns; made-up ones are scored where there are none. What the
    function does wrong is in `errors`, with its file and line.
    """
    body = await http.json_object(request, ctx.core.settings)
    tested = await reward_tests.test(ctx, request.path_params["reward_function_id"], parse(RewardTestInput, body))
    return _tested(tested)


def _tested(tested: Tested) -> RewardTestObject:
    return RewardTestObject.model_validate(tested, from_attributes=True)


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/reward_functions",
        handler=create,
        tag=TAG,
        answers=RewardFunctionObject,
        status=201,
        body=RewardFunctionForm,
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
    Operation(method="GET", path=PATH, handler=get, tag=TAG, answers=RewardFunctionObject, errors=(404,)),
    Operation(method="DELETE", path=PATH, handler=delete, tag=TAG, answers=Deleted, errors=(404, 409)),
    Operation(
        method="POST",
        path=PATH + "/test",
        handler=test,
        tag=TAG,
        answers=RewardTestObject,
        body=RewardTestInput,
        errors=(400, 404, 413),
    ),
]
