"""Who may do what: nothing without a key, no more than its scopes with one, and of another account's things not even to know."""

import re
from typing import Any

import httpx2
import pytest

from tests.conftest import Server, Tenant
from tests.rest_compat import described, things

pytestmark = pytest.mark.anyio
UNAUTHENTICATED = {"error": {"type": "invalid_request_error", "code": None, "message": "Invalid API key", "param": None}}
# Where errors have another shape.
OTHERWISE: dict[str, dict[str, Any]] = {
    # As its client reads them: OpenAI's.
    "/api/v2/external/files": UNAUTHENTICATED,
    "/api/v2/external/batches": UNAUTHENTICATED,
    "/api/v2/external/": {"detail": "Invalid API key"},
    "/deploy/": {"error": "Invalid API key"},
    "/v1/deployment_logs/": {"error": "Invalid API key"},
}


def operations(*, public: bool = False) -> list[tuple[str, str]]:
    """Return (method, path with a made-up id in place of each parameter) of every described operation."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", "x_unknown", path))
        for path, found in described.DESCRIPTION["paths"].items()
        for method, operation in found.items()
        if (operation.get("security") == []) is public
    ]


async def test_nothing_is_answered_without_a_key_in_force(server: Server) -> None:
    made = await things.serving_deployment(server, "http://127.0.0.1:9")
    before = await things.everything(server)
    keys = [{}, {"Authorization": "Bearer vk_unknown"}, {"Authorization": "Basic eDp5"}, {"xi-api-key": "vk_" + "x" * 300}]
    async with httpx2.AsyncClient(base_url=server.url) as client:
        for method, path in operations():
            for headers in keys:
                url = path.replace("x_unknown", made.id)
                answer = await client.request(method, url, headers=headers)
                said = next((body for prefix, body in OTHERWISE.items() if path.startswith(prefix)), UNAUTHENTICATED)
                assert (answer.status_code, answer.json()) == (401, said), f"{method} {path}"
                assert answer.headers["www-authenticate"] == "Bearer"
    assert await things.everything(server) == before


async def test_a_key_may_come_in_either_header_and_with_either_prefix(server: Server) -> None:
    key = server.tenant.key
    for headers in (
        {"Authorization": f"Bearer {key}"},
        {"authorization": f"bearer {key}"},
        {"xi-api-key": key},
        {"Authorization": f"Bearer lk_{key.removeprefix('vk_')}"},
    ):
        async with httpx2.AsyncClient(base_url=server.url, headers=headers) as client:
            assert (await client.get("/v1/me")).json()["org"] == "tenant"


async def scoped(server: Server, client: httpx2.AsyncClient, *scopes: str) -> httpx2.AsyncClient:
    made = (await client.post("/v1/api_keys", json={"name": "scoped", "scopes": scopes})).json()
    return server.client(Tenant(server.tenant.account, made["key"]))


async def test_a_key_without_the_scope_changes_nothing(client: httpx2.AsyncClient, server: Server) -> None:
    job, row = await things.job_body(client), await things.queued_deployment(server)
    queued, spare = await things.queued_job(client), await things.reward_function(client)
    key = (await client.get("/v1/api_keys")).json()["data"][0]
    chat = {"model": row.id, "messages": [{"role": "user", "content": "hi"}]}
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/v1/datasets", {"data": {"name": "a"}, "files": {"file": ("a", things.ROWS)}}),
        ("POST", "/v1/reward_functions", {"data": {"name": "a"}, "files": {"file": ("a", things.REWARD)}}),
        ("DELETE", f"/v1/reward_functions/{spare['id']}", {}),
        ("POST", f"/v1/reward_functions/{spare['id']}/test", {"json": {}}),
        ("POST", "/v1/training_jobs", {"json": job}),
        ("POST", f"/v1/training_jobs/{queued['id']}/cancel", {}),
        ("POST", "/v1/deployments", {"json": {"model": "a", "source": "huggingface", "name": "b", "gpu": job["gpu"]}}),
        ("POST", f"/v1/deployments/{row.id}/stop", {}),
        ("POST", "/v1/api_keys", {"json": {"name": "a"}}),
        ("DELETE", f"/v1/api_keys/{key['id']}", {}),
        ("POST", "/v1/chat/completions", {"json": chat}),
        ("POST", f"/v1/deployments/{row.id}/completions", {"json": {"prompt": "a"}}),
    ]
    async with await scoped(server, client, "read") as reader:
        before = await things.everything(server)
        for method, path, body in wanted:
            answer = await reader.request(method, path, **body)
            found = answer.json()["error"]
            assert (answer.status_code, found["type"], found["code"]) == (403, "permission_error", "insufficient_scope"), path
        assert await things.everything(server) == before
    async with await scoped(server, client, "write") as writer:
        assert (await writer.get(f"/v1/training_jobs/{queued['id']}")).status_code == 403


async def test_another_accounts_things_are_404(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server) -> None:
    job, row = await things.completed_job(server, client), await things.serving_deployment(server, "http://127.0.0.1:9")
    queued = await things.queued_job(client)
    checkpoint = (await client.get(f"/v1/training_jobs/{job['id']}/checkpoints")).json()["data"][0]["id"]
    key = (await client.get("/v1/api_keys")).json()["data"][0]["id"]
    before = await things.everything(server)
    for method, path in [
        ("GET", f"/v1/datasets/{job['dataset_id']}"),
        ("GET", f"/v1/reward_functions/{job['reward_function_id']}"),
        ("DELETE", f"/v1/reward_functions/{job['reward_function_id']}"),
        ("GET", f"/v1/training_jobs/{job['id']}"),
        ("POST", f"/v1/training_jobs/{queued['id']}/cancel"),
        ("GET", f"/v1/training_jobs/{job['id']}/events"),
        ("GET", f"/v1/training_jobs/{job['id']}/metrics"),
        ("GET", f"/v1/training_jobs/{job['id']}/logs"),
        ("GET", f"/v1/training_jobs/{job['id']}/logs/full"),
        ("GET", f"/v1/training_jobs/{job['id']}/model"),
        ("GET", f"/v1/training_jobs/{job['id']}/checkpoints"),
        ("GET", f"/v1/training_jobs/{job['id']}/checkpoints/{checkpoint}/download"),
        ("GET", f"/v1/deployments/{row.id}"),
        ("POST", f"/v1/deployments/{row.id}/stop"),
        ("GET", f"/v1/deployments/{row.id}/requests"),
        ("GET", f"/v1/deployments/{row.id}/metrics"),
        ("GET", f"/v1/deployments/{row.id}/models"),
        ("DELETE", f"/v1/api_keys/{key}"),
        ("GET", f"/v1/models/{row.name}"),
        ("GET", f"/v1/models/{row.id}"),
    ]:
        answer = await stranger.request(method, path)
        unknown = await stranger.request(method, re.sub(r"(?<=[a-z]_)[0-9a-z]{26}", "0" * 26, path))
        assert answer.status_code == unknown.status_code == 404, path
        assert set(answer.json()["error"].values()) - {answer.json()["error"]["message"]} == set(
            unknown.json()["error"].values()
        ) - {unknown.json()["error"]["message"]}
    assert await things.everything(server) == before


async def test_another_accounts_things_cannot_be_used(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    job, row = await things.completed_job(server, client), await things.serving_deployment(server, "http://127.0.0.1:9")
    theirs = await things.job_body(stranger)
    before = await things.everything(server)
    gpu = {"type": "CPU", "count": 1}
    chat = {"messages": [{"role": "user", "content": "hi"}]}
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("/v1/training_jobs", {**theirs, "dataset_id": job["dataset_id"]}),
        ("/v1/training_jobs", {**theirs, "reward_function_id": job["reward_function_id"]}),
        (f"/v1/reward_functions/{job['reward_function_id']}/test", {}),
        ("/v1/deployments", {"model": job["id"], "name": "mine", "gpu": gpu}),
        ("/v1/chat/completions", {**chat, "model": row.id}),
        ("/v1/chat/completions", {**chat, "model": row.name}),
        (f"/v1/deployments/{row.id}/chat/completions", {**chat, "model": row.name}),
    ]
    for path, body in wanted:
        answer = await stranger.post(path, json=body)
        assert answer.status_code == 404, path
    assert await things.everything(server) == before


async def test_lists_hold_only_the_callers_own(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server) -> None:
    job = await things.queued_job(client)
    await things.serving_deployment(server, "http://127.0.0.1:9")
    for path in ("datasets", "reward_functions", "training_jobs", "deployments", "models"):
        assert (await client.get(f"/v1/{path}")).json()["data"] != []
        assert (await stranger.get(f"/v1/{path}")).json()["data"] == []
    answer = await stranger.get(f"/v1/training_jobs?after={job['id']}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "after")
