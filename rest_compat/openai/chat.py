"""Chat and text completions, passed on to a deployment."""

from collections.abc import AsyncGenerator, Mapping
from time import monotonic
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from burnish.kit.errors import Unauthenticated
from resolvers import async_completions, inference
from resolvers.context import Context
from resolvers.rate_limits import InferenceAllowance
from rest_compat import http, sse
from rest_compat.errors import OPENAI
from rest_compat.keys import Keys
from rest_compat.openai import asynchronous
from rest_compat.openai.asynchronous import AcceptedObject
from rest_compat.operation import INFERENCE, JSON, Operation, Stream

TAG = "Inference"
KEYS = Keys()
CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
ERRORS = (400, 402, 404, 413, 429, 503, 504)
MODEL = {
    "type": ["string", "null"],
    "description": "The id of a deployment, also as `deploy_id:ID`, or the name of an active one, also as `account/name`; needed "
    "where no header names it.",
}
COMMON = {
    "model": MODEL,
    "stream": {
        "type": ["boolean", "null"],
        "default": False,
        "description": "Answer with server-sent events; the last one is `[DONE]`.",
    },
    "max_tokens": {"type": ["integer", "null"], "minimum": 1},
    "temperature": {"type": ["number", "null"], "minimum": 0, "default": 1.0},
}
MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string", "description": "Who says it."}}},
}
PROMPT = {"type": ["string", "array"], "description": "A text, a list of texts, or token ids."}
PASSED_ON = "Whatever else the engine understands is passed on as it is."
CHAT_BODY: Mapping[str, Any] = {
    "type": "object",
    "required": ["messages"],
    "properties": {**COMMON, "messages": MESSAGES},
    "additionalProperties": True,
    "description": PASSED_ON,
}
TEXT_BODY: Mapping[str, Any] = {
    "type": "object",
    "required": ["prompt"],
    "properties": {**COMMON, "prompt": PROMPT},
    "additionalProperties": True,
    "description": PASSED_ON,
}


def _named_by_the_path(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body of a route that names the deployment already."""
    named = {**MODEL, "type": ["string", "null"], "description": "The id or the name of this deployment, if anything."}
    return {**body, "properties": {**body["properties"], "model": named}}


async def chat(ctx: Context, request: Request) -> Response:
    """Answer a conversation."""
    return await _complete(ctx, request, CHAT)


async def text(ctx: Context, request: Request) -> Response:
    """Continue a text."""
    return await _complete(ctx, request, TEXT)


async def _complete(ctx: Context, request: Request, path: str) -> Response:
    wanted = asynchronous.wanted(request)
    # On the request, so that a refusal tells how the limits stand as well.
    allowance = request.state.inference = InferenceAllowance.of(ctx.core, ctx.key)
    allowance.admit()
    body = await http.json_object(request, ctx.core.settings)
    if wanted.later:
        return await asynchronous.accept(ctx, path, body, allowance, wanted)
    work = inference.complete(ctx, path, body, allowance, deployment_id=wanted.deployment_id)
    reply = await http.unless_gone(request, async_completions.within(wanted.timeout_s, work))
    if reply.stream is not None:
        return Stream(_in_force(ctx, reply.stream), reply.status, reply.headers)
    return Response(reply.body, reply.status, reply.headers)


async def _in_force(ctx: Context, stream: Any) -> AsyncGenerator[bytes, None]:
    """Pass a streamed answer on while the caller's key is in force; then one error event ends it, and the engine stops."""
    looked_at = monotonic()
    try:
        async for frames in stream:
            if monotonic() - looked_at >= sse.CHECK_S:
                await KEYS.check(ctx)
                looked_at = monotonic()
            yield frames
    except Unauthenticated as error:
        yield sse.event(OPENAI.body(error).model_dump_json(exclude_unset=True))
    finally:
        with anyio.CancelScope(shield=True):
            await stream.aclose()


def _operations(prefix: str) -> list[Operation]:
    chat_body, text_body, headers = CHAT_BODY, TEXT_BODY, asynchronous.HEADERS
    if "{deployment_id}" in prefix:
        headers = asynchronous.OF_THE_ANSWER
        chat_body, text_body = _named_by_the_path(CHAT_BODY), _named_by_the_path(TEXT_BODY)
    return [
        Operation(
            method="POST",
            path=f"{prefix}/chat/completions",
            handler=chat,
            # The chat playground of the dashboard.
            cookie=prefix == "/v1",
            tag=TAG,
            answers=JSON,
            schema=chat_body,
            streams=True,
            accepted=AcceptedObject,
            headers=headers,
            errors=ERRORS,
            dialect=OPENAI,
            scope=INFERENCE,
        ),
        Operation(
            method="POST",
            path=f"{prefix}/completions",
            handler=text,
            tag=TAG,
            answers=JSON,
            schema=text_body,
            streams=True,
            accepted=AcceptedObject,
            headers=headers,
            errors=ERRORS,
            dialect=OPENAI,
            scope=INFERENCE,
        ),
    ]


OPERATIONS = [
    *_operations("/v1"),
    *_operations("/v1/openai"),
    *_operations("/v1/deployments/{deployment_id}"),
]
