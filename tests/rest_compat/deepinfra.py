"""Checks that answers are what DeepInfra's public description says of them, and the few calls that its tests begin with."""

import re
from pathlib import Path
from typing import Any

import httpx2
import orjson
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

PATH = Path(__file__).parents[1] / "contract" / "deepinfra-openapi.json"
PUBLIC: dict[str, Any] = orjson.loads(PATH.read_bytes())
ERROR = {"$ref": "#/components/schemas/DeepError"}
BODY: dict[str, Any] = {"model_name": "tenant/qwen", "gpu": "H100-80GB", "hf": {"repo": "Qwen/Qwen3-4B"}}
NOWHERE = "http://127.0.0.1:9"


async def check(response: httpx2.Response) -> None:
    """Fail where the public description has the answer's path and its JSON does not fit.

    What may go wrong with any request, and is not said of each, has the shape of all errors.
    """
    operation = operation_of(response.request.method, response.request.url.path)
    if operation is None:
        return
    await response.aread()
    described = operation["responses"].get(str(response.status_code))
    assert described is not None or response.status_code >= 400, response.status_code
    schema = described["content"]["application/json"]["schema"] if described else ERROR
    validator = Draft202012Validator({**closed(schema), "components": closed(PUBLIC["components"])})
    validator.validate(response.json())


def closed(schema: Any) -> Any:
    """Return the schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("properties"), dict) and "type" in found else found


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return what is said of a request; None for a path that is not told of."""
    # What has a name of its own is meant before what looks like an id.
    for template, operations in sorted(PUBLIC["paths"].items(), key=lambda item: "{" in item[0]):
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    return None


async def created(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/deploy/llm", json={**BODY, **changes})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def shown(client: httpx2.AsyncClient, deploy_id: str) -> dict[str, Any]:
    answer = await client.get(f"/deploy/{deploy_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
