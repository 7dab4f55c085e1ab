"""Runs in the environment of a published client: reads calls from stdin, one JSON object a line, and answers each with a line.

A call is `{"call": "datasets.list", "args": […], "kwargs": {…}, "then": "wait", "then_args": […], "then_kwargs": {…}}`; `then`
calls a method of what the first call returned. The answer is `{"value": …}`, or `{"error": {"type", "message", "status"}}`.
"""

import dataclasses
import json
import os
import sys
from functools import reduce
from typing import Any

import veri_sdk


def main() -> None:
    client = veri_sdk.Client(api_key=os.environ["VERI_API_KEY"], base_url=os.environ["VERI_API_URL"])
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the client prints is not an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        print(json.dumps(answer(client, json.loads(line))), file=answers, flush=True)


def answer(client: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    try:
        value = reduce(getattr, wanted["call"].split("."), client)(*wanted["args"], **wanted["kwargs"])
        if wanted["then"]:
            value = getattr(value, wanted["then"])(*wanted["then_args"], **wanted["then_kwargs"])
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        return {"error": {"type": type(error).__name__, "message": str(error), "status": status}}
    return {"value": plain(value)}


def plain(value: Any) -> Any:
    """Return what JSON can say of a value: objects of the client become their public fields."""
    if dataclasses.is_dataclass(value):
        fields = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


if __name__ == "__main__":
    main()
