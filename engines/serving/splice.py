"""Changing JSON without writing it anew: the model's name and more members, in the bytes as they came.

Each function returns None where it cannot tell by looking alone; the caller then parses and writes the document anew.
"""

from typing import Any

import orjson


def asked_for(raw: bytes, body: dict[str, Any], model: str) -> bytes | None:
    """Return the request with another model; `body` is what `raw` says."""
    if "model" not in body:
        return with_members(raw, body, {"model": model})
    # Once, and with none of its letters escaped anywhere: then this is the member that the body has.
    if raw.count(b'"model"') != 1 or b"\\u006" in raw:
        return None
    old, new = orjson.dumps(body["model"]), orjson.dumps(model)
    for key in (b'"model":', b'"model": '):
        before, found, after = raw.partition(key + old)
        if found:
            return before + key + new + after
    return None


def with_members(raw: bytes, body: dict[str, Any], more: dict[str, Any]) -> bytes | None:
    """Return the request with more members at its end, none of which it has yet."""
    return raw.rstrip()[:-1] + b"," + orjson.dumps(more)[1:] if body else None


def called(document: bytes, old: Any, shown: str) -> bytes | None:
    """Return the answer, or the beginning of a chunk, with `shown` as its model in place of `old`, which is what it says."""
    before, found, after = document.partition(b',"model":' + orjson.dumps(old))
    if not found or before.rfind(b"{") != before.find(b"{") or b"[" in before:
        return None
    return before + b',"model":' + orjson.dumps(shown) + after
