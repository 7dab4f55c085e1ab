"""The routes of training jobs beyond the documented ones: methods, plans, heartbeats, deletes, limits."""

from typing import Any

import httpx2
import pytest

from burnish.kit.settings import Settings
from models import job
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


async def test_methods_say_what_a_form_needs(client: httpx2.AsyncClient) -> None:
    every = (await client.get("/v1/training_jobs/methods")).json()["items"]
    told = [(found["object"], found["name"], found["takes_reward"], found["unavailable"]) for found in every]
    rewarded = {"grpo": True, "sft": False, "dpo": False, "sft_video_gen": False}
    assert told == [("training_method", name, takes_reward, None) for name, takes_reward in rewarded.items()]
    grpo = every[0]
    assert grpo["hyperparameters"][3] == {
        "name": "rollouts_per_prompt",
        "type": "integer",
        "default": 8,
        "nullable": False,
        "description": "Completions sampled for each prompt: the group of GRPO.",
        "minimum": 2,
        "maximum": 64,
        "exclusive_minimum": None,
        "exclusive_maximum": None,
    }
    made = await things.queued_job(client)
    assert made["hyperparameters"] == {found["name"]: found["default"] for found in grpo["hyperparameters"]}


async def test_a_plan_has_the_price_and_the_credit(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    before = await things.everything(server)
    answer = await client.post("/v1/training_jobs/plan", json=body)
    found = answer.json()
    assert answer.status_code == 200
    assert list(found["hyperparameters"])[:2] == ["learning_rate", "num_epochs"]
    assert {key: value for key, value in found.items() if key not in ("hyperparameters", "memory")} == {
        "object": "training_job_plan",
        "valid": True,
        "errors": [],
        "gpu": {"type": "CPU", "count": 1},
        "provider": "local",
        "cost_per_hour_usd": 0.1,
        "needed_usd": 0.1,
        "balance_usd": 100.0,
        "free_usd": 100.0,
        "covered": True,
        "memory_unknown": None,
    }
    assert found["memory"]["basis"].startswith("the 4B parameters in its name")
    assert await things.everything(server) == before


async def test_a_plan_lists_what_creations_would_be_refused_for_one_by_one(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    wrong: dict[str, Any] = {
        "gpu": {"type": "B2000", "count": 1},
        "hyperparameters": {"learning_rate": 2, "speed": 1},
        "dataset_id": "ds_unknown",
        "surprise": 1,
    }
    found = (await client.post("/v1/training_jobs/plan", json={**body, **wrong})).json()
    assert [(error["type"], error["code"], error["param"]) for error in found["errors"]] == [
        ("invalid_request_error", "schema_validation", "surprise"),
        ("invalid_request_error", "INVALID_GPU_TYPE", "gpu.type"),
        ("invalid_request_error", "schema_validation", "hyperparameters.learning_rate"),
        ("invalid_request_error", "schema_validation", "hyperparameters.speed"),
        ("not_found_error", "resource_not_found", "dataset_id"),
    ]
    assert (found["valid"], found["gpu"], found["needed_usd"], found["hyperparameters"]) == (False, None, None, None)
    for key, value in wrong.items():
        refused = await client.post("/v1/training_jobs", json={**body, key: value})
        assert refused.status_code in (400, 404, 422)
        assert refused.json()["error"]["param"].startswith(key)


@pytest.mark.parametrize("body", [[], "text", {"gpu": 1, "hyperparameters": 2, "checkpoint_destination": 3}, {"gpu": {}}])
async def test_a_plan_of_anything_is_an_answer(client: httpx2.AsyncClient, body: Any) -> None:
    answer = await client.post("/v1/training_jobs/plan", json=body)
    assert answer.status_code == (200 if isinstance(body, dict) else 422)
    if isinstance(body, dict):
        assert not answer.json()["valid"]


async def test_what_the_newer_sdk_sends_is_taken(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(
        client, gpu={"gpu_type": "A100-80GB", "gpu_count": 1}, requires_heartbeat=True, volume=None, hyperparameters={}
    )
    assert (made["requires_heartbeat"], made["heartbeat_at"]) == (True, None)
    beat = await client.post(f"/v1/training_jobs/{made['id']}/heartbeat")
    assert beat.status_code == 200
    assert beat.json() == {**made, "heartbeat_at": beat.json()["heartbeat_at"]}
    assert beat.json()["heartbeat_at"].endswith("Z")
    await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    refused = await client.post(f"/v1/training_jobs/{made['id']}/heartbeat")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_state")


async def test_all_unknown_hyperparameters_are_named(client: httpx2.AsyncClient) -> None:
    body = await things.job_body(client, hyperparameters={"learning_rat": 1, "epochs": 2, "use_unsloth": True})
    error = (await client.post("/v1/training_jobs", json=body)).json()["error"]
    assert error["message"] == (
        "hyperparameters.learning_rat: unknown field; unknown too: hyperparameters.epochs, hyperparameters.use_unsloth"
    )
    assert [item["param"] for item in error["details"]] == [
        "hyperparameters.learning_rat",
        "hyperparameters.epochs",
        "hyperparameters.use_unsloth",
    ]


async def test_a_job_that_has_ended_is_deleted(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    balance = (await things.everything(server))["ledger_transaction"]
    path = f"/v1/training_jobs/{made['id']}"
    answer = await client.delete(path)
    assert (answer.status_code, answer.json()) == (200, {"id": made["id"], "object": "training_job", "deleted": True})
    for method, route in (
        ("GET", path), ("DELETE", path), ("POST", f"{path}/cancel"), ("POST", f"{path}/heartbeat"), ("GET", f"{path}/events"),
        ("GET", f"{path}/metrics"), ("GET", f"{path}/logs/full"), ("GET", f"{path}/logs"), ("GET", f"{path}/checkpoints"),
        ("GET", f"{path}/model"), ("GET", f"{path}/metrics/export"),
    ):  # fmt: skip
        assert (await client.request(method, route)).status_code == 404, route
    assert (await client.get("/v1/training_jobs")).json()["data"] == []
    assert (await things.fetched(made["download_url"])).status_code == 404
    assert await server.platform.core.storage.list(f"{server.tenant.account.id}/{made['id']}") == []
    assert (await things.everything(server))["ledger_transaction"] == balance


async def test_a_job_that_goes_on_or_is_served_is_not_deleted(client: httpx2.AsyncClient, server: Server) -> None:
    queued = await things.queued_job(client)
    refused = await client.delete(f"/v1/training_jobs/{queued['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_state")
    made = await things.completed_job(server, client)
    body = {"model": made["id"], "name": "sums", "gpu": {"type": "CPU", "count": 1}}
    serving = (await client.post("/v1/deployments", json=body)).json()
    refused = await client.delete(f"/v1/training_jobs/{made['id']}")
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "conflict_error")
    refused = await client.delete(f"/v1/deployments/{serving['id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_state")
    await client.post(f"/v1/deployments/{serving['id']}/stop")
    gone = await client.delete(f"/v1/deployments/{serving['id']}")
    assert gone.json() == {"id": serving["id"], "object": "deployment", "deleted": True}
    assert (await client.get(f"/v1/deployments/{serving['id']}")).status_code == 404
    assert (await client.delete(f"/v1/training_jobs/{made['id']}")).status_code == 200


async def test_anothers_things_are_unknown_and_stay(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    made = await things.completed_job(server, client)
    body = {"model": made["id"], "name": "sums", "gpu": {"type": "CPU", "count": 1}}
    serving = (await client.post("/v1/deployments", json=body)).json()
    await client.post(f"/v1/deployments/{serving['id']}/stop")
    before = await things.everything(server)
    for method, path in (
        ("DELETE", f"/v1/training_jobs/{made['id']}"),
        ("POST", f"/v1/training_jobs/{made['id']}/heartbeat"),
        ("DELETE", f"/v1/deployments/{serving['id']}"),
    ):
        assert (await stranger.request(method, path)).status_code == 404
    assert await things.everything(server) == before


async def test_limits_that_the_operator_sets_are_429(client: httpx2.AsyncClient, server: Server, settings: Settings) -> None:
    settings.concurrent_jobs = settings.active_deployments = 1
    made = await things.queued_job(client)
    body = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "gpu": {"type": "CPU", "count": 1}}
    first = (await client.post("/v1/deployments", json={**body, "name": "a"})).json()
    before = await things.everything(server)
    for path, sent, code in (
        ("/v1/training_jobs", same(made), "CONCURRENT_JOB_LIMIT"),
        ("/v1/deployments", {**body, "name": "b"}, "ACTIVE_DEPLOYMENT_LIMIT"),
    ):
        answer = await client.post(path, json=sent)
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (429, code, "60")
        assert answer.json()["error"]["type"] == "rate_limit_error"
    assert await things.everything(server) == before
    await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    await client.post(f"/v1/deployments/{first['id']}/stop")
    assert (await client.post("/v1/training_jobs", json=same(made))).status_code == 201
    assert (await client.post("/v1/deployments", json={**body, "name": "b"})).status_code == 201


def same(made: dict[str, Any]) -> dict[str, Any]:
    kept = ("base_model", "dataset_id", "reward_function_id", "output_name")
    return {"gpu": made["gpu_requested"], **{key: made[key] for key in kept}}


async def test_a_failed_job_shows_the_time_that_its_client_was_gone(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client, requires_heartbeat=True)
    why = {"code": "timeout", "message": "gone", "attribution": "user", "user_code_line": None}
    await things.moved(server, made["id"], job.FAILED, error=why)
    found = (await client.get(f"/v1/training_jobs/{made['id']}")).json()
    assert found["error"] == {"code": "timeout", "message": "gone", "attribution": "user"}
