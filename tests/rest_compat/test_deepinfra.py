"""DeepInfra's deployments: the documented objects, their life and its words, and what goes wrong in that service's words."""

from typing import Any

import httpx2
import pytest

from models.deployment import Deployment
from tests.conftest import Server
from tests.rest_compat import deepinfra, described, things
from tests.rest_compat.deepinfra import BODY, created, shown

pytestmark = pytest.mark.anyio
TOKEN = "hf_canary-that-must-never-be-seen"
FULL: dict[str, Any] = {
    "model_name": "tenant/full",
    "gpu": "A100-80GB",
    "num_gpus": 2,
    "max_batch_size": 32,
    "hf": {"repo": "Qwen/Qwen3-4B", "revision": "main", "token": TOKEN},
    "base_model": "Qwen/Qwen3-4B",
    "settings": {"min_instances": 0, "max_instances": 3},
    "extra_args": ["--max-model-len=2048", "--enable-prefix-caching"],
}
WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"model_name": None}, 422, "model_name: "),
    ({"model_name": "plain"}, 422, "model_name: "),
    ({"model_name": "a/b/c"}, 422, "model_name: "),
    ({"gpu": "H100"}, 422, "gpu: "),
    ({"gpu": "T4-16GB"}, 422, "gpu: "),
    ({"num_gpus": 0}, 422, "num_gpus: "),
    ({"num_gpus": 9}, 422, "num_gpus: "),
    ({"num_gpus": True}, 422, "num_gpus: "),
    ({"max_batch_size": 0}, 422, "max_batch_size: "),
    ({"max_batch_size": 257}, 422, "max_batch_size: "),
    ({"hf": None}, 422, "at least one of hf and base_model is required"),
    ({"hf": {}}, 422, "hf.repo: this field is required"),
    ({"hf": {"repo": "a/b", "token": "two words"}}, 422, "hf.token: "),
    ({"settings": {"min_instances": 2}}, 422, "settings: min_instances is more than max_instances"),
    ({"settings": {"max_instances": 0}}, 422, "settings.max_instances: "),
    ({"settings": {"min_instances": -1}}, 422, "settings.min_instances: "),
    ({"more": 1}, 422, "more: unknown field"),
    ({"hf": {"repo": "/etc/passwd"}}, 400, "'/etc/passwd' is neither a registered model nor a Hugging Face id"),
    ({"container_image": "vllm/vllm-openai"}, 400, "container_image: "),
    ({"extra_args": ["--trust-remote-code"]}, 400, "extra_args: --trust-remote-code: this flag may not be set"),
    ({"extra_args": ["--max-model-len=0"]}, 400, "extra_args: --max-model-len: "),
    ({"extra_args": ["--seed", "1", "--seed", "2"]}, 400, "extra_args: --seed: it is given twice"),
    ({"extra_args": ["serve"]}, 400, "extra_args: serve: this is not a flag"),
    ({"hf": {"repo": "job_unknown"}}, 404, "No such training job: job_unknown"),
    ({"base_model": "ckpt_unknown", "hf": None}, 404, "No such checkpoint: ckpt_unknown"),
]


async def test_the_documented_request_gets_the_documented_answer(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/deploy/llm", json=FULL)
    made = answer.json()
    assert answer.status_code == 200
    assert made == {
        "deploy_id": made["deploy_id"],
        "model_name": "tenant/full",
        "version": "main",
        "task": "text-generation",
        "status": "initializing",
        "fail_reason": "",
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "type": "llm",
        "instances": {"running": 0, "pending": 0},
        "config": {
            "gpu": "A100-80GB",
            "num_gpus": 2,
            "max_batch_size": 32,
            "weights": {"repo": "Qwen/Qwen3-4B", "revision": "main", "token": None},
        },
        "settings": {"min_instances": 0, "max_instances": 3},
    }
    assert list(made) == [
        "deploy_id", "model_name", "version", "task", "status", "fail_reason", "created_at", "updated_at", "type", "instances",
        "config", "settings",
    ]  # fmt: skip
    assert made["created_at"].endswith("+00:00")
    assert await shown(client, made["deploy_id"]) == made
    assert (await client.get("/deploy/list")).json() == (await client.get("/deploy/list/")).json() == [made]


async def test_what_is_left_out_has_the_documented_default(client: httpx2.AsyncClient, server: Server) -> None:
    body = {"model_name": "tenant/plain", "gpu": "other", "base_model": "Qwen/Qwen3-4B", "settings": None, "extra_args": None}
    made = await created(client, **body, hf=None)
    assert made["config"] == {
        "gpu": "other",
        "num_gpus": 1,
        "max_batch_size": 96,
        "weights": {"repo": "Qwen/Qwen3-4B", "revision": None, "token": None},
    }
    assert made["settings"] == {"min_instances": 1, "max_instances": 1}
    async with server.platform.db.read() as session:
        row = await session.get_one(Deployment, made["deploy_id"])
    assert (row.gpu_requested, row.extra_args, row.source) == ({"type": "CPU", "count": 1}, [], "huggingface")


async def test_what_was_asked_for_is_what_every_dialect_sees(client: httpx2.AsyncClient, server: Server) -> None:
    made = await created(client, **FULL)
    async with server.platform.db.read() as session:
        row = await session.get_one(Deployment, made["deploy_id"])
    assert (row.name, row.model, row.source, row.revision) == ("tenant/full", "Qwen/Qwen3-4B", "huggingface", "main")
    assert (row.min_replicas, row.max_replicas, row.max_batch_size) == (0, 3, 32)
    assert (row.gpu_requested, row.extra_args) == ({"type": "A100-80GB", "count": 2}, FULL["extra_args"])
    assert row.sealed_hf_token is not None
    assert server.platform.core.secrets.decrypt(row.sealed_hf_token, row.id) == TOKEN
    found = (await client.get(f"/v1/deployments/{row.id}")).json()
    assert (found["name"], found["gpu"], found["status"]) == ("tenant/full", {"type": "A100-80GB", "count": 2}, "queued")


async def test_jobs_and_checkpoints_are_models_too(client: httpx2.AsyncClient, server: Server) -> None:
    job = await things.completed_job(server, client)
    of_job = (await client.get(f"/v1/training_jobs/{job['id']}/checkpoints")).json()["data"]
    final = next(one["id"] for one in of_job if one["final"])
    by_job = await created(client, hf={"repo": job["id"]}, model_name="tenant/by-job")
    by_checkpoint = await created(client, hf=None, base_model=final, model_name="tenant/by-checkpoint")
    assert (by_job["version"], by_checkpoint["version"]) == (final, final)
    assert by_job["config"]["weights"]["repo"] == job["id"]
    answer = await client.post("/deploy/llm", json={**BODY, "hf": {"repo": job["id"], "revision": "main"}})
    assert (answer.status_code, answer.json()) == (422, {"error": "revision and hf_token belong to models of Hugging Face"})
    queued = await things.queued_job(client)
    refused = await client.post("/deploy/llm", json={**BODY, "hf": {"repo": queued["id"]}})
    assert (refused.status_code, refused.json()["error"][:8]) == (400, "The job ")


async def test_a_bad_request_says_what_is_wrong_and_leaves_nothing(client: httpx2.AsyncClient, server: Server) -> None:
    before = await things.everything(server)
    for changes, status, message in WRONG:
        answer = await client.post("/deploy/llm", json={**BODY, **changes})
        assert (answer.status_code, list(answer.json())) == (status, ["error"]), changes
        assert answer.json()["error"].startswith(message), answer.json()["error"]
    for content in (b"{", b"[]", b""):
        answer = await client.post("/deploy/llm", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, list(answer.json())) == (422, ["error"])
    assert await things.everything(server) == before


async def test_elsewhere_a_wrong_shape_is_told_field_by_field(client: httpx2.AsyncClient) -> None:
    made = await created(client)
    path = f"/deploy/{made['deploy_id']}"
    wanted: list[tuple[str, str, dict[str, Any], list[tuple[list[Any], str]]]] = [
        ("PUT", path, {"json": {}}, [(["body", "settings"], "missing")]),
        ("PUT", path, {"json": {"settings": {}, "gpu": "other"}}, [(["body", "gpu"], "extra_forbidden")]),
        ("PUT", path, {"json": {"settings": {"min_instances": 3}}}, [(["body", "settings"], "value_error")]),
        ("PUT", path, {"content": b"{"}, [(["body"], "value_error")]),
        ("PUT", path, {"data": {"settings": "1"}}, [(["header", "Content-Type"], "value_error")]),
        ("GET", f"{path}/stats", {}, [(["query", "from"], "missing")]),
        ("GET", f"{path}/stats2", {"params": {"from": "yesterday"}}, [(["query", "from"], "value_error")]),
        ("GET", "/deploy/stats", {"params": {"from": "now", "to": "now-1h"}}, [(["query", "to"], "value_error")]),
        ("GET", "/v1/deployment_logs/query", {"params": {"limit": "0"}}, []),
        ("POST", "/deploy/hf/", {"json": {"task": "image-classification"}}, []),
    ]
    for method, url, sent, wrong in wanted:
        answer = await client.request(method, url, **sent)
        assert (answer.status_code, list(answer.json())) == (422, ["detail"]), url
        found = [(one["loc"], one["type"]) for one in answer.json()["detail"]]
        assert found == wrong if wrong else len(found) == 2


async def test_a_name_is_taken_until_its_deployment_ends(client: httpx2.AsyncClient) -> None:
    made = await created(client)
    answer = await client.post("/deploy/llm", json=BODY)
    error = "An active deployment is called tenant/qwen already. Delete it, or take another name."
    assert (answer.status_code, answer.json()) == (409, {"error": error})
    await client.post(f"/deploy/{made['deploy_id']}/stop")
    assert (await client.post("/deploy/llm", json=BODY)).status_code == 409
    await client.delete(f"/deploy/{made['deploy_id']}")
    await created(client)


async def test_a_start_that_the_credit_does_not_cover_is_402(server: Server) -> None:
    async with server.client(await server.new_tenant("poor", credit_usd="0.01")) as client:
        client.event_hooks = {"response": [described.check, deepinfra.check]}
        answer = await client.post("/deploy/llm", json=BODY)
        assert (answer.status_code, list(answer.json())) == (402, ["error"])
        assert (await client.get("/deploy/list")).json() == []


async def test_one_idempotency_key_makes_one_deployment(client: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "mine"}
    first, again = [await client.post("/deploy/llm", json=FULL, headers=key) for _ in range(2)]
    assert (first.json(), again.status_code) == (again.json(), 200)
    other = await client.post("/deploy/llm", json={**FULL, "hf": {**FULL["hf"], "token": "hf_other"}}, headers=key)
    assert (other.status_code, list(other.json())) == (409, ["error"])
    assert len((await client.get("/deploy/list")).json()) == 1


async def test_another_accounts_deployment_is_404_everywhere(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    made = await created(client)
    path = f"/deploy/{made['deploy_id']}"
    before = await things.everything(server)
    wanted: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", path, {}),
        ("PUT", path, {"json": {"settings": {}}}),
        ("DELETE", path, {}),
        ("POST", f"{path}/stop", {}),
        ("POST", f"{path}/start", {}),
        ("GET", f"{path}/stats?from=now-1h", {}),
        ("GET", f"{path}/stats2?from=now-1h", {}),
        ("GET", f"/v1/deployment_logs/query?deploy_id={made['deploy_id']}", {}),
    ]
    for method, url, sent in wanted:
        answer = await stranger.request(method, url, **sent)
        assert answer.status_code == 404, url
        assert answer.json() == {"error": f"No such deployment: {made['deploy_id']}"}
    assert (await stranger.get("/deploy/list")).json() == (await stranger.get("/deploy/stats?from=0")).json() == []
    assert await things.everything(server) == before


async def test_what_there_is_not_is_told_in_the_same_words(client: httpx2.AsyncClient, server: Server) -> None:
    answer = await client.get("/deploy/a/b/c")
    assert (answer.status_code, answer.json()) == (404, {"error": "No such route: GET /deploy/a/b/c"})
    answer = await client.patch("/deploy/llm")
    assert (answer.status_code, list(answer.json())) == (405, ["error"])
    assert answer.headers["allow"] == "POST"
    async with httpx2.AsyncClient(base_url=server.url) as anybody:
        answer = await anybody.get("/deploy/list")
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid API key"})
        answer = await anybody.get("/deploy/list", headers={"xi-api-key": server.tenant.key})
        assert (answer.status_code, answer.json()) == (200, [])


async def test_what_will_pass_is_503_and_our_own_fault_masked(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*args: object, **options: object) -> None:
        raise ConnectionRefusedError("the database is at db.example")

    async def broken(*args: object, **options: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("resolvers.deployments.page", gone)
    answer = await client.get("/deploy/list")
    assert (answer.status_code, list(answer.json()), answer.headers["retry-after"]) == (503, ["error"], "5")
    monkeypatch.setattr("resolvers.deployments.page", broken)
    answer = await client.get("/deploy/list")
    assert (answer.status_code, list(answer.json())) == (500, ["error"])
    assert "hunter2" not in answer.text


async def test_a_token_is_seen_nowhere(client: httpx2.AsyncClient, server: Server) -> None:
    told: list[str] = []

    async def keep(response: httpx2.Response) -> None:
        await response.aread()
        told.append(response.text + repr(response.headers))

    client.event_hooks = {"response": [keep]}
    made = await created(client, **FULL)
    wrong: list[Any] = [{"token": [TOKEN]}, {"token": {"a": TOKEN}}, {"token": TOKEN * 100}, {"token": TOKEN + "ü"}]
    for bad in wrong:
        assert (await client.post("/deploy/llm", json={**FULL, "hf": {"repo": "a/b", **bad}})).status_code == 422
    await client.post("/deploy/llm", json=FULL)
    await client.post("/deploy/llm", content=f'{{"hf": {{"token": "{TOKEN}"'.encode())
    deploy_id = made["deploy_id"]
    for path in (
        "/deploy/list",
        f"/deploy/{deploy_id}",
        f"/v1/deployments/{deploy_id}",
        f"/v1/deployment_logs/query?deploy_id={deploy_id}",
        "/v1/audit_log",
    ):
        assert (await client.get(path)).status_code == 200
    assert [answer for answer in told if TOKEN in answer] == []
    assert TOKEN not in str(await things.everything(server))
