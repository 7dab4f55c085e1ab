"""The audit log: an entry for every change over REST and for every command of the operator, none for what changed nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.errors import Conflict
from models.audit import AuditEntry
from models.host import Host
from resolvers import accounts, base_models, secrets
from tests.conftest import Server, Tenant
from tests.rest_compat import bulk, described, things

pytestmark = pytest.mark.anyio
Request = tuple[str, dict[str, Any]]
Prepare = Callable[[httpx2.AsyncClient, Server], Awaitable[Request]]
NO_CHANGE = "looks, and changes nothing"
INFERENCE = "inference has a log of its own"
BY_STRIPE = "is Stripe's, under no key: what it tells of is logged where it is booked"
CONNECTED = {"name": "sums", "source_type": "hf", "huggingface_dataset": "openai/gsm8k"}
BY_THE_OPERATOR = "is for the operator alone: tests/cli/test_adopting.py has its entry"
INFERENCE_SERVICE = {
    "hf_model_id": "Qwen/Qwen3-4B",
    "hardware_profile": "cpu",
    "target_rps": 10,
    "target_latency_p95_ms": 5000,
    "stabilisation_window": 300,
}
FILE: dict[str, Any] = {"data": {"purpose": "batch"}, "files": {"file": ("sums.jsonl", b"{}\n")}}
HEARTBEAT = "says every few seconds that somebody is there"


def sent(path: str, **options: Any) -> Prepare:
    async def prepare(client: httpx2.AsyncClient, server: Server) -> Request:
        return path, options

    return prepare


async def a_key(client: httpx2.AsyncClient, server: Server) -> Request:
    made = (await client.post("/v1/api_keys", json={"name": "ci"})).json()
    return f"/v1/api_keys/{made['id']}", {}


async def an_ssh_key(client: httpx2.AsyncClient, server: Server) -> Request:
    made = (await client.post("/v1/ssh_keys", json=things.ssh_pair())).json()
    return f"/v1/ssh_keys/{made['id']}", {}


async def an_integration(client: httpx2.AsyncClient, server: Server) -> Request:
    path = "/v1/settings/integrations/wandb"
    assert (await client.put(path, json={"api_key": "w" * 40})).status_code == 200
    return path, {}


async def a_job(client: httpx2.AsyncClient, server: Server) -> Request:
    return "/v1/training_jobs", {"json": await things.job_body(client)}


async def a_running_job(client: httpx2.AsyncClient, server: Server) -> Request:
    return f"/v1/training_jobs/{(await things.queued_job(client))['id']}/cancel", {}


async def a_deployment(client: httpx2.AsyncClient, server: Server) -> Request:
    body = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": "sums", "gpu": {"type": "CPU", "count": 1}}
    return "/v1/deployments", {"json": body}


async def an_active_deployment(client: httpx2.AsyncClient, server: Server) -> Request:
    return f"/v1/deployments/{(await things.queued_deployment(server)).id}/stop", {}


async def a_host(server: Server) -> None:
    now = clock.now()
    offers = {"gpus": [], "cpu_slots": 2, "cpu_fallback": True}
    async with server.platform.db.transaction() as session:
        session.add(Host(id="host_1", name="here", offers=offers, started_at=now, seen_at=now))


async def a_recommendation(client: httpx2.AsyncClient, server: Server) -> Request:
    await a_host(server)
    return "/deploy/hf/", {"json": {"model_name": "Qwen/Qwen3-4B"}}


def of_a_deployment(path: str, *, first: str | None = None, **body: Any) -> Prepare:
    """Ask for something of an active deployment, after `first` where it has to stand otherwise."""

    async def prepare(client: httpx2.AsyncClient, server: Server) -> Request:
        row = await things.queued_deployment(server)
        if first is not None:
            assert (await client.post(first.format(id=row.id))).is_success
        return path.format(id=row.id), {"json": body} if body else {}

    return prepare


async def an_inference_service(client: httpx2.AsyncClient, server: Server) -> Request:
    row = await things.queued_deployment(server)
    return "/api/v2/external/inference/stop", {"json": {"deployment_id": row.id}}


async def a_dataset(client: httpx2.AsyncClient, server: Server) -> Request:
    return f"/v1/datasets/{(await things.dataset(client))['id']}", {}


async def a_reward_function(client: httpx2.AsyncClient, server: Server) -> Request:
    return f"/v1/reward_functions/{(await things.reward_function(client))['id']}", {}


async def an_ended_job(client: httpx2.AsyncClient, server: Server) -> Request:
    return f"/v1/training_jobs/{(await things.completed_job(server, client))['id']}", {}


async def a_stopped_deployment(client: httpx2.AsyncClient, server: Server) -> Request:
    path, _ = await an_active_deployment(client, server)
    assert (await client.post(path)).status_code == 200
    return path.removesuffix("/stop"), {}


def of_a_batch(path: str) -> Prepare:
    """Ask for something of a batch in progress, or of one that has ended where it is tried again."""

    async def prepare(client: httpx2.AsyncClient, server: Server) -> Request:
        ctx = await server.context()
        row = await bulk.made(ctx)
        await bulk.moved(ctx, row.id, "in_progress", total=3)
        if path.endswith("/retry"):
            await bulk.finished(ctx, row.id, [bulk.bad(1), bulk.good(2), bulk.good(3)])
        return path.format(id=row.id), {}

    return prepare


EVAL: dict[str, Any] = {"name": "sums", "scorers": [{"type": "exact-match"}]}


def an_eval(path: str, *, run: bool = False) -> Prepare:
    """Make an eval of a dataset, and a run of it where one is needed; `path` takes the ids of both."""

    async def prepare(client: httpx2.AsyncClient, server: Server) -> Request:
        body = {**EVAL, "dataset_id": (await things.dataset(client))["id"]}
        if "{id}" not in path:
            return path, {"json": body}
        made = (await client.post("/v1/evals", json=body)).json()
        if run or path.endswith("/runs"):
            await things.queued_deployment(server)
        found = {"id": made["id"], "run": ""}
        if run:
            answer = await client.post(f"/v1/evals/{made['id']}/runs", json={"model": "sums"})
            found["run"] = answer.json()["id"]
        return path.format(**found), ({"json": {"model": "sums"}} if path.endswith("/runs") else {})

    return prepare


def a_file(path: str) -> Prepare:
    async def prepare(client: httpx2.AsyncClient, server: Server) -> Request:
        made = (await client.post("/v1/files", **FILE)).json()
        return path.format(id=made["id"]), {}

    return prepare


def a_batch(path: str) -> Prepare:
    async def prepare(client: httpx2.AsyncClient, server: Server) -> Request:
        source = await bulk.stored_file(await server.context(), bulk.lines(1))
        return path, {"json": {"input_file_id": source.id, "endpoint": bulk.CHAT, "completion_window": "24h"}}

    return prepare


# How each operation that is no GET is asked, or why it leaves no entry.
CHANGES: dict[str, Prepare | str] = {
    "DELETE /v1/evals/{eval_id}": an_eval("/v1/evals/{id}"),
    "POST /v1/evals": an_eval("/v1/evals"),
    "POST /v1/evals/{eval_id}/runs": an_eval("/v1/evals/{id}/runs"),
    "POST /v1/evals/{eval_id}/runs/{run_id}/cancel": an_eval("/v1/evals/{id}/runs/{run}/cancel", run=True),
    "DELETE /v1/files/{file_id}": a_file("/v1/files/{id}"),
    "POST /v1/files": sent("/v1/files", **FILE),
    "DELETE /v1/openai/files/{file_id}": a_file("/v1/openai/files/{id}"),
    "POST /v1/openai/files": sent("/v1/openai/files", **FILE),
    "DELETE /api/v2/external/files/{file_id}": a_file("/api/v2/external/files/{id}"),
    "POST /api/v2/external/files": sent("/api/v2/external/files", **FILE),
    "DELETE /api/v2/external/inference/stop": an_inference_service,
    "DELETE /deploy/{deploy_id}": of_a_deployment("/deploy/{id}"),
    "DELETE /v1/api_keys/{key_id}": a_key,
    "DELETE /v1/datasets/{dataset_id}": a_dataset,
    "DELETE /v1/deployments/{deployment_id}": a_stopped_deployment,
    "DELETE /v1/reward_functions/{reward_function_id}": a_reward_function,
    "DELETE /v1/settings/integrations/{provider}": an_integration,
    "DELETE /v1/ssh_keys/{ssh_key_id}": an_ssh_key,
    "DELETE /v1/training_jobs/{job_id}": an_ended_job,
    "PATCH /v1/deployments/{deployment_id}": of_a_deployment("/v1/deployments/{id}", max_replicas=3),
    "POST /api/v2/external/batches": a_batch("/api/v2/external/batches"),
    "POST /api/v2/external/batches/{batch_id}/cancel": of_a_batch("/api/v2/external/batches/{id}/cancel"),
    "POST /api/v2/external/batches/{batch_id}/retry": of_a_batch("/api/v2/external/batches/{id}/retry"),
    "POST /v1/batches": a_batch("/v1/batches"),
    "POST /v1/batches/{batch_id}/cancel": of_a_batch("/v1/batches/{id}/cancel"),
    "POST /v1/batches/{batch_id}/retry": of_a_batch("/v1/batches/{id}/retry"),
    "POST /v1/openai/batches": a_batch("/v1/openai/batches"),
    "POST /v1/openai/batches/{batch_id}/cancel": of_a_batch("/v1/openai/batches/{id}/cancel"),
    "POST /v1/openai/batches/{batch_id}/retry": of_a_batch("/v1/openai/batches/{id}/retry"),
    "POST /api/v2/external/inference/create": sent("/api/v2/external/inference/create", json=INFERENCE_SERVICE),
    "POST /deploy/hf/": a_recommendation,
    "POST /deploy/llm": sent("/deploy/llm", json={"model_name": "me/q", "gpu": "L4-24GB", "hf": {"repo": "Qwen/Qwen3-4B"}}),
    "POST /deploy/{deploy_id}/start": of_a_deployment("/deploy/{id}/start", first="/deploy/{id}/stop"),
    "POST /deploy/{deploy_id}/stop": of_a_deployment("/deploy/{id}/stop"),
    "POST /v1/api_keys": sent("/v1/api_keys", json={"name": "ci"}),
    "POST /v1/billing/check_balance": NO_CHANGE,
    "POST /v1/billing/stripe/webhook": BY_STRIPE,
    "POST /v1/chat/completions": INFERENCE,
    "POST /v1/completions": INFERENCE,
    "POST /v1/datasets": sent("/v1/datasets", data={"name": "sums"}, files={"file": ("sums.jsonl", things.ROWS)}),
    "POST /v1/datasets/connect": sent("/v1/datasets/connect", json=CONNECTED),
    "POST /v1/datasets/connect/validate": NO_CHANGE,
    "POST /v1/deployments": a_deployment,
    "POST /v1/deployments/adopt": BY_THE_OPERATOR,
    "POST /v1/deployments/{deployment_id}/chat/completions": INFERENCE,
    "POST /v1/deployments/{deployment_id}/completions": INFERENCE,
    "POST /v1/deployments/{deployment_id}/pause": of_a_deployment("/v1/deployments/{id}/pause"),
    "POST /v1/deployments/{deployment_id}/resume": of_a_deployment(
        "/v1/deployments/{id}/resume", first="/v1/deployments/{id}/pause"
    ),
    "POST /v1/deployments/{deployment_id}/versions": of_a_deployment(
        "/v1/deployments/{id}/versions", model="Qwen/Qwen3-8B", source="huggingface"
    ),
    "POST /v1/deployments/{deployment_id}/stop": an_active_deployment,
    "POST /v1/openai/chat/completions": INFERENCE,
    "POST /v1/openai/completions": INFERENCE,
    "POST /v1/reward_functions": sent("/v1/reward_functions", data={"name": "a"}, files={"file": ("a.py", things.REWARD)}),
    "POST /v1/reward_functions/{reward_function_id}/test": NO_CHANGE,
    "POST /v1/ssh_keys": sent("/v1/ssh_keys", json=things.ssh_pair()),
    "POST /v1/training_jobs": a_job,
    "POST /v1/training_jobs/plan": NO_CHANGE,
    "POST /v1/training_jobs/{job_id}/cancel": a_running_job,
    "POST /v1/training_jobs/{job_id}/heartbeat": HEARTBEAT,
    "PUT /deploy/{deploy_id}": of_a_deployment("/deploy/{id}", settings={"min_instances": 1, "max_instances": 2}),
    "PUT /v1/billing/budget": sent("/v1/billing/budget", json={"limit_usd": 5, "period": "month"}),
    "PUT /v1/settings/integrations/{provider}": sent("/v1/settings/integrations/wandb", json={"token": "w" * 40}),
}
OPERATIONS = {
    f"{method.upper()} {path}" for path, found in described.DESCRIPTION["paths"].items() for method in found if method != "get"
}


async def entries(server: Server, *where: Any) -> list[AuditEntry]:
    async with server.platform.db.read() as session:
        statement = select(AuditEntry).where(*where).order_by(col(AuditEntry.created_at), col(AuditEntry.id))
        return list((await session.exec(statement)).all())


def test_every_operation_that_may_change_something_is_walked() -> None:
    assert set(CHANGES) >= OPERATIONS


SHOWN = {"name", "slug", "output_name", "provider", "scopes", "fingerprint", "limit_usd", "period"}


@pytest.mark.parametrize("operation", sorted(name for name in OPERATIONS if not isinstance(CHANGES.get(name, ""), str)))
async def test_every_change_has_its_entry_and_a_replay_none(operation: str, client: httpx2.AsyncClient, server: Server) -> None:
    prepare = CHANGES[operation]
    assert not isinstance(prepare, str)
    path, options = await prepare(client, server)
    key = (await client.get("/v1/api_keys")).json()["data"][-1]
    headers = {"Idempotency-Key": "once", "x-request-id": "req_of_the_test"}
    before = len(await entries(server))
    for _ in range(2):
        answer = await client.request(operation.split()[0], path, headers=headers, **options)
        assert answer.is_success, answer.text
    (entry,) = (await entries(server))[before:]
    assert (entry.account_id, entry.actor, entry.actor_name) == (server.tenant.account.id, key["id"], "default")
    assert entry.request_id == "req_of_the_test"
    shown = answer.json()
    if "id" in shown:
        assert entry.resource_id == shown["id"]
    assert "." in entry.action and not set(entry.details) - SHOWN


async def test_what_fails_or_changes_nothing_leaves_no_entry(client: httpx2.AsyncClient, server: Server) -> None:
    path, _ = await a_running_job(client, server)
    stop, _ = await an_active_deployment(client, server)
    assert (await client.post(path)).status_code == (await client.post(stop)).status_code == 200
    before = await entries(server)
    for method, url, body, status in [
        ("POST", path, None, 400),
        ("POST", stop, None, 200),
        ("POST", "/v1/api_keys", {"name": "x", "scopes": ["root"]}, 400),
        ("POST", "/v1/ssh_keys", things.ssh_pair() | {"private_key": "x"}, 400),
        ("DELETE", "/v1/api_keys/key_unknown", None, 404),
        ("DELETE", "/v1/settings/integrations/wandb", None, 404),
        ("PUT", "/v1/settings/integrations/wandb", {}, 422),
    ]:
        answer = await client.request(method, url, json=body)
        assert answer.status_code == status, answer.text
    assert await entries(server) == before


async def test_of_many_at_once_with_one_idempotency_key_one_is_logged(client: httpx2.AsyncClient, server: Server) -> None:
    headers = {"Idempotency-Key": "once"}
    await asyncio.gather(*(client.post("/v1/api_keys", json={"name": "ci"}, headers=headers) for _ in range(20)))
    assert [entry.action for entry in await entries(server)] == ["accounts.create", "api_keys.create"]


async def test_the_log_is_read_by_resource_action_actor_and_time(client: httpx2.AsyncClient, server: Server) -> None:
    key = (await client.post("/v1/api_keys", json={"name": "ci", "scopes": ["read", "write"]})).json()
    async with server.client(Tenant(server.tenant.account, key["key"])) as other:
        await other.put("/v1/settings/integrations/wandb", json={"token": "w" * 40})
    await client.delete(f"/v1/api_keys/{key['id']}")

    async def actions(**query: Any) -> list[str]:
        answer = await client.get("/v1/audit_log", params=query)
        assert answer.status_code == 200, answer.text
        return [entry["action"] for entry in answer.json()["data"]]

    assert await actions() == ["api_keys.revoke", "integrations.put", "api_keys.create", "accounts.create"]
    assert await actions(resource_id=key["id"]) == ["api_keys.revoke", "api_keys.create"]
    assert await actions(action="api_keys") == ["api_keys.revoke", "api_keys.create"]
    assert await actions(action="api_keys.create") == ["api_keys.create"]
    assert await actions(action="api_key") == await actions(action="api%") == []
    assert await actions(actor=key["id"]) == ["integrations.put"]
    assert await actions(actor="operator") == ["accounts.create"]
    now = clock.now()
    assert await actions(created_before=(now - timedelta(hours=1)).isoformat()) == []
    assert len(await actions(created_after=(now - timedelta(hours=1)).isoformat())) == 4
    assert (await client.get("/v1/audit_log", params={"created_after": "yesterday"})).status_code == 422
    first = (await client.get("/v1/audit_log", params={"limit": 2})).json()
    assert first["has_more"]
    assert await actions(limit=2, after=first["data"][-1]["id"]) == ["api_keys.create", "accounts.create"]
    assert first["data"][0] == {
        "id": first["data"][0]["id"],
        "object": "audit_entry",
        "actor": first["data"][0]["actor"],
        "actor_name": "default",
        "action": "api_keys.revoke",
        "resource_id": key["id"],
        "request_id": first["data"][0]["request_id"],
        "details": {"name": "ci", "scopes": ["read", "write"]},
        "created_at": first["data"][0]["created_at"],
    }


async def test_the_log_of_another_account_is_not_read(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    key = (await client.post("/v1/api_keys", json={"name": "ci"})).json()
    assert [entry["action"] for entry in (await stranger.get("/v1/audit_log")).json()["data"]] == ["accounts.create"]
    assert (await stranger.get("/v1/audit_log", params={"resource_id": key["id"]})).json()["data"] == []
    mine = (await client.get("/v1/audit_log")).json()["data"][0]["id"]
    assert (await stranger.get("/v1/audit_log", params={"after": mine})).status_code == 400


async def test_commands_of_the_operator_are_logged(server: Server, tmp_path: Path) -> None:
    core = server.platform.core
    account, key = await accounts.create(core, "boss", operator=True)
    await accounts.credit(core, "tenant", 5_000_000)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    for _ in range(2):
        await base_models.add(core, "tiny", tmp_path)
    await secrets.rotate(core)
    before = await things.everything(server)
    with pytest.raises(Conflict):
        await accounts.create(core, "tenant")
    assert await things.everything(server) == before
    found = [(entry.action, entry.account_id, entry.actor) for entry in (await entries(server))[1:]]
    assert found == [
        ("accounts.create", account.id, "operator"),
        ("accounts.credit", server.tenant.account.id, "operator"),
        ("base_models.add", None, "operator"),
        ("secrets.rotate", None, "operator"),
    ]
    async with server.client(Tenant(account, key)) as boss, server.client() as other:
        seen = [entry["action"] for entry in (await boss.get("/v1/audit_log")).json()["data"]]
        assert seen == ["secrets.rotate", "base_models.add", "accounts.create"]
        credited = (await other.get("/v1/audit_log")).json()["data"][0]
    assert (credited["action"], credited["details"]) == ("accounts.credit", {"slug": "tenant", "credit_usd": "5"})
