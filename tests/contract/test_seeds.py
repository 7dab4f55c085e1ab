"""Every example of the documents, field by field: what they send is sent as it is, what they show is what comes back."""

import re
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids
from models import deployment as dep
from models import events, job, transitions
from models.deployment import Deployment, InferenceRequest
from tests.conftest import Server, Tenant
from tests.contract import seeds
from tests.contract.seeds import Example, compare
from tests.rest_compat import things
from tests.rest_compat.described import DESCRIPTION
from tests.rest_compat.replica import Replica
from tests.rest_compat.test_job_history import reported

pytestmark = pytest.mark.anyio
OVERVIEW = seeds.load("overview")
JOBS = seeds.load("training_jobs")
DEPLOYMENTS = seeds.load("deployments")
ROUTE_PARAMETER = re.compile(r"\{\w+\}")


@pytest.fixture
async def anybody(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key: the examples bring theirs."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=30, verify=False) as made:
        yield made


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with server.client() as made:
        yield made


class Sender:
    """Sends examples as the tenant, its ids for those of the documents."""

    def __init__(self, client: httpx2.AsyncClient, server: Server) -> None:
        self.client = client
        self.key = server.tenant.key
        self.ids: dict[str, str] = {}

    async def __call__(self, example: Example, status: int = 200) -> Any:
        answer = await self.client.send(example.request(self.client, self.key, self.ids))
        assert answer.status_code == status, answer.text
        return answer.json() if answer.headers["content-type"] == "application/json" else answer.text


@pytest.fixture
def send(anybody: httpx2.AsyncClient, server: Server) -> Sender:
    return Sender(anybody, server)


async def running_job(server: Server, client: httpx2.AsyncClient) -> str:
    """Return the job of the examples, running."""
    body = await things.job_body(client, output_name="qwen3-4b-math")
    made = (await client.post("/v1/training_jobs", json=body)).json()
    await things.moved(server, made["id"], job.PROVISIONING)
    placed = {"gpu": {"type": "A100-80GB", "count": 1}, "provider": "prime_intellect"}
    await things.moved(server, made["id"], job.RUNNING, **placed)
    job_id: str = made["id"]
    return job_id


# --- the overview


def test_every_endpoint_of_the_overview_is_there() -> None:
    described = {
        f"{method.upper()} {ROUTE_PARAMETER.sub('{id}', path)}"
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
    }
    assert [endpoint for endpoint in OVERVIEW["endpoints"] if endpoint not in described] == []


async def test_authentication(send: Sender, anybody: httpx2.AsyncClient) -> None:
    assert await send(OVERVIEW["authentication"]) == {"object": "list", "data": [], "has_more": False}
    send.key = "vk_wrong"
    refused = await send(OVERVIEW["authentication"], 401)
    assert refused == OVERVIEW["error"].response
    assert (await anybody.get("/v1/training_jobs")).json() == OVERVIEW["error"].response


async def test_the_object_of_the_overview(server: Server, client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client, output_name="my-model")
    compare(OVERVIEW["success"].response, made)


async def test_every_documented_status(server: Server, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = await things.queued_job(client)
    await client.post(f"/v1/training_jobs/{ended['id']}/cancel")
    poor = await server.new_tenant("poor", "0")
    body = {"model": "Qwen/Qwen3-4B", "source": "huggingface", "name": "a", "gpu": {"gpu_type": "H100", "gpu_count": 1}}
    async with server.client(poor) as theirs, server.client(Tenant(poor.account, "vk_no")) as nobody:
        wanted: list[tuple[httpx2.Response, int, str, str | None]] = [
            (await client.post(f"/v1/training_jobs/{ended['id']}/cancel"), 400, "invalid_request_error", "invalid_state"),
            (await nobody.get("/v1/datasets"), 401, "invalid_request_error", None),
            (await theirs.post("/v1/deployments", json=body), 402, "insufficient_credit", "insufficient_credit"),
            (await client.get("/v1/datasets/ds_unknown"), 404, "not_found_error", "resource_not_found"),
            # Another's thing is as if it were not there.
            (await theirs.get(f"/v1/training_jobs/{ended['id']}"), 404, "not_found_error", "resource_not_found"),
            (await client.post("/v1/deployments", json={}), 422, "invalid_request_error", "schema_validation"),
        ]
        monkeypatch.setattr("resolvers.datasets.page", lambda *_, **__: 1 / 0)
        wanted.append((await client.get("/v1/datasets"), 500, "api_error", None))
    for answer, status, kind, code in wanted:
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["code"]) == (status, kind, code)
        assert list(error)[:4] == list(OVERVIEW["error"].response["error"])
        assert error["message"] and answer.headers["x-request-id"]


async def test_pagination(send: Sender, client: httpx2.AsyncClient) -> None:
    made = [await things.dataset(client, f"d{index}") for index in range(12)]
    newest_first = [row["id"] for row in reversed(made)]
    send.ids["ds_abc123"] = newest_first[0]
    page = await send(OVERVIEW["pagination"])
    assert list(page) == list(OVERVIEW["pagination"].response)
    assert (page["object"], page["has_more"], [row["id"] for row in page["data"]]) == ("list", True, newest_first[1:11])
    send.ids["ds_abc123"] = newest_first[10]
    assert (await send(OVERVIEW["pagination"]))["has_more"] is False
    unknown = await client.get("/v1/datasets?after=ds_unknown")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "after")


async def test_lists_have_their_documented_length(server: Server, client: httpx2.AsyncClient, engine: Replica) -> None:
    for index in range(21):
        await things.reward_function(client, f"r{index}")
    row = await things.serving_deployment(server, engine.url)
    await things.logged_requests(server, row, 51)
    assert len((await client.get("/v1/reward_functions")).json()["data"]) == 20
    assert len((await client.get(f"/v1/deployments/{row.id}/requests")).json()["data"]) == 50
    defaults = {
        path: parameter["schema"]["default"]
        for path, operations in DESCRIPTION["paths"].items()
        for parameter in operations.get("get", {}).get("parameters", [])
        if parameter["name"] == "limit"
    }
    fifty = {"/v1/deployments", "/v1/deployments/{deployment_id}/requests", "/v1/training_jobs/{job_id}/events"}
    # As the SDK asks for items.
    fifty |= {"/v1/evals/{eval_id}/runs/{run_id}/items"}
    assert {path for path, default in defaults.items() if default == 50} == fifty
    lines = {"/v1/deployment_logs/query"}
    assert {path for path, default in defaults.items() if default == 100} == lines
    # As OpenAI's own list of files.
    whole = {"/v1/files", "/v1/openai/files", "/api/v2/external/files"}
    assert {path for path, default in defaults.items() if default == 10_000} == whole
    assert {default for path, default in defaults.items() if path not in fifty | lines | whole} == {20}


# --- training jobs


async def test_a_job_is_created(send: Sender, client: httpx2.AsyncClient) -> None:
    send.ids = {
        "ds_abc123": (await things.dataset(client))["id"],
        "rf_def456": (await things.reward_function(client))["id"],
    }
    made = await send(JOBS["create_grpo"], 201)
    compare(JOBS["create_grpo"].response, made)


async def test_environments_need_their_integration(send: Sender, client: httpx2.AsyncClient) -> None:
    send.ids["ds_abc123"] = (await things.dataset(client))["id"]
    refused = await send(JOBS["create_openreward"], 400)
    assert (refused["error"]["type"], refused["error"]["code"]) == ("invalid_request_error", "integration_not_configured")
    assert (await client.get("/v1/training_jobs")).json()["data"] == []


async def test_jobs_are_listed(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    await things.queued_job(client)
    await running_job(server, client)
    # A real page, where the document shows a rendering artefact.
    compare(JOBS["list"].response, await send(JOBS["list"]), "data.dashboard_url")


async def test_a_job_is_shown(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    send.ids["job_xyz789"] = await running_job(server, client)
    compare(JOBS["get"].response, await send(JOBS["get"]), "dashboard_url")


async def test_events_are_listed(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    send.ids["job_xyz789"] = made["id"]
    async with server.platform.db.transaction() as session:
        await events.record(session, server.tenant.account.id, made["id"], "submitted")
    await things.moved(server, made["id"], job.PROVISIONING, job.RUNNING)
    found = await send(JOBS["events"])
    assert list(found) == ["items"]
    # Between the documented ones there may be others.
    documented = JOBS["events"].response["items"]
    names = [item["event_type"] for item in documented]
    compare(documented, [{**item, "metadata": {}} for item in found["items"] if item["event_type"] in names])


async def test_metrics_are_sampled(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    job_id = send.ids["job_xyz789"] = (await things.queued_job(client))["id"]
    shown = {0: (1.42, 0.10), 5: (1.31, 0.18), 10: (1.20, 0.25)}
    rows = [
        {"step": step, "values": {"loss": loss, "reward": reward, "kl": 0.5, "learning_rate": 1e-6}}
        for step, (loss, reward) in shown.items()
    ]
    await reported(server, job_id, rows)
    found = await send(JOBS["metrics"])
    assert sorted(found["available_keys"]) == sorted(JOBS["metrics"].response["available_keys"])
    documented = {**JOBS["metrics"].response, "available_keys": found["available_keys"], "latest_step": 10}
    compare(documented, found)
    await reported(server, job_id, [{"step": step, "values": {"loss": 1.0, "reward": 1.0}} for step in range(11, 1235)])
    found = await send(JOBS["metrics"])
    steps = [point["step"] for point in found["metrics"]]
    assert (len(steps), steps[0], steps[-1], found["latest_step"]) == (500, 0, 1234, 1234)
    gaps = {after - before for before, after in pairwise(steps[1:])}
    assert max(gaps) - min(gaps) <= 1
    assert {tuple(point["values"]) for point in found["metrics"]} == {("loss", "reward")}
    polled = (await client.get(f"/v1/training_jobs/{job_id}/metrics?from_step=1235")).json()
    assert polled == {"metrics": [], "available_keys": found["available_keys"], "latest_step": 1234}


async def test_a_job_is_cancelled_once(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    send.ids["job_xyz789"] = await running_job(server, client)
    compare(JOBS["cancel"].response, await send(JOBS["cancel"]))
    refused = await send(JOBS["cancel"], 400)
    assert (refused["error"]["code"], refused["error"]["type"]) == ("invalid_state", "invalid_request_error")
    for status in (job.COMPLETED, job.FAILED):
        send.ids["job_xyz789"] = await running_job(server, client)
        await things.moved(server, send.ids["job_xyz789"], status)
        assert (await send(JOBS["cancel"], 400))["error"]["code"] == "invalid_state"


async def test_logs_are_a_stream(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    job_id = send.ids["job_xyz789"] = await running_job(server, client)
    await things.said(server, job_id, "step 1")
    await things.moved(server, job_id, job.COMPLETED)
    frames = (await send(JOBS["logs"])).strip().split("\n\n")
    # The document shows one line in this shape, and says that the real ones are to come.
    shape = re.compile(r"(id: \S+\n)?data: .*(\nid: \S+)?")
    assert all(shape.fullmatch(frame) for frame in (*frames, JOBS["logs"].response))
    assert any("data: step 1" in frame for frame in frames)
    assert "data: [Job completed]" in frames[-1]


async def test_a_completed_job_has_a_model(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    waiting = await things.queued_job(client)
    send.ids["job_xyz789"] = waiting["id"]
    assert (await send(JOBS["model"], 400))["error"]["code"] == "job_not_completed"
    done = await things.completed_job(server, client)
    send.ids["job_xyz789"] = done["id"]
    found = await send(JOBS["model"])
    compare(JOBS["model"].response, found, "download_url")
    shown = (await client.get(f"/v1/training_jobs/{done['id']}")).json()["download_url"]
    for url in (found["download_url"], shown):
        assert url.endswith(".tar.gz")
        assert sorted(things.unpacked((await things.fetched(url)).content)) == sorted(things.FILES)


# --- deployments


async def test_a_deployment_is_created(send: Sender, server: Server, client: httpx2.AsyncClient) -> None:
    send.ids["job_abc123"] = (await things.completed_job(server, client))["id"]
    made = await send(DEPLOYMENTS["create"], 201)
    # The document's is not a provider but a part of a test.
    compare(DEPLOYMENTS["create"].response, made, "provider")


async def test_deployments_are_listed_and_shown(
    send: Sender, server: Server, client: httpx2.AsyncClient, engine: Replica
) -> None:
    await things.queued_deployment(server, "waiting")
    row = await things.serving_deployment(server, engine.url, "my-math-model")
    found = await send(DEPLOYMENTS["list"])
    endpoint = f"/v1/deployments/{row.id}/chat/completions"
    compare(
        DEPLOYMENTS["list"].response, found, *("data." + name for name in ("model", "source", "endpoint_url", "total_requests"))
    )
    assert found["data"][0]["endpoint_url"] == endpoint
    send.ids["dep_xyz789"] = row.id
    shown = await send(DEPLOYMENTS["get"])
    assert list(shown)[: len(DEPLOYMENTS["create"].response)] == list(DEPLOYMENTS["create"].response)
    assert found["data"] == [shown]


async def test_a_stopped_deployment_stays_as_it_is(
    send: Sender, server: Server, client: httpx2.AsyncClient, engine: Replica
) -> None:
    row = await things.serving_deployment(server, engine.url, "my-math-model")
    send.ids["dep_xyz789"] = row.id
    stopped = await send(DEPLOYMENTS["stop"])
    compare(DEPLOYMENTS["stop"].response, stopped)
    assert await send(DEPLOYMENTS["stop"]) == stopped
    failed = await things.queued_deployment(server, "failed")
    async with server.platform.db.transaction() as session:
        assert await transitions.move(session, await session.get_one(Deployment, failed.id), dep.FAILED, error="no such model")
    send.ids["dep_xyz789"] = failed.id
    as_it_is = (await client.get(f"/v1/deployments/{failed.id}")).json()
    assert (await send(DEPLOYMENTS["stop"]), as_it_is["status"]) == (as_it_is, "failed")


async def test_a_chat(send: Sender, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url, "my-math-model")
    send.ids["dep_xyz789"] = row.id
    answer = await send(DEPLOYMENTS["chat"])
    said = ("choices.message.content", "usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens")
    compare(DEPLOYMENTS["chat"].response, answer, *said)
    assert engine.seen[-1]["temperature"] == 0.7
    assert engine.seen[-1]["messages"] == [{"role": "user", "content": "What is 15% of 240?"}]


async def test_requests_are_logged(send: Sender, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url, "my-math-model")
    send.ids["dep_xyz789"] = row.id
    async with server.platform.db.transaction() as session:
        session.add(
            InferenceRequest(
                id=ids.new("req"),
                account_id=row.account_id,
                deployment_id=row.id,
                prompt_tokens=12,
                completion_tokens=28,
                latency_ms=145.2,
                status_code=200,
                created_at=clock.now(),
            )
        )
    compare(DEPLOYMENTS["requests"].response, await send(DEPLOYMENTS["requests"]))


async def test_the_figures_of_a_deployment(send: Sender, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url, "my-math-model")
    send.ids["dep_xyz789"] = row.id
    await things.logged_requests(server, row, 142)
    found = await send(DEPLOYMENTS["metrics"])
    documented = DEPLOYMENTS["metrics"].response
    assert (found["total_requests"], round(found["error_rate"], 3)) == (documented["total_requests"], documented["error_rate"])
    measured = (
        "total_prompt_tokens",
        "total_completion_tokens",
        "total_cost_usd",
        "avg_latency_ms",
        "error_rate",
        "uptime_seconds",
    )
    compare(documented, found, *measured)
