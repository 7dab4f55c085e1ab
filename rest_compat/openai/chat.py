"""What chat and text completions say of themselves; `gateway` answers them."""

from collections.abc import Mapping
from typing import Any

from rest_compat.errors import OPENAI
from rest_compat.openai import asynchronous, gateway
from rest_compat.openai.asynchronous import AcceptedObject
from rest_compat.operation import INFERENCE, JSON, Operation

TAG = "Inference"
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


def _operations(prefix: str) -> list[Operation]:
    chat_body, text_body, headers = CHAT_BODY, TEXT_BODY, asynchronous.HEADERS
    if "{deployment_id}" in prefix:
        headers = asynchronous.OF_THE_ANSWER
        chat_body, text_body = _named_by_the_path(CHAT_BODY), _named_by_the_path(TEXT_BODY)
    return [
        Operation(
            method="POST",
            path=f"{prefix}/chat/completions",
            app=gateway.CHATTING_OF_OURS if prefix == "/v1" else gateway.CHATTING,
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
            app=gateway.CONTINUING,
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
