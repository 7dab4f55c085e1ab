"""What the stand-in for a replica answers: words, calls of the tools that it is offered, and JSON that fits a schema.

As of a real engine, whole and in chunks alike; the words never change, so that a test knows them.
"""

from collections.abc import Iterator
from typing import Any

import orjson

Json = dict[str, Any]
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
WORDS = ("four", " it is")
CALL_ID = "call_1"
VALUES = {"string": "four", "integer": 4, "number": 4.5, "boolean": True, "null": None}


def whole(body: Json) -> Json:
    """Return the answer to a chat."""
    call, logprobs = _call(body), {"logprobs": {"content": [_logprob(word) for word in WORDS]}} if body.get("logprobs") else {}
    if call is not None:
        message: Json = {"role": "assistant", "content": None, "tool_calls": [call]}
    else:
        message = {"role": "assistant", "content": "".join(_words(body))}
    choice = {"index": 0, "message": message, "finish_reason": _reason(body, call), **logprobs}
    return {**head(body, "chat.completion"), "choices": [choice], "usage": USAGE}


def pieces(body: Json) -> Iterator[Json]:
    """Yield the deltas of the same answer; an engine names the role first."""
    yield {"delta": {"role": "assistant", "content": ""}}
    call = _call(body)
    if call is None:
        for word in _words(body):
            yield {"delta": {"content": word}, **({"logprobs": {"content": [_logprob(word)]}} if body.get("logprobs") else {})}
    else:
        arguments = call["function"]["arguments"]
        yield _called({**call, "function": {"name": call["function"]["name"], "arguments": ""}})
        middle = len(arguments) // 2
        for part in (arguments[:middle], arguments[middle:]):
            yield _called({"function": {"arguments": part}})
    yield {"delta": {}, "finish_reason": _reason(body, call)}


def head(body: Json, kind: str) -> Json:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_714_900_000, "model": body["model"]}


def fitting(schema: Json) -> Any:
    """Return a value that a JSON schema of plain objects, lists and values allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return {name: fitting(part) for name, part in schema.get("properties", {}).items()}
    return [fitting(schema["items"])] if schema.get("type") == "array" else VALUES[schema.get("type", "string")]


def _call(body: Json) -> Json | None:
    """Return the call of a tool that is offered, the one that is asked for where that is said; none once it has answered."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not tools or choice == "none" or body["messages"][-1]["role"] == "tool":
        return None
    wanted = choice["function"]["name"] if isinstance(choice, dict) else tools[0]["function"]["name"]
    (tool,) = [tool["function"] for tool in tools if tool["function"]["name"] == wanted]
    arguments = orjson.dumps(fitting(tool["parameters"])).decode()
    return {"id": CALL_ID, "type": "function", "function": {"name": wanted, "arguments": arguments}}


def _called(part: Json) -> Json:
    return {"delta": {"tool_calls": [{"index": 0, **part}]}}


def _words(body: Json) -> tuple[str, ...]:
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return (orjson.dumps(fitting(wanted["json_schema"]["schema"])).decode(),)
    return ('{"answer":4}',) if wanted.get("type") == "json_object" else WORDS


def _reason(body: Json, call: Json | None) -> str:
    # An engine says `stop` where the caller named the one tool.
    return "stop" if call is None or isinstance(body.get("tool_choice"), dict) else "tool_calls"


def _logprob(word: str) -> Json:
    found = {"token": word, "logprob": -0.25, "bytes": list(word.encode())}
    return {**found, "top_logprobs": [found]}
