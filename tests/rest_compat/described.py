"""Checks that answers are what the published description says of them."""

import re
from typing import Any

import httpx2
import orjson
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rest_compat.openapi import PATH

DESCRIPTION: dict[str, Any] = orjson.loads(PATH.read_bytes())
BODY = "application/json"


async def check(response: httpx2.Response) -> None:
    """Fail where the description does not know the answer's status or its JSON does not fit."""
    operation = operation_of(response.request.method, response.request.url.path)
    if operation is None:
        return
    answers = operation["responses"]
    assert str(response.status_code) in answers, f"{response.request.method} {response.request.url.path}: {response.status_code}"
    described = answers[str(response.status_code)]
    if "$ref" in described:
        described = DESCRIPTION["components"]["responses"][described["$ref"].rpartition("/")[2]]
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in described["content"]
    if media_type == BODY:
        await response.aread()
        schema = {**described["content"][BODY]["schema"], "components": DESCRIPTION["components"]}
        Draft202012Validator(schema).validate(response.json())


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the description of a request, None for a path or method that it does not have."""
    for template, operations in DESCRIPTION["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] | None = operations.get(method.lower())
            return found
    return None
