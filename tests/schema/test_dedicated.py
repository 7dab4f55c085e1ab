"""How deployments scale, what they serve and what was decided about them, through GraphQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from burnish.kit import ids, stream
from models import deployment as dep
from models import events
from models.deployment import Deployment
from models.job import Job
from models.replica import Replica
from resolvers import accounts, deployments
from tests.conftest import Tenant
from tests.rest_compat import replica, things
from tests.schema.conftest import Api, NewRun
from tests.schema.test_serving import sample
from tests.schema.test_statements import fill

pytestmark = pytest.mark.anyio

ERRORS = "errors { __typename code reason message path }"
CREATE = f"mutation($input: DeploymentInput!) {{ createDeployment(input: $input) {{ deployment {{ id }} {ERRORS} }} }}"
SCALING = "minReplicas maxReplicas desiredReplicas targetRps targetLatencyP95Ms stabilisationWindowSeconds"
SCALE = f"""mutation($input: ScaleDeploymentInput!) {{
  done: scaleDeployment(input: $input) {{ deployment {{ {SCALING} }} {ERRORS} }} }}"""
UPDATE = f"""mutation($input: UpdateDeploymentInput!) {{ done: updateDeployment(input: $input) {{
  deployment {{ model source version versions {{ number status model source revision checkpoint {{ id }} }} }} {ERRORS} }} }}"""
ACT = "mutation($input: DeploymentActionInput!) {{ done: {}(input: $input) {{ deployment {{ status pausedAt viewerCan }} {} }} }}"
PAUSE, RESUME = ACT.format("pauseDeployment", ERRORS), ACT.format("resumeDeployment", ERRORS)
DECISIONS = """query($id: ID!, $last: Int) { deployment(id: $id) { decisions(last: $last) {
  at from to reason rps p95Ms requests byRps byLatency } } }"""
LOADS = """query($id: ID!, $from: DateTime, $to: DateTime, $points: Int) { deployment(id: $id) {
  loads(from: $from, to: $to, points: $points) { at windowSeconds requests errors errorRate promptTokens completionTokens
  requestsPerSecond tokensPerSecond latencyP50Ms latencyP95Ms ttftP95Ms running replicasReady replicasTotal } } }"""
AT = datetime(2026, 4, 14, 12, 0, tzinfo=UTC)
GIVEN = {"name": "chat", "model": "Qwen/Qwen3-4B", "source": "HUGGINGFACE", "hardware": {"type": "CPU"}}


async def row_of(api: Api, deployment_id: str) -> Deployment:
    async with api.server.platform.db.read() as session:
        return await session.get_one(Deployment, deployment_id)


async def test_a_deployment_is_made_as_it_is_to_scale(api: Api) -> None:
    scaling: dict[str, Any] = {
        "minReplicas": 0, "maxReplicas": 4, "targetRps": 2.5, "targetLatencyP95Ms": 800, "stabilisationWindowSeconds": 60,
    }  # fmt: skip
    engine = {"maxBatchSize": 8, "extraArgs": ["--max-model-len=512"], "hfToken": "hf_secret", "revision": "main"}
    made = (await api.data(CREATE, input=GIVEN | scaling | engine))["createDeployment"]
    assert made["errors"] == []
    query = f"""query($id: ID!) {{ deployment(id: $id) {{ {SCALING} maxBatchSize extraArgs revision engine engineReason pausedAt
      wakeRequestedAt version upstreamUrl hourlyCost {{ amount currency }}
      versions {{ number status model source revision error servingAt endedAt }} }} }}"""
    shown = (await api.data(query, id=made["deployment"]["id"]))["deployment"]
    version = {"number": 1, "status": "PENDING", "model": "Qwen/Qwen3-4B", "source": "HUGGINGFACE", "revision": "main"}
    assert shown == {
        **scaling, "desiredReplicas": 1, "maxBatchSize": 8, "extraArgs": ["--max-model-len=512"], "revision": "main",
        "engine": None, "engineReason": None, "pausedAt": None, "wakeRequestedAt": None, "version": 1, "upstreamUrl": None,
        "hourlyCost": {"amount": "0", "currency": "USD"},
        "versions": [{**version, "error": None, "servingAt": None, "endedAt": None}],
    }  # fmt: skip
    row = await row_of(api, made["deployment"]["id"])
    assert row.sealed_hf_token is not None and "hf_secret" not in row.sealed_hf_token
    assert api.server.platform.core.secrets.decrypt(row.sealed_hf_token, row.id) == "hf_secret"


async def test_what_cannot_be_is_told_at_its_field(api: Api) -> None:
    for changed, path in (
        ({"stabilisationWindowSeconds": -1}, ["stabilisationWindowSeconds"]),
        ({"targetLatencyP95Ms": 0}, ["targetLatencyP95Ms"]),
        ({"extraArgs": ["--trust-remote-code"]}, ["extraArgs"]),
        ({"source": "ADOPTED"}, ["source"]),
        ({"minReplicas": 2}, []),
    ):
        made = (await api.data(CREATE, input=GIVEN | changed))["createDeployment"]
        assert made["deployment"] is None
        assert [error["path"] for error in made["errors"]] == [path]
    assert (await api.data("{ deployments { nodes { id } } }"))["deployments"]["nodes"] == []


async def test_a_deployment_is_scaled_and_what_is_not_given_stays(api: Api) -> None:
    row = await things.queued_deployment(api.server)
    done = (await api.data(SCALE, input={"id": row.id, "maxReplicas": 3, "stabilisationWindowSeconds": 30}))["done"]
    scaling = {
        "minReplicas": 1, "maxReplicas": 3, "desiredReplicas": 1, "targetRps": 10.0, "targetLatencyP95Ms": 5000.0,
        "stabilisationWindowSeconds": 30,
    }  # fmt: skip
    assert done == {"deployment": scaling, "errors": []}
    (error,) = (await api.data(SCALE, input={"id": row.id, "minReplicas": 4}))["done"]["errors"]
    assert (error["__typename"], error["path"]) == ("FieldError", ["minReplicas"])
    (error,) = (await api.data(SCALE, input={"id": row.id, "stabilisationWindowSeconds": 86_401}))["done"]["errors"]
    assert error["path"] == ["stabilisationWindowSeconds"]
    shown = (await api.data(f"query($id: ID!) {{ deployment(id: $id) {{ {SCALING} }} }}", id=row.id))["deployment"]
    assert shown == scaling


async def test_a_deployment_is_updated_by_version(api: Api) -> None:
    await fill(api, 1)
    row = await things.queued_deployment(api.server, "chat")
    async with api.server.platform.db.read() as session:
        checkpoint_id = (await deployments.page(await api.server.context(), search="serve-0")).items[0].checkpoint_id
        assert checkpoint_id is not None
    done = (await api.data(UPDATE, input={"id": row.id, "model": checkpoint_id, "idempotencyKey": "again"}))["done"]
    version = {"source": "TRAINING_JOB", "model": checkpoint_id, "revision": None, "checkpoint": {"id": checkpoint_id}}
    before = {"source": "HUGGINGFACE", "model": "Qwen/Qwen3-4B", "revision": None, "checkpoint": None}
    versions = [{"number": 2, "status": "PENDING", **version}, {"number": 1, "status": "REPLACED", **before}]
    shown = {"model": checkpoint_id, "source": "TRAINING_JOB", "version": 2, "versions": versions}
    assert done == {"deployment": shown, "errors": []}
    assert (await api.data(UPDATE, input={"id": row.id, "model": checkpoint_id, "idempotencyKey": "again"}))["done"] == done
    query = "query($id: ID!) { deployment(id: $id) { job { id deployments { id } } } }"
    job = (await api.data(query, id=row.id))["deployment"]["job"]
    async with api.server.platform.db.read() as session:
        assert (await session.get_one(Job, job["id"])).output_name == "run-0"
    assert row.id in [found["id"] for found in job["deployments"]]
    (error,) = (await api.data(UPDATE, input={"id": row.id, "model": ids.new("job")}))["done"]["errors"]
    assert (error["__typename"], error["path"]) == ("NotFoundError", ["model"])


async def test_a_deployment_is_paused_and_resumed(api: Api) -> None:
    row = await things.serving_deployment(api.server, "http://127.0.0.1:1")
    paused = (await api.data(PAUSE, input={"id": row.id}))["done"]["deployment"]
    assert (paused["status"], paused["viewerCan"]) == ("QUEUED", ["resume", "scale", "stop", "update"])
    assert paused["pausedAt"] is not None
    resumed = (await api.data(RESUME, input={"id": row.id}))["done"]["deployment"]
    assert resumed == {"status": "QUEUED", "pausedAt": None, "viewerCan": ["pause", "scale", "stop", "update"]}


async def test_what_has_ended_or_is_anothers_is_not_changed(api: Api) -> None:
    other = await api.server.new_tenant("other")
    theirs = await things.queued_deployment(api.server, tenant=other)
    mine = await things.queued_deployment(api.server)
    await deployments.stop(await api.server.context(), mine.id)
    before = await things.everything(api.server)
    for query, given in (
        (SCALE, {"maxReplicas": 2}),
        (UPDATE, {"model": "Qwen/Qwen3-8B", "source": "HUGGINGFACE"}),
        (PAUSE, {}),
        (RESUME, {}),
    ):
        for row, code in ((theirs, "NOT_FOUND"), (mine, "INVALID_STATE")):
            done = (await api.data(query, input={"id": row.id, **given}))["done"]
            assert (done["deployment"], [error["code"] for error in done["errors"]]) == (None, [code])
    assert await things.everything(api.server) == before
    assert (await api.data(DECISIONS, id=theirs.id))["deployment"] is None


async def test_an_adopted_one_can_be_stopped_and_not_scaled(api: Api) -> None:
    row = await things.queued_deployment(api.server)
    async with api.server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, row.id)
        row.source, row.upstream_url = dep.ADOPTED, "http://10.0.0.7:8000"
        session.add(row)
    shown = (await api.data("query($id: ID!) { deployment(id: $id) { source upstreamUrl viewerCan } }", id=row.id))["deployment"]
    assert shown == {"source": "ADOPTED", "upstreamUrl": "http://10.0.0.7:8000", "viewerCan": ["pause", "stop"]}


async def test_the_operator_alone_adopts_a_server(api: Api) -> None:
    query = f"""mutation($input: AdoptDeploymentInput!) {{ done: adoptDeployment(input: $input) {{
      deployment {{ name source model upstreamUrl engine viewerCan }} {ERRORS} }} }}"""
    async with replica.running() as theirs:
        given = {"url": f"{theirs.url}/v1", "name": "theirs", "apiKey": "sk-never-shown"}
        (refused,) = (await api.data(query, input=given))["done"]["errors"]
        assert (refused["__typename"], refused["reason"]) == ("ForbiddenError", "operator_only")
        operator = Tenant(*await accounts.create(api.server.platform.core, "operator", credit_micros=0, operator=True))
        (unknown,) = (await Api(api.server, operator).data(query, input={**given, "model": "other"}))["done"]["errors"]
        assert (unknown["code"], unknown["path"]) == ("INVALID", ["model"])
        done = (await Api(api.server, operator).data(query, input=given))["done"]
    shown = {"name": "theirs", "source": "ADOPTED", "model": "served", "upstreamUrl": theirs.url, "engine": "external"}
    assert done == {"deployment": {**shown, "viewerCan": ["pause", "stop"]}, "errors": []}


async def test_decisions_come_newest_first_among_all_else_that_happened(api: Api) -> None:
    row = await things.queued_deployment(api.server)
    load = {"rps": 25.0, "p95_ms": 6100.0, "requests": 40, "by_rps": 3, "by_latency": 3}
    async with api.server.platform.db.transaction() as session:
        for before, after in ((1, 2), (2, 3)):
            told = {"from": before, "to": after, "reason": f"{before}→{after}: p95 6.1 s > 5 s", **load}
            await events.record(session, row.account_id, row.id, "scaled", told)
            await events.record(session, row.account_id, row.id, "replica_started", {"reason": "scaled"})
        await events.record(session, row.account_id, row.id, "scaled", {"from": 3, "to": 0, "reason": "3→0: idle"})
    shown = (await api.data(DECISIONS, id=row.id))["deployment"]["decisions"]
    nothing = dict.fromkeys(("rps", "p95Ms", "requests", "byRps", "byLatency"))
    loaded = {"rps": 25.0, "p95Ms": 6100.0, "requests": 40, "byRps": 3, "byLatency": 3}
    assert [{key: value for key, value in each.items() if key != "at"} for each in shown] == [
        {"from": 3, "to": 0, "reason": "3→0: idle", **nothing},
        {"from": 2, "to": 3, "reason": "2→3: p95 6.1 s > 5 s", **loaded},
        {"from": 1, "to": 2, "reason": "1→2: p95 6.1 s > 5 s", **loaded},
    ]
    assert (await api.data(DECISIONS, id=row.id, last=2))["deployment"]["decisions"] == shown[:2]
    refused = await api(DECISIONS, id=row.id, last=101)
    assert refused["errors"][0]["extensions"] == {"code": "INVALID", "param": "last"}


async def test_a_long_load_is_folded_and_loses_no_request(api: Api) -> None:
    row = await things.queued_deployment(api.server)
    busy = {
        "requests": 4, "errors": 1, "error_rate": 0.25, "prompt_tokens": 40, "completion_tokens": 80, "requests_per_second": 0.8,
        "tokens_per_second": 16.0, "latency_p50_ms": 100.0, "latency_p95_ms": 200.0, "ttft_p95_ms": 20.0, "running": 3,
        "replicas_ready": 2, "replicas_total": 2,
    }  # fmt: skip
    calm = {
        **busy,
        "requests": 1,
        "errors": 0,
        "latency_p50_ms": 50.0,
        "latency_p95_ms": 60.0,
        "running": None,
        "replicas_ready": 1,
    }
    moments = [AT + timedelta(seconds=5 * count) for count in range(1, 9)]
    async with api.server.platform.db.transaction() as session:
        rows = [sample(**(busy if index % 2 else calm), at=at.isoformat()) for index, at in enumerate(moments)]
        await stream.append(session, row.id, "stats", rows)
    exact = (await api.data(LOADS, id=row.id))["deployment"]["loads"]
    assert [each["requests"] for each in exact] == [1, 4] * 4
    assert exact[1]["at"] == "2026-04-14T12:00:10Z"
    span = {"from": AT.isoformat(), "to": moments[-1].isoformat()}
    folded = (await api.data(LOADS, id=row.id, points=2, **span))["deployment"]["loads"]
    both = {
        "windowSeconds": 20.0, "requests": 10, "errors": 2, "errorRate": 0.2, "promptTokens": 160, "completionTokens": 320,
        "requestsPerSecond": 0.5, "tokensPerSecond": 16.0, "latencyP50Ms": 90.0, "latencyP95Ms": 200.0, "ttftP95Ms": 20.0,
        "running": 3, "replicasReady": 2, "replicasTotal": 2,
    }  # fmt: skip
    assert folded == [{"at": "2026-04-14T12:00:20Z", **both}, {"at": "2026-04-14T12:00:40Z", **both}]
    some = {"from": moments[1].isoformat(), "to": moments[4].isoformat()}
    assert (await api.data(LOADS, id=row.id, **some))["deployment"]["loads"] == exact[2:5]
    far = {"from": AT.isoformat(), "to": (AT + timedelta(days=1)).isoformat()}
    (one,) = (await api.data(LOADS, id=row.id, points=4, **far))["deployment"]["loads"]
    assert (one["at"], one["requests"], one["windowSeconds"]) == ("2026-04-14T18:00:00Z", 20, 21_600.0)


async def test_of_a_load_no_backward_time_and_no_endless_points(api: Api) -> None:
    row = await things.queued_deployment(api.server)
    assert (await api.data(LOADS, id=row.id))["deployment"]["loads"] == []
    for given, param in (
        ({"points": 0}, "points"),
        ({"points": 1001}, "points"),
        ({"from": AT.isoformat(), "to": AT.isoformat()}, "from"),
    ):
        refused = await api(LOADS, id=row.id, **given)
        assert refused["errors"][0]["extensions"]["param"] == param


async def test_replicas_tell_where_they_run_and_how_they_proved_themselves(api: Api, new_run: NewRun) -> None:
    row = await things.serving_deployment(api.server, "http://127.0.0.1:1")
    parity = {"prompts": 3, "template_matches": True, "max_difference": 0.0125, "tolerance": 0.1, "checked_at": AT.isoformat()}
    async with api.server.platform.db.transaction() as session:
        (found,) = await deployments.replicas(await api.server.context(), row.id)
        made = await session.get_one(Replica, found.id)
        made.parity, made.engine, made.gpu, made.rate_micros_per_hour = parity, "vllm", row.gpu_requested, 250_000
        made.stop_requested_at, made.stop_reason, made.ready_at = AT, "scaled down", AT
        session.add(made)
    query = """query($id: ID!) { deployment(id: $id) { hourlyCost { amount } replicas { status version engine
      hardware { type count } readyAt stopRequestedAt stopReason hostId
      parity { prompts templateMatches maxDifference tolerance checkedAt } } } }"""
    shown = (await api.data(query, id=row.id))["deployment"]
    assert shown == {
        "hourlyCost": {"amount": "0.25"},
        "replicas": [
            {
                "status": "running", "version": 1, "engine": "vllm", "hardware": {"type": "CPU", "count": 1},
                "readyAt": "2026-04-14T12:00:00Z", "stopRequestedAt": "2026-04-14T12:00:00Z", "stopReason": "scaled down",
                "hostId": "host",
                "parity": {
                    "prompts": 3, "templateMatches": True, "maxDifference": 0.0125, "tolerance": 0.1,
                    "checkedAt": "2026-04-14T12:00:00Z",
                },
            }
        ],
    }  # fmt: skip
