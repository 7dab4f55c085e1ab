"""Every operation there is, with a key of each scope alone: what it may do, and that it changes nothing of what it may not."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from models.api_key import SCOPES
from rest_compat.dialects import OPERATIONS as THERE_ARE
from tests.conftest import Server, Tenant
from tests.rest_compat import described, things

pytestmark = pytest.mark.anyio
# Any key may ask whose it is.
ANY = "any"
# Where the method does not tell what an operation does.
UNLIKE_THEIR_METHOD = {
    "GET /v1/me": ANY,
    "POST /v1/billing/check_balance": "read",
    "POST /v1/training_jobs/plan": "read",
}
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, found in described.DESCRIPTION["paths"].items()
    for method, operation in found.items()
    if operation.get("security") != []
]


def needed(operation: str) -> str:
    """Return the scope that an operation needs, told from its name."""
    if operation in UNLIKE_THEIR_METHOD:
        return UNLIKE_THEIR_METHOD[operation]
    if "/completions" in operation:
        return "inference"
    return "read" if operation.startswith("GET ") else "write"


def test_every_operation_says_which_scope_it_needs() -> None:
    said = {f"{item.method} {re.sub(r':path}', '}', item.path)}": item.needed or ANY for item in THERE_ARE}
    assert said == {operation: needed(operation) for operation in OPERATIONS}


def refusal(answer: httpx2.Response) -> str:
    """Return the code of an error, also of those that have none on the wire."""
    found: dict[str, Any] = answer.json()
    said = found.get("detail", found.get("error"))
    if isinstance(said, str):
        return "insufficient_scope" if "does not have the scope" in said else said
    code: str = found["error"]["code"]
    return code


@asynccontextmanager
async def with_only(server: Server, client: httpx2.AsyncClient, scope: str) -> AsyncIterator[httpx2.AsyncClient]:
    made = (await client.post("/v1/api_keys", json={"name": scope, "scopes": [scope]})).json()
    async with server.client(Tenant(server.tenant.account, made["key"])) as other:
        yield other


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_does_what_its_scope_says_and_nothing_else(scope: str, client: httpx2.AsyncClient, server: Server) -> None:
    job, row = await things.completed_job(server, client), await things.serving_deployment(server, "http://127.0.0.1:9")
    ours = {
        "job_id": job["id"],
        "deployment_id": row.id,
        "deploy_id": row.id,
        "dataset_id": job["dataset_id"],
        "provider": "huggingface",
    }
    ours["reward_function_id"], ours["key_id"] = job["reward_function_id"], server.tenant.account.id
    async with with_only(server, client, scope) as other:
        before = await things.everything(server)
        for operation in OPERATIONS:
            method, path = operation.split()
            url = re.sub(r"\{(\w+)\}", lambda found: ours.get(found[1], "x_unknown"), path)
            may = needed(operation) in (scope, ANY)
            if may and scope != "read":
                # What it may do is tried elsewhere; here it would change what the others are held against.
                continue
            answer = await other.request(method, url, params={"follow": "false"} if url.endswith("/logs") else None)
            if may:
                assert answer.status_code != 403, operation
            else:
                assert (answer.status_code, refusal(answer)) == (403, "insufficient_scope"), operation
        assert await things.everything(server) == before
