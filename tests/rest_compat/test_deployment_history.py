"""What a deployment has served and what came of it, over REST: replicas, decisions, and its load over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from burnish.kit import stream
from engines.serving import stats
from models import events
from models.replica import Replica
from resolvers import deployments
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:9"
AT = datetime(2026, 4, 14, 12, 0, tzinfo=UTC)
PARITY = {
    "prompts": 3,
    "template_matches": True,
    "max_difference": 0.0125,
    "tolerance": 0.1,
    "checked_at": "2026-04-14T12:00:00Z",
}


def moment(seconds: float) -> str:
    return (AT + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def sample(seconds: float, requests: int = 0, **values: Any) -> dict[str, Any]:
    row = {"prompt_tokens": 10, "completion_tokens": 20, "latency_ms": 100.0, "ttft_ms": 10.0, "status_code": 200}
    counts = {"requests_seq": 0, "replicas_ready": 1, "replicas_total": 2, "running": 1, "waiting": 0, "kv_cache_usage": 0.25}
    figures = stats.asked([row] * requests, 5.0)
    return {"at": moment(seconds), "window_s": 5.0, **figures, **counts, **values}


async def test_replicas_are_listed_with_what_they_are(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    async with server.platform.db.transaction() as session:
        (found,) = await deployments.replicas(await server.context(), row.id)
        replica = await session.get_one(Replica, found.id)
        replica.parity, replica.engine, replica.rate_micros_per_hour = PARITY, "vllm", 250_000
        session.add(replica)
    (shown,) = (await client.get(f"/v1/deployments/{row.id}/replicas")).json()["data"]
    assert shown == {
        "id": found.id,
        "object": "replica",
        "deployment_id": row.id,
        "version": 1,
        "status": "running",
        "gpu": {"type": "CPU", "count": 1},
        "cost_per_hour_usd": 0.25,
        "engine": "vllm",
        "parity": PARITY,
        "stop_requested_at": None,
        "stop_reason": None,
        "error": None,
        "last_health_at": None,
        "created_at": shown["created_at"],
        "ready_at": None,
        "ended_at": None,
    }


async def test_decisions_are_paged_with_their_reason(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    load = {"rps": 25.0, "p95_ms": 6100.0, "requests": 40, "by_rps": 3, "by_latency": 3}
    async with server.platform.db.transaction() as session:
        for count in range(1, 4):
            told = {"from": count, "to": count + 1, "reason": f"{count}→{count + 1}: p95 6.1 s > 5 s", **load}
            await events.record(session, row.account_id, row.id, "scaled", told)
            await events.record(session, row.account_id, row.id, "replica_started", {"reason": "scaled"})
    path = f"/v1/deployments/{row.id}/decisions"
    page = (await client.get(f"{path}?limit=2")).json()
    first = page["data"][0]
    head = {"id": first["id"], "object": "scaling_decision", "at": first["at"]}
    assert first == {**head, "from": 3, "to": 4, "reason": "3→4: p95 6.1 s > 5 s", **load}
    assert ([one["from"] for one in page["data"]], page["has_more"]) == ([3, 2], True)
    rest = (await client.get(f"{path}?limit=2&after={page['data'][-1]['id']}")).json()
    assert ([one["from"] for one in rest["data"]], rest["has_more"]) == ([1], False)
    for unknown in ("0", "1", "-1", "9999", "dep_x", "9" * 30):
        refused = await client.get(f"{path}?after={unknown}")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "after")


async def test_a_load_has_a_row_for_each_interval(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    async with server.platform.db.transaction() as session:
        rows = [sample(-30, 9, replicas_ready=3), sample(5, 2), sample(60, 1, latency_p95_ms=300.0), sample(65, 4, running=None)]
        await stream.append(session, row.id, "stats", rows)
    path = f"/v1/deployments/{row.id}/metrics/timeseries"
    found = (await client.get(f"{path}?from={moment(0)}&to={moment(210)}&interval=60")).json()
    assert {key: found[key] for key in ("object", "deployment_id", "interval")} == {
        "object": "deployment_timeseries", "deployment_id": row.id, "interval": 60,
    }  # fmt: skip
    assert [(one["at"], one["window_s"], one["requests"]) for one in found["data"]] == [
        (moment(60), 60.0, 3),
        (moment(120), 60.0, 4),
        (moment(180), 60.0, 0),
        (moment(210), 30.0, 0),
    ]
    first, second, third, last = found["data"]
    assert first == {
        "at": moment(60), "window_s": 60.0, "requests": 3, "errors": 0, "error_rate": 0.0, "prompt_tokens": 30,
        "completion_tokens": 60, "requests_per_second": 0.05, "tokens_per_second": 1.0, "ttft_p50_ms": 10.0, "ttft_p95_ms": 10.0,
        "latency_p50_ms": 100.0, "latency_p95_ms": 300.0, "running": 1, "waiting": 0, "kv_cache_usage": 0.25,
        "replicas_ready": 1, "replicas_total": 2,
    }  # fmt: skip
    assert (second["running"], second["replicas_ready"]) == (None, 1)
    # Two minutes after the last sample nobody knows how the replicas stand.
    assert (third["latency_p95_ms"], third["error_rate"], third["replicas_ready"]) == (None, None, None)
    assert last["replicas_ready"] is None


async def test_between_samples_that_say_the_same_replicas_stand_as_they_stood(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    async with server.platform.db.transaction() as session:
        await stream.append(session, row.id, "stats", [sample(-20), sample(40)])
    path = f"/v1/deployments/{row.id}/metrics/timeseries"
    found = (await client.get(f"{path}?from={moment(0)}&to={moment(60)}&interval=20")).json()["data"]
    assert [(one["replicas_ready"], one["running"], one["requests"]) for one in found] == [(1, 1, 0)] * 3


async def test_a_load_that_cannot_be_shown_names_what_is_wrong(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, NOWHERE)
    path = f"/v1/deployments/{row.id}/metrics/timeseries"
    assert len((await client.get(path)).json()["data"]) == 60
    for query, status, param in (
        (f"from={moment(0)}&to={moment(1001)}&interval=1", 400, "interval"),
        (f"from={moment(0)}&to={moment(0)}", 400, "from"),
        ("interval=0", 422, "interval"),
        ("from=yesterday", 422, "from"),
        (f"to={AT.timestamp()}", 422, "to"),
        ("since=x", 422, "since"),
    ):
        refused = await client.get(f"{path}?{query}")
        assert (refused.status_code, refused.json()["error"]["param"]) == (status, param), query
