"""Requests and samples as the followers of a deployment get them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from burnish.kit import clock, stream
from burnish.kit.stream import Row
from engines.serving import stats
from models.deployment import InferenceRequest
from resolvers import cursors
from schema.inference_requests import InferenceRequest as Request
from schema.serving import RequestBatch, ServingSample, StatsBatch
from tests.logged import logged, row_of
from tests.rest_compat import things
from tests.schema.conftest import Api, Sockets

REQUESTS = """subscription($id: ID!, $after: Cursor) { deploymentRequests(id: $id, after: $after) { __typename
  ... on RequestBatch { cursor requests { id completionTokens latencyMs ttftMs createdAt } }
  ... on StreamEnd { reason cursor } } }"""
STATS = """subscription($id: ID!) { deploymentStats(id: $id) { __typename ... on StreamEnd { reason }
  ... on StatsBatch { samples { at windowSeconds requests errorRate tokensPerSecond latencyP95Ms running kvCacheUsage } } } }"""
AT = datetime(2026, 4, 14, 12, 0, 0, 250_000, tzinfo=UTC)


def request(**values: Any) -> InferenceRequest:
    ids: dict[str, Any] = {"id": "req_1", "account_id": "acct", "deployment_id": "dep_1", "created_at": AT}
    counts = {"prompt_tokens": 10, "completion_tokens": 20, "latency_ms": 100.5, "status_code": 200}
    return InferenceRequest(**(ids | counts | values))


def sample(**values: Any) -> dict[str, Any]:
    counts = {"requests_seq": 2, "replicas_ready": 0, "replicas_total": 1}
    return {"at": AT.isoformat(), "window_s": 5.0, **stats.asked([], 5.0), **stats.load(None), **counts, **values}


def test_a_request_is_streamed_as_it_is_queried() -> None:
    for row in (
        request(),
        request(streamed=True, ttft_ms=2.5, finish_reason="stop", client_cancelled=True, error_message="It left."),
    ):
        batch = RequestBatch.of("dep_1", [Row(7, 0, row_of(row))])
        assert batch.requests == [Request.of(row)]
        assert batch.cursor == cursors.position("dep_1", "requests", 7)


def test_a_sample_gives_what_was_measured_and_null_for_the_rest() -> None:
    busy = sample(
        **stats.asked([row_of(request(ttft_ms=30.0)), row_of(request(status_code=500))], 5.0), replicas_ready=1,
        running=2, waiting=1, kv_cache_usage=0.5,
    )  # fmt: skip
    batch = StatsBatch.of("dep_1", [Row(1, 1, sample()), Row(2, 1, busy)])
    assert batch.cursor == cursors.position("dep_1", "stats", 2)
    assert batch.samples == [
        ServingSample(
            at=AT, window_seconds=5.0, requests=0, errors=0, error_rate=None, prompt_tokens=0, completion_tokens=0,
            requests_per_second=0.0, tokens_per_second=0.0, ttft_p50_ms=None, ttft_p95_ms=None, latency_p50_ms=None,
            latency_p95_ms=None, running=None, waiting=None, kv_cache_usage=None, replicas_ready=0, replicas_total=1,
        ),
        ServingSample(
            at=AT, window_seconds=5.0, requests=2, errors=1, error_rate=0.5, prompt_tokens=20, completion_tokens=40,
            requests_per_second=0.4, tokens_per_second=8.0, ttft_p50_ms=30.0, ttft_p95_ms=30.0, latency_p50_ms=100.5,
            latency_p95_ms=100.5, running=2, waiting=1, kv_cache_usage=0.5, replicas_ready=1, replicas_total=1,
        ),
    ]  # fmt: skip


@pytest.mark.anyio
async def test_requests_and_samples_are_followed_to_the_end(api: Api, sockets: Sockets) -> None:
    row = await things.queued_deployment(api.server)
    gateway, db = api.server.platform.gateway, api.server.platform.db

    async def ask(request_id: str) -> None:
        counts = {"prompt_tokens": 10, "completion_tokens": 20, "latency_ms": 100.5, "created_micros": clock.to_micros(AT)}
        gateway.request_log.add(logged(row.account_id, row.id, id=request_id, **counts))
        await gateway.flush()

    async def measure(**values: Any) -> None:
        async with db.transaction() as session:
            await stream.append(session, row.id, "stats", [sample(**values)])

    await ask("req_1")
    await measure()
    async with sockets() as socket:
        requests, load = await socket.start(REQUESTS, id=row.id), await socket.start(STATS, id=row.id)
        first, idle = await requests.frame(), await load.frame()
        await ask("req_2")
        await measure(**stats.asked([row_of(request())], 5.0), running=2, kv_cache_usage=0.5)
        second, busy = await requests.frame(), await load.frame()
        resumed = await socket.start(REQUESTS, id=row.id, after=first["cursor"])
        assert (await resumed.frame())["requests"] == second["requests"]
        async with db.transaction() as session:
            await stream.end(session, row.id, ("requests", "stats"), "stopped")
        [last] = await requests.until_end()
        assert (last["reason"], last["cursor"]) == ("stopped", second["cursor"])
        assert [frame["reason"] for frame in await load.until_end()] == ["stopped"]
    told = {"completionTokens": 20, "latencyMs": 100.5, "ttftMs": None, "createdAt": "2026-04-14T12:00:00.250000Z"}
    assert (first["requests"], second["requests"]) == ([{"id": "req_1", **told}], [{"id": "req_2", **told}])
    window = {"at": "2026-04-14T12:00:00.250000Z", "windowSeconds": 5.0}
    nothing = {"requests": 0, "errorRate": None, "tokensPerSecond": 0.0, "latencyP95Ms": None}
    assert idle["samples"] == [{**window, **nothing, "running": None, "kvCacheUsage": None}]
    something = {"requests": 1, "errorRate": 0.0, "tokensPerSecond": 4.0, "latencyP95Ms": 100.5}
    assert busy["samples"] == [{**window, **something, "running": 2, "kvCacheUsage": 0.5}]
