"""What headers say of a completion beside its body: whose it is, how long it may take, and whether it is fetched later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from burnish.kit.errors import Invalid
from engines.serving.proxy import Call
from resolvers import async_completions
from resolvers.async_completions import LONGEST_S, SHORTEST_S
from resolvers.context import Context
from resolvers.rate_limits import InferenceAllowance
from rest_compat.errors import OPENAI
from rest_compat.operation import INFERENCE, JSON, Operation
from rest_compat.wire import Wire

TAG = "Inference"
DEPLOYMENT, LATER, TIMEOUT = "X-Deployment-ID", "X-Async", "X-Timeout-S"
OF_THE_ANSWER: Mapping[str, Mapping[str, Any]] = {
    LATER: {
        "type": "string",
        "enum": ["true", "false"],
        "description": "`true` answers 202 with a `request_id` at once; the answer is fetched with it, within 24 hours.",
    },
    TIMEOUT: {
        "type": "integer",
        "minimum": SHORTEST_S,
        "maximum": LONGEST_S,
        "description": "After how many seconds to give up: 504. Of a stream, how long its first word may take.",
    },
}
HEADERS: Mapping[str, Mapping[str, Any]] = {
    DEPLOYMENT: {"type": "string", "description": "The id of a deployment; `model` may then be left out of the body."},
    **OF_THE_ANSWER,
}


@dataclass(frozen=True)
class Wanted:
    """What the headers of a request, or its path, say."""

    deployment_id: str | None
    later: bool
    timeout_s: int | None


class AcceptedObject(Wire):
    """A completion that is worked on."""

    request_id: str


class CompletionState(Wire):
    """A completion that was asked for with `X-Async`."""

    status: Literal["pending", "completed", "failed"]
    result: dict[str, Any] | None = Field(description="The completion, once there is one.")
    error: str | None


def wanted(headers: Mapping[str, str], path_names: str | None) -> Wanted:
    """Read the headers, whose names are in lower case; Invalid naming the one that says something else than it can."""
    named = headers.get(DEPLOYMENT.lower())
    if path_names is not None and named not in (None, path_names):
        raise Invalid(f"{DEPLOYMENT} names another deployment than the path.", param=DEPLOYMENT)
    later = headers.get(LATER.lower(), "false").lower()
    if later not in ("true", "false"):
        raise Invalid(f"{LATER} is true or false.", param=LATER)
    return Wanted(path_names or named, later == "true", _seconds(headers.get(TIMEOUT.lower())))


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and SHORTEST_S <= int(text) <= LONGEST_S):
        raise Invalid(f"{TIMEOUT} is a whole number of seconds from {SHORTEST_S} to {LONGEST_S}.", param=TIMEOUT)
    return int(text)


async def accept(ctx: Context, call: Call, allowance: InferenceAllowance, wanted: Wanted) -> Response:
    """Begin a completion whose answer is fetched later."""
    timeout_s = wanted.timeout_s or async_completions.DEFAULT_S
    row = await async_completions.ask(ctx, call, allowance, deployment_id=wanted.deployment_id, timeout_s=timeout_s)
    return Response(AcceptedObject(request_id=row.id).model_dump_json(), 202, media_type=JSON)


async def get(ctx: Context, request: Request) -> CompletionState:
    """Get a completion that was asked for with `X-Async`.

    It is `pending` until there is an answer, or none in the time that `X-Timeout-S` gave it.
    """
    row = await async_completions.get(ctx, request.path_params["request_id"])
    result = None if row.result is None else orjson.loads(row.result)
    return CompletionState.model_validate({"status": row.status, "result": result, "error": row.error})


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/chat/completions/{request_id}",
        handler=get,
        tag=TAG,
        answers=CompletionState,
        errors=(404,),
        dialect=OPENAI,
        scope=INFERENCE,
    )
]
