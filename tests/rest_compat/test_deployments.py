"""Deployments over REST: the documented objects, stopping, the request log and its figures."""

from typing import Any

import httpx2
import pytest
from sqlmodel import select

from models import deployment as dep
from models import transitions
from models.account import Account
from models.deployment import Deployment
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
BODY = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": "qwen", "gpu": {"gpu_type": "H100", "gpu_count": 1}}
NOWHERE = "http://127.0.0.1:9"
WRONG: list[tuple[dict[str, Any], int, str | None, str | None]] = [
    ({"name": None}, 422, "schema_validation", "name"),
    ({"name": "no spaces"}, 422, "schema_validation", "name"),
    ({"source": "s3"}, 422, "schema_validation", "source"),
    ({"gpu": {"type": "B2000", "count": 1}}, 400, "INVALID_GPU_TYPE", "gpu.type"),
    ({"model": "/etc/passwd"}, 400, None, "model"),
    ({"model": "job_unknown", "source": "training_job"}, 404, "resource_not_found", "model"),
    ({"provider": "aws"}, 400, None, "provider"),
    ({"volume": None}, 422, "schema_validation", "volume"),
    ({"extra_args": ["--middleware=x"]}, 400, "invalid_engine_args", "extra_args"),
    ({"min_replicas": 3, "max_replicas": 2}, 422, "schema_validation", None),
    ({"source": "training_job", "hf_token": "hf_x"}, 422, "schema_validation", None),
    ({"target_rps": 0}, 422, "schema_validation", "target_rps"),
]


async def created(client: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/deployments", json={**BODY, **changes})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_documented_request_gets_the_documented_answer(client: httpx2.AsyncClient, server: Server) -> None:
    job = await things.completed_job(server, client)
    answer = await client.post(
        "/v1/deployments",
        json={
            "model": job["id"],
            "source": "training_job",
            "name": "my-math-model",
            "gpu": {"gpu_type": "H100", "gpu_count": 1},
        },
    )
    made = answer.json()
    assert answer.status_code == 201
    assert made == {
        "id": made["id"],
        "object": "deployment",
        "status": "queued",
        "name": "my-math-model",
        "model": job["id"],
        "source": "training_job",
        "endpoint_url": None,
        "gpu": {"type": "H100", "count": 1},
        "provider": "local",
        "cost_per_hour_usd": None,
        "total_cost_usd": 0,
        "total_requests": 0,
        "error": None,
        "started_at": None,
        "stopped_at": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
        "min_replicas": 1,
        "max_replicas": 1,
        "desired_replicas": 1,
        "target_rps": 10.0,
        "target_latency_p95_ms": 5000.0,
        "stabilisation_window": 300,
        "max_batch_size": None,
        "extra_args": [],
        "revision": None,
        "version": 1,
        "engine": None,
        "engine_reason": None,
        "paused_at": None,
    }
    # What clients know stands first; what is ours beyond it, last.
    assert list(made)[-15:-12] == ["created_at", "updated_at", "min_replicas"]
    assert made["id"].startswith("dep_")
    assert (await client.get(f"/v1/deployments/{made['id']}")).json() == made
    assert (await client.get("/v1/deployments")).json() == {"object": "list", "data": [made], "has_more": False}


async def test_a_serving_deployment_shows_where_and_at_what_price(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    found = (await client.get(f"/v1/deployments/{row.id}")).json()
    assert found["endpoint_url"] == f"/v1/deployments/{row.id}/chat/completions"
    assert (found["gpu"], found["provider"], found["cost_per_hour_usd"]) == ({"type": "CPU", "count": 1}, "local", 0.1)


async def test_a_bad_request_names_the_field_and_leaves_nothing(client: httpx2.AsyncClient, server: Server) -> None:
    for changes, status, code, param in WRONG:
        answer = await client.post("/v1/deployments", json={**BODY, **changes})
        found = answer.json()["error"]
        assert (answer.status_code, found["code"], found["param"]) == (status, code, param)
    async with server.platform.db.read() as session:
        assert (await session.exec(select(Deployment))).all() == []
        assert (await session.get_one(Account, server.tenant.account.id)).held_micros == 0


async def test_a_job_that_is_not_completed_cannot_be_deployed(client: httpx2.AsyncClient) -> None:
    job = await things.queued_job(client)
    answer = await client.post("/v1/deployments", json={**BODY, "model": job["id"], "source": "training_job"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_state")


async def test_a_name_is_taken_until_its_deployment_ends(client: httpx2.AsyncClient) -> None:
    made = await created(client)
    answer = await client.post("/v1/deployments", json=BODY)
    assert answer.status_code == 409
    assert answer.json()["error"] == {
        "type": "conflict_error",
        "code": "conflict",
        "message": "An active deployment is called qwen already. Stop it, or take another name.",
        "param": "name",
    }
    await client.post(f"/v1/deployments/{made['id']}/stop")
    await created(client)


async def test_a_start_that_the_credit_does_not_cover_is_402(server: Server) -> None:
    async with server.client(await server.new_tenant("poor", credit_usd="0.01")) as client:
        answer = await client.post("/v1/deployments", json=BODY)
        assert (answer.status_code, answer.json()["error"]["type"]) == (402, "insufficient_credit")
        assert (await client.get("/v1/deployments")).json()["data"] == []


async def test_stopping_answers_with_the_stopped_deployment_however_often(client: httpx2.AsyncClient) -> None:
    made = await created(client)
    first = await client.post(f"/v1/deployments/{made['id']}/stop")
    found = first.json()
    assert first.status_code == 200
    assert found == {**made, "status": "stopped", "stopped_at": found["stopped_at"], "updated_at": found["updated_at"]}
    assert found["stopped_at"].endswith("Z")
    again = await client.post(f"/v1/deployments/{made['id']}/stop")
    assert (again.status_code, again.json()) == (200, found)


async def test_a_failed_deployment_is_returned_as_it_is(client: httpx2.AsyncClient, server: Server) -> None:
    made = await created(client)
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, made["id"])
        await transitions.move(session, row, dep.FAILED, error="model_unavailable: no such model")
    found = (await client.post(f"/v1/deployments/{made['id']}/stop")).json()
    assert (found["status"], found["error"]) == ("failed", "model_unavailable: no such model")


async def test_fifty_are_listed_by_default_and_filtered_by_status(client: httpx2.AsyncClient, server: Server) -> None:
    serving = await things.serving_deployment(server, NOWHERE)
    for index in range(50):
        await things.queued_deployment(server, f"d{index}")
    page = (await client.get("/v1/deployments")).json()
    assert (len(page["data"]), page["has_more"]) == (50, True)
    found = (await client.get("/v1/deployments?status=serving&limit=10")).json()["data"]
    assert [item["id"] for item in found] == [serving.id]
    wrong = await client.get("/v1/deployments?status=up")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "status")


async def test_requests_are_listed_newest_first(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    logged = await things.logged_requests(server, row, 51)
    page = (await client.get(f"/v1/deployments/{row.id}/requests")).json()
    assert [item["id"] for item in page["data"]] == [item.id for item in logged[:50]]
    assert page["has_more"] is True
    assert page["data"][0] == {
        "id": logged[0].id,
        "object": "deployment_request",
        "deployment_id": row.id,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "latency_ms": 100.0,
        "ttft_ms": None,
        "status_code": 200,
        "streamed": False,
        "finish_reason": None,
        "client_cancelled": False,
        "error_message": None,
        "created_at": page["data"][0]["created_at"],
        "replica_id": None,
    }
    rest = (await client.get(f"/v1/deployments/{row.id}/requests?after={logged[49].id}")).json()
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([logged[50].id], False)


async def test_metrics_are_the_seven_documented_figures(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    await things.logged_requests(server, row, 4)
    found = (await client.get(f"/v1/deployments/{row.id}/metrics")).json()
    assert found == {
        "total_requests": 4,
        "total_prompt_tokens": 40,
        "total_completion_tokens": 80,
        "total_cost_usd": 0.0,
        "avg_latency_ms": 100.0,
        "error_rate": 0.25,
        "uptime_seconds": found["uptime_seconds"],
    }
    assert found["uptime_seconds"] >= 0
