"""Deployments that serve, changed over REST: scaled, updated, paused and resumed."""

from typing import Any

import httpx2
import pytest
from sqlmodel import select

from burnish.kit import ids
from models.account import Account
from models.audit import AuditEntry
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:9"
SCALING = {"min_replicas": 0, "max_replicas": 4, "target_rps": 2.5, "target_latency_p95_ms": 800.0, "stabilisation_window": 60}


async def test_a_deployment_is_made_as_it_is_to_scale(client: httpx2.AsyncClient) -> None:
    body = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": "qwen", "gpu": {"type": "H100", "count": 1}}
    engine = {"max_batch_size": 16, "extra_args": ["--max-model-len=512"], "revision": "main"}
    made = await client.post("/v1/deployments", json={**body, **SCALING, **engine, "hf_token": "hf_very_secret"})
    assert made.status_code == 201, made.text
    assert {**SCALING, **engine, "desired_replicas": 1}.items() <= made.json().items()
    assert "hf_very_secret" not in made.text


async def test_a_deployment_is_scaled_and_what_is_not_given_stays(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    before = (await client.get(f"/v1/deployments/{row.id}")).json()
    answer = await client.patch(f"/v1/deployments/{row.id}", json=SCALING)
    assert answer.status_code == 200
    assert answer.json() == {**before, **SCALING, "updated_at": answer.json()["updated_at"]}
    one = (await client.patch(f"/v1/deployments/{row.id}", json={"max_replicas": 2})).json()
    assert {**SCALING, "max_replicas": 2}.items() <= one.items()
    for wrong, status, param in (
        ({"min_replicas": 3}, 400, "min_replicas"),
        ({"max_replicas": 0}, 422, "max_replicas"),
        ({"name": "other"}, 422, "name"),
        ({"target_rps": True}, 422, "target_rps"),
    ):
        refused = await client.patch(f"/v1/deployments/{row.id}", json=wrong)
        assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)
    assert (await client.get(f"/v1/deployments/{row.id}")).json() == one


async def test_another_checkpoint_takes_over_as_a_new_version(client: httpx2.AsyncClient, server: Server) -> None:
    job = await things.completed_job(server, client)
    row = await things.serving_deployment(server, NOWHERE)
    checkpoints = (await client.get(f"/v1/training_jobs/{job['id']}/checkpoints")).json()["data"]
    final = max(checkpoints, key=lambda one: one["step"])["id"]
    body, headers = {"model": final}, {"Idempotency-Key": "once"}
    made = await client.post(f"/v1/deployments/{row.id}/versions", json=body, headers=headers)
    assert made.status_code == 201, made.text
    assert {"version": 2, "model": final, "source": "training_job"}.items() <= made.json().items()
    assert (await client.post(f"/v1/deployments/{row.id}/versions", json=body, headers=headers)).json() == made.json()
    found = (await client.get(f"/v1/deployments/{row.id}/versions")).json()
    assert [(one["number"], one["status"], one["model"]) for one in found["data"]] == [
        (2, "pending", final),
        (1, "replaced", "Qwen/Qwen3-4B"),
    ]
    assert found["data"][0]["checkpoint_id"] == final
    page = (await client.get(f"/v1/deployments/{row.id}/versions?limit=1&after={found['data'][0]['id']}")).json()
    assert (page["data"], page["has_more"]) == (found["data"][1:], False)
    early = min(checkpoints, key=lambda one: one["step"])["id"]
    for model, status, param in ((ids.new("ckpt"), 404, "model"), (ids.new("job"), 404, "model"), (early, 400, "model")):
        refused = await client.post(f"/v1/deployments/{row.id}/versions", json={"model": model})
        assert (refused.status_code, refused.json()["error"]["param"]) == (status, param)
    assert len((await client.get(f"/v1/deployments/{row.id}/versions")).json()["data"]) == 2


async def test_a_paused_deployment_costs_nothing_until_it_is_resumed(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)

    async def held() -> int:
        async with server.platform.db.read() as session:
            return (await session.get_one(Account, row.account_id)).held_micros

    assert await held() > 0
    paused = await client.post(f"/v1/deployments/{row.id}/pause")
    assert (paused.status_code, paused.json()["status"], await held()) == (200, "queued", 0)
    assert paused.json()["paused_at"].endswith("Z")
    assert (await client.post(f"/v1/deployments/{row.id}/pause")).json() == paused.json()
    resumed = await client.post(f"/v1/deployments/{row.id}/resume")
    assert (resumed.status_code, resumed.json()["paused_at"]) == (200, None)
    assert await held() > 0
    async with server.platform.db.read() as session:
        written = [one.action for one in (await session.exec(select(AuditEntry))).all()]
    assert (written.count("deployments.pause"), written.count("deployments.resume")) == (1, 1)


async def test_what_has_ended_or_is_anothers_is_not_changed(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    row = await things.queued_deployment(server)
    ways: list[tuple[str, str, dict[str, Any] | None]] = [
        ("PATCH", "", {"max_replicas": 2}),
        ("POST", "/versions", {"model": "Qwen/Qwen3-8B", "source": "huggingface"}),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
    ]
    reads = ("/versions", "/replicas", "/decisions", "/metrics/timeseries", "/requests", "/metrics", "/models")
    await client.post(f"/v1/deployments/{row.id}/stop")
    before = await things.everything(server)
    for method, path, body in ways:
        for caller, status in ((client, 400), (stranger, 404)):
            refused = await caller.request(method, f"/v1/deployments/{row.id}{path}", json=body)
            assert (refused.status_code, method, path) == (status, method, path)
    for path in reads:
        assert (await stranger.get(f"/v1/deployments/{row.id}{path}")).status_code == 404
        assert (await client.get(f"/v1/deployments/{row.id}{path}")).status_code == 200
    assert await things.everything(server) == before
