"""Rewards JSON that has the required fields of the row's schema, with the right types."""

import json

TYPES = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def text_of(completion):
    """The words of a completion, whether it is a text or a list of messages."""
    return completion if isinstance(completion, str) else completion[-1]["content"]


def fits(value, kind):
    # True is an int to Python, and no number to JSON.
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, TYPES.get(kind, object))


def score(text, schema):
    schema = json.loads(schema) if isinstance(schema, str) else schema
    try:
        data = json.loads(text)
    except ValueError as error:
        print(f"no JSON: {error}")
        return {"json": 0.0, "fields": 0.0, "types": 0.0}
    if not isinstance(data, dict):
        return {"json": 0.2, "fields": 0.0, "types": 0.0}
    wanted = schema.get("properties", {})
    required = schema.get("required", list(wanted))
    there = [name for name in required if name in data]
    right = [name for name in there if fits(data[name], wanted.get(name, {}).get("type"))]
    share = max(1, len(required))
    return {"json": 0.2, "fields": 0.3 * len(there) / share, "types": 0.5 * len(right) / share}


def reward(prompts, completions, schema, **columns):
    return [score(text_of(reply), wanted) for reply, wanted in zip(completions, schema, strict=True)]
