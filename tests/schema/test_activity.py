"""What the account's followers hear of, and what a deployment's followers hear of its calls and its load."""

from typing import Any

import pytest

from burnish.kit import stream
from models import deployment as dep
from models import job
from resolvers import deployment_inputs, deployments
from tests.conftest import Server
from tests.schema.conftest import Answer, Api, NewRun, Sockets

pytestmark = pytest.mark.anyio

ACTIVITY = """subscription($after: Cursor, $tail: Int! = 50) { activity(after: $after, tail: $tail) {
  __typename ... on ActivityBatch { cursor events { type resourceId attempt metadata cursor } } ... on Heartbeat { cursor } } }"""
REQUESTS = """subscription($id: ID!, $after: Cursor) { deploymentRequests(id: $id, after: $after) {
  __typename ... on RequestBatch { cursor requests { id promptTokens statusCode } } ... on StreamEnd { reason } } }"""
STATS = """subscription($id: ID!, $after: Cursor) { deploymentStats(id: $id, after: $after) {
  __typename ... on StatsBatch { cursor samples { at requests running replicasReady } } ... on StreamEnd { reason } } }"""
CALL = {
    "at": "2026-01-31T09:00:00+00:00",
    "prompt_tokens": 3,
    "completion_tokens": 1,
    "latency_ms": 12.5,
    "ttft_ms": None,
    "status_code": 200,
    "streamed": False,
    "finish_reason": "stop",
    "client_cancelled": False,
    "error_message": None,
}
SAMPLE = {
    "at": "2026-01-31T09:00:05+00:00",
    "window_s": 5.0,
    "requests": 0,
    "errors": 0,
    "error_rate": None,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "requests_per_second": 0.0,
    "tokens_per_second": 0.0,
    "ttft_p50_ms": None,
    "ttft_p95_ms": None,
    "latency_p50_ms": None,
    "latency_p95_ms": None,
    "running": None,
    "waiting": None,
    "kv_cache_usage": None,
    "replicas_ready": 1,
    "replicas_total": 1,
}


def told(frames: list[Answer]) -> list[tuple[str, str]]:
    return [(event["type"], event["resourceId"].partition("_")[0]) for frame in frames for event in frame.get("events", ())]


async def test_everything_of_the_account_is_told(server: Server, api: Api, sockets: Sockets, new_run: NewRun) -> None:
    await new_run(await server.new_tenant("other"))
    make = 'mutation { createApiKey(input: {name: "ci"}) { apiKey { id } } }'
    async with sockets() as socket:
        following = await socket.start(ACTIVITY, tail=0)
        run = await new_run()
        await run.move(job.PROVISIONING)
        key_id = (await api.data(make))["createApiKey"]["apiKey"]["id"]
        await api.data("mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { message } } }", id=key_id)
        frames = [await following.frame()]
        while told(frames)[-1] != ("revoked", "key"):
            frames.append(await following.frame())
        first = frames[0]["events"][0]
        resumed = await socket.start(ACTIVITY, after=first["cursor"])
        rest = [await resumed.frame()]
    expected = [
        ("created", "ds"),
        ("created", "rf"),
        ("created", "job"),
        ("provisioning", "job"),
        ("created", "key"),
        ("revoked", "key"),
    ]
    assert told(frames) == expected
    assert told(rest) == expected[1:]
    assert first["metadata"] == {"name": "sums-data"}
    assert rest[0]["events"][-1]["resourceId"] == key_id


async def test_activity_begins_with_its_tail(sockets: Sockets, new_run: NewRun) -> None:
    await new_run()
    async with sockets() as socket:
        assert told([await (await socket.start(ACTIVITY, tail=2)).frame()]) == [("created", "rf"), ("created", "job")]
        (error,) = (await (await socket.start(ACTIVITY, tail=10_001)).next())["payload"]
    assert error["message"] == "tail is 0 to 10000."


async def append(server: Server, resource_id: str, kind: str, *rows: dict[str, Any], end: str | None = None) -> None:
    async with server.platform.db.transaction() as session:
        await stream.append(session, resource_id, kind, rows)
        if end is not None:
            await stream.end(session, resource_id, [kind], end)


@pytest.mark.parametrize(
    ("query", "kind", "field", "row", "shown"),
    [
        (REQUESTS, "requests", "requests", CALL, {"promptTokens": 3, "statusCode": 200}),
        (STATS, "stats", "samples", SAMPLE, {"requests": 0, "running": None, "replicasReady": 1, "at": "2026-01-31T09:00:05Z"}),
    ],
)
async def test_calls_and_load_replay_go_on_and_end(
    server: Server, sockets: Sockets, query: str, kind: str, field: str, row: dict[str, Any], shown: Answer
) -> None:
    ctx = await server.context()
    given = {"model": "tiny", "source": "huggingface", "name": "chat", "gpu": {"type": "CPU", "count": 1}}
    made = await deployments.create(ctx, deployment_inputs.DeploymentInput.model_validate(given))
    await append(server, made.id, kind, {**row, "id": "req_1"}, {**row, "id": "req_2"})
    async with sockets() as socket:
        following = await socket.start(query, id=made.id)
        first = await following.frame()
        assert len(first[field]) == 2
        assert {key: first[field][0][key] for key in shown} == shown
        await append(server, made.id, kind, {**row, "id": "req_3"}, end=dep.STOPPED)
        second, end = await following.until_end()
        assert (len(second[field]), end) == (1, {"__typename": "StreamEnd", "reason": "stopped"})
        again = await (await socket.start(query, id=made.id, after=first["cursor"])).until_end()
        assert again == [second, end]
        other = await server.new_tenant("other")
    async with sockets(other) as socket:
        (error,) = (await (await socket.start(query, id=made.id)).next())["payload"]
    assert error["extensions"]["code"] == "NOT_FOUND"


async def test_a_log_is_filtered(sockets: Sockets, new_run: NewRun) -> None:
    run = await new_run()
    query = """subscription($id: ID!, $filter: LogFilter, $after: Cursor) { jobLogs(jobId: $id, filter: $filter, after: $after) {
      __typename ... on LogBatch { cursor lines { message } } ... on StreamEnd { cursor } } }"""
    await run.log("noise", "Wanted one")
    async with sockets() as socket:
        following = await socket.start(query, id=run.id, filter={"search": "wanted", "sources": ["trainer"]})
        first = await following.frame()
        assert [line["message"] for line in first["lines"]] == ["Wanted one"]
        await run.log("noise")
        await run.log("noise", "wanted two", "noise")
        second = await following.frame()
        assert [line["message"] for line in second["lines"]] == ["wanted two"]
        await run.end()
        assert (await following.frame())["cursor"] == second["cursor"]
        nothing = await (await socket.start(query, id=run.id, filter={"levels": ["ERROR"]})).until_end()
        assert [frame["__typename"] for frame in nothing] == ["StreamEnd"]
