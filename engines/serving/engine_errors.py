"""An engine's errors in OpenAI's envelope: `{"error": {message, type, param, code}}`."""

import re
from typing import Any

import orjson

INVALID_REQUEST, SERVER_ERROR = "invalid_request_error", "server_error"
# Type and code alike; a server that a deployment has adopted may also be out of quota.
RATE_LIMIT_EXCEEDED, INSUFFICIENT_QUOTA = "rate_limit_exceeded", "insufficient_quota"
TOO_MANY = 429
ENGINE_DIED = "engine_died"
CONTEXT_LENGTH_EXCEEDED, MODEL_NOT_FOUND = "context_length_exceeded", "model_not_found"
# How the engine says that the prompt, or the prompt and the answer together, do not fit.
_TOO_LONG = re.compile(r"maximum context length|max_model_len")
# How it says which fields are wrong: the records of its validation, one a line.
_WRONG_FIELD = re.compile(r"'loc': '(?:body\.)?([^']*)', 'msg': (?:'([^']*)'|\"([^\"]*)\")")
# What it appends to the sentence for its own programmers.
_INTERNAL_TAIL = re.compile(r" \(parameter=\w+(?:, value=.*)?\)$", re.DOTALL)
# The prompt's length is of no field of the request; these are the ones to shorten.
_PROMPT_FIELD = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}


def envelope(message: str, kind: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def translate(status: int, content: bytes, path: str = "") -> dict[str, Any]:
    """Return the envelope for what an engine answered with this status to a request for `path`."""
    inner = _inner(content)
    message = str(inner.get("message") or f"The engine answered {status}.")
    if status >= 500:
        return envelope(message, SERVER_ERROR)
    if status == TOO_MANY:
        kind = INSUFFICIENT_QUOTA if INSUFFICIENT_QUOTA in (inner.get("code"), inner.get("type")) else RATE_LIMIT_EXCEEDED
        return envelope(message, kind, code=kind)
    param = _param(inner.get("param"), path)
    return envelope(_readable(message), INVALID_REQUEST, param=param, code=_code(status, message))


def kind_of(status: int) -> str:
    """Return the type of an error with this status."""
    if status == TOO_MANY:
        return RATE_LIMIT_EXCEEDED
    return SERVER_ERROR if status >= 500 else INVALID_REQUEST


def status_of(content: bytes, default: int = 500) -> int:
    """Return the HTTP status that an error inside of a stream would have had."""
    code = _inner(content).get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else default


def _inner(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    error = found.get("error", found) if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}


def _code(status: int, message: str) -> str | None:
    if _TOO_LONG.search(message):
        return CONTEXT_LENGTH_EXCEEDED
    return MODEL_NOT_FOUND if status == 404 else None


def _param(param: Any, path: str) -> str | None:
    if not isinstance(param, str):
        return None
    return _PROMPT_FIELD.get(path) if param == "input_tokens" else param.removeprefix("body.")


def _readable(message: str) -> str:
    fields = [f"{where}: {single or double}" for where, single, double in _WRONG_FIELD.findall(message)]
    return "; ".join(fields) if fields else _INTERNAL_TAIL.sub("", message)
